/* One run: plan, snapshot, chunks, watermark. */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "sync/create.h"
#include "sync/run.h"

/* A committed chunk: what a crash may cost again. */
#define CHUNK_BYTES ((uint64_t) 32 << 20)
#define CHUNK_ROWS  200000

bool pythia_run_scalar(pythia_db *db, const char *sql, char **text, pythia_error *error)
{
	pythia_result result;

	*text = NULL;
	memset(&result, 0, sizeof(result));
	if (!pythia_db_query(db, sql, &result, error))
		return false;
	if (result.nrows > 0)
		*text = pythia_strdup(pythia_result_get(&result, 0, 0));
	pythia_result_free(&result);
	return true;
}

bool pythia_run_exec(pythia_run *run, const char *sql, int64_t *count, pythia_error *error)
{
	int64_t affected = 0;

	if (!pythia_db_exec(run->target, sql, &affected, error))
		return false;
	if (count != NULL)
		*count += affected;
	return true;
}

static bool begin_write(pythia_run *run, pythia_error *error)
{
	if (run->writing)
		return true;
	if (!run->target->driver->begin(run->target, PYTHIA_BEGIN_IMMEDIATE, error))
		return false;
	run->writing = true;
	return true;
}

static bool commit_write(pythia_run *run, pythia_error *error)
{
	if (!run->writing)
		return true;
	run->writing = false;
	if (run->job->config->dry_run)
		return run->target->driver->rollback(run->target, error);
	return run->target->driver->commit(run->target, error);
}

static bool begin_read(pythia_run *run, pythia_error *error)
{
	if (!run->source->driver->begin(run->source, PYTHIA_BEGIN_SNAPSHOT, error))
		return false;
	run->reading = true;
	return true;
}

static bool end_read(pythia_run *run, pythia_error *error)
{
	if (!run->reading)
		return true;
	run->reading = false;
	return run->source->driver->rollback(run->source, error);
}

/* After an error, whose text matters and not what the clean-up says. */
static void give_up(pythia_run *run)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (run->reading && !run->source->broken)
		run->source->driver->rollback(run->source, &ignored);
	if (run->writing && !run->target->broken)
		run->target->driver->rollback(run->target, &ignored);
	run->reading = run->writing = false;
	pythia_error_reset(&ignored);
}

static void progress(const pythia_run *run, const char *phase)
{
	const pythia_sync_callbacks *callbacks = run->job->callbacks;

	if (callbacks != NULL && callbacks->progress != NULL)
		callbacks->progress(callbacks->context, phase, run->result->source_count, run->plan.source.estimated_rows,
							run->result->bytes);
}

/* --- target ---------------------------------------------------------------- */

static bool target_empty(pythia_run *run, bool *empty, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *text = NULL;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT 1 FROM ");
	pythia_dialect_table(pythia_dialect_of(run->target), &sql, run->plan.target.schema, run->plan.target.name);
	pythia_buffer_puts(&sql, " LIMIT 1");
	ok = pythia_run_scalar(run->target, sql.data, &text, error);
	*empty = text == NULL;
	pythia_free(text);
	pythia_buffer_free(&sql);
	return ok;
}

static bool empty_target(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	/* DELETE and not TRUNCATE: readers see the old rows until the commit */
	pythia_buffer_puts(&sql, "DELETE FROM ");
	pythia_dialect_table(pythia_dialect_of(run->target), &sql, run->plan.target.schema, run->plan.target.name);
	ok = pythia_run_exec(run, sql.data, &run->result->rows_deleted, error);
	pythia_buffer_free(&sql);
	return ok;
}

static bool make_plan(pythia_run *run, pythia_error *error)
{
	return pythia_plan_make(run->job, &run->plan, error);
}

static bool prepare_target(pythia_run *run, pythia_error *error)
{
	const pythia_sync_config *config = run->job->config;

	if (run->plan.target_missing && !config->dry_run)
	{
		if (!pythia_target_create(run->job, &run->plan, error))
			return false;
		pythia_plan_free(&run->plan);
		run->created = true;
		return make_plan(run, error);
	}
	if (run->plan.nunmatched > 0)
	{
		const char *name = run->plan.source.columns[run->plan.unmatched[0]].name;

		if (config->new_columns == PYTHIA_NEW_COLUMNS_ERROR || !config->create_target)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "42703", "target table \"%s\" has no column for \"%s\"",
						run->plan.target.name, name);
			return pythia_error_hint(error, "Add the column, map it in column_map, leave it out by exclude_columns, or "
											"set new_columns to add or ignore.");
		}
		if (config->new_columns == PYTHIA_NEW_COLUMNS_ADD && !config->dry_run)
		{
			if (!pythia_target_add_columns(run->job, &run->plan, error))
				return false;
			pythia_plan_free(&run->plan);
			return make_plan(run, error);
		}
		pythia_host_log(run->job->target->host, PYTHIA_LOG_NOTICE,
						"column \"%s\" of table \"%s\" has no counterpart in the target and is left out", name,
						run->plan.source.name);
	}
	return true;
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

/* --- rows ------------------------------------------------------------------ */

static bool end_chunk(pythia_run *run, pythia_loader *loader, pythia_error *error)
{
	if (!pythia_loader_finish(loader, error))
		return false;
	if (!run->single && !commit_write(run, error))
		return false;
	progress(run, "copying");
	return true;
}

static bool begin_chunk(pythia_run *run, pythia_loader *loader, pythia_error *error)
{
	if (loader->open)
		return true;
	if (run->staged && !pythia_stage_clear(run, error))
		return false;
	return begin_write(run, error);
}

