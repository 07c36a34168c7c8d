/* Creating, changing and dropping CDC workers. */
#include "postgres/capture/catalog.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "core/text.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postgres/base/bridge.h"
#include "postgres/base/arguments.h"
#include "postgres/base/catalog.h"
#include "postgres/base/jsonb_node.h"
#include "postgres/base/object_owner.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/base/verb.h"
#include "postgres/capture/define.h"
#include "postgres/capture/identity.h"
#include "postgres/capture/low_water.h"
#include "postgres/capture/start.h"
#include "postgres/capture/track.h"
#include "postgres/capture/trigger.h"
#include "postgres/connection/connection.h"
#include "postgres/jobs/dispatch.h"
#include "postgres/jobs/handler.h"
#include "postgres/journal/consume.h"
#include "postgres/remote/poll.h"
#include "postgres/worker/home.h"
#include "postgres/worker/worker.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/regproc.h"
#include "utils/timestamp.h"

extern Datum pythia_set_worker_enabled(PG_FUNCTION_ARGS);

/* Of another database they are started together, by a poll. */
static void start_table(pythia_cdc_worker *worker, pythia_cdc_table *table)
{
	if (worker->connection)
		pythia_remote_prepare(table, table->config.start == PYTHIA_START_NOW ? "now" : NULL);
	else
		pythia_cdc_start_table(worker, table);
}

static List *resolve(const pythia_cdc_worker *worker)
{
	return worker->connection ? pythia_remote_resolve(worker) : pythia_cdc_resolve(worker);
}

static char *handler_name(Oid function)
{
	pythia_cdc_check_handler(function);
	return format_procedure_qualified(function);
}

/* Whose function is meant: one of the same name that comes in its place may be another role's. */
static Datum handler_owner(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? (Datum) 0 : ObjectIdGetDatum(pythia_function_owner(PG_GETARG_OID(argument)));
}

/* ---- creating ---- */

static void check_interval(Datum value)
{
	Interval *interval = DatumGetIntervalP(value);

	if (interval->time + (interval->day + interval->month * (int64) DAYS_PER_MONTH) * USECS_PER_DAY <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("poll_interval must be longer than nothing"),
						errhint("For example poll_interval => '1 s'.")));
}

/* Gives the retention: seconds, or negative where they say none. */
static double check_options(Jsonb *options)
{
	pythia_capture_config config;
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("options must be a JSON object"),
						errhint("For example options => '{\"track\": \"rows\"}'.")));
	pythia_argument_bound((struct varlena *) options, "options");
	if (!pythia_capture_config_read(pythia_node_from_jsonb(options), NULL, &config, &error))
		pythia_raise(&error);
	pythia_check_time_zone(config.time_zone);
	if (config.retention > pythia_guc_max_retention * 60.0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"retention\": it is longer than this server keeps changes"),
			 errdetail("pythia_db.max_retention is %s.", GetConfigOptionByName("pythia_db.max_retention", NULL, false)),
			 errhint("Give a shorter time, or let the server's administrator raise pythia_db.max_retention.")));
	return config.retention;
}

/* Where whoever keeps the journal finds it: he reads no other worker's options. */
static void note_retention(int32 worker_id, double seconds)
{
	static const char sql[] = "UPDATE pythia.cdc_worker SET retention = $2 WHERE worker_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID, FLOAT8OID};
	Datum values[] = {Int32GetDatum(worker_id), Float8GetDatum(seconds)};

	pythia_catalog_run(sql, 2, types, values, seconds < 0 ? " n" : NULL);
}

/* Options by table are for tables that the worker has. */
static void check_names(const pythia_cdc_worker *worker)
{
	const char **tables = palloc0(sizeof(char *) * (list_length(worker->patterns) + 1));
	pythia_error error = PYTHIA_ERROR_INIT;
	ListCell *cell;
	int count = 0;

	foreach (cell, worker->patterns)
		tables[count++] = pythia_to_utf8(lfirst(cell));
	if (!pythia_capture_config_names(worker->option_tree, tables, &error))
		pythia_raise(&error);
}

