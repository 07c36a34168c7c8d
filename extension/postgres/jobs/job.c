/*
 * The process of one running worker.
 *
 * Two memory contexts: what a turn needs is in `scratch`, emptied after each;
 * what the process knows of its job is in TopMemoryContext.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "core/retry.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/catalog.h"
#include "postgres/base/host.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/jobs/attempt.h"
#include "postgres/jobs/turn.h"
#include "postgres/worker/database_hold.h"
#include "postgres/worker/home.h"
#include "postgres/worker/process.h"
#include "postgres/worker/session.h"
#include "postgres/worker/shared.h"
#include "postgres/worker/start.h"
#include "postgres/worker/state.h"
#include "postgres/worker/transaction.h"
#include "postgres/worker/worker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

pg_noreturn extern PGDLLEXPORT void pythia_job_main(Datum arg);
pg_noreturn extern PGDLLEXPORT void pythia_helper_main(Datum arg);

static void leave(int code, Datum arg)
{
	int32 worker_id = DatumGetInt32(arg);
	pid_t manager = 0;

	if (!pythia_shmem)
		return;
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < pythia_shmem->max_workers; i++)
	{
		pythia_worker_slot *slot = &pythia_shmem->workers[i];

		if (slot->database == MyDatabaseId && slot->worker_id == worker_id && slot->pid == MyProcPid)
		{
			manager = slot->manager;
			memset(slot, 0, sizeof(*slot));
		}
	}
	LWLockRelease(pythia_shmem->lock);
	pythia_set_latch_of(manager);
}

/* False where the slot that our manager claimed is no longer ours to take. */
static bool take_slot(int32 worker_id)
{
	pythia_worker_slot *slot;
	bool ok;

	if (!pythia_shmem)
		return true;
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = pythia_worker_find(MyDatabaseId, worker_id);
	ok = slot && slot->pid == 0;
	if (ok)
		slot->pid = MyProcPid;
	LWLockRelease(pythia_shmem->lock);
	if (ok)
		before_shmem_exit(leave, Int32GetDatum(worker_id));
	/* only now: whoever holds it first takes the hold, then looks for us */
	return ok && !pythia_database_held(MyDatabaseId);
}

/* Reads what the catalogue says of us; false where we are not wanted. */
static bool read_job(int32 worker_id, Oid owner, pythia_job *job)
{
	static const char sql[] = "SELECT kind, name, owner::pg_catalog.oid, home FROM pythia.worker "
							  "WHERE worker_id = $1 AND enabled";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};
	bool wanted = false;
	bool isnull;

	pythia_job_begin();
	if (OidIsValid(get_extension_oid("pythia_db", true)))
	{
		SPI_connect();
		pythia_catalog_execute(sql, 1, types, values, NULL);
		if (SPI_processed == 1)
		{
			HeapTuple row = SPI_tuptable->vals[0];
			TupleDesc desc = SPI_tuptable->tupdesc;
			char *kind = SPI_getvalue(row, desc, 1);
			char *name = SPI_getvalue(row, desc, 2);

			wanted = DatumGetObjectId(SPI_getbinval(row, desc, 3, &isnull)) == owner;
			if (pythia_home_fault(SPI_getbinval(row, desc, 4, &isnull)))
				wanted = false;
			/* after DROP and CREATE EXTENSION the number may be somebody else's */
			if (job->name && strcmp(job->name, name) != 0)
				wanted = false;
			if (wanted && !job->name)
			{
				job->kind = strcmp(kind, "cdc") == 0 ? PYTHIA_JOB_CDC : PYTHIA_JOB_SYNC;
				job->name = MemoryContextStrdup(TopMemoryContext, name);
			}
		}
		SPI_finish();
	}
	pythia_job_commit();
	return wanted;
}

static long turn(const pythia_job *job)
{
	long delay;

	pgstat_report_activity(STATE_RUNNING, job->kind == PYTHIA_JOB_CDC ? "capturing changes" : "synchronising tables");
	delay = job->kind == PYTHIA_JOB_CDC ? pythia_cdc_turn(job) : pythia_sync_turn(job);
	pgstat_report_activity(STATE_IDLE, NULL);
	return delay;
}

static void record_failure(const pythia_job *job, const ErrorData *error, int64 retry_ms)
{
	pythia_job_begin();
	if (OidIsValid(get_extension_oid("pythia_db", true)))
		pythia_state_failed(job->worker_id, unpack_sql_state(error->sqlerrcode),
							psprintf("%s%s%s%s%s%s", error->message ? error->message : "unknown error",
									 error->detail || error->hint ? "." : "", error->detail ? " " : "",
									 error->detail ? error->detail : "", error->hint ? " " : "",
									 error->hint ? error->hint : ""),
							retry_ms);
	pythia_job_commit();
}

