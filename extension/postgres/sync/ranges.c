#include "postgres/sync/ranges.h"

#include "catalog/pg_type.h"
#include "core/memory.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/catalog.h"
#include "postgres/sync/parallel.h"
#include "postgres/worker/helpers.h"
#include "postgres/worker/progress.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define COUNTERS 8

/* What a process knows of its own stream. */
typedef struct parts_stream
{
	pythia_sync_streams streams;
	pythia_session *session;
	pythia_ranges_limits limits;
	int32 worker_id;
	const char *table;
	const char *ticket; /* of the run that is joined; NULL: our own */
	int part;           /* in hand, or -1 */
	bool opened;
	int coming; /* helpers that were started for it */
} parts_stream;

/* Arguments and results of a statement on the catalogue. */
typedef struct parts_call
{
	parts_stream *stream;
	const char *text;
	int part;
	int nparts;
	bool flag;
	const pythia_sync_result *counted;
	pythia_sync_result *sum;
	char *checkpoint;
	int at_work;
	int left;
} parts_call;

/* --- statements -------------------------------------------------------------- */

static const char *lock_name(const parts_stream *stream, int part)
{
	return psprintf("%s\n%d", stream->table, part);
}

static int64 number(int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static void open_parts(void *arg)
{
	static const char keep[] = "UPDATE pythia.sync_state SET checkpoint = $3, copier = $4 WHERE worker_id = $1 AND "
							   "table_name = $2";
	static const char empty[] = "DELETE FROM pythia.sync_part WHERE worker_id = $1 AND table_name = $2";
	static const char fill[] = "INSERT INTO pythia.sync_part (worker_id, table_name, part) "
							   "SELECT $1, $2, g FROM generate_series(0, $3 - 1) g ON CONFLICT DO NOTHING";
	static const char reset[] = "UPDATE pythia.sync_part SET counted = DEFAULT, pid = NULL "
								"WHERE worker_id = $1 AND table_name = $2";
	parts_call *call = arg;
	Oid keep_types[] = {INT4OID, TEXTOID, TEXTOID, INT4OID};
	Oid fill_types[] = {INT4OID, TEXTOID, INT4OID};
	Datum values[] = {Int32GetDatum(call->stream->worker_id), CStringGetTextDatum(call->stream->table),
					  CStringGetTextDatum(call->text), Int32GetDatum(MyProcPid)};

	SPI_connect();
	pythia_catalog_execute(keep, 4, keep_types, values, NULL);
	values[2] = Int32GetDatum(call->nparts);
	if (!call->flag)
		pythia_catalog_execute(empty, 2, keep_types, values, NULL);
	pythia_catalog_execute(fill, 3, fill_types, values, NULL);
	pythia_catalog_execute(reset, 2, keep_types, values, NULL);
	SPI_finish();
}

static void start_helpers(void *arg)
{
	parts_stream *stream = arg;
	int before = pythia_helpers_running();

	stream->coming = pythia_helpers_start(stream->limits.job, before + stream->limits.more, 1) - before;
}

static void count_comers(void *arg)
{
	static const char sql[] =
		"SELECT count(DISTINCT pid) FROM pythia.sync_part WHERE worker_id = $1 AND table_name = $2";
	parts_call *call = arg;
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(call->stream->worker_id), CStringGetTextDatum(call->stream->table)};

	SPI_connect();
	pythia_catalog_execute(sql, 2, types, values, NULL);
	call->at_work = (int) number(1);
	SPI_finish();
}

/* Parts to be done, as far as this process can see; palloc'ed numbers. */
static List *open_numbers(const parts_stream *stream)
{
	static const char sql[] = "SELECT part FROM pythia.sync_part WHERE worker_id = $1 AND table_name = $2 AND NOT done "
							  "ORDER BY part";
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(stream->worker_id), CStringGetTextDatum(stream->table)};
	MemoryContext caller = CurrentMemoryContext;
	List *numbers = NIL;
	bool isnull;

	SPI_connect();
	pythia_catalog_execute(sql, 2, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int part = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		MemoryContext before = MemoryContextSwitchTo(caller);

		numbers = lappend_int(numbers, part);
		MemoryContextSwitchTo(before);
	}
	SPI_finish();
	return numbers;
}

