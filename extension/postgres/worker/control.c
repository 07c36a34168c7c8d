#include "postgres/worker/control.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postgres/base/pg_compat.h"
#include "postgres/worker/owner.h"
#include "postgres/worker/process.h"
#include "postgres/worker/role_places.h"
#include "postgres/worker/roster.h"
#include "postgres/worker/shared.h"
#include "postgres/worker/worker.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* What this transaction wants done once it has committed. */
typedef enum wish_kind
{
	WISH_WAKE,
	WISH_START,
	WISH_STOP,
	WISH_LOOK_HERE,
	WISH_LOOK_EVERYWHERE
} wish_kind;

typedef struct wish
{
	wish_kind kind;
	int32 worker_id;
	int depth; /* nesting level of the (sub)transaction that made it */
	int pid;   /* without shared memory: the process that it is about; 0: none */
} wish;

static List *wishes = NIL; /* in TopTransactionContext */
static bool callbacks_registered = false;
static bool waiting = false;
static bool look_here = false;
static bool look_everywhere = false;

/* --- who runs -------------------------------------------------------------- */

/* Without shared memory the worker's advisory lock tells. */
static int pid_by_lock(int32 worker_id)
{
	LockData *locks = GetLockStatusData();

	for (int i = 0; i < locks->nelements; i++)
	{
		LockInstanceData *lock = &locks->locks[i];

		if (lock->locktag.locktag_type == LOCKTAG_ADVISORY && lock->locktag.locktag_field1 == MyDatabaseId &&
			lock->locktag.locktag_field2 == PYTHIA_LOCK_WORKER && lock->locktag.locktag_field3 == (uint32) worker_id &&
			lock->locktag.locktag_field4 == PYTHIA_LOCK_CLASS && lock->holdMask != 0)
			return lock->pid;
	}
	return 0;
}

int pythia_worker_pid(int32 worker_id)
{
	pythia_job_slot *slot;
	int pid;

	if (!pythia_shmem)
		return pid_by_lock(worker_id);
	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	slot = pythia_job_find(MyDatabaseId, worker_id);
	pid = slot ? slot->pid : 0;
	LWLockRelease(pythia_shmem->lock);
	return pid;
}

void pythia_note_poll(int32 worker_id)
{
	pythia_job_slot *slot;

	if (!pythia_shmem)
		return;
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = pythia_job_find(MyDatabaseId, worker_id);
	if (slot && slot->pid == MyProcPid)
		slot->polled_at = GetCurrentTimestamp();
	LWLockRelease(pythia_shmem->lock);
}

/* The views say the same, but their functions can be called without them. */
static bool may_see(Oid owner)
{
	return has_privs_of_role(GetUserId(), owner) || has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
}

/* A copy of what the roster has of a worker; false where it has nothing, or nothing for who asks. */
static bool read_slot(int32 worker_id, pythia_job_slot *copy)
{
	pythia_job_slot *slot;

	if (!pythia_shmem)
		return false;
	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	slot = pythia_job_find(MyDatabaseId, worker_id);
	if (slot)
		*copy = *slot;
	LWLockRelease(pythia_shmem->lock);
	return slot && may_see(copy->owner);
}

PYTHIA_FUNCTION(pythia_last_poll_of);