/* One turn; -2 where it failed, *failure then says how. */
static long guarded_turn(const pythia_job *job, MemoryContext scratch, ErrorData **failure)
{
	volatile long delay = -2;

	PG_TRY();
	{
		delay = turn(job);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(scratch);
		*failure = CopyErrorData();
		/* a cancel is somebody's wish, not news for the log */
		if (!pythia_process_stopped(*failure))
			EmitErrorReport();
		FlushErrorState();
		/* of a subtransaction the other one would end the innermost only */
		AbortOutOfAnyTransaction();
	}
	PG_END_TRY();
	pythia_session_tidy(job);
	MemoryContextSwitchTo(scratch);
	return delay;
}

static void note_start(int32 worker_id)
{
	pythia_job_begin();
	pythia_state_started(worker_id);
	pythia_job_commit();
}

static void note_recovery(int32 worker_id)
{
	pythia_job_begin();
	pythia_state_recovered(worker_id);
	pythia_job_commit();
}

static void note_stop(int32 worker_id)
{
	pythia_job_begin();
	if (OidIsValid(get_extension_oid("pythia_db", true)))
	{
		pythia_state_stopped(worker_id);
		/* it ended no handler's call but its own */
		pythia_attempt_forget(worker_id);
	}
	pythia_job_commit();
}

/* Into the database, as the worker's owner. */
static void become(const pythia_start *start, const char *what, int32 worker_id)
{
	char name[64];

	pythia_process_enter(start->database, start->owner);
	snprintf(name, sizeof(name), "pythia_db %s %d", what, worker_id);
	SetConfigOption("application_name", name, PGC_USERSET, PGC_S_SESSION);
	pythia_process_pin();
	pythia_job_enter(start->owner, start->kind, worker_id);
}

static void enter(int32 worker_id, const pythia_start *start)
{
	become(start, "worker", worker_id);
	if (!pythia_process_lock(PYTHIA_LOCK_WORKER, worker_id) || !take_slot(worker_id))
		proc_exit(0);
	if (TransactionIdIsValid(start->starter))
	{
		StartTransactionCommand();
		XactLockTableWait(start->starter, NULL, NULL, XLTW_None);
		CommitTransactionCommand();
	}
}

/* True where somebody set our latch. */
static bool sleep_until_wanted(long milliseconds)
{
	bool woken = true;

	static uint32 event = 0;

	if (event == 0)
		event = pythia_wait_event("PythiaWorkerMain");
	if (milliseconds > 0 && !pythia_latch_was_set())
		woken = (WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, event) &
				 WL_LATCH_SET) != 0;
	ResetLatch(MyLatch);
	return woken;
}

void pythia_job_main(Datum arg)
{
	int32 worker_id = DatumGetInt32(arg);
	pythia_job job = {.worker_id = worker_id};
	pythia_retry retry = pythia_retry_growing(0, (uint64) MyProcPid);
	MemoryContext scratch;
	pythia_start start;
	bool failed = false;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	job.owner = start.owner;
	pythia_process_signals();
	enter(worker_id, &start);
	scratch = AllocSetContextCreate(TopMemoryContext, "pythia_db turn", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	if (!read_job(worker_id, start.owner, &job))
		proc_exit(0);
	MemoryContextSwitchTo(scratch);
	note_start(worker_id);
	for (;;)
	{
		ErrorData *failure = NULL;
		long delay;

		MemoryContextSwitchTo(scratch);
		MemoryContextReset(scratch);
		pythia_process_interrupts();
		delay = guarded_turn(&job, scratch, &failure);
		if (delay == PYTHIA_TURN_OVER)
			break;
		if (failure)
		{
			/* cancelled because we are not wanted, or gone with the extension */
			if (ProcDiePending)
				proc_exit(1);
			QueryCancelPending = false;
			/* whatever set the latch until now is answered by looking at our row; it shall not cut the pause short */
			ResetLatch(MyLatch);
			(void) pythia_latch_was_set();
			if (!read_job(worker_id, start.owner, &job))
				break;
			MemoryContextSwitchTo(scratch);
			retry.base_ms = pythia_guc_restart_delay * 1000L;
			delay = pythia_retry_next(&retry);
			record_failure(&job, failure, delay);
			failed = true;
		}
		else if (failed)
		{
			note_recovery(worker_id);
			pythia_retry_reset(&retry);
			failed = false;
		}
		if (!sleep_until_wanted(delay))
			continue;
		pythia_process_interrupts();
		MemoryContextSwitchTo(scratch);
		if (!read_job(worker_id, start.owner, &job))
			break;
	}
	note_stop(worker_id);
	proc_exit(0);
}

/* An error ends it: the table's own is recorded already, and any other is the worker's to meet, too. */
void pythia_helper_main(Datum arg)
{
	pythia_job job = {.worker_id = DatumGetInt32(arg)};
	pythia_start start;
	MemoryContext scratch;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	job.owner = start.owner;
	pythia_process_signals();
	become(&start, "helper of worker", job.worker_id);
	scratch = AllocSetContextCreate(TopMemoryContext, "pythia_db turn", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	if (!read_job(job.worker_id, start.owner, &job))
		proc_exit(0);
	MemoryContextSwitchTo(scratch);
	pythia_sync_help(&job, start.share);
	proc_exit(0);
}
