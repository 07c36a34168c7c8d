/*
 * SQLite, through its C library; inside SQLite itself (PYTHIA_SQLITE_LOADABLE)
 * through the routines it hands to an extension.
 */
#include "drivers/driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef PYTHIA_SQLITE_LOADABLE
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
#else
#include <sqlite3.h>
#endif

#include "core/memory.h"
#include "core/number.h"
#include "drivers/common.h"
#include "drivers/sqlite_functions.h"

/* Virtual machine steps between two looks at the host's wish to stop. */
#define PROGRESS_STEPS 20000
/* How long a lock of another connection is waited for, without ?timeout=. */
#define BUSY_SECONDS 30
/* Rows between two looks at the host where no progress handler is set. */
#define CANCEL_ROWS 1024

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

typedef struct sqlite_db
{
	pythia_db base;
	sqlite3 *handle;
	bool owned;
	pythia_db_state state;
	int64_t busy_ms;       /* waited at most for another connection's lock */
	int64_t busy_since;    /* microseconds; when the present wait began */
	sqlite3_stmt *pending; /* sent, not yet received */
	pythia_stream *stream;
	pythia_buffer sql; /* of the pending statement or the load, for errors */
	/* a load */
	sqlite3_stmt *insert;
	pythia_kind *load_kinds;
	int load_columns;
	uint64_t load_given;
	uint64_t load_stored;
	pythia_rows_reader reader;
	int depth;          /* open savepoints of a wrapped handle */
	unsigned snapshots; /* which of them only read: a bit each */
	int serial;         /* tells apart several wraps of one handle */
} sqlite_db;

static sqlite_db *sqlite_of(pythia_db *db)
{
	return (sqlite_db *) db;
}

/* --- errors ---------------------------------------------------------------- */

