/*
 * A manager: one a database while it has enabled workers.  It reads the
 * catalogue, keeps the roster of them, and has executors where they are wanted.
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/retry.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/bridge.h"
#include "postgres/base/lock_wait.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/worker/database_hold.h"
#include "postgres/worker/process.h"
#include "postgres/worker/roster.h"
#include "postgres/worker/shared.h"
#include "postgres/worker/start.h"
#include "postgres/worker/state.h"
#include "postgres/worker/wanted.h"
#include "postgres/worker/worker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/acl.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* The catalogue is also read without being told, should somebody edit it by hand. */
#define REREAD_MS 60000L

pg_noreturn extern PGDLLEXPORT void pythia_manager_main(Datum arg);

/* A worker may be due so long before another executor comes to help. */
#define PATIENCE_MS 200
/* For so long an owner goes without any before its workers are told why. */
#define TELL_MS 3000

/* What is known of a worker between two looks. */
typedef struct managed
{
	int32 worker_id; /* key */
	uint32 seen;     /* number of the look that saw it last */
	bool told;       /* why it cannot run was said */
	bool held;       /* that it may not was said */
} managed;

/* An owner of workers. */
typedef struct group
{
	Oid owner; /* key */
	TimestampTz retry_at;
	pythia_retry retry;
} group;

/* An executor that was registered and has not been seen. */
typedef struct launch
{
	BackgroundWorkerHandle *handle;
	int place;
	Oid owner;
} launch;

static HTAB *known = NULL;
static HTAB *groups = NULL;
static List *launches = NIL;      /* in TopMemoryContext */
static MemoryContext look = NULL; /* what one look at the catalogue needs */
static bool installed = false;    /* the extension is here */
static List *jobs = NIL;          /* there; of pythia_wanted *: as it said last */
static uint32 looks = 0;          /* at it, so far */
static MemoryContext turn = NULL; /* what one round needs */

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

/* At once, after this look. */
static void look_again(void)
{
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	my_slot()->requested = true;
	LWLockRelease(pythia_shmem->lock);
	SetLatch(MyLatch);
}

static List *read_wanted(void)
{
	bool more;
	List *result;

	pgstat_report_activity(STATE_RUNNING, "reading pythia.worker");
	result = pythia_wanted_read(look, &installed, &more);
	pgstat_report_activity(STATE_IDLE, NULL);
	if (more)
		look_again();
	return result;
}

/* In a transaction.  All workers of the database wait for us: we wait for nobody's rows for long. */
static void note(void (*write)(void *argument), void *argument)
{
	MemoryContext before = CurrentMemoryContext;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) pythia_unless_locked_out(write, argument);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(before);
}

static managed *find(int32 worker_id)
{
	bool found;
	managed *entry = hash_search(known, &worker_id, HASH_ENTER, &found);

	if (!found)
		*entry = (managed){.worker_id = worker_id};
	return entry;
}

/* Of several workers. */
typedef struct failure
{
	List *jobs; /* of const pythia_wanted * */
	const char *sqlstate;
	const char *message;
} failure;

static void write_failures(void *argument)
{
	const failure *told = argument;
	ListCell *cell;

	foreach (cell, told->jobs)
		pythia_state_failed(((const pythia_wanted *) lfirst(cell))->worker_id, told->sqlstate, told->message, -1);
}

/* Workers of one owner that wait in vain: said once, in one line and one transaction. */
static void tell(List *waiting, const char *sqlstate, const char *message, const char *hint)
{
	MemoryContext before = CurrentMemoryContext;
	List *untold = NIL;
	ListCell *cell;

	foreach (cell, waiting)
	{
		managed *entry = find(((const pythia_wanted *) lfirst(cell))->worker_id);

		if (!entry->told)
			untold = lappend(untold, lfirst(cell));
		entry->told = true;
	}
	if (untold == NIL)
		return;
	ereport(WARNING,
			(errcode(pythia_sqlstate_code(sqlstate)),
			 errmsg("worker \"%s\" cannot run: %s", ((const pythia_wanted *) linitial(untold))->name, message),
			 list_length(untold) > 1 ? errdetail("So it is with %d more workers of its owner.", list_length(untold) - 1)
									 : 0,
			 errhint("%s", hint)));
	note(write_failures, &(failure){untold, sqlstate, psprintf("%s. %s", message, hint)});
	MemoryContextSwitchTo(before);
}

