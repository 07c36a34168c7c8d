/*
 * A manager: one a database while it has enabled workers.  It reads the
 * catalogue and keeps a process running for each of them.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "core/retry.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/bridge.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/worker/database_hold.h"
#include "postgres/worker/home.h"
#include "postgres/worker/orphan.h"
#include "postgres/worker/owner.h"
#include "postgres/worker/process.h"
#include "postgres/worker/shared.h"
#include "postgres/worker/start.h"
#include "postgres/worker/state.h"
#include "postgres/worker/worker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* The catalogue is also read without being told, should somebody edit it by hand. */
#define REREAD_MS 60000L
#define STEADY_MS 60000L

pg_noreturn extern PGDLLEXPORT void pythia_manager_main(Datum arg);

typedef struct managed
{
	int32 worker_id; /* key */
	BackgroundWorkerHandle *handle;
	TimestampTz launched;
	TimestampTz retry_at;
	pythia_retry retry;
	bool never_started; /* its process ended before it could say why */
	bool told;          /* why it cannot run was said */
	bool held;          /* that it may not was said */
} managed;

typedef struct wanted
{
	int32 worker_id;
	Oid owner;
	pythia_job_kind kind;
	char *name;
	const char *fault; /* why it is held, or NULL */
	const char *hint;
} wanted;

static HTAB *known = NULL;
static MemoryContext turn = NULL; /* what one look at the catalogue needs */

static pythia_manager_slot *my_slot(void)
{
	return pythia_manager_find(MyDatabaseId, true);
}

static void leave(int code, Datum arg)
{
	pythia_manager_slot *slot;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = pythia_manager_find(MyDatabaseId, false);
	if (slot && slot->pid == MyProcPid)
	{
		slot->pid = 0;
		slot->state = PYTHIA_MANAGER_NONE;
		if (code != 0)
			slot->requested = true;
	}
	LWLockRelease(pythia_shmem->lock);
	pythia_set_latch_of(pythia_shmem->launcher);
}

/* The enabled workers; NIL where there are none or the extension is not here. */
static List *read_wanted(void)
{
	List *result = NIL;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(get_extension_oid("pythia_db", true)))
	{
		pgstat_report_activity(STATE_RUNNING, "reading pythia.worker");
		pythia_home_settle();
		pythia_disown_orphans();
		SPI_connect();
		if (SPI_execute("SELECT w.worker_id, w.owner::pg_catalog.oid, w.kind, w.name, w.home FROM pythia.worker w "
						"WHERE w.enabled ORDER BY w.worker_id",
						true, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not read pythia.worker");
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			HeapTuple row = SPI_tuptable->vals[i];
			TupleDesc desc = SPI_tuptable->tupdesc;
			MemoryContext before = MemoryContextSwitchTo(turn);
			wanted *job = palloc0(sizeof(wanted));
			bool isnull;

			job->worker_id = DatumGetInt32(SPI_getbinval(row, desc, 1, &isnull));
			job->owner = DatumGetObjectId(SPI_getbinval(row, desc, 2, &isnull));
			job->kind = pythia_job_kind_from_text(TextDatumGetCString(SPI_getbinval(row, desc, 3, &isnull)));
			job->name = TextDatumGetCString(SPI_getbinval(row, desc, 4, &isnull));
			job->fault = pythia_home_fault(SPI_getbinval(row, desc, 5, &isnull));
			if (job->fault)
				job->hint = pythia_home_hint(job->name);
			else
				job->fault = pythia_owner_fault(job->owner, job->kind, &job->hint);
			result = lappend(result, job);
			MemoryContextSwitchTo(before);
		}
		SPI_finish();
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	return result;
}

/* True where a process has, or is about to have, the worker. */
static bool runs(managed *entry)
{
	pythia_worker_slot *slot;
	bool result = false;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = pythia_worker_find(MyDatabaseId, entry->worker_id);
	if (slot)
	{
		pid_t pid;

		if (slot->pid != 0)
			result = true;
		else if (slot->manager == MyProcPid && entry->handle)
			result = GetBackgroundWorkerPid(entry->handle, &pid) != BGWH_STOPPED;
		if (!result)
		{
			entry->never_started = slot->manager == MyProcPid;
			memset(slot, 0, sizeof(*slot));
		}
	}
	LWLockRelease(pythia_shmem->lock);
	return result;
}

/* Workers that one role may run at once in all databases; 0: any number. */
static int limit_of(Oid owner)
{
	bool exempt;

	StartTransactionCommand();
	exempt = superuser_arg(owner);
	CommitTransactionCommand();
	if (exempt)
		return 0;
	if (pythia_guc_max_workers_per_role < 0)
		return (pythia_shmem->max_workers + 1) / 2;
	return pythia_guc_max_workers_per_role;
}

static bool claim(const wanted *job, int limit, bool *too_many)
{
	bool result = false;
	int own = 0;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < pythia_shmem->max_workers; i++)
		own += OidIsValid(pythia_shmem->workers[i].database) && pythia_shmem->workers[i].owner == job->owner;
	*too_many = limit > 0 && own >= limit;
	for (int i = 0; i < pythia_shmem->max_workers && !result && !*too_many; i++)
	{
		pythia_worker_slot *slot = &pythia_shmem->workers[i];

		if (OidIsValid(slot->database))
			continue;
		slot->database = MyDatabaseId;
		slot->worker_id = job->worker_id;
		slot->owner = job->owner;
		slot->pid = 0;
		slot->manager = MyProcPid;
		result = true;
	}
	LWLockRelease(pythia_shmem->lock);
	return result;
}

