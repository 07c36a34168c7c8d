#include "postgres/jobs/job.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/catalog_read.h"
#include "postgres/base/host.h"
#include "postgres/base/pg_compat.h"
#include "postgres/jobs/attempt.h"
#include "postgres/jobs/turn.h"
#include "postgres/worker/home.h"
#include "postgres/worker/process.h"
#include "postgres/worker/session.h"
#include "postgres/worker/state.h"
#include "postgres/worker/transaction.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/ps_status.h"

/* What is noted between two turns is no turn's to cancel. */
static void begin_note(void)
{
	HOLD_CANCEL_INTERRUPTS();
	pythia_job_begin();
}

static void end_note(void)
{
	pythia_job_commit();
	RESUME_CANCEL_INTERRUPTS();
}

static char database[NAMEDATALEN] = ""; /* name of ours */

/* As pg_stat_activity and the system's list of processes show this one. */
static void show_name(const char *name)
{
	static char shown[NAMEDATALEN * 2] = "";
	char title[NAMEDATALEN * 4];

	if (strcmp(shown, name) == 0)
		return;
	strlcpy(shown, name, sizeof(shown));
	SetConfigOption("application_name", name, PGC_USERSET, PGC_S_SESSION);
	snprintf(title, sizeof(title), "%s in %s", name, database);
	set_ps_display(title);
}

void pythia_job_become(const pythia_process_start *start, const char *what)
{
	pythia_process_enter(start->database, start->owner);
	StartTransactionCommand();
	strlcpy(database, get_database_name(MyDatabaseId), sizeof(database));
	CommitTransactionCommand();
	show_name(what);
	pythia_process_pin();
}

bool pythia_job_read(pythia_job *job)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum key = Int32GetDatum(job->worker_id);
	bool wanted = false;

	begin_note();
	if (OidIsValid(get_extension_oid("pythia_db", true)))
	{
		pythia_reading row;
		bool isnull;

		pythia_reading_begin(&row, "worker", "worker_pkey", 1, &key);
		if (pythia_reading_next(&row))
		{
			MemoryContext before = MemoryContextSwitchTo(caller);
			char *name = TextDatumGetCString(pythia_reading_value(&row, "name", &isnull));

			job->kind = pythia_job_kind_from_text(TextDatumGetCString(pythia_reading_value(&row, "kind", &isnull)));
			wanted = DatumGetBool(pythia_reading_value(&row, "enabled", &isnull)) &&
					 DatumGetObjectId(pythia_reading_value(&row, "owner", &isnull)) == job->owner &&
					 !pythia_home_fault(pythia_reading_value(&row, "home", &isnull));
			/* after DROP and CREATE EXTENSION the number may be somebody else's */
			if (job->name && strcmp(job->name, name) != 0)
				wanted = false;
			job->name = name;
			MemoryContextSwitchTo(before);
		}
		pythia_reading_end(&row);
	}
	end_note();
	MemoryContextSwitchTo(caller);
	if (wanted)
		show_name(psprintf("pythia_db worker %s", job->name));
	return wanted;
}

/* Of every message of the turn. */
static void say_whose(void *argument)
{
	const pythia_job *job = argument;

	errcontext("%s worker \"%s\" in database \"%s\"", job->kind == PYTHIA_JOB_CDC ? "CDC" : "sync", job->name,
			   database);
}

static long turn(const pythia_job *job)
{
	ErrorContextCallback context = {
		.callback = say_whose, .arg = unconstify(pythia_job *, job), .previous = error_context_stack};
	long delay;

	error_context_stack = &context;
	pgstat_report_activity(STATE_RUNNING, job->kind == PYTHIA_JOB_CDC ? "capturing changes" : "synchronising tables");
	delay = job->kind == PYTHIA_JOB_CDC ? pythia_cdc_turn(job) : pythia_sync_turn(job);
	pgstat_report_activity(STATE_IDLE, NULL);
	error_context_stack = context.previous;
	return delay;
}

long pythia_job_turn(const pythia_job *job, ErrorData **failure)
{
	MemoryContext scratch = CurrentMemoryContext;
	volatile long delay = PYTHIA_TURN_FAILED;

	pythia_job_enter(job->owner, job->kind, job->worker_id);
	PG_TRY();
	{
		delay = turn(job);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(scratch);
		*failure = CopyErrorData();
		/* a cancel is somebody's wish, not news for the log */
		if (!pythia_process_stopped(*failure))
			EmitErrorReport();
		FlushErrorState();
		/* of a subtransaction the other one would end the innermost only */
		AbortOutOfAnyTransaction();
	}
	PG_END_TRY();
	pythia_session_tidy(job);
	MemoryContextSwitchTo(scratch);
	return delay;
}

bool pythia_job_goes_on(pythia_job *job)
{
	/* cancelled because we are not wanted, or gone with the extension */
	if (ProcDiePending)
		proc_exit(1);
	QueryCancelPending = false;
	/* whatever set the latch until now is answered by looking at our row; it shall not cut the pause short */
	ResetLatch(MyLatch);
	(void) pythia_latch_was_set();
	return pythia_job_read(job);
}

#define FORGET_TRIES    20
#define FORGET_PAUSE_US 100000

/* First of what a note writes, and without waiting for a lock: who drops a worker has its consumers before its state, and
 * may keep them for long. */
static void forget_calls(int32 worker_id)
{
	for (int i = 0; i < FORGET_TRIES && !pythia_attempt_forget_all(worker_id); i++)
		pg_usleep(FORGET_PAUSE_US);
}

void pythia_job_failed(const pythia_job *job, const ErrorData *error, long retry_ms)
{
	MemoryContext before = CurrentMemoryContext;

	begin_note();
	if (OidIsValid(get_extension_oid("pythia_db", true)))
	{
		/* what was being called has come back */
		forget_calls(job->worker_id);
		pythia_state_failed(job->worker_id, unpack_sql_state(error->sqlerrcode),
							psprintf("%s%s%s%s%s%s", error->message ? error->message : "unknown error",
									 error->detail || error->hint ? "." : "", error->detail ? " " : "",
									 error->detail ? error->detail : "", error->hint ? " " : "",
									 error->hint ? error->hint : ""),
							retry_ms);
	}
	end_note();
	MemoryContextSwitchTo(before);
}

void pythia_job_note_start(int32 worker_id)
{
	begin_note();
	pythia_state_started(worker_id);
	end_note();
}

void pythia_job_note_recovery(int32 worker_id)
{
	begin_note();
	pythia_state_recovered(worker_id);
	end_note();
}

void pythia_job_note_stop(int32 worker_id)
{
	begin_note();
	if (OidIsValid(get_extension_oid("pythia_db", true)))
	{
		/* it ended no handler's call but its own */
		forget_calls(worker_id);
		pythia_state_stopped(worker_id);
	}
	end_note();
}

/* True where somebody set our latch. */
bool pythia_job_sleep(long milliseconds)
{
	bool woken = true;

	static uint32 event = 0;

	if (event == 0)
		event = pythia_wait_event("PythiaWorkerMain");
	if (milliseconds > 0 && !pythia_latch_was_set())
		woken = (WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, event) &
				 WL_LATCH_SET) != 0;
	ResetLatch(MyLatch);
	return woken;
}
