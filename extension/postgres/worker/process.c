#include "postgres/worker/process.h"

#include <unistd.h>

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/worker/role_places.h"
#include "postgres/worker/roster.h"
#include "postgres/worker/start.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

#define PATIENCE_MS 2000

void pythia_worker_lock_keep(int32 worker_id)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, PYTHIA_LOCK_WORKER, (uint32) worker_id, PYTHIA_LOCK_CLASS);
	(void) LockAcquire(&tag, ExclusiveLock, false, true);
}

/* Waits a while for its last holder. */
static bool acquire(uint32 what, uint32 which, bool session)
{
	LOCKTAG tag;
	uint32 event = pythia_wait_event("PythiaWorkerStart");

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, what, which, PYTHIA_LOCK_CLASS);
	for (int waited = 0; waited <= PATIENCE_MS; waited += 20)
	{
		if (LockAcquire(&tag, ExclusiveLock, session, true) != LOCKACQUIRE_NOT_AVAIL)
			return true;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20L, event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

bool pythia_process_lock(uint32 what, uint32 which)
{
	return acquire(what, which, true);
}

bool pythia_worker_lock_await(int32 worker_id)
{
	return acquire(PYTHIA_LOCK_WORKER, (uint32) worker_id, false);
}

static void fill_in(BackgroundWorker *worker, const char *type, const char *function)
{
	memset(worker, 0, sizeof(*worker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished; /* a standby has nothing to write */
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker->bgw_library_name, "pythia_db", sizeof(worker->bgw_library_name));
	strlcpy(worker->bgw_function_name, function, sizeof(worker->bgw_function_name));
	strlcpy(worker->bgw_type, type, sizeof(worker->bgw_type));
	strlcpy(worker->bgw_name, type, sizeof(worker->bgw_name));
}

void pythia_launcher_register(void)
{
	BackgroundWorker worker;

	fill_in(&worker, "pythia_db launcher", "pythia_launcher_main");
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}

bool pythia_manager_register(Oid database, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;
	pythia_process_start start = {.database = database};

	fill_in(&worker, "pythia_db manager", "pythia_manager_main");
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &start, sizeof(start));
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

bool pythia_farewell_register(Oid database, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;

	fill_in(&worker, "pythia_db farewell", "pythia_farewell_main");
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

bool pythia_executor_register(Oid owner, int place, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;
	pythia_process_start start = {.database = MyDatabaseId, .owner = owner, .place = place, .starter_pid = MyProcPid};

	StaticAssertStmt(sizeof(pythia_process_start) <= BGW_EXTRALEN, "start information does not fit");
	fill_in(&worker, "pythia_db worker", "pythia_executor_main");
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &start, sizeof(start));
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

bool pythia_process_register(int32 worker_id, pythia_job_kind kind, Oid owner, TransactionId starter)
{
	BackgroundWorker worker;
	pythia_process_start start = {
		.database = MyDatabaseId, .owner = owner, .kind = kind, .starter = starter, .place = -1};

	fill_in(&worker, "pythia_db worker", "pythia_alone_main");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "pythia_db worker %d", worker_id);
	worker.bgw_main_arg = Int32GetDatum(worker_id);
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_restart_time = pythia_guc_restart_delay;
	memcpy(worker.bgw_extra, &start, sizeof(start));
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

bool pythia_helper_register(const pythia_job *job, int share, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;
	pythia_process_start start = {.database = MyDatabaseId,
								  .owner = job->owner,
								  .kind = job->kind,
								  .share = share,
								  .place = -1,
								  .starter_pid = MyProcPid};

	if (!pythia_role_place_free(job->owner))
		return false;
	if (pythia_shmem && pythia_place_claim(job->owner, true, &start.place) != PYTHIA_CLAIM_OK)
		return false;
	fill_in(&worker, "pythia_db helper", "pythia_helper_main");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "pythia_db helper of worker %d", job->worker_id);
	worker.bgw_main_arg = Int32GetDatum(job->worker_id);
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &start, sizeof(start));
	if (RegisterDynamicBackgroundWorker(&worker, handle))
		return true;
	if (start.place >= 0)
		pythia_place_free(start.place);
	return false;
}

/* --- entering ---------------------------------------------------------------- */

static bool entering = false;
static bool homeless = false;
static emit_log_hook_type previous_log_hook = NULL;

/* What cannot be caught can still be told apart. */
static void see_why(ErrorData *error)
{
	if (entering && error->elevel == FATAL &&
		(error->sqlerrcode == ERRCODE_UNDEFINED_DATABASE ||
		 error->sqlerrcode == ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION))
		homeless = true;
	if (previous_log_hook)
		previous_log_hook(error);
}

/* Without a launcher the postmaster starts a process again that ends with an error, for ever. By now it has left
 * shared memory. */
static void end_for_good(int code, Datum arg)
{
	if (homeless)
		_exit(0);
}

void pythia_process_enter(Oid database, Oid role)
{
	previous_log_hook = emit_log_hook;
	emit_log_hook = see_why;
	on_proc_exit(end_for_good, (Datum) 0);
	entering = true;
	BackgroundWorkerInitializeConnectionByOid(database, role, BGWORKER_BYPASS_ROLELOGINCHECK);
	entering = false;
	emit_log_hook = previous_log_hook;
}

/* --- signals and settings ------------------------------------------------------ */

static volatile sig_atomic_t cancelled = false;

static void note_cancel(SIGNAL_ARGS)
{
	cancelled = true;
	StatementCancelHandler(PYTHIA_SIGNAL_ARGS);
}

bool pythia_process_stopped(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED && cancelled;
}

void pythia_process_signals(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, note_cancel);
	BackgroundWorkerUnblockSignals();
}

void pythia_process_pin(void)
{
	static const struct
	{
		const char *name;
		const char *value;
	} pins[] = {
		/* it acts as its owner, and as nobody else */
		{"role", "none"},
		/* low and the journal are judged by what is committed now */
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		/* it waits for a lock as long as it takes, and can be cancelled meanwhile */
		{"lock_timeout", "0"},
		{"statement_timeout", "0"},
		{"transaction_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		/* foreign keys of our own tables hold */
		{"session_replication_role", "origin"},
	};

	for (int i = 0; i < lengthof(pins); i++)
		if (GetConfigOption(pins[i].name, true, false))
			SetConfigOption(pins[i].name, pins[i].value, PGC_SUSET, PGC_S_SESSION);
}

void pythia_process_interrupts(void)
{
	/* nothing to cancel between two turns; whoever cancels means: look again */
	QueryCancelPending = false;
	cancelled = false;
	if (ProcDiePending)
		proc_exit(1);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}
