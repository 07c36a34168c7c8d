#include "worker.h"

SQLITE_EXTENSION_INIT3

#include <string.h>

#include "capture/home.h"
#include "core/memory.h"
#include "dialect/dialect.h"
#include "core/json_read.h"
#include "validate/validate.h"

#define NOW "strftime('%Y-%m-%d %H:%M:%f', 'now')"

static const char *const ddl[] = {
	"CREATE TABLE IF NOT EXISTS main.pythia_sync_worker ("
	" name TEXT PRIMARY KEY NOT NULL, source TEXT, target TEXT, sync_config TEXT NOT NULL DEFAULT '{}',"
	" tables TEXT, schedule REAL, created_at TEXT NOT NULL DEFAULT (" NOW ")) WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS main.pythia_sync_state ("
	" worker TEXT NOT NULL REFERENCES pythia_sync_worker ON DELETE CASCADE, \"table\" TEXT NOT NULL,"
	" watermark TEXT, runs INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,"
	" rows_synced INTEGER NOT NULL DEFAULT 0, rows_inserted INTEGER NOT NULL DEFAULT 0,"
	" rows_updated INTEGER NOT NULL DEFAULT 0, rows_deleted INTEGER NOT NULL DEFAULT 0,"
	" last_run TEXT, last_seconds REAL, last_error TEXT, PRIMARY KEY (worker, \"table\")) WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS main.pythia_quarantine ("
	" id INTEGER PRIMARY KEY, worker TEXT, \"table\" TEXT NOT NULL, \"column\" TEXT, reason TEXT NOT NULL,"
	" row TEXT, quarantined_at TEXT NOT NULL DEFAULT (" NOW "))",
	PYTHIA_HOME_TABLE,
	NULL,
};

void pythia_worker_literal(pythia_buffer *sql, const char *text)
{
	if (text == NULL)
		pythia_buffer_puts(sql, "NULL");
	else
		pythia_dialect_for(PYTHIA_SQLITE)->literal(sql, text, strlen(text));
}

bool pythia_worker_install(pythia_sqlite *self, pythia_error *error)
{
	for (int i = 0; ddl[i] != NULL; i++)
		if (!pythia_db_exec(self->local, ddl[i], NULL, error))
			return false;
	return true;
}

static bool run(pythia_sqlite *self, pythia_buffer *sql, pythia_error *error)
{
	bool ok = pythia_db_exec(self->local, pythia_buffer_text(sql), NULL, error);

	pythia_buffer_free(sql);
	return ok;
}

static bool query(pythia_sqlite *self, pythia_buffer *sql, const char *shape, pythia_result *result,
				  pythia_error *error)
{
	bool ok = pythia_db_query(self->local, pythia_buffer_text(sql), shape, result, error);

	pythia_buffer_free(sql);
	return ok;
}

/* The row of a worker; *result is freed by the caller, also after a failure. */
static bool find(pythia_sqlite *self, const char *name, const char *columns, const char *shape, pythia_result *result,
				 pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	memset(result, 0, sizeof(*result));
	/* no table yet is no worker yet */
	if (!pythia_worker_install(self, error))
		return false;
	pythia_buffer_printf(&sql, "SELECT %s FROM main.pythia_sync_worker WHERE name = ", columns);
	pythia_worker_literal(&sql, name);
	if (!query(self, &sql, shape, result, error))
		return pythia_error_context(error, "sync worker \"%s\"", name);
	if (result->nrows > 0)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42704", "sync worker \"%s\" does not exist", name);
	return pythia_error_hint(error, "SELECT name FROM pythia_sync_worker lists them; "
									"pythia_create_sync_worker makes one.");
}

bool pythia_worker_exists(pythia_sqlite *self, const char *name, pythia_error *error)
{
	pythia_result result;
	bool ok = find(self, name, "1", "n", &result, error);

	pythia_result_free(&result);
	return ok;
}

static bool check_tables(const pythia_node *tables, pythia_error *error)
{
	if (pythia_node_texts(tables))
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "tables is not a JSON array of names");
	return pythia_error_hint(error, "Drop the worker and create it anew.");
}

/* What is in the file may be anybody's. */
static bool check(const pythia_sync_worker *worker, pythia_error *error)
{
	pythia_sync_config config;

	return pythia_endpoint_storable(worker->source, "source", error) &&
		   pythia_endpoint_storable(worker->target, "target", error) &&
		   pythia_sync_config_read(worker->config, NULL, NULL, &config, error) &&
		   pythia_validate_config_check(&config, error) &&
		   (worker->tables == NULL || check_tables(worker->tables, error));
}

