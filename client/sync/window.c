#include "sync/window.h"

#include <string.h>

#include "core/memory.h"
#include "sync/foreign.h"
#include "sync/referrers.h"
#include "sync/run.h"
#include "sync/search_path.h"

/* Rows deleted from a temporary table of PostgreSQL's, which no vacuum visits, before it is emptied as a whole. */
#define DEAD_ROWS 5000

/* A temporary table and what has become of its rows. */
typedef struct temporary
{
	uint64_t rows;
	uint64_t dead;
} temporary;

struct pythia_sync_window
{
	pythia_run run;
	pythia_sync_result result;
	temporary stage;
	temporary keys;
	int *key;      /* positions in the source's columns */
	bool all_rows; /* staged */
	bool unique;   /* another key than the table's: a value may pass from a row that goes to one that comes */
	pythia_buffer unreferred;
};

static bool refuse_meeting_keys(pythia_run *run, pythia_error *error)
{
	bool constrained;

	pythia_keys_look(run, &constrained);
	if (!run->way.keys_may_meet)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "0A000", "two rows of table \"%s\" could become one row of the target",
				run->plan.source.name);
	pythia_error_detail(error, "Its key is not unique in the source, or the target's type holds less of it.");
	return pythia_error_hint(
		error, "Name columns in \"key\" that a unique key of the source is over, give the target's columns the source's"
			   " types, or leave the table out.");
}

static bool refuse_no_key(const pythia_run *run, pythia_error *error)
{
	if (run->plan.nkey > 0)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42P16", "table \"%s\" has no key by which its rows could be followed",
				run->plan.source.name);
	return pythia_error_hint(error, "Name the columns of a unique key in \"key\", or leave the table out.");
}

static bool make_tables(pythia_sync_window *w, pythia_error *error)
{
	pythia_run *run = &w->run;

	pythia_stage_name(run, pythia_stage_serial());
	return pythia_stage_create(run, error) && pythia_stage_make(run, run->keys, run->plan.key, run->plan.nkey, error) &&
		   pythia_key_table_index(run, error);
}

/* Foreign keys of MySQL's and SQLite's targets are not looked at: their rows go by all means. */
static bool look_at_references(pythia_sync_window *w, pythia_error *error)
{
	bool any;

	w->unique = pythia_may_swap_unique(&w->run);
	if (w->run.target->engine != PYTHIA_POSTGRESQL)
		return true;
	if (!pythia_foreign_begin(&w->run, error))
		return false;
	return pythia_referrers(&w->run, &any, &w->unreferred, error);
}

bool pythia_sync_window_open(const pythia_sync_job *job, pythia_sync_window **window, pythia_error *error)
{
	pythia_sync_window *w = pythia_calloc(1, sizeof(*w));
	bool ok;

	pythia_run_init(&w->run, job, &w->result);
	w->run.way.window = w->run.way.staged = true;
	ok = pythia_run_plan(&w->run, error) && refuse_no_key(&w->run, error) && refuse_meeting_keys(&w->run, error) &&
		 pythia_place_begin(&w->run, error) && make_tables(w, error) && look_at_references(w, error);
	w->key = pythia_calloc((size_t) w->run.plan.nkey + 1, sizeof(int));
	for (int i = 0; ok && i < w->run.plan.nkey; i++)
		w->key[i] = w->run.plan.pairs[w->run.plan.key[i]].source;
	if (!ok)
	{
		pythia_error_context(error, "following table \"%s\"", job->table);
		pythia_sync_window_close(w);
		w = NULL;
	}
	*window = w;
	return ok;
}

void pythia_sync_window_close(pythia_sync_window *window)
{
	if (window == NULL)
		return;
	pythia_run_close(&window->run);
	pythia_sync_result_free(&window->result);
	pythia_buffer_free(&window->unreferred);
	pythia_free(window->key);
	pythia_free(window);
}

const pythia_table *pythia_sync_window_source(const pythia_sync_window *window, const int **key, int *nkey)
{
	if (key != NULL)
		*key = window->key;
	if (nkey != NULL)
		*nkey = window->run.plan.nkey;
	return &window->run.plan.source;
}

const pythia_table *pythia_sync_window_target(const pythia_sync_window *window)
{
	return &window->run.plan.target;
}

const pythia_sync_result *pythia_sync_window_result(const pythia_sync_window *window)
{
	return &window->result;
}

/* --- staging --------------------------------------------------------------------------- */

static bool empty(pythia_run *run, temporary *table, const char *name, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool whole;
	bool ok;

	if (table->rows == 0)
		return true;
	table->dead += table->rows;
	/* TRUNCATE costs a catalog more than a few rows do, and commits in MySQL */
	whole = run->target->engine == PYTHIA_POSTGRESQL && table->dead > DEAD_ROWS;
	pythia_buffer_puts(&sql, whole ? "TRUNCATE TABLE " : "DELETE FROM ");
	pythia_dialect_table(pythia_dialect_of(run->target), &sql, pythia_stage_schema(run), name);
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	table->rows = 0;
	if (whole)
		table->dead = 0;
	return ok;
}

