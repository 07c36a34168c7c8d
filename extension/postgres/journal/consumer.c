/* The rows of pythia.consumer. */
#include "postgres/journal/consume.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "postgres/base/catalog.h"
#include "postgres/base/catalog_read.h"
#include "postgres/journal/journal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

static void read_counts(pythia_reading *row, pythia_consumer *consumer)
{
	bool isnull;
	ArrayType *ids = DatumGetArrayTypeP(pythia_reading_value(row, "tables", &isnull));
	ArrayType *counts = DatumGetArrayTypeP(pythia_reading_value(row, "consumed_of", &isnull));
	int count = ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids));

	/* both are written below alone: whole, without NULLs */
	if (count != ArrayGetNItems(ARR_NDIM(counts), ARR_DIMS(counts)) || ARR_HASNULL(ids) || ARR_HASNULL(counts))
		elog(ERROR, "counts of consumer \"%s\" are damaged", consumer->name);
	consumer->ntables = count;
	consumer->tables = palloc(sizeof(pythia_table_count) * Max(count, 1));
	for (int i = 0; i < count; i++)
		consumer->tables[i] =
			(pythia_table_count){((int32 *) ARR_DATA_PTR(ids))[i], ((int64 *) ARR_DATA_PTR(counts))[i]};
}

