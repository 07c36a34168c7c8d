#include "postgres/worker/progress.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/rows_out.h"
#include "postgres/worker/shared.h"
#include "postgres/worker/transaction.h"
#include "storage/ipc.h"
#include "utils/acl.h"
#include "utils/builtins.h"

static pythia_progress_slot *my_progress = NULL;

/* An error went past the function that would have ended it. */
static void end_progress_at_abort(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT && my_progress && !pythia_in_job())
		pythia_progress_end();
}

static bool same_table(const pythia_progress_slot *a, const pythia_progress_slot *b)
{
	return a->pid != 0 && a->database == b->database && a->worker_id == b->worker_id && strcmp(a->table, b->table) == 0;
}

static void leave_progress(void)
{
	if (!my_progress)
		return;
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PYTHIA_MAX_PROGRESS && my_progress->helps; i++)
	{
		pythia_progress_slot *slot = &pythia_shmem->progress[i];

		if (!slot->helps && same_table(slot, my_progress))
		{
			slot->joined_rows += my_progress->rows;
			slot->joined_bytes += my_progress->bytes;
		}
	}
	my_progress->pid = 0;
	LWLockRelease(pythia_shmem->lock);
	my_progress = NULL;
}

static void forget_progress(int code, Datum arg)
{
	leave_progress();
}

void pythia_progress_start(int32 worker_id, const char *table)
{
	static bool registered = false;

	if (!pythia_shmem)
		return;
	if (!registered)
	{
		before_shmem_exit(forget_progress, (Datum) 0);
		RegisterXactCallback(end_progress_at_abort, NULL);
		registered = true;
	}
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PYTHIA_MAX_PROGRESS && !my_progress; i++)
		if (pythia_shmem->progress[i].pid == 0)
			my_progress = &pythia_shmem->progress[i];
	if (my_progress)
	{
		memset(my_progress, 0, sizeof(*my_progress));
		my_progress->pid = MyProcPid;
		my_progress->database = MyDatabaseId;
		my_progress->role = GetUserId();
		my_progress->worker_id = worker_id;
		my_progress->total = -1;
		my_progress->started = GetCurrentTimestamp();
		strlcpy(my_progress->table, table, sizeof(my_progress->table));
		strlcpy(my_progress->phase, "starting", sizeof(my_progress->phase));
	}
	LWLockRelease(pythia_shmem->lock);
}

void pythia_progress_update(const char *phase, int64 rows, int64 total, int64 bytes)
{
	if (!my_progress)
		return;
	LWLockAcquire(pythia_shmem->lock, LW_EXCLUSIVE);
	strlcpy(my_progress->phase, phase ? phase : "", sizeof(my_progress->phase));
	my_progress->rows = rows;
	my_progress->total = total;
	my_progress->bytes = bytes;
	LWLockRelease(pythia_shmem->lock);
}

void pythia_progress_end(void)
{
	leave_progress();
}

void pythia_progress_help(void)
{
	if (my_progress)
		my_progress->helps = true;
}

void pythia_progress_alone(void)
{
	if (my_progress)
		my_progress->alone = true;
}

/* What a table's own process and those who help it have done; returns how many are at it. */
static int sum_up(const pythia_progress_slot *slots, const pythia_progress_slot *own, int64 *rows, int64 *bytes)
{
	int count = 1;

	*rows = own->rows + (own->alone ? 0 : own->joined_rows);
	*bytes = own->bytes + (own->alone ? 0 : own->joined_bytes);
	for (int i = 0; i < PYTHIA_MAX_PROGRESS && !own->alone; i++)
	{
		if (slots[i].helps && same_table(&slots[i], own))
		{
			count++;
			*rows += slots[i].rows;
			*bytes += slots[i].bytes;
		}
	}
	return count;
}

PYTHIA_FUNCTION(pythia_progress);

Datum pythia_progress(PG_FUNCTION_ARGS)
{
	pythia_rows_out out;
	pythia_progress_slot *copy;

	pythia_rows_out_begin(fcinfo, &out);
	if (!pythia_shmem)
		return (Datum) 0;
	copy = palloc(sizeof(pythia_shmem->progress));
	LWLockAcquire(pythia_shmem->lock, LW_SHARED);
	memcpy(copy, pythia_shmem->progress, sizeof(pythia_shmem->progress));
	LWLockRelease(pythia_shmem->lock);
	for (int i = 0; i < PYTHIA_MAX_PROGRESS; i++)
	{
		pythia_progress_slot *slot = &copy[i];
		Datum values[10];
		bool nulls[10] = {false};
		int64 rows;
		int64 bytes;

		if (slot->pid == 0 || slot->database != MyDatabaseId || slot->helps)
			continue;
		/* the view says the same, but the function can be called without it */
		if (!has_privs_of_role(GetUserId(), slot->role) && !has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
			continue;
		values[0] = Int32GetDatum(slot->pid);
		values[1] = ObjectIdGetDatum(slot->role);
		values[2] = Int32GetDatum(slot->worker_id);
		nulls[2] = slot->worker_id == 0;
		values[3] = CStringGetTextDatum(slot->table);
		values[4] = CStringGetTextDatum(slot->phase);
		values[9] = Int32GetDatum(sum_up(copy, slot, &rows, &bytes));
		values[5] = Int64GetDatum(rows);
		values[6] = Int64GetDatum(slot->total);
		nulls[6] = slot->total < 0;
		values[7] = Int64GetDatum(bytes);
		values[8] = TimestampTzGetDatum(slot->started);
		tuplestore_putvalues(out.store, out.desc, values, nulls);
	}
	return (Datum) 0;
}
