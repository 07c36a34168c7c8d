/* One run: plan, target, rows, sweep, watermark, and what comes after. */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "dialect/short_name.h"
#include "dialect/tokens.h"
#include "sync/create/create.h"
#include "sync/foreign.h"
#include "sync/referrers.h"
#include "sync/run.h"
#include "sync/soft.h"
#include "sync/target.h"

#define MAX_ATTEMPTS  6
#define RETRY_BASE_MS 200
#define RETRY_CAP_MS  10000

static bool target_empty(pythia_run *run, bool *empty, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool any;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT 1 FROM ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, " LIMIT 1");
	ok = pythia_db_any(run->target, sql.data, &any, error);
	*empty = !any;
	pythia_buffer_free(&sql);
	return ok;
}

/* The job with the connections that it has come to. */
static pythia_sync_job job_now(const pythia_run *run)
{
	pythia_sync_job job = *run->job;

	job.source = run->source;
	job.target = run->target;
	return job;
}

/* Settings that this run may change. */
static pythia_sync_config *own_settings(pythia_run *run)
{
	if (run->job != &run->own)
	{
		run->own = *run->given;
		run->settings = *run->given->config;
		run->own.config = &run->settings;
		run->job = &run->own;
	}
	return &run->settings;
}

/* One of all tables, which has no stamp to go by. */
static void fall_back(pythia_run *run)
{
	if (run->job->config->mode != PYTHIA_SYNC_INCREMENTAL || run->plan.stamp_source >= 0)
		return;
	own_settings(run)->mode = PYTHIA_SYNC_FULL;
	run->result->sync_mode = "full";
	pythia_host_log(run->source->host, PYTHIA_LOG_NOTICE,
					"table \"%s\" has no timestamp column \"%s\": it is synchronised in full", run->plan.source.name,
					run->job->config->timestamp_column);
}

static bool make_plan(pythia_run *run, pythia_error *error)
{
	pythia_sync_job job = job_now(run);
	bool same = false;

	if (!pythia_plan_make(&job, &run->plan, error))
		return false;
	fall_back(run);
	if (!run->plan.target_missing && !pythia_target_is_source(&job, &run->plan.source, &run->plan.target, &same, error))
		return false;
	if (!same)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42712", "table \"%s\" is source and target at once", run->plan.source.name);
	return pythia_error_hint(error, "Name another database, or another table in table_map.");
}

/* Columns that the source has and the target lacks: added, left out, or an error. */
static bool grow_target(pythia_run *run, pythia_error *error)
{
	const pythia_sync_config *config = run->job->config;
	const char *name = run->plan.source.columns[run->plan.unmatched[0]].name;

	if (config->new_columns == PYTHIA_NEW_COLUMNS_ERROR)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42703", "target table \"%s\" has no column for \"%s\"",
					run->plan.target.name, name);
		return pythia_error_hint(error, "Add the column, map it in column_map, leave it out by exclude_columns, or set "
										"new_columns to add or ignore.");
	}
	if (config->new_columns == PYTHIA_NEW_COLUMNS_ADD && config->create_target && !config->dry_run)
	{
		pythia_sync_job job = job_now(run);

		if (!pythia_target_add_columns(&job, &run->plan, error))
			return false;
		pythia_plan_free(&run->plan);
		return make_plan(run, error);
	}
	for (int i = 0; i < run->plan.nunmatched; i++)
		pythia_host_log(run->job->target->host, PYTHIA_LOG_NOTICE,
						"column \"%s\" of table \"%s\" has no counterpart in the target and is left out",
						run->plan.source.columns[run->plan.unmatched[i]].name, run->plan.source.name);
	return true;
}

/* Told before rows are written: the first run into a table would not need it. */
static bool check_soft_column(const pythia_run *run, pythia_error *error)
{
	const pythia_sync_config *config = run->job->config;

	if (config->deletes != PYTHIA_DELETES_SOFT || pythia_soft_column(config, &run->plan.target) != NULL)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42703", "target table \"%s\" has no column \"%s\" to mark deleted rows",
				run->plan.target.name, config->soft_delete_column);
	return pythia_error_hint(error, "Add a timestamp or boolean column of that name, or name another one in "
									"soft_delete_column.");
}

