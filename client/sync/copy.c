/* All the rows, in chunks; again from the last safe one after what can be retried. */
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"

/* A chunk is what is merged at once.  With a checkpoint it is also what a crash may cost again. */
#define CHUNK_BYTES            ((uint64_t) 64 << 20)
#define CHECKPOINT_CHUNK_BYTES ((uint64_t) 16 << 20)
#define CHECKPOINT_CHUNK_ROWS  100000
/* Rows held in memory, so that those that are refused can be found; and for a function's answers. */
#define HELD_CHUNK_BYTES ((uint64_t) 4 << 20)

static bool has_checkpoint(const pythia_run *run)
{
	const pythia_sync_callbacks *callbacks = run->job->callbacks;

	return (run->nparts > 0 || (callbacks != NULL && callbacks->checkpoint != NULL)) && !run->way.single;
}

static bool tell_checkpoint(pythia_run *run, pythia_error *error)
{
	const pythia_sync_callbacks *callbacks = run->job->callbacks;
	char *text;
	bool ok;

	if (!has_checkpoint(run) || run->after == NULL || !run->way.ordered || run->job->config->dry_run)
		return true;
	if (run->nparts > 0)
		return pythia_ranges_save(run, false, error);
	text = pythia_checkpoint_write(run);
	ok = callbacks->checkpoint(callbacks->context, text, error);
	pythia_free(text);
	return ok;
}

/* In a process of its own the local source's snapshot is the transaction that a checkpoint would be
 * written in: then every chunk is read in a transaction of its own, and the checkpoint comes between. */
static bool reads_in_pieces(const pythia_run *run)
{
	return has_checkpoint(run) && run->source->local && !run->source->nested && run->way.ordered;
}

static bool end_chunk(pythia_run *run, pythia_loader *loader, pythia_error *error)
{
	if (!pythia_loader_finish(loader, error))
		return false;
	if (!run->way.single && !pythia_run_commit(run, error))
		return false;
	if (!run->way.single && !reads_in_pieces(run) && !tell_checkpoint(run, error))
		return false;
	run->chunks++;
	pythia_run_progress(run, "copying");
	return true;
}

static bool begin_chunk(pythia_run *run, pythia_loader *loader, pythia_error *error)
{
	if (loader->open)
		return true;
	if (run->way.staged && !pythia_stage_clear(run, error))
		return false;
	return pythia_run_begin_write(run, error);
}

/* Several connections wait for one another at a chunk's end: there it may cost more to be interrupted. */
static bool chunk_is_full(const pythia_run *run, const pythia_loader *loader)
{
	bool checkpoint = has_checkpoint(run);
	uint64_t factor = run->way.connections > 1 ? 4 : 1;

	if (loader->holding || run->job->config->conflict == PYTHIA_CONFLICT_FUNCTION)
		return loader->bytes >= HELD_CHUNK_BYTES;
	if ((!run->way.staged && (run->way.single || !checkpoint)) || run->way.refers_to_itself)
		return false;
	if (checkpoint && loader->rows >= CHECKPOINT_CHUNK_ROWS * factor &&
		loader->rows >= (uint64_t) run->job->config->batch_size)
		return true;
	return loader->bytes >= (checkpoint ? CHECKPOINT_CHUNK_BYTES * factor : CHUNK_BYTES);
}

/* Sleeps where the copy is ahead of max_bytes_per_second. */
static bool throttle(const pythia_run *run, pythia_error *error)
{
	const pythia_sync_streams *streams = run->nparts > 0 ? run->job->streams : NULL;
	int64_t limit = run->job->config->max_bytes_per_second;
	double due;
	double spent;

	if (limit <= 0)
		return true;
	due = (double) run->result->bytes / (double) limit;
	if (streams != NULL && streams->at_work > 1)
		due *= streams->at_work;
	spent = (double) (pythia_host_now(run->job->source->host) - run->started) / 1e6;
	if (due > spent &&
		pythia_host_wait(run->job->source->host, -1, 0, (long) ((due - spent) * 1000)) == PYTHIA_WAIT_CANCELLED)
		return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "cancelled while copying table \"%s\"",
						   run->plan.source.name);
	return true;
}

static bool cancelled(const pythia_run *run, pythia_error *error)
{
	if (!pythia_host_cancelled(run->job->source->host))
		return false;
	pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "cancelled while copying table \"%s\"", run->plan.source.name);
	return true;
}

static bool take_chunk(pythia_run *run, pythia_loader *loader, const pythia_rows *chunk, pythia_error *error)
{
	run->result->source_count += (int64_t) chunk->count;
	run->result->bytes += (int64_t) chunk->length;
	if (!begin_chunk(run, loader, error) || !pythia_loader_put(loader, chunk, error))
		return false;
	if (run->way.ordered)
		pythia_place_remember(run, chunk);
	if (chunk_is_full(run, loader) && !end_chunk(run, loader, error))
		return false;
	pythia_run_progress(run, "copying");
	return !cancelled(run, error) && throttle(run, error);
}

/* What was read before the source was lost is whole rows: it is stored, and the copy goes on after it. */
static bool save_what_came(pythia_run *run, pythia_loader *loader, pythia_error *error)
{
	pythia_error trouble = PYTHIA_ERROR_INIT;

	run->state.source_failed = true;
	if (!run->way.ordered || !loader->open ||
		(error->error_class != PYTHIA_E_LOST && error->error_class != PYTHIA_E_TRANSIENT))
		return false;
	if (!end_chunk(run, loader, &trouble))
	{
		run->state.source_failed = false;
		return pythia_error_move(error, &trouble);
	}
	return false;
}