static void put_counts(const pythia_consumer *consumer, Datum *values)
{
	int count = consumer->ntables;
	Datum *ids = palloc(sizeof(Datum) * Max(count, 1));
	Datum *counts = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		ids[i] = Int32GetDatum(consumer->tables[i].table_id);
		counts[i] = Int64GetDatum(consumer->tables[i].count);
	}
	values[0] = PointerGetDatum(construct_array(ids, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[1] =
		PointerGetDatum(construct_array(counts, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static Datum mark_part(pythia_reading *row, const char *name, const char *part, bool *isnull)
{
	char column[NAMEDATALEN];

	snprintf(column, sizeof(column), "%s%s", name, part);
	return pythia_reading_value(row, column, isnull);
}

static pythia_mark read_mark(pythia_reading *row, const char *name)
{
	pythia_mark mark = {0};
	bool isnull;
	Datum value = mark_part(row, name, "", &isnull);

	if (!isnull)
		mark.snapshot = (pythia_snapshot *) PG_DETOAST_DATUM_COPY(value);
	value = mark_part(row, name, "_own", &isnull);
	if (!isnull)
		mark.own = DatumGetFullTransactionId(value);
	mark.upto = DatumGetInt64(mark_part(row, name, "_upto", &isnull));
	mark.floor = DatumGetInt64(mark_part(row, name, "_floor", &isnull));
	mark.horizon = DatumGetFullTransactionId(mark_part(row, name, "_horizon", &isnull));
	return mark;
}

static void read_consumer(pythia_reading *row, int32 worker_id, pythia_consumer *consumer)
{
	Datum segment;
	bool isnull;

	*consumer = (pythia_consumer){.worker_id = worker_id};
	consumer->name = TextDatumGetCString(pythia_reading_value(row, "name", &isnull));
	consumer->version = row->slot->tts_tid;
	consumer->lost = DatumGetBool(pythia_reading_value(row, "lost", &isnull));
	consumer->done = read_mark(row, "done");
	consumer->reading = read_mark(row, "reading");
	consumer->ceiling = DatumGetInt64(pythia_reading_value(row, "reading_ceiling", &isnull));
	consumer->position = DatumGetInt64(pythia_reading_value(row, "position", &isnull));
	segment = pythia_reading_value(row, "segment", &isnull);
	if (!isnull)
		consumer->segment = DatumGetFullTransactionId(segment);
	read_counts(row, consumer);
}

bool pythia_consumer_look(int32 worker_id, const char *name, pythia_consumer *consumer)
{
	Datum key[] = {Int32GetDatum(worker_id), CStringGetTextDatum(name)};
	pythia_reading row;
	bool found;

	*consumer = (pythia_consumer){.worker_id = worker_id, .name = pstrdup(name)};
	pythia_reading_begin(&row, "consumer", "consumer_pkey", lengthof(key), key);
	found = pythia_reading_next(&row);
	if (found)
		read_consumer(&row, worker_id, consumer);
	pythia_reading_end(&row);
	return found;
}

List *pythia_consumers_look(int32 worker_id)
{
	Datum key = Int32GetDatum(worker_id);
	pythia_reading row;
	List *result = NIL;

	pythia_reading_begin(&row, "consumer", "consumer_pkey", 1, &key);
	while (pythia_reading_next(&row))
	{
		pythia_consumer *consumer = palloc(sizeof(pythia_consumer));

		read_consumer(&row, worker_id, consumer);
		result = lappend(result, consumer);
	}
	pythia_reading_end(&row);
	return result;
}

#define SQL_ONE                                                                                                        \
	"SELECT FROM pythia.consumer WHERE worker_id OPERATOR(pg_catalog.=) $1 AND name OPERATOR(pg_catalog.=) $2 "

static bool lock(const char *sql, int32 worker_id, const char *name, pythia_consumer *consumer)
{
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(worker_id), CStringGetTextDatum(name)};

	pythia_catalog_run(sql, 2, types, values, NULL);
	/* only now, as whoever held the lock left it */
	return pythia_consumer_look(worker_id, name, consumer);
}

bool pythia_consumer_lock(int32 worker_id, const char *name, pythia_consumer *consumer)
{
	return lock(SQL_ONE "FOR NO KEY UPDATE", worker_id, name, consumer);
}

bool pythia_consumer_hold(int32 worker_id, const char *name, pythia_consumer *consumer)
{
	return lock(SQL_ONE "FOR SHARE", worker_id, name, consumer);
}

static void put_mark(const pythia_mark *mark, Datum *values, char *nulls)
{
	values[0] = PointerGetDatum(mark->snapshot);
	nulls[0] = mark->snapshot ? ' ' : 'n';
	values[1] = FullTransactionIdGetDatum(mark->own);
	nulls[1] = FullTransactionIdIsValid(mark->own) ? ' ' : 'n';
	values[2] = Int64GetDatum(mark->upto);
	values[3] = Int64GetDatum(mark->floor);
	values[4] = FullTransactionIdGetDatum(mark->horizon);
}

void pythia_consumer_save(const pythia_consumer *consumer)
{
	static const char sql[] =
		"UPDATE pythia.consumer SET done = $3, done_own = $4, done_upto = $5, done_floor = $6, done_horizon = $7, "
		"reading = $8, reading_own = $9, reading_upto = $10, reading_floor = $11, reading_horizon = $12, "
		"reading_ceiling = $13, position = $14, consumed = consumed OPERATOR(pg_catalog.+) $15, lost = $16, "
		"tables = $17, consumed_of = $18, segment = $19, calling = NULL, "
		"consumed_at = CASE WHEN $15 OPERATOR(pg_catalog.>) 0 THEN pg_catalog.clock_timestamp() ELSE consumed_at END "
		"WHERE worker_id OPERATOR(pg_catalog.=) $1 AND name OPERATOR(pg_catalog.=) $2";
	Oid types[] = {INT4OID,        TEXTOID, PG_SNAPSHOTOID, XID8OID,      INT8OID, INT8OID, XID8OID,
				   PG_SNAPSHOTOID, XID8OID, INT8OID,        INT8OID,      XID8OID, INT8OID, INT8OID,
				   INT8OID,        BOOLOID, INT4ARRAYOID,   INT8ARRAYOID, XID8OID};
	Datum values[19];
	char nulls[] = "                   ";

	values[0] = Int32GetDatum(consumer->worker_id);
	values[1] = CStringGetTextDatum(consumer->name);
	put_mark(&consumer->done, values + 2, nulls + 2);
	put_mark(&consumer->reading, values + 7, nulls + 7);
	values[12] = Int64GetDatum(consumer->ceiling);
	values[13] = Int64GetDatum(consumer->position);
	values[14] = Int64GetDatum(consumer->handed);
	values[15] = BoolGetDatum(consumer->lost);
	put_counts(consumer, values + 16);
	values[18] = FullTransactionIdGetDatum(consumer->segment);
	nulls[18] = FullTransactionIdIsValid(consumer->segment) ? ' ' : 'n';
	pythia_catalog_run(sql, 19, types, values, nulls);
}

static void check_room(int32 worker_id)
{
	static const char sql[] =
		"SELECT FROM pythia.consumer WHERE worker_id OPERATOR(pg_catalog.=) $1 LIMIT 65"; /* one more than allowed */
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	StaticAssertStmt(PYTHIA_MAX_CONSUMERS == 64, "the limit stands in the statement, too");
	if (pythia_catalog_run(sql, 1, types, values, NULL) > PYTHIA_MAX_CONSUMERS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many consumers of one CDC worker"),
				 errdetail("It has %d, and no worker may have more.", PYTHIA_MAX_CONSUMERS),
				 errhint("Drop some with pythia.drop_consumer, see pythia.stat_consumer, or create another worker.")));
}

bool pythia_consumer_add(int32 worker_id, const char *name, const pythia_mark *done, int64 position)
{
	static const char sql[] =
		"INSERT INTO pythia.consumer (worker_id, name, done, done_own, done_upto, done_floor, done_horizon, position) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
	Oid types[] = {INT4OID, TEXTOID, PG_SNAPSHOTOID, XID8OID, INT8OID, INT8OID, XID8OID, INT8OID};
	Datum values[8];
	char nulls[] = "        ";

	values[0] = Int32GetDatum(worker_id);
	values[1] = CStringGetTextDatum(name);
	put_mark(done, values + 2, nulls + 2);
	values[7] = Int64GetDatum(position);
	if (pythia_catalog_run(sql, 8, types, values, nulls) == 0)
		return false;
	check_room(worker_id);
	return true;
}

pythia_mark pythia_mark_now(void)
{
	pythia_mark mark = {0};

	mark.floor = pythia_journal_last_number();
	mark.horizon = ReadNextFullTransactionId();
	PushActiveSnapshot(GetTransactionSnapshot());
	mark.snapshot = pythia_snapshot_take(true);
	PopActiveSnapshot();
	mark.own = GetTopFullTransactionIdIfAny();
	mark.upto = FullTransactionIdIsValid(mark.own) ? pythia_journal_last_number() : 0;
	return mark;
}

pythia_mark pythia_mark_beginning(int64 floor)
{
	return (pythia_mark){.snapshot = pythia_snapshot_empty(), .floor = floor, .horizon = FullTransactionIdFromU64(1)};
}
