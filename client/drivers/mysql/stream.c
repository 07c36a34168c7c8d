/* Rows out of MySQL, by an unbuffered result. */
#include "drivers/mysql/internal.h"

#include <string.h>

#include "core/memory.h"

/* What an honest server still has on its way when it is told to stop is less: a row, and what lies in buffers. */
#define DRAIN_BYTES ((size_t) 2 << 30)

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
	if (!PYTHIA_MYSQL_RUN(db, pythia_mysql_step_query(&db->mysql, &answer, sql, strlen(sql), ready), error))
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
	pythia_mysql_listen(db, SIZE_MAX);
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
			stream->status = pythia_mysql_step_fetch(stream->result, &stream->row, PYTHIA_STEP_BEGIN);
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
			stream->status = pythia_mysql_step_fetch(stream->result, &stream->row, ready);
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
	pythia_mysql_listen(db, DRAIN_BYTES);
	while (!stream->done && !db->base.broken)
	{
		if (pythia_host_cancelled(db->base.host))
		{
			pythia_mysql_abort(db);
			return;
		}
		while (stream->status)
		{
			int ready;

			if (!pythia_mysql_wait(db, stream->status, -1, &ready, NULL))
			{
				pythia_mysql_abort(db);
				return;
			}
			stream->status = pythia_mysql_step_fetch(stream->result, &stream->row, ready);
		}
		if (!stream->row)
			stream->done = true;
		else
			stream->status = pythia_mysql_step_fetch(stream->result, &stream->row, PYTHIA_STEP_BEGIN);
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
			stream->status = pythia_mysql_step_fetch(stream->result, &stream->row, PYTHIA_STEP_BEGIN);
		drain(stream);
	}
	/* a suspended fetch ends at once where the connection is cut */
	for (int tries = 0; stream->status && tries < 100; tries++)
		stream->status = pythia_mysql_step_fetch(stream->result, &stream->row, PYTHIA_AWAIT_TIMEOUT);
	if (!stream->done && stream->result)
		stream->result->handle = NULL; /* or freeing it would read the rest */
	mysql_free_result(stream->result);
	db->stream = NULL;
	db->state = PYTHIA_IDLE;
	pythia_rows_free(&stream->writer);
	pythia_free(stream->kinds);
	pythia_free(stream);
}
