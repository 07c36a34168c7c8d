/* Oracle's libmysqlclient, 8.0.16 and later: https://dev.mysql.com/doc/c-api/9.7/en/c-api-asynchronous-interface.html */
#include "drivers/mysql/internal.h"

#include <errmsg.h>
#include <mysql/client_plugin.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* A statement that is larger may have to be written in pieces. */
#define IN_ONE_WRITE (16 * 1024)
/* Then the socket is looked at so often, for the library does not say whether it reads or writes. */
#define LOOK_MS 20

/* it writes a file's rows without a pause */
const bool pythia_mysql_serves_files = false;

bool pythia_mysql_unblock(MYSQL *mysql)
{
	(void) mysql;
	return true;
}

/*
 * The library has methods of its own, of which only one shows the password, and takes others from a folder: of that
 * one we take those that are for passwords, now, and no other later.
 */
void pythia_mysql_limit_methods(MYSQL *mysql, bool in_clear)
{
	bool yes = true;

	(void) mysql_client_find_plugin(mysql, "mysql_native_password", MYSQL_CLIENT_AUTHENTICATION_PLUGIN);
	if (in_clear)
	{
		mysql_options(mysql, MYSQL_ENABLE_CLEARTEXT_PLUGIN, &yes);
		(void) mysql_client_find_plugin(mysql, "dialog", MYSQL_CLIENT_AUTHENTICATION_PLUGIN);
	}
	mysql_options(mysql, MYSQL_PLUGIN_DIR, "/dev/null");
	/* without TLS the password is encrypted by a key that the server gives */
	mysql_options(mysql, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &yes);
}

const char *pythia_mysql_set_tls(MYSQL *mysql, const pythia_mysql_tls *tls, const char *host, const char **hint)
{
	static const enum mysql_ssl_mode modes[] = {SSL_MODE_DISABLED, SSL_MODE_PREFERRED, SSL_MODE_REQUIRED,
												SSL_MODE_VERIFY_CA, SSL_MODE_VERIFY_IDENTITY};
	unsigned mode = modes[tls->level];

	(void) host;
	mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode);
	if (tls->level == PYTHIA_TLS_DISABLED)
		return NULL;
	mysql_options(mysql, MYSQL_OPT_SSL_KEY, tls->key);
	mysql_options(mysql, MYSQL_OPT_SSL_CERT, tls->certificate);
	mysql_options(mysql, MYSQL_OPT_SSL_CA, tls->authority);
	mysql_options(mysql, MYSQL_OPT_SSL_CAPATH, tls->authorities);
	mysql_options(mysql, MYSQL_OPT_SSL_CIPHER, tls->ciphers);
	*hint = "Name the authority that signed the server's certificate by ssl_ca or ssl_capath.";
	if (tls->level == PYTHIA_TLS_VERIFY_IDENTITY && !tls->authority && !tls->authorities)
		return "this client library knows no authority of the system's";
	return NULL;
}

int pythia_mysql_socket(MYSQL *mysql)
{
	return mysql->net.vio ? (int) mysql->net.fd : -1;
}

/* By a Unix socket, which is a server of this machine's, it is not known. */
uint64_t pythia_mysql_received(MYSQL *mysql)
{
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);

	if (pythia_mysql_socket(mysql) < 0 ||
		getsockopt(pythia_mysql_socket(mysql), IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
		return 0;
	return info.tcpi_bytes_received;
}

long pythia_mysql_step_timeout(MYSQL *mysql)
{
	(void) mysql;
	return LOOK_MS;
}

/* What a call waits for that has just said that it cannot go on. */
static int awaited(MYSQL *mysql, size_t length)
{
	struct pollfd socket = {pythia_mysql_socket(mysql), POLLOUT, 0};

	if (socket.fd < 0)
		return PYTHIA_AWAIT_TIMEOUT;
	if (poll(&socket, 1, 0) == 0)
		return PYTHIA_AWAIT_READ | PYTHIA_AWAIT_WRITE;
	return length > IN_ONE_WRITE ? PYTHIA_AWAIT_READ | PYTHIA_AWAIT_TIMEOUT : PYTHIA_AWAIT_READ;
}

/* Where it can be waited for, it goes to the first alone. */
void pythia_mysql_addresses(const char *host, pythia_buffer *out)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
	struct addrinfo *found = NULL;

	if (!host || getaddrinfo(host, NULL, &hints, &found) != 0)
		return;
	for (const struct addrinfo *one = found; one; one = one->ai_next)
	{
		char text[INET6_ADDRSTRLEN + 32];

		if (getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) == 0)
			pythia_buffer_printf(out, "%s%s", out->length > 0 ? "," : "", text);
	}
	freeaddrinfo(found);
}

/* A method that is not here is one that limit_methods has not let in. */
static void tell_forbidden(NET *net)
{
	if (net->last_errno == CR_AUTH_PLUGIN_CANNOT_LOAD)
		net->last_errno = PYTHIA_MYSQL_METHOD_FORBIDDEN;
}

