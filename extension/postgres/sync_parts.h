/*
 * One large table by several processes: its parts are rows of pythia.sync_part, and a lock of the process says
 * who has one, as with tables (sync_parallel.h).
 */
#ifndef PYTHIA_SYNC_PARTS_H
#define PYTHIA_SYNC_PARTS_H

#include "local.h"
#include "sync_run.h"
#include "worker.h"

/* For the runs that follow in this process: up to `most` streams over all tables (1: a table in one piece), of
 * which a table in parts may bring in `more` by starting helpers. */
extern void pythia_parts_allow(const pythia_job *job, int most, int more);

/* What the engine gets (pythia_sync_job.streams): lives as long as the session.  `ticket` is NULL for a table's
 * own run, else that of the one that is joined. */
extern pythia_sync_streams *pythia_parts_offer(pythia_session *session, int32 worker_id, const char *table,
											   const char *ticket);

/* Gives back the part in hand, where a run failed; returns whether the table was in parts. */
extern bool pythia_parts_leave(pythia_sync_streams *streams);

/* Takes part in one of the worker's tables that another process copies in parts, if there is one; false where
 * there was nothing to do. */
extern bool pythia_parts_help(const pythia_sides *sides, const pythia_node *overrides);

/* In a transaction: what is kept of parts goes. */
extern void pythia_parts_forget(int32 worker_id, const char *table);

#endif
