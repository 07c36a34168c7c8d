/* Creating, changing and dropping a worker. */
#include "capture/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/discover.h"
#include "capture/home.h"
#include "core/memory.h"
#include "dialect/dialect.h"

#define STORE_VERSION 1

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

/* `schema.*`, or one table. */
static bool insert_tables(pythia_db *store, pythia_db *source, int64_t worker_id, const char *name, pythia_error *error)
{
	char **names;
	int count;
	bool ok = pythia_discover(source, name, false, &names, &count, error);

	for (int i = 0; i < count; i++)
	{
		ok = ok && pythia_store_table(store, worker_id, names[i], error);
		pythia_free(names[i]);
	}
	pythia_free(names);
	return ok;
}

bool pythia_store_patterns(pythia_db *store, int64_t worker_id, const char *const *tables, pythia_error *error)
{
	pythia_buffer patterns = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	for (int i = 0; tables[i]; i++)
		if (pythia_name_is_pattern(tables[i]))
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
	if (!pythia_store_patterns(store, worker_id, tables, error) ||
		!pythia_store_home_note(store, PYTHIA_HOME_CDC, name, true, error))
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
		/* of tables that were taken out the number is negative */
		if (!pythia_store_exec(store, error, "DELETE FROM main.%s WHERE worker_id IN (%lld, %lld)", by_worker[i], id,
							   -id))
			return false;
	return pythia_store_exec(store, error, "DROP TABLE IF EXISTS main.pythia_journal_%lld", id);
}

/* held: they are those of the original */
static bool remove_triggers(pythia_db *store, pythia_db *source, int64_t worker_id, bool held, pythia_error *error)
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
		if (held)
			pythia_host_log(store->host, PYTHIA_LOG_WARNING,
							"the triggers of %s.%s stay: the worker is held, and they belong to the original",
							pythia_result_optional(&tables, i, 0) ? pythia_result_optional(&tables, i, 0) : "main",
							pythia_result_text(&tables, i, 1));
		else if (source)
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
	pythia_capture_settings settings;
	int64_t worker_id;
	bool held = false;
	bool ok;

	if (!pythia_capture_settings_read(store, name, &settings, error))
		return false;
	worker_id = settings.worker_id;
	ok = !settings.connection || pythia_store_home_held(store, PYTHIA_HOME_CDC, name, &held, error);
	pythia_capture_settings_free(&settings);
	if (!ok || !store->driver->begin(store, PYTHIA_BEGIN_IMMEDIATE, error))
		return false;
	if (remove_triggers(store, source, worker_id, held, error) &&
		pythia_store_home_forget(store, PYTHIA_HOME_CDC, name, error) && drop_all(store, worker_id, error))
		return store->driver->commit(store, error);
	store->driver->rollback(store, NULL);
	return false;
}
