#include "postgres/worker/transaction.h"

#include "access/xact.h"
#include "pgstat.h"
#include "postgres/base/user_code.h"
#include "postgres/base/verb.h"
#include "postgres/worker/orphan.h"
#include "postgres/worker/owner.h"
#include "postgres/worker/shared.h"
#include "storage/ipc.h"
#include "utils/snapmgr.h"

static bool in_job = false;
static MemoryContext before_job = NULL;
static Oid my_owner = InvalidOid;
static int32 my_worker = 0;
static pythia_job_kind my_kind = PYTHIA_JOB_CDC;

void pythia_job_enter(Oid owner, pythia_job_kind kind, int32 worker_id)
{
	in_job = true;
	(void) pythia_verbs_refuse(true);
	my_owner = owner;
	my_kind = kind;
	my_worker = worker_id;
}

bool pythia_in_job(void)
{
	return in_job;
}

/* Not an error, after which the postmaster would start it again where nobody else does. */
static void end_unwanted(const char *fault, const char *hint)
{
	ereport(WARNING, (errmsg("worker %d ends: %s", my_worker, fault), errhint("%s", hint)));
	if (pythia_shmem)
		CommitTransactionCommand(); /* its manager writes that down */
	else
	{
		bool more;

		do
		{
			PushActiveSnapshot(GetTransactionSnapshot());
			more = pythia_disown_orphans();
			PopActiveSnapshot();
			CommitTransactionCommand();
			if (more)
				StartTransactionCommand();
		} while (more);
	}
	proc_exit(0);
}

void pythia_job_begin(void)
{
	before_job = CurrentMemoryContext;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (in_job)
	{
		const char *hint;
		const char *fault = pythia_owner_fault(my_owner, my_kind, &hint);

		if (fault)
			end_unwanted(fault, hint);
	}
	pythia_transaction_begun();
	PushActiveSnapshot(GetTransactionSnapshot());
}

void pythia_job_commit(void)
{
	pythia_transaction_ends();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
	MemoryContextSwitchTo(before_job);
}
