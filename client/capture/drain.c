/*
 * Draining a trigger's log (capture/source/log.h) into the store.  What is delivered is committed
 * there together with its numbers in pythia_seen, then deleted from the log,
 * then forgotten: so nothing is delivered twice where the source breaks in between.
 * Where the store is within a transaction of the application's, which may yet be rolled back, that is left to a
 * drain that finds the numbers committed.
 */
#include "capture/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/classify.h"
#include "core/memory.h"

typedef struct drain
{
	pythia_sink sink;
	pythia_capture *capture;
	pythia_captured *captured;
	pythia_log_numbers read; /* in this round */
	pythia_log_numbers done; /* delivered before and not yet deleted */
} drain;

static bool on_change(void *context, const pythia_capture_change *change, pythia_error *error)
{
	drain *d = context;
	const pythia_captured *captured = d->captured;
	const char *stamp =
		captured->config.timestamp_column ? captured->config.timestamp_column : d->capture->timestamp_column;

	if (strcmp(change->change_type, PYTHIA_NOT_LOGGED) == 0)
	{
		if (!d->captured->not_logged)
			d->captured->not_logged = pythia_strdup(change->new_data);
		return true;
	}
	if (captured->config.track == PYTHIA_TRACK_ROWS && strcmp(change->change_type, "UPDATE") == 0 &&
		!pythia_classify_logged(captured->config.track,
								pythia_image_likeness(change->old_data, change->new_data, stamp)))
		return true;
	return pythia_sink_put(&d->sink, change->change_type, change->primary_key, change->old_data, change->new_data,
						   change->timestamp, change->transaction_id, error);
}

static bool read_done(drain *d, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	d->done.count = 0;
	pythia_buffer_printf(&sql, "SELECT key FROM main.pythia_seen WHERE table_id = %lld ORDER BY CAST(key AS INTEGER)",
						 (long long) d->captured->table_id);
	ok = pythia_db_query(d->capture->store, sql.data, "n", &result, error);
	pythia_buffer_free(&sql);
	for (int64_t i = 0; ok && i < result.nrows; i++)
		pythia_log_numbers_add(&d->done, pythia_result_number(&result, i, 0));
	pythia_result_free(&result);
	return ok;
}

static bool record(drain *d, const pythia_log_numbers *numbers, pythia_error *error)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT};
	pythia_rows_writer rows = {0};
	bool ok;

	for (int64_t i = 0; i < numbers->count; i++)
	{
		char text[24];

		pythia_rows_text(&rows, text, (size_t) snprintf(text, sizeof(text), "%lld", (long long) d->captured->table_id));
		pythia_rows_text(&rows, text, (size_t) snprintf(text, sizeof(text), "%lld", (long long) numbers->numbers[i]));
		pythia_rows_text(&rows, "", 0);
		pythia_rows_null(&rows);
		pythia_rows_end(&rows);
	}
	ok = pythia_store_load(d->capture->store, "INSERT OR REPLACE INTO main.pythia_seen VALUES (?1, ?2, ?3, ?4)", 4,
						   kinds, &rows, error);
	pythia_rows_free(&rows);
	return ok;
}

/*
 * After reading and before deleting: what came of columns meanwhile is completed from the rows that are
 * still in the log (capture/source/trigger.c).  Where locks are in the way, all stays there for another time.
 */
static bool fit_and_delete(drain *d, bool *deleted, pythia_error *error)
{
	pythia_captured *captured = d->captured;

	*deleted = false;
	if (!d->capture->source->local && !pythia_captured_open(d->capture, captured, error))
		return false;
	return captured->unfit || pythia_log_delete(d->capture->source, captured->table.table.schema, captured->log.name,
												&d->read, deleted, error);
}

/* Forgets what was delivered and deleted, up to a number. */
static bool forget(drain *d, int64_t last, pythia_error *error)
{
	return pythia_store_exec(d->capture->store, error,
							 "DELETE FROM main.pythia_seen WHERE table_id = %lld AND CAST(key AS INTEGER) <= %lld",
							 (long long) d->captured->table_id, (long long) last);
}