/* Two may make one table at once: then it is there, and what it holds and lacks is told like any other's. */
static bool made_meanwhile(pythia_run *run, pythia_error *error)
{
	pythia_error second = PYTHIA_ERROR_INIT;

	/* PostgreSQL's catalogues say it by their unique indexes, where neither has committed yet */
	if (run->target->broken || (strcmp(error->sqlstate, "42P07") != 0 && strcmp(error->sqlstate, "23505") != 0))
		return false;
	pythia_plan_free(&run->plan);
	if (!make_plan(run, &second))
		return pythia_error_move(error, &second);
	if (run->plan.target_missing)
		return pythia_error_hint(error, "Another session made it at the same time and may not have committed, or "
										"something else has its name: try again, or name another in table_map.");
	pythia_host_log(run->target->host, PYTHIA_LOG_NOTICE, "table \"%s\" was made by another session meanwhile",
					run->plan.target.name);
	pythia_error_reset(error);
	return true;
}

static bool prepare_target(pythia_run *run, pythia_error *error)
{
	if (!check_soft_column(run, error))
		return false;
	if (run->plan.target_missing && !run->job->config->dry_run)
	{
		pythia_sync_job job = job_now(run);

		if (!pythia_target_create(&job, &run->plan, error))
			return made_meanwhile(run, error) && prepare_target(run, error);
		run->design = run->plan.target;
		memset(&run->plan.target, 0, sizeof(run->plan.target));
		pythia_plan_free(&run->plan);
		run->state.created = run->state.ours = run->state.made = true;
		return make_plan(run, error);
	}
	return run->plan.nunmatched == 0 || grow_target(run, error);
}

static void take_names(pythia_run *run)
{
	run->names = pythia_calloc((size_t) run->plan.npairs + 1, sizeof(char *));
	run->types = pythia_calloc((size_t) run->plan.npairs + 1, sizeof(pythia_type *));
	for (int i = 0; i < run->plan.npairs; i++)
	{
		run->names[i] = pythia_pair_target(&run->plan, i)->name;
		run->types[i] = &pythia_pair_target(&run->plan, i)->type;
	}
}

/* A dry run without a target, or of one that would be replaced: all of it would be inserted. */
static bool count_source(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT count(*) FROM ");
	if (!run->plan.target_missing)
	{
		/* it would be replaced */
		pythia_merge_table(run, false, &sql);
		if (!pythia_db_count(run->target, sql.data, &run->result->rows_deleted, error))
		{
			pythia_buffer_free(&sql);
			return false;
		}
		pythia_buffer_clear(&sql);
		pythia_buffer_puts(&sql, "SELECT count(*) FROM ");
	}
	pythia_dialect_table(pythia_dialect_of(run->source), &sql, run->plan.source.schema, run->plan.source.name);
	if (run->plan.where != NULL)
	{
		pythia_buffer_puts(&sql, " WHERE ");
		pythia_condition_put(&sql, run->plan.where);
	}
	ok = pythia_db_count(run->source, sql.data, &run->result->source_count, error);
	run->result->rows_inserted = run->result->rows_synced = run->result->source_count;
	pythia_buffer_free(&sql);
	return ok;
}

/* Texts that are one under the target's collation would make one connection wait for another's commit. */
static bool unique_over_texts(const pythia_table *table)
{
	for (int i = -1; i < table->nindexes; i++)
	{
		const int *columns = i < 0 ? table->key : table->indexes[i].columns;
		int ncolumns = i < 0 ? table->nkey : table->indexes[i].ncolumns;

		for (int k = 0; k < ncolumns && (i < 0 || table->indexes[i].unique); k++)
		{
			const char *collation = table->columns[columns[k]].collation;
			size_t length = collation != NULL ? strlen(collation) : 0;

			if (length > 0 && (length < 4 || strcmp(collation + length - 4, "_bin") != 0))
				return true;
		}
	}
	return false;
}