static void warn_idle(void *context, const char *option, const char *why)
{
	ereport(WARNING, (errmsg("option \"%s\" has no effect: %s", option, why)));
}

/* Name of a connection made for a worker that was given a URL. */
static char *suggested_connection(const char *worker)
{
	return psprintf("%s_cdc", worker);
}

PYTHIA_VERB(pythia_create_cdc_worker)
{
	static const char sql[] = "INSERT INTO pythia.cdc_worker (worker_id, tables, connection, poll_interval, "
							  "timestamp_column, handler, options, handler_owner) "
							  "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
	Oid types[] = {INT4OID, TEXTARRAYOID, TEXTOID, INTERVALOID, TEXTOID, TEXTOID, JSONBOID, OIDOID};
	Datum values[8];
	char nulls[] = "        ";
	pythia_cdc_worker *worker;
	List *definitions;
	ListCell *cell;
	double retention;
	char *name;
	int32 worker_id;

	pythia_argument_needed(fcinfo, 0);
	pythia_argument_needed(fcinfo, 1);
	pythia_argument_needed(fcinfo, 3);
	pythia_argument_needed(fcinfo, 4);
	pythia_cdc_refuse_standby();
	check_interval(PG_GETARG_DATUM(3));
	if (PG_ARGISNULL(6))
		values[6] = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
	else
		values[6] = PG_GETARG_DATUM(6);
	retention = check_options(DatumGetJsonbP(values[6]));
	values[5] = PG_ARGISNULL(5) ? (Datum) 0 : CStringGetTextDatum(handler_name(PG_GETARG_OID(5)));
	values[7] = handler_owner(fcinfo, 5);

	name = pythia_argument_text(fcinfo, 0);
	worker_id = pythia_worker_create(PYTHIA_JOB_CDC, name);
	values[0] = Int32GetDatum(worker_id);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = (Datum) 0;
	values[3] = PG_GETARG_DATUM(3);
	values[4] = PG_GETARG_DATUM(4);
	nulls[2] = 'n';
	if (!PG_ARGISNULL(2) && strcmp(pythia_argument_text(fcinfo, 2), "local") != 0)
	{
		/* what is written down holds no secret */
		values[2] =
			CStringGetTextDatum(pythia_connection_adopt(pythia_argument_text(fcinfo, 2), suggested_connection(name)));
		nulls[2] = ' ';
	}
	nulls[5] = nulls[7] = PG_ARGISNULL(5) ? 'n' : ' ';
	pythia_catalog_run(sql, 8, types, values, nulls);
	CommandCounterIncrement();
	note_retention(worker_id, retention);
	pythia_connection_note_owner(worker_id, PYTHIA_USE_CAPTURE);
	CommandCounterIncrement();

	worker = pythia_cdc_reload(worker_id, name);
	check_names(worker);
	pythia_capture_config_idle(worker->option_tree, !PG_ARGISNULL(5), warn_idle, NULL);
	definitions = resolve(worker);
	foreach (cell, definitions)
		(void) pythia_cdc_insert_table(worker_id, lfirst(cell));
	CommandCounterIncrement();
	worker = pythia_cdc_reload(worker_id, name);
	for (int i = 0; i < worker->ntables; i++)
		start_table(worker, &worker->tables[i]);
	if (worker->connection)
		(void) pythia_cdc_poll(worker, false);
	if (worker->handler)
	{
		pythia_mark beginning = pythia_mark_beginning(0);

		(void) pythia_consumer_add(worker_id, PYTHIA_HANDLER_CONSUMER, &beginning, 0);
	}
	PG_RETURN_INT32(worker_id);
}

/* ---- changing ---- */

