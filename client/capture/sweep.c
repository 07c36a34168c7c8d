/*
 * What polling cannot see: keys that are tracked and no longer there.  One pass
 * over the source's keys, then sets are compared in the store.
 */
#include "capture/internal.h"

#include <stdlib.h>
#include <string.h>

#include "capture/classify.h"
#include "core/memory.h"

typedef struct sweep
{
	pythia_sink sink;
	pythia_rows_writer keys;
	int64_t found;
} sweep;

static bool write_keys(sweep *s, pythia_error *error)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_TEXT};

	if (!pythia_store_load(s->sink.capture->store, "INSERT OR REPLACE INTO temp.pythia_key VALUES (?1)", 1, kinds,
						   &s->keys, error))
		return false;
	pythia_rows_clear(&s->keys);
	return true;
}

static bool on_key(void *context, const pythia_capture_row *row, pythia_error *error)
{
	sweep *s = context;

	s->found++;
	pythia_rows_text(&s->keys, row->key, strlen(row->key));
	pythia_rows_end(&s->keys);
	return s->keys.buffer.length < PYTHIA_BATCH_BYTES || write_keys(s, error);
}

/* The keys that are gone, numbered in temp.pythia_gone. */
static bool find_gone(sweep *s, int64_t *gone, pythia_error *error)
{
	pythia_db *store = s->sink.capture->store;

	return pythia_store_exec(
			   store, error,
			   "INSERT INTO temp.pythia_gone (key) SELECT t.key FROM main.pythia_tracked t"
			   " WHERE t.table_id = %lld AND NOT EXISTS (SELECT 1 FROM temp.pythia_key k WHERE k.key = t.key)",
			   (long long) s->sink.captured->table_id) &&
		   pythia_db_count(store, "SELECT count(*) FROM temp.pythia_gone", gone, error);
}

/* Delivers them, a run of rows bounded by bytes at a time: what is delivered may be written to the store in between. */
static bool tell_gone(sweep *s, pythia_error *error)
{
	pythia_capture *capture = s->sink.capture;
	pythia_db *store = capture->store;
	long long last = 0;
	bool more = true;

	while (more)
	{
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		pythia_rows_reader rows = {0};
		pythia_stream *stream;
		pythia_rows chunk = {0};
		size_t bytes = 0;
		bool ok;

		pythia_buffer_printf(&sql,
							 "SELECT g.n, g.key, t.image FROM temp.pythia_gone g JOIN main.pythia_tracked t"
							 " ON t.table_id = %lld AND t.key = g.key WHERE g.n > %lld ORDER BY g.n",
							 (long long) s->sink.captured->table_id, last);
		ok = store->driver->stream_open(store, sql.data, 3, NULL, &stream, error);
		pythia_buffer_free(&sql);
		if (!ok)
			return false;
		capture->store_busy = true;
		more = false;
		while (ok && (ok = store->driver->stream_next(stream, &chunk, error)) && chunk.count > 0)
		{
			pythia_rows_open(&rows, &chunk);
			while (ok && pythia_rows_next(&rows))
			{
				ok = pythia_db_fields(store, &rows, "ntT", error);
				if (!ok)
					break;
				last = pythia_field_number(&rows.fields[0]);
				ok = pythia_sink_put(&s->sink, "DELETE", rows.fields[1].value, rows.fields[2].value, NULL,
									 capture->captured_at, NULL, error);
			}
			bytes += chunk.length;
			if (bytes >= PYTHIA_BATCH_BYTES)
			{
				more = true;
				break;
			}
		}
		store->driver->stream_close(stream);
		capture->store_busy = false;
		pythia_rows_close(&rows);
		if (!ok || !pythia_sink_write(&s->sink, error))
			return false;
	}
	return true;
}

static bool forget_gone(sweep *s, pythia_error *error)
{
	pythia_db *store = s->sink.capture->store;
	long long id = s->sink.captured->table_id;

	return pythia_store_exec(store, error,
							 "DELETE FROM main.pythia_tracked WHERE table_id = %lld AND key IN"
							 " (SELECT key FROM temp.pythia_gone)",
							 id) &&
		   pythia_store_exec(store, error,
							 "DELETE FROM main.pythia_seen WHERE table_id = %lld AND key IN"
							 " (SELECT key FROM temp.pythia_gone)",
							 id);
}

static const char *const empty_sql[] = {"DELETE FROM temp.pythia_key", "DELETE FROM temp.pythia_gone", NULL};

static bool run_sweep(sweep *s, pythia_error *error)
{
	pythia_capture *capture = s->sink.capture;
	pythia_captured *captured = s->sink.captured;
	int64_t gone = 0;

	if (!pythia_tracked_merge(capture, captured, error) || !pythia_db_exec_each(capture->store, empty_sql, error) ||
		!pythia_capture_keys(&captured->table, false, NULL, on_key, s, error) || !write_keys(s, error) ||
		!find_gone(s, &gone, error))
		return false;
	switch (pythia_classify_sweep(s->found, gone > 0, captured->config.where != NULL))
	{
		case PYTHIA_SWEEP_NOTHING:
			return true;
		case PYTHIA_SWEEP_TRUNCATE:
			if (!pythia_sink_put(&s->sink, "TRUNCATE", NULL, NULL, NULL, capture->captured_at, NULL, error))
				return false;
			break;
		case PYTHIA_SWEEP_DELETES:
			if (!tell_gone(s, error))
				return false;
			break;
	}
	captured->touched = true;
	return pythia_sink_write(&s->sink, error) && forget_gone(s, error) &&
		   pythia_db_exec_each(capture->store, empty_sql, error);
}

bool pythia_captured_sweep(pythia_capture *capture, pythia_captured *captured, pythia_error *error)
{
	sweep s = {.sink = {.capture = capture, .captured = captured}};
	int64_t nulls = 0;
	bool ok = pythia_capture_nulls(&captured->table, &nulls, error) &&
			  (captured->config.track == PYTHIA_TRACK_NONE || run_sweep(&s, error));

	pythia_rows_free(&s.keys);
	pythia_sink_free(&s.sink);
	if (!ok)
		return false;
	if (nulls > 0 && nulls != captured->null_stamps)
		pythia_host_log(capture->source->host, PYTHIA_LOG_WARNING,
						"%lld rows of table %s have no timestamp, or no key: polling cannot see their changes",
						(long long) nulls, captured->name);
	captured->touched = captured->touched || nulls != captured->null_stamps;
	captured->null_stamps = nulls;
	captured->last_sweep = capture->now;
	return true;
}
