/*
 * Processes with one worker: where the library was not preloaded, so that nothing is shared, each worker has one to
 * itself; and those that help a worker for one turn.
 *
 * What a turn needs is in `scratch`, emptied after each.
 */
#include "postgres/jobs/job.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/jobs/handler_turn.h"
#include "postgres/jobs/turn.h"
#include "postgres/worker/process.h"
#include "postgres/worker/role_places.h"
#include "postgres/worker/roster.h"
#include "postgres/worker/transaction.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

pg_noreturn extern PGDLLEXPORT void pythia_alone_main(Datum arg);
pg_noreturn extern PGDLLEXPORT void pythia_helper_main(Datum arg);

static MemoryContext make_scratch(void)
{
	MemoryContext scratch = AllocSetContextCreate(TopMemoryContext, "pythia_db turn", ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(scratch);
	return scratch;
}

static void enter(pythia_job *job, pythia_process_start *start)
{
	char what[64];

	memcpy(start, MyBgworkerEntry->bgw_extra, sizeof(*start));
	job->owner = start->owner;
	pythia_process_signals();
	snprintf(what, sizeof(what), "pythia_db worker %d", job->worker_id);
	pythia_job_become(start, what);
	pythia_job_enter(start->owner, start->kind, job->worker_id);
}

/* Several may have been started at once, each while there was still room. */
static void require_place(const pythia_job *job)
{
	if (pythia_role_place_take(job->owner))
		return;
	ereport(WARNING, (errmsg("worker %d ends: its owner has as many processes as one role may", job->worker_id),
					  errhint("Raise pythia_db.max_workers_per_role and reload the configuration, or stop other "
							  "workers of the role; then start it again.")));
	proc_exit(0);
}

void pythia_alone_main(Datum arg)
{
	pythia_job_memory memory = {0};
	pythia_job job = {.worker_id = DatumGetInt32(arg), .memory = &memory};
	int failures = 0;
	MemoryContext scratch;
	pythia_process_start start;

	enter(&job, &start);
	require_place(&job);
	if (!pythia_process_lock(PYTHIA_LOCK_WORKER, job.worker_id))
		proc_exit(0);
	if (TransactionIdIsValid(start.starter))
	{
		StartTransactionCommand();
		XactLockTableWait(start.starter, NULL, NULL, XLTW_None);
		CommitTransactionCommand();
	}
	MemoryContextSwitchTo(TopMemoryContext);
	if (!pythia_job_read(&job))
		proc_exit(0);
	scratch = make_scratch();
	pythia_job_note_start(job.worker_id);
	for (;;)
	{
		ErrorData *failure = NULL;
		long delay;

		MemoryContextSwitchTo(scratch);
		MemoryContextReset(scratch);
		pythia_process_interrupts();
		delay = pythia_job_turn(&job, &failure);
		if (delay == PYTHIA_TURN_OVER)
			break;
		if (failure)
		{
			pythia_job now = job;

			if (!pythia_job_goes_on(&now))
				break;
			delay = pythia_retry_after(++failures);
			pythia_job_failed(&job, failure, delay);
		}
		else if (failures > 0)
		{
			pythia_job_note_recovery(job.worker_id);
			failures = 0;
		}
		if (pythia_job_sleep(delay))
		{
			pythia_job now = job;

			pythia_process_interrupts();
			if (!pythia_job_read(&now))
				break;
		}
	}
	pythia_job_note_stop(job.worker_id);
	proc_exit(0);
}

/* An error ends it: the table's own is recorded already, and any other is the worker's to meet, too. */
void pythia_helper_main(Datum arg)
{
	pythia_job job = {.worker_id = DatumGetInt32(arg)};
	pythia_process_start start;

	enter(&job, &start);
	if (!pythia_role_place_take(job.owner))
		proc_exit(0);
	if (start.place >= 0 && !pythia_place_take(start.place, start.starter_pid, start.owner))
		proc_exit(0);
	(void) make_scratch();
	if (!pythia_job_read(&job))
		proc_exit(0);
	if (job.kind == PYTHIA_JOB_SYNC)
		pythia_sync_help(&job, start.share);
	else
		pythia_handler_help(&job);
	proc_exit(0);
}
