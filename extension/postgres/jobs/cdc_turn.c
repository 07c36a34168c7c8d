/* One turn of a CDC worker's process: poll when it is time, hand over what there is, keep the journal. */
#include "postgres/capture/catalog.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/capture/adopt.h"
#include "postgres/capture/rotate.h"
#include "postgres/capture/trigger.h"
#include "postgres/jobs/attempt.h"
#include "postgres/jobs/dispatch.h"
#include "postgres/jobs/handler.h"
#include "postgres/jobs/turn.h"
#include "postgres/journal/journal.h"
#include "postgres/remote/poll.h"
#include "postgres/worker/process.h"
#include "postgres/worker/transaction.h"
#include "postgres/worker/worker.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define ROTATE_EVERY_MS 10000
/* A handler that fails is told of in the log so often. */
#define TELL_EVERY_MS 10000
/* Another session polls just now: look again. */
#define LOCKED_OUT_MS 200

/* The next poll may come earlier by this share of the interval. */
#define EARLY_SHARE 0.1

static long until(TimestampTz time)
{
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), time);
}

/* A little early, each time by another share: workers do not poll in step, and no two polls lie further apart. */
static long spread(long interval)
{
	return interval - (long) (interval * EARLY_SHARE * pythia_random_share());
}

/* Returns the worker's interval in milliseconds, or PYTHIA_TURN_OVER. */
static long poll_turn(const pythia_job *job, bool *has_handler)
{
	pythia_cdc_worker *worker;
	TimestampTz now;
	long interval;
	bool again = false;
	bool due;

	pythia_job_begin();
	worker = pythia_cdc_load(job->worker_id);
	if (!worker || !worker->enabled)
	{
		pythia_job_commit();
		return PYTHIA_TURN_OVER;
	}
	interval = (long) (worker->poll_interval * 1000);
	*has_handler = worker->handler != NULL;
	now = GetCurrentTimestamp();
	due = now >= job->memory->next_poll || job->memory->next_poll - now > (TimestampTz) interval * 1000;
	if (due && worker->connection)
	{
		/* what is read elsewhere is read outside of transactions */
		pythia_job_commit();
		if (!pythia_remote_turn(job->worker_id, &again, &job->memory->next_look))
			interval = Min(interval, LOCKED_OUT_MS);
		else
			pythia_note_poll(job->worker_id);
		job->memory->next_poll = TimestampTzPlusMilliseconds(now, again ? 0 : interval);
		return interval;
	}
	if (due)
	{
		/* a session that polls in a transaction it leaves open shall not stall the handler too */
		if (pythia_cdc_try_lock(job->worker_id))
		{
			worker = pythia_cdc_load(job->worker_id);
			if (worker)
				(void) pythia_cdc_poll(worker, true);
			pythia_note_poll(job->worker_id);
			job->memory->next_poll = TimestampTzPlusMilliseconds(now, spread(interval));
		}
		else
			job->memory->next_poll = TimestampTzPlusMilliseconds(now, Min(interval, LOCKED_OUT_MS));
	}
	pythia_job_commit();
	return interval;
}

/* Calls the handler, not committed yet. Returns true where there may be more. */
static bool hand_over(const pythia_job *job, pythia_handling *handling, long *retry)
{
	pythia_cdc_worker *worker;
	bool more = false;

	pythia_job_begin();
	worker = pythia_cdc_load(job->worker_id);
	if (worker)
	{
		more = pythia_cdc_handle(worker, handling) > 0;
		*retry = pythia_cdc_next_retry(worker);
	}
	return more;
}

/* True of a cancel that is meant for us, and not for what the handler left to the commit. */
static bool is_stop(const pythia_job *job, const ErrorData *error)
{
	bool wanted;

	if (!pythia_process_stopped(error))
		return false;
	pythia_job_begin();
	wanted = pythia_worker_wanted(job->kind, job->worker_id);
	pythia_job_commit();
	return !wanted;
}

/* NULL, or why it was rolled back: a deferred constraint, say, or a deferred trigger. */
static ErrorData *commit_or_error(const pythia_job *job)
{
	MemoryContext cxt = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		pythia_job_commit();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		AbortOutOfAnyTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	if (error && is_stop(job, error))
		ReThrowError(error);
	MemoryContextSwitchTo(cxt);
	return error;
}

/* The change that will be called first; 0 where none will. */
static int64 plan_call(const pythia_job *job)
{
	MemoryContext scratch = CurrentMemoryContext;
	pythia_handling plan = {.most = 1, .plan = true};
	long unused;

	(void) hand_over(job, &plan, &unused);
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(scratch);
	return plan.calls > 0 ? plan.change_id : 0;
}

/* Committed before the call. That it reaches the disk first is worth waiting for only where the process, or the server
 * with it, may just have come back from such a call. */
static void note_call(const pythia_job *job, int64 change_id, bool flushed)
{
	int before = synchronous_commit;

	pythia_job_begin();
	pythia_attempt_note(job->worker_id, change_id);
	if (flushed)
		ForceSyncCommit();
	PG_TRY();
	{
		if (!flushed)
			synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
		pythia_job_commit();
	}
	PG_FINALLY();
	{
		synchronous_commit = before;
	}
	PG_END_TRY();
}

