/*
 * PostgreSQL over libpq, never blocking but in name resolution: every wait goes
 * through the host.  This file owns the session: connecting, statements,
 * transactions; wait.c waits and errors, copy.c the COPY streams in
 * both directions.
 */
#include "drivers/postgres/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/suggest.h"
#include "drivers/password_file.h"

#define CONNECT_SECONDS 30
/* Of a server's warnings so many are shown, a statement. */
#define MOST_NOTICES 100
/* A path where nothing can be. */
#define NO_FILE "/dev/null/none"

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

/* libpq tells why it could not connect by text alone. */
static bool connect_failed(postgres_db *db, const char *text, pythia_error *error)
{
	static const struct
	{
		const char *part;
		const char *sqlstate;
		const char *hint;
	} known[] = {
		{"password authentication failed", "28P01", "Check the user name and the password."},
		{"authentication method requirement", "28000", PYTHIA_POSTGRES_CLEAR_HINT},
		{"no password supplied", "28P01", "Give a password in the URL, in PGPASSWORD or in ~/.pgpass."},
		{"pg_hba.conf", "28000", "The server's pg_hba.conf must let this user in from this address."},
		{"authentication failed", "28000", "Check the user name and the server's pg_hba.conf."},
		{"permission denied for database", "42501", "Grant this user CONNECT on the database."},
		{"starting up", "57P03", "Try again in a moment."},
		{"shutting down", "57P03", "Try again when the server is back."},
		{"too many", "53300", "Close other connections or raise the server's max_connections."},
		{"remaining connection slots", "53300", "Close other connections or raise the server's max_connections."},
		{"translate host name", "08001", "Check the host's name in the URL."},
		{"SSL", "08001", "Check sslmode and the certificates."},
		{"Connection refused", "08001", "Check that the server is running and listens on that host and port."},
		{"No such file", "08001", "Check that the server is running and that this is its socket's folder."},
	};
	char *reason = pythia_postgres_first_line(text);
	const char *at;

	db->base.broken = true;
	/* the server's own words come after these */
	if ((at = strstr(reason, "FATAL:  ")))
		memmove(reason, at + 8, strlen(at + 8) + 1);
	pythia_fail(error, PYTHIA_E_CONNECT, "08001", "could not connect to %s: %s", db->base.display, reason);
	pythia_error_hint(error, "Check the URL, and that the server is running and can be reached from here.");
	for (size_t i = 0; error && i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(text, known[i].part))
		{
			snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", known[i].sqlstate);
			pythia_error_hint(error, "%s", known[i].hint);
			break;
		}
	if (error && strcmp(error->sqlstate, "08001") == 0 && strstr(reason, "does not exist"))
	{
		snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", strstr(reason, "database") ? "3D000" : "28000");
		pythia_error_hint(error, "Create it on the server, or correct the URL.");
	}
	pythia_free(reason);
	return false;
}

/* What has come is read, if it may be; *asked is kept from one time to the next. */
static bool read_on(postgres_db *db, pythia_postgres_asked *asked, PostgresPollingStatusType *status,
					pythia_error *error)
{
	if (*asked != PYTHIA_POSTGRES_LET_IN)
		*asked = pythia_postgres_look(db->conn);
	switch (*asked)
	{
		case PYTHIA_POSTGRES_ASKED_IN_CLEAR:
		case PYTHIA_POSTGRES_ASKED_ODDLY:
			return pythia_postgres_keep_password(db, *asked, error);
		case PYTHIA_POSTGRES_ASKED_IN_PART:
			return pythia_host_wait(db->base.host, -1, 0, 10) != PYTHIA_WAIT_CANCELLED || pythia_fail_cancelled(error);
		default:
			*status = PQconnectPoll(db->conn);
			return true;
	}
}

static bool too_late(postgres_db *db, pythia_error *error)
{
	connect_failed(db, "no answer", error);
	return pythia_error_hint(error, "Check the host and port, or wait longer with connect_timeout=SECONDS in the URL.");
}

/* Runs the connection's own state machine until it is up, failed or too late. */
static bool connect_wait(postgres_db *db, int64_t seconds, pythia_error *error)
{
	int64_t deadline = pythia_host_now(db->base.host) + seconds * 1000000;
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	pythia_postgres_asked asked = PYTHIA_POSTGRES_GO_ON;

	while (status != PGRES_POLLING_OK)
	{
		long left = -1;

		if (status == PGRES_POLLING_FAILED || PQstatus(db->conn) == CONNECTION_BAD)
			return connect_failed(db, PQerrorMessage(db->conn), error);
		if (seconds > 0)
		{
			left = (long) ((deadline - pythia_host_now(db->base.host)) / 1000);
			/* a server that talks without end has not answered, either */
			if (left <= 0)
				return too_late(db, error);
		}
		/* another address, or the same one anew, asks anew */
		if (status == PGRES_POLLING_WRITING)
			asked = PYTHIA_POSTGRES_GO_ON;
		switch (pythia_host_wait(db->base.host, PQsocket(db->conn),
								 status == PGRES_POLLING_READING ? PYTHIA_WAIT_READ : PYTHIA_WAIT_WRITE, left))
		{
			case PYTHIA_WAIT_READY:
				if (!read_on(db, &asked, &status, error))
					return false;
				break;
			case PYTHIA_WAIT_TIMEOUT:
				if (seconds == 0)
					break;
				return too_late(db, error);
			case PYTHIA_WAIT_CANCELLED:
				db->base.broken = true;
				return pythia_fail_cancelled(error);
		}
	}
	PQsetnonblocking(db->conn, 1);
	return true;
}