static void release(int32 worker_id)
{
	pythia_worker_slot *slot;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = pythia_worker_find(MyDatabaseId, worker_id);
	if (slot)
		memset(slot, 0, sizeof(*slot));
	LWLockRelease(pythia_shmem->lock);
}

static void tell(managed *entry, const wanted *job, const char *sqlstate, const char *message, const char *hint)
{
	if (entry->told)
		return;
	entry->told = true;
	ereport(WARNING, (errcode(pythia_sqlstate_code(sqlstate)),
					  errmsg("worker \"%s\" cannot run: %s", job->name, message), errhint("%s", hint)));
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pythia_state_failed(job->worker_id, sqlstate, psprintf("%s. %s", message, hint), -1);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

static void later(managed *entry)
{
	entry->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pythia_retry_next(&entry->retry));
}

static managed *find(int32 worker_id)
{
	bool found;
	managed *entry = hash_search(known, &worker_id, HASH_ENTER, &found);

	if (!found)
	{
		memset(entry, 0, sizeof(*entry));
		entry->worker_id = worker_id;
		entry->retry = pythia_retry_growing(0, (uint64) MyProcPid << 32 | (uint32) worker_id);
	}
	entry->retry.base_ms = pythia_guc_restart_delay * 1000L;
	return entry;
}

/* It may not run, or not any more: the view says why, as long as that is so. Returns false. */
static bool keep_out(managed *entry, const wanted *job)
{
	pythia_worker_slot *slot;

	if (!entry->held)
		ereport(WARNING, (errmsg("worker \"%s\" is held: %s", job->name, job->fault), errhint("%s", job->hint)));
	entry->held = true;
	entry->launched = 0;
	entry->retry_at = 0;
	entry->told = false;
	pythia_retry_reset(&entry->retry);
	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	slot = pythia_worker_find(MyDatabaseId, entry->worker_id);
	/* as pg_cancel_backend: it finds that it is not wanted */
	if (slot && slot->pid != 0)
		kill(slot->pid, SIGINT);
	LWLockRelease(pythia_shmem->lock);
	return false;
}

