#include "postgres/jobs/handler_turn.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/capture/catalog.h"
#include "postgres/jobs/attempt.h"
#include "postgres/jobs/handler.h"
#include "postgres/jobs/share.h"
#include "postgres/worker/helpers.h"
#include "postgres/worker/process.h"
#include "postgres/worker/transaction.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A handler that fails is told of in the log so often. */
#define TELL_EVERY_MS 10000
/* Several processes go on so long before the worker's own polls again. */
#define TOGETHER_MS 1000
/* Between two looks whether a share is free. */
#define LOOK_MS 5L

/* ---- one batch ---- */

/* Calls the handler, not committed yet. Returns true where there may be more. */
static bool hand_over(const pythia_job *job, pythia_handling *handling, long *retry)
{
	pythia_cdc_worker *worker;
	bool more = false;

	pythia_job_begin();
	worker = pythia_cdc_load_head(job->worker_id);
	if (worker)
	{
		handling->processes = (int) worker->config.handlers;
		more = pythia_cdc_handle(worker, handling);
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
static int64 plan_call(const pythia_job *job, pythia_share *share)
{
	MemoryContext scratch = CurrentMemoryContext;
	pythia_share copy = share ? *share : (pythia_share){0};
	pythia_handling plan = {.share = share ? &copy : NULL, .most = 1, .plan = true};
	long unused;

	(void) hand_over(job, &plan, &unused);
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(scratch);
	return plan.calls > 0 ? plan.change_id : 0;
}

/* Committed before the call. That it reaches the disk first is worth waiting for only where the process, or the server
 * with it, may just have come back from such a call. */
static void note_call(const pythia_job *job, const pythia_share *share, int64 change_id, bool flushed)
{
	int before = synchronous_commit;

	pythia_job_begin();
	pythia_attempt_note(job->worker_id, share, change_id);
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
	worker = pythia_cdc_load_head(job->worker_id);
	idle = !worker || (!handling->share && pythia_cdc_handler_idle(worker));
	if (worker)
		*retry = pythia_cdc_next_retry(worker);
	if (!idle && fresh && pythia_attempt_left(job->worker_id, handling->share, &change_id))
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
		note_call(job, handling->share, job->memory->singly > 0 ? plan_call(job, handling->share) : 0,
				  fresh || job->memory->singly > 0);
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
 * call that cannot be committed alone has failed.  True where there may be more;
 * *divided where it is for processes that share it.
 */
static bool hand_over_batch(const pythia_job *job, pythia_share *share, bool *divided, long *retry)
{
	MemoryContext scratch = CurrentMemoryContext;
	pythia_handling handling = {.share = share};
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
		*divided = handling.divided || (more && handling.processes > 1 && job->memory->singly == 0);
		return share ? more : more || handling.calls > 0;
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

/* ---- several processes ---- */

static bool is_late(TimestampTz began)
{
	return TimestampDifferenceExceeds(began, GetCurrentTimestamp(), TOGETHER_MS);
}

/* What came of the calls is told as the worker's own. */
static void run_share(const pythia_job *job, int index, TimestampTz began, long *retry)
{
	pythia_share share = {.index = index};
	pythia_job_memory memory = *job->memory;
	pythia_job mine = *job;
	bool ignored;

	/* what was noted of the share says whether a process died with it */
	memory.singly = 0;
	memory.served = false;
	mine.memory = &memory;
	/* after an error the session is tidied, or ends, and lets go of the share */
	while (hand_over_batch(&mine, &share, &ignored, retry) && !is_late(began))
		CHECK_FOR_INTERRUPTS();
	pythia_share_give_back(job->worker_id, index);
	job->memory->failed_untold = memory.failed_untold;
	job->memory->dead_untold = memory.dead_untold;
	job->memory->told_at = memory.told_at;
}

/* Takes a share that no other process has and hands it over, until it is done or the time is over; false where there
 * is none. *left: shares that were not done before. */
static bool take_share(const pythia_job *job, TimestampTz began, int *left, long *retry)
{
	int indexes[PYTHIA_MAX_HANDLERS];

	pythia_job_begin();
	*left = pythia_shares_left(job->worker_id, indexes, lengthof(indexes));
	pythia_job_commit();
	for (int i = 0; i < *left; i++)
		if (pythia_share_take(job->worker_id, indexes[i]))
		{
			run_share(job, indexes[i], began, retry);
			return true;
		}
	return false;
}

static void look_again(void)
{
	static uint32 event = 0;

	if (event == 0)
		event = pythia_wait_event("PythiaShareWait");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS, event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Until all shares are done, by this process or others, or the time is over. */
static void work_on_shares(const pythia_job *job, TimestampTz began, long *retry)
{
	int left;

	do
	{
		if (!take_share(job, began, &left, retry) && left > 0)
			look_again();
	} while (left > 0 && !is_late(began));
}

/* Returns how many processes the handler may have; 0 where nothing is left for several. */
static int advance(const pythia_job *job)
{
	pythia_cdc_worker *worker;
	int processes = 0;

	pythia_job_begin();
	worker = pythia_cdc_load_head(job->worker_id);
	if (worker && pythia_segment_advance(worker))
		processes = (int) worker->config.handlers;
	pythia_job_commit();
	return processes;
}

/* True where there is more for several processes. */
static bool hand_over_together(const pythia_job *job, long *retry)
{
	TimestampTz began = GetCurrentTimestamp();
	int processes;

	while ((processes = advance(job)) > 0 && !is_late(began))
	{
		(void) pythia_helpers_start(job, processes - 1, 0);
		work_on_shares(job, began, retry);
	}
	/* a call may last; its process ends with its batch */
	pythia_helpers_wait();
	return processes > 0;
}

static bool try_together(const pythia_job *job, long *retry)
{
	volatile bool more = false;

	PG_TRY();
	{
		more = hand_over_together(job, retry);
	}
	PG_CATCH();
	{
		pythia_helpers_stop();
		PG_RE_THROW();
	}
	PG_END_TRY();
	return more;
}

void pythia_handler_help(const pythia_job *job)
{
	pythia_job_memory memory = {0};
	pythia_job mine = *job;
	long ignored;

	mine.memory = &memory;
	work_on_shares(&mine, GetCurrentTimestamp(), &ignored);
}

bool pythia_handler_turn(const pythia_job *job, long *retry)
{
	bool more;

	if (job->memory->divided)
	{
		job->memory->divided = try_together(job, retry);
		return true;
	}
	more = hand_over_batch(job, NULL, &job->memory->divided, retry);
	return more || job->memory->divided;
}
