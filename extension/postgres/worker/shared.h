/*
 * Shared memory, where the library was preloaded: which databases have a
 * manager, which processes run, which workers they serve and when (roster.h),
 * who waits for a worker, how far syncs are.
 *
 * One lock guards it all; it is held for a few loads and stores only, and no
 * other lock is taken under it.
 */
#ifndef PYTHIA_POSTGRES_WORKER_SHARED_H
#define PYTHIA_POSTGRES_WORKER_SHARED_H

#include "postgres.h"

#include "storage/lwlock.h"
#include "postgres/worker/worker.h"
#include "utils/timestamp.h"

#define PYTHIA_MAX_DATABASES    128
#define PYTHIA_MAX_JOBS         4096
#define PYTHIA_MAX_JOBS_OF_ROLE (PYTHIA_MAX_JOBS / 4)
#define PYTHIA_MAX_WAITERS      256
#define PYTHIA_MAX_PROGRESS     128

typedef enum pythia_manager_state
{
	PYTHIA_MANAGER_NONE,     /* nobody wants it */
	PYTHIA_MANAGER_STARTING, /* registered, no process yet */
	PYTHIA_MANAGER_RUNNING
} pythia_manager_state;

typedef struct pythia_manager_slot
{
	Oid database; /* InvalidOid: free */
	pythia_manager_state state;
	pid_t pid;
	bool requested; /* something changed there since the manager last looked */
	bool sent_away; /* for a hold: that it ends is no failure */
} pythia_manager_slot;

/* A process that serves the workers of one owner in one database, or helps with one of them. */
typedef struct pythia_executor_slot
{
	Oid database;  /* InvalidOid: free */
	Oid owner;     /* as which it runs */
	pid_t pid;     /* 0 until the process has started */
	pid_t starter; /* that claimed it */
	bool helper;
	bool waits;        /* it has nothing to do just now */
	bool copies;       /* it is in the turn of a sync worker, which may be long */
	TimestampTz leave; /* since when others need its place: it ends after this turn; 0: they do not */
	TimestampTz since;
} pythia_executor_slot;

/* A worker that shall run. */
typedef struct pythia_job_slot
{
	Oid database; /* InvalidOid: free */
	int32 worker_id;
	Oid owner;
	pythia_job_kind kind;
	pid_t pid;             /* of the executor that serves it, or did so last and lives; 0: none */
	bool busy;             /* in a turn */
	bool woken;            /* during that turn: the next one follows at once */
	bool unwanted;         /* goes when the turn is over */
	TimestampTz asked;     /* when that turn was last told to end */
	bool started;          /* that it runs is noted */
	int failures;          /* in a row */
	TimestampTz due;       /* when it wants its next turn */
	TimestampTz polled_at; /* 0: not yet */
	pythia_job_memory memory;
} pythia_job_slot;

typedef struct pythia_waiter_slot
{
	pid_t pid; /* 0: free */
	Oid database;
	int32 worker_id;
} pythia_waiter_slot;

typedef struct pythia_progress_slot
{
	pid_t pid; /* 0: free */
	Oid database;
	Oid role;
	int32 worker_id;
	char table[2 * NAMEDATALEN];
	char phase[32];
	int64 rows;
	int64 total;
	int64 bytes;
	bool helps;         /* with a table that another process has */
	int64 joined_rows;  /* of helpers that have left */
	int64 joined_bytes; /* likewise */
	bool alone;         /* rows and bytes are of all */
	TimestampTz started;
} pythia_progress_slot;

typedef struct pythia_shared
{
	LWLock *lock;
	pid_t launcher;
	int max_workers;
	int njobs;            /* places of `jobs` that were ever used */
	bool look_everywhere; /* roles have changed: every manager looks whose workers may run */
	pythia_manager_slot managers[PYTHIA_MAX_DATABASES];
	pythia_waiter_slot waiters[PYTHIA_MAX_WAITERS];
	int nwaiters; /* so that a wake with none costs nothing */
	pythia_progress_slot progress[PYTHIA_MAX_PROGRESS];
	pythia_job_slot jobs[PYTHIA_MAX_JOBS];
	pythia_executor_slot executors[FLEXIBLE_ARRAY_MEMBER];
} pythia_shared;

extern pythia_shared *pythia_shmem; /* NULL where not preloaded */

extern void pythia_shared_init(void); /* from _PG_init */

/* All under the lock, exclusive. */
extern pythia_manager_slot *pythia_manager_find(Oid database, bool make);
extern pythia_job_slot *pythia_job_find(Oid database, int32 worker_id);

/* Sets the latch of a process, where it lives; a wrong one only looks up once more. */
extern void pythia_set_latch_of(pid_t pid);

/* Whether pythia_db.databases names this one. */
extern bool pythia_database_served(const char *name);

/* Tells the launcher that a database has something to do. */
extern void pythia_request_manager(Oid database);

#endif