Datum pythia_last_poll_of(PG_FUNCTION_ARGS)
{
	pythia_job_slot slot;

	if (!read_slot(PG_GETARG_INT32(0), &slot) || slot.polled_at == 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(slot.polled_at);
}

PYTHIA_FUNCTION(pythia_process_of);

Datum pythia_process_of(PG_FUNCTION_ARGS)
{
	pythia_job_slot slot = {0};
	PGPROC *process;

	if (pythia_shmem)
	{
		if (!read_slot(PG_GETARG_INT32(0), &slot) || slot.pid == 0)
			PG_RETURN_NULL();
		PG_RETURN_INT32(slot.pid);
	}
	slot.pid = pid_by_lock(PG_GETARG_INT32(0));
	process = slot.pid == 0 ? NULL : BackendPidGetProc(slot.pid);
	if (!process || !may_see(process->roleId))
		PG_RETURN_NULL();
	PG_RETURN_INT32(slot.pid);
}

PYTHIA_FUNCTION(pythia_next_turn_of);

Datum pythia_next_turn_of(PG_FUNCTION_ARGS)
{
	pythia_job_slot slot;

	if (!read_slot(PG_GETARG_INT32(0), &slot) || slot.busy)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(slot.due);
}

/* Whom to wake, without shared memory. Looking through all locks is dear: at most once a second. */
static int pid_to_wake(int32 worker_id)
{
	static int32 last_id = 0;
	static int last_pid = 0;
	static TimestampTz looked = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (last_id != worker_id || TimestampDifferenceExceeds(looked, now, 1000))
	{
		last_pid = pid_by_lock(worker_id);
		last_id = worker_id;
		looked = now;
	}
	return last_pid;
}

static void wake(int32 worker_id)
{
	pid_t waiters[PYTHIA_MAX_WAITERS];
	int count = 0;
	int pid = pythia_roster_wake(worker_id);

	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	if (pythia_shmem->nwaiters > 0)
		for (int i = 0; i < PYTHIA_MAX_WAITERS; i++)
			if (pythia_shmem->waiters[i].pid != 0 && pythia_shmem->waiters[i].database == MyDatabaseId &&
				pythia_shmem->waiters[i].worker_id == worker_id)
				waiters[count++] = pythia_shmem->waiters[i].pid;
	LWLockRelease(pythia_shmem->lock);
	pythia_set_latch_of(pid);
	for (int i = 0; i < count; i++)
		if (waiters[i] != MyProcPid)
			pythia_set_latch_of(waiters[i]);
}

/* --- waiters --------------------------------------------------------------- */

/* Of one worker, or of all (0). */
static void remove_waits(int32 worker_id)
{
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PYTHIA_MAX_WAITERS; i++)
	{
		pythia_waiter_slot *slot = &pythia_shmem->waiters[i];

		if (slot->pid == MyProcPid && (worker_id == 0 || slot->worker_id == worker_id))
		{
			slot->pid = 0;
			pythia_shmem->nwaiters--;
		}
	}
	LWLockRelease(pythia_shmem->lock);
}

static void drop_waits(void)
{
	if (waiting)
		remove_waits(0);
	waiting = false;
}

static void drop_waits_at_exit(int code, Datum arg)
{
	drop_waits();
}

/* --- at commit ------------------------------------------------------------- */

/* While it may still fail: once the transaction has committed, memory that is wanting would end the server. */
static void find_process(wish *wanted)
{
	if (pythia_shmem)
		return;
	if (wanted->kind == WISH_WAKE)
		wanted->pid = pid_to_wake(wanted->worker_id);
	else if (wanted->kind == WISH_STOP)
		wanted->pid = pid_by_lock(wanted->worker_id);
}

static void fulfil(const wish *wanted)
{
	switch (wanted->kind)
	{
		case WISH_WAKE:
			if (pythia_shmem)
				wake(wanted->worker_id);
			else
				pythia_set_latch_of(wanted->pid);
			break;
		case WISH_START:
			if (pythia_shmem)
				pythia_request_manager(MyDatabaseId);
			break;
		case WISH_STOP:
			if (pythia_shmem)
			{
				if (pythia_worker_pid(wanted->worker_id) != MyProcPid)
					pythia_roster_cancel(wanted->worker_id);
				pythia_request_manager(MyDatabaseId);
				break;
			}
			/* as pg_cancel_backend: it looks at its row again and finds that it is not wanted */
			if (wanted->pid != 0 && wanted->pid != MyProcPid && BackendPidGetProc(wanted->pid))
				kill(wanted->pid, SIGINT);
			break;
		case WISH_LOOK_HERE:
			look_here = true;
			break;
		case WISH_LOOK_EVERYWHERE:
			look_everywhere = true;
			break;
	}
}