/* Whether what was recorded of a table still holds under its new definition. */
static bool same_table(const pythia_cdc_table *old, const pythia_cdc_table *now)
{
	if (old->active && !now->relation && !pythia_same_text(old->config.where, now->config.where))
		return false;
	/* one that stopped goes on where it did, whatever it takes now */
	if (old->active && !pythia_same_text(old->condition, now->condition))
		return false;
	if (old->stamp_kind != now->stamp_kind || !pythia_same_text(old->timestamp_column, now->timestamp_column) ||
		old->nkey != now->nkey || old->by_hash != now->by_hash || old->config.track != now->config.track ||
		old->config.capture != now->config.capture)
		return false;
	for (int i = 0; i < old->nkey; i++)
		if (strcmp(old->key[i], now->key[i]) != 0)
			return false;
	return true;
}

static const pythia_cdc_table *find_by_id(const pythia_cdc_worker *worker, int32 table_id)
{
	for (int i = 0; i < worker->ntables; i++)
		if (worker->tables[i].table_id == table_id)
			return &worker->tables[i];
	return NULL;
}

static bool wanted(List *definitions, const pythia_cdc_table *table)
{
	ListCell *cell;

	foreach (cell, definitions)
	{
		pythia_cdc_definition *definition = lfirst(cell);

		if (strcmp(definition->schema_name, table->schema_name) == 0 &&
			strcmp(definition->table_name, table->table_name) == 0)
			return true;
	}
	return false;
}

static void remove_table(const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	static const char sql[] = "DELETE FROM pythia.cdc_table WHERE table_id OPERATOR(pg_catalog.=) $1";
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(table->table_id)};

	if (worker->connection)
		pythia_remote_forget(worker, table);
	else
	{
		pythia_trigger_remove(table);
		pythia_track_drop(table->table_id);
	}
	pythia_catalog_run(sql, 1, types, values, NULL);
}

/* Before tables go or begin anew: what has been one of them is let go, too. */
static void leave_elsewhere(const pythia_cdc_worker *old, List *definitions, const pythia_cdc_worker *now)
{
	pythia_cdc_table *leaving = palloc((old->ntables + 1) * sizeof(pythia_cdc_table));
	int count = 0;

	for (int i = 0; i < old->ntables && !old->connection; i++)
	{
		const pythia_cdc_table *table = find_by_id(now, old->tables[i].table_id);

		if (!wanted(definitions, &old->tables[i]) || (table && !same_table(&old->tables[i], table)))
			leaving[count++] = old->tables[i];
	}
	if (count > 0)
		pythia_trigger_remove_elsewhere(leaving, count);
}

/* Brings the tables of a worker in line with its settings; `old` is what it was. */
static void reconcile(const pythia_cdc_worker *old, int32 worker_id)
{
	pythia_cdc_worker *worker = pythia_cdc_reload(worker_id, old->name);
	List *definitions = resolve(worker);
	ListCell *cell;

	foreach (cell, definitions)
		(void) pythia_cdc_insert_table(worker_id, lfirst(cell));
	CommandCounterIncrement();
	leave_elsewhere(old, definitions, pythia_cdc_reload(worker_id, old->name));
	for (int i = 0; i < old->ntables; i++)
		if (!wanted(definitions, &old->tables[i]))
			remove_table(old, &old->tables[i]);
	CommandCounterIncrement();
	worker = pythia_cdc_reload(worker_id, old->name);
	for (int i = 0; i < worker->ntables; i++)
	{
		pythia_cdc_table *table = &worker->tables[i];
		const pythia_cdc_table *before = find_by_id(old, table->table_id);

		if (before && same_table(before, table))
			continue;
		if (before)
		{
			/* what was there until now has been polled already */
			table->config.start = PYTHIA_START_NOW;
			if (worker->connection)
				pythia_remote_forget(old, before);
			else
			{
				pythia_track_drop(table->table_id);
				pythia_trigger_remove(before);
			}
		}
		start_table(worker, table);
	}
	if (worker->connection)
		(void) pythia_cdc_poll(worker, false);
}

