/* MariaDB Connector/C, 3.1 and later: https://mariadb.com/kb/en/using-the-non-blocking-library/ */
#include "drivers/mysql/library.h"

#include <errmsg.h>
#include <string.h>

#include "drivers/mysql/connector_c/guard.h"

/* The library's calls run on a stack of their own; TLS and name look-up want more than its default. */
#define STACK_BYTES (512 * 1024)
/* Bytes a write gathers; the library's default of 8 KiB makes a system call of each. */
#define NET_BUFFER_BYTES (256 * 1024)
/* The version from which a server's certificate is verified unless it is told otherwise. */
#define VERIFIES 30400

_Static_assert(PYTHIA_AWAIT_READ == MYSQL_WAIT_READ && PYTHIA_AWAIT_WRITE == MYSQL_WAIT_WRITE &&
				   PYTHIA_AWAIT_EXCEPT == MYSQL_WAIT_EXCEPT && PYTHIA_AWAIT_TIMEOUT == MYSQL_WAIT_TIMEOUT,
			   "the library has other numbers for what a call waits for");

const bool pythia_mysql_serves_files = true;

bool pythia_mysql_unblock(MYSQL *mysql)
{
	size_t stack = STACK_BYTES;
	size_t net_buffer = NET_BUFFER_BYTES;

	mysql_optionsv(mysql, MYSQL_OPT_NET_BUFFER_LENGTH, &net_buffer);
	return mysql_options(mysql, MYSQL_OPT_NONBLOCK, &stack) == 0;
}

/* The method of before MySQL 4.1, which is as good as clear, and a plugin by any other name are not to be had at all:
 * the library would look for a file of the name that the server gives. */
void pythia_mysql_limit_methods(MYSQL *mysql, bool in_clear)
{
	pythia_mysql_guard_library(mysql);
	mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH,
				   in_clear ? "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,parsec,"
							  "mysql_clear_password,dialog"
							: "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,parsec");
}

#if MARIADB_PACKAGE_VERSION_ID >= VERIFIES
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <ma_pvio.h>
#pragma GCC diagnostic pop

/* What Connector/C's ma_tls.h calls MARIADB_TLS begins so; that header includes one that is not installed. */
typedef struct tls_beginning
{
	void *data;
	MARIADB_PVIO *pvio;
} tls_beginning;

/* In place of the library's own look at a certificate, which knows no chain without a name: what OpenSSL said of the
 * chain as it shook hands. */
static int look_at_chain(const tls_beginning *tls, unsigned flags)
{
	(void) flags;
	return tls->pvio->mysql->net.tls_verify_status != 0;
}

static bool is_openssl(void)
{
	const char *name = NULL;

	return mariadb_get_infov(NULL, MARIADB_TLS_LIBRARY, &name) == 0 && name && strstr(name, "OpenSSL");
}
#endif

const char *pythia_mysql_set_tls(MYSQL *mysql, const pythia_mysql_tls *tls, const char *host, const char **hint)
{
	bool newer = mysql_get_client_version() >= VERIFIES;
	my_bool encrypted = tls->level != PYTHIA_TLS_DISABLED;
	my_bool verified = tls->level == PYTHIA_TLS_VERIFY_IDENTITY || (newer && tls->level == PYTHIA_TLS_VERIFY_CA);

	mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verified);
	/* to the library this means "where the server can" */
	mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &encrypted);
	if (!encrypted)
		return NULL;
	/* an authority given is asked, also where the name is not */
	mysql_ssl_set(mysql, tls->key, tls->certificate, tls->authority, tls->authorities, tls->ciphers);
	*hint = "Name the host as its certificate does, or say ssl_mode=verify_ca with ssl_ca.";
	if (newer && tls->level == PYTHIA_TLS_VERIFY_IDENTITY && host &&
		(strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0))
		return "this client library does not compare a server's certificate with 127.0.0.1 or ::1";
#if MARIADB_PACKAGE_VERSION_ID >= VERIFIES
	/* elsewhere the name is looked at, too */
	if (newer && tls->level == PYTHIA_TLS_VERIFY_CA && is_openssl())
		mysql_optionsv(mysql, MARIADB_OPT_TLS_VERIFICATION_CALLBACK, look_at_chain);
#endif
	return NULL;
}

int pythia_mysql_socket(MYSQL *mysql)
{
	return mysql_get_socket(mysql);
}

uint64_t pythia_mysql_received(MYSQL *mysql)
{
	(void) mysql;
	return 0;
}

long pythia_mysql_step_timeout(MYSQL *mysql)
{
	return (long) mysql_get_timeout_value_ms(mysql);
}

void pythia_mysql_addresses(const char *host, pythia_buffer *out)
{
	(void) host;
	(void) out;
}

int pythia_mysql_step_connect(MYSQL *mysql, MYSQL **answer, const char *host, const char *user, const char *password,
							  const char *database, unsigned port, const char *socket_path, unsigned long flags,
							  int ready)
{
	return ready == PYTHIA_STEP_BEGIN
			   ? mysql_real_connect_start(answer, mysql, host, user, password, database, port, socket_path, flags)
			   : mysql_real_connect_cont(answer, mysql, ready);
}

int pythia_mysql_step_query(MYSQL *mysql, int *answer, const char *sql, size_t length, int ready)
{
	return ready == PYTHIA_STEP_BEGIN ? mysql_real_query_start(answer, mysql, sql, length)
									  : mysql_real_query_cont(answer, mysql, ready);
}

int pythia_mysql_step_send(MYSQL *mysql, int *answer, const char *sql, size_t length, int ready)
{
	return ready == PYTHIA_STEP_BEGIN ? mysql_send_query_start(answer, mysql, sql, length)
									  : mysql_send_query_cont(answer, mysql, ready);
}

int pythia_mysql_step_receive(MYSQL *mysql, int *answer, const char *sql, size_t length, int ready)
{
	my_bool failed = 0;
	int status = ready == PYTHIA_STEP_BEGIN ? mysql_read_query_result_start(&failed, mysql)
											: mysql_read_query_result_cont(&failed, mysql, ready);

	(void) sql;
	(void) length;
	*answer = failed;
	return status;
}

int pythia_mysql_step_next_result(MYSQL *mysql, int *answer, int ready)
{
	return ready == PYTHIA_STEP_BEGIN ? mysql_next_result_start(answer, mysql)
									  : mysql_next_result_cont(answer, mysql, ready);
}

int pythia_mysql_step_fetch(MYSQL_RES *result, MYSQL_ROW *row, int ready)
{
	return ready == PYTHIA_STEP_BEGIN ? mysql_fetch_row_start(row, result) : mysql_fetch_row_cont(row, result, ready);
}

int pythia_mysql_step_reset(MYSQL *mysql, int *answer, int ready)
{
	return ready == PYTHIA_STEP_BEGIN ? mysql_reset_connection_start(answer, mysql)
									  : mysql_reset_connection_cont(answer, mysql, ready);
}
