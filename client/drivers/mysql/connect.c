/* Entering a MySQL or MariaDB server, pinning the session, and the second connection that kills a query. */
#include "drivers/mysql/internal.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "core/memory.h"
#include "core/reach.h"
#include "core/suggest.h"

/* The library's calls run on a stack of their own; TLS and name look-up want more than its default. */
#define STACK_BYTES (512 * 1024)
/* Bytes a write gathers; the library's default of 8 KiB makes a system call of each. */
#define NET_BUFFER_BYTES (256 * 1024)
/* Ways to enter that show a password and nothing else. */
#define PASSWORD_PLUGINS                                                                                               \
	"mysql_native_password,caching_sha2_password,sha256_password,client_ed25519,parsec,mysql_old_password,"            \
	"mysql_clear_password,dialog"
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

bool pythia_mysql_check_parameters(const pythia_url *url, pythia_error *error)
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

static bool is_true(const char *value)
{
	return value && (strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0 || strcasecmp(value, "on") == 0);
}

/* How much of TLS is asked for; the order is that of ssl_mode's names. */
typedef enum tls_level
{
	TLS_DISABLED,
	TLS_PREFERRED,
	TLS_REQUIRED,
	TLS_VERIFY_CA,
	TLS_VERIFY_IDENTITY
} tls_level;

static bool tls_level_of(const pythia_url *url, tls_level *level, pythia_error *error)
{
	static const char *const modes[] = {"disabled", "preferred", "required", "verify_ca", "verify_identity"};
	const char *mode = pythia_url_parameter_get(url, "ssl_mode");
	const char *ssl = pythia_url_parameter_get(url, "ssl");
	bool authority = pythia_url_parameter_get(url, "ssl_ca") || pythia_url_parameter_get(url, "ssl_capath");

	if (!mode)
		mode = pythia_url_parameter_get(url, "ssl-mode");
	*level = !ssl ? TLS_PREFERRED : is_true(ssl) ? TLS_REQUIRED : TLS_DISABLED;
	/* whoever names an authority wants it asked */
	if (authority || is_true(pythia_url_parameter_get(url, "ssl_verify_cert")) ||
		is_true(pythia_url_parameter_get(url, "ssl_verify_identity")))
		*level = TLS_VERIFY_IDENTITY;
	if (!mode)
		return true;
	for (int i = TLS_DISABLED; i <= TLS_VERIFY_IDENTITY; i++)
		if (strcasecmp(mode, modes[i]) == 0)
		{
			*level = (tls_level) i;
			if (i != TLS_VERIFY_CA || authority)
				return true;
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "ssl_mode \"verify_ca\" needs an authority");
			return pythia_error_hint(error, "Name its file by ssl_ca, or its folder by ssl_capath.");
		}
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for the URL parameter \"ssl_mode\": \"%s\"", mode);
	return pythia_error_hint(error, "It takes disabled, preferred, required, verify_ca or verify_identity.");
}

/*
 * The server chooses how it is shown the password, and whoever stands in its place would choose to be given it.
 * In clear it goes only to a server that has proved who it is, or through a Unix socket.  The method of before
 * MySQL 4.1, which is as good as clear, and a plugin by any other name are not to be had at all: the library would
 * look for a file of the name that the server gives.
 */
static void limit_methods(mysql_db *db, const pythia_url *url, tls_level level)
{
	bool known = level == TLS_VERIFY_IDENTITY || pythia_url_parameter_get(url, "unix_socket");

	mysql_optionsv(&db->mysql, MARIADB_OPT_RESTRICTED_AUTH,
				   known ? "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,"
						   "mysql_clear_password,dialog"
						 : "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password");
}

static bool set_tls(mysql_db *db, const pythia_url *url, pythia_error *error)
{
	MYSQL *mysql = &db->mysql;
	tls_level level;
	my_bool yes = 1;

	if (!tls_level_of(url, &level, error))
		return false;
	limit_methods(db, url, level);
	db->tls_required = level >= TLS_REQUIRED;
	if (level == TLS_DISABLED)
		return true;
	mysql_ssl_set(mysql, pythia_url_parameter_get(url, "ssl_key"), pythia_url_parameter_get(url, "ssl_cert"),
				  pythia_url_parameter_get(url, "ssl_ca"), pythia_url_parameter_get(url, "ssl_capath"),
				  pythia_url_parameter_get(url, "ssl_cipher"));
	/* to the library this means "where the server can"; see tls_missing() */
	mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
	/* verifies the host as well; an authority given is asked without it */
	if (level == TLS_VERIFY_IDENTITY)
		mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
	return true;
}

/* Prepares `mysql` for a connection; `seconds` 0 waits for ever. */
bool pythia_mysql_set_options(mysql_db *db, const pythia_url *url, int64_t seconds, pythia_error *error)
{
	MYSQL *mysql = &db->mysql;
	size_t stack = STACK_BYTES;
	size_t net_buffer = NET_BUFFER_BYTES;
	unsigned timeout = (unsigned) seconds;
	unsigned local = 1;
	unsigned protocol = MYSQL_PROTOCOL_TCP;
	unsigned long packet = 1UL << 30;

	if (!mysql_init(mysql))
		return pythia_fail(error, PYTHIA_E_INTERNAL, "53200", "out of memory");
	db->connected = true;
	if (mysql_options(mysql, MYSQL_OPT_NONBLOCK, &stack) != 0)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "53200", "out of memory");
	mysql_optionsv(mysql, MYSQL_OPT_NET_BUFFER_LENGTH, &net_buffer);
	mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
	mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &local);
	pythia_mysql_guard_infile(db);
	if (timeout > 0)
		mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
	if (is_true(pythia_url_parameter_get(url, "compress")))
		mysql_options(mysql, MYSQL_OPT_COMPRESS, NULL);
	if (db->client_defaults)
		mysql_options(mysql, MYSQL_READ_DEFAULT_GROUP, "client");
	/* else a server could ask for the ticket, or for whatever else this process's user has */
	if (db->require_password)
		mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, PASSWORD_PLUGINS);
	/* "localhost" would mean the socket, and with it the identity of this process */
	if (!pythia_url_parameter_get(url, "unix_socket"))
		mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
	return set_tls(db, url, error);
}

