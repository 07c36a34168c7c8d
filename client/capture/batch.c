/*
 * Rows of a scan become changes.  They are gathered in batches bounded by bytes;
 * a batch is looked up at once in what the store knows (versions seen, keys or
 * rows tracked), delivered, and recorded.
 */
#include "capture/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/classify.h"
#include "core/memory.h"
#include "core/number.h"

/* --- batches ------------------------------------------------------------------------ */

/* A row that waits to be looked up: offsets into the arena, 0 is NULL. */
typedef struct entry
{
	size_t key;
	size_t version;
	size_t stamp;
	size_t image;
	size_t transaction_id;
	size_t key_length;
	size_t image_length;
	bool fresh;
	bool aged;
	bool known;
} entry;

typedef struct batch
{
	pythia_sink sink;
	pythia_capture *capture;
	pythia_captured *captured;
	const pythia_capture_window *window;
	bool look_up; /* the store knows something of this table */
	bool silent;  /* record, deliver nothing */
	bool defer;   /* keys go to pythia_told: nothing is known yet that they could be compared with */
	pythia_buffer arena;
	entry entries[PYTHIA_BATCH_ROWS];
	int count;
	int64_t unwritten; /* rows classified since the state was written */
	pythia_rows_writer stage;
	pythia_rows_writer tracked;
	pythia_rows_writer seen;
	int64_t since_checkpoint;
	int64_t scanned;
	char last_stamp[32]; /* to the second */
} batch;

/* Rows read again by a poll that finds nothing new, before it is worth a write. */
#define IDLE_ROWS 100
/* Beyond this much is not kept from one batch to the next. */
#define ARENA_KEPT (4 * PYTHIA_BATCH_BYTES)

static size_t keep(batch *b, const char *text, size_t length)
{
	size_t at = b->arena.length;

	if (!text)
		return 0;
	pythia_buffer_append(&b->arena, text, length + 1);
	return at;
}

static size_t keep_text(batch *b, const char *text)
{
	return text ? keep(b, text, strlen(text)) : 0;
}

static const char *kept(const batch *b, size_t at)
{
	return at ? b->arena.data + at : NULL;
}

/* An entry as the row that it was. */
static pythia_capture_row row_of(const batch *b, const entry *e)
{
	return (pythia_capture_row){.version = kept(b, e->version),
								.stamp = kept(b, e->stamp),
								.key = kept(b, e->key),
								.key_length = e->key_length,
								.image = kept(b, e->image),
								.image_length = e->image_length,
								.transaction_id = kept(b, e->transaction_id),
								.fresh = e->fresh,
								.aged = e->aged,
								.known = e->known};
}

static void record(batch *b, const pythia_capture_row *row, bool track)
{
	if (track && b->defer)
	{
		pythia_rows_text(&b->tracked, row->key, row->key_length);
		pythia_rows_end(&b->tracked);
	}
	else if (track)
	{
		pythia_rows_integer(&b->tracked, b->captured->table_id);
		pythia_rows_text(&b->tracked, row->key, row->key_length);
		pythia_rows_text_or_null(&b->tracked, b->captured->config.track == PYTHIA_TRACK_ROWS ? row->image : NULL);
		pythia_rows_end(&b->tracked);
	}
	if (!pythia_capture_stamp_kept(&b->captured->table, row->stamp, b->window->next.low))
		return;
	pythia_rows_integer(&b->seen, b->captured->table_id);
	pythia_rows_text(&b->seen, row->key, row->key_length);
	pythia_rows_text_or_null(&b->seen, row->version);
	pythia_rows_text_or_null(&b->seen, row->stamp);
	pythia_rows_end(&b->seen);
}

