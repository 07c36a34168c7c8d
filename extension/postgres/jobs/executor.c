/*
 * An executor: serves the workers of one owner in one database, each in its turn.  It lives on while its owner has
 * work, and makes room where others need its place.
 */
#include "postgres/jobs/job.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/pg_compat.h"
#include "postgres/jobs/turn.h"
#include "postgres/worker/database_hold.h"
#include "postgres/worker/process.h"
#include "postgres/worker/roster.h"
#include "postgres/worker/session.h"
#include "postgres/worker/transaction.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

pg_noreturn extern PGDLLEXPORT void pythia_executor_main(Datum arg);

/* With nothing to do for so long, and for as long to come, it ends. */
#define LINGER_MS 10000
/* A worker whose lock another process still has is looked at again after so long. */
#define LOCKED_MS 500

static void enter(pythia_process_start *start)
{
	memcpy(start, MyBgworkerEntry->bgw_extra, sizeof(*start));
	pythia_process_signals();
	pythia_job_become(start, "pythia_db worker");
	/* only now: whoever holds it first takes the hold, then looks for us */
	if (!pythia_place_take(start->place, start->starter_pid, start->owner) || pythia_database_held(MyDatabaseId))
		proc_exit(0);
}

static void put_back(const pythia_job *job, pythia_job_slot *slot, long delay, bool failed)
{
	if (!pythia_roster_put_back(slot, delay, failed))
		pythia_job_note_stop(job->worker_id);
}

/* After a failed turn. */
static void fail(pythia_job *job, pythia_job_slot *slot, const ErrorData *failure)
{
	long delay = pythia_retry_after(slot->failures + 1);

	if (!pythia_job_goes_on(job))
	{
		pythia_job_note_stop(job->worker_id);
		pythia_roster_strike(slot);
		return;
	}
	pythia_job_failed(job, failure, delay);
	put_back(job, slot, delay, true);
}

static void serve(pythia_job_slot *slot, Oid owner)
{
	pythia_job job = {.worker_id = slot->worker_id, .owner = owner, .kind = slot->kind, .memory = &slot->memory};
	ErrorData *failure = NULL;
	long delay;

	pythia_process_interrupts();
	pythia_job_enter(owner, job.kind, job.worker_id);
	if (!pythia_process_lock(PYTHIA_LOCK_WORKER, job.worker_id))
	{
		put_back(&job, slot, LOCKED_MS, false);
		return;
	}
	if (!pythia_job_read(&job))
	{
		pythia_job_note_stop(job.worker_id);
		pythia_roster_strike(slot);
		pythia_session_tidy(&job);
		return;
	}
	if (!slot->started)
		pythia_job_note_start(job.worker_id);
	slot->started = true;
	delay = pythia_job_turn(&job, &failure);
	if (failure)
		fail(&job, slot, failure);
	else if (delay == PYTHIA_TURN_OVER)
	{
		pythia_job_note_stop(job.worker_id);
		pythia_roster_strike(slot);
	}
	else
	{
		if (slot->failures > 0)
			pythia_job_note_recovery(job.worker_id);
		put_back(&job, slot, delay, false);
	}
}

void pythia_executor_main(Datum arg)
{
	TimestampTz idle_since = 0;
	MemoryContext scratch;
	pythia_process_start start;

	enter(&start);
	scratch = AllocSetContextCreate(TopMemoryContext, "pythia_db turn", ALLOCSET_DEFAULT_SIZES);
	while (pythia_my_place()->leave == 0)
	{
		pythia_job_slot *slot;
		long wait;

		MemoryContextSwitchTo(scratch);
		MemoryContextReset(scratch);
		pythia_process_interrupts();
		slot = pythia_roster_take(start.owner, &wait);
		if (slot)
		{
			idle_since = 0;
			serve(slot, start.owner);
			continue;
		}
		if (wait < 0)
			break;
		if (idle_since == 0)
			idle_since = GetCurrentTimestamp();
		if (wait > LINGER_MS && TimestampDifferenceExceeds(idle_since, GetCurrentTimestamp(), LINGER_MS))
			break;
		(void) pythia_job_sleep(wait > LINGER_MS ? LINGER_MS : Max(wait, 1));
	}
	proc_exit(0);
}