static group *find_group(Oid owner)
{
	bool found;
	group *entry = hash_search(groups, &owner, HASH_ENTER, &found);

	if (!found)
		*entry = (group){.owner = owner, .retry = pythia_retry_growing(0, (uint64) MyProcPid << 32 | owner)};
	entry->retry.base_ms = pythia_guc_restart_delay * 1000L;
	return entry;
}

/* Of several workers, by their numbers. */
static void write_stops(void *argument)
{
	ListCell *cell;

	foreach (cell, (List *) argument)
		pythia_state_stopped(lfirst_int(cell));
}

/* It may not run, or not any more: the view says why, as long as that is so. */
static void keep_out(managed *entry, const pythia_wanted *job)
{
	if (!entry->held)
		ereport(WARNING, (errmsg("worker \"%s\" is held: %s", job->name, job->fault), errhint("%s", job->hint)));
	entry->held = true;
	entry->told = false;
	(void) pythia_roster_remove(job->worker_id);
}

static bool is_wanted(int32 worker_id)
{
	const managed *entry = hash_search(known, &worker_id, HASH_FIND, NULL);

	return entry && entry->seen == looks;
}

/* Workers that the roster does not take, of one owner. */
typedef struct refusal
{
	Oid owner;
	pythia_claim why;
	List *jobs;
} refusal;

static List *refuse(List *refusals, const pythia_wanted *job, pythia_claim why)
{
	refusal *found = NULL;
	ListCell *cell;

	foreach (cell, refusals)
		if (((refusal *) lfirst(cell))->owner == job->owner && ((refusal *) lfirst(cell))->why == why)
			found = lfirst(cell);
	if (!found)
	{
		found = palloc(sizeof(refusal));
		*found = (refusal){job->owner, why, NIL};
		refusals = lappend(refusals, found);
	}
	found->jobs = lappend(found->jobs, unconstify(pythia_wanted *, job));
	return refusals;
}

static void tell_refusals(List *refusals)
{
	ListCell *cell;

	foreach (cell, refusals)
	{
		const refusal *r = lfirst(cell);

		tell(r->jobs, "53400",
			 r->why == PYTHIA_CLAIM_FULL ? psprintf("%d workers run already", PYTHIA_MAX_JOBS)
										 : psprintf("%d workers of its owner run already", PYTHIA_MAX_JOBS_OF_ROLE),
			 "Stop some of them, in this database or in others.");
	}
}

/* What is in the roster, also by a manager before us, and is not wanted any more. */
static void strike_unwanted(void)
{
	List *stopped = NIL;
	HASH_SEQ_STATUS status;
	managed *entry;
	ListCell *cell;

	foreach (cell, pythia_roster_list())
		if (!is_wanted(lfirst_int(cell)) && !pythia_roster_remove(lfirst_int(cell)))
			stopped = lappend_int(stopped, lfirst_int(cell));
	if (stopped != NIL && installed)
		note(write_stops, stopped);
	hash_seq_init(&status, known);
	while ((entry = hash_seq_search(&status)))
		if (entry->seen != looks)
			(void) hash_search(known, &entry->worker_id, HASH_REMOVE, NULL);
}