/* One row against what is known: the version of it captured last, whether its key is tracked, its last image. */
static bool classify_row(batch *b, const pythia_capture_row *row, const char *version, bool tracked,
						 const char *old_image, pythia_error *error)
{
	pythia_situation situation = {.track = b->captured->config.track,
								  .version = !version                             ? PYTHIA_VERSION_UNKNOWN
											 : strcmp(version, row->version) == 0 ? PYTHIA_VERSION_SAME
																				  : PYTHIA_VERSION_OTHER,
								  .tracked = tracked,
								  .starting = b->silent,
								  .known = row->known,
								  .aged = row->aged};
	pythia_verdict verdict;

	if (pythia_classify_compares(&situation))
		situation.image =
			pythia_image_likeness(old_image, row->image, pythia_capture_stamp_column(&b->captured->table)->name);
	verdict = pythia_classify(&situation);
	if (verdict == PYTHIA_ROW_KNOWN)
		return true;
	b->captured->touched = true;
	if (verdict == PYTHIA_ROW_REMEMBER)
	{
		record(b, row, false);
		return true;
	}
	record(b, row,
		   situation.track == PYTHIA_TRACK_ROWS || (situation.track == PYTHIA_TRACK_KEYS && !situation.tracked));
	b->since_checkpoint++;
	return pythia_sink_put(&b->sink, verdict == PYTHIA_ROW_UPDATE ? "UPDATE" : "INSERT", row->key, old_image,
						   row->image, row->stamp, row->transaction_id, error);
}

static bool classify_known(batch *b, pythia_error *error)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT};
	pythia_db *store = b->capture->store;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_stream *stream;
	pythia_rows_reader rows = {0};
	pythia_rows chunk;
	bool ok;

	pythia_rows_clear(&b->stage);
	for (int i = 0; i < b->count; i++)
	{
		pythia_rows_integer(&b->stage, i);
		pythia_rows_text(&b->stage, kept(b, b->entries[i].key), b->entries[i].key_length);
		pythia_rows_end(&b->stage);
	}
	pythia_buffer_printf(&sql,
						 "SELECT b.n, s.version, t.key IS NOT NULL, %s FROM temp.pythia_batch b"
						 " LEFT JOIN main.pythia_seen s ON s.table_id = %lld AND s.key = b.key"
						 " LEFT JOIN main.pythia_tracked t ON t.table_id = %lld AND t.key = b.key ORDER BY b.n",
						 b->captured->config.track == PYTHIA_TRACK_ROWS ? "t.image" : "NULL",
						 (long long) b->captured->table_id, (long long) b->captured->table_id);
	ok = pythia_db_exec(store, "DELETE FROM temp.pythia_batch", NULL, error) &&
		 pythia_store_load(store, "INSERT INTO temp.pythia_batch VALUES (?1, ?2)", 2, kinds, &b->stage, error) &&
		 store->driver->stream_open(store, sql.data, 4, NULL, &stream, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	b->capture->store_busy = true;
	while (ok)
	{
		ok = store->driver->stream_next(stream, &chunk, error);
		if (!ok || chunk.count == 0)
			break;
		pythia_rows_open(&rows, &chunk);
		while (ok && pythia_rows_next(&rows))
		{
			pythia_capture_row row;
			int64_t place;

			ok = pythia_db_fields(store, &rows, "cTbT", error);
			place = ok ? pythia_field_number(&rows.fields[0]) : 0;
			if (ok && place >= b->count)
				ok = pythia_db_bad_answer(store, error, "a key that was not asked for");
			if (!ok)
				break;
			row = row_of(b, &b->entries[place]);
			ok = classify_row(b, &row, rows.fields[1].value, rows.fields[2].value[0] == '1', rows.fields[3].value,
							  error);
		}
	}
	store->driver->stream_close(stream);
	b->capture->store_busy = false;
	pythia_rows_close(&rows);
	return ok;
}