/* Columns left out, say, are left out by every writer from the commit on. */
static void refresh_triggers(int32 worker_id, const char *name)
{
	pythia_cdc_worker *worker = pythia_cdc_reload(worker_id, name);

	for (int i = 0; i < worker->ntables && !worker->connection; i++)
		if (worker->tables[i].config.capture == PYTHIA_CAPTURE_TRIGGER)
			pythia_trigger_refresh(&worker->tables[i]);
}

PYTHIA_VERB(pythia_alter_cdc_worker)
{
	static const char sql[] =
		"UPDATE pythia.cdc_worker SET tables = COALESCE($2, tables), poll_interval = COALESCE($3, poll_interval), "
		"timestamp_column = COALESCE($4, timestamp_column), handler = COALESCE($5, handler), "
		"handler_owner = COALESCE($7::pythia.role, handler_owner), "
		"options = CASE WHEN $6 IS NULL THEN options ELSE options OPERATOR(pg_catalog.||) $6 END "
		"WHERE worker_id OPERATOR(pg_catalog.=) $1 RETURNING options";
	Oid types[] = {INT4OID, TEXTARRAYOID, INTERVALOID, TEXTOID, TEXTOID, JSONBOID, OIDOID};
	Datum values[7];
	char nulls[] = "       ";
	pythia_cdc_worker *old;
	Jsonb *options;
	double retention;
	char *name;
	int32 worker_id;
	bool isnull;

	pythia_argument_needed(fcinfo, 0);
	pythia_cdc_refuse_standby();
	name = pythia_argument_text(fcinfo, 0);
	worker_id = pythia_worker_lookup(PYTHIA_JOB_CDC, name, NULL, NULL);
	pythia_cdc_lock_soon(worker_id, name, false);
	if (!PG_ARGISNULL(2))
		check_interval(PG_GETARG_DATUM(2));
	if (!PG_ARGISNULL(5) && !JB_ROOT_IS_OBJECT(DatumGetJsonbP(PG_GETARG_DATUM(5))))
		(void) check_options(DatumGetJsonbP(PG_GETARG_DATUM(5)));
	old = pythia_cdc_reload(worker_id, name);
	if (old->connection)
		pythia_home_require(worker_id);
	(void) pythia_cdc_poll(old, true);
	/* a handler that comes later begins with what comes later */
	if (!old->handler && !PG_ARGISNULL(4))
	{
		pythia_mark now = pythia_mark_now();

		(void) pythia_consumer_add(worker_id, PYTHIA_HANDLER_CONSUMER, &now, 0);
	}
	values[0] = Int32GetDatum(worker_id);
	for (int i = 1; i < 6; i++)
	{
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
	}
	if (!PG_ARGISNULL(4))
		values[4] = CStringGetTextDatum(handler_name(PG_GETARG_OID(4)));
	values[6] = handler_owner(fcinfo, 4);
	nulls[6] = nulls[4];
	SPI_connect();
	pythia_catalog_execute(sql, 7, types, values, nulls);
	options = DatumGetJsonbPCopy(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	retention = check_options(options);
	SPI_finish();
	CommandCounterIncrement();
	note_retention(worker_id, retention);
	/* tables that go leave their options behind */
	if (!PG_ARGISNULL(5))
	{
		const pythia_cdc_worker *now = pythia_cdc_reload(worker_id, name);

		check_names(now);
		pythia_capture_config_idle(now->option_tree, now->handler != NULL, warn_idle, NULL);
	}
	reconcile(old, worker_id);
	refresh_triggers(worker_id, name);
	pythia_wake_at_commit(worker_id);
	PG_RETURN_VOID();
}

/* ---- dropping ---- */

PYTHIA_VERB(pythia_drop_cdc_worker)
{
	static const char forget[] = "DELETE FROM pythia.journal WHERE worker_id OPERATOR(pg_catalog.=) $1";
	char *name = pythia_argument_text(fcinfo, 0);
	int32 worker_id = pythia_worker_lookup(PYTHIA_JOB_CDC, name, NULL, NULL);
	pythia_cdc_worker *worker;
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	pythia_cdc_lock_soon(worker_id, name, true);
	worker = pythia_cdc_load(worker_id);
	if (worker && !worker->connection)
		pythia_trigger_remove_elsewhere(worker->tables, worker->ntables);
	for (int i = 0; worker && i < worker->ntables; i++)
	{
		if (worker->connection)
		{
			pythia_remote_forget(worker, &worker->tables[i]);
			continue;
		}
		pythia_trigger_remove(&worker->tables[i]);
		pythia_track_drop(worker->tables[i].table_id);
	}
	pythia_catalog_run(forget, 1, types, values, NULL);
	pythia_worker_drop(PYTHIA_JOB_CDC, name);
	if (worker && worker->connection)
		pythia_connection_disown(worker->connection, suggested_connection(name), worker->owner);
	PG_RETURN_VOID();
}

/* ---- starting and stopping ---- */

static void enable(const char *name, bool enabled)
{
	(void) DirectFunctionCall3(pythia_set_worker_enabled, CStringGetTextDatum("cdc"), CStringGetTextDatum(name),
							   BoolGetDatum(enabled));
}

/* A trigger that is gone or disabled is put back, where the worker's owner may have one there. */
static void mend_triggers(int32 worker_id, const char *name)
{
	pythia_cdc_worker *worker = pythia_cdc_reload(worker_id, name);
	pythia_cdc_table *mended = palloc((worker->ntables + 1) * sizeof(pythia_cdc_table));
	int count = 0;

	for (int i = 0; i < worker->ntables && !worker->connection; i++)
	{
		pythia_cdc_table *table = &worker->tables[i];
		Oid relid;

		/* that its trigger is gone may have been noticed by nobody yet */
		if (table->config.capture != PYTHIA_CAPTURE_TRIGGER || (table->active && !pythia_trigger_fault(worker, table)))
			continue;
		relid = pythia_cdc_relid(table);
		if (OidIsValid(relid) && !pythia_cdc_closed_to(relid, worker->owner))
			mended[count++] = *table;
	}
	if (count > 0)
		pythia_trigger_remove_elsewhere(mended, count);
	for (int i = 0; i < count; i++)
		pythia_trigger_install(&mended[i]);
}

PYTHIA_VERB(pythia_start_cdc)
{
	static const char sql[] =
		"UPDATE pythia.cdc_state s SET active = true, reason = NULL, "
		"relid = COALESCE(pg_catalog.to_regclass(t.relation)::pg_catalog.oid, s.relid), "
		"start_as = CASE WHEN s.started AND s.log_name IS NOT NULL THEN 'now' ELSE s.start_as END "
		"FROM pythia.cdc_table t WHERE t.table_id OPERATOR(pg_catalog.=) s.table_id "
		"AND t.worker_id OPERATOR(pg_catalog.=) $1 AND (NOT s.active OR s.log_name IS NOT NULL)";
	char *name = pythia_argument_text(fcinfo, 0);
	int32 worker_id = pythia_worker_lookup(PYTHIA_JOB_CDC, name, NULL, NULL);
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(worker_id)};

	pythia_cdc_refuse_standby();
	pythia_home_require(worker_id);
	mend_triggers(worker_id, name);
	pythia_cdc_accept_owners(worker_id, 0);
	pythia_catalog_run(sql, 1, types, values, NULL);
	CommandCounterIncrement();
	refresh_triggers(worker_id, name);
	enable(name, true);
	PG_RETURN_VOID();
}

PYTHIA_VERB(pythia_stop_cdc)
{
	enable(pythia_argument_text(fcinfo, 0), false);
	PG_RETURN_VOID();
}
