/*
 * The store: a worker's definition and state as tables of a SQLite database.
 * Everything here runs in a transaction of the caller's.
 */
#include "capture/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/home.h"
#include "core/memory.h"
#include "core/number.h"

static const char *const schema_sql[] = {
	"CREATE TABLE IF NOT EXISTS main.pythia_cdc_worker (worker_id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" name TEXT NOT NULL UNIQUE, connection TEXT, poll_interval REAL NOT NULL, timestamp_column TEXT NOT NULL,"
	" options TEXT NOT NULL, created_at TEXT NOT NULL, version INTEGER NOT NULL, patterns TEXT)",
	"CREATE TABLE IF NOT EXISTS main.pythia_cdc_table (table_id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" worker_id INTEGER NOT NULL, name TEXT NOT NULL, \"schema\" TEXT NOT NULL,"
	" \"table\" TEXT NOT NULL, started INTEGER NOT NULL DEFAULT 0, low, mark, mark_time INTEGER NOT NULL DEFAULT 0,"
	" saved_at INTEGER NOT NULL DEFAULT 0, last_sweep INTEGER NOT NULL DEFAULT 0, captured INTEGER NOT NULL DEFAULT 0,"
	" null_stamps INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'running', error TEXT, lost INTEGER NOT "
	"NULL DEFAULT 0, log TEXT, log_columns "
	"TEXT, key_form TEXT,"
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
	PYTHIA_HOME_TABLE,
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
	ok = pythia_db_query(store, sql.data, "nTttv", &result, error);
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
	settings->timestamp_column = pythia_strdup(pythia_result_text(&result, 0, 2));
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
