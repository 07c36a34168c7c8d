/* The sync verbs. */
#include "pythia_sqlite.h"

SQLITE_EXTENSION_INIT3

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/home.h"
#include "core/json.h"
#include "core/list.h"
#include "core/memory.h"
#include "dialect/dialect.h"
#include "dialect/short_name.h"
#include "endpoints.h"
#include "validate/result_json.h"
#include "sync/order.h"
#include "sync/target.h"
#include "worker.h"
#include "validate/validate.h"

bool pythia_verb_test_connection(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	const char *url;
	pythia_db *db;
	pythia_error failure = PYTHIA_ERROR_INIT;
	int64_t one;
	int64_t started;
	bool owned;
	bool ok;

	if (!pythia_arg_needed(call, 0, "url", &url, error))
		return false;
	ok = pythia_endpoint_open(call->self, url, PYTHIA_ENDPOINT_READ, NULL, &db, &owned, &failure);
	started = pythia_host_now(&call->self->host);
	if (ok)
		ok = pythia_db_number(db, "SELECT 1", &one, &failure);
	if (!ok && failure.error_class == PYTHIA_E_USAGE)
	{
		pythia_error_move(error, &failure);
		return false;
	}
	pythia_buffer_printf(out, "{\"reachable\":%s,\"server\":", ok ? "true" : "false");
	if (ok)
	{
		pythia_json_string(out, db->version_text, strlen(db->version_text));
		pythia_buffer_printf(out, ",\"round_trip_ms\":%.3f,\"encrypted\":%s",
							 (double) (pythia_host_now(&call->self->host) - started) / 1000,
							 db->encrypted ? "true" : "false");
	}
	else
		pythia_buffer_puts(out, "null");
	pythia_buffer_puts(out, ",\"error\":");
	if (failure.message != NULL)
		pythia_json_string(out, failure.message, strlen(failure.message));
	else
		pythia_buffer_puts(out, "null");
	pythia_buffer_putc(out, '}');
	pythia_error_reset(&failure);
	if (owned)
		pythia_db_close(db);
	return true;
}

static bool no_function(void *context, const char *name, pythia_error *error)
{
	(void) context;
	return pythia_sync_no_function(name, error);
}

/* Where the source can be reached, it has the tables. */
static bool look_at_tables(pythia_call *call, const char *name, const char *place, const pythia_node *config,
						   char *const *tables, int ntables, pythia_error *error)
{
	pythia_error why = PYTHIA_ERROR_INIT;
	pythia_db *source;
	bool owned;
	bool ok = pythia_endpoint_open(call->self, place, PYTHIA_ENDPOINT_READ, NULL, &source, &owned, &why) &&
			  pythia_sync_look(source, config, tables, ntables, &why);

	if (owned)
		pythia_db_close(source);
	if (!ok && pythia_sync_later(&why))
	{
		pythia_host_log(&call->self->host, PYTHIA_LOG_WARNING,
						"the tables of sync worker \"%s\" could not be looked at: %s", name, why.message);
		pythia_error_reset(&why);
		return true;
	}
	return ok || pythia_error_move(error, &why);
}

/* Makes the worker, and notes where. */
static bool store(pythia_db *db, const char *sql, const char *name, pythia_error *error)
{
	if (!db->driver->begin(db, PYTHIA_BEGIN_WRITE, error))
		return false;
	if (pythia_db_exec(db, sql, NULL, error) && pythia_store_home_note(db, PYTHIA_HOME_SYNC, name, true, error))
		return db->driver->commit(db, error);
	db->driver->rollback(db, NULL);
	return false;
}

