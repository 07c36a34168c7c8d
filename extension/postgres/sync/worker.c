/* create_sync_worker, alter_sync_worker, drop_sync_worker and reading them back. */
#include "postgres/sync/worker.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "core/memory.h"
#include "dialect/dialect.h"
#include "miscadmin.h"
#include "postgres/base/arguments.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/jsonb_node.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/verb.h"
#include "postgres/connection/connection.h"
#include "postgres/local/driver.h"
#include "postgres/sync/live.h"
#include "postgres/sync/look.h"
#include "postgres/worker/worker.h"
#include "sync/sync.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "validate/validate.h"

extern Datum pythia_set_worker_enabled(PG_FUNCTION_ARGS);

static void bad_value(const char *what, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", what), errhint("%s", hint)));
}

/* The tree as it is used; *live: what it says of live sync, where it asks for that. */
static pythia_node *config_tree(Jsonb *config, pythia_live_options *live)
{
	pythia_node *tree = pythia_node_from_jsonb(config);
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!pythia_live_wanted(tree))
		return tree;
	if (!pythia_live_options_read(tree, live, &error))
		pythia_raise(&error);
	pythia_live_configure(tree);
	return tree;
}

/* Gives it as a tree. */
static const pythia_node *check_config(Jsonb *config)
{
	pythia_sync_config ignored;
	pythia_live_options live;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_node *tree;

	pythia_argument_bound((struct varlena *) config, "the options in sync_config");
	if (!JB_ROOT_IS_OBJECT(config))
		bad_value("sync_config must be a JSON object", "For example '{\"mode\": \"full\"}'.");
	tree = config_tree(config, &live);
	if (!pythia_sync_config_read(tree, NULL, NULL, &ignored, &error) || !pythia_validate_config_check(&ignored, &error))
		pythia_raise(&error);
	return tree;
}

static List *text_list(ArrayType *array)
{
	Datum *values;
	bool *nulls;
	int count;
	List *result = NIL;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			bad_value("a table name must not be null", "Name the tables, as in ARRAY['users', 'sales.orders'].");
		result = lappend(result, TextDatumGetCString(values[i]));
	}
	return result;
}

static void check_tables(ArrayType *tables)
{
	List *names = text_list(tables);
	ListCell *cell;

	if (names == NIL)
		bad_value("the list of tables is empty", "Name tables, or leave it null for all tables of the default schema.");
	foreach (cell, names)
	{
		char *schema = NULL;
		char *table = NULL;
		pythia_error error = PYTHIA_ERROR_INIT;
		bool ok = pythia_name_parse(pythia_to_utf8(lfirst(cell)), &schema, &table, &error);

		pythia_free(schema);
		pythia_free(table);
		if (!ok)
			pythia_raise(&error);
	}
}

/* Options for tables that the worker does not have; which ones there are where it has all is known when it runs. */
static void check_names(const pythia_node *config, List *tables)
{
	char **names = palloc0((list_length(tables) + 1) * sizeof(char *));
	int count = 0;
	ListCell *cell;
	pythia_error error = PYTHIA_ERROR_INIT;

	foreach (cell, tables)
		names[count++] = pythia_to_utf8(lfirst(cell));
	if (count > 0 && !pythia_sync_config_names(config, names, count, NULL, &error))
		pythia_raise(&error);
}

static void warn_idle(void *context, const char *option, const char *why)
{
	ereport(WARNING, (errmsg("option \"%s\" has no effect: %s", option, why)));
}

static void check_places(const pythia_node *config, const char *source, const char *target)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!pythia_sync_config_endpoints(config, source, target, &error))
		pythia_raise(&error);
}

static int64 interval_ms(const Interval *interval)
{
	return ((int64) interval->month * 30 + interval->day) * 86400000 + interval->time / 1000;
}

static void check_schedule(const Interval *schedule, bool zero_allowed)
{
	int64 ms = interval_ms(schedule);

	if (ms < 0 || (ms == 0 && !zero_allowed))
		bad_value("the schedule must be a positive interval", "For example '5 min', or null to synchronise once.");
}

/* Names of the connections that are made where a URL holds a password. */
static char *own_connection(const char *worker, const char *side)
{
	return psprintf("%s_%s", worker, side);
}

