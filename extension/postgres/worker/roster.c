#include "postgres/worker/roster.h"

#include <signal.h>

#include "access/xact.h"
#include "common/pg_prng.h"
#include "core/retry.h"
#include "miscadmin.h"
#include "postgres/base/settings.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

/* An executor may keep its place so long, though others wait for one. */
#define QUANTUM_MS 1000

/* A copy that is due and may not begin is looked at again after so long. */
#define COPY_WAIT_MS 1000

/* A turn that was cancelled has so long to end; then its process is ended: code may catch a cancel. */
#define CANCEL_MS 2000

static int my_place = -1;

long pythia_retry_after(int failures)
{
	pythia_retry retry = pythia_retry_growing(pythia_guc_restart_delay * 1000L, pg_prng_uint64(&pg_global_prng_state));

	retry.attempt = Max(failures - 1, 0);
	return (long) pythia_retry_next(&retry);
}

/* ---- places ---- */

static bool is_exempt(Oid owner)
{
	MemoryContext before = CurrentMemoryContext;
	bool outside = !IsTransactionState();
	bool exempt;

	if (outside)
		StartTransactionCommand();
	exempt = superuser_arg(owner);
	if (outside)
		CommitTransactionCommand();
	MemoryContextSwitchTo(before);
	return exempt;
}

int pythia_role_limit(Oid owner)
{
	if (is_exempt(owner))
		return 0;
	if (pythia_guc_max_workers_per_role < 0)
		return ((pythia_shmem ? pythia_shmem->max_workers : pythia_guc_max_workers) + 1) / 2;
	return pythia_guc_max_workers_per_role;
}

/* Under the lock. */
static pythia_claim look_for_place(Oid owner, bool helper, int limit, int *place)
{
	int own = 0;
	int nfree = 0;

	for (int i = pythia_shmem->max_workers - 1; i >= 0; i--)
	{
		const pythia_executor_slot *slot = &pythia_shmem->executors[i];

		own += OidIsValid(slot->database) && slot->owner == owner;
		if (OidIsValid(slot->database))
			continue;
		*place = i;
		nfree++;
	}
	if (limit > 0 && own >= limit)
		return PYTHIA_CLAIM_TOO_MANY;
	/* who helps leaves the last place to those who have none */
	return nfree > (helper ? 1 : 0) ? PYTHIA_CLAIM_OK : PYTHIA_CLAIM_FULL;
}

pythia_claim pythia_place_claim(Oid owner, bool helper, int *place)
{
	int limit = pythia_role_limit(owner);
	pythia_claim result;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	result = look_for_place(owner, helper, limit, place);
	if (result == PYTHIA_CLAIM_OK)
		pythia_shmem->executors[*place] = (pythia_executor_slot){.database = MyDatabaseId,
																 .owner = owner,
																 .starter = MyProcPid,
																 .helper = helper,
																 .since = GetCurrentTimestamp()};
	LWLockRelease(pythia_shmem->lock);
	return result;
}

pythia_claim pythia_place_outlook(Oid owner)
{
	int limit = pythia_role_limit(owner);
	bool served = false;
	int ignored;
	pythia_claim result;

	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	for (int i = 0; i < pythia_shmem->max_workers; i++)
	{
		const pythia_executor_slot *slot = &pythia_shmem->executors[i];

		served |= slot->database == MyDatabaseId && slot->owner == owner && !slot->helper && !slot->copies;
	}
	result = served ? PYTHIA_CLAIM_OK : look_for_place(owner, false, limit, &ignored);
	LWLockRelease(pythia_shmem->lock);
	return result;
}

void pythia_place_free(int place)
{
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	memset(&pythia_shmem->executors[place], 0, sizeof(pythia_executor_slot));
	LWLockRelease(pythia_shmem->lock);
}

void pythia_place_free_helpers(void)
{
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < pythia_shmem->max_workers; i++)
	{
		pythia_executor_slot *slot = &pythia_shmem->executors[i];

		if (slot->helper && slot->starter == MyProcPid && slot->pid == 0)
			memset(slot, 0, sizeof(*slot));
	}
	LWLockRelease(pythia_shmem->lock);
}

