/* Reading the journal: consumers, their positions, retention, changes that failed. */
#include "capture/internal.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/number.h"

#define CONSUMER_COLUMNS 10

/* Where a consumer stands; an unknown or lost one is an error. */
static bool read_position(pythia_db *store, int64_t worker_id, const char *consumer, bool may_be_lost,
						  int64_t *position, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool lost;
	bool ok;

	pythia_buffer_printf(&sql, "SELECT position, lost FROM main.pythia_consumer WHERE worker_id = %lld AND name = ",
						 (long long) worker_id);
	pythia_store_text(&sql, consumer);
	ok = pythia_db_query(store, sql.data, "nb", &result, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	if (result.nrows == 0)
	{
		pythia_result_free(&result);
		pythia_fail(error, PYTHIA_E_USAGE, "42704", "consumer \"%s\" does not exist", consumer);
		return pythia_error_hint(error, "Create it with pythia_create_consumer, or name one that there is.");
	}
	*position = pythia_result_number(&result, 0, 0);
	lost = pythia_result_true(&result, 0, 1);
	pythia_result_free(&result);
	if (!lost || may_be_lost)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "55000", "consumer \"%s\" has lost changes", consumer);
	pythia_error_detail(error, "It was behind for longer than changes are kept.");
	return pythia_error_hint(error,
							 "Go on from where there are changes with pythia_seek, for example to \"beginning\".");
}

bool pythia_capture_consume(pythia_db *store, const char *name, const char *consumer, int64_t max,
							pythia_capture_emit emit, void *context, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_rows_reader rows = {0};
	pythia_stream *stream;
	pythia_rows chunk;
	int64_t worker_id;
	int64_t position;
	bool ok;

	if (max <= 0)
		return pythia_fail(error, PYTHIA_E_USAGE, "22023", "the number of changes to consume must be positive");
	if (!pythia_store_worker(store, name, &worker_id, error) ||
		!read_position(store, worker_id, consumer, false, &position, error))
		return false;
	pythia_buffer_printf(&sql,
						 "SELECT j.change_id, t.\"schema\", t.\"table\", j.change_type, j.primary_key, j.old_data,"
						 " j.new_data, j.\"timestamp\", j.transaction_id, j.captured_at FROM main.pythia_journal_%lld j"
						 " LEFT JOIN main.pythia_cdc_table t ON t.table_id = j.table_id WHERE j.change_id > %lld"
						 " ORDER BY j.change_id LIMIT %lld",
						 (long long) worker_id, (long long) position, (long long) max);
	ok = store->driver->stream_open(store, sql.data, CONSUMER_COLUMNS, NULL, &stream, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	while (ok && (ok = store->driver->stream_next(stream, &chunk, error)) && chunk.count > 0)
	{
		pythia_rows_open(&rows, &chunk);
		while (ok && pythia_rows_next(&rows))
		{
			pythia_capture_change change;

			ok = pythia_db_fields(store, &rows, "nTTtTTTTTt", error);
			if (!ok)
				break;
			change = (pythia_capture_change){.change_id = pythia_field_number(&rows.fields[0]),
											 .schema = rows.fields[1].value,
											 .table = rows.fields[2].value,
											 .change_type = rows.fields[3].value,
											 .primary_key = rows.fields[4].value,
											 .old_data = rows.fields[5].value,
											 .new_data = rows.fields[6].value,
											 .timestamp = rows.fields[7].value,
											 .transaction_id = rows.fields[8].value,
											 .captured_at = rows.fields[9].value};
			ok = emit(context, &change, error);
		}
	}
	store->driver->stream_close(stream);
	pythia_rows_close(&rows);
	return ok;
}

static bool set_position(pythia_db *store, int64_t worker_id, const char *consumer, int64_t position, bool acknowledged,
						 pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&sql, "UPDATE main.pythia_consumer SET position = %lld%s WHERE worker_id = %lld AND name = ",
						 (long long) position,
						 acknowledged ? ", acknowledged_at = strftime('%Y-%m-%d %H:%M:%f', 'now')" : ", lost = 0",
						 (long long) worker_id);
	pythia_store_text(&sql, consumer);
	return pythia_store_run(store, &sql, error);
}

/* YYYY-MM-DD, with a time or without one, of UTC unless it says its offset from that; *utc as captured_at is written. */
static bool read_time(const char *text, pythia_buffer *utc)
{
	pythia_buffer whole = PYTHIA_BUFFER_INIT;
	int64_t instant;
	bool ok;

	pythia_buffer_printf(&whole, "%s%s", text, strlen(text) == 10 ? " 00:00:00" : "");
	ok = pythia_stamp_canonical(utc, whole.data, whole.length, 6) && pythia_instant_read(utc->data, &instant);
	pythia_buffer_free(&whole);
	return ok;
}

