/* What the processes that give workers their turns have in common. */
#ifndef PYTHIA_POSTGRES_JOBS_JOB_H
#define PYTHIA_POSTGRES_JOBS_JOB_H

#include "postgres.h"

#include "postgres/worker/start.h"
#include "postgres/worker/worker.h"

/* The process enters the database, as the owner; `what` is its name for now. */
extern void pythia_job_become(const pythia_process_start *start, const char *what);
/* Fills in what the catalogue says of the worker (name and kind, palloc'ed in the caller's context) and shows its
 * name; false where it shall not run, or is not this owner's. */
extern bool pythia_job_read(pythia_job *job);
/*
 * One turn: returns as pythia_cdc_turn does, and PYTHIA_TURN_FAILED where it failed: *failure, in the current context,
 * says how. The session is tidy afterwards.
 */
extern long pythia_job_turn(const pythia_job *job, ErrorData **failure);
#define PYTHIA_TURN_FAILED (-2L)
/* After a failure: what cancelled it is served. False where the worker is not wanted any more. */
extern bool pythia_job_goes_on(pythia_job *job);
/* Writing down. */
extern void pythia_job_failed(const pythia_job *job, const ErrorData *failure, long retry_ms);
extern void pythia_job_note_start(int32 worker_id);
extern void pythia_job_note_recovery(int32 worker_id);
extern void pythia_job_note_stop(int32 worker_id);
/* Sleeps for so long, or until the latch is set: then true. */
extern bool pythia_job_sleep(long milliseconds);

#endif
