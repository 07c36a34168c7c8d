/*
 * Rows that the source no longer has: its keys are read within the snapshot that the rows came
 * from, and what the target holds beyond them is deleted, or marked.
 */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "dialect/tokens.h"
#include "sync/condition.h"
#include "sync/referrers.h"
#include "sync/run.h"
#include "sync/soft.h"

static const pythia_dialect *dialect_of(const pythia_run *run)
{
	return pythia_dialect_of(run->target);
}

static bool load_keys(pythia_run *run, pythia_error *error)
{
	pythia_buffer query = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_source_keys_query(run, &query);
	ok = pythia_key_table_load(run, query.data, error);
	pythia_buffer_free(&query);
	return ok;
}

/* Which rows of the target are this run's to delete: those that its condition means, as it reads there. */
bool pythia_sweep_own_rows(const pythia_run *run, pythia_buffer *out, pythia_error *error)
{
	const pythia_sync_config *config = run->job->config;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok = true;

	if ((config->where == NULL && config->target_where == NULL) || run->way.all_rows)
		return true;
	if (config->target_where != NULL)
		pythia_buffer_puts(&text, config->target_where);
	else
		ok = pythia_condition_translate(&run->plan, run->source->engine, run->target->engine, config->where, &text,
										error);
	if (ok)
	{
		pythia_buffer_puts(out, " AND ");
		pythia_condition_put(out, text.data);
	}
	pythia_buffer_free(&text);
	return ok;
}

/* Asked before anything is deleted, so that what the target does not understand can be told. */
static bool check_condition(const pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool any;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT 1 FROM ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, " t WHERE 1 = 1");
	ok = pythia_sweep_own_rows(run, &sql, error);
	pythia_buffer_puts(&sql, " LIMIT 0");
	ok = ok && pythia_db_any(run->target, sql.data, &any, error);
	if (!ok && !run->target->broken)
		pythia_error_hint(error, "Give the condition of \"where\" in the target's words as option \"target_where\".");
	pythia_buffer_free(&sql);
	return ok;
}

static bool count_gone(pythia_run *run, pythia_error *error)
{
	const pythia_column *soft = pythia_soft_column(run->job->config, &run->plan.target);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int64_t count = 0;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT count(*) FROM ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, " t WHERE ");
	pythia_key_table_exists(run, "NOT EXISTS", &sql);
	if (soft != NULL)
	{
		/* those that are marked are gone already */
		pythia_buffer_puts(&sql, " AND ");
		pythia_soft_condition(run->target, soft, &sql);
	}
	ok = pythia_sweep_own_rows(run, &sql, error) && pythia_db_count(run->target, sql.data, &count, error);
	run->result->rows_deleted += count;
	pythia_buffer_free(&sql);
	return ok;
}

/* Rows of other tables that refer to one may be gone from the source, too, and go when their table's turn comes: until
 * then it is left. */
static bool count_left(pythia_run *run, pythia_error *error)
{
	int64_t gone = run->result->rows_deleted;
	bool ok = count_gone(run, error);

	run->result->rows_left = run->result->rows_deleted - gone;
	run->result->rows_deleted = gone;
	return ok;
}

static bool delete_gone(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer unreferred = PYTHIA_BUFFER_INIT;
	bool any = false;
	bool ok;

	if (run->job->others_follow && !pythia_referrers(run, &any, &unreferred, error))
		return false;
	pythia_buffer_puts(&sql, run->target->engine == PYTHIA_MYSQL ? "DELETE t FROM " : "DELETE FROM ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, run->target->engine == PYTHIA_MYSQL ? " t WHERE " : " AS t WHERE ");
	pythia_key_table_exists(run, "NOT EXISTS", &sql);
	pythia_buffer_puts(&sql, pythia_buffer_text(&unreferred));
	ok = pythia_sweep_own_rows(run, &sql, error) && pythia_run_exec(run, sql.data, &run->result->rows_deleted, error) &&
		 (unreferred.length == 0 || count_left(run, error));
	pythia_buffer_free(&unreferred);
	pythia_buffer_free(&sql);
	return ok;
}

/* Marks rows that are gone; a row that is back loses its mark. */
static bool mark_gone(pythia_run *run, pythia_error *error)
{
	const pythia_column *column = pythia_soft_column(run->job->config, &run->plan.target);
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer here = PYTHIA_BUFFER_INIT;
	pythia_buffer gone = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok = true;

	pythia_soft_gone(run->target, column, &gone);
	pythia_soft_here(run->target, column, &here);
	dialect_of(run)->identifier(&name, column->name);
	for (int back = 0; ok && back < 2; back++)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_puts(&sql, "UPDATE ");
		pythia_merge_table(run, false, &sql);
		pythia_buffer_printf(&sql, "%s t SET %s = %s WHERE ", run->target->engine == PYTHIA_MYSQL ? "" : " AS",
							 name.data, back ? here.data : gone.data);
		if (strcmp(here.data, "NULL") == 0)
			pythia_buffer_printf(&sql, "t.%s IS %sNULL AND ", name.data, back ? "NOT " : "");
		else if (back)
			pythia_buffer_printf(&sql, "t.%s <> %s AND ", name.data, here.data);
		else
			pythia_buffer_printf(&sql, "(t.%s IS NULL OR t.%s = %s) AND ", name.data, name.data, here.data);
		pythia_key_table_exists(run, back ? "EXISTS" : "NOT EXISTS", &sql);
		if (!back)
			ok = pythia_sweep_own_rows(run, &sql, error);
		ok =
			ok && pythia_run_exec(run, sql.data, back ? &run->result->rows_updated : &run->result->rows_deleted, error);
	}
	pythia_buffer_free(&gone);
	pythia_buffer_free(&name);
	pythia_buffer_free(&here);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_sweep(pythia_run *run, pythia_error *error)
{
	const pythia_sync_config *config = run->job->config;
	bool ok;

	if (config->deletes == PYTHIA_DELETES_IGNORE || run->plan.nkey == 0)
		return true;
	if ((config->where != NULL || config->target_where != NULL) && !check_condition(run, error))
		return false;
	pythia_run_progress(run, "sweeping");
	/* no row is deleted unless every key was read: load_keys fails where the reading does */
	ok = pythia_stage_make(run, run->keys, run->plan.key, run->plan.nkey, error) &&
		 pythia_run_begin_write(run, error) && load_keys(run, error) && pythia_key_table_index(run, error);
	if (ok && config->dry_run)
		ok = count_gone(run, error);
	else if (ok)
		ok = config->deletes == PYTHIA_DELETES_HARD ? delete_gone(run, error) : mark_gone(run, error);
	return ok;
}