static bool feed(pythia_run *run, pythia_stream *stream, pythia_loader *loader, pythia_error *error)
{
	pythia_rows chunk;

	for (;;)
	{
		if (!run->source->driver->stream_next(stream, &chunk, error))
			return false;
		if (chunk.count == 0)
			return pythia_loader_finish(loader, error);
		run->result->source_count += (int64_t) chunk.count;
		run->result->bytes += (int64_t) chunk.length;
		if (!pythia_loader_put(loader, &chunk, error))
			return false;
		if (pythia_host_cancelled(run->source->host))
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "cancelled while reading changes of table \"%s\"",
							   run->plan.source.name);
	}
}

static bool load_rows(pythia_run *run, pythia_error *error)
{
	pythia_kind *kinds = pythia_calloc((size_t) run->plan.npairs + (size_t) run->plan.nkey, sizeof(pythia_kind));
	int ncolumns = run->plan.npairs + (run->plan.extra_place ? run->plan.nkey : 0);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_stream *stream = NULL;
	pythia_loader loader;
	bool ok;

	for (int i = 0; i < ncolumns; i++)
		kinds[i] = i < run->plan.npairs ? pythia_pair_source(&run->plan, i)->type.kind : PYTHIA_KIND_TEXT;
	pythia_loader_init(&loader, run);
	ok = pythia_source_query(run, false, &sql, error) &&
		 run->source->driver->stream_open(run->source, sql.data, ncolumns, kinds, &stream, error) &&
		 feed(run, stream, &loader, error);
	run->source->driver->stream_close(stream);
	pythia_loader_free(&loader);
	pythia_buffer_free(&sql);
	pythia_free(kinds);
	return ok;
}