/* What only the whole worker tells. */
static void look(const pythia_sync_spec *spec)
{
	if (spec->live && spec->schedule_ms >= 0)
		bad_value("a live sync worker has no schedule",
				  "It follows the source all the time: leave the schedule out (0 takes it away). \"interval\" in"
				  " sync_config says how long it waits between two looks for changes.");
	if (spec->live && strcmp(spec->source, "local") == 0 && strcmp(spec->target, "local") == 0)
		bad_value("source and target of a live sync worker are one database",
				  "A trigger of your own keeps two tables of one database alike; live sync is for two databases.");
	pythia_sync_worker_look(spec);
}

PYTHIA_VERB(pythia_create_sync_worker)
{
	static const char sql[] =
		"INSERT INTO pythia.sync_worker (worker_id, source, target, sync_config, tables, schedule, "
		"default_schema) VALUES ($1, $2, $3, $4, $5, $6, $7)";
	Oid types[] = {INT4OID, TEXTOID, TEXTOID, JSONBOID, TEXTARRAYOID, INTERVALOID, TEXTOID};
	char *name = pythia_argument_text(fcinfo, 0);
	char *source = pythia_argument_text(fcinfo, 1);
	char *target = pythia_argument_text(fcinfo, 2);
	Datum values[7];
	char nulls[8] = "       ";
	const pythia_node *config;
	int32 worker_id;

	if (PG_ARGISNULL(3))
		values[3] = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
	else
		values[3] = PG_GETARG_DATUM(3);
	config = check_config(DatumGetJsonbP(values[3]));
	if (!PG_ARGISNULL(4))
	{
		check_tables(PG_GETARG_ARRAYTYPE_P(4));
		check_names(config, text_list(PG_GETARG_ARRAYTYPE_P(4)));
	}
	if (!PG_ARGISNULL(5))
		check_schedule(PG_GETARG_INTERVAL_P(5), false);
	worker_id = pythia_worker_create(PYTHIA_JOB_SYNC, name);
	check_places(config, source, target);
	pythia_sync_config_idle(config, warn_idle, NULL);
	source = pythia_connection_adopt(source, own_connection(name, "source"));
	target = pythia_connection_adopt(target, own_connection(name, "target"));
	values[0] = Int32GetDatum(worker_id);
	values[1] = CStringGetTextDatum(source);
	values[2] = CStringGetTextDatum(target);
	nulls[4] = PG_ARGISNULL(4) ? 'n' : ' ';
	values[4] = PG_ARGISNULL(4) ? (Datum) 0 : PG_GETARG_DATUM(4);
	nulls[5] = PG_ARGISNULL(5) ? 'n' : ' ';
	values[5] = PG_ARGISNULL(5) ? (Datum) 0 : PG_GETARG_DATUM(5);
	/* what is put before it on the path later is somebody else's */
	values[6] = CStringGetTextDatum(pythia_default_schema());
	pythia_catalog_run(sql, 7, types, values, nulls);
	CommandCounterIncrement();
	pythia_connection_note_owner(worker_id, PYTHIA_USE_SOURCE);
	pythia_connection_note_owner(worker_id, PYTHIA_USE_TARGET);
	CommandCounterIncrement();
	look(pythia_sync_spec_by_name(name));
	PG_RETURN_INT32(worker_id);
}

static char *add_changed(FunctionCallInfo fcinfo, int argument, const char *worker, const char *side, const char *old,
						 Oid worker_owner)
{
	char *own = own_connection(worker, side);

	if (PG_ARGISNULL(argument))
		return pstrdup(old);
	pythia_connection_disown(old, own, worker_owner);
	return pythia_connection_adopt(pythia_argument_text(fcinfo, argument), own);
}