/* Has the worker a process? If not and it is time, it gets one. True: look again soon. */
static bool tend(const wanted *job)
{
	managed *entry = find(job->worker_id);
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext before;
	bool too_many;
	bool ok;

	if (job->fault)
		return keep_out(entry, job);
	entry->held = false;
	if (runs(entry))
		return false;
	if (entry->launched != 0)
	{
		/* it ran and is gone, though it is wanted */
		if (TimestampDifferenceExceeds(entry->launched, now, STEADY_MS))
			pythia_retry_reset(&entry->retry);
		entry->launched = 0;
		later(entry);
		if (entry->never_started)
			tell(entry, job, "08006", "its process could not enter the database",
				 "See the server's log: the role may lack CONNECT, or have used up its connections.");
		entry->never_started = false;
	}
	if (entry->retry_at > now)
		return true;
	if (!claim(job, limit_of(job->owner), &too_many))
	{
		if (too_many)
			tell(entry, job, "53400", "pythia_db.max_workers_per_role workers of its owner run already",
				 "Stop one of them, or raise pythia_db.max_workers_per_role and reload the configuration.");
		else
			tell(entry, job, "53400", "pythia_db.max_workers workers run already",
				 "Raise pythia_db.max_workers and restart the server.");
		entry->retry_at = TimestampTzPlusMilliseconds(now, pythia_guc_restart_delay * 1000L);
		return true;
	}
	before = MemoryContextSwitchTo(TopMemoryContext);
	if (entry->handle)
		pfree(entry->handle);
	entry->handle = NULL;
	ok = pythia_process_register(job->worker_id, job->kind, job->owner, InvalidTransactionId, false, &entry->handle);
	MemoryContextSwitchTo(before);
	if (!ok)
	{
		release(job->worker_id);
		tell(entry, job, "53400", "no background worker slot is free",
			 "Raise max_worker_processes and restart the server.");
		entry->retry_at = TimestampTzPlusMilliseconds(now, pythia_guc_restart_delay * 1000L);
		return true;
	}
	entry->launched = now;
	entry->told = false;
	return false;
}

/* A worker that was stopped is none that died: when it is wanted again it starts at once. */
static void forget_unwanted(List *jobs)
{
	HASH_SEQ_STATUS status;
	managed *entry;

	hash_seq_init(&status, known);
	while ((entry = hash_seq_search(&status)))
	{
		bool is_wanted = false;
		ListCell *cell;

		foreach (cell, jobs)
			is_wanted |= ((wanted *) lfirst(cell))->worker_id == entry->worker_id;
		if (is_wanted)
			continue;
		entry->launched = 0;
		entry->retry_at = 0;
		entry->told = false;
		pythia_retry_reset(&entry->retry);
	}
}

/* Exits where nobody needs us; a request that came meanwhile keeps us. */
static void leave_if_idle(void)
{
	bool idle = true;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < pythia_shmem->max_workers; i++)
		if (pythia_shmem->workers[i].database == MyDatabaseId)
			idle = false;
	if (my_slot()->requested)
		idle = false;
	if (idle)
		my_slot()->state = PYTHIA_MANAGER_NONE;
	LWLockRelease(pythia_shmem->lock);
	if (idle)
		proc_exit(0);
}

static void enter(Oid database)
{
	HASHCTL control = {.keysize = sizeof(int32), .entrysize = sizeof(managed)};
	pythia_manager_slot *slot;

	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("application_name", "pythia_db manager", PGC_USERSET, PGC_S_SESSION);
	pythia_process_pin();
	if (!pythia_process_lock(PYTHIA_LOCK_MANAGER, 0))
		proc_exit(0);
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = my_slot();
	if (slot)
	{
		slot->pid = MyProcPid;
		slot->state = PYTHIA_MANAGER_RUNNING;
	}
	LWLockRelease(pythia_shmem->lock);
	before_shmem_exit(leave, (Datum) 0);
	/* only now: whoever holds it first takes the hold, then looks for us */
	if (!slot || pythia_database_held(database))
		proc_exit(1);
	turn = AllocSetContextCreate(TopMemoryContext, "pythia_db manager", ALLOCSET_DEFAULT_SIZES);
	known = hash_create("pythia_db workers", 16, &control, HASH_ELEM | HASH_BLOBS);
}

void pythia_manager_main(Datum arg)
{
	uint32 event = pythia_wait_event("PythiaManagerMain");
	pythia_start start;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	pythia_process_signals();
	enter(start.database);
	for (;;)
	{
		List *jobs;
		ListCell *cell;
		bool soon = false;

		pythia_process_interrupts();
		LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
		my_slot()->requested = false;
		LWLockRelease(pythia_shmem->lock);
		MemoryContextReset(turn);
		MemoryContextSwitchTo(turn);
		jobs = read_wanted();
		MemoryContextSwitchTo(turn);
		forget_unwanted(jobs);
		foreach (cell, jobs)
			soon |= tend(lfirst(cell));
		if (jobs == NIL)
			leave_if_idle();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, soon ? 1000L : REREAD_MS, event);
		ResetLatch(MyLatch);
	}
}