/* SQLite tells most errors apart by their text alone. */
static const char *state_of_message(const char *message)
{
	static const struct
	{
		const char *part;
		const char *sqlstate;
	} known[] = {
		{"no such table", "42P01"},        {"no such column", "42703"},
		{"has no column named", "42703"},  {"no such function", "42883"},
		{"syntax error", "42601"},         {"incomplete input", "42601"},
		{"unrecognized token", "42601"},   {"already exists", "42P07"},
		{"duplicate column", "42701"},     {"ambiguous column", "42702"},
		{"no such index", "42704"},        {"no such savepoint", "3B001"},
		{"within a transaction", "25001"}, {"no transaction is active", "25P01"},
		{"cannot modify", "42809"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(message, known[i].part))
			return known[i].sqlstate;
	return "HY000";
}

static const char *state_of_constraint(int extended)
{
	switch (extended)
	{
		case SQLITE_CONSTRAINT_PRIMARYKEY:
		case SQLITE_CONSTRAINT_UNIQUE:
		case SQLITE_CONSTRAINT_ROWID:
			return "23505";
		case SQLITE_CONSTRAINT_NOTNULL:
			return "23502";
		case SQLITE_CONSTRAINT_FOREIGNKEY:
			return "23503";
		case SQLITE_CONSTRAINT_CHECK:
			return "23514";
		case SQLITE_CONSTRAINT_TRIGGER:
			return "P0001";
	}
	return "23000";
}

/* Fills the error from the connection's last failure; `sql` may be NULL. Returns false. */
static bool sqlite_failed(sqlite_db *db, const char *sql, pythia_error *error)
{
	int extended = db->handle ? sqlite3_extended_errcode(db->handle) : SQLITE_NOMEM;
	const char *message = db->handle ? sqlite3_errmsg(db->handle) : "out of memory";

	switch (extended & 0xff)
	{
		case SQLITE_INTERRUPT:
			pythia_fail_cancelled(error);
			break;
		case SQLITE_BUSY:
		case SQLITE_LOCKED:
			if (pythia_host_cancelled(db->base.host))
			{
				pythia_fail_cancelled(error);
				break;
			}
			pythia_fail(error, PYTHIA_E_TRANSIENT, "55P03", "%s: %s", db->base.display, message);
			pythia_error_hint(error, "Another connection is writing to this database; try again, or wait longer with "
									 "the URL parameter timeout=SECONDS.");
			break;
		case SQLITE_CONSTRAINT:
			if (extended == SQLITE_CONSTRAINT_DATATYPE)
				pythia_fail(error, PYTHIA_E_DATA, "42804", "%s", message);
			else
				pythia_fail(error, PYTHIA_E_DATABASE, state_of_constraint(extended), "%s", message);
			break;
		case SQLITE_MISMATCH:
			pythia_fail(error, PYTHIA_E_DATA, "42804", "%s", message);
			break;
		case SQLITE_TOOBIG:
			pythia_fail(error, PYTHIA_E_DATA, "54000", "%s", message);
			break;
		case SQLITE_FULL:
			pythia_fail(error, PYTHIA_E_DATABASE, "53100", "%s: %s", db->base.display, message);
			pythia_error_hint(error, "Make room on the disk that holds the database.");
			break;
		case SQLITE_READONLY:
			pythia_fail(error, PYTHIA_E_DATABASE, "25006", "%s: %s", db->base.display, message);
			pythia_error_hint(error, "Check that the file and its folder are writable by this user, and that the "
									 "connection was not opened read-only.");
			break;
		case SQLITE_PERM:
		case SQLITE_AUTH:
			pythia_fail(error, PYTHIA_E_DATABASE, "42501", "%s: %s", db->base.display, message);
			break;
		case SQLITE_CORRUPT:
		case SQLITE_NOTADB:
			pythia_fail(error, PYTHIA_E_DATABASE, "XX001", "%s: %s", db->base.display, message);
			pythia_error_hint(error, "Check that the file is a SQLite database, with PRAGMA integrity_check.");
			break;
		case SQLITE_CANTOPEN:
			pythia_fail(error, PYTHIA_E_CONNECT, "08001", "could not open %s: %s", db->base.display, message);
			pythia_error_hint(error, "Check the path, and that the file and its folder are accessible to this user.");
			break;
		case SQLITE_IOERR:
			pythia_fail(error, PYTHIA_E_DATABASE, "58030", "%s: %s", db->base.display, message);
			break;
		case SQLITE_NOMEM:
			pythia_fail(error, PYTHIA_E_DATABASE, "53200", "%s: %s", db->base.display, message);
			break;
		default:
			pythia_fail(error, PYTHIA_E_DATABASE, state_of_message(message), "%s", message);
			break;
	}
	if (sql)
		pythia_error_statement(error, sql);
	return false;
}

/* --- waiting --------------------------------------------------------------- */

static int on_progress(void *context)
{
	sqlite_db *db = context;

	return pythia_host_cancelled(db->base.host);
}

/* Another connection holds a lock: wait a little through the host. */
static int on_busy(void *context, int count)
{
	sqlite_db *db = context;
	int64_t now = pythia_host_now(db->base.host);
	long delay = count < 4 ? 1 << count : 20;

	if (db->busy_ms < 0)
		return 0;
	if (count == 0)
		db->busy_since = now;
	else if ((now - db->busy_since) / 1000 >= db->busy_ms)
		return 0;
	return pythia_host_wait(db->base.host, -1, 0, delay) != PYTHIA_WAIT_CANCELLED;
}

/* --- statements ------------------------------------------------------------ */

static bool prepare(sqlite_db *db, const char *sql, sqlite3_stmt **statement, const char **tail, pythia_error *error)
{
	if (sqlite3_prepare_v2(db->handle, sql, -1, statement, tail) == SQLITE_OK)
		return true;
	return sqlite_failed(db, sql, error);
}

static bool run(sqlite_db *db, const char *sql, int64_t *affected, pythia_error *error)
{
	const char *text = sql;
	int64_t changes = 0;

	while (*text)
	{
		sqlite3_stmt *statement;
		int before = sqlite3_total_changes(db->handle);
		int code;

		if (!prepare(db, text, &statement, &text, error))
			return false;
		if (!statement) /* a comment or white space */
			continue;
		while ((code = sqlite3_step(statement)) == SQLITE_ROW)
			;
		if (sqlite3_finalize(statement) != SQLITE_OK)
			return sqlite_failed(db, sql, error);
		/* the number stays what it was for a statement that is not a change */
		changes = sqlite3_total_changes(db->handle) != before ? sqlite3_changes(db->handle) : 0;
	}
	if (affected)
		*affected = changes;
	return true;
}

static bool sqlite_exec(pythia_db *base, const char *sql, int64_t *affected, pythia_error *error)
{
	sqlite_db *db = sqlite_of(base);

	return pythia_db_expect(base, db->state, PYTHIA_IDLE, error) && run(db, sql, affected, error);
}

static bool sqlite_send(pythia_db *base, const char *sql, pythia_error *error)
{
	sqlite_db *db = sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error) || !prepare(db, sql, &db->pending, NULL, error))
		return false;
	if (!db->pending)
		return pythia_fail(error, PYTHIA_E_DATABASE, "42601", "the statement is empty");
	pythia_buffer_clear(&db->sql);
	pythia_buffer_puts(&db->sql, sql);
	db->state = PYTHIA_SENT;
	return true;
}