PYTHIA_VERB(pythia_alter_sync_worker)
{
	static const char sql[] =
		"UPDATE pythia.sync_worker SET source = $2, target = $3, sync_config = coalesce($4, sync_config), "
		"tables = coalesce($5, tables), "
		"schedule = CASE WHEN $6 = interval '0' THEN NULL ELSE coalesce($6, schedule) END "
		"WHERE worker_id = $1";
	/* other databases: what was reached there says nothing of here; of other columns the engine takes care */
	static const char forget[] = "UPDATE pythia.sync_state SET watermark = NULL, checkpoint = NULL "
								 "WHERE worker_id = $1";
	Oid types[] = {INT4OID, TEXTOID, TEXTOID, JSONBOID, TEXTARRAYOID, INTERVALOID};
	pythia_sync_spec *spec;
	const pythia_node *config;
	Datum values[6];
	char nulls[7] = "      ";

	spec = pythia_sync_spec_by_name(pythia_argument_text(fcinfo, 0));
	config = PG_ARGISNULL(3) ? spec->config : check_config(PG_GETARG_JSONB_P(3));
	if (!PG_ARGISNULL(4))
		check_tables(PG_GETARG_ARRAYTYPE_P(4));
	if (!PG_ARGISNULL(3) || !PG_ARGISNULL(4))
		check_names(config, PG_ARGISNULL(4) ? spec->tables : text_list(PG_GETARG_ARRAYTYPE_P(4)));
	/* what it has put into databases that are not its own any more */
	if (!PG_ARGISNULL(1) || !PG_ARGISNULL(2) ||
		(!PG_ARGISNULL(3) && !pythia_live_wanted(pythia_node_from_jsonb(PG_GETARG_JSONB_P(3)))))
		pythia_sync_live_leave(spec);
	if (!PG_ARGISNULL(5))
		check_schedule(PG_GETARG_INTERVAL_P(5), true);
	values[0] = Int32GetDatum(spec->worker_id);
	values[1] = CStringGetTextDatum(add_changed(fcinfo, 1, spec->name, "source", spec->source, spec->owner));
	values[2] = CStringGetTextDatum(add_changed(fcinfo, 2, spec->name, "target", spec->target, spec->owner));
	for (int i = 3; i < 6; i++)
	{
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
	}
	SPI_connect();
	pythia_catalog_execute(sql, 6, types, values, nulls);
	if (!PG_ARGISNULL(1) || !PG_ARGISNULL(2))
		pythia_catalog_execute(forget, 1, types, values, nulls);
	SPI_finish();
	CommandCounterIncrement();
	if (!PG_ARGISNULL(1))
		pythia_connection_note_owner(spec->worker_id, PYTHIA_USE_SOURCE);
	if (!PG_ARGISNULL(2))
		pythia_connection_note_owner(spec->worker_id, PYTHIA_USE_TARGET);
	CommandCounterIncrement();
	if (!PG_ARGISNULL(3))
		pythia_sync_config_idle(config, warn_idle, NULL);
	look(pythia_sync_spec_by_name(spec->name));
	pythia_wake_at_commit(spec->worker_id);
	PG_RETURN_VOID();
}

PYTHIA_VERB(pythia_drop_sync_worker)
{
	pythia_sync_spec *spec = pythia_sync_spec_by_name(pythia_argument_text(fcinfo, 0));

	pythia_sync_live_leave(spec);
	pythia_worker_drop(PYTHIA_JOB_SYNC, spec->name);
	pythia_connection_disown(spec->source, own_connection(spec->name, "source"), spec->owner);
	pythia_connection_disown(spec->target, own_connection(spec->name, "target"), spec->owner);
	PG_RETURN_VOID();
}

static void enable(const char *name, bool enabled)
{
	(void) DirectFunctionCall3(pythia_set_worker_enabled, CStringGetTextDatum("sync"), CStringGetTextDatum(name),
							   BoolGetDatum(enabled));
}

PYTHIA_VERB(pythia_start_sync)
{
	enable(pythia_argument_text(fcinfo, 0), true);
	PG_RETURN_VOID();
}

PYTHIA_VERB(pythia_stop_sync)
{
	enable(pythia_argument_text(fcinfo, 0), false);
	PG_RETURN_VOID();
}

static Datum column(int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, isnull);
}

