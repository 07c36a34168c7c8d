/* Entering a MySQL or MariaDB server, pinning the session, and the second connection that kills a query. */
#include "drivers/mysql/internal.h"

#include <errmsg.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "core/memory.h"
#include "core/node.h"
#include "core/reach.h"
#include "core/suggest.h"

/* Spent at most on telling the server to stop. */
#define KILL_MS 500

static const char *const parameters[] = {
	"connect_timeout",
	"charset",
	"ssl",
	"ssl_mode",
	"ssl-mode",
	"ssl_ca",
	"ssl_capath",
	"ssl_cert",
	"ssl_key",
	"ssl_cipher",
	"unix_socket",
	"compress",
	"collation",
	"local_infile",
	"ssl_verify_cert",
	"ssl_verify_identity",
	"autocommit",
};

static bool check_parameters(const pythia_url *url, pythia_error *error)
{
	int count = sizeof(parameters) / sizeof(parameters[0]);

	for (int i = 0; i < url->nparameters; i++)
	{
		const char *name = url->parameters[i].name;
		const char *close;
		bool known = false;

		for (int j = 0; j < count; j++)
			known = known || strcmp(parameters[j], name) == 0;
		if (!known)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "unknown URL parameter \"%s\" for MySQL", name);
			close = pythia_suggest(name, parameters, count);
			if (close)
				return pythia_error_hint(error, "Perhaps you meant \"%s\".", close);
			return pythia_error_hint(error, "It takes connect_timeout, charset, ssl_mode, ssl_ca, ssl_cert, ssl_key "
											"and unix_socket.");
		}
	}
	return true;
}

/* Of a URL that has been checked. */
static bool is_true(const pythia_url *url, const char *name)
{
	const char *value = pythia_url_parameter_get(url, name);
	bool yes;

	return value && pythia_bool_read(value, &yes) && yes;
}

/* What is taken for false may not be a word for true that we do not know: TLS would be off. */
static bool check_booleans(const pythia_url *url, pythia_error *error)
{
	static const char *const names[] = {"ssl", "ssl_verify_cert", "ssl_verify_identity", "compress"};
	bool ignored;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		const char *value = pythia_url_parameter_get(url, names[i]);

		if (!value || pythia_bool_read(value, &ignored))
			continue;
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for the URL parameter \"%s\": \"%s\"", names[i],
					value);
		return pythia_error_hint(error, "It takes true or false.%s",
								 i == 0 ? "  Modes of TLS are those of ssl_mode." : "");
	}
	return true;
}

static bool tls_level_of(const pythia_url *url, pythia_tls_level *level, pythia_error *error)
{
	static const char *const modes[] = {"disabled", "preferred", "required", "verify_ca", "verify_identity"};
	const char *mode = pythia_url_parameter_get(url, "ssl_mode");
	bool authority = pythia_url_parameter_get(url, "ssl_ca") || pythia_url_parameter_get(url, "ssl_capath");

	if (!mode)
		mode = pythia_url_parameter_get(url, "ssl-mode");
	*level = is_true(url, "ssl")                    ? PYTHIA_TLS_REQUIRED
			 : pythia_url_parameter_get(url, "ssl") ? PYTHIA_TLS_DISABLED
													: PYTHIA_TLS_PREFERRED;
	/* whoever names an authority wants it asked */
	if (authority || is_true(url, "ssl_verify_cert") || is_true(url, "ssl_verify_identity"))
		*level = PYTHIA_TLS_VERIFY_IDENTITY;
	if (!mode)
		return true;
	for (int i = PYTHIA_TLS_DISABLED; i <= PYTHIA_TLS_VERIFY_IDENTITY; i++)
		if (strcasecmp(mode, modes[i]) == 0)
		{
			*level = (pythia_tls_level) i;
			if (i != PYTHIA_TLS_VERIFY_CA || authority)
				return true;
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "ssl_mode \"verify_ca\" needs an authority");
			return pythia_error_hint(error, "Name its file by ssl_ca, or its folder by ssl_capath.");
		}
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for the URL parameter \"ssl_mode\": \"%s\"", mode);
	return pythia_error_hint(error, "It takes disabled, preferred, required, verify_ca or verify_identity.");
}