/* The roster, as the catalogue has it. */
static void enlist(void)
{
	List *refusals = NIL;
	ListCell *cell;

	looks++;
	foreach (cell, jobs)
	{
		const pythia_wanted *job = lfirst(cell);
		managed *entry = find(job->worker_id);
		pythia_claim claim;

		pythia_process_interrupts();
		entry->seen = looks;
		if (job->fault)
		{
			keep_out(entry, job);
			continue;
		}
		entry->held = false;
		claim = pythia_roster_put(job->worker_id, job->kind, job->owner, job->exempt);
		if (claim != PYTHIA_CLAIM_OK)
			refusals = refuse(refusals, job, claim);
	}
	tell_refusals(refusals);
	strike_unwanted();
}

/* ---- executors ---- */

/* Every worker of an owner that waits in vain. */
static void tell_all(Oid owner, const char *sqlstate, const char *message, const char *hint)
{
	List *waiting = NIL;
	ListCell *cell;

	foreach (cell, jobs)
		if (((const pythia_wanted *) lfirst(cell))->owner == owner && !((const pythia_wanted *) lfirst(cell))->fault)
			waiting = lappend(waiting, lfirst(cell));
	tell(waiting, sqlstate, message, hint);
}

static void later(group *entry)
{
	entry->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pythia_retry_next(&entry->retry));
}

/* Those that have come, and those that ended before they could say why. */
static void see_launches(void)
{
	ListCell *cell;

	foreach (cell, launches)
	{
		launch *started = lfirst(cell);
		group *entry = find_group(started->owner);
		BgwHandleStatus status;
		bool came;
		pid_t pid;

		status = GetBackgroundWorkerPid(started->handle, &pid);
		if (status == BGWH_NOT_YET_STARTED)
			continue;
		LWLockAcquire(pythia_shmem->lock, LW_SHARED);
		came = pythia_shmem->executors[started->place].starter != MyProcPid ||
			   pythia_shmem->executors[started->place].pid != 0;
		LWLockRelease(pythia_shmem->lock);
		if (status != BGWH_STOPPED && !came)
			continue;
		if (came)
			pythia_retry_reset(&entry->retry);
		else
		{
			pythia_place_free(started->place);
			later(entry);
			tell_all(started->owner, "08006", "its process could not enter the database",
					 "See the server's log: the role may lack CONNECT, or have used up its connections.");
		}
		launches = foreach_delete_current(launches, cell);
		pfree(started->handle);
		pfree(started);
	}
}

static void start_executor(Oid owner, int place)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
	launch *started = palloc0(sizeof(launch));

	started->owner = owner;
	started->place = place;
	if (pythia_executor_register(owner, place, &started->handle))
		launches = lappend(launches, started);
	else
	{
		pythia_place_free(place);
		pfree(started);
		later(find_group(owner));
		tell_all(owner, "53400", "no background worker slot is free",
				 "Raise max_worker_processes and restart the server.");
	}
	MemoryContextSwitchTo(before);
}

/* An owner without any process, whose workers are due. */
static void start_first(const pythia_need *need, TimestampTz now)
{
	int place;
	pythia_claim claim = pythia_place_claim(need->owner, false, &place);
	bool long_enough = TimestampDifferenceExceeds(need->overdue, now, TELL_MS);

	if (claim == PYTHIA_CLAIM_OK)
	{
		start_executor(need->owner, place);
		return;
	}
	pythia_place_ask(claim == PYTHIA_CLAIM_FULL ? InvalidOid : need->owner);
	if (!long_enough)
		return;
	if (claim == PYTHIA_CLAIM_FULL)
		tell_all(need->owner, "53400", "pythia_db.max_workers processes are busy with other workers",
				 "Raise pythia_db.max_workers and restart the server.");
	else
		tell_all(
			need->owner, "53400", "pythia_db.max_workers_per_role processes of its owner are busy",
			"Raise pythia_db.max_workers_per_role and reload the configuration, or stop other workers of the role.");
}

static void start_another(const pythia_need *need)
{
	int place;

	if (pythia_place_claim(need->owner, false, &place) == PYTHIA_CLAIM_OK)
		start_executor(need->owner, place);
}

