#include "migrate/run.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/list.h"
#include "core/memory.h"
#include "core/visible.h"
#include "migrate/progress.h"
#include "migrate/statements.h"

/* Of a statement, for people. */
#define SHOWN_BYTES 100

typedef struct running
{
	const pythia_migrate_run *run;
	pythia_migrate_progress progress;
	pythia_migrate_result *result;
	pythia_error *error;
	pythia_node *config; /* of the copies */
} running;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* --- statements --------------------------------------------------------------------------------- */

static char *shown_statement(const char *sql)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	char *flat = pythia_strdup(sql);

	/* it may have lines */
	for (char *c = flat; *c != '\0'; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	pythia_visible_part(&out, flat, strlen(flat), SHOWN_BYTES, PYTHIA_VISIBLE_LINE);
	pythia_free(flat);
	return pythia_buffer_take(&out);
}

/* What only says how the session is to be: it is wanted each time, and leaves nothing. */
static bool is_setting(const char *sql)
{
	return strncasecmp(sql, "SET ", 4) == 0 || strncasecmp(sql, "PRAGMA ", 7) == 0;
}

/* A statement and the note that it is done, in one transaction where the engine has such for definitions. */
static bool run_statement(running *r, const char *sql, pythia_error *error)
{
	pythia_db *target = r->run->target;
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (is_setting(sql))
		return pythia_db_exec(target, sql, NULL, error);
	if (target->engine == PYTHIA_MYSQL)
		return pythia_db_exec(target, sql, NULL, error) && pythia_migrate_set_done(&r->progress, sql, error);
	if (!target->driver->begin(target, PYTHIA_BEGIN_WRITE, error))
		return false;
	if (pythia_db_exec(target, sql, NULL, error) && pythia_migrate_set_done(&r->progress, sql, error) &&
		target->driver->commit(target, error))
		return true;
	if (!target->broken)
		target->driver->rollback(target, &ignored);
	pythia_error_reset(&ignored);
	return false;
}

static void hint_where_there(const running *r, pythia_error *error)
{
	if (error->hint != NULL ||
		(strcmp(error->sqlstate, "42P07") != 0 && strcmp(error->sqlstate, "42S01") != 0 &&
		 strcmp(error->sqlstate, "42710") != 0 && strstr(error->message, "already exists") == NULL))
		return;
	pythia_error_hint(
		error, r->progress.again
				   ? "The run before this one ended while it was made: look whether it is whole, drop it, and run"
					 " this again."
				   : "The target is to be empty of what is moved: drop it there, or give it another name by"
					 " table_map.");
}

static bool run_file(running *r, bool after)
{
	const char *file = after ? "02-after-load.sql" : "01-tables.sql";
	const pythia_migrate_callbacks *tell = r->run->callbacks;
	char **statements;
	int count;
	bool ok = pythia_statements_split(r->run->target->engine, file, after ? r->run->after : r->run->before, &statements,
									  &count, r->error);

	for (int i = 0; ok && i < count; i++)
	{
		pythia_error refusal = PYTHIA_ERROR_INIT;
		char *shown;

		if (pythia_host_cancelled(r->run->target->host))
		{
			ok = pythia_fail(r->error, PYTHIA_E_CANCELLED, "57014", "the migration was cancelled");
			break;
		}
		if (!is_setting(statements[i]) && pythia_migrate_is_done(&r->progress, statements[i]))
		{
			r->result->statements_before++;
			continue;
		}
		shown = shown_statement(statements[i]);
		if (tell->statement != NULL)
			tell->statement(tell->context, after, i + 1, count, shown);
		if (run_statement(r, statements[i], &refusal))
			r->result->statements += !is_setting(statements[i]);
		else if (!after || r->run->target->broken || refusal.error_class == PYTHIA_E_CANCELLED)
		{
			hint_where_there(r, &refusal);
			pythia_error_move(r->error, &refusal);
			ok = false;
		}
		else
		{
			r->result->statements_failed++;
			if (tell->refused != NULL)
				tell->refused(tell->context, shown, &refusal);
		}
		pythia_error_reset(&refusal);
		pythia_free(shown);
	}
	pythia_list_free(statements, count);
	/* what the file has set is its own */
	if (!r->run->target->broken)
		r->run->target->others_ran = true;
	return ok;
}

/* --- rows ------------------------------------------------------------------------------------------ */