/* With the part's lock: false where it was done meanwhile, or the run that we joined is another now. */
static bool mark_taken(parts_call *call, int part)
{
	static const char sql[] =
		"UPDATE pythia.sync_part p SET begun = true, pid = $4 FROM pythia.sync_part o, pythia.sync_state s "
		"WHERE p.worker_id = $1 AND p.table_name = $2 AND p.part = $3 AND NOT p.done "
		"AND (o.worker_id, o.table_name, o.part) = (p.worker_id, p.table_name, p.part) "
		"AND (s.worker_id, s.table_name) = (p.worker_id, p.table_name) AND s.copier IS NOT NULL "
		"AND ($5 IS NULL OR s.checkpoint = $5) RETURNING o.begun, p.checkpoint, "
		"(SELECT count(DISTINCT q.pid) FROM pythia.sync_part q WHERE q.worker_id = $1 AND q.table_name = $2 "
		"AND NOT q.done AND q.pid <> $4) + 1";
	const parts_stream *stream = call->stream;
	Oid types[] = {INT4OID, TEXTOID, INT4OID, INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(stream->worker_id), CStringGetTextDatum(stream->table), Int32GetDatum(part),
					  Int32GetDatum(MyProcPid), stream->ticket ? CStringGetTextDatum(stream->ticket) : (Datum) 0};
	bool taken;
	bool isnull;

	SPI_connect();
	pythia_catalog_execute(sql, 5, types, values, stream->ticket ? "     " : "    n");
	taken = SPI_processed == 1;
	if (taken)
	{
		HeapTuple row = SPI_tuptable->vals[0];
		char *checkpoint = SPI_getvalue(row, SPI_tuptable->tupdesc, 2);

		call->flag = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		call->checkpoint = pythia_strdup(checkpoint);
		call->at_work = (int) number(3);
	}
	SPI_finish();
	return taken;
}

static void take_part(void *arg)
{
	parts_call *call = arg;
	parts_stream *stream = call->stream;
	ListCell *cell;

	if (stream->part >= 0)
		pythia_table_give_back(stream->worker_id, lock_name(stream, stream->part));
	stream->part = -1;
	foreach (cell, open_numbers(stream))
	{
		const char *name = lock_name(stream, lfirst_int(cell));

		if (!pythia_table_take(stream->worker_id, name))
			continue;
		/* kept, or given back, also where the statement fails */
		stream->part = lfirst_int(cell);
		if (mark_taken(call, stream->part))
			return;
		pythia_table_give_back(stream->worker_id, name);
		stream->part = -1;
	}
}