/* The libraries go by a socket only to themselves, and by TCP to whom else the URL names. */
static bool check_socket(const pythia_url *url, pythia_error *error)
{
	if (!pythia_mysql_socket_of(url) || !url->host || strcasecmp(url->host, "localhost") == 0)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "unix_socket leads to this machine, and the URL names the host \"%s\"",
				url->host);
	return pythia_error_hint(error, "Name localhost or no host with unix_socket, or leave unix_socket out.");
}

bool pythia_mysql_check_url(const pythia_url *url, pythia_error *error)
{
	pythia_tls_level level;
	int64_t seconds;

	return check_parameters(url, error) && check_socket(url, error) && check_booleans(url, error) &&
		   pythia_url_seconds(url, "connect_timeout", 1, &seconds, error) && tls_level_of(url, &level, error);
}

static bool set_tls(mysql_db *db, const pythia_url *url, pythia_error *error)
{
	pythia_mysql_tls tls = {.key = pythia_url_parameter_get(url, "ssl_key"),
							.certificate = pythia_url_parameter_get(url, "ssl_cert"),
							.authority = pythia_url_parameter_get(url, "ssl_ca"),
							.authorities = pythia_url_parameter_get(url, "ssl_capath"),
							.ciphers = pythia_url_parameter_get(url, "ssl_cipher")};
	const char *socket_path = pythia_mysql_socket_of(url);
	const char *refused;
	const char *hint;

	if (!tls_level_of(url, &tls.level, error))
		return false;
	/* Whoever stands in the server's place would choose to be given the password. In clear it goes only to a server
	 * that has proved who it is, or through a Unix socket, which is looked at when the connection is there. */
	db->in_clear = tls.level == PYTHIA_TLS_VERIFY_IDENTITY;
	pythia_mysql_limit_methods(&db->mysql, db->in_clear || socket_path);
	db->tls_required = tls.level >= PYTHIA_TLS_REQUIRED;
	refused = pythia_mysql_set_tls(&db->mysql, &tls, socket_path ? NULL : pythia_mysql_host_of(db, url), &hint);
	if (!refused)
		return true;
	pythia_fail(error, PYTHIA_E_CONNECT, "08001", "could not connect to %s: %s", db->base.display, refused);
	return pythia_error_hint(error, "%s", hint);
}

/* Prepares `mysql` for a connection; `seconds` 0 waits for ever. */
bool pythia_mysql_set_options(mysql_db *db, const pythia_url *url, int64_t seconds, pythia_error *error)
{
	MYSQL *mysql = &db->mysql;
	unsigned local = 1;
	/* else "localhost" would mean the socket, and with it the identity of this process */
	unsigned protocol = pythia_mysql_socket_of(url) ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
	unsigned long packet = 1UL << 30;

	if (!mysql_init(mysql))
		return pythia_fail(error, PYTHIA_E_INTERNAL, "53200", "out of memory");
	db->connected = true;
	if (!pythia_mysql_unblock(mysql))
		return pythia_fail(error, PYTHIA_E_INTERNAL, "53200", "out of memory");
	mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
	mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &local);
	pythia_mysql_guard_infile(db);
	/* not by the library: Oracle's knows no time limit where it can be waited for */
	db->connect_ms = seconds * 1000;
	if (is_true(url, "compress"))
		mysql_options(mysql, MYSQL_OPT_COMPRESS, NULL);
	if (db->client_defaults)
		mysql_options(mysql, MYSQL_READ_DEFAULT_GROUP, "client");
	mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
	return set_tls(db, url, error);
}

/* The password given; without one the library would look into the environment. */
static const char *password_of(const mysql_db *db, const pythia_url *url)
{
	return url->password ? url->password : db->client_defaults ? NULL : "";
}

