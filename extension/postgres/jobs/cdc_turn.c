/* One turn of a CDC worker's process: poll when it is time, hand over what there is, keep the journal. */
#include "postgres/capture/catalog.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/capture/discovered.h"
#include "postgres/capture/rotate.h"
#include "postgres/capture/trigger.h"
#include "postgres/jobs/dispatch.h"
#include "postgres/jobs/handler_turn.h"
#include "postgres/jobs/turn.h"
#include "postgres/journal/journal.h"
#include "postgres/remote/poll.h"
#include "postgres/worker/process.h"
#include "postgres/worker/transaction.h"
#include "postgres/worker/worker.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define ROTATE_EVERY_MS 10000
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
	worker = pythia_cdc_load_head(job->worker_id);
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

static void complete_triggers(const pythia_job *job)
{
	pythia_cdc_worker *worker = pythia_cdc_load_head(job->worker_id);

	if (!worker || worker->connection || worker->config.capture != PYTHIA_CAPTURE_TRIGGER)
		return;
	worker = pythia_cdc_load(job->worker_id);
	if (worker)
		pythia_trigger_look_after(worker);
}

long pythia_cdc_turn(const pythia_job *job)
{
	bool has_handler = false;
	long retry = -1;
	int adopted;
	long wait;

	if (poll_turn(job, &has_handler) == PYTHIA_TURN_OVER)
		return PYTHIA_TURN_OVER;
	if (has_handler && pythia_handler_turn(job, &retry))
		return 0;
	if (GetCurrentTimestamp() >= job->memory->next_rotation)
	{
		job->memory->next_rotation = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ROTATE_EVERY_MS);
		pythia_job_begin();
		pythia_journal_rotate();
		pythia_journal_count();
		pythia_job_commit();
		pythia_job_begin();
		if (pythia_results_forget())
			job->memory->next_rotation = 0; /* in the next turn */
		pythia_job_commit();
		pythia_job_begin();
		adopted = pythia_cdc_try_lock(job->worker_id) ? pythia_cdc_add_discovered(job->worker_id) : 0;
		if (adopted > 0)
			job->memory->next_poll = 0;
		if (adopted == PYTHIA_MOST_ADOPTED)
			job->memory->next_rotation = 0;
		complete_triggers(job);
		pythia_job_commit();
	}
	wait = until(job->memory->next_poll);
	if (retry >= 0)
		wait = Min(wait, retry);
	return wait;
}
