#include "postgres/capture/catalog.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "dialect/short_name.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/catalog_read.h"
#include "postgres/base/jsonb_node.h"
#include "postgres/base/lock_wait.h"
#include "postgres/base/subtransaction.h"
#include "postgres/worker/control.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* Apart from the classes of advisory locks that SQL can take. */
#define LOCK_CLASS 7

static const char *const kind_names[] = {"none", "timestamptz", "timestamp", "date", "integer"};

pythia_stamp_kind pythia_stamp_kind_named(const char *name)
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

/* A worker that nobody else shall poll, and, where it goes, nobody read for. */
typedef struct claim
{
	int32 worker_id;
	bool goes;
} claim;

static void lock(void *argument)
{
	static const char sql[] = "SELECT FROM pythia.consumer WHERE worker_id OPERATOR(pg_catalog.=) $1 FOR UPDATE";
	const claim *wanted = argument;
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(wanted->worker_id)};

	pythia_cdc_lock(wanted->worker_id);
	if (wanted->goes)
		pythia_catalog_run(sql, 1, types, values, NULL);
}

/* 0: nobody, by now. */
static int who_locks(int32 worker_id)
{
	LOCKTAG tag = lock_of(worker_id);
	LockData *locks = GetLockStatusData();

	for (int i = 0; i < locks->nelements; i++)
		if (memcmp(&locks->locks[i].locktag, &tag, sizeof(tag)) == 0 && locks->locks[i].holdMask != 0)
			return locks->locks[i].pid;
	return 0;
}

void pythia_cdc_lock_soon(int32 worker_id, const char *name, bool goes)
{
	claim wanted = {worker_id, goes};
	int pid;

	if (pythia_unless_locked_out(lock, &wanted))
		return;
	if (goes)
	{
		/* a handler, or what a table's owner has put into it, may run there and catch a cancel */
		pythia_control_end_turn(worker_id);
		if (pythia_unless_locked_out(lock, &wanted))
			return;
	}
	pid = who_locks(worker_id);
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("CDC worker \"%s\" is in use in another session", name),
			 pid != 0 ? errdetail("Process %d polls or alters it.", pid) : 0,
			 errhint("Try again when that has ended. Where it is the worker's own process, call pythia.stop_cdc; "
					 "else end it with pg_terminate_backend.")));
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
	return get_relname_relid(name, get_namespace_oid("pythia_tracked", false));
}

static bool stop_table(int32 table_id, const char *reason)
{
	static const char sql[] = "UPDATE pythia.cdc_state SET active = false, reason = $2 "
							  "WHERE table_id OPERATOR(pg_catalog.=) (SELECT table_id FROM pythia.cdc_state "
							  "WHERE table_id OPERATOR(pg_catalog.=) $1 AND active FOR NO KEY UPDATE SKIP LOCKED)";
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(table_id), CStringGetTextDatum(reason)};

	return pythia_catalog_run(sql, 2, types, values, NULL) > 0;
}

static bool is_stopped(int32 table_id)
{
	Datum key = Int32GetDatum(table_id);
	pythia_reading state;
	bool isnull;
	bool stopped;

	pythia_reading_begin_now(&state, "cdc_state", "cdc_state_pkey", 1, &key);
	stopped = !pythia_reading_next(&state) || !DatumGetBool(pythia_reading_value(&state, "active", &isnull));
	pythia_reading_end(&state);
	return stopped;
}

typedef struct stopping
{
	int32 table_id;
	const char *reason;
	bool done;
} stopping;

static void try_to_stop(void *argument)
{
	stopping *wanted = argument;

	wanted->done = stop_table(wanted->table_id, wanted->reason);
}

static bool was_stopped(void *argument, const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE && is_stopped(((stopping *) argument)->table_id);
}

