/* Which tables of another database a worker captures, and their first state. */
#include "cdc_remote.h"

#include "bridge.h"
#include "catalog.h"
#include "catalog/pg_type.h"
#include "cdc_define.h"
#include "cdc_remote_internal.h"
#include "core/memory.h"
#include "dialect/dialect.h"
#include "executor/spi.h"
#include "utils/builtins.h"

static char *words(const char *text)
{
	return pstrdup(pythia_from_utf8(text));
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

static bool define(const pythia_cdc_worker *worker, pythia_db *db, const char *name, List **result, pythia_error *error)
{
	pythia_cdc_definition *definition = palloc0(sizeof(pythia_cdc_definition));
	char *timestamp_column = pythia_to_utf8(worker->timestamp_column);
	pythia_capture_config config;
	pythia_capture_table source = {0};

	if (!pythia_capture_config_read(worker->option_tree, name, &config, error) ||
		!pythia_capture_table_open(db, name, timestamp_column, &config, &source, error))
		return false;
	definition->name = words(name);
	definition->schema_name = words(source.table.schema);
	definition->table_name = words(source.table.name);
	definition->timestamp_column = words(stamp_name(&source, timestamp_column));
	definition->stamp_kind = PYTHIA_STAMP_NONE;
	definition->key = palloc(sizeof(char *) * Max(source.nkey, 1));
	for (int i = 0; i < source.nkey; i++)
		definition->key[definition->nkey++] = words(source.table.columns[source.columns[source.key[i]].position].name);
	if (!source.indexed && config.capture == PYTHIA_CAPTURE_POLL)
		ereport(WARNING, (errmsg("column \"%s\" of table \"%s\" has no index: every poll will read the whole table",
								 definition->timestamp_column, definition->name)));
	if (config.capture == PYTHIA_CAPTURE_TRIGGER && config.start == PYTHIA_START_AT)
	{
		pythia_capture_table_close(&source);
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "triggers cannot start from \"%s\"", config.start_at);
		return pythia_error_hint(error, "Start from \"now\" or \"beginning\".");
	}
	*result = lappend(*result, definition);
	pythia_capture_table_close(&source);
	return true;
}

static bool define_all(const pythia_cdc_worker *worker, pythia_db *db, List **result, pythia_error *error)
{
	ListCell *cell;

	foreach (cell, worker->patterns)
	{
		char **names;
		int count;
		bool ok = pythia_capture_names(db, pythia_to_utf8(lfirst(cell)), &names, &count, error);

		for (int i = 0; i < count; i++)
		{
			ok = ok && define(worker, db, names[i], result, error);
			pythia_free(names[i]);
		}
		pythia_free(names);
		if (!ok)
			return false;
	}
	return true;
}

List *pythia_remote_resolve(const pythia_cdc_worker *worker)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_target *target = pythia_remote_target(worker, worker->config.capture == PYTHIA_CAPTURE_TRIGGER);
	pythia_remote_source *source = pythia_remote_source_open(worker, target, &error);
	List *result = NIL;
	bool ok = source && define_all(worker, pythia_remote_source_db(source), &result, &error);

	pythia_remote_source_done(source, ok);
	if (!ok)
		pythia_raise(&error);
	if (result == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a CDC worker needs at least one table"),
						errhint("For example tables => '{orders}'.")));
	return result;
}

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
	SPI_connect();
	pythia_catalog_execute(sql, 3, types, values, nulls);
	SPI_finish();
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