/* Under the lock; every manager that might have waited for a place. */
static int managers_of_all(pid_t *pids)
{
	int count = 0;

	for (int i = 0; i < PYTHIA_MAX_DATABASES; i++)
		if (pythia_shmem->managers[i].pid != 0)
			pids[count++] = pythia_shmem->managers[i].pid;
	return count;
}

/* A worker whose process dies in its turn waits as one that failed. */
static void release_job(pythia_job_slot *slot)
{
	slot->pid = 0;
	if (!slot->busy)
		return;
	slot->busy = false;
	slot->memory.served = false;
	slot->failures++;
	slot->due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pythia_retry_after(slot->failures));
	if (slot->unwanted)
		memset(slot, 0, sizeof(*slot));
}

static void leave(int code, Datum arg)
{
	pid_t managers[PYTHIA_MAX_DATABASES];
	int count;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	memset(&pythia_shmem->executors[my_place], 0, sizeof(pythia_executor_slot));
	for (int i = 0; i < pythia_shmem->njobs; i++)
		if (pythia_shmem->jobs[i].pid == MyProcPid)
			release_job(&pythia_shmem->jobs[i]);
	count = managers_of_all(managers);
	LWLockRelease(pythia_shmem->lock);
	my_place = -1;
	for (int i = 0; i < count; i++)
		pythia_set_latch_of(managers[i]);
}

bool pythia_place_take(int place, pid_t starter, Oid owner)
{
	pythia_executor_slot *slot = &pythia_shmem->executors[place];
	bool ok;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	ok = slot->database == MyDatabaseId && slot->owner == owner && slot->starter == starter && slot->pid == 0;
	if (ok)
		slot->pid = MyProcPid;
	LWLockRelease(pythia_shmem->lock);
	if (ok)
	{
		my_place = place;
		before_shmem_exit(leave, (Datum) 0);
	}
	return ok;
}

pythia_executor_slot *pythia_my_place(void)
{
	return my_place < 0 ? NULL : &pythia_shmem->executors[my_place];
}

/* One that waits; else the one that has had its place longest, and is not in the midst of a copy. */
static pythia_executor_slot *easiest_to_spare(Oid owner, TimestampTz now)
{
	pythia_executor_slot *best = NULL;

	for (int i = 0; i < pythia_shmem->max_workers; i++)
	{
		pythia_executor_slot *slot = &pythia_shmem->executors[i];

		if (!OidIsValid(slot->database) || slot->helper || slot->pid == 0 ||
			(OidIsValid(owner) && slot->owner != owner))
			continue;
		if (slot->leave != 0 && !TimestampDifferenceExceeds(slot->leave, now, QUANTUM_MS))
			return NULL; /* one is going already */
		if (slot->leave != 0)
			continue; /* its turn lasts */
		if (slot->copies || (!slot->waits && !TimestampDifferenceExceeds(slot->since, now, QUANTUM_MS)))
			continue;
		if (!best || slot->waits > best->waits || (slot->waits == best->waits && slot->since < best->since))
			best = slot;
	}
	return best;
}

void pythia_place_ask(Oid owner)
{
	TimestampTz now = GetCurrentTimestamp();
	pythia_executor_slot *slot;
	pid_t pid = 0;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = easiest_to_spare(owner, now);
	if (slot)
	{
		slot->leave = now;
		pid = slot->pid;
	}
	LWLockRelease(pythia_shmem->lock);
	pythia_set_latch_of(pid);
}

void pythia_place_copies(bool copies)
{
	if (!pythia_my_place())
		return;
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	pythia_my_place()->copies = copies;
	LWLockRelease(pythia_shmem->lock);
}

/* ---- workers ---- */

