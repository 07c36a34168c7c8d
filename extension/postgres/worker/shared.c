#include "postgres/worker/shared.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

pythia_shared *pythia_shmem = NULL;

static shmem_startup_hook_type previous_startup_hook = NULL;

static Size shared_size(void)
{
	return add_size(offsetof(pythia_shared, executors), mul_size(pythia_guc_max_workers, sizeof(pythia_executor_slot)));
}

static void request(void)
{
	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche("pythia_db", 1);
}

static void startup(void)
{
	bool found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	pythia_shmem = ShmemInitStruct("pythia_db", shared_size(), &found);
	if (!found)
	{
		memset(pythia_shmem, 0, shared_size());
		pythia_shmem->lock = &GetNamedLWLockTranche("pythia_db")->lock;
		pythia_shmem->max_workers = pythia_guc_max_workers;
	}
	LWLockRelease(AddinShmemInitLock);
}

void pythia_shared_init(void)
{
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
	pythia_shmem_request(request);
}

/* A database that wants nothing keeps its place only until another needs it. */
static bool is_free(const pythia_manager_slot *slot)
{
	return !OidIsValid(slot->database) || (slot->state == PYTHIA_MANAGER_NONE && !slot->requested && slot->pid == 0);
}

pythia_manager_slot *pythia_manager_find(Oid database, bool make)
{
	pythia_manager_slot *free_slot = NULL;

	for (int i = 0; i < PYTHIA_MAX_DATABASES; i++)
	{
		pythia_manager_slot *slot = &pythia_shmem->managers[i];

		if (slot->database == database)
			return slot;
		if (!free_slot && is_free(slot))
			free_slot = slot;
	}
	if (!make || !free_slot)
		return NULL;
	memset(free_slot, 0, sizeof(*free_slot));
	free_slot->database = database;
	return free_slot;
}

pythia_job_slot *pythia_job_find(Oid database, int32 worker_id)
{
	for (int i = 0; i < pythia_shmem->njobs; i++)
		if (pythia_shmem->jobs[i].worker_id == worker_id && pythia_shmem->jobs[i].database == database)
			return &pythia_shmem->jobs[i];
	return NULL;
}

void pythia_set_latch_of(pid_t pid)
{
	PGPROC *proc = pid ? BackendPidGetProc(pid) : NULL;

	if (proc)
		SetLatch(&proc->procLatch);
}

void pythia_request_manager(Oid database)
{
	pythia_manager_slot *slot;
	pid_t launcher;
	pid_t manager = 0;

	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	slot = pythia_manager_find(database, true);
	if (slot)
	{
		slot->requested = true;
		manager = slot->pid;
	}
	launcher = pythia_shmem->launcher;
	LWLockRelease(pythia_shmem->lock);
	if (!slot)
		ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						  errmsg("more than %d databases have pythia_db workers", PYTHIA_MAX_DATABASES)));
	pythia_set_latch_of(manager ? manager : launcher);
}

bool pythia_database_served(const char *name)
{
	char *copy = pstrdup(pythia_guc_databases);
	List *names;
	ListCell *cell;

	if (!SplitIdentifierString(copy, ',', &names))
		return false;
	foreach (cell, names)
		if (strcmp(lfirst(cell), "*") == 0 || strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}