void pythia_cdc_give_up(const pythia_cdc_worker *worker, const pythia_cdc_table *table, const char *reason)
{
	stopping wanted = {table->table_id, reason, false};

	/* a writer may not see yet that somebody else has done it, and does not fail for that */
	if (IsolationUsesXactSnapshot())
		(void) pythia_isolated(try_to_stop, was_stopped, &wanted);
	else
		try_to_stop(&wanted);
	if (wanted.done)
		ereport(WARNING, (errmsg("capture of table \"%s\" of CDC worker \"%s\" stopped: %s",
								 pythia_name_shown(table->name, (char[PYTHIA_NAME_ROOM]){0}), worker->name, reason),
						  table->config.capture == PYTHIA_CAPTURE_TRIGGER
							  ? errdetail("What changes in it until it is started again is not captured.")
							  : 0,
						  errhint("Mend the cause, then call pythia.start_cdc.")));
}

/* ---- reading a row ---- */

static char *text_column(pythia_reading *reading, const char *name)
{
	bool isnull;
	Datum value = pythia_reading_value(reading, name, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static int64 int_column(pythia_reading *reading, const char *name)
{
	bool isnull;
	Datum value = pythia_reading_value(reading, name, &isnull);

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

/* A table goes by its name; where nothing has that any more, what had it last is followed, and its timestamp column
 * likewise.  (A table that took another one's place has its name.) */
static void follow(pythia_cdc_table *table, AttrNumber stamp)
{
	Oid schema = table->relation ? get_namespace_oid(table->schema_name, true) : InvalidOid;
	Oid found = OidIsValid(schema) ? get_relname_relid(table->table_name, schema) : InvalidOid;
	char *name;
	char *schema_name;

	if (!table->relation || !OidIsValid(table->relid))
		return;
	if (!OidIsValid(found))
	{
		name = get_rel_name(table->relid);
		schema_name = get_namespace_name(get_rel_namespace(table->relid));
		if (!name || !schema_name)
			return;
		found = table->relid;
		table->table_name = name;
		table->schema_name = schema_name;
		table->relation = quote_qualified_identifier(table->schema_name, table->table_name);
		table->renamed = true;
	}
	if (found != table->relid || stamp <= 0 || get_attnum(found, table->timestamp_column) != InvalidAttrNumber)
		return;
	name = get_attname(found, stamp, true);
	/* a column that is dropped has a name, too, by which nobody finds it */
	if (!name || get_attnum(found, name) == InvalidAttrNumber)
		return;
	table->timestamp_column = name;
	table->renamed = true;
}

/* Another table of the worker's that has the name: one that was dropped before, say. */
static bool is_taken(const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	for (int i = 0; i < worker->ntables; i++)
	{
		const pythia_cdc_table *other = &worker->tables[i];

		if (other != table && other->relation && strcmp(other->relation, table->relation) == 0)
			return true;
	}
	return false;
}

static void note_name(const pythia_cdc_table *table)
{
	static const char sql[] = "UPDATE pythia.cdc_table SET relation = $2, schema_name = $3, table_name = $4, "
							  "timestamp_column = $5 WHERE table_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum values[] = {Int32GetDatum(table->table_id), CStringGetTextDatum(table->relation),
					  CStringGetTextDatum(table->schema_name), CStringGetTextDatum(table->table_name),
					  CStringGetTextDatum(table->timestamp_column)};

	pythia_catalog_run(sql, 5, types, values, NULL);
}

void pythia_cdc_note_names(pythia_cdc_worker *worker)
{
	for (int i = 0; i < worker->ntables; i++)
	{
		pythia_cdc_table *table = &worker->tables[i];

		if (!table->renamed)
			continue;
		if (is_taken(worker, table))
		{
			if (table->active)
				pythia_cdc_give_up(
					worker, table,
					psprintf("it is %s now, in the place of another table of the worker", table->relation));
			table->active = false;
			continue;
		}
		note_name(table);
		ereport(WARNING,
				(errmsg("table \"%s\" of CDC worker \"%s\" is followed under its new name",
						pythia_name_shown(table->name, (char[PYTHIA_NAME_ROOM]){0}), worker->name),
				 errdetail("It is %s now, its timestamp column \"%s\".", table->relation, table->timestamp_column),
				 errhint("Name it so with pythia.alter_cdc_worker; its position stays.")));
	}
}

static void load_state(pythia_cdc_table *table)
{
	pythia_reading state;
	Datum key = Int32GetDatum(table->table_id);
	Datum value;
	bool isnull;

	pythia_reading_begin(&state, "cdc_state", "cdc_state_pkey", 1, &key);
	table->has_state = pythia_reading_next(&state);
	table->active = true;
	if (table->has_state)
	{
		table->active = DatumGetBool(pythia_reading_value(&state, "active", &isnull));
		table->reason = text_column(&state, "reason");
		value = pythia_reading_value(&state, "low", &isnull);
		table->low = isnull ? PYTHIA_LOW_WATER_MINIMUM : DatumGetInt64(value);
		table->clock_base = int_column(&state, "clock_base");
		value = pythia_reading_value(&state, "seen_until", &isnull);
		table->seen_until = isnull ? NULL : (pythia_snapshot *) PG_DETOAST_DATUM_COPY(value);
		table->nhistory =
			int8_array(pythia_reading_value(&state, "history_at", &isnull), TIMESTAMPTZOID, &table->history_at);
		if (int8_array(pythia_reading_value(&state, "history_value", &isnull), INT8OID, &table->history_value) !=
			table->nhistory)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED), errmsg("the state of table \"%s\" is damaged", table->name),
					 errhint("Drop the worker and create it anew.")));
		table->polled_at = int_column(&state, "polled_at");
		table->swept_at = int_column(&state, "swept_at");
		table->journal_floor = int_column(&state, "journal_floor");
		table->remote_low = text_column(&state, "remote_low");
		table->remote_mark = text_column(&state, "remote_mark");
		table->remote_mark_time = int_column(&state, "remote_mark_time");
		table->round = int_column(&state, "round");
		table->started = DatumGetBool(pythia_reading_value(&state, "started", &isnull));
		table->start_as = text_column(&state, "start_as");
		table->log_name = text_column(&state, "log_name");
		table->log_columns = text_column(&state, "log_columns");
		table->key_form = text_column(&state, "key_form");
		value = pythia_reading_value(&state, "relid", &isnull);
		table->relid = isnull ? InvalidOid : DatumGetObjectId(value);
		value = pythia_reading_value(&state, "stamp_attnum", &isnull);
		follow(table, isnull ? 0 : DatumGetInt16(value));
	}
	pythia_reading_end(&state);
}

