/*
 * Rows out of MySQL by an unbuffered result, rows into it by LOAD DATA LOCAL
 * INFILE from memory.
 */
#include "drivers/mysql_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* A LOAD DATA statement takes about this much; two such buffers exist at a time. */
#define LOAD_BYTES (8 * 1024 * 1024)

struct pythia_stream
{
	mysql_db *db;
	MYSQL_RES *result;
	int ncolumns;
	pythia_kind *kinds; /* NULL: all text */
	pythia_rows_writer writer;
	int status; /* of a fetch begun and not ended */
	MYSQL_ROW row;
	bool done;
};

/* --- out of the server ------------------------------------------------------ */

bool pythia_mysql_stream_open(pythia_db *base, const char *sql, int ncolumns, const pythia_kind *kinds,
							  pythia_stream **out, pythia_error *error)
{
	mysql_db *db = pythia_mysql_of(base);
	pythia_stream *stream;
	MYSQL_RES *result;
	int answer = 0;
	int given;

	*out = NULL;
	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	pythia_buffer_clear(&db->sql);
	pythia_buffer_puts(&db->sql, sql);
	if (!PYTHIA_MYSQL_RUN(db, mysql_real_query_start(&answer, &db->mysql, sql, strlen(sql)),
						  mysql_real_query_cont(&answer, &db->mysql, ready), error))
		return false;
	if (answer)
		return pythia_mysql_failed(db, error);
	given = (int) mysql_field_count(&db->mysql);
	result = given > 0 ? mysql_use_result(&db->mysql) : NULL;
	if (given > 0 && !result)
		return pythia_mysql_failed(db, error);
	stream = pythia_calloc(1, sizeof(*stream));
	stream->db = db;
	stream->result = result;
	stream->ncolumns = ncolumns;
	stream->done = !result;
	if (kinds)
	{
		stream->kinds = pythia_malloc((size_t) ncolumns * sizeof(*kinds));
		memcpy(stream->kinds, kinds, (size_t) ncolumns * sizeof(*kinds));
	}
	db->stream = stream;
	db->state = PYTHIA_STREAMING;
	if (given != ncolumns)
	{
		pythia_mysql_stream_close(stream);
		return pythia_fail(error, PYTHIA_E_INTERNAL, "42804", "the query gives %d columns where %d are read", given,
						   ncolumns);
	}
	*out = stream;
	return true;
}

static void stream_row(pythia_stream *stream)
{
	unsigned long *lengths = mysql_fetch_lengths(stream->result);

	for (int i = 0; i < stream->ncolumns; i++)
	{
		if (!stream->row[i])
			pythia_rows_null(&stream->writer);
		else if (stream->kinds && (stream->kinds[i] == PYTHIA_KIND_BYTES || stream->kinds[i] == PYTHIA_KIND_GEOMETRY))
			pythia_rows_bytes(&stream->writer, stream->row[i], lengths[i]);
		else
			pythia_rows_text(&stream->writer, stream->row[i], lengths[i]);
	}
	pythia_rows_end(&stream->writer);
}

bool pythia_mysql_stream_next(pythia_stream *stream, pythia_rows *chunk, pythia_error *error)
{
	mysql_db *db = stream->db;
	pythia_rows_writer *writer = &stream->writer;

	pythia_rows_clear(writer);
	memset(chunk, 0, sizeof(*chunk));
	if (db->base.broken)
		return pythia_fail(error, PYTHIA_E_LOST, "08003", "the connection to %s is broken", db->base.display);
	if (stream->done)
		return true;
	while (writer->buffer.length < PYTHIA_CHUNK_BYTES)
	{
		if (!stream->status)
			stream->status = mysql_fetch_row_start(&stream->row, stream->result);
		while (stream->status)
		{
			int ready;

			/* what is here already is worth more to the other side now than later */
			if (writer->buffer.length >= PYTHIA_CHUNK_BYTES / 4)
			{
				*chunk = pythia_rows_view(writer);
				return true;
			}
			if (!pythia_mysql_wait(db, stream->status, -1, &ready, error))
			{
				pythia_mysql_abort(db);
				return false;
			}
			stream->status = mysql_fetch_row_cont(&stream->row, stream->result, ready);
		}
		if (!stream->row)
		{
			/* a broken read also gives no row */
			if (mysql_errno(&db->mysql) != 0)
			{
				db->base.broken = true;
				return pythia_mysql_failed(db, error);
			}
			stream->done = true;
			break;
		}
		stream_row(stream);
	}
	if (pythia_host_cancelled(db->base.host))
	{
		pythia_mysql_abort(db);
		return pythia_fail_cancelled(error);
	}
	*chunk = pythia_rows_view(writer);
	return true;
}