/* Within the application's transaction: deletes what an earlier one has delivered, of which the numbers are committed. */
static bool delete_done(drain *d, pythia_error *error)
{
	pythia_db *source = d->capture->source;
	bool deleted = false;

	if (!d->capture->store->nested || d->capture->store->undecided || source->local)
		return true;
	if (!read_done(d, error))
		return false;
	if (d->done.count == 0)
		return true;
	/* PostgreSQL and MySQL read in a snapshot that is read only */
	if (!source->driver->commit(source, error) ||
		!pythia_log_delete(source, d->captured->table.table.schema, d->captured->log.name, &d->done, &deleted, error) ||
		!source->driver->begin(source, PYTHIA_BEGIN_SNAPSHOT, error))
		return false;
	return !deleted || forget(d, d->done.numbers[d->done.count - 1], error);
}

/* One round; *more where the log may hold more. */
static bool drain_round(drain *d, bool *more, pythia_error *error)
{
	pythia_capture *capture = d->capture;
	pythia_captured *captured = d->captured;
	pythia_db *source = capture->source;
	bool deleted;

	if (!read_done(d, error) ||
		!pythia_log_read(&captured->table, &captured->log, PYTHIA_TRIGGER_LOG_ROWS + (int) d->done.count,
						 PYTHIA_TRIGGER_LOG_BYTES, &d->done, &d->read, more, on_change, d, error) ||
		!pythia_sink_write(&d->sink, error))
		return false;
	if (d->read.count == 0)
		return true;
	captured->touched = true;
	if (source->local)
		return fit_and_delete(d, &deleted, error);
	if (capture->store->nested)
	{
		*more = *more && d->read.count > d->done.count;
		return record(d, &d->read, error) && pythia_captured_save(capture, captured, &captured->position, error);
	}
	/* PostgreSQL and MySQL read in a snapshot that is read only */
	if (!record(d, &d->read, error) || !pythia_captured_save(capture, captured, &captured->position, error) ||
		!pythia_capture_commit(capture, error) || !source->driver->commit(source, error) ||
		!fit_and_delete(d, &deleted, error) || !source->driver->begin(source, PYTHIA_BEGIN_SNAPSHOT, error) ||
		!pythia_capture_begin(capture, error))
		return false;
	*more = *more && deleted;
	return !deleted || forget(d, d->read.numbers[d->read.count - 1], error);
}

static bool drain_all(drain *d, pythia_error *error)
{
	bool more = true;
	bool ok = true;

	while (ok && more)
		ok = drain_round(d, &more, error);
	return ok;
}

/* Every row that is there, as an INSERT; what the log shows in the same snapshot is in it already. */
static bool on_first(void *context, const pythia_capture_row *row, pythia_error *error)
{
	drain *d = context;

	return pythia_sink_put(&d->sink, "INSERT", row->key, NULL, row->image, d->capture->captured_at, NULL, error);
}

static bool tell_all(drain *d, pythia_error *error)
{
	pythia_captured *captured = d->captured;

	captured->started = true;
	return pythia_log_all(&captured->table, &captured->log, &d->done, error) && record(d, &d->done, error) &&
		   pythia_capture_keys(&captured->table, true, NULL, on_first, d, error) &&
		   pythia_sink_write(&d->sink, error) && pythia_captured_save(d->capture, captured, &captured->position, error);
}

bool pythia_captured_drain(pythia_capture *capture, pythia_captured *captured, pythia_error *error)
{
	drain d = {.sink = {.capture = capture, .captured = captured}, .capture = capture, .captured = captured};
	bool ok;

	if (captured->unfit)
		return true;
	ok = (captured->started ? delete_done(&d, error) : tell_all(&d, error)) && drain_all(&d, error);
	pythia_log_numbers_free(&d.read);
	pythia_log_numbers_free(&d.done);
	pythia_sink_free(&d.sink);
	if (!ok)
		return false;
	return !captured->touched || pythia_captured_save(capture, captured, &captured->position, error);
}
