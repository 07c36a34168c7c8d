/*
 * COPY in both directions.  PostgreSQL speaks the interchange format itself, so
 * bytes pass through as they are.
 */
#include "drivers/postgres/internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* Given to libpq at a time; more would only grow its buffer. */
#define PUT_BYTES (64 * 1024)
/* More than chunks of small rows take. */
#define LARGE_BYTES (2 * 1024 * 1024)

struct pythia_stream
{
	postgres_db *db;
	int ncolumns;
	bool *bytes; /* which columns are of bytes; NULL: none */
	pythia_buffer chunk;
	char *row; /* a large one, handed on as it is, or about to be */
	int row_length;
	bool given; /* it is the chunk in hand */
	bool done;  /* the server said that it was all */
};

/* Empties a buffer; a large one's memory is wanted elsewhere. */
static void give_back(pythia_buffer *buffer)
{
	if (buffer->capacity > LARGE_BYTES)
		pythia_buffer_free(buffer);
	pythia_buffer_clear(buffer);
}

/* Waits for the answer to a COPY statement. */
static bool expect_copy(postgres_db *db, ExecStatusType wanted, int *ncolumns, pythia_error *error)
{
	PGresult *result;
	PGresult *rest;

	if (!pythia_postgres_result(db, &result, error))
		return false;
	if (PQresultStatus(result) == wanted)
	{
		*ncolumns = PQnfields(result);
		PQclear(result);
		return true;
	}
	if (!result || PQresultStatus(result) == PGRES_FATAL_ERROR)
		pythia_postgres_failed(db, result, error);
	else
		pythia_fail(error, PYTHIA_E_INTERNAL, "08P01", "the statement was not the COPY that was expected");
	PQclear(result);
	if (!db->base.broken && pythia_postgres_finish(db, &rest, NULL))
		PQclear(rest);
	return false;
}

/* --- out of the server ------------------------------------------------------ */

bool pythia_postgres_stream_open(pythia_db *base, const char *sql, int ncolumns, const pythia_kind *kinds,
								 pythia_stream **out, pythia_error *error)
{
	postgres_db *db = pythia_postgres_of(base);
	pythia_buffer copy = PYTHIA_BUFFER_INIT;
	pythia_stream *stream;
	int given = 0;
	bool sent;

	*out = NULL;
	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	pythia_buffer_printf(&copy, "COPY (%s) TO STDOUT", sql);
	sent = pythia_postgres_start(db, copy.data, error);
	pythia_buffer_free(&copy);
	if (!sent || !expect_copy(db, PGRES_COPY_OUT, &given, error))
		return false;
	stream = pythia_calloc(1, sizeof(*stream));
	stream->db = db;
	stream->ncolumns = ncolumns;
	for (int i = 0; kinds && i < ncolumns; i++)
		if (kinds[i] == PYTHIA_KIND_BYTES)
		{
			if (!stream->bytes)
				stream->bytes = pythia_calloc((size_t) ncolumns, sizeof(bool));
			stream->bytes[i] = true;
		}
	db->stream = stream;
	db->state = PYTHIA_STREAMING;
	if (given != ncolumns)
	{
		pythia_postgres_stream_close(stream);
		return pythia_fail(error, PYTHIA_E_INTERNAL, "42804", "the query gives %d columns where %d are read", given,
						   ncolumns);
	}
	*out = stream;
	return true;
}

/* True for one row of so many values with its end: tabs and newlines within values are escaped. */
static bool is_row(const char *data, size_t length, int ncolumns)
{
	int tabs = 0;

	if (length == 0 || data[length - 1] != '\n' || memchr(data, '\n', length - 1))
		return false;
	for (size_t i = 0; i < length; i++)
		tabs += data[i] == '\t';
	return tabs == ncolumns - 1;
}