bool pythia_verb_create_sync_worker(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	const char *name;
	const char *source = pythia_arg(call, 1);
	const char *target = pythia_arg(call, 2);
	pythia_node *config = NULL;
	pythia_sync_config checked;
	char **tables = NULL;
	int ntables = 0;
	double schedule = -1;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok = pythia_arg_needed(call, 0, "name", &name, error) && pythia_endpoint_storable(source, "source", error) &&
			  pythia_endpoint_storable(target, "target", error) &&
			  pythia_arg_options(call, 3, "sync_config", &config, error) &&
			  pythia_sync_config_read(config, NULL, NULL, &checked, error) &&
			  pythia_validate_config_check(&checked, error) &&
			  pythia_arg_names(call, 4, "tables", &tables, &ntables, error) &&
			  (ntables == 0 || pythia_sync_config_names(config, tables, ntables, NULL, error)) &&
			  pythia_arg_seconds(call, 5, "schedule", &schedule, error);

	(void) out;
	ok = ok && pythia_sync_config_endpoints(config, pythia_endpoint_is_local(source) ? "local" : source,
											pythia_endpoint_is_local(target) ? "local" : target, error);
	ok = ok && pythia_sync_functions(config, no_function, NULL, error) &&
		 look_at_tables(call, name, source, config, tables, ntables, error);
	if (ok)
		pythia_sync_config_idle(config, pythia_warn_idle, call->self);
	if (ok && pythia_worker_install(call->self, error))
	{
		bool exists;

		pythia_buffer_puts(&sql, "SELECT 1 FROM main.pythia_sync_worker WHERE name = ");
		pythia_worker_literal(&sql, name);
		ok = pythia_db_any(call->self->local, pythia_buffer_text(&sql), &exists, error);
		if (ok && exists)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "42710", "sync worker \"%s\" already exists", name);
			ok = pythia_error_hint(error, "Choose another name, or drop it with pythia_drop_sync_worker('%s').", name);
		}
	}
	else
		ok = false;
	if (ok)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_puts(&sql, "INSERT INTO main.pythia_sync_worker (name, source, target, sync_config, tables,"
								 " schedule) VALUES (");
		pythia_worker_literal(&sql, name);
		pythia_buffer_puts(&sql, ", ");
		pythia_worker_literal(&sql, source);
		pythia_buffer_puts(&sql, ", ");
		pythia_worker_literal(&sql, target);
		pythia_buffer_puts(&sql, ", ");
		pythia_worker_literal(&sql, config != NULL ? pythia_arg(call, 3) : "{}");
		pythia_buffer_puts(&sql, ", ");
		if (ntables == 0)
			pythia_buffer_puts(&sql, "NULL");
		else
		{
			pythia_buffer json = PYTHIA_BUFFER_INIT;

			for (int i = 0; i < ntables; i++)
			{
				pythia_buffer_putc(&json, i > 0 ? ',' : '[');
				pythia_json_string(&json, tables[i], strlen(tables[i]));
			}
			pythia_buffer_putc(&json, ']');
			pythia_worker_literal(&sql, pythia_buffer_text(&json));
			pythia_buffer_free(&json);
		}
		if (schedule >= 0)
			pythia_buffer_printf(&sql, ", %.6f)", schedule);
		else
			pythia_buffer_puts(&sql, ", NULL)");
		ok = store(call->self->local, pythia_buffer_text(&sql), name, error);
	}
	pythia_buffer_free(&sql);
	pythia_node_free(config);
	pythia_list_free(tables, ntables);
	return ok;
}

bool pythia_verb_drop_sync_worker(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	pythia_db *db = call->self->local;
	const char *name;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	(void) out;
	/* one that cannot be run any more can be dropped */
	if (!pythia_arg_needed(call, 0, "name", &name, error) || !pythia_worker_exists(call->self, name, error))
		return false;
	if (!db->driver->begin(db, PYTHIA_BEGIN_WRITE, error))
		return false;
	/* foreign keys may be off */
	pythia_buffer_puts(&sql, "DELETE FROM main.pythia_sync_state WHERE worker = ");
	pythia_worker_literal(&sql, name);
	ok = pythia_db_exec(db, pythia_buffer_text(&sql), NULL, error);
	pythia_buffer_clear(&sql);
	pythia_buffer_puts(&sql, "DELETE FROM main.pythia_sync_worker WHERE name = ");
	pythia_worker_literal(&sql, name);
	ok = ok && pythia_db_exec(db, pythia_buffer_text(&sql), NULL, error) &&
		 pythia_store_home_forget(db, PYTHIA_HOME_SYNC, name, error);
	pythia_buffer_free(&sql);
	if (ok)
		return db->driver->commit(db, error);
	db->driver->rollback(db, NULL);
	return false;
}

/* --- running ------------------------------------------------------------------------ */

typedef struct run
{
	pythia_sqlite *self;
	const char *worker; /* NULL: sync_between */
	bool others_follow; /* one of several tables, whose rows may refer to it */
	bool any_table;     /* taken with all of the source's */
	bool sweep;         /* only what the run of the table has left is deleted */
} run;

static bool on_quarantine(void *context, const char *table, const char *row_json, const char *column,
						  const char *reason, pythia_error *error)
{
	run *r = context;

	return pythia_worker_quarantine(r->self, r->worker, table, row_json, column, reason, error);
}