/* The text of a value; `scratch` (PYTHIA_DOUBLE_TEXT bytes) holds that of a double. */
static inline const char *column_text(sqlite3_stmt *statement, int column, int type, char *scratch, size_t *length)
{
	const char *text;

	if (type == SQLITE_FLOAT)
	{
		*length = (size_t) pythia_double_text(scratch, sqlite3_column_double(statement, column));
		return scratch;
	}
	text = type == SQLITE_BLOB ? sqlite3_column_blob(statement, column)
							   : (const char *) sqlite3_column_text(statement, column);
	*length = (size_t) sqlite3_column_bytes(statement, column);
	return text ? text : "";
}

static bool sqlite_receive(pythia_db *base, pythia_result *result, pythia_error *error)
{
	sqlite_db *db = sqlite_of(base);
	sqlite3_stmt *statement = db->pending;
	int64_t capacity = 0;
	int code;
	const char **values;
	size_t *lengths;
	char(*scratch)[PYTHIA_DOUBLE_TEXT];

	memset(result, 0, sizeof(*result));
	if (!pythia_db_expect(base, db->state, PYTHIA_SENT, error))
		return false;
	result->ncolumns = sqlite3_column_count(statement);
	values = pythia_calloc((size_t) result->ncolumns, sizeof(*values));
	lengths = pythia_calloc((size_t) result->ncolumns, sizeof(*lengths));
	scratch = pythia_calloc((size_t) result->ncolumns, sizeof(*scratch));
	while ((code = sqlite3_step(statement)) == SQLITE_ROW)
	{
		for (int i = 0; i < result->ncolumns; i++)
		{
			int type = sqlite3_column_type(statement, i);

			values[i] = type == SQLITE_NULL ? NULL : column_text(statement, i, type, scratch[i], &lengths[i]);
		}
		pythia_result_add(result, &capacity, values, lengths);
	}
	pythia_free(values);
	pythia_free(lengths);
	pythia_free(scratch);
	db->pending = NULL;
	db->state = PYTHIA_IDLE;
	if (sqlite3_finalize(statement) == SQLITE_OK)
		return true;
	pythia_result_free(result);
	return sqlite_failed(db, pythia_buffer_text(&db->sql), error);
}

/* --- streams --------------------------------------------------------------- */

static bool sqlite_stream_open(pythia_db *base, const char *sql, int ncolumns, const pythia_kind *kinds,
							   pythia_stream **out, pythia_error *error)
{
	sqlite_db *db = sqlite_of(base);
	pythia_stream *stream;
	sqlite3_stmt *statement;

	*out = NULL;
	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error) || !prepare(db, sql, &statement, NULL, error))
		return false;
	if (!statement || sqlite3_column_count(statement) != ncolumns)
	{
		int given = statement ? sqlite3_column_count(statement) : 0;

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

static void stream_row(pythia_stream *stream)
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
		text = column_text(stream->statement, i, type, scratch, &length);
		if (hex)
			pythia_rows_bytes(&stream->writer, text, length);
		else
			pythia_rows_text(&stream->writer, text, length);
	}
	pythia_rows_end(&stream->writer);
}

static bool sqlite_stream_next(pythia_stream *stream, pythia_rows *chunk, pythia_error *error)
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
			return sqlite_failed(db, pythia_buffer_text(&stream->sql), error);
		stream_row(stream);
	}
	*chunk = pythia_rows_view(&stream->writer);
	return true;
}

