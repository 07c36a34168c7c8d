#include "postgres/worker/session.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/async.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "postgres/worker/process.h"
#include "postgres/worker/shared.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

static void drop_temporary(void)
{
	Oid tables;
	Oid toast;

	GetTempNamespaceState(&tables, &toast);
	if (OidIsValid(tables))
		ResetTempTableNamespace();
}

void pythia_session_tidy(const pythia_job *job)
{
	/* who cancels now means the turn before, or the next */
	HOLD_CANCEL_INTERRUPTS();
	PG_TRY();
	{
		StartTransactionCommand();
		if (pythia_shmem)
			LockReleaseSession(USER_LOCKMETHOD);
		else
		{
			/* for a moment by the transaction too, so that nobody finds the worker's lock free */
			pythia_worker_lock_keep(job->worker_id);
			LockReleaseSession(USER_LOCKMETHOD);
			if (!pythia_process_lock(PYTHIA_LOCK_WORKER, job->worker_id))
				proc_exit(1);
		}
		Async_UnlistenAll();
		PushActiveSnapshot(GetTransactionSnapshot());
		PortalHashTableDeleteAll();
		DropAllPreparedStatements();
		ResetSequenceCaches();
		drop_temporary();
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		/* there is always a new process to begin with */
		EmitErrorReport();
		proc_exit(1);
	}
	PG_END_TRY();
	RESUME_CANCEL_INTERRUPTS();
}
