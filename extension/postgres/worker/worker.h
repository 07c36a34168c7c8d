/*
 * Background workers: one launcher a server, one manager a database, executors that
 * give the workers of one owner their turns.  A worker is a row, not a process: it
 * has one while its turn lasts.  (Without shared memory each has a process to itself.)
 */
#ifndef PYTHIA_POSTGRES_WORKER_WORKER_H
#define PYTHIA_POSTGRES_WORKER_WORKER_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef enum pythia_job_kind
{
	PYTHIA_JOB_CDC,
	PYTHIA_JOB_SYNC
} pythia_job_kind;

/* What is kept of a worker from one turn to the next, whichever process has it. */
typedef struct pythia_job_memory
{
	TimestampTz next_poll;
	TimestampTz next_rotation;
	TimestampTz next_look; /* for tables that have come under a pattern */
	int64 singly;          /* changes that are handed over one by one, as something among them failed with the others */
	int64 failed_untold;   /* calls of the handler that failed since a line in the log said so */
	int64 dead_untold;     /* of them for the last time */
	TimestampTz told_at;
	bool divided; /* several processes hand over what waits for the handler */
	bool served;  /* false: a process may have died in the turn before, or nothing is known of one */
} pythia_job_memory;

typedef struct pythia_job
{
	pythia_job_kind kind;
	int32 worker_id;
	char *name;
	Oid owner; /* the process has this role as its session user */
	pythia_job_memory *memory;
} pythia_job;

/* cdc or sync; anything else is an error. */
extern pythia_job_kind pythia_job_kind_from_text(const char *text);

/* Notes that this process has polled. */
extern void pythia_note_poll(int32 worker_id);

/*
 * Wakes the worker's process, where one runs, and every backend that waits for
 * the worker: when the current transaction has committed (cheap when called
 * again in the same transaction), or at once.
 */
extern void pythia_wake_at_commit(int32 worker_id);
/*
 * This backend's latch is set by each wake of that worker, until it is removed
 * or the transaction ends.  False where there is no shared memory for it (not
 * preloaded) or no room: then wait with a timeout of your own.
 */
extern bool pythia_waiter_add(int32 worker_id);
extern void pythia_waiter_remove(int32 worker_id);

/* Number of the worker, for its owner's members alone; ereports an unknown name (42704, with a hint). */
extern int32 pythia_worker_lookup(pythia_job_kind kind, const char *name, Oid *owner, bool *enabled);
/* Whether this process shall still run the worker: it is there, enabled, and not held. */
extern bool pythia_worker_wanted(pythia_job_kind kind, int32 worker_id);
/* Workers of one role in a database, but of superusers; sessions that make them at the same moment may come to some more. */
#define PYTHIA_MAX_WORKERS_OF_ROLE 10000
/* Adds a row to pythia.worker owned by the current role; ereports a name that is taken (42710), and too many (54000). */
extern int32 pythia_worker_create(pythia_job_kind kind, const char *name);
/* Removes the row (and, by cascade, what refers to it) and ends the process at commit. */
extern void pythia_worker_drop(pythia_job_kind kind, const char *name);
/* Whether a process runs the worker just now; its pid, or 0. */
extern int pythia_worker_pid(int32 worker_id);

#endif
