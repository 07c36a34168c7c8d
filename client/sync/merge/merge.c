/*
 * The stage's rows put into the target by statements over whole sets.  Rows that are equal already
 * are not written; a row is found by its key alone, so a second unique key that collides is an
 * error and never an overwritten stranger.
 */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"

/* --- merging --------------------------------------------------------------- */

/* Up to the condition: the stage's rows, each with the target's of the same key. */
static void start_count(const pythia_run *run, const char *join, pythia_buffer *out)
{
	pythia_buffer_puts(out, "SELECT count(*) FROM ");
	pythia_merge_table(run, true, out);
	pythia_buffer_printf(out, " s %s ", join);
	pythia_merge_table(run, false, out);
	pythia_buffer_puts(out, " t ON ");
	pythia_merge_key_join(run, out);
	pythia_buffer_puts(out, " WHERE ");
}

static bool count_differing(pythia_run *run, bool by_rule, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	start_count(run, "JOIN", &sql);
	pythia_merge_difference(run, &sql);
	if (by_rule)
		pythia_merge_rule(run, &sql);
	ok = pythia_db_number(run->target, sql.data, count, error);
	pythia_buffer_free(&sql);
	return ok;
}

static bool count_missing(pythia_run *run, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	start_count(run, "LEFT JOIN", &sql);
	pythia_merge_column(run, &sql, "t.", run->plan.key[0]);
	pythia_buffer_puts(&sql, " IS NULL");
	ok = pythia_db_number(run->target, sql.data, count, error);
	pythia_buffer_free(&sql);
	return ok;
}

