/*
 * The roster: which workers shall run, when each is due, and who serves it; in shared memory, for the preloaded library.
 *
 * Managers put workers in and take them out. Executors take the one that has waited longest, of their database and
 * owner, give it a turn, and put it back. An executor's place is claimed before its process starts, so that
 * pythia_db.max_workers and pythia_db.max_workers_per_role hold.
 */
#ifndef PYTHIA_POSTGRES_WORKER_ROSTER_H
#define PYTHIA_POSTGRES_WORKER_ROSTER_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "postgres/worker/shared.h"

/* An executor with nothing to do looks again after so long at the latest. */
#define PYTHIA_LONGEST_WAIT 60000L

/* ---- places ---- */

typedef enum pythia_claim
{
	PYTHIA_CLAIM_OK,
	PYTHIA_CLAIM_FULL,    /* max_workers processes run */
	PYTHIA_CLAIM_TOO_MANY /* max_workers_per_role of this owner do */
} pythia_claim;

/* A place for a process of ours in this database, to be started by this one; *place is its number. */
extern pythia_claim pythia_place_claim(Oid owner, bool helper, int *place);
extern void pythia_place_free(int place);
/* In the new process: false where the place is not its own (any more). It is given up when the process ends. */
extern bool pythia_place_take(int place, pid_t starter, Oid owner);
extern pythia_executor_slot *pythia_my_place(void); /* NULL where it has none */
/* Those that this process claimed for helpers and whose process never came. */
extern void pythia_place_free_helpers(void);
/* Processes that one role may have at once in all databases; 0: any number. */
extern int pythia_role_limit(Oid owner);
/* Makes room: the executor that is the easiest to spare ends soon. `owner`: it must be this one's; InvalidOid: any. */
extern void pythia_place_ask(Oid owner);
/* Whether this process is in the midst of a copy, in which nobody asks for its place. */
extern void pythia_place_copies(bool copies);
/* Whether a worker of the owner, in this database, would have to wait for a place. */
extern pythia_claim pythia_place_outlook(Oid owner);

/* ---- workers ---- */

/* Puts a worker in, or corrects what is known of it; due at once where it is new. TOO_MANY: a quarter of all places
 * is the owner's already, who is no superuser (`exempt`). */
extern pythia_claim pythia_roster_put(int32 worker_id, pythia_job_kind kind, Oid owner, bool exempt);
/* What that would say. */
extern pythia_claim pythia_roster_outlook(int32 worker_id, Oid owner);
/* Takes one out; where it is in a turn, that is cancelled. True where its process will note the end. */
extern bool pythia_roster_remove(int32 worker_id);
/* It is stopped: cancels its turn, where it is in one, after which it goes. */
extern void pythia_roster_cancel(int32 worker_id);
/* Ends the process that gives it a turn just now. */
extern void pythia_roster_end(int32 worker_id);
/* Ends the processes of this database whose turn was cancelled and goes on all the same. Returns the milliseconds
 * until that should be looked at again, -1: no turn was cancelled. */
extern long pythia_roster_insist(void);
/* Numbers of those of this database; palloc'ed. */
extern List *pythia_roster_list(void);
/* All of a database that is gone. */
extern void pythia_roster_forget(Oid database);
/* Due now. Returns the process to wake: an executor that waits, or the manager; 0: none need be. */
extern pid_t pythia_roster_wake(int32 worker_id);

/*
 * The worker that has waited longest, of this database and the executor's owner; it is the caller's until it is put
 * back. NULL where none is due: *wait says for how many milliseconds, -1: there is none at all.
 */
extern pythia_job_slot *pythia_roster_take(Oid owner, long *wait);
/* After the turn: due again after so long; a wake meanwhile makes that now, unless it failed. False where it was taken out
 * meanwhile. */
extern bool pythia_roster_put_back(pythia_job_slot *slot, long delay, bool failed);
/* Whether another worker of this database and owner has been due for a second, and nobody serves it: a turn that could go
 * on for ever makes room. */
extern bool pythia_roster_others_wait(Oid owner);
/* It does not run any more. */
extern void pythia_roster_strike(pythia_job_slot *slot);

/* After so many failures in a row: when to try again, in milliseconds. */
extern long pythia_retry_after(int failures);

/* How a database's owners stand. */
typedef struct pythia_need
{
	Oid owner;
	int jobs;
	int executors;       /* claimed or running */
	bool spare;          /* one of them has nothing to do, or is only starting */
	TimestampTz overdue; /* since when the worker that has waited longest is due; 0: none is */
	TimestampTz next;    /* when the next one is due; 0: none */
} pythia_need;

/* palloc'ed; of pythia_need *. */
extern List *pythia_roster_needs(void);

#endif
