#include "cdc.h"

#include "access/xlog.h"
#include "bridge.h"
#include "catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "jsonb_node.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Apart from the classes of advisory locks that SQL can take. */
#define LOCK_CLASS 7

static const char *const kind_names[] = {"none", "timestamptz", "timestamp", "date", "integer"};

pythia_stamp_kind pythia_stamp_kind_from_name(const char *name)
{
	for (int i = 0; i < lengthof(kind_names); i++)
		if (strcmp(kind_names[i], name) == 0)
			return (pythia_stamp_kind) i;
	elog(ERROR, "unknown kind of stamp \"%s\"", name);
	return PYTHIA_STAMP_NONE;
}

const char *pythia_stamp_kind_name(pythia_stamp_kind kind)
{
	return kind_names[kind];
}

void pythia_cdc_refuse_standby(void)
{
	if (RecoveryInProgress())
		ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION), errmsg("capture does not run on a standby"),
						errhint("Call it on the primary server.")));
}

static LOCKTAG lock_of(int32 worker_id)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, get_namespace_oid("pythia", false), (uint32) worker_id, LOCK_CLASS);
	return tag;
}

void pythia_cdc_lock(int32 worker_id)
{
	LOCKTAG tag = lock_of(worker_id);

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

bool pythia_cdc_try_lock(int32 worker_id)
{
	LOCKTAG tag = lock_of(worker_id);

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

Oid pythia_tracked_relation(int32 table_id)
{
	char name[NAMEDATALEN];

	snprintf(name, sizeof(name), "tracked_%d", table_id);
	return get_relname_relid(name, get_namespace_oid("pythia", false));
}

void pythia_cdc_stop_table(int32 table_id, const char *reason)
{
	static const char sql[] = "UPDATE pythia.cdc_state SET active = false, reason = $2 "
							  "WHERE table_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(table_id), CStringGetTextDatum(reason)};

	SPI_connect();
	pythia_catalog_execute(sql, 2, types, values, NULL);
	SPI_finish();
}

/* ---- reading a row ---- */

static HeapTuple row;
static TupleDesc desc;

static Datum column(int number, bool *isnull)
{
	return SPI_getbinval(row, desc, number, isnull);
}

/* The caller's context, not SPI's. */
static char *text_column(int number, MemoryContext cxt)
{
	char *text = SPI_getvalue(row, desc, number);

	return text ? MemoryContextStrdup(cxt, text) : NULL;
}

static int64 int_column(int number)
{
	bool isnull;
	Datum value = column(number, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static int text_array(Datum value, char ***result)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	Datum *items;
	bool *nulls;
	int count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &count);
	*result = palloc(sizeof(char *) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*result)[i] = nulls[i] ? pstrdup("") : TextDatumGetCString(items[i]);
	return count;
}

static int int8_array(Datum value, Oid type, int64 **result)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	Datum *items;
	bool *nulls;
	int count;

	deconstruct_array(array, type, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &items, &nulls, &count);
	*result = palloc(sizeof(int64) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*result)[i] = DatumGetInt64(items[i]);
	return count;
}

static void load_table(pythia_cdc_worker *worker, pythia_cdc_table *table, MemoryContext cxt)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	bool isnull;
	Datum value;
	MemoryContext before;

	table->worker_id = worker->worker_id;
	table->table_id = DatumGetInt32(column(1, &isnull));
	table->name = text_column(2, cxt);
	table->relation = text_column(3, cxt);
	table->schema_name = text_column(4, cxt);
	table->table_name = text_column(5, cxt);
	table->timestamp_column = text_column(6, cxt);
	value = column(7, &isnull);
	table->stamp_kind = pythia_stamp_kind_from_name(TextDatumGetCString(value));
	before = MemoryContextSwitchTo(cxt);
	table->nkey = text_array(column(8, &isnull), &table->key);
	MemoryContextSwitchTo(before);
	table->condition = text_column(9, cxt);
	if (!pythia_capture_config_read(worker->option_tree, table->name, &table->config, &error))
		pythia_raise(&error);
	if (!table->config.time_zone)
		table->config.time_zone = text_column(18, cxt);

	value = column(10, &isnull);
	table->has_state = !isnull;
	if (isnull)
	{
		table->active = true;
		return;
	}
	table->active = DatumGetBool(value);
	table->reason = text_column(11, cxt);
	value = column(12, &isnull);
	table->low = isnull ? PYTHIA_LOW_MINIMUM : DatumGetInt64(value);
	before = MemoryContextSwitchTo(cxt);
	value = column(13, &isnull);
	table->seen_until = isnull ? NULL : (pythia_snapshot *) PG_DETOAST_DATUM_COPY(value);
	table->nhistory = int8_array(column(14, &isnull), TIMESTAMPTZOID, &table->history_at);
	int8_array(column(15, &isnull), INT8OID, &table->history_value);
	MemoryContextSwitchTo(before);
	table->swept_at = int_column(16);
	table->remote_low = text_column(17, cxt);
	table->remote_mark = text_column(19, cxt);
	table->remote_mark_time = int_column(20);
}

