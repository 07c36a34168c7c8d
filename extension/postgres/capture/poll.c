/*
 * Polling tables of this database.
 *
 * What a poll has captured shows in a snapshot: with S the snapshot of the last
 * poll, a row stamped at or after low whose transaction had ended before
 * S.xmin was visible then, and captured; one that began at S.xmax or later is
 * new.  Between the two lie few transactions, as a rule none; those that were
 * captured are listed in pythia.seen, by (sub)transaction: all rows of one become
 * visible at once, so a list of keys is not needed.
 */
#include "postgres/capture/poll.h"

#include "access/table.h"
#include "access/xact.h"
#include "capture/fault.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "dialect/short_name.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "postgres/base/catalog.h"
#include "postgres/base/subtransaction.h"
#include "postgres/capture/define.h"
#include "postgres/capture/identity.h"
#include "postgres/capture/low_water.h"
#include "postgres/capture/outcome.h"
#include "postgres/capture/start.h"
#include "postgres/capture/state.h"
#include "postgres/capture/track.h"
#include "postgres/worker/owner.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* ---- one table ---- */

/* A dump takes settings along, but no positions: those mean nothing in another cluster. */
static void start_anew(pythia_cdc_worker *worker, pythia_cdc_table *table)
{
	ereport(WARNING, (errmsg("capture of table \"%s\" of CDC worker \"%s\" starts anew",
							 pythia_name_shown(table->name, (char[PYTHIA_NAME_ROOM]){0}), worker->name),
					  errdetail("Its position is not known here, as after a restore from a dump.")));
	table->config.start = PYTHIA_START_NOW;
	/* nor what belonged to whom */
	pythia_cdc_accept_owners(worker->worker_id, table->table_id);
	table->owner = InvalidOid;
	table->owner_gone = false;
	if (pythia_tracks(table))
		pythia_track_create(worker, table);
	pythia_cdc_baseline(worker, table);
}

/* With one snapshot for all: an error (40001) where somebody else has polled since it was taken. */
static void lock_state(const pythia_cdc_table *table)
{
	static const char sql[] = "SELECT FROM pythia.cdc_state WHERE table_id OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(table->table_id)};

	pythia_catalog_run(sql, 1, types, values, NULL);
}

static pythia_probe probe_as_owner(const pythia_cdc_worker *worker, const pythia_cdc_table *table, int64 *least)
{
	pythia_probe result;
	Oid role;
	int context;

	pythia_owner_require(worker->owner);
	GetUserIdAndSecContext(&role, &context);
	SetUserIdAndSecContext(worker->owner, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	result = pythia_probe_table(table, least);
	SetUserIdAndSecContext(role, context);
	return result;
}

static int64 poll_table(pythia_cdc_worker *worker, pythia_cdc_table *table, const pythia_boundary *boundary)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "pythia_db poll", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(cxt);
	pythia_scan scan = {.worker = worker, .table = table, .memory = cxt};
	pythia_cdc_identity identity;
	pythia_probe probe;
	int64 least = PG_INT64_MAX; /* of the rows at or after low */
	TimestampTz seen_at;
	int64 low;
	int64 captured;
	bool fixed = IsolationUsesXactSnapshot();
	bool back;

	if (!table->has_state)
	{
		start_anew(worker, table);
		MemoryContextSwitchTo(before);
		MemoryContextDelete(cxt);
		return 0;
	}
	if (table->seen_until)
		pythia_snapshot_check(table->seen_until, psprintf("CDC worker \"%s\"", worker->name),
							  "Start the worker anew: drop it and create it again.");
	if (fixed)
		lock_state(table);
	back = !fixed && pythia_low_water_follow(table, boundary);
	PushActiveSnapshot(GetTransactionSnapshot());
	probe = probe_as_owner(worker, table, &least);
	if (probe == PYTHIA_PROBE_NOTHING && !back && !pythia_sweep_is_due(table))
	{
		PopActiveSnapshot();
		MemoryContextSwitchTo(before);
		MemoryContextDelete(cxt);
		return 0;
	}
	SPI_connect();
	if (pythia_tracks(table) && pythia_track_conform(worker, table))
	{
		PopActiveSnapshot();
		PushActiveSnapshot(GetTransactionSnapshot());
	}
	pythia_cdc_load_seen(table, &scan, cxt);
	pythia_cdc_enter(worker, table, &identity);
	scan.snapshot = pythia_snapshot_take(false);
	seen_at = GetCurrentTimestamp();
	if (probe == PYTHIA_PROBE_NOTHING)
		scan.greatest = PYTHIA_LOW_WATER_MINIMUM;
	else
		pythia_scan_run(&scan);
	pythia_cdc_leave(&identity);
	PopActiveSnapshot();
	if (probe == PYTHIA_PROBE_UNSURE && scan.candidates > 0)
		least = scan.least;

	/* a snapshot older than the boundary: rows committed between the two are yet to be seen */
	if (fixed)
	{
		low = table->low;
	}
	else
	{
		low = pythia_low_water_next(table, boundary, seen_at, scan.greatest);
		/* An idle poll writes nothing: a low that stays behind costs nothing while it has no row to
		 * leave behind, and rows stamped in the future are read again either way. */
		if (scan.captured == 0 && table->low != PYTHIA_LOW_WATER_MINIMUM && low > table->low && low <= least)
			low = table->low;
	}
	captured = scan.captured;
	if (captured > 0 || low != table->low || back)
	{
		table->low = low;
		pythia_cdc_save_state(table, &scan, boundary, captured);
	}
	captured += pythia_sweep_if_due(worker, table);
	SPI_finish();
	MemoryContextSwitchTo(before);
	MemoryContextDelete(cxt);
	return captured;
}