static void sqlite_stream_close(pythia_stream *stream)
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

static bool sqlite_load_begin(pythia_db *base, const pythia_load *load, pythia_error *error)
{
	sqlite_db *db = sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error) || !prepare(db, load->sql, &db->insert, NULL, error))
		return false;
	if (!db->insert || sqlite3_bind_parameter_count(db->insert) != load->ncolumns)
	{
		sqlite3_finalize(db->insert);
		db->insert = NULL;
		return pythia_fail(error, PYTHIA_E_INTERNAL, "42804", "the insert does not take %d values", load->ncolumns);
	}
	/* one transaction, whether or not the caller has one */
	if (!run(db, "SAVEPOINT pythia_load", NULL, error))
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

	if (field->length > 63)
		return sqlite3_bind_text(statement, at, field->value, (int) field->length, SQLITE_STATIC);
	for (size_t i = 0; i < field->length; i++)
		bits = bits << 1 | (field->value[i] == '1');
	return sqlite3_bind_int64(statement, at, bits);
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
			/* SQLite turns NaN into NULL without a word */
			if (number != number)
				*fits = false;
			return sqlite3_bind_double(db->insert, at, number);
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
			return sqlite_failed(db, pythia_buffer_text(&db->sql), error);
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
		sqlite_failed(db, pythia_buffer_text(&db->sql), error);
		sqlite3_reset(db->insert);
		return false;
	}
	db->load_given++;
	db->load_stored += (uint64_t) sqlite3_changes(db->handle);
	sqlite3_reset(db->insert);
	return true;
}

static bool sqlite_load_put(pythia_db *base, const pythia_rows *chunk, pythia_error *error)
{
	sqlite_db *db = sqlite_of(base);
	bool done = true;

	if (!pythia_db_expect(base, db->state, PYTHIA_LOADING, error))
		return false;
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

static void sqlite_load_abandon(pythia_db *base)
{
	sqlite_db *db = sqlite_of(base);
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (db->state != PYTHIA_LOADING)
		return;
	end_load(db);
	/* some errors (a full disk) have rolled everything back already */
	run(db, "ROLLBACK TO pythia_load", NULL, &ignored);
	run(db, "RELEASE pythia_load", NULL, &ignored);
	pythia_error_reset(&ignored);
}

static bool sqlite_load_end(pythia_db *base, uint64_t *rows, pythia_error *error)
{
	sqlite_db *db = sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_LOADING, error))
		return false;
	if (db->load_stored != db->load_given)
	{
		pythia_fail(error, PYTHIA_E_DATA, "22000", "%llu rows were given, but %llu were stored",
					(unsigned long long) db->load_given, (unsigned long long) db->load_stored);
		pythia_error_statement(error, pythia_buffer_text(&db->sql));
		sqlite_load_abandon(base);
		return false;
	}
	if (rows)
		*rows = db->load_given;
	if (!run(db, "RELEASE pythia_load", NULL, error))
	{
		sqlite_load_abandon(base);
		return false;
	}
	end_load(db);
	return true;
}

/* --- transactions ---------------------------------------------------------- */

/*
 * A wrapped handle may be in its owner's transaction: savepoints nest in it.  It may
 * be wrapped twice, as source and as target: the names differ, and a snapshot, which
 * has nothing to undo, is released, never rolled back, lest it undo the other's work.
 */
static bool savepoint(sqlite_db *db, const char *verb, int depth, pythia_error *error)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "%s pythia_%d_%d", verb, db->serial, depth);
	return run(db, sql, NULL, error);
}

