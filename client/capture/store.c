/*
 * The store: a worker's definition and state as tables of a SQLite database.
 * Everything here runs in a transaction of the caller's.
 */
#include "capture/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "core/number.h"

#define STORE_VERSION 1

static const char *const schema_sql[] = {
	"CREATE TABLE IF NOT EXISTS main.pythia_cdc_worker (worker_id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" name TEXT NOT NULL UNIQUE, connection TEXT, poll_interval REAL NOT NULL, timestamp_column TEXT NOT NULL,"
	" options TEXT NOT NULL, created_at TEXT NOT NULL, version INTEGER NOT NULL, patterns TEXT)",
	"CREATE TABLE IF NOT EXISTS main.pythia_cdc_table (table_id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" worker_id INTEGER NOT NULL REFERENCES pythia_cdc_worker, name TEXT NOT NULL, \"schema\" TEXT NOT NULL,"
	" \"table\" TEXT NOT NULL, started INTEGER NOT NULL DEFAULT 0, low, mark, mark_time INTEGER NOT NULL DEFAULT 0,"
	" saved_at INTEGER NOT NULL DEFAULT 0, last_sweep INTEGER NOT NULL DEFAULT 0, captured INTEGER NOT NULL DEFAULT 0,"
	" null_stamps INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'running', error TEXT, log TEXT, log_columns "
	"TEXT,"
	" UNIQUE (worker_id, name))",
	/* the last version captured of each row stamped at or after low */
	"CREATE TABLE IF NOT EXISTS main.pythia_seen (table_id INTEGER NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL,"
	" stamp, PRIMARY KEY (table_id, key)) WITHOUT ROWID",
	/* track keys: what keys there are; track rows: and how they looked */
	"CREATE TABLE IF NOT EXISTS main.pythia_tracked (table_id INTEGER NOT NULL, key TEXT NOT NULL, image TEXT,"
	" PRIMARY KEY (table_id, key)) WITHOUT ROWID",
	/* keys of a first scan, many to a row: they go to pythia_tracked when they are needed */
	"CREATE TABLE IF NOT EXISTS main.pythia_told (told_id INTEGER PRIMARY KEY, table_id INTEGER NOT NULL,"
	" keys TEXT NOT NULL)",
	"CREATE TABLE IF NOT EXISTS main.pythia_consumer (worker_id INTEGER NOT NULL REFERENCES pythia_cdc_worker,"
	" name TEXT NOT NULL, position INTEGER NOT NULL, lost INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL,"
	" acknowledged_at TEXT, PRIMARY KEY (worker_id, name)) WITHOUT ROWID",
	NULL,
};

void pythia_store_text(pythia_buffer *sql, const char *text)
{
	if (text)
		pythia_dialect_for(PYTHIA_SQLITE)->literal(sql, text, strlen(text));
	else
		pythia_buffer_puts(sql, "NULL");
}

bool pythia_store_run(pythia_db *store, pythia_buffer *sql, pythia_error *error)
{
	bool ok = pythia_db_exec(store, sql->data, NULL, error);

	pythia_buffer_free(sql);
	return ok;
}

bool pythia_store_exec(pythia_db *store, pythia_error *error, const char *format, ...)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	va_list args;

	va_start(args, format);
	pythia_buffer_vprintf(&sql, format, args);
	va_end(args);
	return pythia_store_run(store, &sql, error);
}

bool pythia_store_load(pythia_db *store, const char *sql, int ncolumns, const pythia_kind *kinds,
					   const pythia_rows_writer *rows, pythia_error *error)
{
	pythia_type types[16] = {{0}};
	const pythia_type *pointers[16];
	pythia_load load = {.table = "", .ncolumns = ncolumns, .types = pointers, .sql = sql};
	pythia_rows chunk = pythia_rows_view(rows);

	if (rows->count == 0)
		return true;
	for (int i = 0; i < ncolumns; i++)
	{
		types[i].kind = kinds[i];
		pointers[i] = &types[i];
	}
	if (!store->driver->load_begin(store, &load, error))
		return false;
	if (store->driver->load_put(store, &chunk, error))
		return store->driver->load_end(store, NULL, error);
	store->driver->load_abandon(store);
	return false;
}