static void on_notice(void *context, const PGresult *result)
{
	postgres_db *db = context;
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	/* enough to know what it is about: a server that says more fills our log */
	if (message && db->notices++ < MOST_NOTICES)
		pythia_host_log(db->base.host, PYTHIA_LOG_NOTICE, "%s: %s%s", db->base.display, message,
						db->notices == MOST_NOTICES ? " (and no more of this statement are shown)" : "");
}

static bool known_parameter(const char *name, pythia_error *error)
{
	PQconninfoOption *options = PQconndefaults();
	const char *names[100];
	int count = 0;
	const char *close;
	bool known = false;

	for (PQconninfoOption *option = options; option && option->keyword && count < 100; option++)
	{
		known = known || strcmp(option->keyword, name) == 0;
		names[count++] = option->keyword;
	}
	if (!known)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "unknown URL parameter \"%s\" for PostgreSQL", name);
		close = pythia_suggest(name, names, count);
		if (close)
			pythia_error_hint(error, "Perhaps you meant \"%s\".", close);
		else
			pythia_error_hint(error, "It takes the connection parameters of libpq, such as sslmode.");
	}
	PQconninfoFree(options);
	return known;
}

bool pythia_postgres_check_url(const pythia_url *url, pythia_error *error)
{
	static const char *const modes[] = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
	const char *mode = pythia_url_parameter_get(url, "sslmode");
	int64_t seconds;
	bool known = mode == NULL;

	for (int i = 0; i < url->nparameters; i++)
		if (strcmp(url->parameters[i].name, "ssl") != 0 && strcmp(url->parameters[i].name, PYTHIA_PASSWORD_FILE) != 0 &&
			!known_parameter(url->parameters[i].name, error))
			return false;
	for (size_t i = 0; !known && i < sizeof(modes) / sizeof(modes[0]); i++)
		known = strcmp(mode, modes[i]) == 0;
	if (known)
		return pythia_url_seconds(url, "connect_timeout", 1, &seconds, error);
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for the URL parameter \"sslmode\": \"%s\"", mode);
	return pythia_error_hint(error, "It takes disable, allow, prefer, require, verify-ca or verify-full.");
}

static bool connect_start(postgres_db *db, const pythia_url *url, const pythia_open_options *options,
						  pythia_error *error)
{
	int most = 13 + url->nparameters + 1;
	const char **names = pythia_calloc((size_t) most, sizeof(*names));
	const char **values = pythia_calloc((size_t) most, sizeof(*values));
	pythia_postgres_addresses addresses = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	char port[16];
	int n = 0;
	bool good = true;

#define GIVE(name, value)                                                                                              \
	do                                                                                                                 \
	{                                                                                                                  \
		names[n] = (name);                                                                                             \
		values[n++] = (value);                                                                                         \
	} while (0)

	if (url->host)
		GIVE("host", url->host);
	if (url->port)
	{
		snprintf(port, sizeof(port), "%d", url->port);
		GIVE("port", port);
	}
	if (url->user)
		GIVE("user", url->user);
	if (url->password)
		GIVE("password", url->password);
	if (url->database)
		GIVE("dbname", url->database);
	for (int i = 0; good && i < url->nparameters; i++)
	{
		const char *name = url->parameters[i].name;
		const char *value = url->parameters[i].value;

		if (strcmp(name, "ssl") == 0) /* what asyncpg calls it */
		{
			GIVE("sslmode", strcmp(value, "true") == 0 ? "require" : strcmp(value, "false") == 0 ? "disable" : value);
			continue;
		}
		good = known_parameter(name, error);
		GIVE(name, value);
	}
	/* libpq would else show the certificate and the ticket of this process's user to whoever asks */
	if (options->require_password && !pythia_url_parameter_get(url, "sslcert"))
		GIVE("sslcert", NO_FILE);
	if (options->require_password)
		GIVE("gssencmode", "disable");
	if (good && options->reach)
	{
		pythia_postgres_words words = {names, values, n};

		good = pythia_postgres_limit(options->reach, &words, &addresses, error);
		GIVE("host", pythia_buffer_text(&addresses.hosts));
		GIVE("hostaddr", pythia_buffer_text(&addresses.addresses));
		GIVE("port", pythia_buffer_text(&addresses.ports));
	}
	{
		pythia_postgres_words words = {names, values, n};
		const char *needed = pythia_postgres_require_auth(&words);

		if (needed)
			GIVE("require_auth", needed);
	}
	GIVE("client_encoding", "UTF8");
	GIVE("fallback_application_name", options->application_name ? options->application_name : "pythia");
#undef GIVE
	if (good)
	{
		db->conn = PQconnectStartParams(names, values, 0);
		if (!db->conn)
			good = pythia_fail(error, PYTHIA_E_INTERNAL, "53200", "out of memory");
		else if (PQstatus(db->conn) == CONNECTION_BAD)
			good = connect_failed(db, PQerrorMessage(db->conn), error);
		else
			PQsetNoticeReceiver(db->conn, on_notice, db);
	}
	pythia_postgres_addresses_free(&addresses);
	pythia_free(names);
	pythia_free(values);
	return good;
}

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
	int64_t seconds;

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
	else if (pythia_url_seconds(url, "connect_timeout", CONNECT_SECONDS, &seconds, error) &&
			 connect_start(db, url, options, error) && connect_wait(db, seconds, error))
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