int pythia_mysql_step_connect(MYSQL *mysql, MYSQL **answer, const char *host, const char *user, const char *password,
							  const char *database, unsigned port, const char *socket_path, unsigned long flags,
							  int ready)
{
	enum net_async_status status =
		mysql_real_connect_nonblocking(mysql, host, user, password, database, port, socket_path, flags);

	(void) ready;
	*answer = status == NET_ASYNC_COMPLETE ? mysql : NULL;
	if (status == NET_ASYNC_ERROR)
		tell_forbidden(&mysql->net);
	/* it also says so before it sends a password, and nothing comes: so it is asked again after a while */
	return status == NET_ASYNC_NOT_READY ? awaited(mysql, 0) | PYTHIA_AWAIT_TIMEOUT : 0;
}

int pythia_mysql_step_query(MYSQL *mysql, int *answer, const char *sql, size_t length, int ready)
{
	enum net_async_status status = mysql_real_query_nonblocking(mysql, sql, length);

	(void) ready;
	*answer = status == NET_ASYNC_ERROR;
	return status == NET_ASYNC_NOT_READY ? awaited(mysql, length) : 0;
}

/* What is sent by this one is not sent again by the call that would also send. */
int pythia_mysql_step_send(MYSQL *mysql, int *answer, const char *sql, size_t length, int ready)
{
	enum net_async_status status = mysql_send_query_nonblocking(mysql, sql, length);

	(void) ready;
	*answer = status == NET_ASYNC_ERROR;
	return status == NET_ASYNC_NOT_READY ? awaited(mysql, length) : 0;
}

int pythia_mysql_step_receive(MYSQL *mysql, int *answer, const char *sql, size_t length, int ready)
{
	return pythia_mysql_step_query(mysql, answer, sql, length, ready);
}

int pythia_mysql_step_next_result(MYSQL *mysql, int *answer, int ready)
{
	enum net_async_status status = mysql_next_result_nonblocking(mysql);

	(void) ready;
	*answer = status == NET_ASYNC_ERROR ? 1 : status == NET_ASYNC_COMPLETE_NO_MORE_RESULTS ? -1 : 0;
	return status == NET_ASYNC_NOT_READY ? awaited(mysql, 0) : 0;
}

/* Whatever kept a row from being read, the library calls it "commands out of sync": here is what it was, from the
 * packet that it has just read, which ends in a zero. */
static void restore_failure(NET *net)
{
	const char *packet = net->vio ? (const char *) net->read_pos : NULL;

	if (!packet)
	{
		net->last_errno = CR_SERVER_LOST;
		snprintf(net->last_error, sizeof(net->last_error), "lost the connection during a query");
	}
	else if ((unsigned char) packet[0] == 255 && packet[3] == '#' && strlen(packet + 3) >= 6)
	{
		net->last_errno = (unsigned char) packet[1] | (unsigned) (unsigned char) packet[2] << 8;
		snprintf(net->sqlstate, sizeof(net->sqlstate), "%.5s", packet + 4);
		snprintf(net->last_error, sizeof(net->last_error), "%s", packet + 9);
	}
}

int pythia_mysql_step_fetch(MYSQL_RES *result, MYSQL_ROW *row, int ready)
{
	MYSQL *mysql = result->handle;
	enum net_async_status status = mysql_fetch_row_nonblocking(result, row);

	(void) ready;
	if (status == NET_ASYNC_NOT_READY)
		return awaited(mysql, 0);
	if (status == NET_ASYNC_ERROR)
		*row = NULL;
	if (!*row && mysql && mysql->net.last_errno == CR_COMMANDS_OUT_OF_SYNC)
		restore_failure(&mysql->net);
	return 0;
}

int pythia_mysql_step_reset(MYSQL *mysql, int *answer, int ready)
{
	enum net_async_status status = mysql_reset_connection_nonblocking(mysql);

	(void) ready;
	*answer = status == NET_ASYNC_ERROR;
	return status == NET_ASYNC_NOT_READY ? awaited(mysql, 0) : 0;
}

/* --- arrays of values: this library has none --------------------------------- */

pythia_mysql_bulk *pythia_mysql_bulk_make(mysql_db *db, const pythia_load *load)
{
	(void) db;
	(void) load;
	return NULL;
}

bool pythia_mysql_bulk_prepare(pythia_mysql_bulk *bulk, mysql_db *connection, const char *insert, pythia_error *error)
{
	(void) bulk;
	(void) connection;
	(void) insert;
	return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "no arrays of values");
}

bool pythia_mysql_bulk_read(pythia_mysql_bulk *bulk, const pythia_rows *rows)
{
	(void) bulk;
	(void) rows;
	return false;
}

int pythia_mysql_bulk_step(pythia_mysql_bulk *bulk, mysql_db *connection, int ready)
{
	(void) bulk;
	(void) ready;
	connection->load.answer = 1;
	return 0;
}

uint64_t pythia_mysql_bulk_stored(mysql_db *connection)
{
	(void) connection;
	return 0;
}

void pythia_mysql_bulk_close(mysql_db *connection)
{
	(void) connection;
}

void pythia_mysql_bulk_forget(mysql_db *connection)
{
	(void) connection;
}

void pythia_mysql_bulk_free(pythia_mysql_bulk *bulk)
{
	(void) bulk;
}