static bool chunk_is_full(const pythia_run *run, const pythia_loader *loader)
{
	if (run->single && !run->staged)
		return false;
	if (loader->bytes >= CHUNK_BYTES)
		return true;
	return loader->rows >= CHUNK_ROWS && loader->rows >= (uint64_t) run->job->config->batch_size;
}

static bool copy_stream(pythia_run *run, pythia_stream *stream, pythia_error *error)
{
	pythia_loader loader;
	pythia_rows chunk;
	bool ok;

	pythia_loader_init(&loader, run);
	for (;;)
	{
		ok = run->source->driver->stream_next(stream, &chunk, error);
		if (!ok || chunk.count == 0)
			break;
		run->result->source_count += (int64_t) chunk.count;
		run->result->bytes += (int64_t) chunk.length;
		ok = begin_chunk(run, &loader, error) && pythia_loader_put(&loader, &chunk, error) &&
			 (!chunk_is_full(run, &loader) || end_chunk(run, &loader, error));
		if (!ok)
			break;
		if (pythia_host_cancelled(run->source->host))
		{
			ok = pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "cancelled while copying table \"%s\"",
							 run->plan.source.name);
			break;
		}
	}
	ok = ok && (!loader.open || end_chunk(run, &loader, error));
	pythia_loader_free(&loader);
	return ok;
}

static bool copy_rows(pythia_run *run, pythia_error *error)
{
	pythia_kind *kinds = pythia_calloc((size_t) run->plan.npairs, sizeof(pythia_kind));
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_stream *stream = NULL;
	bool ok;

	for (int i = 0; i < run->plan.npairs; i++)
		kinds[i] = pythia_pair_source(&run->plan, i)->type.kind;
	pythia_source_query(run, run->staged || run->target->engine != PYTHIA_POSTGRESQL, &sql);
	ok = run->source->driver->stream_open(run->source, sql.data, run->plan.npairs, kinds, &stream, error) &&
		 copy_stream(run, stream, error);
	run->source->driver->stream_close(stream);
	pythia_buffer_free(&sql);
	pythia_free(kinds);
	return ok;
}

static bool count_source(pythia_run *run, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->source);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *text = NULL;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT count(*) FROM ");
	pythia_dialect_table(dialect, &sql, run->plan.source.schema, run->plan.source.name);
	if (run->plan.where != NULL)
		pythia_buffer_printf(&sql, " WHERE (%s)", run->plan.where);
	ok = pythia_run_scalar(run->source, sql.data, &text, error);
	run->result->source_count = text != NULL ? strtoll(text, NULL, 10) : 0;
	run->result->rows_inserted = run->result->rows_synced = run->result->source_count;
	pythia_free(text);
	pythia_buffer_free(&sql);
	return ok;
}

static bool copy_table(pythia_run *run, pythia_error *error)
{
	const pythia_sync_config *config = run->job->config;
	bool empty = true;
	bool truncate = config->truncate_target && config->mode == PYTHIA_SYNC_FULL;

	if (run->plan.target_missing)
		return count_source(run, error); /* a dry run: all of it would be inserted */
	if (!run->created && !target_empty(run, &empty, error))
		return false;
	run->staged = (!empty && !truncate) || config->dry_run;
	run->single = truncate;
	if (run->staged && !pythia_stage_create(run, error))
		return false;
	if (truncate && !empty && !config->dry_run && (!begin_write(run, error) || !empty_target(run, error)))
		return false;
	if (!pythia_watermark_begin(run->source, &run->plan, run->job->watermark, &run->mark, error))
		return false;
	if (!begin_read(run, error) || !copy_rows(run, error))
		return false;
	if (!pythia_watermark_next(run->source, &run->plan, config, &run->mark, &run->result->watermark, error))
		return false;
	if (!end_read(run, error))
		return false;
	progress(run, "finishing");
	if (config->dry_run)
		return pythia_stage_drop(run, error);
	if (!commit_write(run, error) || (run->staged && !pythia_stage_drop(run, error)))
		return false;
	if (run->created && !pythia_target_create_indexes(run->job, &run->plan.target, error))
		return false;
	return pythia_finish_sequences(run, error);
}

static void free_run(pythia_run *run)
{
	for (int i = 0; i < run->plan.nkey; i++)
	{
		if (run->after != NULL)
			pythia_free(run->after[i]);
		if (run->seen != NULL)
			pythia_free(run->seen[i]);
	}
	pythia_free(run->after);
	pythia_free(run->seen);
	pythia_free(run->names);
	pythia_free(run->types);
	pythia_watermark_free(&run->mark);
	pythia_plan_free(&run->plan);
}

bool pythia_sync_table(const pythia_sync_job *job, pythia_sync_result *result, pythia_error *error)
{
	pythia_run run;
	bool ok;

	memset(&run, 0, sizeof(run));
	memset(result, 0, sizeof(*result));
	run.job = job;
	run.source = job->source;
	run.target = job->target;
	run.result = result;
	result->sync_mode = job->config->mode == PYTHIA_SYNC_FULL ? "full" : "incremental";
	result->start_time = pythia_host_now(job->source->host);
	ok = make_plan(&run, error) && prepare_target(&run, error);
	if (ok)
	{
		take_names(&run);
		ok = copy_table(&run, error);
	}
	if (!ok)
	{
		give_up(&run);
		pythia_error_context(error, "synchronising table \"%s\"", job->table);
	}
	result->end_time = pythia_host_now(job->source->host);
	result->duration_seconds = (double) (result->end_time - result->start_time) / 1e6;
	free_run(&run);
	return ok;
}