/* The plan's configuration, as a copy into tables that were made for it. */
static pythia_node *copy_config(const pythia_migrate_run *run)
{
	static const char *const passed[] = {"column_map",
										 "expressions",
										 "masks",
										 "zero_date",
										 "infinity",
										 "nan",
										 "nul_byte",
										 "bad_utf8",
										 "out_of_range",
										 "batch_size",
										 "max_bytes_per_second",
										 "parallel",
										 "tables"};
	pythia_node *config = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);
	pythia_node *map = pythia_node_new(PYTHIA_NODE_OBJECT, "table_map", NULL);

	pythia_node_add(config, pythia_node_new(PYTHIA_NODE_STRING, "mode", "full"));
	pythia_node_add(config, pythia_node_new(PYTHIA_NODE_BOOL, "truncate_target", "true"));
	pythia_node_add(config, pythia_node_new(PYTHIA_NODE_BOOL, "create_target", "false"));
	pythia_node_add(config, pythia_node_new(PYTHIA_NODE_STRING, "new_columns", "ignore"));
	for (int i = 0; i < run->plan->ncopies; i++)
		pythia_node_add(map,
						pythia_node_new(PYTHIA_NODE_STRING, run->plan->copies[i].source, run->plan->copies[i].target));
	pythia_node_add(config, map);
	for (size_t i = 0; run->config != NULL && i < sizeof(passed) / sizeof(passed[0]); i++)
	{
		pythia_node *copy = pythia_node_copy(pythia_node_get(run->config, passed[i]));

		if (copy != NULL)
			pythia_node_add(config, copy);
	}
	return config;
}

static void fill_job(const running *r, const pythia_migrate_copy *copy, const pythia_sync_config *config,
					 const pythia_sync_callbacks *callbacks, pythia_sync_job *job)
{
	memset(job, 0, sizeof(*job));
	job->connect = r->run->connect;
	job->connect_context = r->run->connect_context;
	job->source = r->run->source;
	job->target = r->run->target;
	job->table = copy->source;
	job->config = config;
	job->callbacks = callbacks;
}

/* Is the table there that the statements were to make?  They may have been edited. */
static bool is_made(running *r, const pythia_migrate_copy *copy, bool *made)
{
	pythia_asked asked;
	char *schema = NULL;
	char *name = NULL;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok = pythia_name_parse(copy->target, &schema, &name, r->error);

	asked = (pythia_asked){.schema = schema, .name = name};
	if (ok)
	{
		pythia_dialect_of(r->run->target)->table_query(r->run->target, &sql, &asked, 1);
		ok = pythia_db_any(r->run->target, sql.data, made, r->error);
	}
	pythia_buffer_free(&sql);
	pythia_free(schema);
	pythia_free(name);
	return ok;
}

/* False where nothing more is to be begun. */
static bool copy_table(running *r, const pythia_migrate_copy *copy)
{
	const pythia_migrate_callbacks *tell = r->run->callbacks;
	pythia_sync_callbacks callbacks = {.context = tell->context, .progress = tell->progress};
	pythia_buffer mark = PYTHIA_BUFFER_INIT;
	pythia_sync_config config;
	pythia_sync_job job;
	pythia_sync_result result;
	pythia_error failure = PYTHIA_ERROR_INIT;
	bool made = false;
	bool ok;

	memset(&result, 0, sizeof(result));
	pythia_buffer_printf(&mark, "rows of %s in %s", copy->source, copy->target);
	if (pythia_migrate_is_done(&r->progress, mark.data))
	{
		r->result->tables_before++;
		pythia_buffer_free(&mark);
		return true;
	}
	if (!is_made(r, copy, &made))
	{
		pythia_buffer_free(&mark);
		return false;
	}
	if (!made)
	{
		r->result->tables_missing++;
		pythia_buffer_free(&mark);
		return true;
	}
	if (tell->copying != NULL)
		tell->copying(tell->context, copy->shown);
	ok = pythia_sync_config_read(r->config, NULL, copy->source, &config, &failure);
	if (ok)
	{
		config.idle_told = true;
		fill_job(r, copy, &config, &callbacks, &job);
		ok = pythia_sync_table(&job, &result, &failure) && pythia_migrate_set_done(&r->progress, mark.data, &failure);
	}
	r->result->tables += ok;
	r->result->tables_failed += !ok;
	r->result->rows += ok ? result.rows_synced : 0;
	if (tell->copied != NULL)
		tell->copied(tell->context, copy->shown, &result, ok ? NULL : &failure);
	if (!ok && (r->run->source->broken || r->run->target->broken || failure.error_class == PYTHIA_E_CANCELLED))
		pythia_error_move(r->error, &failure);
	else
		ok = true;
	pythia_error_reset(&failure);
	pythia_sync_result_free(&result);
	pythia_buffer_free(&mark);
	return ok;
}

