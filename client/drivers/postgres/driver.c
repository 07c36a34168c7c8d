/*
 * PostgreSQL over libpq, never blocking but in name resolution: every wait goes
 * through the host.  This file owns the session: statements and transactions.
 * connect.c connects, wait.c waits and finds errors, copy.c has the COPY streams
 * in both directions.
 */
#include "drivers/postgres/internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/*
 * In one round trip: what the session says by itself (the inner query, before anything is changed), and what
 * it must say whatever its role or database is set to; the search path last.  Rows hidden by a policy would
 * pass for deleted: an error instead.  A server that works for a client long gone is to notice, where its
 * platform can.
 */
#define PIN_SESSION                                                                                                    \
	"SELECT was.path, pg_catalog.set_config('timezone', 'UTC', false),"                                                \
	" pg_catalog.set_config('datestyle', 'ISO', false), pg_catalog.set_config('intervalstyle', 'postgres', false),"    \
	" pg_catalog.set_config('extra_float_digits', '3', false), pg_catalog.set_config('bytea_output', 'hex', false),"   \
	" pg_catalog.set_config('standard_conforming_strings', 'on', false),"                                              \
	" pg_catalog.set_config('client_min_messages', 'warning', false),"                                                 \
	" pg_catalog.set_config('xmloption', 'content', false),"                                                           \
	" pg_catalog.set_config('array_nulls', 'on', false), pg_catalog.set_config('lc_monetary', 'C', false),"            \
	" pg_catalog.set_config('quote_all_identifiers', 'off', false),"                                                   \
	" pg_catalog.set_config('row_security', 'off', false),"                                                            \
	" pg_catalog.set_config('default_transaction_read_only', %s, false),%s%s"                                          \
	" pg_catalog.set_config('client_encoding', CASE pg_catalog.current_setting('server_encoding') WHEN 'SQL_ASCII'"    \
	" THEN 'SQL_ASCII' ELSE 'UTF8' END, false),"                                                                       \
	" pg_catalog.set_config('search_path', 'pg_catalog', false)"                                                       \
	" FROM (SELECT pg_catalog.current_schema() AS path OFFSET 0) was"
#define CHECK_CONNECTION                                                                                               \
	" CASE WHEN pg_catalog.version() LIKE '%linux%' THEN"                                                              \
	" pg_catalog.set_config('client_connection_check_interval', '10s', false) END,"

/* --- statements ------------------------------------------------------------ */

static bool postgres_exec(pythia_db *base, const char *sql, int64_t *affected, pythia_error *error)
{
	postgres_db *db = pythia_postgres_of(base);
	PGresult *result;
	const char *count;

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error) || !pythia_postgres_start(db, sql, error) ||
		!pythia_postgres_finish(db, &result, error))
		return false;
	count = result ? PQcmdTuples(result) : "";
	if (affected)
		*affected = *count ? strtoll(count, NULL, 10) : 0;
	PQclear(result);
	return true;
}

static bool postgres_send(pythia_db *base, const char *sql, pythia_error *error)
{
	postgres_db *db = pythia_postgres_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error) || !pythia_postgres_start(db, sql, error))
		return false;
	db->state = PYTHIA_SENT;
	return true;
}

/* Where the rows of an answer go. */
typedef struct answer
{
	pythia_db *db;
	pythia_result *out;
	int64_t capacity;
	const char **values;
	size_t *lengths;
} answer;

static bool take_row(void *context, const PGresult *row, pythia_error *error)
{
	answer *a = context;

	if (!a->values)
	{
		a->out->ncolumns = PQnfields(row);
		a->values = pythia_calloc((size_t) a->out->ncolumns, sizeof(*a->values));
		a->lengths = pythia_calloc((size_t) a->out->ncolumns, sizeof(*a->lengths));
	}
	if (PQnfields(row) != a->out->ncolumns)
		return pythia_db_bad_answer(a->db, error, "rows of different lengths");
	for (int i = 0; i < a->out->ncolumns; i++)
	{
		a->values[i] = PQgetisnull(row, 0, i) ? NULL : PQgetvalue(row, 0, i);
		a->lengths[i] = (size_t) PQgetlength(row, 0, i);
	}
	return pythia_result_add(a->db, a->out, &a->capacity, a->values, a->lengths, error);
}

