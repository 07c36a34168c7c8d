/*
 * The launcher: one a server.  It serves no database itself; it starts a
 * manager for each database that has asked, and once for every database at
 * start, as nobody can know from outside whether the extension is there.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "core/retry.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/worker/database_hold.h"
#include "postgres/worker/process.h"
#include "postgres/worker/roster.h"
#include "postgres/worker/shared.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

pg_noreturn extern PGDLLEXPORT void pythia_launcher_main(Datum arg);

/* By position in pythia_shmem->managers; known to this launcher only. */
static BackgroundWorkerHandle *handles[PYTHIA_MAX_DATABASES];
static TimestampTz retry_at[PYTHIA_MAX_DATABASES];
static pythia_retry retries[PYTHIA_MAX_DATABASES];
static bool shortage_told = false;

/* Databases that may have workers, each to be asked for once; more of them than places wait for one to be free. */
static List *unasked = NIL;

static void find_databases(void)
{
	Relation relation;
	TableScanDesc scan;
	HeapTuple tuple;

	list_free(unasked);
	unasked = NIL;
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (database->datallowconn && !database->datistemplate && database->datconnlimit != -2 &&
			pythia_database_served(NameStr(database->datname)))
		{
			MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

			unasked = lappend_oid(unasked, database->oid);
			MemoryContextSwitchTo(before);
		}
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
}

/* Whether some have to wait: a manager that finds nothing to do goes, and says so. */
static bool ask(void)
{
	while (unasked != NIL)
	{
		pythia_manager_slot *slot;
		pid_t manager = 0;

		LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
		slot = pythia_manager_find(linitial_oid(unasked), true);
		if (slot)
		{
			slot->requested = true;
			manager = slot->pid;
		}
		LWLockRelease(pythia_shmem->lock);
		if (!slot)
			return true;
		pythia_set_latch_of(manager);
		unasked = list_delete_first(unasked);
	}
	return false;
}

static bool database_exists(Oid database)
{
	char *name;
	bool result;

	StartTransactionCommand();
	name = get_database_name(database);
	result = name && pythia_database_served(name);
	CommitTransactionCommand();
	return result;
}

/* Roles are of all databases, and only a manager sees who is meant in its own. */
static bool roles_changed(void)
{
	bool result;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	result = pythia_shmem->look_everywhere;
	pythia_shmem->look_everywhere = false;
	LWLockRelease(pythia_shmem->lock);
	return result;
}

static void wait_longer(int i)
{
	if (retries[i].attempt == 0)
		retries[i] = pythia_retry_growing(0, (uint64) MyProcPid << 32 | (uint32) i);
	retries[i].base_ms = pythia_guc_restart_delay * 1000L;
	retry_at[i] = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pythia_retry_next(&retries[i]));
}

/* A manager that went before it could say so itself. */
static void reap(int i)
{
	pythia_manager_slot *slot = &pythia_shmem->managers[i];
	pid_t pid;

	if (!handles[i] || GetBackgroundWorkerPid(handles[i], &pid) != BGWH_STOPPED)
		return;
	pfree(handles[i]);
	handles[i] = NULL;
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	if (slot->state == PYTHIA_MANAGER_STARTING)
	{
		slot->state = PYTHIA_MANAGER_NONE;
		slot->requested = true;
	}
	if (slot->requested && slot->state == PYTHIA_MANAGER_NONE && !slot->sent_away)
		wait_longer(i);
	else
		pythia_retry_reset(&retries[i]);
	slot->sent_away = false;
	LWLockRelease(pythia_shmem->lock);
}

/* Starts what is wanted; true where something must be tried again later. */
static bool launch(int i)
{
	pythia_manager_slot *slot = &pythia_shmem->managers[i];
	Oid database = InvalidOid;
	bool begins;

	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	if (OidIsValid(slot->database) && slot->requested && slot->state == PYTHIA_MANAGER_NONE)
		database = slot->database;
	LWLockRelease(pythia_shmem->lock);
	if (!OidIsValid(database))
		return false;
	if (retry_at[i] > GetCurrentTimestamp() || pythia_database_held(database))
		return true;
	if (!database_exists(database))
	{
		LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
		memset(slot, 0, sizeof(*slot));
		LWLockRelease(pythia_shmem->lock);
		pythia_roster_forget(database);
		pythia_retry_reset(&retries[i]);
		return false;
	}
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	begins = slot->database == database && slot->state == PYTHIA_MANAGER_NONE;
	if (begins)
		slot->state = PYTHIA_MANAGER_STARTING;
	LWLockRelease(pythia_shmem->lock);
	if (!begins)
		return false;
	if (pythia_manager_register(database, &handles[i]))
	{
		shortage_told = false;
		return false;
	}
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot->state = PYTHIA_MANAGER_NONE;
	LWLockRelease(pythia_shmem->lock);
	retry_at[i] = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pythia_guc_restart_delay * 1000L);
	if (!shortage_told)
		ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						  errmsg("no background worker slot is free for the workers of pythia_db"),
						  errhint("Raise max_worker_processes.")));
	shortage_told = true;
	return true;
}

/* A launcher before us may have ended without seeing that a manager of its did not come up.  One that does comes up beside
 * the one that we start, and lets it go. */
static void take_over(void)
{
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PYTHIA_MAX_DATABASES; i++)
	{
		pythia_manager_slot *slot = &pythia_shmem->managers[i];

		if (slot->state == PYTHIA_MANAGER_STARTING && slot->pid == 0)
		{
			slot->state = PYTHIA_MANAGER_NONE;
			slot->requested = true;
		}
	}
	LWLockRelease(pythia_shmem->lock);
}

static void leave(int code, Datum arg)
{
	pythia_shmem->launcher = 0;
}

void pythia_launcher_main(Datum arg)
{
	uint32 event = pythia_wait_event("PythiaLauncherMain");
	MemoryContext scratch;
	char *databases;

	pythia_process_signals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	before_shmem_exit(leave, (Datum) 0);
	pythia_shmem->launcher = MyProcPid;
	SetConfigOption("application_name", "pythia_db launcher", PGC_USERSET, PGC_S_SESSION);
	scratch = AllocSetContextCreate(TopMemoryContext, "pythia_db launcher", ALLOCSET_DEFAULT_SIZES);
	take_over();
	find_databases();
	databases = MemoryContextStrdup(TopMemoryContext, pythia_guc_databases);
	for (;;)
	{
		bool again;

		pythia_process_interrupts();
		if (strcmp(databases, pythia_guc_databases) != 0)
		{
			pfree(databases);
			databases = MemoryContextStrdup(TopMemoryContext, pythia_guc_databases);
			find_databases();
		}
		if (roles_changed())
			find_databases();
		again = ask();
		/* handles live as long as we, the rest goes each round */
		for (int i = 0; i < PYTHIA_MAX_DATABASES; i++)
		{
			MemoryContextSwitchTo(TopMemoryContext);
			reap(i);
			again |= launch(i);
		}
		MemoryContextSwitchTo(scratch);
		MemoryContextReset(scratch);
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (again ? WL_TIMEOUT : 0), 1000L, event);
		ResetLatch(MyLatch);
	}
}