static bool insert_missing(pythia_run *run, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "INSERT INTO ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, " (");
	pythia_merge_columns(run, &sql, "");
	pythia_buffer_puts(&sql, ") ");
	if (run->target->engine == PYTHIA_POSTGRESQL)
		pythia_buffer_puts(&sql, "OVERRIDING SYSTEM VALUE ");
	pythia_buffer_puts(&sql, "SELECT ");
	pythia_merge_columns(run, &sql, "s.");
	pythia_buffer_puts(&sql, " FROM ");
	pythia_merge_table(run, true, &sql);
	pythia_buffer_puts(&sql, " s LEFT JOIN ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, " t ON ");
	pythia_merge_key_join(run, &sql);
	pythia_buffer_puts(&sql, " WHERE ");
	pythia_merge_column(run, &sql, "t.", run->plan.key[0]);
	pythia_buffer_puts(&sql, " IS NULL");
	ok = pythia_run_exec(run, sql.data, count, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* Names one row that is there already and differs, for the rule "error". */
static bool report_conflict(pythia_run *run, int64_t differing, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	pythia_buffer key = PYTHIA_BUFFER_INIT;

	memset(&result, 0, sizeof(result));
	pythia_buffer_puts(&sql, "SELECT ");
	pythia_merge_key_columns(run, &sql, "t.", "");
	pythia_buffer_puts(&sql, " FROM ");
	pythia_merge_table(run, true, &sql);
	pythia_buffer_puts(&sql, " s JOIN ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, " t ON ");
	pythia_merge_key_join(run, &sql);
	pythia_buffer_puts(&sql, " WHERE ");
	pythia_merge_difference(run, &sql);
	pythia_buffer_puts(&sql, " LIMIT 1");
	if (pythia_db_query(run->target, sql.data, "V*", &result, error))
	{
		for (int i = 0; i < result.ncolumns && result.nrows > 0; i++)
		{
			const char *text = pythia_result_optional(&result, 0, i);

			pythia_buffer_printf(&key, "%s%.100s", i > 0 ? ", " : "", text != NULL ? text : "NULL");
		}
		pythia_fail(error, PYTHIA_E_DATA, "23505", "%lld rows of table \"%s\" exist in the target and differ",
					(long long) differing, run->plan.target.name);
		pythia_error_detail(error, "One of them has the key (%s).", pythia_buffer_text(&key));
		pythia_error_hint(error, "Set conflict_resolution to another rule, or look at the rows.");
	}
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	pythia_buffer_free(&key);
	return false;
}

static bool updates(const pythia_run *run)
{
	pythia_conflict rule = run->job->config->conflict;

	return rule == PYTHIA_CONFLICT_SOURCE_WINS || rule == PYTHIA_CONFLICT_NEWEST_WINS ||
		   rule == PYTHIA_CONFLICT_OLDEST_WINS || rule == PYTHIA_CONFLICT_FUNCTION;
}

static bool collides(const pythia_error *error)
{
	return strcmp(error->sqlstate, "23505") == 0 || strcmp(error->sqlstate, "23000") == 0;
}

/* Says what a collision in another unique key is about, where the engine's own words do not. */
static bool explain(pythia_error *error)
{
	if (collides(error) && error->hint == NULL)
		pythia_error_hint(error, "A row of the target with another key holds this value: mend one of the two rows, or "
								 "set on_bad_row to quarantine.");
	return false;
}

/* In one statement each; where each row has updated one of its own there is none to look for again. */
static bool update_and_insert(pythia_run *run, int64_t rows, int64_t *updated, int64_t *inserted, pythia_error *error)
{
	/* rows that are there may come to refer to rows that are new */
	if (run->way.refers_to_itself)
		return insert_missing(run, inserted, error) &&
			   (!updates(run) || pythia_merge_update(run, true, updated, error));
	return (!updates(run) || pythia_merge_update(run, true, updated, error)) &&
		   (*updated == rows || insert_missing(run, inserted, error));
}

static bool back_to_savepoint(pythia_run *run, pythia_error *error)
{
	return pythia_db_exec(run->target, "ROLLBACK TO SAVEPOINT pythia_merge", NULL, error) &&
		   pythia_db_exec(run->target, "RELEASE SAVEPOINT pythia_merge", NULL, error);
}

/* Rows that swap values; those that refer to new ones come after these. */
static bool swap_and_insert(pythia_run *run, int64_t *updated, int64_t *inserted, pythia_error *error)
{
	if (run->way.refers_to_itself)
		return insert_missing(run, inserted, error) && pythia_unique_swap(run, updated, error);
	return pythia_unique_swap(run, updated, error) && insert_missing(run, inserted, error);
}

/* Rows that swap values of a unique key collide though the source's state is a sound one. */
static bool write_colliding(pythia_run *run, int64_t rows, int64_t *updated, int64_t *inserted, pythia_error *error)
{
	pythia_error second = PYTHIA_ERROR_INIT;
	bool ok;

	if (!pythia_db_exec(run->target, "SAVEPOINT pythia_merge", NULL, error))
		return false;
	ok = update_and_insert(run, rows, updated, inserted, error);
	if (!ok && collides(error))
	{
		*inserted = 0;
		if (pythia_db_exec(run->target, "ROLLBACK TO SAVEPOINT pythia_merge", NULL, &second) &&
			swap_and_insert(run, updated, inserted, &second))
		{
			pythia_error_reset(error);
			ok = true;
		}
		/* a stranger in the way is told in the words of the first attempt */
		else if (!collides(&second) || second.hint != NULL)
			return pythia_error_move(error, &second);
		pythia_error_reset(&second);
	}
	if (ok)
		return pythia_db_exec(run->target, "RELEASE SAVEPOINT pythia_merge", NULL, error);
	if (!run->target->broken && collides(error) && !back_to_savepoint(run, &second))
		return pythia_error_move(error, &second);
	return false;
}

static bool write_rows(pythia_run *run, int64_t rows, int64_t *updated, int64_t *inserted, pythia_error *error)
{
	if (run->job->config->conflict == PYTHIA_CONFLICT_FUNCTION)
		/* first the new ones: the stage is used again for what the function returns */
		return insert_missing(run, inserted, error) && pythia_resolve_rows(run, updated, error);
	if (updates(run) && pythia_may_swap_unique(run))
		return write_colliding(run, rows, updated, inserted, error);
	return update_and_insert(run, rows, updated, inserted, error);
}

bool pythia_stage_apply(pythia_run *run, uint64_t rows, pythia_error *error)
{
	pythia_conflict rule = run->job->config->conflict;
	bool dry = run->job->config->dry_run;
	int64_t differing = 0;
	int64_t updated = 0;
	int64_t inserted = 0;
	int64_t skipped;

	if (!pythia_keys_keep(run, error))
		return false;
	if ((rule != PYTHIA_CONFLICT_SOURCE_WINS || dry) && !count_differing(run, false, &differing, error))
		return false;
	if (rule == PYTHIA_CONFLICT_ERROR && differing > 0)
		return report_conflict(run, differing, error);
	if (dry)
	{
		if ((updates(run) && !count_differing(run, true, &updated, error)) || !count_missing(run, &inserted, error))
			return false;
	}
	else if (!write_rows(run, (int64_t) rows, &updated, &inserted, error))
		return explain(error);
	skipped = differing > updated ? differing - updated : 0;
	run->result->rows_updated += updated;
	run->result->rows_inserted += inserted;
	run->result->rows_skipped += skipped;
	run->result->rows_synced += (int64_t) rows - skipped;
	return true;
}