static void save_part(void *arg)
{
	static const char sql[] =
		"UPDATE pythia.sync_part p SET checkpoint = $4, done = $5, "
		"counted = (SELECT array_agg(a.x + b.x ORDER BY a.i) FROM unnest(p.counted) WITH ORDINALITY a(x, i) "
		"JOIN unnest($6) WITH ORDINALITY b(x, i) USING (i)) FROM pythia.sync_state s "
		"WHERE p.worker_id = $1 AND p.table_name = $2 AND p.part = $3 "
		"AND (s.worker_id, s.table_name) = (p.worker_id, p.table_name) AND s.copier IS NOT NULL "
		"AND ($7 IS NULL OR s.checkpoint = $7) "
		"RETURNING (SELECT count(DISTINCT q.pid) FROM pythia.sync_part q WHERE q.worker_id = $1 "
		"AND q.table_name = $2 AND NOT q.done AND q.pid <> p.pid) + 1";
	parts_call *call = arg;
	const parts_stream *stream = call->stream;
	const pythia_sync_result *counted = call->counted;
	Oid types[] = {INT4OID, TEXTOID, INT4OID, TEXTOID, BOOLOID, INT8ARRAYOID, TEXTOID};
	Datum numbers[COUNTERS] = {Int64GetDatum(counted->rows_synced),  Int64GetDatum(counted->rows_inserted),
							   Int64GetDatum(counted->rows_updated), Int64GetDatum(counted->rows_deleted),
							   Int64GetDatum(counted->rows_skipped), Int64GetDatum(counted->rows_quarantined),
							   Int64GetDatum(counted->source_count), Int64GetDatum(counted->bytes)};
	Datum values[7] = {Int32GetDatum(stream->worker_id), CStringGetTextDatum(stream->table), Int32GetDatum(call->part)};
	char nulls[8] = "       ";

	values[3] = call->text ? CStringGetTextDatum(call->text) : (Datum) 0;
	nulls[3] = call->text ? ' ' : 'n';
	values[4] = BoolGetDatum(call->flag);
	values[5] = PointerGetDatum(construct_array(numbers, COUNTERS, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[6] = stream->ticket ? CStringGetTextDatum(stream->ticket) : (Datum) 0;
	nulls[6] = stream->ticket ? ' ' : 'n';
	SPI_connect();
	pythia_catalog_execute(sql, 7, types, values, nulls);
	call->at_work = SPI_processed == 1 ? (int) number(1) : 0;
	SPI_finish();
}

static void look_at_parts(void *arg)
{
	static const char sql[] =
		"SELECT count(*) FILTER (WHERE NOT done), sum(counted[1])::int8, sum(counted[2])::int8, sum(counted[3])::int8, "
		"sum(counted[4])::int8, sum(counted[5])::int8, sum(counted[6])::int8, sum(counted[7])::int8, "
		"sum(counted[8])::int8 FROM pythia.sync_part WHERE worker_id = $1 AND table_name = $2";
	parts_call *call = arg;
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(call->stream->worker_id), CStringGetTextDatum(call->stream->table)};

	SPI_connect();
	pythia_catalog_execute(sql, 2, types, values, NULL);
	call->left = (int) number(1);
	call->sum->rows_synced = number(2);
	call->sum->rows_inserted = number(3);
	call->sum->rows_updated = number(4);
	call->sum->rows_deleted = number(5);
	call->sum->rows_skipped = number(6);
	call->sum->rows_quarantined = number(7);
	call->sum->source_count = number(8);
	call->sum->bytes = number(9);
	SPI_finish();
}

/* --- what the engine calls ----------------------------------------------------- */

static bool on_open(void *context, const char *ticket, int nparts, bool again, pythia_error *error)
{
	parts_stream *stream = context;
	parts_call call = {.stream = stream, .text = ticket, .nparts = nparts, .flag = again};

	stream->opened = true;
	return pythia_session_run(stream->session, open_parts, &call, error) &&
		   (stream->limits.more < 1 || pythia_session_run(stream->session, start_helpers, stream, error));
}

static bool on_awaited(void *context, int *streams, pythia_error *error)
{
	parts_stream *stream = context;
	parts_call call = {.stream = stream};

	if (stream->coming > 0 && !pythia_session_run(stream->session, count_comers, &call, error))
		return false;
	*streams = Max(stream->coming - call.at_work, 0);
	return true;
}

static bool on_take(void *context, int *part, bool *begun, char **checkpoint, pythia_error *error)
{
	parts_stream *stream = context;
	parts_call call = {.stream = stream};

	if (!pythia_session_run(stream->session, take_part, &call, error))
		return false;
	*part = stream->part;
	*begun = call.flag;
	*checkpoint = call.checkpoint;
	stream->streams.at_work = call.at_work;
	return true;
}

static bool on_save(void *context, int part, const char *checkpoint, bool done, const pythia_sync_result *counted,
					pythia_error *error)
{
	parts_stream *stream = context;
	parts_call call = {.stream = stream, .part = part, .text = checkpoint, .flag = done, .counted = counted};

	if (!pythia_session_run(stream->session, save_part, &call, error))
		return false;
	stream->streams.at_work = call.at_work;
	return call.at_work > 0 ||
		   pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "the run of table \"%s\" is over", stream->table);
}

static bool on_look(void *context, int *left, pythia_sync_result *counted, pythia_error *error)
{
	parts_stream *stream = context;
	parts_call call = {.stream = stream, .sum = counted};

	if (!pythia_session_run(stream->session, look_at_parts, &call, error))
		return false;
	*left = call.left;
	/* from now on the run counts all of it itself */
	if (call.left == 0)
		pythia_progress_alone();
	return true;
}

pythia_sync_streams *pythia_ranges_offer(pythia_session *session, const pythia_ranges_limits *limits, int32 worker_id,
										 const char *table, const char *ticket)
{
	parts_stream *stream = MemoryContextAllocZero(pythia_session_memory(session), sizeof(parts_stream));

	stream->session = session;
	stream->limits = *limits;
	stream->worker_id = worker_id;
	stream->table = table;
	stream->ticket = ticket;
	stream->part = -1;
	stream->streams.context = stream;
	stream->streams.most = Max(limits->most, 1);
	stream->streams.open = on_open;
	stream->streams.awaited = on_awaited;
	stream->streams.take = on_take;
	stream->streams.save = on_save;
	stream->streams.look = on_look;
	return &stream->streams;
}

bool pythia_ranges_leave(pythia_sync_streams *streams)
{
	parts_stream *stream = streams->context;

	if (stream->part >= 0)
		pythia_table_give_back(stream->worker_id, lock_name(stream, stream->part));
	stream->part = -1;
	return stream->opened;
}

void pythia_ranges_forget(int32 worker_id, const char *table)
{
	static const char sql[] = "DELETE FROM pythia.sync_part WHERE worker_id = $1 AND table_name = $2";
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(worker_id), CStringGetTextDatum(table)};

	pythia_catalog_run(sql, 2, types, values, NULL);
}