/* MySQL loads one statement on one core: a large load into an empty table is spread over connections. */
static int choose_connections(const pythia_run *run)
{
	int64_t rows = run->plan.source.estimated_rows;

	if (run->target->engine != PYTHIA_MYSQL || run->way.staged || run->plan.nkey == 0 ||
		(run->way.replaces && run->swap == NULL) || run->job->config->quarantine || (rows >= 0 && rows < 50000) ||
		unique_over_texts(&run->plan.target))
		return 1;
	return run->job->config->parallel > 0 ? (int) run->job->config->parallel : 2;
}

/* Rows of other tables refer to the target's: emptying it would break their keys, or take them along.  The same comes
 * of it where the rows are compared, and those that are gone are deleted. */
static void compare_instead(pythia_run *run)
{
	pythia_sync_config *settings = own_settings(run);

	settings->truncate_target = false;
	settings->deletes = PYTHIA_DELETES_HARD;
	settings->conflict = PYTHIA_CONFLICT_SOURCE_WINS;
	run->way.all_rows = true;
	run->way.replaces = false;
}

static bool keep_referred(pythia_run *run, pythia_error *error)
{
	bool referred;

	if (!pythia_referrers(run, &referred, NULL, error))
		return false;
	if (!referred)
		return true;
	pythia_host_log(run->target->host, PYTHIA_LOG_NOTICE,
					"other tables refer to table \"%s\": it is not emptied, but its rows are compared",
					run->plan.target.name);
	compare_instead(run);
	return true;
}

/* Straight or through a stage, in one transaction or in chunks, in the key's order or not. */
static bool choose_way(pythia_run *run, pythia_error *error)
{
	const pythia_sync_config *config = run->job->config;
	const pythia_sync_callbacks *callbacks = run->job->callbacks;
	bool checkpoint = callbacks != NULL && callbacks->checkpoint != NULL;
	bool empty = true;
	bool constrained;
	bool unique;

	if (!pythia_place_begin(run, error))
		return false;
	if (!run->state.created && !target_empty(run, &empty, error))
		return false;
	/* a table made now holds nothing of an earlier attempt */
	if (run->job->checkpoint != NULL && !run->state.created && run->plan.nkey > 0)
		pythia_checkpoint_read(run, run->job->checkpoint, empty);
	run->way.replaces = config->truncate_target && config->mode == PYTHIA_SYNC_FULL && !empty && !config->dry_run &&
						!run->state.resumed;
	if (run->way.replaces && !keep_referred(run, error))
		return false;
	config = run->job->config;
	pythia_keys_look(run, &constrained);
	run->way.staged = (!empty && !run->way.replaces) || config->dry_run ||
					  (run->way.keys_may_meet && !constrained && !run->way.replaces);
	/* PostgreSQL reads a heap faster than an index; who wants neither chunks nor a sorted load needs no order */
	run->way.ordered = run->plan.nkey > 0 && (run->source->engine != PYTHIA_POSTGRESQL ||
											  run->target->engine == PYTHIA_MYSQL || checkpoint || run->state.resumed);
	run->way.single = run->way.replaces || !run->way.ordered;
	unique = pythia_merge_keys_are_loose(run) || pythia_may_swap_unique(run);
	run->way.sweep_first = unique && run->way.staged && config->deletes == PYTHIA_DELETES_HARD && !config->dry_run;
	if (run->way.replaces && run->target->engine == PYTHIA_MYSQL && !pythia_swap_begin(run, error))
		return false;
	run->way.connections = choose_connections(run);
	return true;
}

/* What was made by the run that this one goes on with. */
static bool design_again(pythia_run *run, pythia_error *error)
{
	const pythia_plan *plan = &run->plan;
	pythia_sync_job job = job_now(run);
	const char **names = pythia_calloc((size_t) plan->source.ncolumns + 1, sizeof(char *));
	int *key = pythia_calloc((size_t) plan->nkey + 1, sizeof(int));
	bool ok;

	for (int i = 0; i < plan->npairs; i++)
		names[plan->pairs[i].source] = run->names[i];
	for (int i = 0; i < plan->nkey; i++)
		key[i] = plan->pairs[plan->key[i]].source;
	ok = pythia_target_design(&job, &plan->source, names, key, plan->nkey, plan->target.schema, plan->target.name,
							  &run->design, error);
	pythia_free(names);
	pythia_free(key);
	return ok;
}