/*
 * Notes what is about to be called. False where there is nothing to do just now.
 * Where the turn before may have ended with its process, it looks what that has left.
 */
static bool prepare(const pythia_job *job, pythia_handling *handling, long *retry)
{
	MemoryContext scratch = CurrentMemoryContext;
	pythia_cdc_worker *worker;
	int64 change_id = 0;
	bool idle;
	bool fresh = !job->memory->served;

	pythia_job_begin();
	worker = pythia_cdc_load(job->worker_id);
	idle = !worker || pythia_cdc_handler_idle(worker);
	if (worker)
		*retry = pythia_cdc_next_retry(worker);
	if (!idle && fresh && pythia_attempt_left(job->worker_id, &change_id))
	{
		job->memory->singly = worker->config.batch_size;
		if (change_id > 0)
		{
			MemoryContextSwitchTo(scratch);
			handling->refused = pythia_attempt_error();
			handling->change_id = change_id;
		}
	}
	if (!idle && job->memory->singly == 0 && pythia_attempt_suspects(job->worker_id))
		job->memory->singly = 1;
	pythia_job_commit();
	MemoryContextSwitchTo(scratch);
	if (idle)
		return false;
	job->memory->served = true;
	handling->most = job->memory->singly > 0 ? 1 : 0;
	/* the one that ended the process before is not called, but written down */
	if (!handling->refused)
		note_call(job, job->memory->singly > 0 ? plan_call(job) : 0, fresh || job->memory->singly > 0);
	return true;
}

/* One line for many failures: the changes themselves stand in pythia.failed_change. */
static void tell_failures(const pythia_job *job, const pythia_handling *handling)
{
	pythia_job_memory *memory = job->memory;
	TimestampTz now = GetCurrentTimestamp();

	memory->failed_untold += handling->failed;
	memory->dead_untold += handling->dead;
	if (memory->failed_untold == 0 ||
		(memory->told_at != 0 && !TimestampDifferenceExceeds(memory->told_at, now, TELL_EVERY_MS)))
		return;
	if (handling->failed == 0)
		ereport(WARNING, (errmsg("handler of CDC worker \"%s\" failed " INT64_FORMAT " more times", job->name,
								 memory->failed_untold),
						  errdetail("For the last time: " INT64_FORMAT ".", memory->dead_untold),
						  errhint("See pythia.failed_change; pythia.retry_failed tries again.")));
	else
		ereport(WARNING,
				(errmsg("handler of CDC worker \"%s\" failed " INT64_FORMAT " times, as on change " INT64_FORMAT ": %s",
						job->name, memory->failed_untold, handling->failed_first, handling->why),
				 errdetail("For the last time: " INT64_FORMAT ".", memory->dead_untold),
				 errhint("See pythia.failed_change; pythia.retry_failed tries again.")));
	memory->failed_untold = 0;
	memory->dead_untold = 0;
	memory->told_at = now;
}

/*
 * A batch that cannot be committed is done once more, a transaction a call; the
 * call that cannot be committed alone has failed.
 */
static bool handler_turn(const pythia_job *job, long *retry)
{
	MemoryContext scratch = CurrentMemoryContext;
	pythia_handling handling = {0};
	ErrorData *error;
	bool more;

	if (!prepare(job, &handling, retry))
	{
		tell_failures(job, &handling);
		return false;
	}
	more = hand_over(job, &handling, retry);
	MemoryContextSwitchTo(scratch);
	error = commit_or_error(job);
	if (job->memory->singly > 0)
		job->memory->singly--;
	if (!error)
	{
		tell_failures(job, &handling);
		return more;
	}
	if (handling.calls == 0)
		ReThrowError(error);
	if (handling.calls > 1)
		job->memory->singly = handling.calls;
	else
	{
		handling.refused = error;
		handling.failed = handling.dead = 0;
		(void) hand_over(job, &handling, retry);
		pythia_job_commit();
		tell_failures(job, &handling);
	}
	return true;
}

static void complete_triggers(const pythia_job *job)
{
	pythia_cdc_worker *worker = pythia_cdc_load(job->worker_id);

	if (worker && !worker->connection && worker->config.capture == PYTHIA_CAPTURE_TRIGGER)
		pythia_trigger_look_after(worker);
}

long pythia_cdc_turn(const pythia_job *job)
{
	bool has_handler = false;
	long retry = -1;
	long wait;

	if (poll_turn(job, &has_handler) == PYTHIA_TURN_OVER)
		return PYTHIA_TURN_OVER;
	if (has_handler && handler_turn(job, &retry))
		return 0;
	if (GetCurrentTimestamp() >= job->memory->next_rotation)
	{
		job->memory->next_rotation = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ROTATE_EVERY_MS);
		pythia_job_begin();
		pythia_journal_rotate();
		pythia_journal_count();
		pythia_job_commit();
		pythia_job_begin();
		if (pythia_cdc_try_lock(job->worker_id) && pythia_cdc_adopt(job->worker_id))
			job->memory->next_poll = 0;
		complete_triggers(job);
		pythia_job_commit();
	}
	wait = until(job->memory->next_poll);
	if (retry >= 0)
		wait = Min(wait, retry);
	return wait;
}
