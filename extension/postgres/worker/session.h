/*
 * What code of users (handlers, conditions, triggers, conflict functions) leaves behind in a process of ours is undone:
 * settings and identity with each transaction, everything else of the session with each turn.
 */
#ifndef PYTHIA_POSTGRES_WORKER_SESSION_H
#define PYTHIA_POSTGRES_WORKER_SESSION_H

#include "postgres.h"

#include "postgres/worker/worker.h"

/* After a turn: temporary tables, advisory locks (with shared memory, the worker's own too), prepared statements, held
 * cursors, channels. */
extern void pythia_session_tidy(const pythia_job *job);

#endif