/* The change_id after which a consumer starts that is to see "now", "beginning", a timestamp or (seek) an id. */
static bool find_position(pythia_db *store, int64_t worker_id, const char *text, bool ids, int64_t *position,
						  pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer utc = PYTHIA_BUFFER_INIT;
	bool ok;

	if (ids && pythia_int64_read(text, strlen(text), position))
	{
		if (*position >= 0)
			return true;
	}
	else if (strcmp(text, "beginning") == 0)
	{
		*position = 0;
		return true;
	}
	if (strcmp(text, "now") == 0)
		/* also right where retention has emptied the journal */
		pythia_buffer_printf(&sql, "SELECT seq FROM main.sqlite_sequence WHERE name = 'pythia_journal_%lld'",
							 (long long) worker_id);
	else if (read_time(text, &utc))
	{
		pythia_buffer_printf(&sql, "SELECT max(change_id) FROM main.pythia_journal_%lld WHERE captured_at < ",
							 (long long) worker_id);
		pythia_store_text(&sql, utc.data);
	}
	else
	{
		pythia_buffer_free(&utc);
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid position \"%s\"", text);
		return pythia_error_hint(
			error, "Give \"now\", \"beginning\"%s or YYYY-MM-DD HH:MM:SS in UTC, or with an offset from it.",
			ids ? ", a change_id" : "");
	}
	ok = pythia_db_number_or(store, sql.data, 0, position, error);
	pythia_buffer_free(&utc);
	pythia_buffer_free(&sql);
	return ok;
}

/* What is not there yet would be passed over when it comes. */
static bool not_there_yet(int64_t change_id, int64_t last, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "there is no change %lld yet", (long long) change_id);
	return pythia_error_hint(error, "The last one is %lld.", (long long) last);
}

bool pythia_capture_ack(pythia_db *store, const char *name, const char *consumer, int64_t change_id,
						pythia_error *error)
{
	int64_t worker_id;
	int64_t position;
	int64_t last;

	if (!pythia_store_worker(store, name, &worker_id, error) ||
		!read_position(store, worker_id, consumer, false, &position, error) ||
		!find_position(store, worker_id, "now", false, &last, error))
		return false;
	if (change_id > last)
		return not_there_yet(change_id, last, error);
	/* an acknowledgement that comes late takes nothing back; seek does */
	return change_id <= position || set_position(store, worker_id, consumer, change_id, true, error);
}

bool pythia_capture_seek(pythia_db *store, const char *name, const char *consumer, const char *position,
						 pythia_error *error)
{
	int64_t worker_id;
	int64_t at;
	int64_t last;

	if (!pythia_store_worker(store, name, &worker_id, error) ||
		!read_position(store, worker_id, consumer, true, &at, error) ||
		!find_position(store, worker_id, position, true, &at, error) ||
		!find_position(store, worker_id, "now", false, &last, error))
		return false;
	return at > last ? not_there_yet(at, last, error) : set_position(store, worker_id, consumer, at, false, error);
}

bool pythia_capture_consumer_create(pythia_db *store, const char *name, const char *consumer, const char *start,
									pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error none = PYTHIA_ERROR_INIT;
	int64_t worker_id;
	int64_t position;
	int64_t last;

	if (!consumer || !consumer[0])
		return pythia_fail(error, PYTHIA_E_USAGE, "22023", "a consumer needs a name");
	if (!pythia_store_worker(store, name, &worker_id, error))
		return false;
	if (read_position(store, worker_id, consumer, true, &position, &none))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42710", "consumer \"%s\" exists already", consumer);
		return pythia_error_hint(error, "Move it with pythia_seek.");
	}
	pythia_error_reset(&none);
	if (!find_position(store, worker_id, start ? start : "now", true, &position, error) ||
		!find_position(store, worker_id, "now", false, &last, error))
		return false;
	if (position > last)
		return not_there_yet(position, last, error);
	pythia_buffer_printf(&sql,
						 "INSERT INTO main.pythia_consumer (worker_id, name, position, created_at) VALUES (%lld, ",
						 (long long) worker_id);
	pythia_store_text(&sql, consumer);
	pythia_buffer_printf(&sql, ", %lld, strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'))", (long long) position);
	return pythia_store_run(store, &sql, error);
}

bool pythia_capture_consumer_drop(pythia_db *store, const char *name, const char *consumer, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int64_t worker_id;
	int64_t position;

	if (!pythia_store_worker(store, name, &worker_id, error) ||
		!read_position(store, worker_id, consumer, true, &position, error))
		return false;
	pythia_buffer_printf(&sql,
						 "DELETE FROM main.pythia_consumer WHERE worker_id = %lld AND name = ", (long long) worker_id);
	pythia_store_text(&sql, consumer);
	return pythia_store_run(store, &sql, error);
}