static bool finish_target(pythia_run *run, pythia_error *error)
{
	if (run->job->config->dry_run)
		return pythia_keys_end(run, error) && pythia_stage_drop(run, error);
	if (!pythia_run_commit(run, error) || (run->swap != NULL && !pythia_swap_end(run, error)))
		return false;
	if (run->way.staged && (!pythia_keys_end(run, error) || !pythia_stage_drop(run, error)))
		return false;
	if (run->job->config->deletes != PYTHIA_DELETES_IGNORE && !run->state.created && !run->way.replaces &&
		!pythia_stage_drop_named(run, run->keys, error))
		return false;
	if (run->state.made && run->design.name == NULL && !design_again(run, error))
		return false;
	if (run->design.nindexes > 0)
	{
		pythia_sync_job job = job_now(run);

		if (!pythia_target_create_indexes(&job, &run->plan.source, &run->design, &run->plan.target, error))
			return false;
	}
	return pythia_finish_sequences(run, error);
}

static bool begin_watermark(pythia_run *run, pythia_error *error)
{
	pythia_watermark first = run->mark; /* of a checkpoint: the boundary of the first attempt */
	/* a table made now wants all rows, whatever an earlier one of its name had seen */
	const char *stored = run->state.created ? NULL : run->job->watermark;

	if (!pythia_watermark_begin(run->source, &run->plan, run->job->config, stored, &run->mark, error))
		return false;
	if (run->state.resumed)
	{
		pythia_free(run->mark.boundary);
		pythia_free(run->mark.integer);
		run->mark.boundary = first.boundary;
		run->mark.integer = first.integer;
	}
	return true;
}

static bool copy_table(pythia_run *run, pythia_error *error)
{
	const pythia_sync_config *config;

	if (run->plan.target_missing)
		return count_source(run, error);
	if (run->job->config->dry_run && run->job->config->truncate_target && run->job->config->mode == PYTHIA_SYNC_FULL)
	{
		bool referred;

		if (!pythia_referrers(run, &referred, NULL, error))
			return false;
		if (!referred)
			return count_source(run, error);
	}
	if (!choose_way(run, error) || !pythia_foreign_begin(run, error) || !begin_watermark(run, error) ||
		!pythia_ranges_cut(run, error) ||
		!(run->nparts > 0 ? pythia_ranges_copy(run, error) : pythia_copy_rows(run, error)))
		return false;
	config = run->job->config;
	/* a table that holds nothing but this run's rows has none that are gone */
	if (!run->state.created && !run->way.replaces && !run->state.swept && !pythia_sweep(run, error))
		return false;
	if (!pythia_foreign_end(run, error))
		return false;
	if (!pythia_watermark_next(run->source, &run->plan, &run->mark, &run->result->watermark, error) ||
		!pythia_run_end_read(run, error))
		return false;
	pythia_run_progress(run, "finishing");
	/* a dry run moves nothing, neither rows nor the mark */
	if (config->dry_run)
	{
		pythia_free(run->result->watermark);
		run->result->watermark = pythia_strdup(run->job->watermark);
		if (!pythia_run_commit(run, error))
			return false;
	}
	return finish_target(run, error);
}

void pythia_run_init(pythia_run *run, const pythia_sync_job *job, pythia_sync_result *result)
{
	memset(run, 0, sizeof(*run));
	memset(result, 0, sizeof(*result));
	run->job = run->given = job;
	run->source = job->source;
	run->target = job->target;
	pythia_stage_name(run, 0);
	run->result = result;
	run->started = pythia_host_now(job->source->host);
	run->retry.max_attempts = MAX_ATTEMPTS;
	run->retry.base_ms = RETRY_BASE_MS;
	run->retry.cap_ms = RETRY_CAP_MS;
	run->retry.seed = (uint64_t) run->started | 1;
	result->sync_mode = job->config->mode == PYTHIA_SYNC_FULL ? "full" : "incremental";
	result->start_time = run->started;
	run->committed = *result;
}

