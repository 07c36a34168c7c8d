/* Rows out of SQLite by sqlite3_step, and into it by one prepared INSERT. */
#include "drivers/sqlite/internal.h"

#include <string.h>

#include "core/classed.h"
#include "core/memory.h"
#include "core/number.h"

/* Rows between two looks at the host where no progress handler is set. */
#define CANCEL_ROWS 1024

/* Beside values of that size the pages in the cache count, and help nobody. */
#define LARGE_BYTES (1024 * 1024)

struct pythia_stream
{
	struct sqlite_db *db;
	sqlite3_stmt *statement;
	int ncolumns;
	pythia_kind *kinds; /* NULL: all text */
	pythia_rows_writer writer;
	pythia_buffer sql;
	bool done;
};

static bool keep_few_pages(sqlite_db *db, pythia_error *error)
{
	if (db->large || !db->owned)
		return true;
	db->large = true;
	return pythia_sqlite_run(db, "PRAGMA main.cache_size = -512", NULL, error) &&
		   pythia_sqlite_run(db, "PRAGMA temp.cache_size = -512", NULL, error);
}

/* --- streams --------------------------------------------------------------- */

bool pythia_sqlite_stream_open(pythia_db *base, const char *sql, int ncolumns, const pythia_kind *kinds,
							   pythia_stream **out, pythia_error *error)
{
	sqlite_db *db = pythia_sqlite_of(base);
	pythia_stream *stream;
	sqlite3_stmt *statement;

	*out = NULL;
	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error) || !pythia_sqlite_prepare(db, sql, &statement, error))
		return false;
	if (sqlite3_column_count(statement) != ncolumns)
	{
		int given = sqlite3_column_count(statement);

		sqlite3_finalize(statement);
		return pythia_fail(error, PYTHIA_E_INTERNAL, "42804", "the query gives %d columns where %d are read", given,
						   ncolumns);
	}
	stream = pythia_calloc(1, sizeof(*stream));
	stream->db = db;
	stream->statement = statement;
	stream->ncolumns = ncolumns;
	if (kinds)
	{
		stream->kinds = pythia_malloc((size_t) ncolumns * sizeof(*kinds));
		memcpy(stream->kinds, kinds, (size_t) ncolumns * sizeof(*kinds));
	}
	pythia_buffer_puts(&stream->sql, sql);
	db->stream = stream;
	db->state = PYTHIA_STREAMING;
	*out = stream;
	return true;
}

/* False where the host wants to stop. */
static bool stream_row(pythia_stream *stream)
{
	for (int i = 0; i < stream->ncolumns; i++)
	{
		int type = sqlite3_column_type(stream->statement, i);
		bool hex = stream->kinds && (stream->kinds[i] == PYTHIA_KIND_BYTES || stream->kinds[i] == PYTHIA_KIND_GEOMETRY);
		char scratch[PYTHIA_DOUBLE_TEXT];
		const char *text;
		size_t length;

		if (type == SQLITE_NULL)
		{
			pythia_rows_null(&stream->writer);
			continue;
		}
		text = pythia_sqlite_text(stream->statement, i, type, scratch, &length);
		if (stream->kinds && stream->kinds[i] == PYTHIA_KIND_STORED)
			pythia_classed_write(&stream->writer,
								 type == SQLITE_INTEGER ? 'i'
								 : type == SQLITE_FLOAT ? 'r'
								 : type == SQLITE_TEXT  ? 't'
														: 'b',
								 text, length);
		else if (hex)
			pythia_rows_bytes(&stream->writer, text, length);
		else
			pythia_rows_text(&stream->writer, text, length);
		if (length >= LARGE_BYTES && pythia_host_cancelled(stream->db->base.host))
			return false;
	}
	pythia_rows_end(&stream->writer);
	return true;
}

bool pythia_sqlite_stream_next(pythia_stream *stream, pythia_rows *chunk, pythia_error *error)
{
	sqlite_db *db = stream->db;
	int code;

	pythia_rows_clear(&stream->writer);
	*chunk = pythia_rows_view(&stream->writer);
	if (stream->done)
		return true;
	if (pythia_host_cancelled(db->base.host))
		return pythia_fail_cancelled(error);
	while (stream->writer.buffer.length < PYTHIA_CHUNK_BYTES)
	{
		code = sqlite3_step(stream->statement);
		if (code == SQLITE_DONE)
		{
			stream->done = true;
			break;
		}
		if (code != SQLITE_ROW)
			return pythia_sqlite_failed(db, pythia_buffer_text(&stream->sql), error);
		if (!stream_row(stream))
			return pythia_fail_cancelled(error);
	}
	*chunk = pythia_rows_view(&stream->writer);
	return chunk->length < LARGE_BYTES || keep_few_pages(db, error);
}