/* Who looks reads cached rows of roles and privileges: by now they have been told that those have changed. */
static void after_invalidation(ResourceReleasePhase phase, bool isCommit, bool isTopLevel, void *arg)
{
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !isTopLevel)
		return;
	if (look_everywhere)
	{
		LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
		pythia_shmem->look_everywhere = true;
		LWLockRelease(pythia_shmem->lock);
		pythia_set_latch_of(pythia_shmem->launcher);
	}
	else if (look_here)
		pythia_request_manager(MyDatabaseId);
	look_everywhere = false;
	look_here = false;
}

static void at_transaction_end(XactEvent event, void *arg)
{
	ListCell *cell;

	if (event == XACT_EVENT_PRE_PREPARE)
		foreach (cell, wishes)
			if (((wish *) lfirst(cell))->kind == WISH_START || ((wish *) lfirst(cell))->kind == WISH_STOP)
				ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
								errmsg("cannot PREPARE a transaction that has started, stopped or dropped a worker"),
								errhint("Commit it directly.")));
	/* a process may have come since the wish was made */
	if (event == XACT_EVENT_PRE_COMMIT)
		foreach (cell, wishes)
			find_process(lfirst(cell));
	if (event == XACT_EVENT_COMMIT)
		foreach (cell, wishes)
			fulfil(lfirst(cell));
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		wishes = NIL;
		drop_waits();
	}
}

static void at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int depth = GetCurrentTransactionNestLevel();
	ListCell *cell;

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		foreach (cell, wishes)
			if (((wish *) lfirst(cell))->depth >= depth)
				wishes = foreach_delete_current(wishes, cell);
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		foreach (cell, wishes)
			if (((wish *) lfirst(cell))->depth >= depth)
				((wish *) lfirst(cell))->depth = depth - 1;
	}
}

static void register_callbacks(void)
{
	if (callbacks_registered)
		return;
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	RegisterResourceReleaseCallback(after_invalidation, NULL);
	before_shmem_exit(drop_waits_at_exit, (Datum) 0);
	callbacks_registered = true;
}

static void remember(wish_kind kind, int32 worker_id)
{
	int depth = GetCurrentTransactionNestLevel();
	MemoryContext before;
	wish *added;
	ListCell *cell;

	register_callbacks();
	foreach (cell, wishes)
	{
		wish *known = lfirst(cell);

		if (known->kind == kind && known->worker_id == worker_id && known->depth <= depth)
			return;
	}
	before = MemoryContextSwitchTo(TopTransactionContext);
	added = palloc(sizeof(wish));
	added->kind = kind;
	added->worker_id = worker_id;
	added->depth = depth;
	added->pid = 0;
	wishes = lappend(wishes, added);
	MemoryContextSwitchTo(before);
	/* what others write before the commit may come after we have looked there */
	find_process(added);
}

void pythia_wake_at_commit(int32 worker_id)
{
	remember(WISH_WAKE, worker_id);
}

bool pythia_waiter_add(int32 worker_id)
{
	pythia_waiter_slot *own = NULL;

	if (!pythia_shmem)
		return false;
	register_callbacks();
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PYTHIA_MAX_WAITERS; i++)
	{
		pythia_waiter_slot *slot = &pythia_shmem->waiters[i];

		if (slot->pid == MyProcPid && slot->worker_id == worker_id)
		{
			own = slot;
			break;
		}
		if (slot->pid == 0 && !own)
			own = slot;
	}
	if (own && own->pid == 0)
	{
		*own = (pythia_waiter_slot){.pid = MyProcPid, .database = MyDatabaseId, .worker_id = worker_id};
		pythia_shmem->nwaiters++;
	}
	LWLockRelease(pythia_shmem->lock);
	waiting |= own != NULL;
	return own != NULL;
}