static bool sqlite_begin(pythia_db *base, pythia_begin_mode mode, pythia_error *error)
{
	sqlite_db *db = sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	if (!db->owned)
	{
		if (!savepoint(db, "SAVEPOINT", db->depth + 1, error))
			return false;
		db->depth++;
		if (mode == PYTHIA_BEGIN_SNAPSHOT)
			db->snapshots |= 1u << db->depth;
		else
			db->snapshots &= ~(1u << db->depth);
	}
	else
	{
		int64_t busy_ms = db->busy_ms;
		bool begun;

		if (mode == PYTHIA_BEGIN_TRY)
			db->busy_ms = -1;
		begun = run(db, mode == PYTHIA_BEGIN_IMMEDIATE || mode == PYTHIA_BEGIN_TRY ? "BEGIN IMMEDIATE" : "BEGIN", NULL,
					error);
		db->busy_ms = busy_ms;
		if (!begun)
			return false;
	}
	/* SQLite takes its snapshot with the first read */
	if (mode != PYTHIA_BEGIN_SNAPSHOT || run(db, "SELECT 1 FROM sqlite_master LIMIT 1", NULL, error))
		return true;
	base->driver->rollback(base, NULL);
	return false;
}

/* It may be gone already, with one of the other wrap's around it. */
static bool release_snapshot(sqlite_db *db)
{
	savepoint(db, "RELEASE", db->depth, NULL);
	db->depth--;
	return true;
}

static bool sqlite_commit(pythia_db *base, pythia_error *error)
{
	sqlite_db *db = sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	if (db->owned)
		return run(db, "COMMIT", NULL, error);
	if (db->snapshots & 1u << db->depth)
		return release_snapshot(db);
	if (!savepoint(db, "RELEASE", db->depth, error))
		return false;
	db->depth--;
	return true;
}

static bool sqlite_rollback(pythia_db *base, pythia_error *error)
{
	sqlite_db *db = sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	/* after a full disk or an I/O error SQLite may have rolled back by itself */
	if (sqlite3_get_autocommit(db->handle))
	{
		db->depth = 0;
		return true;
	}
	if (db->owned)
		return run(db, "ROLLBACK", NULL, error);
	if (db->depth == 0)
		return true;
	if (db->snapshots & 1u << db->depth)
		return release_snapshot(db);
	db->depth--;
	return savepoint(db, "ROLLBACK TO", db->depth + 1, error) && savepoint(db, "RELEASE", db->depth + 1, error);
}

/* --- opening and closing --------------------------------------------------- */

static void sqlite_close_db(pythia_db *base)
{
	sqlite_db *db = sqlite_of(base);

	if (db->state == PYTHIA_LOADING)
		sqlite_load_abandon(base);
	if (db->stream)
		sqlite_stream_close(db->stream);
	sqlite3_finalize(db->pending);
	if (db->owned)
		sqlite3_close_v2(db->handle);
	pythia_buffer_free(&db->sql);
	pythia_free(base->version_text);
	pythia_free(base->default_schema);
	pythia_free(base->display);
	pythia_free(db);
}

static const pythia_driver sqlite_driver = {
	.name = "sqlite",
	.exec = sqlite_exec,
	.send = sqlite_send,
	.receive = sqlite_receive,
	.stream_open = sqlite_stream_open,
	.stream_next = sqlite_stream_next,
	.stream_close = sqlite_stream_close,
	.load_begin = sqlite_load_begin,
	.load_put = sqlite_load_put,
	.load_end = sqlite_load_end,
	.load_abandon = sqlite_load_abandon,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.close = sqlite_close_db,
};

static sqlite_db *new_db(const pythia_host *host)
{
	sqlite_db *db = pythia_calloc(1, sizeof(*db));
	int version = sqlite3_libversion_number();
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	db->base.driver = &sqlite_driver;
	db->base.host = host;
	db->base.engine = PYTHIA_SQLITE;
	db->base.version = version / 1000000 * 10000 + version / 1000 % 1000 * 100 + version % 1000;
	pythia_buffer_printf(&text, "SQLite %s", sqlite3_libversion());
	db->base.version_text = pythia_buffer_take(&text);
	db->base.default_schema = pythia_strdup("main");
	return db;
}

bool pythia_sqlite_wrap(void *handle, const pythia_host *host, pythia_db **out, pythia_error *error)
{
	static int wraps;
	sqlite_db *db;

	if (pythia_sqlite_register_functions(handle) != SQLITE_OK)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "could not register functions: %s",
						   sqlite3_errmsg(handle));
	db = new_db(host ? host : pythia_default_host());
	db->handle = handle;
	db->serial = __atomic_add_fetch(&wraps, 1, __ATOMIC_RELAXED);
	db->base.local = true;
	db->base.display = pythia_strdup("local");
	db->base.read_only = sqlite3_db_readonly(handle, "main") == 1;
	*out = &db->base;
	return true;
}