void pythia_sqlite_stream_close(pythia_stream *stream)
{
	if (!stream)
		return;
	sqlite3_finalize(stream->statement);
	stream->db->stream = NULL;
	stream->db->state = PYTHIA_IDLE;
	pythia_rows_free(&stream->writer);
	pythia_buffer_free(&stream->sql);
	pythia_free(stream->kinds);
	pythia_free(stream);
}

/* --- loads ----------------------------------------------------------------- */

static void end_load(sqlite_db *db)
{
	sqlite3_finalize(db->insert);
	db->insert = NULL;
	pythia_free(db->load_kinds);
	db->load_kinds = NULL;
	pythia_rows_close(&db->reader);
	db->state = PYTHIA_IDLE;
}

bool pythia_sqlite_load_begin(pythia_db *base, const pythia_load *load, pythia_error *error)
{
	sqlite_db *db = pythia_sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error) ||
		!pythia_sqlite_prepare(db, load->sql, &db->insert, error))
		return false;
	if (sqlite3_bind_parameter_count(db->insert) != load->ncolumns)
	{
		sqlite3_finalize(db->insert);
		db->insert = NULL;
		return pythia_fail(error, PYTHIA_E_INTERNAL, "42804", "the insert does not take %d values", load->ncolumns);
	}
	/* one transaction, whether or not the caller has one */
	if (!db->inside && !pythia_sqlite_run(db, "SAVEPOINT pythia_load", NULL, error))
	{
		sqlite3_finalize(db->insert);
		db->insert = NULL;
		return false;
	}
	pythia_buffer_clear(&db->sql);
	pythia_buffer_puts(&db->sql, load->sql);
	db->load_columns = load->ncolumns;
	db->load_kinds = pythia_malloc((size_t) load->ncolumns * sizeof(pythia_kind));
	for (int i = 0; i < load->ncolumns; i++)
		db->load_kinds[i] = load->types && load->types[i] ? load->types[i]->kind : PYTHIA_KIND_TEXT;
	db->load_given = 0;
	db->load_stored = 0;
	db->state = PYTHIA_LOADING;
	return true;
}

static int bind_bits(sqlite3_stmt *statement, int at, const pythia_field *field)
{
	sqlite3_int64 bits = 0;

	/* what is no bits is kept as it is */
	if (field->length > 63 || strspn(field->value, "01") != field->length)
		return sqlite3_bind_text(statement, at, field->value, (int) field->length, SQLITE_STATIC);
	for (size_t i = 0; i < field->length; i++)
		bits = bits << 1 | (field->value[i] == '1');
	return sqlite3_bind_int64(statement, at, bits);
}

/* Binds a value as what it was. */
static int bind_stored(sqlite_db *db, int at, const pythia_field *field)
{
	pythia_buffer scratch = PYTHIA_BUFFER_INIT;
	const char *value = NULL;
	size_t length = 0;
	int64_t integer = 0;
	double number = 0;
	int code;

	switch (pythia_classed_read(field->value, field->length, &scratch, &value, &length))
	{
		case 'i':
			(void) pythia_int64_read(value, length, &integer);
			code = sqlite3_bind_int64(db->insert, at, integer);
			break;
		case 'r':
			(void) pythia_double_read(value, length, &number);
			code = sqlite3_bind_double(db->insert, at, number);
			break;
		case 't':
			code =
				sqlite3_bind_text(db->insert, at, value, (int) length, scratch.data ? SQLITE_TRANSIENT : SQLITE_STATIC);
			break;
		case 'b':
			if (length == 0)
				code = sqlite3_bind_zeroblob(db->insert, at, 0);
			else
				return sqlite3_bind_blob(db->insert, at, pythia_buffer_take(&scratch), (int) length, pythia_free);
			break;
		default:
			code = SQLITE_MISMATCH;
			break;
	}
	pythia_buffer_free(&scratch);
	return code;
}