void pythia_store_stamp(char out[32], int64_t microseconds)
{
	time_t seconds = (time_t) (microseconds / PYTHIA_SECOND);
	struct tm parts;
	size_t length;

	gmtime_r(&seconds, &parts);
	length = strftime(out, 32, "%Y-%m-%d %H:%M:%S", &parts);
	snprintf(out + length, 32 - length, ".%06d", (int) (microseconds % PYTHIA_SECOND));
}

bool pythia_store_tune(pythia_db *store, pythia_error *error)
{
	return store->local || store->read_only || store->engine != PYTHIA_SQLITE ||
		   (pythia_db_exec(store, "PRAGMA journal_mode = WAL", NULL, error) &&
			pythia_db_exec(store, "PRAGMA synchronous = NORMAL", NULL, error));
}

bool pythia_capture_install(pythia_db *store, pythia_error *error)
{
	if (store->engine != PYTHIA_SQLITE)
		return pythia_fail(error, PYTHIA_E_USAGE, "0A000", "capture keeps its state in SQLite, not in %s",
						   store->display);
	return pythia_db_exec_each(store, schema_sql, error);
}

/* --- definitions ---------------------------------------------------------------- */

static bool no_worker(pythia_db *store, const char *name, pythia_error *error)
{
	char *names;
	pythia_error ignored = PYTHIA_ERROR_INIT;

	pythia_fail(error, PYTHIA_E_USAGE, "42704", "CDC worker \"%s\" does not exist", name);
	if (!pythia_db_text(store, "SELECT group_concat(name, ', ') FROM main.pythia_cdc_worker", &names, &ignored) ||
		!names)
		pythia_error_hint(error, "Create it first; there is none yet.");
	else
		pythia_error_hint(error, "There is: %s.", names);
	pythia_free(names);
	pythia_error_reset(&ignored);
	return false;
}

void pythia_capture_settings_free(pythia_capture_settings *settings)
{
	pythia_free(settings->connection);
	pythia_free(settings->timestamp_column);
	pythia_free(settings->options);
	memset(settings, 0, sizeof(*settings));
}

bool pythia_capture_settings_read(pythia_db *store, const char *name, pythia_capture_settings *settings,
								  pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool installed;
	bool ok;

	memset(settings, 0, sizeof(*settings));
	if (!pythia_db_any(store, "SELECT 1 FROM main.sqlite_master WHERE name = 'pythia_consumer'", &installed, error) ||
		(!installed && !pythia_capture_install(store, error)))
		return false;
	pythia_buffer_puts(&sql, "SELECT worker_id, connection, timestamp_column, options, poll_interval"
							 " FROM main.pythia_cdc_worker WHERE name = ");
	pythia_store_text(&sql, name);
	ok = pythia_db_query(store, sql.data, "nTTtv", &result, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	if (result.nrows == 0)
	{
		pythia_result_free(&result);
		return no_worker(store, name, error);
	}
	settings->worker_id = pythia_result_number(&result, 0, 0);
	settings->connection = pythia_strdup(pythia_result_optional(&result, 0, 1));
	settings->timestamp_column = pythia_strdup(pythia_result_optional(&result, 0, 2));
	settings->options = pythia_strdup(pythia_result_text(&result, 0, 3));
	ok = pythia_double_read(pythia_result_text(&result, 0, 4), pythia_result_length(&result, 0, 4),
							&settings->poll_interval) ||
		 pythia_db_bad_answer(store, error, "an interval that is no number");
	pythia_result_free(&result);
	if (!ok)
		pythia_capture_settings_free(settings);
	return ok;
}

bool pythia_store_worker(pythia_db *store, const char *name, int64_t *worker_id, pythia_error *error)
{
	pythia_capture_settings settings;

	if (!pythia_capture_settings_read(store, name, &settings, error))
		return false;
	*worker_id = settings.worker_id;
	pythia_capture_settings_free(&settings);
	return true;
}

static bool insert_worker(pythia_db *store, const char *name, const char *connection, double poll_interval,
						  const char *timestamp_column, const char *options_json, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool exists;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT 1 FROM main.pythia_cdc_worker WHERE name = ");
	pythia_store_text(&sql, name);
	ok = pythia_db_any(store, sql.data, &exists, error);
	pythia_buffer_clear(&sql);
	if (ok && exists)
	{
		ok = pythia_fail(error, PYTHIA_E_USAGE, "42710", "CDC worker \"%s\" exists already", name);
		pythia_error_hint(error, "Drop it first, or choose another name.");
	}

	pythia_buffer_puts(&sql, "INSERT INTO main.pythia_cdc_worker (name, connection, poll_interval, timestamp_column,"
							 " options, created_at, version) VALUES (");
	pythia_store_text(&sql, name);
	pythia_buffer_puts(&sql, ", ");
	pythia_store_text(&sql, connection);
	pythia_buffer_printf(&sql, ", %.6f, ", poll_interval);
	pythia_store_text(&sql, timestamp_column);
	pythia_buffer_puts(&sql, ", ");
	pythia_store_text(&sql, options_json ? options_json : "{}");
	pythia_buffer_printf(&sql, ", strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'), %d)", STORE_VERSION);
	if (ok)
		return pythia_store_run(store, &sql, error);
	pythia_buffer_free(&sql);
	return false;
}

/* By the name it was given; its own names follow when it is described. */
bool pythia_store_table(pythia_db *store, int64_t worker_id, const char *name, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&sql,
						 "INSERT OR IGNORE INTO main.pythia_cdc_table (worker_id, name, \"schema\", \"table\")"
						 " VALUES (%lld, ",
						 (long long) worker_id);
	pythia_store_text(&sql, name);
	pythia_buffer_puts(&sql, ", '', '')");
	return pythia_store_run(store, &sql, error);
}

