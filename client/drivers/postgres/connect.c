/* Connecting to PostgreSQL: what libpq is told, the wait for the server, and why it could not be reached. */
#include "drivers/postgres/internal.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/suggest.h"

#define CONNECT_SECONDS 30
/* Of a server's warnings so many are shown, a statement. */
#define MOST_NOTICES 100
/* A path where nothing can be. */
#define NO_FILE "/dev/null/none"

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
		if (strcmp(url->parameters[i].name, "ssl") != 0 && !known_parameter(url->parameters[i].name, error))
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

bool pythia_postgres_connect(postgres_db *db, const pythia_url *url, const pythia_open_options *options,
							 pythia_error *error)
{
	int64_t seconds;

	return pythia_url_seconds(url, "connect_timeout", CONNECT_SECONDS, &seconds, error) &&
		   connect_start(db, url, options, error) && connect_wait(db, seconds, error);
}