/* All keys of a batch as one row. */
static bool write_told(batch *b, pythia_error *error)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT};
	pythia_rows_writer row = {0};
	bool ok;

	if (b->tracked.count == 0)
		return true;
	pythia_rows_integer(&row, b->captured->table_id);
	pythia_rows_text(&row, b->tracked.buffer.data, b->tracked.buffer.length);
	pythia_rows_end(&row);
	ok = pythia_store_load(b->capture->store, "INSERT INTO main.pythia_told (table_id, keys) VALUES (?1, ?2)", 2, kinds,
						   &row, error);
	pythia_rows_free(&row);
	return ok;
}

static const pythia_kind tracked_kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT};
static const char *const tracked_sql = "INSERT OR REPLACE INTO main.pythia_tracked VALUES (?1, ?2, ?3)";

/* One row of pythia_told to pythia_tracked; *more is false where there was none. */
static bool merge_row(pythia_capture *capture, const pythia_captured *captured, bool *more, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_rows_writer tracked = {0};
	pythia_rows_reader reader = {0};
	pythia_result first;
	pythia_rows keys;
	bool ok;

	pythia_buffer_printf(&sql,
						 "SELECT told_id, keys FROM main.pythia_told WHERE table_id = %lld ORDER BY told_id LIMIT 1",
						 (long long) captured->table_id);
	ok = pythia_db_query(capture->store, sql.data, "nv", &first, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	*more = first.nrows > 0;
	if (*more)
	{
		keys = (pythia_rows){.data = pythia_result_text(&first, 0, 1), .length = pythia_result_length(&first, 0, 1)};
		pythia_rows_open(&reader, &keys);
		while (ok && pythia_rows_next(&reader))
		{
			ok = pythia_db_fields(capture->store, &reader, "t", error);
			if (!ok)
				break;
			pythia_rows_integer(&tracked, captured->table_id);
			pythia_rows_text_or_null(&tracked, reader.fields[0].value);
			pythia_rows_null(&tracked);
			pythia_rows_end(&tracked);
		}
		ok = ok && pythia_store_load(capture->store, tracked_sql, 3, tracked_kinds, &tracked, error) &&
			 pythia_store_exec(capture->store, error, "DELETE FROM main.pythia_told WHERE told_id = %lld",
							   (long long) pythia_result_number(&first, 0, 0));
		pythia_rows_close(&reader);
		pythia_rows_free(&tracked);
	}
	pythia_result_free(&first);
	return ok;
}

bool pythia_tracked_merge(pythia_capture *capture, const pythia_captured *captured, pythia_error *error)
{
	bool more = true;

	while (more)
		if (!merge_row(capture, captured, &more, error))
			return false;
	return true;
}

static bool write_state(batch *b, pythia_error *error)
{
	const pythia_kind stamp = b->captured->table.numeric ? PYTHIA_KIND_INT : PYTHIA_KIND_TEXT;
	const pythia_kind seen[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT, stamp};
	pythia_db *store = b->capture->store;

	if (!(b->defer ? write_told(b, error)
				   : pythia_store_load(store, tracked_sql, 3, tracked_kinds, &b->tracked, error)) ||
		!pythia_store_load(store, "INSERT OR REPLACE INTO main.pythia_seen VALUES (?1, ?2, ?3, ?4)", 4, seen, &b->seen,
						   error) ||
		!pythia_sink_write(&b->sink, error))
		return false;
	pythia_rows_clear(&b->tracked);
	pythia_rows_clear(&b->seen);
	return true;
}

static void empty(batch *b)
{
	b->count = 0;
	b->unwritten = 0;
	if (b->arena.capacity > ARENA_KEPT)
		pythia_buffer_free(&b->arena);
	pythia_buffer_clear(&b->arena);
	pythia_buffer_putc(&b->arena, '\0'); /* so that no text is at 0 */
}

static bool flush_batch(batch *b, pythia_error *error)
{
	bool ok = b->count == 0 || classify_known(b, error);

	empty(b);
	return ok && write_state(b, error);
}

static bool is_full(const batch *b)
{
	return b->count == PYTHIA_BATCH_ROWS || b->unwritten >= PYTHIA_BATCH_ROWS ||
		   b->arena.length + b->tracked.buffer.length + b->seen.buffer.length >= PYTHIA_BATCH_BYTES;
}

/*
 * Everything stamped before this row's second has been delivered: that may be stored now, so that
 * a reader who stops midway need not begin again.
 */
static bool checkpoint(batch *b, const char *stamp, pythia_error *error)
{
	pythia_capture_position position = {
		.low = (char *) stamp, .mark = b->captured->position.mark, .mark_time = b->captured->position.mark_time};

	b->since_checkpoint = 0;
	return flush_batch(b, error) && pythia_captured_save(b->capture, b->captured, &position, error) &&
		   pythia_capture_commit(b->capture, error) && pythia_capture_begin(b->capture, error);
}

/* The row's stamp to the second; "" where it must not become a position. */
static void second_of(const batch *b, const pythia_capture_row *row, char out[32])
{
	const char *stamp = row->stamp;
	const pythia_capture_table *table = &b->captured->table;
	const char *next = b->window->next.low;
	size_t length = stamp ? strlen(stamp) : 0;

	out[0] = '\0';
	if (!next || length < 1 || length > 31 || row->unsorted || pythia_capture_stamp_kept(table, stamp, next))
		return;
	if (table->numeric)
		memcpy(out, stamp, length + 1);
	else if (length >= 10 && length <= 29 && stamp[length - 1] != 'C')
	{
		length = length > 19 ? 19 : length;
		/* of a day in SQLite those that are written with a T come last */
		length = length > 10 && pythia_sqlite_stamp_is_text(table) ? 10 : length;
		memcpy(out, stamp, length);
		out[length] = '\0';
	}
	if (!pythia_capture_is_stamp(table, out))
		out[0] = '\0';
}

static bool on_row(void *context, const pythia_capture_row *row, pythia_error *error)
{
	batch *b = context;
	entry *e;
	char second[32];

	second_of(b, row, second);
	if (b->since_checkpoint >= PYTHIA_CHECKPOINT_ROWS && !b->capture->store->local && !b->capture->in_caller &&
		second[0] && strcmp(second, b->last_stamp) != 0 && !checkpoint(b, second, error))
		return false;
	memcpy(b->last_stamp, second, sizeof(second));
	if (is_full(b) && !flush_batch(b, error))
		return false;
	b->scanned++;
	if (!b->look_up)
	{
		b->unwritten++;
		return classify_row(b, row, NULL, false, NULL, error);
	}
	e = &b->entries[b->count++];
	e->key = keep(b, row->key, row->key_length);
	e->key_length = row->key_length;
	e->version = keep_text(b, row->version);
	e->stamp = keep_text(b, row->stamp);
	e->image = b->silent ? 0 : keep(b, row->image, row->image_length);
	e->image_length = row->image_length;
	e->transaction_id = keep_text(b, row->transaction_id);
	e->fresh = row->fresh;
	e->aged = row->aged;
	e->known = row->known;
	return true;
}

static batch *new_batch(pythia_capture *capture, pythia_captured *captured, const pythia_capture_window *window)
{
	batch *b = pythia_calloc(1, sizeof(*b));

	b->capture = b->sink.capture = capture;
	b->captured = b->sink.captured = captured;
	b->window = window;
	empty(b);
	return b;
}

static void free_batch(batch *b)
{
	pythia_sink_free(&b->sink);
	pythia_buffer_free(&b->arena);
	pythia_rows_free(&b->stage);
	pythia_rows_free(&b->tracked);
	pythia_rows_free(&b->seen);
	pythia_free(b);
}

/* True where the store knows versions or keys of this table. */
static bool knows(pythia_capture *capture, const pythia_captured *captured, bool *something, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	long long id = captured->table_id;
	int64_t value;
	bool ok;

	pythia_buffer_printf(&sql,
						 "SELECT EXISTS (SELECT 1 FROM main.pythia_seen WHERE table_id = %lld)"
						 " OR EXISTS (SELECT 1 FROM main.pythia_tracked WHERE table_id = %lld)",
						 id, id);
	ok = pythia_db_number(capture->store, sql.data, &value, error);
	pythia_buffer_free(&sql);
	*something = value != 0;
	return ok;
}

/* Versions stamped before low need not be known any more. */
static bool prune(pythia_capture *capture, const pythia_captured *captured, const char *low, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	if (!low || (captured->position.low && strcmp(low, captured->position.low) == 0))
		return true;
	pythia_buffer_printf(&sql, "DELETE FROM main.pythia_seen WHERE table_id = %lld AND stamp < ",
						 (long long) captured->table_id);
	if (!pythia_capture_is_stamp(&captured->table, low))
	{
		/* what cannot be a position was refused before, or will be */
		pythia_buffer_free(&sql);
		return true;
	}
	if (captured->table.numeric)
		pythia_buffer_puts(&sql, low);
	else
	{
		pythia_store_text(&sql, low);
		/* a day, or a minute, alone is pruned when it has ended */
		pythia_buffer_printf(&sql, " AND stamp NOT IN ('%.10s', '%.16s') AND stamp GLOB '[0-9][0-9][0-9][0-9]-*'", low,
							 low);
	}
	return pythia_store_run(capture->store, &sql, error);
}

bool pythia_captured_poll(pythia_capture *capture, pythia_captured *captured, const pythia_capture_window *window,
						  pythia_error *error)
{
	batch *b = new_batch(capture, captured, window);
	int64_t before = captured->changes;
	int64_t scanned;
	bool ok = pythia_tracked_merge(capture, captured, error) && knows(capture, captured, &b->look_up, error);

	b->defer = !b->look_up && captured->config.track == PYTHIA_TRACK_KEYS;
	ok = ok && pythia_capture_scan(&captured->table, window, on_row, b, error) && flush_batch(b, error);

	scanned = b->scanned;
	free_batch(b);
	if (!ok)
		return false;
	/* an idle poll writes nothing, but for a position once a minute, or where many rows are read again */
	if (captured->changes == before && !captured->touched && scanned < IDLE_ROWS &&
		pythia_subtract(capture->now, captured->saved_at) < 60 * PYTHIA_SECOND)
		return true;
	return prune(capture, captured, window->next.low, error) &&
		   pythia_captured_save(capture, captured, &window->next, error);
}

/* --- the start ------------------------------------------------------------------------ */

static bool on_key(void *context, const pythia_capture_row *row, pythia_error *error)
{
	batch *b = context;

	pythia_rows_integer(&b->tracked, b->captured->table_id);
	pythia_rows_text_or_null(&b->tracked, row->key);
	pythia_rows_text_or_null(&b->tracked, row->image);
	pythia_rows_end(&b->tracked);
	return b->tracked.buffer.length < PYTHIA_BATCH_BYTES || write_state(b, error);
}

bool pythia_captured_start(pythia_capture *capture, pythia_captured *captured, const pythia_capture_window *window,
						   pythia_error *error)
{
	batch *b = new_batch(capture, captured, window);
	pythia_start start = captured->config.start;
	bool ok = true;

	b->silent = true;
	if (captured->config.track != PYTHIA_TRACK_NONE && start != PYTHIA_START_BEGINNING)
		ok = pythia_capture_keys(&captured->table, captured->config.track == PYTHIA_TRACK_ROWS,
								 start == PYTHIA_START_AT ? window->next.low : NULL, on_key, b, error);
	if (ok && start == PYTHIA_START_NOW)
		ok = pythia_capture_scan(&captured->table, window, on_row, b, error) && flush_batch(b, error);
	ok = ok && write_state(b, error);
	free_batch(b);
	captured->started = true;
	captured->last_sweep = capture->now;
	return ok && pythia_captured_save(capture, captured, &window->next, error);
}