/* `caller`: where the texts go; SPI's own memory ends with SPI_finish. */
static pythia_sync_spec *read_spec(MemoryContext caller)
{
	MemoryContext before = MemoryContextSwitchTo(caller);
	pythia_sync_spec *spec = palloc0(sizeof(pythia_sync_spec));
	bool isnull;
	Datum value;

	spec->worker_id = DatumGetInt32(column(1, &isnull));
	spec->name = TextDatumGetCString(column(2, &isnull));
	spec->owner = DatumGetObjectId(column(3, &isnull));
	spec->source = TextDatumGetCString(column(4, &isnull));
	spec->target = TextDatumGetCString(column(5, &isnull));
	value = column(6, &isnull);
	spec->live = pythia_live_wanted(pythia_node_from_jsonb(DatumGetJsonbP(value)));
	spec->config = config_tree(DatumGetJsonbP(value), &spec->live_options);
	value = column(7, &isnull);
	if (!isnull)
		spec->tables = text_list(DatumGetArrayTypeP(value));
	value = column(8, &isnull);
	spec->schedule_ms = isnull ? -1 : interval_ms(DatumGetIntervalP(value));
	value = column(9, &isnull);
	spec->enabled_at = isnull ? 0 : DatumGetTimestampTz(value);
	value = column(10, &isnull);
	spec->source_owner = isnull ? InvalidOid : DatumGetObjectId(value);
	value = column(11, &isnull);
	spec->target_owner = isnull ? InvalidOid : DatumGetObjectId(value);
	spec->default_schema = TextDatumGetCString(column(12, &isnull));
	MemoryContextSwitchTo(before);
	return spec;
}

pythia_sync_spec *pythia_sync_spec_by_name(const char *name)
{
	static const char sql[] =
		"SELECT w.worker_id, w.name, w.owner::pg_catalog.oid, s.source, s.target, s.sync_config, s.tables, "
		"s.schedule, w.enabled_at, s.source_owner::pg_catalog.oid, s.target_owner::pg_catalog.oid, "
		"s.default_schema FROM pythia.worker w "
		"JOIN pythia.sync_worker s USING (worker_id) "
		"WHERE w.worker_id = $1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(pythia_worker_lookup(PYTHIA_JOB_SYNC, name, NULL, NULL))};
	MemoryContext caller = CurrentMemoryContext;
	pythia_sync_spec *spec;

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	if (SPI_processed != 1)
		elog(ERROR, "sync worker \"%s\" has no row in pythia.sync_worker", name);
	spec = read_spec(caller);
	SPI_finish();
	return spec;
}

pythia_sync_spec *pythia_sync_spec_by_id(int32 worker_id)
{
	static const char sql[] =
		"SELECT w.worker_id, w.name, w.owner::pg_catalog.oid, s.source, s.target, s.sync_config, s.tables, "
		"s.schedule, w.enabled_at, s.source_owner::pg_catalog.oid, s.target_owner::pg_catalog.oid, "
		"s.default_schema FROM pythia.worker w "
		"JOIN pythia.sync_worker s USING (worker_id) "
		"WHERE w.worker_id = $1 AND w.enabled";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};
	MemoryContext caller = CurrentMemoryContext;
	pythia_sync_spec *spec = NULL;

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	if (SPI_processed == 1)
		spec = read_spec(caller);
	SPI_finish();
	return spec;
}

char *pythia_sync_spec_mark(int32 worker_id)
{
	static const char sql[] = "SELECT pg_catalog.concat(w.enabled_at, ' ', s::text) FROM pythia.worker w "
							  "JOIN pythia.sync_worker s USING (worker_id) WHERE w.worker_id = $1 AND w.enabled";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};
	MemoryContext caller = CurrentMemoryContext;
	char *mark = NULL;

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	if (SPI_processed == 1)
		mark = MemoryContextStrdup(caller, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	SPI_finish();
	return mark;
}

void pythia_sync_refuse_live(const pythia_sync_spec *spec)
{
	if (spec->live)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("sync worker \"%s\" is live", spec->name),
				 errdetail("Its background worker alone brings rows to the target, in windows."),
				 errhint("Start it with pythia.start_sync; pythia.stat_sync shows how far it is, and"
						 " pythia.validate_sync whether its tables are equal.")));
}

pythia_sync_spec *pythia_sync_spec_between(const char *source, const char *target, pythia_node *config)
{
	pythia_sync_spec *spec = palloc0(sizeof(pythia_sync_spec));

	spec->owner = GetUserId();
	spec->source = pstrdup(source);
	spec->target = pstrdup(target);
	spec->config = config;
	spec->schedule_ms = -1;
	return spec;
}