void pythia_waiter_remove(int32 worker_id)
{
	if (waiting)
		remove_waits(worker_id);
}

static int say_too_many(Oid owner)
{
	errmsg("pythia_db.max_workers_per_role processes of role \"%s\" are busy", GetUserNameFromId(owner, false));
	return errhint("Raise pythia_db.max_workers_per_role and reload the configuration, or stop other workers of the "
				   "role.");
}

/* That it will wait for a place or a process is told to who starts it. */
static void tell_outlook(int32 worker_id, Oid owner)
{
	pythia_claim room = pythia_roster_outlook(worker_id, owner);

	if (room != PYTHIA_CLAIM_OK)
	{
		ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						  room == PYTHIA_CLAIM_FULL ? errmsg("%d workers run already", PYTHIA_MAX_JOBS)
													: errmsg("%d workers of role \"%s\" run already",
															 PYTHIA_MAX_JOBS_OF_ROLE, GetUserNameFromId(owner, false)),
						  errdetail("This one waits until one of them is stopped."),
						  errhint("Stop some of them, in this database or in others.")));
		return;
	}
	switch (pythia_place_outlook(owner))
	{
		case PYTHIA_CLAIM_FULL:
			ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
							  errmsg("pythia_db.max_workers processes are busy with other workers"),
							  errdetail("This one waits until one of them can be spared."),
							  errhint("Raise pythia_db.max_workers and restart the server.")));
			break;
		case PYTHIA_CLAIM_TOO_MANY:
			ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), say_too_many(owner),
							  errdetail("The worker waits until one of them can be spared.")));
			break;
		default:
			break;
	}
}

void pythia_control_start(int32 worker_id, pythia_job_kind kind, Oid owner)
{
	const char *hint;
	const char *fault = pythia_owner_fault(owner, kind, &hint);

	if (fault)
		ereport(WARNING, (errmsg("the worker is held: %s", fault), errhint("%s", hint)));
	if (pythia_shmem)
	{
		char *database = get_database_name(MyDatabaseId);

		if (!pythia_database_served(database))
			ereport(WARNING, (errmsg("no background worker serves database \"%s\"", database),
							  errhint("Add it to pythia_db.databases and reload the configuration.")));
		else if (pythia_shmem->launcher == 0)
			ereport(WARNING, (errmsg("the launcher of pythia_db is not running yet"),
							  errhint("If it stays so, raise max_worker_processes and restart the server.")));
		else
			tell_outlook(worker_id, owner);
		remember(WISH_START, worker_id);
		return;
	}
	if (pid_by_lock(worker_id) != 0)
	{
		remember(WISH_WAKE, worker_id);
		return;
	}
	if (!pythia_role_place_await(owner))
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), say_too_many(owner)));
	/* it waits for our transaction before it reads its row */
	if (!pythia_process_register(worker_id, kind, owner, GetTopTransactionId()))
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("no background worker slot is free"),
						errhint("Raise max_worker_processes and restart the server.")));
	ereport(NOTICE,
			(errmsg("the worker lasts until the server restarts"),
			 errhint("Add pythia_db to shared_preload_libraries, so that workers are there again after a restart.")));
}

void pythia_control_stop(int32 worker_id)
{
	remember(WISH_STOP, worker_id);
}

void pythia_control_end_turn(int32 worker_id)
{
	int pid;

	if (pythia_shmem)
	{
		pythia_roster_end(worker_id);
		return;
	}
	pid = pid_by_lock(worker_id);
	if (pid != 0 && pid != MyProcPid && BackendPidGetProc(pid))
		kill(pid, SIGTERM);
}

void pythia_control_look(bool everywhere)
{
	if (pythia_shmem)
		remember(everywhere ? WISH_LOOK_EVERYWHERE : WISH_LOOK_HERE, 0);
}
