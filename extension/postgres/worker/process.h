/* The processes: what they are registered with, and the locks that make them single. */
#ifndef PYTHIA_POSTGRES_WORKER_PROCESS_H
#define PYTHIA_POSTGRES_WORKER_PROCESS_H

#include "postgres.h"

#include "postgres/worker/worker.h"
#include "postmaster/bgworker.h"

/*
 * Advisory locks of a class that no SQL function can reach (those use 1 and 2):
 * field 2 says what, field 3 which.  Seen in pg_locks with objsubid 7.
 */
#define PYTHIA_LOCK_CLASS   7
#define PYTHIA_LOCK_MANAGER 1
#define PYTHIA_LOCK_WORKER  2
#define PYTHIA_LOCK_TABLE   3 /* of a sync worker, while a process is at it */
#define PYTHIA_LOCK_HOLD    4 /* of a database that none of us may enter (database_hold.h) */
#define PYTHIA_LOCK_SHARE   5 /* of a handler's changes, while a process is at it (jobs/share.h) */

/* Takes such a lock for the session, after its last holder, if that one is just ending;
 * false where another process keeps it. */
extern bool pythia_process_lock(uint32 what, uint32 which);
/* The lock of our worker, until the transaction ends, too. */
extern void pythia_worker_lock_keep(int32 worker_id);
/* Takes that lock until the transaction ends, so that no process is at the worker; false where one goes on. */
extern bool pythia_worker_lock_await(int32 worker_id);

/* Registers an executor for the workers of a role in this database, at a place that was claimed (roster.h).
 * False where no slot is free. */
extern bool pythia_executor_register(Oid owner, int place, BackgroundWorkerHandle **handle);

/*
 * Without a launcher: registers a process for one worker in this database, which waits for a transaction first,
 * and which the postmaster brings back when it dies. False where no slot is free.
 */
extern bool pythia_process_register(int32 worker_id, pythia_job_kind kind, Oid owner, TransactionId starter);

/* Registers a helper of a worker, for one turn; each load of its may use `share` connections. False where there
 * is no room for it. */
extern bool pythia_helper_register(const pythia_job *job, int share, BackgroundWorkerHandle **handle);

/* Registers the process that takes leave of a database (jobs/farewell.c). False where no slot is free. */
extern bool pythia_farewell_register(Oid database, BackgroundWorkerHandle **handle);
extern void pythia_launcher_register(void); /* from _PG_init */
/* False where no slot is free. */
extern bool pythia_manager_register(Oid database, BackgroundWorkerHandle **handle);

/* The usual signals of our processes; then unblocks them. */
extern void pythia_process_signals(void);
/* Connects to the database as the role; ends for good where one of them is gone. */
extern void pythia_process_enter(Oid database, Oid role);
/* True of the error that comes of somebody's cancelling what the process is doing (SIGINT). */
extern bool pythia_process_stopped(const ErrorData *error);
/*
 * Undoes, for this process, what the configuration, the database or the role set
 * as defaults and our work cannot live with; what a reload changes does not come back.
 */
extern void pythia_process_pin(void);
/* Serves what came meanwhile: SIGHUP, barriers; ends the process on SIGTERM. */
extern void pythia_process_interrupts(void);

#endif
