/*
 * What code of users (handlers, conditions, triggers, conflict functions) leaves behind in a process of ours is undone:
 * settings and identity with each transaction, everything else of the session with each turn.
 */
#ifndef PYTHIA_POSTGRES_WORKER_SESSION_H
#define PYTHIA_POSTGRES_WORKER_SESSION_H

#include "postgres.h"

#include "postgres/worker/worker.h"

/* Between two turns: temporary tables, advisory locks, prepared statements, held cursors. */
extern void pythia_session_tidy(const pythia_job *job);

#endif