/* Not in a copy of the database that it was made in. */
static bool at_home(pythia_sqlite *self, const char *name, pythia_error *error)
{
	return pythia_store_home_require(self->local, PYTHIA_HOME_SYNC, name, error) || pythia_held_hint(name, error);
}

bool pythia_worker_read(pythia_sqlite *self, const char *name, bool write, pythia_sync_worker *worker,
						pythia_error *error)
{
	pythia_result result;
	bool ok;

	memset(worker, 0, sizeof(*worker));
	ok = find(self, name, "source, target, sync_config, tables", "tttT", &result, error);
	if (ok)
	{
		const char *tables = pythia_result_optional(&result, 0, 3);

		worker->name = pythia_strdup(name);
		worker->source = pythia_strdup(pythia_result_text(&result, 0, 0));
		worker->target = pythia_strdup(pythia_result_text(&result, 0, 1));
		ok = pythia_json_read("sync_config", pythia_result_text(&result, 0, 2), &worker->config, error);
		if (ok && tables != NULL)
			ok = pythia_json_read("tables", tables, &worker->tables, error);
		ok = (ok && check(worker, error) && (!write || at_home(self, name, error))) ||
			 pythia_error_context(error, "sync worker \"%s\"", name);
	}
	pythia_result_free(&result);
	return ok;
}

void pythia_worker_free(pythia_sync_worker *worker)
{
	pythia_free(worker->name);
	pythia_free(worker->source);
	pythia_free(worker->target);
	pythia_node_free(worker->config);
	pythia_node_free(worker->tables);
	memset(worker, 0, sizeof(*worker));
}

bool pythia_worker_watermark(pythia_sqlite *self, const char *worker, const char *table, char **watermark,
							 pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	*watermark = NULL;
	pythia_buffer_puts(&sql, "SELECT watermark FROM main.pythia_sync_state WHERE worker = ");
	pythia_worker_literal(&sql, worker);
	pythia_buffer_puts(&sql, " AND \"table\" = ");
	pythia_worker_literal(&sql, table);
	ok = query(self, &sql, "T", &result, error);
	if (ok && result.nrows == 1)
		*watermark = pythia_strdup(pythia_result_optional(&result, 0, 0));
	pythia_result_free(&result);
	return ok;
}

bool pythia_worker_remember(pythia_sqlite *self, const char *worker, const char *table,
							const pythia_sync_result *result, const pythia_error *failure, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql, "INSERT INTO main.pythia_sync_state (worker, \"table\", watermark, runs, failures,"
							 " rows_synced, rows_inserted, rows_updated, rows_deleted, last_run, last_seconds,"
							 " last_error) VALUES (");
	pythia_worker_literal(&sql, worker);
	pythia_buffer_puts(&sql, ", ");
	pythia_worker_literal(&sql, table);
	pythia_buffer_puts(&sql, ", ");
	pythia_worker_literal(&sql, failure == NULL ? result->watermark : NULL);
	pythia_buffer_printf(&sql, ", 1, %d, %lld, %lld, %lld, %lld, ", failure != NULL, (long long) result->rows_synced,
						 (long long) result->rows_inserted, (long long) result->rows_updated,
						 (long long) result->rows_deleted);
	pythia_buffer_printf(&sql, "%s, %.6f, ", NOW, result->duration_seconds);
	pythia_worker_literal(&sql, failure != NULL ? failure->message : NULL);
	pythia_buffer_puts(&sql, ") ON CONFLICT DO UPDATE SET runs = runs + 1, failures = failures + excluded.failures,"
							 " rows_synced = rows_synced + excluded.rows_synced,"
							 " rows_inserted = rows_inserted + excluded.rows_inserted,"
							 " rows_updated = rows_updated + excluded.rows_updated,"
							 " rows_deleted = rows_deleted + excluded.rows_deleted, last_run = excluded.last_run,"
							 " last_seconds = excluded.last_seconds, last_error = excluded.last_error");
	if (failure == NULL)
		pythia_buffer_puts(&sql, ", watermark = excluded.watermark");
	return run(self, &sql, error);
}

bool pythia_worker_quarantine(pythia_sqlite *self, const char *worker, const char *table, const char *row_json,
							  const char *column, const char *reason, pythia_error *error)
{
	const char *values[] = {worker, table, column, reason, row_json};
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	if (!pythia_worker_install(self, error))
		return false;
	pythia_buffer_puts(&sql,
					   "INSERT INTO main.pythia_quarantine (worker, \"table\", \"column\", reason, row) VALUES (");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
	{
		if (i > 0)
			pythia_buffer_puts(&sql, ", ");
		pythia_worker_literal(&sql, values[i]);
	}
	pythia_buffer_puts(&sql, ")");
	return run(self, &sql, error);
}