/* `schema.*`, or one table. */
static bool insert_tables(pythia_db *store, pythia_db *source, int64_t worker_id, const char *name, pythia_error *error)
{
	char **names;
	int count;
	bool ok = pythia_capture_names(source, name, &names, &count, error);

	for (int i = 0; i < count; i++)
	{
		ok = ok && pythia_store_table(store, worker_id, names[i], error);
		pythia_free(names[i]);
	}
	pythia_free(names);
	return ok;
}

/* A name a line: tables that come under `schema.*` later are captured, too. */
static bool store_patterns(pythia_db *store, int64_t worker_id, const char *const *tables, pythia_error *error)
{
	pythia_buffer patterns = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	for (int i = 0; tables[i]; i++)
		if (strlen(tables[i]) >= 3 && strcmp(tables[i] + strlen(tables[i]) - 2, ".*") == 0)
			pythia_buffer_printf(&patterns, "%s\n", tables[i]);
	if (patterns.length == 0)
		return true;
	pythia_buffer_puts(&sql, "UPDATE main.pythia_cdc_worker SET patterns = ");
	pythia_store_text(&sql, patterns.data);
	pythia_buffer_printf(&sql, " WHERE worker_id = %lld", (long long) worker_id);
	pythia_buffer_free(&patterns);
	return pythia_store_run(store, &sql, error);
}

static bool create_all(pythia_db *store, pythia_db *source, const char *name, const char *const *tables,
					   const char *connection, double poll_interval, const char *timestamp_column,
					   const pythia_node *options, const char *options_json, pythia_capture **capture,
					   pythia_error *error)
{
	int64_t worker_id;

	if (!insert_worker(store, name, connection, poll_interval, timestamp_column, options_json, error) ||
		!pythia_store_worker(store, name, &worker_id, error))
		return false;
	for (int i = 0; tables[i]; i++)
		if (!insert_tables(store, source, worker_id, tables[i], error))
			return false;
	if (!store_patterns(store, worker_id, tables, error))
		return false;
	if (!pythia_store_exec(store, error,
						   "CREATE TABLE main.pythia_journal_%lld (change_id INTEGER PRIMARY KEY AUTOINCREMENT,"
						   " table_id INTEGER NOT NULL, change_type TEXT NOT NULL, primary_key TEXT, old_data TEXT,"
						   " new_data TEXT, \"timestamp\" TEXT, transaction_id TEXT, captured_at TEXT NOT NULL)",
						   (long long) worker_id) ||
		!pythia_store_exec(store, error,
						   "INSERT INTO main.pythia_consumer (worker_id, name, position, created_at)"
						   " VALUES (%lld, 'default', 0, strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'))",
						   (long long) worker_id))
		return false;
	return pythia_capture_start(store, source, name, options, capture, error);
}