/* One table between two open endpoints. */
static bool sync_one(run *r, pythia_endpoints *endpoints, const char *table, const pythia_node *config,
					 const pythia_node *overrides, const char *watermark, pythia_sync_result *result,
					 pythia_error *error)
{
	pythia_sync_config settings;
	pythia_sync_callbacks callbacks = {.context = r, .quarantine = on_quarantine};
	pythia_sync_job job = {.connect = pythia_endpoints_another,
						   .connect_context = endpoints,
						   .source = endpoints->source,
						   .target = endpoints->target,
						   .table = table,
						   .config = &settings,
						   .watermark = watermark,
						   .callbacks = &callbacks,
						   .others_follow = r->others_follow};

	memset(result, 0, sizeof(*result));
	if (!pythia_sync_config_read(config, overrides, table, &settings, error) ||
		!pythia_validate_config_check(&settings, error))
		return false;
	settings.may_fall_back = r->any_table;
	return r->sweep ? pythia_sync_sweep(&job, result, error) : pythia_sync_table(&job, result, error);
}

/* No two tables may go to one; the worker's own list counts also where only some of it is run. */
static bool check_tables(pythia_call *call, const pythia_sync_worker *worker, char **tables, int *ntables,
						 pythia_error *error)
{
	const pythia_node *list = worker->tables;
	pythia_endpoints endpoints;
	char **others = NULL;
	int nothers = 0;
	bool ok = true;

	memset(&endpoints, 0, sizeof(endpoints));
	for (const pythia_node *child = pythia_node_items(list); child != NULL; child = child->next)
	{
		others = pythia_realloc(others, sizeof(char *) * (size_t) (nothers + 1));
		others[nothers++] = child->text;
	}
	if (pythia_tables_alike(worker->config, tables, *ntables, others, nothers))
	{
		ok = pythia_endpoints_open(call->self, worker->source, worker->target, PYTHIA_ENDPOINT_MAKE, &endpoints,
								   error) &&
			 pythia_tables_check(endpoints.source, endpoints.target, worker->config, tables, ntables, others, nothers,
								 error);
		pythia_endpoints_close(&endpoints);
	}
	pythia_free(others);
	return ok;
}

/* Parents first, by the keys of both sides. */
static bool order_tables(pythia_call *call, const pythia_sync_worker *worker, char **tables, int ntables,
						 pythia_error *error)
{
	pythia_endpoints endpoints;
	bool ok;

	memset(&endpoints, 0, sizeof(endpoints));
	if (ntables < 2)
		return true;
	ok = pythia_endpoints_open(call->self, worker->source, worker->target, PYTHIA_ENDPOINT_MAKE, &endpoints, error) &&
		 pythia_tables_order(endpoints.source, endpoints.target, worker->config, tables, ntables, error);
	pythia_endpoints_close(&endpoints);
	return ok;
}

static bool check_one(pythia_call *call, const pythia_sync_worker *worker, const char *table,
					  const pythia_node *overrides, pythia_error *error)
{
	char *names[] = {pythia_strdup(table)};
	int count = 1;
	/* names given for this run are the caller's own affair */
	bool ok = pythia_node_get(overrides, "table_map") != NULL || check_tables(call, worker, names, &count, error);

	pythia_free(names[0]);
	return ok;
}

/* A worker's table, with its watermark: rows (where the target is here) and watermark in one transaction. */
static bool sync_worker_table(pythia_call *call, const pythia_sync_worker *worker, const char *table, run how,
							  const pythia_node *overrides, pythia_sync_result *result, pythia_error *error)
{
	run r = how;
	pythia_endpoints endpoints;
	pythia_error ignored = PYTHIA_ERROR_INIT;
	char *watermark = NULL;
	bool inside = false;
	bool ok;

	r.self = call->self;
	r.worker = worker->name;
	memset(result, 0, sizeof(*result));
	ok = pythia_endpoints_open(call->self, worker->source, worker->target, PYTHIA_ENDPOINT_MAKE, &endpoints, error) &&
		 pythia_worker_watermark(call->self, worker->name, table, &watermark, error);
	if (ok)
	{
		ok = inside = call->self->local->driver->begin(call->self->local, PYTHIA_BEGIN_WRITE, error);
		ok = ok && sync_one(&r, &endpoints, table, worker->config, overrides, watermark, result, error);
		if (ok && r.sweep)
			result->watermark = pythia_strdup(watermark);
		ok = ok && pythia_worker_remember(call->self, worker->name, table, result, NULL, error);
	}
	if (inside && (ok ? !call->self->local->driver->commit(call->self->local, error)
					  : !call->self->local->driver->rollback(call->self->local, &ignored)))
		ok = false;
	pythia_error_reset(&ignored);
	pythia_endpoints_close(&endpoints);
	pythia_free(watermark);
	return ok;
}

