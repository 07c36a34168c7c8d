/*
 * What the driver wants of a client library, from either of the two that there are: MariaDB Connector/C
 * (connector_c) and Oracle's libmysqlclient (libmysqlclient).  The Makefile takes the one that is there.
 *
 * A call that may wait for the server is a step: it is made with PYTHIA_STEP_BEGIN, and as long as it returns what
 * to wait for (PYTHIA_AWAIT_…) again with what of it has come.  0: it is done, and its result is there.
 */
#ifndef PYTHIA_DRIVERS_MYSQL_LIBRARY_H
#define PYTHIA_DRIVERS_MYSQL_LIBRARY_H

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"

#define PYTHIA_STEP_BEGIN (-1)

/* MariaDB's own numbers */
#define PYTHIA_AWAIT_READ    1
#define PYTHIA_AWAIT_WRITE   2
#define PYTHIA_AWAIT_EXCEPT  4
#define PYTHIA_AWAIT_TIMEOUT 8

/* How much of TLS is asked for; the order is that of ssl_mode's names. */
typedef enum pythia_tls_level
{
	PYTHIA_TLS_DISABLED,
	PYTHIA_TLS_PREFERRED,
	PYTHIA_TLS_REQUIRED,
	PYTHIA_TLS_VERIFY_CA,
	PYTHIA_TLS_VERIFY_IDENTITY
} pythia_tls_level;

typedef struct pythia_mysql_tls
{
	pythia_tls_level level;
	const char *key; /* each may be NULL */
	const char *certificate;
	const char *authority;
	const char *authorities; /* a folder of them */
	const char *ciphers;
} pythia_mysql_tls;

/* LOAD DATA LOCAL can be served while others are waited for. */
extern const bool pythia_mysql_serves_files;

/* `mysql` has been made by mysql_init: makes it one that can be waited for.  False: out of memory. */
bool pythia_mysql_unblock(MYSQL *mysql);
/* The server chooses how it is shown the password: by a method that hides it, or (in_clear) also as it is; by nothing
 * else that this process has, such as a ticket. */
void pythia_mysql_limit_methods(MYSQL *mysql, bool in_clear);
/* NULL, or why this library cannot give what is asked for from that host (NULL: by a socket), with what to do. */
const char *pythia_mysql_set_tls(MYSQL *mysql, const pythia_mysql_tls *tls, const char *host, const char **hint);
int pythia_mysql_socket(MYSQL *mysql);
/* Bytes that the connection has received, for a library that cannot be heard while it reads; else, or where the
 * system does not know, 0. */
uint64_t pythia_mysql_received(MYSQL *mysql);
/* Milliseconds that a step waits with PYTHIA_AWAIT_TIMEOUT. */
long pythia_mysql_step_timeout(MYSQL *mysql);

/* The addresses of a host, separated by commas, to be tried one after the other; none where the library does so. */
void pythia_mysql_addresses(const char *host, pythia_buffer *out);

/* *answer is NULL, or not 0, on failure; all texts stay as they are until the step is done. */
int pythia_mysql_step_connect(MYSQL *mysql, MYSQL **answer, const char *host, const char *user, const char *password,
							  const char *database, unsigned port, const char *socket_path, unsigned long flags,
							  int ready);
int pythia_mysql_step_query(MYSQL *mysql, int *answer, const char *sql, size_t length, int ready);
/* The same in two: the second one's text is that of the first. */
int pythia_mysql_step_send(MYSQL *mysql, int *answer, const char *sql, size_t length, int ready);
int pythia_mysql_step_receive(MYSQL *mysql, int *answer, const char *sql, size_t length, int ready);
/* *answer: -1 where there is no further result */
int pythia_mysql_step_next_result(MYSQL *mysql, int *answer, int ready);
/* *row is NULL at the end and on failure. */
int pythia_mysql_step_fetch(MYSQL_RES *result, MYSQL_ROW *row, int ready);
int pythia_mysql_step_reset(MYSQL *mysql, int *answer, int ready);

#endif