/* Under the lock. One role leaves places to others. */
static pythia_claim look_for_job(Oid owner, bool exempt)
{
	int all = 0;
	int own = 0;

	for (int i = 0; i < pythia_shmem->njobs; i++)
	{
		all += OidIsValid(pythia_shmem->jobs[i].database);
		own += OidIsValid(pythia_shmem->jobs[i].database) && pythia_shmem->jobs[i].owner == owner;
	}
	if (!exempt && own >= PYTHIA_MAX_JOBS_OF_ROLE)
		return PYTHIA_CLAIM_TOO_MANY;
	return all < PYTHIA_MAX_JOBS ? PYTHIA_CLAIM_OK : PYTHIA_CLAIM_FULL;
}

pythia_claim pythia_roster_outlook(int32 worker_id, Oid owner)
{
	bool exempt = is_exempt(owner);
	pythia_claim result;

	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	result = pythia_job_find(MyDatabaseId, worker_id) ? PYTHIA_CLAIM_OK : look_for_job(owner, exempt);
	LWLockRelease(pythia_shmem->lock);
	return result;
}

static pythia_job_slot *free_job(void)
{
	for (int i = 0; i < pythia_shmem->njobs; i++)
		if (!OidIsValid(pythia_shmem->jobs[i].database))
			return &pythia_shmem->jobs[i];
	if (pythia_shmem->njobs < PYTHIA_MAX_JOBS)
		return &pythia_shmem->jobs[pythia_shmem->njobs++];
	return NULL;
}

pythia_claim pythia_roster_put(int32 worker_id, pythia_job_kind kind, Oid owner, bool exempt)
{
	pythia_claim result = PYTHIA_CLAIM_OK;
	pythia_job_slot *slot;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = pythia_job_find(MyDatabaseId, worker_id);
	if (slot && !slot->busy && slot->owner != owner)
		memset(slot, 0, sizeof(*slot));
	else if (slot && slot->owner == owner)
		slot->unwanted = false;
	if (!slot && (result = look_for_job(owner, exempt)) == PYTHIA_CLAIM_OK)
		slot = free_job();
	if (slot && !OidIsValid(slot->database))
		*slot = (pythia_job_slot){.database = MyDatabaseId,
								  .worker_id = worker_id,
								  .owner = owner,
								  .kind = kind,
								  .due = GetCurrentTimestamp()};
	LWLockRelease(pythia_shmem->lock);
	return result;
}

/* Under the lock, so that its process is still at this one. */
static void cancel_turn(pythia_job_slot *slot)
{
	slot->unwanted = true;
	slot->asked = GetCurrentTimestamp();
	/* as pg_cancel_backend: it finds that it is not wanted */
	kill(slot->pid, SIGINT);
}

bool pythia_roster_remove(int32 worker_id)
{
	pythia_job_slot *slot;
	bool busy;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = pythia_job_find(MyDatabaseId, worker_id);
	busy = slot && slot->busy;
	if (busy && !slot->unwanted)
		cancel_turn(slot);
	else if (slot && !busy)
		memset(slot, 0, sizeof(*slot));
	LWLockRelease(pythia_shmem->lock);
	return busy;
}

void pythia_roster_cancel(int32 worker_id)
{
	pythia_job_slot *slot;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = pythia_job_find(MyDatabaseId, worker_id);
	if (slot && slot->busy && slot->pid != MyProcPid)
		cancel_turn(slot);
	LWLockRelease(pythia_shmem->lock);
}

void pythia_roster_end(int32 worker_id)
{
	pythia_job_slot *slot;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = pythia_job_find(MyDatabaseId, worker_id);
	if (slot && slot->busy && slot->pid != MyProcPid)
		kill(slot->pid, SIGTERM);
	LWLockRelease(pythia_shmem->lock);
}

long pythia_roster_insist(void)
{
	TimestampTz now = GetCurrentTimestamp();
	long wait = -1;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < pythia_shmem->njobs; i++)
	{
		pythia_job_slot *slot = &pythia_shmem->jobs[i];
		long left;

		if (slot->database != MyDatabaseId || !slot->busy || !slot->unwanted)
			continue;
		left = TimestampDifferenceMilliseconds(now, TimestampTzPlusMilliseconds(slot->asked, CANCEL_MS));
		if (left == 0)
		{
			slot->asked = now;
			left = CANCEL_MS;
			kill(slot->pid, SIGTERM);
		}
		wait = wait < 0 ? left : Min(wait, left);
	}
	LWLockRelease(pythia_shmem->lock);
	return wait;
}