/* Of a foreign table: its server may be back the next time. */
static bool is_away(const pythia_cdc_table *table, int sqlerrcode)
{
	return table->foreign && pythia_fault_of_state(unpack_sql_state(sqlerrcode)) == PYTHIA_FAULT_SOURCE;
}

/* What it was called when the poll began it may be called no more: somebody renamed it while the poll waited for a lock. */
static bool was_renamed(const pythia_cdc_table *table)
{
	const pythia_cdc_worker *now = pythia_cdc_load_table(table->worker_id, table->table_id);

	return now && now->ntables == 1 && now->tables[0].renamed;
}

/* Whether the next poll can do what this one could not: the table, or its primary key, was renamed. */
static bool follows(pythia_cdc_table *table, int sqlerrcode)
{
	static const char sql[] = "UPDATE pythia.cdc_table SET key_columns = $2 WHERE table_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID, TEXTARRAYOID};
	Datum values[2];
	Datum *names;
	Relation relation;
	bool result;

	if (was_renamed(table))
		return true;
	if (sqlerrcode != ERRCODE_UNDEFINED_COLUMN)
		return false;
	relation = pythia_cdc_relation(table);
	result = pythia_cdc_follow_key(relation, table);
	table_close(relation, NoLock);
	if (!result)
		return false;
	names = palloc(sizeof(Datum) * table->nkey);
	for (int i = 0; i < table->nkey; i++)
		names[i] = CStringGetTextDatum(table->key[i]);
	values[0] = Int32GetDatum(table->table_id);
	values[1] = PointerGetDatum(construct_array(names, table->nkey, TEXTOID, -1, false, TYPALIGN_INT));
	pythia_catalog_run(sql, 2, types, values, NULL);
	return true;
}

typedef struct table_poll
{
	pythia_cdc_worker *worker;
	pythia_cdc_table *table;
	const pythia_boundary *boundary;
	int64 captured;
	int sqlerrcode; /* why it failed */
	bool followed;
} table_poll;

static void try_to_poll(void *argument)
{
	table_poll *poll = argument;

	poll->captured = poll_table(poll->worker, poll->table, poll->boundary);
	if (poll->table->reason)
		pythia_cdc_note_reason(poll->table, NULL);
}

/* What may be over at the next poll, and concerns this table: it is reported, and the others go on. */
static bool may_pass(const pythia_cdc_table *table, int sqlerrcode)
{
	return is_away(table, sqlerrcode) || pythia_cdc_table_is_busy(sqlerrcode);
}

static bool stops_the_table_only(void *argument, const ErrorData *error)
{
	const table_poll *poll = argument;

	return pythia_cdc_table_is_to_blame(NULL, error) || may_pass(poll->table, error->sqlerrcode) ||
		   (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE && !IsolationUsesXactSnapshot());
}

static void try_to_follow(void *argument)
{
	table_poll *poll = argument;

	poll->followed = follows(poll->table, poll->sqlerrcode);
}

/* Whether the next poll can do what this one could not, as far as that shows without waiting. */
static bool follows_soon(table_poll *poll, int sqlerrcode)
{
	int settings = pythia_cdc_wait_briefly();
	ErrorData *error;

	poll->sqlerrcode = sqlerrcode;
	error = pythia_isolated(try_to_follow, stops_the_table_only, poll);
	AtEOXact_GUC(false, settings);
	/* who is in the way now may not be then */
	return error ? may_pass(poll->table, error->sqlerrcode) : poll->followed;
}

static int64 poll_isolated(pythia_cdc_worker *worker, pythia_cdc_table *table, const pythia_boundary *boundary)
{
	table_poll poll = {.worker = worker, .table = table, .boundary = boundary};
	int settings = pythia_cdc_wait_briefly();
	ErrorData *error = pythia_isolated(try_to_poll, stops_the_table_only, &poll);

	AtEOXact_GUC(false, settings);

	if (!error)
		return poll.captured;
	if (may_pass(table, error->sqlerrcode))
		pythia_cdc_note_reason(table, error->message);
	else if (follows_soon(&poll, error->sqlerrcode))
		;
	else if (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE)
		pythia_cdc_note_reason(table, error->message);
	else
		pythia_cdc_give_up(worker, table, error->message);
	FreeErrorData(error);
	return 0;
}

int64 pythia_local_poll(pythia_cdc_worker *worker, bool isolate)
{
	pythia_boundary boundary;
	int64 captured = 0;

	pythia_cdc_note_names(worker);
	pythia_boundary_read(&boundary, true);
	for (int i = 0; i < worker->ntables; i++)
	{
		pythia_cdc_table *table = &worker->tables[i];

		CHECK_FOR_INTERRUPTS();
		if (!table->active || !table->relation)
			continue;
		captured += isolate ? poll_isolated(worker, table, &boundary) : poll_table(worker, table, &boundary);
	}
	return captured;
}