static bool postgres_receive(pythia_db *base, pythia_result *out, pythia_error *error)
{
	postgres_db *db = pythia_postgres_of(base);
	answer rows = {.db = base, .out = out};
	PGresult *last;
	bool good;

	memset(out, 0, sizeof(*out));
	if (!pythia_db_expect(base, db->state, PYTHIA_SENT, error))
		return false;
	db->state = PYTHIA_IDLE;
	good = pythia_postgres_rows(db, take_row, &rows, &last, error);
	if (!good)
		pythia_result_free(out);
	else if (!rows.values)
		out->ncolumns = PQnfields(last);
	PQclear(last);
	pythia_free(rows.values);
	pythia_free(rows.lengths);
	return good;
}

/* --- transactions ---------------------------------------------------------- */

static bool postgres_begin(pythia_db *base, pythia_begin_mode mode, pythia_error *error)
{
	/* what is written may have triggers */
	base->others_ran = base->others_ran || mode != PYTHIA_BEGIN_SNAPSHOT;
	/* the snapshot is taken by the first statement after BEGIN */
	if (mode == PYTHIA_BEGIN_SNAPSHOT)
		return postgres_exec(base, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL, error) &&
			   postgres_exec(base, "SELECT 1", NULL, error);
	return postgres_exec(base, "BEGIN ISOLATION LEVEL READ COMMITTED", NULL, error);
}

static bool postgres_commit(pythia_db *base, pythia_error *error)
{
	postgres_db *db = pythia_postgres_of(base);
	PGresult *result;
	bool committed;

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error) || !pythia_postgres_start(db, "COMMIT", error) ||
		!pythia_postgres_finish(db, &result, error))
		return false;
	/* COMMIT of a failed transaction succeeds, and says ROLLBACK */
	committed = result && strcmp(PQcmdStatus(result), "COMMIT") == 0;
	PQclear(result);
	return committed || pythia_fail(error, PYTHIA_E_DATABASE, "25P02",
									"the transaction had failed and was rolled back instead of committed");
}

static bool postgres_rollback(pythia_db *base, pythia_error *error)
{
	postgres_db *db = pythia_postgres_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	if (PQtransactionStatus(db->conn) == PQTRANS_IDLE)
		return true;
	return postgres_exec(base, "ROLLBACK", NULL, error);
}

/* --- opening and closing --------------------------------------------------- */

static void postgres_close(pythia_db *base)
{
	postgres_db *db = pythia_postgres_of(base);

	if (db->stream)
	{
		db->base.broken = true; /* no draining: the connection goes anyway */
		base->driver->stream_close(db->stream);
	}
	if (db->conn)
	{
		if (!pythia_host_cancelled(base->host))
			pythia_postgres_stop_server(db);
		PQfinish(db->conn);
	}
	pythia_postgres_binary_free(db->binary);
	pythia_buffer_free(&db->binary_rows);
	pythia_buffer_free(&db->text_sql);
	pythia_buffer_free(&db->sql);
	pythia_free(base->version_text);
	pythia_free(base->default_schema);
	pythia_free(base->display);
	pythia_free(base->place);
	pythia_free(base->mask_key);
	pythia_free(db);
}

/*
 * A sync and a snapshot take as long as they take, whatever limits the role, the database or the server sets for
 * others; what the URL says by options=-c ... is meant for this very session.
 */
static void set_no_limits(postgres_db *db, pythia_buffer *text)
{
	static const struct
	{
		const char *name;
		int since;
	} limits[] = {{"statement_timeout", 0},
				  {"lock_timeout", 0},
				  {"idle_in_transaction_session_timeout", 0},
				  {"idle_session_timeout", 140000},
				  {"transaction_timeout", 170000}};
	PQconninfoOption *given = PQconninfo(db->conn);
	const char *options = "";

	for (PQconninfoOption *option = given; option && option->keyword; option++)
		if (strcmp(option->keyword, "options") == 0 && option->val)
		{
			options = option->val;
			/* --statement-timeout=1s is read, too */
			for (char *c = option->val; *c; c++)
				*c = *c == '-' ? '_' : *c;
		}
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (db->base.version >= limits[i].since && strstr(options, limits[i].name) == NULL)
			pythia_buffer_printf(text, " pg_catalog.set_config('%s', '0', false),", limits[i].name);
	PQconninfoFree(given);
}