/* The password given; without one the library would look into the environment. */
static const char *password_of(const mysql_db *db, const pythia_url *url)
{
	return url->password ? url->password : db->client_defaults ? NULL : "";
}

/* Where the connection goes and who comes, for messages; the URL is in db->base.display. */
static bool connect_failed(mysql_db *db, pythia_error *error)
{
	unsigned code = mysql_errno(&db->mysql);
	char sqlstate[6];
	const char *hint;

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

/* The library goes on in the clear where the server has no TLS. */
static bool tls_missing(mysql_db *db, pythia_error *error)
{
	if (!db->tls_required || mysql_get_ssl_cipher(&db->mysql))
		return false;
	db->base.broken = true;
	pythia_fail(error, PYTHIA_E_CONNECT, "08001", "could not connect to %s: the server has no TLS", db->base.display);
	pythia_error_hint(error, "Set it up there, or allow a connection without it by ssl_mode=preferred.");
	return true;
}

bool pythia_mysql_connect(mysql_db *db, const pythia_url *url, pythia_error *error)
{
	const char *password = password_of(db, url);
	const char *host = pythia_mysql_host_of(db, url);
	const char *socket_path = pythia_url_parameter_get(url, "unix_socket");
	MYSQL *answer = NULL;

	if (!pythia_mysql_may_go(db, host, pythia_mysql_port_of(url), socket_path, error) ||
		!PYTHIA_MYSQL_RUN(db,
						  mysql_real_connect_start(&answer, &db->mysql, host, url->user, password, url->database,
												   (unsigned) url->port, socket_path, CONNECT_FLAGS),
						  mysql_real_connect_cont(&answer, &db->mysql, ready), error))
		return false;
	if (!answer)
		return connect_failed(db, error);
	if (!pythia_mysql_may_stay(db, error) || tls_missing(db, error))
		return false;
	db->thread_id = mysql_thread_id(&db->mysql);
	keep_alive(mysql_get_socket(&db->mysql));
	return true;
}

/* --- killing a query -------------------------------------------------------- */

/*
 * The host of the second connection: it waits although the real host wants to
 * stop, but for no longer than KILL_MS in all.
 */
static pythia_wait_result grace_wait(void *context, int fd, int events, long timeout_ms)
{
	int64_t left = (*(int64_t *) context - pythia_host_now(NULL)) / 1000;
	struct pollfd poller = {fd, 0, 0};

	if (events & PYTHIA_WAIT_READ)
		poller.events |= POLLIN;
	if (events & PYTHIA_WAIT_WRITE)
		poller.events |= POLLOUT;
	if (left <= 0)
		return PYTHIA_WAIT_CANCELLED;
	if (timeout_ms >= 0 && timeout_ms < left)
		left = timeout_ms;
	return poll(&poller, 1, (int) left) > 0 ? PYTHIA_WAIT_READY : PYTHIA_WAIT_TIMEOUT;
}

static bool grace_cancelled(void *context)
{
	return *(int64_t *) context <= pythia_host_now(NULL);
}

void pythia_mysql_kill(mysql_db *db)
{
	int64_t deadline = pythia_host_now(NULL) + KILL_MS * 1000;
	pythia_host grace = {&deadline, grace_wait, grace_cancelled, NULL, NULL};
	mysql_db *second = pythia_calloc(1, sizeof(*second));
	char sql[64];

	second->base.driver = db->base.driver;
	second->base.host = &grace;
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
	"SET SESSION time_zone = '+00:00', sql_mode = CONCAT('STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,"
	"ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', %s), group_concat_max_len = 1073741824, "
	"net_write_timeout = 86400, net_read_timeout = 86400, sql_select_limit = 18446744073709551615, "
	"sql_safe_updates = 0, sql_big_selects = 1, sql_auto_is_null = 0, autocommit = 1, max_error_count = 1024";

bool pythia_mysql_pin(mysql_db *db, pythia_error *error)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool good;

	/* MariaDB truncates fractions of a second where MySQL rounds; a statement log cannot take read committed */
	pythia_buffer_printf(&text, pin_session,
						 db->base.is_mariadb && db->base.version >= 100401 ? "',TIME_ROUND_FRACTIONAL'" : "''");
	good = pythia_mysql_run(db, text.data, NULL, error) && pythia_mysql_run(db, "SET NAMES utf8mb4", NULL, error);
	pythia_buffer_clear(&text);
	pythia_buffer_printf(&text, "SET SESSION TRANSACTION ISOLATION LEVEL %s%s",
						 db->statement_log ? "REPEATABLE READ" : "READ COMMITTED",
						 db->base.read_only ? ", READ ONLY" : "");
	good = good && pythia_mysql_run(db, text.data, NULL, error);
	pythia_buffer_free(&text);
	pythia_buffer_clear(&db->sql);
	return good;
}