bool pythia_sync_stream(const pythia_sync_job *job, const char *ticket, pythia_error *error)
{
	pythia_run run;
	pythia_sync_result result;
	bool ok;

	pythia_run_init(&run, job, &result);
	ok = make_plan(&run, error);
	if (ok)
	{
		take_names(&run);
		run.way.ordered = true;
		run.way.connections = 1;
		ok = pythia_place_begin(&run, error) && pythia_ticket_read(&run, ticket, error) &&
			 (run.source->local || pythia_run_join_snapshot(&run, error)) && pythia_ranges_take(&run, error) &&
			 pythia_run_end_read(&run, error) && (!run.way.staged || pythia_stage_drop(&run, error));
	}
	if (!ok)
	{
		pythia_run_give_up(&run, false);
		pythia_error_context(error, "synchronising a part of table \"%s\"",
							 pythia_name_shown(job->table, (char[PYTHIA_NAME_ROOM]){0}));
	}
	pythia_run_close(&run);
	return ok;
}

bool pythia_run_plan(pythia_run *run, pythia_error *error)
{
	if (!make_plan(run, error) || !prepare_target(run, error))
		return false;
	take_names(run);
	return true;
}

static bool run_once(pythia_run *run, pythia_error *error)
{
	return pythia_run_plan(run, error) && copy_table(run, error);
}

/* Others stored rows in a table that this run had found empty: with them there it merges. */
static bool filled_meanwhile(pythia_run *run, const pythia_error *error)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;
	bool empty = true;

	if (run->way.staged || run->way.replaces || run->nparts > 0 || run->target->broken || run->names == NULL ||
		run->committed.rows_inserted > 0 || strcmp(error->sqlstate, "23505") != 0)
		return false;
	pythia_run_give_up(run, false);
	if (!target_empty(run, &empty, &ignored) || empty)
	{
		pythia_error_reset(&ignored);
		return false;
	}
	pythia_host_log(run->target->host, PYTHIA_LOG_NOTICE,
					"another session stored rows in table \"%s\" meanwhile: they are compared", run->plan.target.name);
	/* not this run's alone any more, to drop it */
	run->state.created = run->state.ours = false;
	return true;
}

static void clean_up(pythia_run *run, pythia_error *error)
{
	pythia_run_give_up(run, false);
	pythia_foreign_restore(run);
	pythia_run_undo(run, error);
	pythia_free(run->result->watermark);
	run->result->watermark = NULL;
}

/* After what can be tried again, but not by copy.c: all of it, which finds the rows that are stored already equal. */
static void begin_again(pythia_run *run)
{
	pythia_run last = *run;
	pythia_sync_result done = *run->result;

	run->source_ours = run->target_ours = false;
	pythia_run_close(run);
	pythia_run_init(run, last.given, last.result);
	run->source = last.source;
	run->target = last.target;
	run->source_ours = last.source_ours;
	run->target_ours = last.target_ours;
	run->started = run->result->start_time = last.started;
	run->retry = last.retry;
	run->result->bytes = done.bytes;
	/* what was loaded into a table that was dropped, or not swapped, counts for nothing */
	if (!last.state.undone)
	{
		run->state.ours = last.state.ours;
		run->state.made = last.state.made;
		run->result->rows_inserted = done.rows_inserted;
		run->result->rows_updated = done.rows_updated;
		run->result->rows_deleted = done.rows_deleted;
	}
	run->committed = *run->result;
}

/* What is meant is the other table, whichever way the key goes. */
static void tell_reference(pythia_error *error)
{
	if (strcmp(error->sqlstate, "23503") == 0 && error->hint == NULL)
		pythia_error_hint(error,
						  "Synchronise both tables in one run (--all, or both names), with \"deletes\" where rows"
						  " have gone: parents are then written first and deleted last.  Where the two refer to"
						  " one another, leave the column that refers out by exclude_columns for one run.");
}