/* Pins the session and learns the schema of an unqualified name. */
static bool pin(postgres_db *db, pythia_error *error)
{
	pythia_db *base = &db->base;
	pythia_buffer text = PYTHIA_BUFFER_INIT, limits = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool good;

	set_no_limits(db, &limits);
	pythia_buffer_printf(&text, PIN_SESSION,
						 base->read_only ? "'on'" : "pg_catalog.current_setting('default_transaction_read_only')",
						 base->version >= 140000 ? CHECK_CONNECTION : "", pythia_buffer_text(&limits));
	good = pythia_db_query(base, text.data, "1TT*", &result, error);
	pythia_buffer_free(&text);
	pythia_buffer_free(&limits);
	if (!good)
		return false;
	pythia_free(base->default_schema);
	base->default_schema = pythia_strdup(pythia_result_optional(&result, 0, 0));
	if (!base->default_schema)
		base->default_schema = pythia_strdup("public");
	pythia_result_free(&result);
	pythia_buffer_clear(&db->sql);
	return !base->broken;
}

/* What the caller may ask about the connection. */
static bool set_up(postgres_db *db, const pythia_open_options *options, pythia_error *error)
{
	pythia_db *base = &db->base;
	const char *version = PQparameterStatus(db->conn, "server_version");
	const char *encoding = PQparameterStatus(db->conn, "server_encoding");
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	base->version = PQserverVersion(db->conn);
	base->encrypted = PQsslInUse(db->conn);
	base->read_only = options->read_only;
	base->recoded = encoding && strcmp(encoding, "UTF8") != 0 && strcmp(encoding, "SQL_ASCII") != 0;
	pythia_buffer_printf(&text, "PostgreSQL %.*s", version ? (int) strcspn(version, " ") : 0, version ? version : "");
	base->version_text = pythia_buffer_take(&text);
	return pin(db, error);
}

static bool postgres_reset(pythia_db *base, pythia_error *error)
{
	static const char *const undo[] = {"RESET SESSION AUTHORIZATION", "RESET ALL", "DISCARD TEMP", NULL};
	postgres_db *db = pythia_postgres_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	if (PQtransactionStatus(db->conn) != PQTRANS_IDLE)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "25001", "a transaction is open");
	return pythia_db_exec_each(base, undo, error) && pin(db, error);
}

static const pythia_driver postgres_driver = {
	.name = "postgresql",
	.exec = postgres_exec,
	.send = postgres_send,
	.receive = postgres_receive,
	.stream_open = pythia_postgres_stream_open,
	.stream_next = pythia_postgres_stream_next,
	.stream_close = pythia_postgres_stream_close,
	.load_begin = pythia_postgres_load_begin,
	.load_put = pythia_postgres_load_put,
	.load_end = pythia_postgres_load_end,
	.load_abandon = pythia_postgres_load_abandon,
	.begin = postgres_begin,
	.commit = postgres_commit,
	.rollback = postgres_rollback,
	.reset = postgres_reset,
	.close = postgres_close,
};

static bool require_password(postgres_db *db, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_CONNECT, "2F003", "password is required");
	pythia_error_detail(error, "Non-superusers may not enter %s with the identity of this server.", db->base.display);
	return pythia_error_hint(error, "Give a password in the connection's URL, and let that server ask for it.");
}

bool pythia_postgres_open(const pythia_url *url, const pythia_host *host, const pythia_open_options *options,
						  pythia_db **out, pythia_error *error)
{
	static const pythia_open_options defaults = {0};
	postgres_db *db = pythia_calloc(1, sizeof(*db));
	pythia_buffer display = PYTHIA_BUFFER_INIT;
	pythia_buffer place = PYTHIA_BUFFER_INIT;

	*out = NULL;
	if (!options)
		options = &defaults;
	db->base.driver = &postgres_driver;
	db->base.host = host ? host : pythia_default_host();
	db->base.engine = PYTHIA_POSTGRESQL;
	pythia_url_redact(url, &display);
	db->base.display = pythia_buffer_take(&display);
	pythia_url_endpoint(url, &place);
	db->base.place = pythia_buffer_take(&place);
	if (options->require_password && !(url->password && url->password[0]) && !pythia_url_parameter_get(url, "passfile"))
		require_password(db, error);
	else if (pythia_postgres_connect(db, url, options, error))
	{
		if (options->require_password && !PQconnectionUsedPassword(db->conn))
			require_password(db, error);
		else if (set_up(db, options, error))
		{
			*out = &db->base;
			return true;
		}
	}
	postgres_close(&db->base);
	return false;
}
