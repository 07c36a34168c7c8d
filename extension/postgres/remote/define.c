/* Which tables of another database a worker captures, and their first state. */
#include "postgres/remote/poll.h"

#include "access/xact.h"
#include "capture/discover.h"
#include "capture/fault.h"
#include "catalog/pg_type.h"
#include "core/memory.h"
#include "dialect/dialect.h"
#include "dialect/short_name.h"
#include "executor/spi.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/remote/internal.h"
#include "utils/builtins.h"

static char *words(const char *text)
{
	return pstrdup(text ? text : "");
}

/* The option's column where triggers do not need one: images may be compared without it. */
static const char *stamp_name(const pythia_capture_table *source, const char *wanted)
{
	int position;

	if (source->timestamp >= 0)
		return source->table.columns[source->columns[source->timestamp].position].name;
	position =
		pythia_table_column(&source->table, source->config.timestamp_column ? source->config.timestamp_column : wanted);
	return position >= 0 ? source->table.columns[position].name : "";
}

static bool check_start(const pythia_capture_config *config, pythia_error *error)
{
	if (config->capture != PYTHIA_CAPTURE_TRIGGER || config->start != PYTHIA_START_AT)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "triggers cannot start from \"%s\"", config->start_at);
	return pythia_error_hint(error, "Start from \"now\" or \"beginning\".");
}

/* In UTF-8, as everything in the engine: a transaction is needed to say it otherwise. */
static pythia_cdc_definition *define(const pythia_cdc_worker *worker, pythia_db *db, pythia_descriptions *described,
									 const char *timestamp_column, const char *name, pythia_error *error)
{
	pythia_cdc_definition *definition = palloc0(sizeof(pythia_cdc_definition));
	pythia_capture_config config;
	pythia_capture_table source = {0};

	if (!pythia_capture_config_read(worker->option_tree, name, &config, error) || !check_start(&config, error) ||
		!pythia_capture_table_open(db, described, name, timestamp_column, &config, &source, error))
		return NULL;
	definition->name = words(name);
	definition->schema_name = words(source.table.schema);
	definition->table_name = words(source.table.name);
	definition->timestamp_column = words(stamp_name(&source, timestamp_column));
	definition->stamp_kind = PYTHIA_STAMP_NONE;
	definition->key = palloc(sizeof(char *) * Max(source.nkey, 1));
	for (int i = 0; i < source.nkey; i++)
		definition->key[definition->nkey++] = words(source.table.columns[source.columns[source.key[i]].position].name);
	definition->unindexed = config.capture == PYTHIA_CAPTURE_POLL && !source.indexed;
	pythia_capture_table_close(&source);
	return definition;
}

static void localize(pythia_cdc_definition *definition)
{
	definition->name = pythia_from_utf8(definition->name);
	definition->schema_name = pythia_from_utf8(definition->schema_name);
	definition->table_name = pythia_from_utf8(definition->table_name);
	definition->timestamp_column = pythia_from_utf8(definition->timestamp_column);
	definition->unfit = pythia_message_from_utf8(definition->unfit);
	for (int i = 0; i < definition->nkey; i++)
		definition->key[i] = pythia_from_utf8(definition->key[i]);
	if (definition->unindexed)
		ereport(WARNING, (errmsg("column \"%s\" of table \"%s\" has no index: every poll will read the whole table",
								 definition->timestamp_column,
								 pythia_name_shown(definition->name, (char[PYTHIA_NAME_ROOM]){0}))));
}

static bool define_all(const pythia_cdc_worker *worker, pythia_db *db, List **result, pythia_error *error)
{
	char *timestamp_column = pythia_to_utf8(worker->timestamp_column);
	ListCell *cell;

	foreach (cell, worker->patterns)
	{
		char **names;
		int count;
		pythia_descriptions *described = NULL;
		bool ok = pythia_discover(db, pythia_to_utf8(lfirst(cell)), false, &names, &count, error) &&
				  pythia_describe_many(db, (const char *const *) names, count, &described, error);

		for (int i = 0; i < count; i++)
		{
			pythia_cdc_definition *definition =
				ok ? define(worker, db, described, timestamp_column, names[i], error) : NULL;

			ok = definition != NULL;
			if (ok)
				*result = lappend(*result, definition);
			pythia_free(names[i]);
		}
		pythia_free(names);
		pythia_descriptions_free(described);
		if (!ok)
			return false;
	}
	return true;
}

List *pythia_remote_resolve(const pythia_cdc_worker *worker)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_endpoint *target = pythia_remote_target(worker, worker->config.capture == PYTHIA_CAPTURE_TRIGGER);
	pythia_remote_source *source = pythia_remote_source_open(worker, target, &error);
	List *result = NIL;
	ListCell *cell;
	bool ok = source && define_all(worker, pythia_remote_source_db(source), &result, &error);

	pythia_remote_source_done(source, ok);
	if (!ok)
		pythia_raise(&error);
	foreach (cell, result)
		localize(lfirst(cell));
	if (result == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a CDC worker needs at least one table"),
						errhint("For example tables => '{orders}'.")));
	return result;
}

/* ---- tables that come under a pattern later ---- */