static void load_table(pythia_cdc_worker *worker, pythia_cdc_table *table, pythia_reading *row)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	char *versions;
	Datum value;
	bool isnull;

	table->worker_id = worker->worker_id;
	table->table_id = DatumGetInt32(pythia_reading_value(row, "table_id", &isnull));
	table->name = text_column(row, "name");
	table->relation = text_column(row, "relation");
	table->schema_name = text_column(row, "schema_name");
	table->table_name = text_column(row, "table_name");
	value = pythia_reading_value(row, "table_owner", &isnull);
	table->owner = isnull ? InvalidOid : DatumGetObjectId(value);
	table->owner_gone = !isnull && !OidIsValid(table->owner);
	table->timestamp_column = text_column(row, "timestamp_column");
	table->stamp_kind = pythia_stamp_kind_named(text_column(row, "stamp_kind"));
	table->nkey = text_array(pythia_reading_value(row, "key_columns", &isnull), &table->key);
	table->condition = text_column(row, "condition");
	versions = text_column(row, "versions");
	table->foreign = strcmp(versions, "foreign") == 0;
	table->by_hash = table->foreign || strcmp(versions, "hash") == 0;
	if (!pythia_capture_config_read(worker->option_tree, pythia_to_utf8(table->name), &table->config, &error))
		pythia_raise(&error);
	if (!table->config.time_zone)
		table->config.time_zone = text_column(row, "time_zone");
}

static int compare_tables(const void *a, const void *b)
{
	return ((const pythia_cdc_table *) a)->table_id - ((const pythia_cdc_table *) b)->table_id;
}

