/*
 * Polling tables of this database.
 *
 * What a poll has captured is told by a snapshot: with S the snapshot of the last
 * poll, a row stamped at or after low whose transaction had ended before
 * S.xmin was visible then, and captured; one that began at S.xmax or later is
 * new.  Between the two lie few transactions, as a rule none; those that were
 * captured are listed in pythia.seen, by (sub)transaction: all rows of one become
 * visible at once, so a list of keys is not needed.
 */
#include "cdc_poll.h"

#include "access/table.h"
#include "access/xact.h"
#include "bridge.h"
#include "catalog.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "cdc_define.h"
#include "cdc_identity.h"
#include "cdc_journal.h"
#include "cdc_low.h"
#include "cdc_remote.h"
#include "cdc_track.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "subtransaction.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/snapmgr.h"
#include "worker.h"
#include "worker_owner.h"

/* ---- writing down how far we have come ---- */

static Datum xid_array(const FullTransactionId *xids, int count)
{
	Datum *items = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		items[i] = CStringGetTextDatum(psprintf(UINT64_FORMAT, U64FromFullTransactionId(xids[i])));
	return PointerGetDatum(construct_array(items, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum int8_array(const int64 *values, int count, Oid type)
{
	Datum *items = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		items[i] = Int64GetDatum(values[i]);
	return PointerGetDatum(construct_array(items, count, type, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static void save_seen(const pythia_cdc_table *table, const pythia_scan *scan)
{
	static const char prune[] =
		"DELETE FROM pythia.seen WHERE table_id OPERATOR(pg_catalog.=) $1 AND xid OPERATOR(pg_catalog.<) $2";
	static const char add[] = "INSERT INTO pythia.seen SELECT $1, x::pg_catalog.xid8 FROM pg_catalog.unnest($2) x "
							  "ON CONFLICT DO NOTHING";
	Datum values[] = {Int32GetDatum(table->table_id), FullTransactionIdGetDatum(scan->snapshot->xmin)};

	if (scan->nseen > 0)
	{
		Oid types[] = {INT4OID, XID8OID};

		pythia_catalog_execute(prune, 2, types, values, NULL);
	}
	if (scan->nyoung > 0)
	{
		Oid types[] = {INT4OID, TEXTARRAYOID};

		values[1] = xid_array(scan->young, scan->nyoung);
		pythia_catalog_execute(add, 2, types, values, NULL);
	}
}

static void save_state(const pythia_cdc_table *table, const pythia_scan *scan, const pythia_boundary *boundary,
					   int64 captured)
{
	static const char sql[] =
		"INSERT INTO pythia.cdc_state AS s (table_id, low, seen_until, history_at, history_value, captured, low_at, "
		"journal_floor, clock_base, polled_at) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, pg_catalog.clock_timestamp()) "
		"ON CONFLICT (table_id) DO UPDATE SET low = EXCLUDED.low, seen_until = EXCLUDED.seen_until, "
		"history_at = EXCLUDED.history_at, history_value = EXCLUDED.history_value, "
		"captured = s.captured OPERATOR(pg_catalog.+) EXCLUDED.captured, low_at = COALESCE(EXCLUDED.low_at, s.low_at), "
		"clock_base = EXCLUDED.clock_base, polled_at = EXCLUDED.polled_at";
	Oid types[] = {INT4OID, INT8OID,        PG_SNAPSHOTOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID,
				   INT8OID, TIMESTAMPTZOID, INT8OID,        TIMESTAMPTZOID};
	Datum values[9];
	char nulls[] = "         ";

	values[0] = Int32GetDatum(table->table_id);
	values[1] = Int64GetDatum(table->low);
	values[2] = PointerGetDatum(scan->snapshot);
	values[3] = int8_array(table->history_at, table->nhistory, TIMESTAMPTZOID);
	values[4] = int8_array(table->history_value, table->nhistory, INT8OID);
	values[5] = Int64GetDatum(captured);
	values[6] = TimestampTzGetDatum(boundary->instant);
	if (boundary->hold)
		nulls[6] = 'n';
	values[7] = Int64GetDatum(table->journal_floor);
	values[8] = TimestampTzGetDatum(table->clock_base);
	pythia_catalog_execute(sql, 9, types, values, nulls);
	save_seen(table, scan);
}

static void load_seen(const pythia_cdc_table *table, pythia_scan *scan, MemoryContext cxt)
{
	static const char sql[] = "SELECT xid FROM pythia.seen WHERE table_id OPERATOR(pg_catalog.=) $1 ORDER BY xid";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(table->table_id)};

	scan->nseen = 0;
	if (!table->seen_until || FullTransactionIdEquals(table->seen_until->xmin, table->seen_until->xmax))
		return;
	pythia_catalog_execute(sql, 1, types, values, NULL);
	scan->seen = MemoryContextAlloc(cxt, sizeof(FullTransactionId) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;

		scan->seen[scan->nseen++] =
			DatumGetFullTransactionId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
}

/* ---- one table ---- */

/* A dump takes settings along, but no positions: those mean nothing in another cluster. */
static void start_anew(pythia_cdc_worker *worker, pythia_cdc_table *table)
{
	ereport(WARNING, (errmsg("capture of table \"%s\" of CDC worker \"%s\" starts anew", table->name, worker->name),
					  errdetail("Its position is not known here, as after a restore from a dump.")));
	table->config.start = PYTHIA_START_NOW;
	/* nor what belonged to whom */
	pythia_cdc_accept_owners(worker->worker_id, table->table_id);
	table->owner = InvalidOid;
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
	back = !fixed && pythia_low_follow(table, boundary);
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
	load_seen(table, &scan, cxt);
	pythia_cdc_enter(worker, table, &identity);
	scan.snapshot = pythia_snapshot_take(false);
	seen_at = GetCurrentTimestamp();
	if (probe == PYTHIA_PROBE_NOTHING)
		scan.greatest = PYTHIA_LOW_MINIMUM;
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
		low = pythia_low_next(table, boundary, seen_at, scan.greatest);
		/* An idle poll writes nothing: a low that stays behind costs nothing while it has no row to
		 * leave behind, and rows stamped in the future are read again either way. */
		if (scan.captured == 0 && table->low != PYTHIA_LOW_MINIMUM && low > table->low && low <= least)
			low = table->low;
	}
	captured = scan.captured;
	if (captured > 0 || low != table->low || back)
	{
		table->low = low;
		save_state(table, &scan, boundary, captured);
	}
	captured += pythia_sweep_if_due(worker, table);
	SPI_finish();
	MemoryContextSwitchTo(before);
	MemoryContextDelete(cxt);
	return captured;
}

bool pythia_cdc_table_is_to_blame(void *unused, const ErrorData *error)
{
	int sqlerrcode = error->sqlerrcode;

	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_WRONG_OBJECT_TYPE:
			return true;
		default:
			return sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED || sqlerrcode == ERRCODE_DATA_CORRUPTED ||
				   sqlerrcode == ERRCODE_INDEX_CORRUPTED;
	}
}

/* Of a foreign table: its server may be back the next time. */
static bool is_away(const pythia_cdc_table *table, int sqlerrcode)
{
	int category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return table->foreign && (category == ERRCODE_CONNECTION_EXCEPTION || category == ERRCODE_FDW_ERROR ||
							  category == ERRCODE_INSUFFICIENT_RESOURCES || sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
							  sqlerrcode == ERRCODE_CRASH_SHUTDOWN || sqlerrcode == ERRCODE_CANNOT_CONNECT_NOW);
}

/* Why the last poll of a table failed, or NULL: what stat_cdc shows. */
static void note_reason(const pythia_cdc_table *table, const char *reason)
{
	static const char sql[] =
		"UPDATE pythia.cdc_state SET reason = $2 WHERE table_id OPERATOR(pg_catalog.=) $1 AND active "
		"AND reason IS DISTINCT FROM $2";
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(table->table_id), reason ? CStringGetTextDatum(reason) : (Datum) 0};

	if (pythia_catalog_run(sql, 2, types, values, reason ? NULL : " n") > 0 && reason)
		ereport(WARNING, (errmsg("table \"%s\" could not be polled: %s", table->name, reason),
						  errhint("It is tried again at the next poll.")));
}

/* Whether the next poll can do what this one could not: its primary key was renamed. */
static bool follows(pythia_cdc_table *table, int sqlerrcode)
{
	static const char sql[] = "UPDATE pythia.cdc_table SET key_columns = $2 WHERE table_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID, TEXTARRAYOID};
	Datum values[2];
	Datum *names;
	Relation relation;
	bool result;

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
} table_poll;

static void try_to_poll(void *argument)
{
	table_poll *poll = argument;

	poll->captured = poll_table(poll->worker, poll->table, poll->boundary);
	if (poll->table->reason)
		note_reason(poll->table, NULL);
}

static bool stops_the_table_only(void *argument, const ErrorData *error)
{
	const table_poll *poll = argument;

	return pythia_cdc_table_is_to_blame(NULL, error) || is_away(poll->table, error->sqlerrcode);
}

static int64 poll_isolated(pythia_cdc_worker *worker, pythia_cdc_table *table, const pythia_boundary *boundary)
{
	table_poll poll = {worker, table, boundary, 0};
	ErrorData *error = pythia_isolated(try_to_poll, stops_the_table_only, &poll);

	if (!error)
		return poll.captured;
	if (is_away(table, error->sqlerrcode))
		note_reason(table, error->message);
	else if (!follows(table, error->sqlerrcode))
		pythia_cdc_give_up(worker, table, error->message);
	FreeErrorData(error);
	return 0;
}

void pythia_cdc_tell(int32 worker_id)
{
	char number[16];

	pythia_wake_at_commit(worker_id);
	/* a hint for clients; not in a session's own transaction, which might be prepared */
	if (!pythia_in_job())
		return;
	pg_ltoa(worker_id, number);
	Async_Notify("pythia_cdc", number);
}

int64 pythia_cdc_poll(pythia_cdc_worker *worker, bool isolate)
{
	pythia_boundary boundary;
	int64 captured = 0;

	if (worker->config.capture != PYTHIA_CAPTURE_POLL && !worker->connection)
		return 0;
	if (worker->connection)
	{
		captured = pythia_remote_poll(worker, isolate);
		if (captured > 0)
			pythia_cdc_tell(worker->worker_id);
		return captured;
	}
	pythia_boundary_read(&boundary);
	for (int i = 0; i < worker->ntables; i++)
	{
		pythia_cdc_table *table = &worker->tables[i];

		CHECK_FOR_INTERRUPTS();
		if (!table->active || !table->relation)
			continue;
		captured += isolate ? poll_isolated(worker, table, &boundary) : poll_table(worker, table, &boundary);
	}
	if (captured > 0)
		pythia_cdc_tell(worker->worker_id);
	return captured;
}

/* ---- the start of a table ---- */

static void say_start(void *arg)
{
	errcontext("option \"start_from\": \"now\", \"beginning\" or a value of the timestamp column");
}

static void start_low(pythia_cdc_table *table, const pythia_boundary *boundary)
{
	Oid input;
	Oid parameter;
	Oid type = INT8OID;
	Datum value;
	ErrorContextCallback callback = {.callback = say_start};

	if (table->config.start != PYTHIA_START_AT)
		return;
	switch (table->stamp_kind)
	{
		case PYTHIA_STAMP_TIMESTAMPTZ:
			type = TIMESTAMPTZOID;
			break;
		case PYTHIA_STAMP_TIMESTAMP:
			type = TIMESTAMPOID;
			break;
		case PYTHIA_STAMP_DATE:
			type = DATEOID;
			break;
		default:
			break;
	}
	getTypeInputInfo(type, &input, &parameter);
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	value = OidInputFunctionCall(input, pythia_from_utf8(table->config.start_at), parameter, -1);
	error_context_stack = callback.previous;
	table->low = pythia_stamp_number(table->stamp_kind, type, value);
}

/* A table that joins others takes theirs: entries of a table that leaves meanwhile stay within reach. */
static int64 first_floor(const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	int64 floor = pythia_journal_last_number();

	for (int i = 0; i < worker->ntables; i++)
		if (worker->tables[i].has_state)
			floor = Min(floor, worker->tables[i].journal_floor);
	return floor;
}

void pythia_cdc_baseline(pythia_cdc_worker *worker, pythia_cdc_table *table)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "pythia_db baseline", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(cxt);
	pythia_scan scan = {.worker = worker, .table = table, .memory = cxt, .discard = true};
	pythia_cdc_identity identity;
	pythia_boundary boundary;
	TimestampTz seen_at;

	SPI_connect();
	pythia_boundary_read(&boundary);
	table->clock_base = boundary.base;
	table->low = PYTHIA_LOW_MINIMUM;
	table->seen_until = NULL;
	table->nhistory = 0;
	table->journal_floor = first_floor(worker, table);
	start_low(table, &boundary);
	if (table->config.start == PYTHIA_START_NOW && table->stamp_kind != PYTHIA_STAMP_INTEGER &&
		!IsolationUsesXactSnapshot())
		table->low = pythia_low_next(table, &boundary, boundary.clock, PYTHIA_LOW_MINIMUM);
	pythia_cdc_enter(worker, table, &identity);
	PushActiveSnapshot(GetTransactionSnapshot());
	scan.snapshot = pythia_snapshot_take(false);
	seen_at = GetCurrentTimestamp();
	if (table->config.start != PYTHIA_START_BEGINNING && pythia_tracks(table))
		pythia_track_baseline(worker, table);
	/* triggers are there already, and hold writers off until we commit: what is there now is told here */
	if (table->config.capture == PYTHIA_CAPTURE_TRIGGER)
		scan.discard = false;
	if ((table->config.start == PYTHIA_START_NOW) == (table->config.capture == PYTHIA_CAPTURE_POLL))
		pythia_scan_run(&scan);
	PopActiveSnapshot();
	pythia_cdc_leave(&identity);
	if (table->stamp_kind == PYTHIA_STAMP_INTEGER && table->config.start == PYTHIA_START_NOW)
		table->low = pythia_low_next(table, &boundary, seen_at, scan.greatest);
	/* without a snapshot everything at or after low is new */
	/* what triggers write is counted where it is */
	save_state(table, &scan, &boundary, table->config.capture == PYTHIA_CAPTURE_POLL ? scan.captured : 0);
	if (table->config.start != PYTHIA_START_NOW)
	{
		static const char sql[] =
			"UPDATE pythia.cdc_state SET seen_until = NULL WHERE table_id OPERATOR(pg_catalog.=) $1";
		Oid types[] = {INT4OID};
		Datum values[] = {Int32GetDatum(table->table_id)};

		pythia_catalog_execute(sql, 1, types, values, NULL);
	}
	SPI_finish();
	MemoryContextSwitchTo(before);
	MemoryContextDelete(cxt);
}