bool pythia_sync_table(const pythia_sync_job *given, pythia_sync_result *result, pythia_error *error)
{
	pythia_db *twin;
	pythia_sync_job own;
	const pythia_sync_job *job = pythia_job_apart(given, &own, &twin);
	pythia_run run;
	bool ok;

	pythia_sync_config_tell(job->config, job->source->host, job->table);
	pythia_run_init(&run, job, result);
	while (!(ok = run_once(&run, error)))
	{
		bool filled = filled_meanwhile(&run, error);

		clean_up(&run, error);
		if (filled)
		{
			pythia_error_reset(error);
			begin_again(&run);
			continue;
		}
		run.state.source_failed = false;
		/* other streams may be at work on the parts: the host runs it again */
		if (run.nparts > 0 || !pythia_run_recover(&run, error))
			break;
		begin_again(&run);
	}
	if (!ok)
	{
		tell_reference(error);
		if (run.path != NULL && error->error_class == PYTHIA_E_DATABASE && error->hint == NULL &&
			(strcmp(error->sqlstate, "42P01") == 0 || strcmp(error->sqlstate, "42883") == 0))
			pythia_error_hint(error, "Where it is what a trigger or a check of the target looks for: name its schema in"
									 " option \"search_path\".");
		/* PostgreSQL thinks of a day and a month that have changed places */
		if (error->error_class != PYTHIA_E_USAGE && strncmp(error->sqlstate, "22", 2) == 0 &&
			(error->hint == NULL || strcmp(error->sqlstate, "22008") == 0))
			pythia_error_hint(error,
							  "What becomes of values that the target cannot hold is said by the policies"
							  " \"zero_date\", \"infinity\", \"nan\", \"nul_byte\", \"bad_utf8\" and \"out_of_range\","
							  " or by \"on_bad_row\".");
		if (strcmp(error->sqlstate, "23505") == 0 && error->hint == NULL)
			pythia_error_hint(error, "Two rows have values that are one in the target: mend one of them, give the"
									 " target's column a collation that tells them apart, or set on_bad_row to"
									 " quarantine.");
		/* a constraint of the target's; a foreign key has a hint of its own */
		if (strncmp(error->sqlstate, "23", 2) == 0 && strcmp(error->sqlstate, "23503") != 0 && error->hint == NULL)
			pythia_error_hint(
				error, "The target refuses a row: mend it, or set on_bad_row to quarantine, which keeps such rows"
					   " by their keys and stores the others.");
		pythia_error_context(error, "synchronising table \"%s\"",
							 pythia_name_shown(job->table, (char[PYTHIA_NAME_ROOM]){0}));
	}
	result->undone = run.state.undone;
	result->end_time = pythia_host_now(job->source->host);
	result->duration_seconds = (double) (result->end_time - result->start_time) / 1e6;
	pythia_run_close(&run);
	pythia_db_close(twin);
	return ok;
}

bool pythia_sync_sweep(const pythia_sync_job *given, pythia_sync_result *result, pythia_error *error)
{
	pythia_db *twin;
	pythia_sync_job own;
	const pythia_sync_job *job = pythia_job_apart(given, &own, &twin);
	pythia_run run;
	bool ok;

	pythia_run_init(&run, job, result);
	ok = make_plan(&run, error);
	if (ok && !run.plan.target_missing)
	{
		/* a table that was left rows was not emptied */
		if (job->config->truncate_target)
			compare_instead(&run);
		take_names(&run);
		ok = pythia_run_begin_read(&run, error) && pythia_sweep(&run, error) && pythia_run_end_read(&run, error) &&
			 pythia_run_commit(&run, error) && pythia_stage_drop_named(&run, run.keys, error);
	}
	if (!ok)
	{
		pythia_run_give_up(&run, false);
		tell_reference(error);
		pythia_error_context(error, "deleting rows of table \"%s\"",
							 pythia_name_shown(job->table, (char[PYTHIA_NAME_ROOM]){0}));
	}
	pythia_run_close(&run);
	pythia_db_close(twin);
	return ok;
}