/* Binds a field as the class of its kind; *fits is false for what SQLite cannot hold. */
static int bind_field(sqlite_db *db, int at, pythia_kind kind, const pythia_field *field, bool *fits)
{
	int64_t integer;
	double number;

	if (!field->value)
		return sqlite3_bind_null(db->insert, at);
	if (field->length > INT32_MAX)
	{
		*fits = false;
		return SQLITE_OK;
	}
	switch (kind)
	{
		case PYTHIA_KIND_BOOL:
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
			if (pythia_int64_read(field->value, field->length, &integer))
				return sqlite3_bind_int64(db->insert, at, integer);
			break;
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			if (!pythia_double_read(field->value, field->length, &number))
				break;
			/* SQLite turns NaN into NULL without a word, and digits beyond its doubles would be an infinity */
			if (number != number || pythia_double_beyond(field->value, field->length))
				*fits = false;
			return sqlite3_bind_double(db->insert, at, number);
		case PYTHIA_KIND_STORED:
			return bind_stored(db, at, field);
		case PYTHIA_KIND_BIT:
			return bind_bits(db->insert, at, field);
		case PYTHIA_KIND_BYTES:
		case PYTHIA_KIND_GEOMETRY:
		{
			pythia_buffer bytes = PYTHIA_BUFFER_INIT;
			int length;

			if (!pythia_rows_unhex(field, &bytes))
			{
				pythia_buffer_free(&bytes);
				return sqlite3_bind_blob(db->insert, at, field->value, (int) field->length, SQLITE_STATIC);
			}
			length = (int) bytes.length;
			return sqlite3_bind_blob(db->insert, at, pythia_buffer_take(&bytes), length, pythia_free);
		}
		default:
			break;
	}
	return sqlite3_bind_text(db->insert, at, field->value, (int) field->length, SQLITE_STATIC);
}

static bool insert_row(sqlite_db *db, pythia_error *error)
{
	bool fits = true;

	if (db->reader.nfields != db->load_columns)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "22P04", "a row of %d values for %d columns", db->reader.nfields,
						   db->load_columns);
	for (int i = 0; i < db->load_columns; i++)
	{
		if (bind_field(db, i + 1, db->load_kinds[i], &db->reader.fields[i], &fits) != SQLITE_OK)
			return pythia_sqlite_failed(db, pythia_buffer_text(&db->sql), error);
		if (!fits)
		{
			pythia_fail(error, PYTHIA_E_DATA, "22003", "SQLite cannot hold the value \"%.60s\" in column %d",
						db->reader.fields[i].value, i + 1);
			pythia_error_statement(error, pythia_buffer_text(&db->sql));
			return pythia_error_hint(error, "Set the policy for such values, \"nan\" or \"out_of_range\".");
		}
	}
	if (sqlite3_step(db->insert) != SQLITE_DONE)
	{
		pythia_sqlite_failed(db, pythia_buffer_text(&db->sql), error);
		sqlite3_reset(db->insert);
		return false;
	}
	db->load_given++;
	db->load_stored += (uint64_t) sqlite3_changes(db->handle);
	sqlite3_reset(db->insert);
	return true;
}

bool pythia_sqlite_load_put(pythia_db *base, const pythia_rows *chunk, pythia_error *error)
{
	sqlite_db *db = pythia_sqlite_of(base);
	bool done = true;

	if (!pythia_db_expect(base, db->state, PYTHIA_LOADING, error) ||
		(chunk->length > LARGE_BYTES && !keep_few_pages(db, error)))
		return false;
	db->reader.in_place = true;
	pythia_rows_open(&db->reader, chunk);
	for (uint64_t row = 0; done && pythia_rows_next(&db->reader); row++)
	{
		if (row % CANCEL_ROWS == 0 && pythia_host_cancelled(base->host))
			done = pythia_fail_cancelled(error);
		else
			done = insert_row(db, error);
	}
	/* texts were bound where they lie in the reader: forget them */
	sqlite3_clear_bindings(db->insert);
	return done;
}

void pythia_sqlite_load_abandon(pythia_db *base)
{
	sqlite_db *db = pythia_sqlite_of(base);
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (db->state != PYTHIA_LOADING)
		return;
	end_load(db);
	if (db->inside)
		return;
	/* some errors (a full disk) have rolled everything back already */
	pythia_sqlite_run(db, "ROLLBACK TO pythia_load", NULL, &ignored);
	pythia_sqlite_run(db, "RELEASE pythia_load", NULL, &ignored);
	pythia_error_reset(&ignored);
}

bool pythia_sqlite_load_end(pythia_db *base, uint64_t *rows, pythia_error *error)
{
	sqlite_db *db = pythia_sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_LOADING, error))
		return false;
	if (db->load_stored != db->load_given)
	{
		pythia_fail(error, PYTHIA_E_DATA, "22000", "%llu rows were given, but %llu were stored",
					(unsigned long long) db->load_given, (unsigned long long) db->load_stored);
		pythia_error_statement(error, pythia_buffer_text(&db->sql));
		pythia_sqlite_load_abandon(base);
		return false;
	}
	if (rows)
		*rows = db->load_given;
	if (!db->inside && !pythia_sqlite_run(db, "RELEASE pythia_load", NULL, error))
	{
		pythia_sqlite_load_abandon(base);
		return false;
	}
	end_load(db);
	return true;
}