/* SQLite would look for each key in the stage from its beginning to its end. */
static bool drop_staged_keys(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (run->target->engine != PYTHIA_SQLITE)
		return true;
	pythia_buffer_puts(&sql, "DELETE FROM ");
	pythia_key_table_put(run, &sql);
	pythia_buffer_puts(&sql, " WHERE (");
	pythia_merge_key_columns(run, &sql, "", "");
	pythia_buffer_puts(&sql, ") IN (SELECT ");
	pythia_merge_key_columns(run, &sql, "", "");
	pythia_buffer_puts(&sql, " FROM ");
	pythia_merge_table(run, true, &sql);
	pythia_buffer_puts(&sql, ")");
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_sync_window_stage(pythia_sync_window *window, const char *changed, const char *gone, pythia_error *error)
{
	pythia_run *run = &window->run;
	bool ok;

	window->all_rows = changed == NULL;
	run->among = changed;
	run->staged = 0;
	ok = empty(run, &window->stage, run->stage, error) && empty(run, &window->keys, run->keys, error) &&
		 load_rows(run, error);
	window->stage.rows = run->staged;
	run->among = NULL;
	if (ok && gone != NULL && !window->all_rows)
	{
		window->keys.rows = 1; /* or more: to be emptied */
		ok = pythia_key_table_load(run, gone, error) && drop_staged_keys(run, error);
	}
	if (!ok)
		pythia_error_context(error, "reading changes of table \"%s\"", run->job->table);
	return ok;
}

/* --- applying --------------------------------------------------------------------------- */

/* No row of the stage is the row t of the target. */
static void put_not_staged(const pythia_run *run, pythia_buffer *out)
{
	pythia_buffer_puts(out, " NOT EXISTS (SELECT 1 FROM ");
	pythia_merge_table(run, true, out);
	pythia_buffer_puts(out, " s WHERE ");
	pythia_merge_key_join(run, out);
	pythia_buffer_putc(out, ')');
}

/* From the keys to the rows, whatever the engine's planner knows of either. */
static void put_removal(const pythia_sync_window *w, pythia_buffer *out)
{
	const pythia_run *run = &w->run;

	if (w->all_rows)
	{
		pythia_buffer_puts(out, run->target->engine == PYTHIA_MYSQL ? "DELETE t FROM " : "DELETE FROM ");
		pythia_merge_table(run, false, out);
		pythia_buffer_puts(out, run->target->engine == PYTHIA_MYSQL ? " t WHERE" : " AS t WHERE");
		put_not_staged(run, out);
		return;
	}
	switch (run->target->engine)
	{
		case PYTHIA_MYSQL:
			pythia_buffer_puts(out, "DELETE t FROM ");
			pythia_key_table_put(run, out);
			pythia_buffer_puts(out, " s STRAIGHT_JOIN ");
			pythia_merge_table(run, false, out);
			pythia_buffer_puts(out, " t ON ");
			pythia_merge_key_join(run, out);
			pythia_buffer_puts(out, " WHERE");
			put_not_staged(run, out);
			break;
		case PYTHIA_POSTGRESQL:
			pythia_buffer_puts(out, "DELETE FROM ");
			pythia_merge_table(run, false, out);
			pythia_buffer_puts(out, " AS t USING ");
			pythia_key_table_put(run, out);
			pythia_buffer_puts(out, " s WHERE ");
			pythia_merge_key_join(run, out);
			pythia_buffer_puts(out, " AND");
			put_not_staged(run, out);
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_puts(out, "DELETE FROM ");
			pythia_merge_table(run, false, out);
			pythia_buffer_puts(out, " AS t WHERE (");
			pythia_merge_key_columns(run, out, "t.", "");
			pythia_buffer_puts(out, ") IN (SELECT ");
			pythia_merge_key_columns(run, out, "", "");
			pythia_buffer_puts(out, " FROM ");
			pythia_key_table_put(run, out);
			/* the comparison above is the column's own, which may take two texts for one */
			pythia_buffer_puts(out, ") AND ");
			pythia_key_table_exists(run, "EXISTS", out);
			break;
	}
}

static bool put_all(const pythia_sync_window *w, const char *condition, pythia_buffer *sql, pythia_error *error)
{
	put_removal(w, sql);
	pythia_buffer_puts(sql, condition);
	/* rows that its condition does not mean are not the window's; those by their keys are, whatever they hold by now */
	return !w->all_rows || pythia_sweep_own_rows(&w->run, sql, error);
}

static bool run_removal(pythia_sync_window *w, const char *condition, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (!w->all_rows && w->keys.rows == 0)
		return true;
	ok = put_all(w, condition, &sql, error) && pythia_run_exec(&w->run, sql.data, &w->result.rows_deleted, error);
	pythia_buffer_free(&sql);
	return ok;
}

static bool within(pythia_sync_window *w, bool ok, pythia_error *error)
{
	if (!ok)
		pythia_error_context(error, "applying changes of table \"%s\"", w->run.job->table);
	return ok;
}

bool pythia_sync_window_is_unique(const pythia_sync_window *window)
{
	return window->unique;
}

/* Within one table a row that is yet to be updated may refer to one that goes: then it goes later. */
static bool try_removal(pythia_sync_window *w, pythia_error *error)
{
	pythia_db *target = w->run.target;

	if (!pythia_db_exec(target, "SAVEPOINT pythia_room", NULL, error))
		return false;
	if (!run_removal(w, pythia_buffer_text(&w->unreferred), error))
	{
		if (target->broken || strcmp(error->sqlstate, "23503") != 0)
			return false;
		pythia_error_reset(error);
		if (!pythia_db_exec(target, "ROLLBACK TO SAVEPOINT pythia_room", NULL, error))
			return false;
	}
	return pythia_db_exec(target, "RELEASE SAVEPOINT pythia_room", NULL, error);
}

bool pythia_sync_window_make_room(pythia_sync_window *window, pythia_error *error)
{
	bool ok = window->run.way.refers_to_itself ? try_removal(window, error)
											   : run_removal(window, pythia_buffer_text(&window->unreferred), error);

	return within(window, ok, error);
}

bool pythia_sync_window_upsert(pythia_sync_window *window, pythia_error *error)
{
	pythia_run *run = &window->run;
	bool ok = true;

	if (window->stage.rows > 0)
		ok = pythia_search_path_set(run, error) && pythia_stage_apply(run, window->stage.rows, error);
	return within(window, ok, error);
}

bool pythia_sync_window_remove(pythia_sync_window *window, pythia_error *error)
{
	return within(window, run_removal(window, "", error), error);
}

bool pythia_sync_window_check(pythia_sync_window *window, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(window->run.target);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	char *names = NULL;
	bool ok;

	pythia_merge_table(&window->run, false, &name);
	pythia_buffer_puts(&sql, "SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', n.nspname, c.conname), ', ') FROM"
							 " pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace"
							 " WHERE c.condeferrable AND c.conrelid = ");
	dialect->literal(&sql, name.data, name.length);
	pythia_buffer_puts(&sql, "::pg_catalog.regclass");
	ok = pythia_db_text(window->run.target, sql.data, &names, error);
	pythia_buffer_clear(&sql);
	pythia_buffer_printf(&sql, "SET CONSTRAINTS %s IMMEDIATE", names);
	ok = ok && (names == NULL || pythia_db_exec(window->run.target, sql.data, NULL, error));
	pythia_free(names);
	pythia_buffer_free(&sql);
	pythia_buffer_free(&name);
	return within(window, ok, error);
}

void pythia_sync_window_undone(pythia_sync_window *window)
{
	if (window != NULL)
		window->stage.rows = window->keys.rows = 1; /* or more, or none: to be emptied */
}