static bool bad_row(postgres_db *db, char *row, pythia_error *error)
{
	PQfreemem(row);
	pythia_db_bad_answer(&db->base, error, "COPY gave something else than a row of the columns that were asked for");
	pythia_postgres_abort(db);
	return false;
}

static bool stream_ended(pythia_stream *stream, pythia_error *error)
{
	PGresult *last;

	stream->done = true;
	/* only the command's own completion makes it an end of data */
	if (!pythia_postgres_finish(stream->db, &last, error))
		return false;
	PQclear(last);
	return true;
}

static bool give_row(pythia_stream *stream, pythia_rows *chunk)
{
	stream->given = true;
	chunk->data = stream->row;
	chunk->length = (size_t) stream->row_length;
	chunk->count = 1;
	return true;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Base64, its newlines escaped, as the text of bytea. */
static void put_base64(pythia_buffer *out, const char *from, const char *stop)
{
	char bytes[3072];
	size_t length = 0;
	uint32_t bits = 0;
	int nbits = 0;

	pythia_buffer_puts(out, "\\\\x");
	for (; from < stop; from++)
	{
		int value = base64_value(*from);

		if (*from == '\\')
			from++; /* and the n of a newline */
		if (value < 0)
			continue; /* or padding */
		bits = bits << 6 | (uint32_t) value;
		nbits += 6;
		if (nbits < 8)
			continue;
		nbits -= 8;
		bytes[length++] = (char) (bits >> nbits);
		if (length == sizeof(bytes))
		{
			pythia_buffer_hex(out, bytes, length);
			length = 0;
		}
	}
	pythia_buffer_hex(out, bytes, length);
}

/* Bytes that came as base64; the text of bytea begins with a backslash, and so does NULL. */
static bool has_base64(const pythia_stream *stream, const char *row, const char *stop)
{
	for (int i = 0; stream->bytes && i < stream->ncolumns && row; i++)
	{
		if (stream->bytes[i] && row < stop && *row != '\\')
			return true;
		row = memchr(row, '\t', (size_t) (stop - row));
		row = row ? row + 1 : NULL;
	}
	return false;
}

/* Takes a large row with such values into the chunk, as rows are to be, and lets go of it. */
static void widen_row(pythia_stream *stream, char *row, size_t length)
{
	const char *from = row;
	const char *end = row + length - 1; /* the newline */

	pythia_buffer_reserve(&stream->chunk, length + length / 2);
	for (int i = 0; i < stream->ncolumns; i++)
	{
		const char *tab = memchr(from, '\t', (size_t) (end - from));
		const char *stop = tab ? tab : end;

		if (stream->bytes[i] && from < stop && *from != '\\')
			put_base64(&stream->chunk, from, stop);
		else
			pythia_buffer_append(&stream->chunk, from, (size_t) (stop - from));
		pythia_buffer_putc(&stream->chunk, i < stream->ncolumns - 1 ? '\t' : '\n');
		from = tab ? tab + 1 : end;
	}
	PQfreemem(row);
}

bool pythia_postgres_stream_next(pythia_stream *stream, pythia_rows *chunk, pythia_error *error)
{
	postgres_db *db = stream->db;

	memset(chunk, 0, sizeof(*chunk));
	give_back(&stream->chunk);
	if (stream->row && stream->given)
	{
		PQfreemem(stream->row);
		stream->row = NULL;
	}
	if (stream->row)
		return give_row(stream, chunk);
	if (stream->done)
		return !db->base.broken || pythia_postgres_lost(db, error);
	if (db->base.broken)
		return pythia_postgres_lost(db, error);
	if (pythia_host_cancelled(db->base.host))
	{
		pythia_postgres_abort(db);
		return pythia_fail_cancelled(error);
	}
	while (stream->chunk.length < PYTHIA_CHUNK_BYTES)
	{
		char *row;
		int length = PQgetCopyData(db->conn, &row, 1);

		if (length > 0 && !is_row(row, (size_t) length, stream->ncolumns))
			return bad_row(db, row, error);
		if (length > PYTHIA_CHUNK_BYTES && has_base64(stream, row, row + length - 1))
		{
			chunk->count++;
			widen_row(stream, row, (size_t) length);
			break;
		}
		if (length > PYTHIA_CHUNK_BYTES)
		{
			stream->row = row;
			stream->row_length = length;
			stream->given = false;
			if (stream->chunk.length == 0)
				return give_row(stream, chunk);
			break;
		}
		if (length > 0)
		{
			chunk->count++;
			pythia_buffer_append(&stream->chunk, row, (size_t) length);
			PQfreemem(row);
			continue;
		}
		if (length == -1)
		{
			if (!stream_ended(stream, error))
				return false;
			break;
		}
		if (length == -2)
			return pythia_postgres_lost(db, error);
		/* what is here already is worth more to the other side now than later */
		if (stream->chunk.length >= PYTHIA_CHUNK_BYTES / 4)
			break;
		if (!pythia_postgres_wait(db, PYTHIA_WAIT_READ, error))
			return false;
		if (!pythia_postgres_consume(db))
			return pythia_postgres_lost(db, error);
	}
	chunk->data = stream->chunk.data;
	chunk->length = stream->chunk.length;
	return true;
}

void pythia_postgres_stream_close(pythia_stream *stream)
{
	postgres_db *db;
	char *row;
	int length;

	if (!stream)
		return;
	db = stream->db;
	if (!stream->done && !db->base.broken)
	{
		PGresult *last;

		pythia_postgres_stop_server(db);
		while ((length = PQgetCopyData(db->conn, &row, 1)) != -1 && !db->base.broken)
		{
			if (length > 0)
				PQfreemem(row);
			else if (length == -2)
				db->base.broken = true;
			else if (pythia_postgres_wait(db, PYTHIA_WAIT_READ, NULL) && !pythia_postgres_consume(db))
				db->base.broken = true;
		}
		if (!db->base.broken && pythia_postgres_finish(db, &last, NULL))
			PQclear(last);
	}
	db->stream = NULL;
	db->state = PYTHIA_IDLE;
	PQfreemem(stream->row);
	pythia_free(stream->bytes);
	pythia_buffer_free(&stream->chunk);
	pythia_free(stream);
}

/* --- into the server -------------------------------------------------------- */

static void end_binary(postgres_db *db)
{
	pythia_postgres_binary_free(db->binary);
	db->binary = NULL;
	pythia_buffer_clear(&db->binary_rows);
}

static bool begin_copy(postgres_db *db, const char *sql, pythia_error *error)
{
	int ncolumns;

	return pythia_postgres_start(db, sql, error) && expect_copy(db, PGRES_COPY_IN, &ncolumns, error);
}

bool pythia_postgres_load_begin(pythia_db *base, const pythia_load *load, pythia_error *error)
{
	postgres_db *db = pythia_postgres_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	base->others_ran = true;
	db->load_given = 0;
	db->load_stored = 0;
	pythia_buffer_clear(&db->binary_rows);
	/* one load may become two COPYs, so it wants a transaction around */
	if (load->binary_sql && PQtransactionStatus(db->conn) == PQTRANS_INTRANS)
		db->binary = pythia_postgres_binary_make(load);
	if (db->binary)
	{
		pythia_buffer_clear(&db->text_sql);
		pythia_buffer_puts(&db->text_sql, load->sql);
		pythia_postgres_binary_begin(&db->binary_rows);
	}
	if (!begin_copy(db, db->binary ? load->binary_sql : load->sql, error))
	{
		end_binary(db);
		return false;
	}
	db->state = PYTHIA_LOADING;
	return true;
}

static bool put_bytes(postgres_db *db, const char *data, size_t length, pythia_error *error)
{
	size_t done = 0;

	while (done < length)
	{
		size_t piece = length - done < PUT_BYTES ? length - done : PUT_BYTES;

		/* what the last call left unsent: the server had the time between to take it */
		if (!pythia_postgres_flush(db, error))
			return false;
		if (PQputCopyData(db->conn, data + done, (int) piece) != 1 || PQflush(db->conn) < 0)
			return pythia_postgres_lost(db, error);
		done += piece;
	}
	return true;
}

static bool put_binary(postgres_db *db, pythia_error *error)
{
	bool ok = put_bytes(db, db->binary_rows.data, db->binary_rows.length, error);

	give_back(&db->binary_rows);
	return ok;
}

/* Ends the COPY, with a reason where it is to fail, and reads what the server says. */
static bool end_copy(postgres_db *db, const char *reason, PGresult **last, pythia_error *error)
{
	*last = NULL;
	if (!pythia_postgres_flush(db, error))
		return false;
	if (PQputCopyEnd(db->conn, reason) != 1)
		return pythia_postgres_lost(db, error);
	return pythia_postgres_flush(db, error) && pythia_postgres_finish(db, last, error);
}

/* Ends the COPY under way well, and adds what it stored. */
static bool store(postgres_db *db, pythia_error *error)
{
	PGresult *last;
	bool ok = true;

	if (db->binary)
	{
		pythia_postgres_binary_end(&db->binary_rows);
		ok = put_binary(db, error);
	}
	ok = ok && end_copy(db, NULL, &last, error);
	if (ok)
	{
		db->load_stored += last ? strtoull(PQcmdTuples(last), NULL, 10) : 0;
		PQclear(last);
	}
	return ok;
}

bool pythia_postgres_load_put(pythia_db *base, const pythia_rows *chunk, pythia_error *error)
{
	postgres_db *db = pythia_postgres_of(base);
	pythia_rows rest = *chunk;

	if (!pythia_db_expect(base, db->state, PYTHIA_LOADING, error))
		return false;
	db->load_given += chunk->count;
	if (db->binary)
	{
		pythia_postgres_binary_rows(db->binary, chunk, &db->binary_rows, &rest);
		if (rest.length == 0)
		{
			if (!put_binary(db, error))
				return false;
		}
		else
		{
			/* a value that only the server can read: from here on it reads them all */
			bool ok = store(db, error);

			end_binary(db);
			if (!ok || !begin_copy(db, pythia_buffer_text(&db->text_sql), error))
			{
				db->state = PYTHIA_IDLE;
				return false;
			}
		}
	}
	if (!put_bytes(db, rest.data, rest.length, error))
		return false;
	if (pythia_host_cancelled(base->host))
	{
		pythia_postgres_abort(db);
		return pythia_fail_cancelled(error);
	}
	return true;
}

bool pythia_postgres_load_end(pythia_db *base, uint64_t *rows, pythia_error *error)
{
	postgres_db *db = pythia_postgres_of(base);
	bool ok;

	if (!pythia_db_expect(base, db->state, PYTHIA_LOADING, error))
		return false;
	ok = store(db, error);
	db->state = PYTHIA_IDLE;
	end_binary(db);
	if (!ok)
		return false;
	if (db->load_stored != db->load_given)
	{
		pythia_fail(error, PYTHIA_E_DATA, "22000", "%llu rows were given, but %llu were stored",
					(unsigned long long) db->load_given, (unsigned long long) db->load_stored);
		pythia_error_statement(error, pythia_buffer_text(&db->sql));
		return pythia_error_hint(error, "Look for a trigger on the target table that drops rows.");
	}
	if (rows)
		*rows = db->load_stored;
	return true;
}

void pythia_postgres_load_abandon(pythia_db *base)
{
	postgres_db *db = pythia_postgres_of(base);
	PGresult *last;

	if (db->state != PYTHIA_LOADING)
		return;
	db->state = PYTHIA_IDLE;
	end_binary(db);
	if (!db->base.broken && end_copy(db, "abandoned", &last, NULL))
		PQclear(last);
}