/* Executors where they are wanted; returns the milliseconds until the next look. */
static long staff(void)
{
	TimestampTz now = GetCurrentTimestamp();
	long insist = pythia_roster_insist();
	long wait = insist < 0 ? REREAD_MS : Min(REREAD_MS, Max(insist, 1));
	ListCell *cell;

	see_launches();
	foreach (cell, pythia_roster_needs())
	{
		const pythia_need *need = lfirst(cell);
		const group *entry = find_group(need->owner);
		long next = need->next == 0 ? REREAD_MS : TimestampDifferenceMilliseconds(now, need->next);

		if (need->overdue != 0 && entry->retry_at > now)
			next = TimestampDifferenceMilliseconds(now, entry->retry_at);
		else if (need->overdue != 0 && need->executors == 0)
		{
			start_first(need, now);
			next = PATIENCE_MS;
		}
		else if (need->overdue != 0)
		{
			if (!need->spare && TimestampDifferenceExceeds(need->overdue, now, PATIENCE_MS))
				start_another(need);
			next = PATIENCE_MS;
		}
		else if (need->executors > 0)
			next += PATIENCE_MS;
		wait = Min(wait, Max(next, 1));
	}
	return launches == NIL ? wait : Min(wait, PATIENCE_MS);
}

/* Exits where nobody needs us; a request that came meanwhile keeps us. */
static void leave_if_idle(void)
{
	bool idle = true;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < pythia_shmem->max_workers; i++)
		if (pythia_shmem->executors[i].database == MyDatabaseId)
			idle = false;
	if (my_slot()->requested)
		idle = false;
	if (idle)
		my_slot()->state = PYTHIA_MANAGER_NONE;
	LWLockRelease(pythia_shmem->lock);
	if (idle)
		proc_exit(0);
}

/* Places that a manager before us claimed and that nobody took: who comes for one now goes again. */
static void free_left_places(void)
{
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < pythia_shmem->max_workers; i++)
	{
		pythia_executor_slot *slot = &pythia_shmem->executors[i];

		if (slot->database == MyDatabaseId && slot->pid == 0 && !slot->helper)
			memset(slot, 0, sizeof(*slot));
	}
	LWLockRelease(pythia_shmem->lock);
}

static HTAB *make_table(const char *name, Size entry)
{
	HASHCTL control = {.keysize = sizeof(int32), .entrysize = entry};

	return hash_create(name, 16, &control, HASH_ELEM | HASH_BLOBS);
}

static void enter(Oid database)
{
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
	free_left_places();
	turn = AllocSetContextCreate(TopMemoryContext, "pythia_db manager", ALLOCSET_DEFAULT_SIZES);
	look = AllocSetContextCreate(TopMemoryContext, "pythia_db workers", ALLOCSET_DEFAULT_SIZES);
	known = make_table("pythia_db workers", sizeof(managed));
	groups = make_table("pythia_db owners", sizeof(group));
}

static bool is_requested(void)
{
	bool result;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	result = my_slot()->requested;
	my_slot()->requested = false;
	LWLockRelease(pythia_shmem->lock);
	return result;
}

void pythia_manager_main(Datum arg)
{
	uint32 event = pythia_wait_event("PythiaManagerMain");
	TimestampTz looked = 0;
	pythia_process_start start;

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof(start));
	pythia_process_signals();
	enter(start.database);
	for (;;)
	{
		long wait;

		pythia_process_interrupts();
		if (is_requested() || TimestampDifferenceExceeds(looked, GetCurrentTimestamp(), REREAD_MS))
		{
			looked = GetCurrentTimestamp();
			MemoryContextReset(look);
			MemoryContextSwitchTo(look);
			jobs = read_wanted();
			MemoryContextSwitchTo(look);
			enlist();
		}
		MemoryContextSwitchTo(turn);
		MemoryContextReset(turn);
		wait = staff();
		if (jobs == NIL)
			leave_if_idle();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait, event);
		ResetLatch(MyLatch);
	}
}
