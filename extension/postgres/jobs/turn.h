/* One turn of a job's process. */
#ifndef PYTHIA_POSTGRES_JOBS_TURN_H
#define PYTHIA_POSTGRES_JOBS_TURN_H

#include "postgres.h"
#include "postgres/worker/worker.h"
/*
 * One turn of a job, called outside a transaction, in a process whose session
 * user is the job's owner.  The turn starts and commits transactions of its own
 * (pythia_job_begin, pythia_job_commit) and returns the milliseconds after which
 * the next turn is wanted (0: at once).  Errors are ereported: the caller rolls
 * back, records them and tries again with jittered back-off.  The turn of a
 * worker that was dropped or stopped ends with PYTHIA_TURN_OVER.
 */
extern long pythia_cdc_turn(const pythia_job *job);
extern long pythia_sync_turn(const pythia_job *job);
#define PYTHIA_TURN_OVER (-1L)
/* What a helper does (sync_due.c): its part of one turn. */
extern void pythia_sync_help(const pythia_job *job, int share);

#endif