/* As pythia_discover spells it. */
static char *spelled(const char *schema, const char *table)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	char *result;

	pythia_dialect_table(pythia_dialect_for(PYTHIA_SQLITE), &name, schema, table);
	result = pstrdup(name.data);
	pythia_buffer_free(&name);
	return result;
}

void pythia_remote_note_known(const pythia_cdc_worker *worker, pythia_remote_known *known)
{
	ListCell *cell;

	memset(known, 0, sizeof(*known));
	foreach (cell, worker->patterns)
	{
		char *pattern = pythia_to_utf8(lfirst(cell));

		if (pythia_name_is_pattern(pattern))
			known->patterns = lappend(known->patterns, pattern);
	}
	for (int i = 0; known->patterns != NIL && i < worker->ntables; i++)
		known->names =
			lappend(known->names, pythia_to_utf8(spelled(worker->tables[i].schema_name, worker->tables[i].table_name)));
}

static bool is_known(const pythia_remote_known *known, const char *name)
{
	ListCell *cell;

	foreach (cell, known->names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

/* A table that does not fit is remembered, too, with the reason. */
static pythia_cdc_definition *define_found(const pythia_cdc_worker *worker, pythia_db *db, const char *name,
										   pythia_error *error)
{
	pythia_cdc_definition *definition = define(worker, db, NULL, worker->timestamp_column, name, error);
	char *schema = NULL;
	char *table = NULL;

	if (definition || db->broken || pythia_fault_of(error) != PYTHIA_FAULT_TABLE)
		return definition;
	definition = palloc0(sizeof(pythia_cdc_definition));
	definition->unfit = words(error->message);
	pythia_error_reset(error);
	if (!pythia_name_parse(name, &schema, &table, error))
		return NULL;
	definition->name = words(name);
	definition->schema_name = words(schema);
	definition->table_name = words(table);
	definition->timestamp_column = words("");
	pythia_free(schema);
	pythia_free(table);
	return definition;
}

bool pythia_remote_find(const pythia_cdc_worker *worker, pythia_remote_source *source, const pythia_remote_known *known,
						List **found, pythia_error *error)
{
	pythia_db *db = pythia_remote_source_db(source);
	ListCell *cell;

	*found = NIL;
	foreach (cell, known->patterns)
	{
		char **names;
		int count;
		bool ok = pythia_discover(db, lfirst(cell), true, &names, &count, error);

		for (int i = 0; i < count; i++)
		{
			if (ok && !is_known(known, names[i]))
			{
				pythia_cdc_definition *definition = define_found(worker, db, names[i], error);

				ok = definition != NULL;
				if (ok)
					*found = lappend(*found, definition);
			}
			pythia_free(names[i]);
		}
		pythia_free(names);
		if (!ok)
			return false;
	}
	return true;
}

void pythia_remote_add_discovered(const pythia_cdc_worker *worker, List *found)
{
	ListCell *cell;

	foreach (cell, found)
	{
		pythia_cdc_definition *definition = lfirst(cell);
		pythia_cdc_table table = {.config = worker->config};

		localize(definition);
		table.name = definition->name;
		table.table_id = pythia_cdc_insert_table(worker->worker_id, definition);
		CommandCounterIncrement();
		/* what is in it came after the worker did */
		pythia_remote_prepare(&table, "beginning");
		CommandCounterIncrement();
		if (definition->unfit)
			pythia_cdc_give_up(worker, &table, definition->unfit);
	}
}

/* ---- state ---- */

void pythia_remote_prepare(pythia_cdc_table *table, const char *start_as)
{
	static const char sql[] = "INSERT INTO pythia.cdc_state (table_id, started, start_as, log_name, log_columns) "
							  "VALUES ($1, false, $2, $3, '') ON CONFLICT (table_id) DO NOTHING";
	Oid types[] = {INT4OID, TEXTOID, TEXTOID};
	Datum values[3];
	char nulls[] = "   ";

	table->has_state = true;
	table->active = true;
	table->started = false;
	if (table->config.capture == PYTHIA_CAPTURE_TRIGGER)
	{
		char *name = pythia_log_name();

		table->log_name = pstrdup(name);
		table->log_columns = pstrdup("");
		pythia_free(name);
	}
	values[0] = Int32GetDatum(table->table_id);
	nulls[1] = start_as ? ' ' : 'n';
	values[1] = start_as ? CStringGetTextDatum(start_as) : (Datum) 0;
	nulls[2] = table->log_name ? ' ' : 'n';
	values[2] = table->log_name ? CStringGetTextDatum(table->log_name) : (Datum) 0;
	pythia_catalog_run(sql, 3, types, values, nulls);
}

void pythia_remote_forget(const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	static const char *const statements[] = {"DELETE FROM pythia.remote_row WHERE table_id OPERATOR(pg_catalog.=) $1",
											 "DELETE FROM pythia.remote_told WHERE table_id OPERATOR(pg_catalog.=) $1",
											 "DELETE FROM pythia.cdc_state WHERE table_id OPERATOR(pg_catalog.=) $1"};
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(table->table_id)};

	if (table->log_name)
		pythia_remote_triggers_go(worker, table);
	SPI_connect();
	for (size_t i = 0; i < lengthof(statements); i++)
		pythia_catalog_execute(statements[i], 1, types, values, NULL);
	SPI_finish();
}