/* All of them, or the one of that number. */
static void load_tables(pythia_cdc_worker *worker, int32 table_id)
{
	pythia_reading rows;
	Datum key = Int32GetDatum(table_id ? table_id : worker->worker_id);
	bool isnull;
	int room = 4;

	worker->tables = palloc(sizeof(pythia_cdc_table) * room);
	pythia_reading_begin(&rows, "cdc_table",
						 table_id ? "cdc_table_pkey" : "cdc_table_worker_id_schema_name_table_name_key", 1, &key);
	while (pythia_reading_next(&rows))
	{
		if (DatumGetInt32(pythia_reading_value(&rows, "worker_id", &isnull)) != worker->worker_id)
			continue;
		if (worker->ntables == room)
		{
			room *= 2;
			worker->tables = repalloc(worker->tables, sizeof(pythia_cdc_table) * room);
		}
		worker->tables[worker->ntables] = (pythia_cdc_table){0};
		load_table(worker, &worker->tables[worker->ntables++], &rows);
	}
	pythia_reading_end(&rows);
	qsort(worker->tables, worker->ntables, sizeof(pythia_cdc_table), compare_tables);
	for (int i = 0; i < worker->ntables; i++)
		load_state(&worker->tables[i]);
}

static pythia_cdc_worker *load_worker(int32 worker_id)
{
	pythia_cdc_worker *worker = palloc0(sizeof(pythia_cdc_worker));
	pythia_reading row;
	Datum key = Int32GetDatum(worker_id);
	bool isnull;
	bool found;

	worker->worker_id = worker_id;
	pythia_reading_begin(&row, "worker", "worker_pkey", 1, &key);
	found = pythia_reading_next(&row);
	if (found)
	{
		worker->name = text_column(&row, "name");
		worker->owner = DatumGetObjectId(pythia_reading_value(&row, "owner", &isnull));
		worker->enabled = DatumGetBool(pythia_reading_value(&row, "enabled", &isnull));
	}
	pythia_reading_end(&row);
	return found ? worker : NULL;
}

static bool load_settings(pythia_cdc_worker *worker)
{
	pythia_reading row;
	Datum key = Int32GetDatum(worker->worker_id);
	char **patterns;
	bool isnull;
	bool found;
	int count;

	pythia_reading_begin(&row, "cdc_worker", "cdc_worker_pkey", 1, &key);
	found = pythia_reading_next(&row);
	if (found)
	{
		worker->connection = text_column(&row, "connection");
		worker->connection_owner = DatumGetObjectId(pythia_reading_value(&row, "connection_owner", &isnull));
		worker->poll_interval = DatumGetFloat8(DirectFunctionCall2(
			interval_part, CStringGetTextDatum("epoch"), pythia_reading_value(&row, "poll_interval", &isnull)));
		worker->timestamp_column = text_column(&row, "timestamp_column");
		worker->handler = text_column(&row, "handler");
		worker->handler_owner = DatumGetObjectId(pythia_reading_value(&row, "handler_owner", &isnull));
		worker->options = DatumGetJsonbPCopy(pythia_reading_value(&row, "options", &isnull));
		count = text_array(pythia_reading_value(&row, "tables", &isnull), &patterns);
		for (int i = 0; i < count; i++)
			worker->patterns = lappend(worker->patterns, patterns[i]);
	}
	pythia_reading_end(&row);
	return found;
}

static void load_source(pythia_cdc_worker *worker)
{
	pythia_reading row;
	Datum key = Int32GetDatum(worker->worker_id);

	pythia_reading_begin(&row, "cdc_source", "cdc_source_pkey", 1, &key);
	if (pythia_reading_next(&row))
	{
		worker->held_by = int_column(&row, "held_by");
		worker->held_why = text_column(&row, "held_why");
		worker->held_since = int_column(&row, "held_since");
	}
	pythia_reading_end(&row);
}

pythia_cdc_worker *pythia_cdc_load_head(int32 worker_id)
{
	pythia_cdc_worker *worker = load_worker(worker_id);
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!worker || !load_settings(worker))
		return NULL;
	worker->option_tree = pythia_node_from_jsonb(worker->options);
	if (!pythia_capture_config_read(worker->option_tree, NULL, &worker->config, &error))
		pythia_raise(&error);
	return worker;
}

static pythia_cdc_worker *load(int32 worker_id, int32 table_id)
{
	pythia_cdc_worker *worker = pythia_cdc_load_head(worker_id);

	if (!worker)
		return NULL;
	load_tables(worker, table_id);
	if (worker->connection)
		load_source(worker);
	return worker;
}