static bool compare_table(running *r, const pythia_migrate_copy *copy)
{
	const pythia_migrate_callbacks *tell = r->run->callbacks;
	pythia_validate_options options;
	pythia_validate_result result;
	pythia_sync_config config;
	pythia_sync_job job;
	pythia_error failure = PYTHIA_ERROR_INIT;
	bool made = false;
	bool ok;

	memset(&result, 0, sizeof(result));
	if (!is_made(r, copy, &made))
		return false;
	if (!made)
		return true;
	ok = pythia_validate_options_read(NULL, &options, &failure) &&
		 pythia_sync_config_read(r->config, NULL, copy->source, &config, &failure);
	if (ok)
	{
		pythia_sync_callbacks callbacks = {.context = tell->context, .progress = tell->progress};

		if (tell->copying != NULL)
			tell->copying(tell->context, copy->shown);
		options.method = r->run->method;
		config.idle_told = true;
		fill_job(r, copy, &config, &callbacks, &job);
		ok = pythia_validate_table(&job, &options, NULL, NULL, &result, &failure);
	}
	r->result->compared++;
	r->result->different += !ok || !result.is_valid;
	if (tell->compared != NULL)
		tell->compared(tell->context, copy->shown, &result, ok ? NULL : &failure);
	if (!ok && (r->run->source->broken || r->run->target->broken || failure.error_class == PYTHIA_E_CANCELLED))
		pythia_error_move(r->error, &failure);
	else
		ok = true;
	pythia_error_reset(&failure);
	pythia_validate_result_free(&result);
	return ok;
}

/* SQLite has looked at none of its foreign keys yet. */
static bool find_orphans(running *r)
{
	const pythia_migrate_callbacks *tell = r->run->callbacks;
	pythia_result result;

	if (r->run->target->engine != PYTHIA_SQLITE)
		return true;
	if (!pythia_db_query(r->run->target,
						 "SELECT \"table\", COALESCE(parent, ''), count(*) FROM pragma_foreign_key_check()"
						 " GROUP BY 1, 2 ORDER BY 1, 2",
						 "ttc", &result, r->error))
		return false;
	for (int64_t i = 0; i < result.nrows; i++)
	{
		r->result->orphans += pythia_result_number(&result, i, 2);
		if (tell->orphans != NULL)
			tell->orphans(tell->context, pythia_result_text(&result, i, 0), pythia_result_text(&result, i, 1),
						  pythia_result_number(&result, i, 2));
	}
	pythia_result_free(&result);
	return true;
}

static bool run_all(running *r)
{
	const pythia_migrate_plan *plan = r->run->plan;
	bool ok = run_file(r, false);

	for (int i = 0; ok && i < plan->ncopies; i++)
		ok = copy_table(r, &plan->copies[i]);
	ok = ok && pythia_db_fresh(r->run->target, r->error);
	/* constraints over tables that are not whole would only be refused, and have to be made again */
	if (ok && r->result->tables_failed == 0)
		ok = run_file(r, true) && pythia_db_fresh(r->run->target, r->error) && find_orphans(r);
	for (int i = 0; ok && r->run->validate && r->result->tables_failed == 0 && i < plan->ncopies; i++)
		ok = compare_table(r, &plan->copies[i]);
	if (ok && r->result->tables_failed == 0 && r->result->statements_failed == 0)
		ok = pythia_migrate_progress_end(&r->progress, r->error);
	return ok;
}

bool pythia_migrate_execute(const pythia_migrate_run *run, pythia_migrate_result *result, pythia_error *error)
{
	running r = {.run = run, .result = result, .error = error};
	double start = now();
	bool ok;

	memset(result, 0, sizeof(*result));
	r.config = copy_config(run);
	ok = pythia_migrate_progress_open(run->target, &r.progress, error) && run_all(&r);
	result->duration_seconds = now() - start;
	/* what was refused at once leaves nothing behind */
	if (!ok && !r.progress.again && result->statements == 0 && result->tables == 0 && !run->target->broken)
	{
		pythia_error ignored = PYTHIA_ERROR_INIT;

		pythia_migrate_progress_end(&r.progress, &ignored);
		pythia_error_reset(&ignored);
	}
	pythia_migrate_progress_free(&r.progress);
	pythia_node_free(r.config);
	return ok;
}
