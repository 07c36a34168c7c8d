#include "postgres/worker/role_places.h"

#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/worker/roster.h"
#include "postgres/worker/shared.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "utils/backend_status.h"

#define PATIENCE_MS 2000
#define LOOK_MS     20

/* 0: any number. */
static int limit_of(Oid owner)
{
	return pythia_shmem ? 0 : pythia_role_limit(owner);
}

/* Whose a process is, and what, was said when it began: unlike a lock, nothing that a handler calls undoes that. */
static bool is_of_role(const PgBackendStatus *process, Oid owner)
{
	const char *type;

	if (process->st_procpid == 0 || process->st_backendType != B_BG_WORKER || process->st_userid != owner)
		return false;
	type = GetBackgroundWorkerTypeByPid(process->st_procpid);
	return type && strncmp(type, "pythia_db ", strlen("pythia_db ")) == 0;
}

static bool is_before_us(const PgBackendStatus *process)
{
	return process->st_proc_start_timestamp < MyStartTimestamp ||
		   (process->st_proc_start_timestamp == MyStartTimestamp && process->st_procpid < MyProcPid);
}

/* Of the role's processes, this one or not; `before`: those that began before this one. */
static int count_processes(Oid owner, int *before)
{
	int count = 0;

	*before = 0;
	pgstat_clear_backend_activity_snapshot();
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		const LocalPgBackendStatus *process = pythia_local_backend(i);

		if (!process || !is_of_role(&process->backendStatus, owner))
			continue;
		count++;
		*before += is_before_us(&process->backendStatus);
	}
	pgstat_clear_backend_activity_snapshot();
	return count;
}

static void wait_a_little(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS,
					 pythia_wait_event("PythiaWorkerStart"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Each shows itself before it counts: the last one sees all the others. */
bool pythia_role_place_take(Oid owner)
{
	int limit = limit_of(owner);
	int before;

	for (int waited = 0; limit > 0 && count_processes(owner, &before) > limit; waited += LOOK_MS)
	{
		if (before >= limit || waited >= PATIENCE_MS)
			return false;
		wait_a_little();
	}
	return true;
}

bool pythia_role_place_free(Oid owner)
{
	int limit = limit_of(owner);
	int before;

	return limit == 0 || count_processes(owner, &before) < limit;
}

bool pythia_role_place_await(Oid owner)
{
	for (int waited = 0; waited < PATIENCE_MS && !pythia_role_place_free(owner); waited += LOOK_MS)
		wait_a_little();
	return pythia_role_place_free(owner);
}