/* Brings the connection back to where it takes statements, after the server was told to stop. */
static void drain(pythia_stream *stream)
{
	mysql_db *db = stream->db;

	pythia_mysql_kill(db);
	while (!stream->done && !db->base.broken)
	{
		while (stream->status)
		{
			int ready;

			if (!pythia_mysql_wait(db, stream->status, -1, &ready, NULL))
			{
				pythia_mysql_abort(db);
				return;
			}
			stream->status = mysql_fetch_row_cont(&stream->row, stream->result, ready);
		}
		if (!stream->row)
			stream->done = true;
		else
			stream->status = mysql_fetch_row_start(&stream->row, stream->result);
	}
	/* the kill may come after the last row, and must not hit the next statement */
	if (!db->base.broken)
		pythia_mysql_run(db, "DO 0", NULL, NULL);
}

void pythia_mysql_stream_close(pythia_stream *stream)
{
	mysql_db *db;

	if (!stream)
		return;
	db = stream->db;
	if (!stream->done && !db->base.broken)
	{
		if (!stream->status)
			stream->status = mysql_fetch_row_start(&stream->row, stream->result);
		drain(stream);
	}
	/* a suspended fetch ends at once where the connection is cut */
	for (int tries = 0; stream->status && tries < 100; tries++)
		stream->status = mysql_fetch_row_cont(&stream->row, stream->result, MYSQL_WAIT_TIMEOUT);
	if (!stream->done && stream->result)
		stream->result->handle = NULL; /* or freeing it would read the rest */
	mysql_free_result(stream->result);
	db->stream = NULL;
	db->state = PYTHIA_IDLE;
	pythia_rows_free(&stream->writer);
	pythia_free(stream->kinds);
	pythia_free(stream);
}

/* --- LOAD DATA's hunger ------------------------------------------------------ */

static int infile_begin(void **handle, const char *name, void *context)
{
	mysql_db *db = context;

	(void) name; /* whatever the server asks for, it gets our rows or nothing */
	*handle = db;
	return db->state == PYTHIA_LOADING && db->load.flying ? 0 : 1;
}

static int infile_read(void *handle, char *to, unsigned room)
{
	mysql_db *db = handle;
	pythia_mysql_load *load = &db->load;
	size_t left = load->flight.length - load->flight_sent;
	size_t take = left < room ? left : room;

	if (db->aborting)
		return -1;
	memcpy(to, pythia_buffer_text(&load->flight) + load->flight_sent, take);
	load->flight_sent += take;
	return (int) take;
}

static void infile_end(void *handle)
{
	(void) handle;
}

static int infile_error(void *handle, char *message, unsigned room)
{
	(void) handle;
	snprintf(message, room, "the server asked for a file, and is not given any");
	return 2000; /* CR_UNKNOWN_ERROR */
}

void pythia_mysql_guard_infile(mysql_db *db)
{
	mysql_set_local_infile_handler(&db->mysql, infile_begin, infile_read, infile_end, infile_error, db);
}

/* --- into the server --------------------------------------------------------- */

bool pythia_mysql_load_begin(pythia_db *base, const pythia_load *load, pythia_error *error)
{
	mysql_db *db = pythia_mysql_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	pythia_buffer_clear(&db->load.sql);
	pythia_buffer_puts(&db->load.sql, load->sql);
	pythia_buffer_clear(&db->load.fill);
	pythia_buffer_clear(&db->load.flight);
	db->load.fill_rows = 0;
	db->load.stored = 0;
	db->load.flying = false;
	pythia_buffer_clear(&db->sql);
	pythia_buffer_puts(&db->sql, load->sql);
	db->state = PYTHIA_LOADING;
	return true;
}

/* Says what was lost, in the server's own words; the load has ended. */
static bool not_as_given(mysql_db *db, uint64_t given, uint64_t stored, unsigned warnings, pythia_error *error)
{
	pythia_result result;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_error_class class = PYTHIA_E_DATA;
	char sqlstate[6] = "22000";
	const char *hint = NULL;

	db->state = PYTHIA_IDLE;
	if (pythia_db_query(&db->base, "SHOW WARNINGS LIMIT 5", &result, NULL))
	{
		for (int64_t i = 0; i < result.nrows; i++)
		{
			const char *code = pythia_result_get(&result, i, 1);
			const char *message = pythia_result_get(&result, i, 2);

			pythia_buffer_printf(&text, "%s%s", i ? "; " : "", message ? message : "");
			if (i == 0 && code)
				class = pythia_mysql_classify((unsigned) strtoul(code, NULL, 10), "22000", sqlstate, &hint);
		}
		pythia_result_free(&result);
	}
	if (stored != given)
		pythia_fail(error, class, sqlstate, "%llu rows were given, but %llu were stored%s%s",
					(unsigned long long) given, (unsigned long long) stored, text.length ? ": " : "",
					pythia_buffer_text(&text));
	else
		pythia_fail(error, class, sqlstate, "rows were not stored as they were given: %s", pythia_buffer_text(&text));
	if (warnings > 0)
		pythia_error_detail(error, "The server gave %u warnings: %s.", warnings, pythia_buffer_text(&text));
	pythia_buffer_free(&text);
	if (hint)
		pythia_error_hint(error, "%s", hint);
	pythia_error_statement(error, pythia_buffer_text(&db->load.sql));
	return false;
}