pythia_cdc_worker *pythia_cdc_load(int32 worker_id)
{
	return load(worker_id, 0);
}

pythia_cdc_worker *pythia_cdc_load_table(int32 worker_id, int32 table_id)
{
	return load(worker_id, table_id);
}

int64 pythia_cdc_journal_floor(const pythia_cdc_worker *worker)
{
	int64 least = PG_INT64_MAX;

	for (int i = 0; i < worker->ntables; i++)
		least = Min(least, worker->tables[i].journal_floor);
	return worker->ntables > 0 ? least : 0;
}

int32 pythia_cdc_insert_table(int32 worker_id, const pythia_cdc_definition *definition)
{
	static const char sql[] =
		"INSERT INTO pythia.cdc_table (worker_id, name, relation, schema_name, table_name, timestamp_column, "
		"stamp_kind, "
		"key_columns, condition, time_zone, versions, table_owner) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
		"$11, "
		"$12::pg_catalog.regrole) "
		"ON CONFLICT (worker_id, schema_name, table_name) DO UPDATE SET name = EXCLUDED.name, "
		"relation = EXCLUDED.relation, timestamp_column = EXCLUDED.timestamp_column, stamp_kind = EXCLUDED.stamp_kind, "
		"key_columns = EXCLUDED.key_columns, condition = EXCLUDED.condition, time_zone = EXCLUDED.time_zone, versions "
		"= EXCLUDED.versions, table_owner = EXCLUDED.table_owner "
		"RETURNING table_id";
	Oid types[] = {INT4OID, TEXTOID,      TEXTOID, TEXTOID, TEXTOID, TEXTOID,
				   TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID, OIDOID};
	Datum values[12];
	char nulls[] = "            ";
	Datum *key = palloc(sizeof(Datum) * definition->nkey);
	bool isnull;
	int32 table_id;

	for (int i = 0; i < definition->nkey; i++)
		key[i] = CStringGetTextDatum(definition->key[i]);
	values[0] = Int32GetDatum(worker_id);
	values[1] = CStringGetTextDatum(definition->name);
	values[2] = definition->relation ? CStringGetTextDatum(definition->relation) : (Datum) 0;
	nulls[2] = definition->relation ? ' ' : 'n';
	values[3] = CStringGetTextDatum(definition->schema_name);
	values[4] = CStringGetTextDatum(definition->table_name);
	values[5] = CStringGetTextDatum(definition->timestamp_column);
	values[6] = CStringGetTextDatum(pythia_stamp_kind_name(definition->stamp_kind));
	values[7] = PointerGetDatum(construct_array(key, definition->nkey, TEXTOID, -1, false, TYPALIGN_INT));
	values[8] = definition->condition ? CStringGetTextDatum(definition->condition) : (Datum) 0;
	nulls[8] = definition->condition ? ' ' : 'n';
	values[9] = definition->time_zone ? CStringGetTextDatum(definition->time_zone) : (Datum) 0;
	nulls[9] = definition->time_zone ? ' ' : 'n';
	SPI_connect();
	values[10] = CStringGetTextDatum(definition->versions ? definition->versions : "xmin");
	values[11] = ObjectIdGetDatum(definition->owner);
	nulls[11] = OidIsValid(definition->owner) ? ' ' : 'n';
	pythia_catalog_execute(sql, 12, types, values, nulls);
	table_id = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return table_id;
}

bool pythia_tracks(const pythia_cdc_table *table)
{
	return (table->config.track != PYTHIA_TRACK_NONE || table->by_hash) && table->config.capture == PYTHIA_CAPTURE_POLL;
}

bool pythia_keeps_hash(const pythia_cdc_table *table)
{
	return pythia_tracks(table) && (table->config.track == PYTHIA_TRACK_ROWS || table->by_hash);
}

pythia_cdc_worker *pythia_cdc_reload(int32 worker_id, const char *name)
{
	pythia_cdc_worker *worker = pythia_cdc_load(worker_id);

	if (!worker)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("CDC worker \"%s\" does not exist", name),
						errhint("It was dropped just now.")));
	return worker;
}