/* Reads ?mode= and ?timeout=; other names are mistakes, save those that Python's module takes. */
static bool read_parameters(const pythia_url *url, sqlite_db *db, bool *read_only, bool *create, pythia_error *error)
{
	static const char *const others[] = {"check_same_thread", "isolation_level", "detect_types", "cached_statements",
										 "uri"};
	int64_t seconds;

	for (int i = 0; i < url->nparameters; i++)
	{
		const char *name = url->parameters[i].name;
		const char *value = url->parameters[i].value;
		bool known = strcmp(name, "timeout") == 0;

		for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++)
			known = known || strcmp(name, others[j]) == 0;
		if (strcmp(name, "mode") == 0)
		{
			known = true;
			if (strcmp(value, "ro") == 0)
				*read_only = true;
			else if (strcmp(value, "rwc") == 0)
				*create = true;
			else if (strcmp(value, "rw") != 0)
			{
				pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for the URL parameter \"mode\": \"%s\"",
							value);
				return pythia_error_hint(error, "It takes ro, rw or rwc.");
			}
		}
		if (!known)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "unknown URL parameter \"%s\" for SQLite", name);
			return pythia_error_hint(error, "SQLite URLs take mode and timeout.");
		}
	}
	if (!pythia_url_seconds(url, "timeout", BUSY_SECONDS, &seconds, error))
		return false;
	db->busy_ms = seconds * 1000;
	return true;
}

static bool open_file(sqlite_db *db, const char *path, bool read_only, bool create, pythia_error *error)
{
	int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	bool memory = path[0] == '\0' || strcmp(path, ":memory:") == 0;
	int code;

	if (memory)
		flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	else if (create && !read_only)
		flags |= SQLITE_OPEN_CREATE;
	else if (access(path, F_OK) != 0)
	{
		pythia_fail(error, PYTHIA_E_CONNECT, "08001", "could not open %s: %s", db->base.display, strerror(errno));
		return pythia_error_hint(error, "Check the path: sqlite:////absolute/path.db has four slashes, "
										"sqlite:///relative.db three.");
	}
	code = sqlite3_open_v2(memory ? ":memory:" : path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK)
		return sqlite_failed(db, NULL, error);
	sqlite3_extended_result_codes(db->handle, 1);
	if (pythia_sqlite_register_functions(db->handle) != SQLITE_OK)
		return sqlite_failed(db, NULL, error);
	sqlite3_busy_handler(db->handle, on_busy, db);
	sqlite3_progress_handler(db->handle, PROGRESS_STEPS, on_progress, db);
	/* "no_such_column" must be an error, not a string; a file's own schema is not trusted with functions */
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, (int *) NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *) NULL);
	/* opening reads nothing; this finds out whether it is a database */
	if (!run(db, "PRAGMA schema_version", NULL, error))
	{
		error->error_class = error->error_class == PYTHIA_E_DATABASE ? PYTHIA_E_CONNECT : error->error_class;
		pythia_free(error->context);
		error->context = NULL;
		return false;
	}
	if (!read_only && sqlite3_db_readonly(db->handle, "main") == 1)
		db->base.read_only = true;
	return true;
}

bool pythia_sqlite_open(const pythia_url *url, const pythia_host *host, const pythia_open_options *options,
						pythia_db **out, pythia_error *error)
{
	sqlite_db *db = new_db(host);
	pythia_buffer display = PYTHIA_BUFFER_INIT;
	bool read_only = options && options->read_only;
	bool create = options && options->create;
	const char *path = url->database ? url->database : "";

	*out = NULL;
	db->owned = true;
	pythia_url_redact(url, &display);
	db->base.display = pythia_buffer_take(&display);
	if (read_parameters(url, db, &read_only, &create, error))
	{
		db->base.read_only = read_only;
		if (open_file(db, path, read_only, create, error))
		{
			*out = &db->base;
			return true;
		}
	}
	sqlite_close_db(&db->base);
	return false;
}