static bool no_tls(mysql_db *db, pythia_error *error)
{
	db->base.broken = true;
	pythia_fail(error, PYTHIA_E_CONNECT, "08001", "could not connect to %s: the server has no TLS", db->base.display);
	return pythia_error_hint(error, "Set it up there, or allow a connection without it by ssl_mode=preferred.");
}

/* Where the connection goes and who comes, for messages; the URL is in db->base.display. */
static bool connect_failed(mysql_db *db, pythia_error *error)
{
	unsigned code = pythia_mysql_errno(db);
	char sqlstate[6];
	const char *hint;

	if (db->cut)
		return pythia_mysql_failed(db, error);
	if (db->refused == PYTHIA_MYSQL_NO_TLS ||
		(code == CR_SSL_CONNECTION_ERROR && !(db->mysql.server_capabilities & CLIENT_SSL)))
		return no_tls(db, error);
	pythia_mysql_classify(code, mysql_sqlstate(&db->mysql), sqlstate, &hint);
	if (strcmp(sqlstate, "08006") == 0 || strcmp(sqlstate, "HY000") == 0)
		memcpy(sqlstate, "08001", 6);
	db->base.broken = true;
	pythia_fail(error, PYTHIA_E_CONNECT, sqlstate, "could not connect to %s: %s", db->base.display,
				pythia_mysql_message(db));
	return pythia_error_hint(
		error, "%s", hint ? hint : "Check the URL, and that the server is running and can be reached from here.");
}

