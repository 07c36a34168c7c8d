/* What is kept here of a live sync worker, and what it leaves behind elsewhere. */
#ifndef PYTHIA_POSTGRES_SYNC_LIVE_H
#define PYTHIA_POSTGRES_SYNC_LIVE_H

#include "postgres.h"

#include "live/live.h"
#include "postgres/sync/worker.h"

/* Its name among the live syncs of both sides, whose other workers are not all of this database; palloc'ed, UTF-8.  In a
 * transaction. */
extern char *pythia_sync_live_name(int32 worker_id);
/*
 * Takes triggers, logs and positions away that a live worker has at source and target, before it is dropped or goes
 * elsewhere: it must be stopped.  Where a side cannot be reached, or the caller is not the worker's owner, a warning says
 * what stays and how it is taken away.  Does nothing for a worker that was never live.
 */
extern void pythia_sync_live_leave(const pythia_sync_spec *spec);

/* Before all workers go with the extension or the database: warns of each that has put something elsewhere, and says how that
 * is taken away. */
extern void pythia_sync_live_all_stay(void);

/* Writes down how far it is; `before`: what was counted when that was last done.  In a transaction. */
extern void pythia_sync_live_note(int32 worker_id, const pythia_live_status *now, const pythia_live_status *before,
								  int64 waiting);
/* That a table is "copying", "live" or "aside"; `why`: UTF-8, or NULL.  In a transaction. */
extern void pythia_sync_live_note_table(int32 worker_id, const char *table, const char *state, const char *why);

#endif