bool pythia_verb_sync_table(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	const char *name;
	const char *table;
	pythia_sync_worker worker;
	pythia_node *overrides = NULL;
	pythia_sync_result result;
	bool ok;

	memset(&worker, 0, sizeof(worker));
	memset(&result, 0, sizeof(result));
	ok = pythia_arg_needed(call, 0, "worker", &name, error) && pythia_arg_needed(call, 1, "table", &table, error) &&
		 pythia_arg_options(call, 2, "overrides", &overrides, error) &&
		 pythia_worker_read(call->self, name, true, &worker, error) &&
		 check_one(call, &worker, table, overrides, error) &&
		 sync_worker_table(call, &worker, table, (run){0}, overrides, &result, error);
	if (ok)
		pythia_sync_result_json(out, table, &result, NULL);
	pythia_sync_result_free(&result);
	pythia_worker_free(&worker);
	pythia_node_free(overrides);
	return ok;
}

bool pythia_verb_sync_between(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	const char *table;
	pythia_node *config = NULL;
	pythia_endpoints endpoints;
	pythia_sync_result result;
	run r = {.self = call->self};
	bool ok;

	memset(&endpoints, 0, sizeof(endpoints));
	memset(&result, 0, sizeof(result));
	ok = pythia_arg_needed(call, 2, "table", &table, error) &&
		 pythia_arg_options(call, 3, "sync_config", &config, error) &&
		 pythia_endpoints_open(call->self, pythia_arg(call, 0), pythia_arg(call, 1), PYTHIA_ENDPOINT_MAKE, &endpoints,
							   error) &&
		 pythia_sync_config_names(config, (char *[]){(char *) table}, 1, endpoints.source, error) &&
		 sync_one(&r, &endpoints, table, config, NULL, NULL, &result, error);
	if (ok)
		pythia_sync_result_json(out, table, &result, NULL);
	pythia_sync_result_free(&result);
	pythia_endpoints_close(&endpoints);
	pythia_node_free(config);
	return ok;
}

/* --- several tables: a row each; one that fails does not stop the rest ---------------- */

static bool add_result(pythia_rowset *rows, const char *table, const pythia_sync_result *result,
					   const pythia_error *failure, pythia_error *error)
{
	char numbers[9][24];
	char times[2][PYTHIA_INSTANT_SIZE];
	const int64_t counts[] = {result->rows_synced,  result->rows_inserted, result->rows_updated,
							  result->rows_deleted, result->rows_skipped,  result->rows_quarantined,
							  result->source_count, result->bytes};
	const char *cells[15];

	for (int i = 0; i < 8; i++)
		snprintf(numbers[i], sizeof(numbers[i]), "%lld", (long long) counts[i]);
	snprintf(numbers[8], sizeof(numbers[8]), "%.6f", result->duration_seconds);
	cells[0] = table;
	cells[1] = result->sync_mode;
	for (int i = 0; i < 9; i++)
		cells[2 + i] = numbers[i];
	cells[11] = result->start_time != 0 ? pythia_time_json(result->start_time, times[0]) : NULL;
	cells[12] = result->end_time != 0 ? pythia_time_json(result->end_time, times[1]) : NULL;
	cells[13] = result->watermark;
	cells[14] = failure != NULL ? failure->message : NULL;
	return pythia_rowset_add(rows, cells, error);
}

/* A table's run, and how it ended. */
typedef struct outcome
{
	pythia_sync_result result;
	pythia_error failure;
	bool failed;
} outcome;

/* Was the table taken with all of the source's? */
static bool is_any(const pythia_sync_worker *worker)
{
	return worker->tables == NULL;
}