bool pythia_capture_create_open(pythia_db *store, pythia_db *source, const char *name, const char *const *tables,
								const char *connection, double poll_interval, const char *timestamp_column,
								const pythia_node *options, const char *options_json, pythia_capture **capture,
								pythia_error *error)
{
	pythia_capture_config config;

	*capture = NULL;

	if (!name || !name[0])
		return pythia_fail(error, PYTHIA_E_USAGE, "22023", "a CDC worker needs a name");
	if (!tables || !tables[0])
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "CDC worker \"%s\" has no tables", name);
		return pythia_error_hint(error, "Name at least one, or schema.* for all of a schema.");
	}
	if (!(poll_interval > 0))
		return pythia_fail(error, PYTHIA_E_USAGE, "22023", "the poll interval must be longer than nothing");
	if (!timestamp_column || !timestamp_column[0])
		timestamp_column = "updated_at";
	if (!pythia_capture_config_read(options, NULL, &config, error) ||
		!pythia_capture_config_names(options, tables, error) || !pythia_store_tune(store, error) ||
		!pythia_capture_install(store, error) || !store->driver->begin(store, PYTHIA_BEGIN_IMMEDIATE, error))
		return false;
	if (create_all(store, source, name, tables, connection, poll_interval, timestamp_column, options, options_json,
				   capture, error) &&
		store->driver->commit(store, error))
		return true;
	pythia_capture_close(*capture);
	*capture = NULL;
	if (!store->broken)
		store->driver->rollback(store, NULL);
	return false;
}

bool pythia_capture_create(pythia_db *store, pythia_db *source, const char *name, const char *const *tables,
						   const char *connection, double poll_interval, const char *timestamp_column,
						   const pythia_node *options, const char *options_json, pythia_error *error)
{
	pythia_capture *capture;

	if (!pythia_capture_create_open(store, source, name, tables, connection, poll_interval, timestamp_column, options,
									options_json, &capture, error))
		return false;
	pythia_capture_close(capture);
	return true;
}

static bool drop_all(pythia_db *store, int64_t worker_id, pythia_error *error)
{
	static const char *const by_table[] = {"pythia_seen", "pythia_tracked", "pythia_told"};
	static const char *const by_worker[] = {"pythia_consumer", "pythia_cdc_table", "pythia_cdc_worker"};
	long long id = worker_id;

	for (size_t i = 0; i < sizeof(by_table) / sizeof(by_table[0]); i++)
		if (!pythia_store_exec(store, error,
							   "DELETE FROM main.%s WHERE table_id IN"
							   " (SELECT table_id FROM main.pythia_cdc_table WHERE worker_id = %lld)",
							   by_table[i], id))
			return false;
	for (size_t i = 0; i < sizeof(by_worker) / sizeof(by_worker[0]); i++)
		if (!pythia_store_exec(store, error, "DELETE FROM main.%s WHERE worker_id = %lld", by_worker[i], id))
			return false;
	return pythia_store_exec(store, error, "DROP TABLE IF EXISTS main.pythia_journal_%lld", id);
}

static bool remove_triggers(pythia_db *store, pythia_db *source, int64_t worker_id, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result tables;
	bool ok;

	pythia_buffer_printf(&sql,
						 "SELECT \"schema\", \"table\", log FROM main.pythia_cdc_table"
						 " WHERE worker_id = %lld AND log IS NOT NULL",
						 (long long) worker_id);
	ok = pythia_db_query(store, sql.data, "Ttt", &tables, error);
	pythia_buffer_free(&sql);
	for (int64_t i = 0; ok && i < tables.nrows; i++)
	{
		if (source)
			ok = pythia_log_remove(source, pythia_result_optional(&tables, i, 0), pythia_result_text(&tables, i, 1),
								   pythia_result_text(&tables, i, 2), error);
		else
			pythia_host_log(
				store->host, PYTHIA_LOG_WARNING,
				"the triggers of %s.%s stay: drop those whose names begin with %s, then the table of that name",
				pythia_result_optional(&tables, i, 0) ? pythia_result_optional(&tables, i, 0) : "main",
				pythia_result_text(&tables, i, 1), pythia_result_text(&tables, i, 2));
	}
	pythia_result_free(&tables);
	return ok;
}

bool pythia_capture_drop(pythia_db *store, pythia_db *source, const char *name, pythia_error *error)
{
	int64_t worker_id;

	if (!pythia_store_worker(store, name, &worker_id, error) ||
		!store->driver->begin(store, PYTHIA_BEGIN_IMMEDIATE, error))
		return false;
	if (remove_triggers(store, source, worker_id, error) && drop_all(store, worker_id, error))
		return store->driver->commit(store, error);
	store->driver->rollback(store, NULL);
	return false;
}
