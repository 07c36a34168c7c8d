#include "postgres/worker/helpers.h"

#include "miscadmin.h"
#include "postgres/worker/process.h"
#include "postgres/worker/roster.h"
#include "postgres/worker/shared.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#define MOST_HELPERS 64

static BackgroundWorkerHandle *helpers[MOST_HELPERS];
static int nhelpers = 0;

void pythia_helpers_stop(void)
{
	for (int i = 0; i < nhelpers; i++)
	{
		TerminateBackgroundWorker(helpers[i]);
		pfree(helpers[i]);
	}
	nhelpers = 0;
	if (pythia_shmem)
		pythia_place_free_helpers();
}

static void stop_at_exit(int code, Datum arg)
{
	pythia_helpers_stop();
}

/* Forgets those that have ended. */
int pythia_helpers_running(void)
{
	int running = 0;

	for (int i = 0; i < nhelpers; i++)
	{
		pid_t pid;

		if (GetBackgroundWorkerPid(helpers[i], &pid) == BGWH_STOPPED)
			pfree(helpers[i]);
		else
			helpers[running++] = helpers[i];
	}
	return nhelpers = running;
}

int pythia_helpers_start(const pythia_job *job, int count, int share)
{
	static bool registered = false;
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

	if (!registered)
		before_shmem_exit(stop_at_exit, (Datum) 0);
	registered = true;
	while (nhelpers < count && nhelpers < MOST_HELPERS && pythia_helper_register(job, share, &helpers[nhelpers]))
		nhelpers++;
	MemoryContextSwitchTo(before);
	if (nhelpers < count)
		ereport(DEBUG1,
				(errmsg_internal("%d of %d helpers of worker \"%s\" have a process", nhelpers, count, job->name)));
	return nhelpers;
}

void pythia_helpers_wait(void)
{
	while (nhelpers > 0)
	{
		if (WaitForBackgroundWorkerShutdown(helpers[nhelpers - 1]) == BGWH_POSTMASTER_DIED)
			proc_exit(1);
		pfree(helpers[--nhelpers]);
	}
	if (pythia_shmem)
		pythia_place_free_helpers();
}