static bool sync_each(pythia_call *call, const pythia_sync_worker *worker, char *const *tables, int ntables,
					  outcome *outcomes, pythia_error *error)
{
	run how = {.others_follow = ntables > 1, .any_table = is_any(worker)};

	for (int i = 0; i < ntables; i++)
	{
		outcome *o = &outcomes[i];

		o->failed = !sync_worker_table(call, worker, tables[i], how, NULL, &o->result, &o->failure);
		if (o->failed && o->failure.error_class == PYTHIA_E_CANCELLED)
			return pythia_error_move(error, &o->failure);
		if (o->failed && !pythia_worker_remember(call->self, worker->name, tables[i], &o->result, &o->failure, error))
			return false;
	}
	/* rows that those of the last tables do not refer to any more */
	how.others_follow = false;
	how.sweep = true;
	for (int i = ntables - 1; i >= 0; i--)
	{
		outcome *o = &outcomes[i];
		pythia_sync_result swept;

		if (o->failed || o->result.rows_left == 0)
			continue;
		o->failed = !sync_worker_table(call, worker, tables[i], how, NULL, &swept, &o->failure);
		o->result.rows_deleted += swept.rows_deleted;
		pythia_sync_result_free(&swept);
		if (o->failed && o->failure.error_class == PYTHIA_E_CANCELLED)
			return pythia_error_move(error, &o->failure);
	}
	return true;
}

static bool sync_list(pythia_call *call, const pythia_sync_worker *worker, char *const *tables, int ntables,
					  pythia_rowset *rows, pythia_error *error)
{
	outcome *outcomes = pythia_calloc((size_t) ntables + 1, sizeof(outcome));
	bool ok = sync_each(call, worker, tables, ntables, outcomes, error);

	for (int i = 0; i < ntables; i++)
	{
		outcome *o = &outcomes[i];

		ok = ok && add_result(rows, tables[i], &o->result, o->failed ? &o->failure : NULL, error);
		pythia_sync_result_free(&o->result);
		pythia_error_reset(&o->failure);
	}
	pythia_free(outcomes);
	return ok;
}

bool pythia_verb_sync_tables(pythia_call *call, pythia_rowset *rows, pythia_error *error)
{
	const char *name;
	const char *list;
	pythia_sync_worker worker;
	char **tables = NULL;
	int ntables = 0;
	bool ok;

	memset(&worker, 0, sizeof(worker));
	ok = pythia_arg_needed(call, 0, "worker", &name, error) && pythia_arg_needed(call, 1, "tables", &list, error) &&
		 pythia_arg_names(call, 1, "tables", &tables, &ntables, error) &&
		 pythia_worker_read(call->self, name, true, &worker, error) &&
		 check_tables(call, &worker, tables, &ntables, error) && order_tables(call, &worker, tables, ntables, error) &&
		 sync_list(call, &worker, tables, ntables, rows, error);
	pythia_worker_free(&worker);
	pythia_list_free(tables, ntables);
	return ok;
}

/* The worker's own list, or every table of the source (ours left out). */
static bool worker_tables(pythia_call *call, const pythia_sync_worker *worker, char ***tables, int *ntables,
						  pythia_error *error)
{
	pythia_db *source;
	bool owned;
	bool ok;

	if (worker->tables != NULL)
	{
		for (const pythia_node *child = pythia_node_items(worker->tables); child != NULL; child = child->next)
		{
			*tables = pythia_realloc(*tables, sizeof(char *) * (size_t) (*ntables + 1));
			(*tables)[(*ntables)++] = pythia_strdup(child->text);
		}
		return true;
	}
	if (!pythia_endpoint_open(call->self, worker->source, PYTHIA_ENDPOINT_READ, NULL, &source, &owned, error))
		return false;
	ok = pythia_list_tables(source, NULL, tables, ntables, error);
	if (ok)
		pythia_short_names(source, *tables, ntables);
	if (owned)
		pythia_db_close(source);
	return ok;
}

bool pythia_verb_sync_all_tables(pythia_call *call, pythia_rowset *rows, pythia_error *error)
{
	const char *name;
	pythia_sync_worker worker;
	char **tables = NULL;
	int ntables = 0;
	bool ok;

	memset(&worker, 0, sizeof(worker));
	ok = pythia_arg_needed(call, 0, "worker", &name, error) &&
		 pythia_worker_read(call->self, name, true, &worker, error) &&
		 worker_tables(call, &worker, &tables, &ntables, error) &&
		 pythia_sync_config_names(worker.config, tables, ntables, NULL, error) &&
		 check_tables(call, &worker, tables, &ntables, error) && order_tables(call, &worker, tables, ntables, error) &&
		 sync_list(call, &worker, tables, ntables, rows, error);
	pythia_worker_free(&worker);
	pythia_list_free(tables, ntables);
	return ok;
}