pythia_cdc_worker *pythia_cdc_load(int32 worker_id)
{
	static const char worker_sql[] =
		"SELECT w.name, w.owner::pg_catalog.oid, w.enabled, c.connection, "
		"EXTRACT(epoch FROM c.poll_interval)::pg_catalog.float8, c.timestamp_column, c.handler, c.options, c.tables "
		"FROM pythia.worker w JOIN pythia.cdc_worker c ON c.worker_id OPERATOR(pg_catalog.=) w.worker_id "
		"WHERE w.worker_id OPERATOR(pg_catalog.=) $1";
	static const char table_sql[] =
		"SELECT t.table_id, t.name, t.relation, t.schema_name, t.table_name, t.timestamp_column, t.stamp_kind, "
		"t.key_columns, t.condition, s.active, s.reason, s.low, s.seen_until, s.history_at, s.history_value, "
		"s.swept_at, s.remote_low, t.time_zone, s.remote_mark, s.remote_mark_time FROM pythia.cdc_table t "
		"LEFT JOIN pythia.cdc_state s ON s.table_id OPERATOR(pg_catalog.=) t.table_id "
		"WHERE t.worker_id OPERATOR(pg_catalog.=) $1 ORDER BY t.table_id";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};
	MemoryContext cxt = CurrentMemoryContext;
	MemoryContext before;
	pythia_cdc_worker *worker;
	pythia_error error = PYTHIA_ERROR_INIT;
	SPITupleTable *found;
	char **patterns;
	bool isnull;
	int count;

	SPI_connect();
	pythia_catalog_execute(worker_sql, 1, types, values, NULL);
	if (SPI_processed == 0)
	{
		SPI_finish();
		return NULL;
	}
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	worker = MemoryContextAllocZero(cxt, sizeof(pythia_cdc_worker));
	worker->worker_id = worker_id;
	worker->name = text_column(1, cxt);
	worker->owner = DatumGetObjectId(column(2, &isnull));
	worker->enabled = DatumGetBool(column(3, &isnull));
	worker->connection = text_column(4, cxt);
	worker->poll_interval = DatumGetFloat8(column(5, &isnull));
	worker->timestamp_column = text_column(6, cxt);
	worker->handler = text_column(7, cxt);
	before = MemoryContextSwitchTo(cxt);
	worker->options = DatumGetJsonbPCopy(column(8, &isnull));
	worker->option_tree = pythia_node_from_jsonb(worker->options);
	count = text_array(column(9, &isnull), &patterns);
	for (int i = 0; i < count; i++)
		worker->patterns = lappend(worker->patterns, patterns[i]);
	MemoryContextSwitchTo(before);
	if (!pythia_capture_config_read(worker->option_tree, NULL, &worker->config, &error))
		pythia_raise(&error);

	pythia_catalog_execute(table_sql, 1, types, values, NULL);
	found = SPI_tuptable;
	worker->ntables = SPI_processed;
	worker->tables = MemoryContextAllocZero(cxt, sizeof(pythia_cdc_table) * Max(worker->ntables, 1));
	for (int i = 0; i < worker->ntables; i++)
	{
		row = found->vals[i];
		desc = found->tupdesc;
		load_table(worker, &worker->tables[i], cxt);
	}
	SPI_finish();
	return worker;
}