/* Judges the statement that has just ended. */
static bool landed(mysql_db *db, pythia_error *error)
{
	pythia_mysql_load *load = &db->load;
	uint64_t stored;
	unsigned warnings;

	load->flying = false;
	if (load->answer)
		return pythia_mysql_failed(db, error);
	stored = mysql_affected_rows(&db->mysql);
	warnings = mysql_warning_count(&db->mysql);
	/* LOCAL makes the server go on after a bad or a double row, with a warning */
	if (stored != load->flight_rows || warnings != 0)
		return not_as_given(db, load->flight_rows, stored, warnings, error);
	load->stored += stored;
	return true;
}

/* Moves the statement in flight on: as far as it goes at once, or to its end. */
static bool drive(mysql_db *db, bool to_the_end, pythia_error *error)
{
	pythia_mysql_load *load = &db->load;

	while (load->flying)
	{
		int ready;

		if (load->status == 0)
			return landed(db, error);
		if (!pythia_mysql_wait(db, load->status, to_the_end ? -1 : 0, &ready, error))
		{
			pythia_mysql_abort(db);
			return false;
		}
		if (ready == 0) /* not yet */
			return true;
		load->status = mysql_real_query_cont(&load->answer, &db->mysql, ready);
	}
	return true;
}

/* Sends the full buffer off and begins an empty one. */
static bool launch(mysql_db *db, pythia_error *error)
{
	pythia_mysql_load *load = &db->load;
	pythia_buffer empty;

	if (!drive(db, true, error))
		return false;
	empty = load->flight;
	load->flight = load->fill;
	load->fill = empty;
	pythia_buffer_clear(&load->fill);
	load->flight_rows = load->fill_rows;
	load->fill_rows = 0;
	load->flight_sent = 0;
	load->flying = true;
	load->answer = 0;
	load->status = mysql_real_query_start(&load->answer, &db->mysql, load->sql.data, load->sql.length);
	return drive(db, false, error);
}

/* COPY text is LOAD DATA's but for two escapes that it does not know. */
static void append_rows(pythia_buffer *to, const char *data, size_t length)
{
	const char *end = data + length;

	pythia_buffer_reserve(to, length);
	while (data < end)
	{
		const char *escape = data;

		/* the next \f or \v; every backslash in COPY text begins a pair */
		while ((escape = memchr(escape, '\\', (size_t) (end - escape))) && escape + 1 < end && escape[1] != 'f' &&
			   escape[1] != 'v')
			escape += 2;
		if (!escape || escape + 1 >= end)
			escape = end;
		pythia_buffer_append(to, data, (size_t) (escape - data));
		if (escape < end)
		{
			pythia_buffer_putc(to, escape[1] == 'f' ? '\f' : '\v');
			escape += 2;
		}
		data = escape;
	}
}

bool pythia_mysql_load_put(pythia_db *base, const pythia_rows *chunk, pythia_error *error)
{
	mysql_db *db = pythia_mysql_of(base);
	pythia_mysql_load *load = &db->load;

	if (!pythia_db_expect(base, db->state, PYTHIA_LOADING, error))
		return false;
	append_rows(&load->fill, chunk->data, chunk->length);
	load->fill_rows += chunk->count;
	if (load->fill.length >= LOAD_BYTES)
		return launch(db, error);
	if (!drive(db, false, error))
		return false;
	/* a large buffer waits for nothing while the server has nothing to do */
	if (!load->flying && load->stored > 0 && load->fill.length >= LOAD_BYTES / 2)
		return launch(db, error);
	return true;
}

bool pythia_mysql_load_end(pythia_db *base, uint64_t *rows, pythia_error *error)
{
	mysql_db *db = pythia_mysql_of(base);
	pythia_mysql_load *load = &db->load;

	if (!pythia_db_expect(base, db->state, PYTHIA_LOADING, error))
		return false;
	if ((load->fill.length > 0 && !launch(db, error)) || !drive(db, true, error))
	{
		pythia_mysql_load_abandon(base);
		return false;
	}
	db->state = PYTHIA_IDLE;
	if (rows)
		*rows = load->stored;
	return true;
}

void pythia_mysql_load_abandon(pythia_db *base)
{
	mysql_db *db = pythia_mysql_of(base);
	pythia_mysql_load *load = &db->load;

	/* a statement in flight is let go on to its end, for its connection's sake; its rows are rolled back */
	if (load->flying && !base->broken && !drive(db, true, NULL))
		load->flying = false;
	if (load->flying)
	{
		for (int tries = 0; load->status && tries < 100; tries++)
			load->status = mysql_real_query_cont(&load->answer, &db->mysql, MYSQL_WAIT_TIMEOUT);
		load->flying = false;
	}
	pythia_buffer_clear(&load->fill);
	pythia_buffer_clear(&load->flight);
	db->state = PYTHIA_IDLE;
}
