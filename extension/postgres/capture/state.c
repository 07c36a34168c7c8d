#include "postgres/capture/state.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "postgres/base/catalog.h"
#include "postgres/base/boundary.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

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

void pythia_cdc_save_state(const pythia_cdc_table *table, const pythia_scan *scan, const pythia_boundary *boundary,
						   int64 captured)
{
	static const char sql[] =
		"INSERT INTO pythia.cdc_state AS s (table_id, low, seen_until, history_at, history_value, captured, low_at, "
		"journal_floor, clock_base, polled_at, relid, stamp_attnum) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, pg_catalog.clock_timestamp(), $10, $11) "
		"ON CONFLICT (table_id) DO UPDATE SET low = EXCLUDED.low, seen_until = EXCLUDED.seen_until, "
		"history_at = EXCLUDED.history_at, history_value = EXCLUDED.history_value, "
		"captured = s.captured OPERATOR(pg_catalog.+) EXCLUDED.captured, low_at = COALESCE(EXCLUDED.low_at, s.low_at), "
		"clock_base = EXCLUDED.clock_base, polled_at = EXCLUDED.polled_at, relid = EXCLUDED.relid, "
		"stamp_attnum = EXCLUDED.stamp_attnum";
	Oid types[] = {INT4OID,        INT8OID, PG_SNAPSHOTOID, TIMESTAMPTZARRAYOID,
				   INT8ARRAYOID,   INT8OID, TIMESTAMPTZOID, INT8OID,
				   TIMESTAMPTZOID, OIDOID,  INT2OID};
	Datum values[11];
	char nulls[] = "           ";
	Oid relid = get_relname_relid(table->table_name, get_namespace_oid(table->schema_name, false));

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
	values[9] = ObjectIdGetDatum(relid);
	values[10] = Int16GetDatum(get_attnum(relid, table->timestamp_column));
	pythia_catalog_execute(sql, 11, types, values, nulls);
	save_seen(table, scan);
}

void pythia_cdc_load_seen(const pythia_cdc_table *table, pythia_scan *scan, MemoryContext cxt)
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