List *pythia_roster_list(void)
{
	int most = pythia_shmem->njobs;
	int32 *ids = palloc(sizeof(int32) * Max(most, 1));
	List *result = NIL;
	int count = 0;

	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	for (int i = 0; i < most; i++)
		if (pythia_shmem->jobs[i].database == MyDatabaseId)
			ids[count++] = pythia_shmem->jobs[i].worker_id;
	LWLockRelease(pythia_shmem->lock);
	for (int i = 0; i < count; i++)
		result = lappend_int(result, ids[i]);
	return result;
}

void pythia_roster_forget(Oid database)
{
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < pythia_shmem->njobs; i++)
		if (pythia_shmem->jobs[i].database == database)
			memset(&pythia_shmem->jobs[i], 0, sizeof(pythia_job_slot));
	LWLockRelease(pythia_shmem->lock);
}

/* Of those who could serve it: one that waits, or nobody, where one will come to it; the manager, where none is there. */
static pid_t who_serves(const pythia_job_slot *job)
{
	pythia_manager_slot *manager;
	bool served = false;

	for (int i = 0; i < pythia_shmem->max_workers; i++)
	{
		const pythia_executor_slot *place = &pythia_shmem->executors[i];

		if (place->database != MyDatabaseId || place->owner != job->owner || place->helper)
			continue;
		if (place->waits)
			return place->pid;
		served = true;
	}
	manager = served ? NULL : pythia_manager_find(MyDatabaseId, false);
	return manager ? manager->pid : 0;
}

pid_t pythia_roster_wake(int32 worker_id)
{
	pythia_job_slot *slot;
	pid_t result = 0;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = pythia_job_find(MyDatabaseId, worker_id);
	if (slot && slot->busy)
		slot->woken = true;
	else if (slot)
	{
		slot->due = GetCurrentTimestamp();
		result = who_serves(slot);
	}
	LWLockRelease(pythia_shmem->lock);
	return result;
}

/* Copies leave one process to others: of all, and of their owner's. */
static bool may_copy(Oid owner, int limit)
{
	int all = 0;
	int own = 0;

	for (int i = 0; i < pythia_shmem->max_workers; i++)
	{
		const pythia_executor_slot *slot = &pythia_shmem->executors[i];

		if (!OidIsValid(slot->database) || !slot->copies)
			continue;
		all++;
		own += slot->owner == owner;
	}
	return all < Max(1, pythia_shmem->max_workers - 1) && (limit == 0 || own < Max(1, limit - 1));
}

pythia_job_slot *pythia_roster_take(Oid owner, long *wait)
{
	TimestampTz now = GetCurrentTimestamp();
	int limit = pythia_role_limit(owner);
	pythia_job_slot *first = NULL;
	TimestampTz next = 0;
	bool copies_may;

	*wait = -1;
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	copies_may = may_copy(owner, limit);
	for (int i = 0; i < pythia_shmem->njobs; i++)
	{
		pythia_job_slot *slot = &pythia_shmem->jobs[i];

		if (slot->database != MyDatabaseId || slot->owner != owner)
			continue;
		*wait = *wait < 0 ? PYTHIA_LONGEST_WAIT : *wait;
		if (slot->busy)
			continue;
		if (slot->due <= now && slot->kind == PYTHIA_JOB_SYNC && !copies_may)
		{
			*wait = COPY_WAIT_MS;
			continue;
		}
		if (slot->due <= now && (!first || slot->due < first->due))
			first = slot;
		if (next == 0 || slot->due < next)
			next = slot->due;
	}
	if (first)
	{
		first->busy = true;
		first->woken = false;
		first->pid = MyProcPid;
		pythia_my_place()->copies = first->kind == PYTHIA_JOB_SYNC;
	}
	pythia_my_place()->waits = !first;
	LWLockRelease(pythia_shmem->lock);
	if (next != 0)
		*wait = Min(*wait, TimestampDifferenceMilliseconds(now, next));
	return first;
}

