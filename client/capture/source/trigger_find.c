/* Where a log's triggers are: a table that was renamed has them still. */
#include <string.h>

#include "capture/internal.h"
#include "capture/source/first.h"
#include "core/memory.h"

static void put_query(const pythia_db *db, pythia_buffer *sql, const char *schema, const char *log)
{
	const pythia_dialect *dialect = pythia_dialect_of(db);
	pythia_buffer trigger = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&trigger, db->engine == PYTHIA_POSTGRESQL ? PYTHIA_TRIGGER_FIRST "%s_r" : "%s_i", log);
	if (db->engine == PYTHIA_MYSQL)
		pythia_buffer_puts(sql, "SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS"
								" WHERE TRIGGER_NAME = ");
	else if (db->engine == PYTHIA_SQLITE)
	{
		pythia_buffer_puts(sql, "SELECT ");
		dialect->literal(sql, schema, strlen(schema));
		pythia_buffer_puts(sql, ", tbl_name FROM ");
		dialect->identifier(sql, schema);
		pythia_buffer_puts(sql, ".sqlite_master WHERE type = 'trigger' AND name = ");
	}
	else
		pythia_buffer_puts(sql, "SELECT n.nspname, c.relname FROM pg_catalog.pg_trigger g"
								" JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid"
								" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
								" WHERE g.tgparentid = 0 AND g.tgname = ");
	dialect->literal(sql, trigger.data, trigger.length);
	pythia_buffer_free(&trigger);
}

bool pythia_log_find_table(pythia_db *db, const char *schema, const char *log, char **name, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer found = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	*name = NULL;
	put_query(db, &sql, schema && schema[0] ? schema : "main", log);
	ok = pythia_db_query(db, sql.data, "tt", &result, error);
	if (ok && result.nrows == 1)
	{
		pythia_dialect_table(pythia_dialect_for(PYTHIA_POSTGRESQL), &found, pythia_result_text(&result, 0, 0),
							 pythia_result_text(&result, 0, 1));
		*name = pythia_buffer_take(&found);
	}
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_log_table_open(pythia_db *db, pythia_descriptions *described, const char *name, const char *schema,
						   const char *log, const char *timestamp_column, const pythia_capture_config *config,
						   pythia_capture_table *table, pythia_error *error)
{
	pythia_error why = PYTHIA_ERROR_INIT;
	char *found = NULL;
	bool ok;

	if (pythia_capture_table_open(db, described, name, timestamp_column, config, table, &why))
		return true;
	if (!log || db->broken || strcmp(why.sqlstate, "42P01") != 0)
		return pythia_error_move(error, &why);
	ok = pythia_log_find_table(db, schema, log, &found, error);
	if (ok && !found)
		return pythia_error_move(error, &why);
	pythia_error_reset(&why);
	ok = ok && pythia_capture_table_open(db, NULL, found, timestamp_column, config, table, error);
	pythia_free(found);
	return ok;
}
