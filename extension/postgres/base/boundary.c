/*
 * A backend is in this list from the start of its transaction, whether it has
 * written yet or not: it may still write with its old now().  We read the shared
 * array itself, so no role needs the right to see other sessions.
 */
#include "postgres/base/boundary.h"

#include <time.h>

#include "access/htup_details.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postgres/base/pg_compat.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

/*
 * With track_activities off, or turned on in its midst, a transaction does not tell when it
 * began.  One that began after the entry was copied, and so does not tell either, is none
 * of these: it is idle there, or has been running its statement for less than a moment.
 */
static bool in_unknown_transaction(const PgBackendStatus *entry, TimestampTz clock)
{
	PGPROC *proc;

	if (entry->st_xact_start_timestamp != 0 || entry->st_state == STATE_IDLE || entry->st_state == STATE_UNDEFINED ||
		(entry->st_state == STATE_RUNNING && entry->st_activity_start_timestamp > clock - USECS_PER_SEC))
		return false;
	proc = BackendPidGetProc(entry->st_procpid);
	return proc && pythia_proc_in_transaction(proc);
}

/* The age of a prepared transaction is not kept: only the time of its PREPARE is. While it
 * was still open it held low back as any other, so low may stay, but not move.  Returns the name of one, or NULL. */
static char *any_prepared(void)
{
	LOCAL_FCINFO(call, 0);
	ReturnSetInfo set = {.type = T_ReturnSetInfo, .allowedModes = SFRM_ValuePerCall};
	FmgrInfo function;
	char *gid = NULL;

	if (max_prepared_xacts == 0)
		return NULL;
	set.econtext = CreateStandaloneExprContext();
	fmgr_info(F_PG_PREPARED_XACT, &function);
	InitFunctionCallInfoData(*call, &function, 0, InvalidOid, NULL, (Node *) &set);
	while (!gid)
	{
		Datum row = FunctionCallInvoke(call);
		HeapTupleHeader tuple;
		bool isnull;

		if (set.isDone == ExprEndResult)
			break;
		tuple = DatumGetHeapTupleHeader(row);
		if (DatumGetObjectId(GetAttributeByName(tuple, "dbid", &isnull)) == MyDatabaseId)
			gid = TextDatumGetCString(GetAttributeByName(tuple, "gid", &isnull));
	}
	FreeExprContext(set.econtext, true);
	return gid;
}

/* What the clock is ahead of one that nobody sets. */
static TimestampTz clock_base(void)
{
#ifdef CLOCK_BOOTTIME
	clockid_t steady = CLOCK_BOOTTIME;
#else
	clockid_t steady = CLOCK_MONOTONIC;
#endif
	TimestampTz base = 0;

	/* once more where something came between the two */
	for (int i = 0; i < 5; i++)
	{
		struct timespec before;
		struct timespec after;
		TimestampTz clock;

		clock_gettime(steady, &before);
		clock = GetCurrentTimestamp();
		clock_gettime(steady, &after);
		base = clock - (after.tv_sec * USECS_PER_SEC + after.tv_nsec / 1000);
		if ((after.tv_sec - before.tv_sec) * USECS_PER_SEC + (after.tv_nsec - before.tv_nsec) / 1000 < 1000)
			break;
	}
	return base;
}

void pythia_boundary_read(pythia_boundary *boundary, bool own)
{
	char *prepared;
	int count;

	*boundary = (pythia_boundary){.clock = GetCurrentTimestamp(), .base = clock_base()};
	boundary->instant = boundary->clock;

	pgstat_clear_backend_activity_snapshot();
	count = pgstat_fetch_stat_numbackends();
	for (int i = 1; i <= count; i++)
	{
		LocalPgBackendStatus *local = pythia_local_backend(i);
		PgBackendStatus *entry;

		if (!local)
			continue;
		entry = &local->backendStatus;
		/* autovacuum writes no rows of ours, and may run for hours */
		if (entry->st_databaseid != MyDatabaseId || entry->st_backendType == B_AUTOVAC_WORKER)
			continue;
		/* what we ourselves have written is captured once it is committed */
		if (entry->st_procpid == MyProcPid && !own)
			continue;
		if (entry->st_procpid == MyProcPid)
			boundary->instant = Min(boundary->instant, GetCurrentTransactionStartTimestamp());
		else if (in_unknown_transaction(entry, boundary->clock))
		{
			boundary->hold = true;
			boundary->pid = entry->st_procpid;
			boundary->reason = "a transaction of a session with track_activities off";
		}
		else if (entry->st_xact_start_timestamp != 0 && entry->st_xact_start_timestamp < boundary->instant)
		{
			boundary->instant = entry->st_xact_start_timestamp;
			if (!boundary->hold)
			{
				boundary->pid = entry->st_procpid;
				boundary->reason = "an open transaction";
			}
		}
	}
	/* after the list: what was prepared meanwhile was open in it, what was committed meanwhile the snapshot sees */
	prepared = any_prepared();
	if (prepared)
	{
		boundary->hold = true;
		boundary->pid = 0;
		boundary->reason = psprintf("prepared transaction %s", quote_literal_cstr(prepared));
	}
}

PYTHIA_FUNCTION(pythia_boundary_now);

Datum pythia_boundary_now(PG_FUNCTION_ARGS)
{
	pythia_boundary boundary;
	TupleDesc desc;
	Datum values[5];
	bool nulls[5] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row");
	pythia_boundary_read(&boundary, true);
	values[0] = TimestampTzGetDatum(boundary.clock);
	values[1] = TimestampTzGetDatum(boundary.instant);
	values[2] = BoolGetDatum(boundary.hold);
	values[3] = Int32GetDatum(boundary.pid);
	nulls[4] = !boundary.reason;
	values[4] = boundary.reason ? CStringGetTextDatum(boundary.reason) : (Datum) 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