bool pythia_roster_others_wait(Oid owner)
{
	TimestampTz now = GetCurrentTimestamp();
	bool copies_may;
	bool result = false;

	if (!pythia_shmem)
		return false;
	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	copies_may = may_copy(owner, pythia_role_limit(owner));
	for (int i = 0; i < pythia_shmem->njobs && !result; i++)
	{
		const pythia_job_slot *slot = &pythia_shmem->jobs[i];

		result = slot->database == MyDatabaseId && slot->owner == owner && !slot->busy &&
				 (slot->kind != PYTHIA_JOB_SYNC || copies_may) &&
				 TimestampDifferenceExceeds(slot->due, now, QUANTUM_MS);
	}
	LWLockRelease(pythia_shmem->lock);
	return result;
}

bool pythia_roster_put_back(pythia_job_slot *slot, long delay, bool failed)
{
	bool wanted;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	pythia_my_place()->copies = false;
	slot->busy = false;
	slot->failures = failed ? slot->failures + 1 : 0;
	slot->due = GetCurrentTimestamp();
	if (failed || !slot->woken)
		slot->due = TimestampTzPlusMilliseconds(slot->due, delay);
	wanted = !slot->unwanted;
	if (!wanted)
		memset(slot, 0, sizeof(*slot));
	LWLockRelease(pythia_shmem->lock);
	return wanted;
}

void pythia_roster_strike(pythia_job_slot *slot)
{
	pid_t manager;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	pythia_my_place()->copies = false;
	memset(slot, 0, sizeof(*slot));
	manager = pythia_manager_find(MyDatabaseId, false) ? pythia_manager_find(MyDatabaseId, false)->pid : 0;
	LWLockRelease(pythia_shmem->lock);
	/* it may be enabled again by now */
	if (manager)
		pythia_request_manager(MyDatabaseId);
}

static pythia_need *need_of(List **needs, Oid owner)
{
	pythia_need *made;
	ListCell *cell;

	foreach (cell, *needs)
		if (((pythia_need *) lfirst(cell))->owner == owner)
			return lfirst(cell);
	made = palloc0(sizeof(pythia_need));
	made->owner = owner;
	*needs = lappend(*needs, made);
	return made;
}

List *pythia_roster_needs(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int njobs = pythia_shmem->njobs;
	pythia_job_slot *jobs = palloc(sizeof(pythia_job_slot) * Max(njobs, 1));
	List *result = NIL;
	ListCell *cell;
	int count = 0;

	/* nothing is allocated under the lock */
	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	for (int i = 0; i < njobs; i++)
		if (pythia_shmem->jobs[i].database == MyDatabaseId)
			jobs[count++] = pythia_shmem->jobs[i];
	LWLockRelease(pythia_shmem->lock);
	for (int i = 0; i < count; i++)
	{
		pythia_need *need = need_of(&result, jobs[i].owner);

		need->jobs++;
		if (jobs[i].busy)
			continue;
		if (jobs[i].due <= now && (need->overdue == 0 || jobs[i].due < need->overdue))
			need->overdue = jobs[i].due;
		if (jobs[i].due > now && (need->next == 0 || jobs[i].due < need->next))
			need->next = jobs[i].due;
	}
	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	for (int i = 0; i < pythia_shmem->max_workers; i++)
	{
		const pythia_executor_slot *slot = &pythia_shmem->executors[i];

		if (slot->database != MyDatabaseId || slot->helper)
			continue;
		foreach (cell, result)
		{
			pythia_need *need = lfirst(cell);

			if (need->owner != slot->owner)
				continue;
			need->executors++;
			need->spare |= slot->waits || slot->pid == 0;
		}
	}
	LWLockRelease(pythia_shmem->lock);
	return result;
}