static void remember_seen_as_safe(pythia_run *run)
{
	/* within one transaction the rows are safe as long as it is open */
	if (run->way.single && run->seen != NULL)
	{
		if (run->after == NULL)
			run->after = pythia_calloc((size_t) run->plan.nkey, sizeof(char *));
		for (int i = 0; i < run->plan.nkey; i++)
		{
			pythia_free(run->after[i]);
			run->after[i] = pythia_strdup(run->seen[i]);
		}
	}
}

/* *more: the stream has not come to its end. */
static bool copy_stream(pythia_run *run, pythia_stream *stream, bool *more, pythia_error *error)
{
	int64_t chunks = run->chunks;
	pythia_loader loader;
	pythia_rows chunk;
	bool ok;

	pythia_loader_init(&loader, run);
	for (;;)
	{
		if (!run->source->driver->stream_next(stream, &chunk, error))
		{
			ok = save_what_came(run, &loader, error);
			if (run->state.source_failed)
				remember_seen_as_safe(run);
			break;
		}
		*more = chunk.count > 0;
		ok = chunk.count == 0 || take_chunk(run, &loader, &chunk, error);
		if (!ok || chunk.count == 0 || (run->chunks > chunks && reads_in_pieces(run) && !run->state.placeless))
			break;
	}
	ok = ok && (!loader.open || end_chunk(run, &loader, error));
	pythia_loader_free(&loader);
	return ok;
}

static bool empty_target(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	/* DELETE and not TRUNCATE: readers see the old rows until the commit */
	pythia_buffer_puts(&sql, "DELETE FROM ");
	if (run->swap != NULL)
		pythia_dialect_table(pythia_dialect_of(run->target), &sql, run->plan.target.schema, run->swap);
	else
		pythia_merge_table(run, false, &sql);
	/* what this run itself has loaded counts for nothing */
	ok = pythia_run_exec(run, sql.data, run->way.replaces && run->swap == NULL ? &run->result->rows_deleted : NULL,
						 error);
	pythia_buffer_free(&sql);
	return ok;
}

/* A commit of its own: what is gone is gone, whatever becomes of the rows. */
bool pythia_sweep_now(pythia_run *run, pythia_error *error)
{
	run->state.source_failed = false;
	if (!pythia_sweep(run, error) || (!run->way.single && !pythia_run_commit(run, error)))
		return false;
	run->state.swept = true;
	run->state.source_failed = true;
	return true;
}

static bool copy_pass(pythia_run *run, bool *more, pythia_error *error)
{
	pythia_kind *kinds;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_stream *stream = NULL;
	int nfields;
	bool ok;

	if (((run->way.replaces && run->swap == NULL) || run->state.empty_again) && !run->state.writing &&
		(!pythia_run_begin_write(run, error) || !empty_target(run, error)))
		return false;
	*more = false;
	if (run->way.staged && !pythia_stage_create(run, error))
		return false;
	run->state.source_failed = true; /* until the stream is open */
	if (!pythia_run_begin_read(run, error))
		return false;
	if (run->way.sweep_first && !run->state.swept && !pythia_sweep_now(run, error))
		return false;
	nfields = run->plan.npairs + (run->plan.extra_place ? run->plan.nkey : 0);
	kinds = pythia_calloc((size_t) nfields, sizeof(pythia_kind));
	for (int i = 0; i < nfields; i++)
		kinds[i] = i < run->plan.npairs ? pythia_pair_source(&run->plan, i)->type.kind
										: pythia_place_type(run, i - run->plan.npairs)->kind;
	ok = pythia_source_query(run, run->way.ordered, &sql, error) &&
		 run->source->driver->stream_open(run->source, sql.data, nfields, kinds, &stream, error);
	if (ok)
	{
		run->state.source_failed = false;
		ok = copy_stream(run, stream, more, error);
	}
	if (!ok && run->plan.where != NULL && error->error_class == PYTHIA_E_DATABASE && error->hint == NULL)
		pythia_error_hint(error, "Perhaps it is option \"where\", which the source reads as (%s).", run->plan.where);
	run->source->driver->stream_close(stream);
	pythia_buffer_free(&sql);
	pythia_free(kinds);
	return ok;
}

/* After a failure that can be retried: where does the next pass begin? */
static void restart(pythia_run *run)
{
	if (run->state.writing)
		return; /* the open transaction holds what was read so far */
	if (run->way.single)
	{
		run->state.swept = false;
		for (int i = 0; run->after != NULL && i < run->plan.nkey; i++)
			pythia_free(run->after[i]);
		pythia_free(run->after);
		run->after = NULL;
		/* a commit that nobody heard of may have taken place, and MyISAM keeps what it was given without one: only a key
		 * tells rows that are there */
		run->state.empty_again =
			run->job->config->truncate_target && run->job->config->mode == PYTHIA_SYNC_FULL && !run->way.staged;
	}
	else if (run->after != NULL || run->state.unsure)
		run->way.staged = true; /* the target holds the chunks that were committed */
	/* connections that wait for one another's rows: one alone has nobody to wait for */
	run->way.connections = 1;
}

bool pythia_copy_rows(pythia_run *run, pythia_error *error)
{
	bool more = true;

	while (more)
	{
		if (!copy_pass(run, &more, error))
		{
			if (!pythia_run_recover(run, error))
				return false;
			restart(run);
			more = true;
		}
		else if (reads_in_pieces(run) && (!pythia_run_end_read(run, error) || !tell_checkpoint(run, error)))
			return false;
		else if (!more && !pythia_run_begin_read(run, error))
			return false; /* the sweep and the watermark read too */
	}
	return true;
}