/* A peer that vanished without a word is noticed after two minutes. */
static void keep_alive(int fd)
{
	int on = 1;
	int idle = 60;
	int interval = 10;
	int count = 6;

	/* on a Unix socket these fail, and are not needed */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/* Not CLIENT_MULTI_STATEMENTS: a text of several statements is an error. */
#define CONNECT_FLAGS CLIENT_REMEMBER_OPTIONS

static bool go_to(mysql_db *db, const pythia_url *url, const char *host, MYSQL **answer, pythia_error *error)
{
	return PYTHIA_MYSQL_RUN(db,
							pythia_mysql_step_connect(&db->mysql, answer, host, url->user, password_of(db, url),
													  url->database, (unsigned) url->port, pythia_mysql_socket_of(url),
													  CONNECT_FLAGS, ready),
							error);
}

/* To the host, or the first of its addresses that answers; where its name is to be proved, by that. */
static bool go_to_first(mysql_db *db, const pythia_url *url, const char *host, MYSQL **answer, pythia_error *error)
{
	pythia_buffer addresses = PYTHIA_BUFFER_INIT;
	char *next = NULL;
	bool done;

	if (!pythia_mysql_socket_of(url) && !db->in_clear /* verify_identity */)
		pythia_mysql_addresses(host, &addresses);
	for (char *at = addresses.length > 0 ? addresses.data : NULL;; at = next)
	{
		if (at && (next = strchr(at, ',')))
			*next++ = '\0';
		done = go_to(db, url, at ? at : host, answer, error);
		if (!done || *answer || !next || pythia_mysql_errno(db) != CR_CONN_HOST_ERROR)
			break;
	}
	pythia_buffer_free(&addresses);
	return done;
}

bool pythia_mysql_connect(mysql_db *db, const pythia_url *url, pythia_error *error)
{
	const char *host = pythia_mysql_host_of(db, url);
	MYSQL *answer = NULL;
	bool done;

	if (!pythia_mysql_may_go(db, host, pythia_mysql_port_of(url), pythia_mysql_socket_of(url), error))
		return false;
	db->connect_by = db->connect_ms > 0 ? pythia_monotonic_ms() + db->connect_ms : 0;
	done = go_to_first(db, url, host, &answer, error);
	db->connect_by = 0;
	if (!done)
		return false;
	if (!answer)
		return connect_failed(db, error);
	if (!pythia_mysql_may_stay(db, error))
		return false;
	if (db->tls_required && !mysql_get_ssl_cipher(&db->mysql))
		return no_tls(db, error);
	db->thread_id = mysql_thread_id(&db->mysql);
	keep_alive(pythia_mysql_socket(&db->mysql));
	return true;
}

/* --- killing a query -------------------------------------------------------- */

void pythia_mysql_kill(mysql_db *db)
{
	pythia_grace grace;
	mysql_db *second = pythia_calloc(1, sizeof(*second));
	char sql[64];

	second->base.driver = db->base.driver;
	/* it waits although the real host wants to stop */
	pythia_grace_begin(&grace, KILL_MS);
	second->base.host = &grace.host;
	second->base.engine = PYTHIA_MYSQL;
	second->base.display = pythia_strdup(db->base.display);
	second->client_defaults = db->client_defaults;
	second->require_password = db->require_password;
	second->reach = pythia_strdup(db->reach);
	pythia_url_copy(&second->url, &db->url);
	snprintf(sql, sizeof(sql), "KILL QUERY %lu", db->thread_id);
	/* where it fails, the server finds out when it next writes to us */
	if (pythia_mysql_set_options(second, &db->url, 1, NULL) && pythia_mysql_connect(second, &db->url, NULL))
		pythia_mysql_run(second, sql, NULL, NULL);
	pythia_db_close(&second->base);
}

/* --- opening ---------------------------------------------------------------- */

/* What a session must say whatever the server or the account is set to. */
static const char pin_session[] =
	"SET SESSION time_zone = '+00:00', sql_mode = CONCAT('STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,"
	"ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', %s), group_concat_max_len = 1073741824, "
	"net_write_timeout = 86400, net_read_timeout = 86400, wait_timeout = 86400, "
	"sql_select_limit = 18446744073709551615, completion_type = 0, default_tmp_storage_engine = InnoDB, "
	"foreign_key_checks = 1, unique_checks = 1, sql_safe_updates = 0, sql_big_selects = 1, sql_auto_is_null = 0, "
	"autocommit = 1, %s%s";

/* A sync and a snapshot take as long as they take, whatever limits the account or the server sets for others. */
static const char *no_limits(const pythia_db *db)
{
	if (!db->is_mariadb)
		return db->version >= 50708 ? ", max_execution_time = 0" : "";
	return db->version >= 100300 ? ", max_statement_time = 0, idle_transaction_timeout = 0,"
								   " idle_readonly_transaction_timeout = 0, idle_write_transaction_timeout = 0"
								 : ", max_statement_time = 0";
}

bool pythia_mysql_pin(mysql_db *db, pythia_error *error)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool good;

	/* MariaDB truncates fractions of a second where MySQL rounds, and keeps 64 warnings by default where MySQL lets few
	 * accounts say how many; MySQL tells how large a table is, and its next AUTO_INCREMENT, as of a day ago */
	pythia_buffer_printf(&text, pin_session,
						 db->base.is_mariadb && db->base.version >= 100401 ? "',TIME_ROUND_FRACTIONAL'" : "''",
						 db->base.is_mariadb         ? "max_error_count = 1024"
						 : db->base.version >= 80003 ? "information_schema_stats_expiry = 0"
													 : "sql_notes = 1",
						 no_limits(&db->base));
	good = pythia_mysql_run(db, text.data, NULL, error) && pythia_mysql_run(db, "SET NAMES utf8mb4", NULL, error);
	pythia_buffer_clear(&text);
	/* a statement log cannot take read committed */
	pythia_buffer_printf(&text, "SET SESSION TRANSACTION ISOLATION LEVEL %s%s",
						 db->statement_log ? "REPEATABLE READ" : "READ COMMITTED",
						 db->base.read_only ? ", READ ONLY" : ", READ WRITE");
	good = good && pythia_mysql_run(db, text.data, NULL, error);
	pythia_buffer_free(&text);
	pythia_buffer_clear(&db->sql);
	return good;
}
