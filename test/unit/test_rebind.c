/*
 * A name may mean another address at the next look.  The resolver is this file's: it gives an address that may be
 * reached at first, and this machine's own from then on.  Nothing may be said to what listens here.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "drivers/driver.h"

static int looks;

/* Takes the place of the system's, also for the client libraries. */
#pragma GCC visibility push(default)
int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
				struct addrinfo **restrict result)
{
	struct addrinfo *one = calloc(1, sizeof(*one) + sizeof(struct sockaddr_in));
	struct sockaddr_in *address = (struct sockaddr_in *) (void *) (one + 1);
	bool numeric;

	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t) (service ? atoi(service) : 0));
	numeric = inet_pton(AF_INET, node, &address->sin_addr) == 1;
	if (!numeric)
		inet_pton(AF_INET, looks++ == 0 ? "192.0.2.1" : "127.0.0.1", &address->sin_addr);
	one->ai_family = AF_INET;
	one->ai_socktype = hints && hints->ai_socktype ? hints->ai_socktype : SOCK_STREAM;
	one->ai_addr = (struct sockaddr *) address;
	one->ai_addrlen = sizeof(*address);
	*result = one;
	return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
	free(list);
}

#pragma GCC visibility pop

/* A server that takes connections and says nothing. */
static int listen_here(int *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &length), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

/* Bytes that have been sent to the server by all who came. */
static ssize_t heard(int listener)
{
	ssize_t sum = 0;
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0)
	{
		char bytes[4096];
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		sum += n > 0 ? n : 0;
		close(fd);
	}
	return sum;
}

static void check(const char *scheme, const char *reach, const char *sqlstate, int expected_looks)
{
	int port;
	int listener = listen_here(&port);
	char text[128];
	pythia_url url;
	pythia_open_options options = {.require_password = true, .reach = reach};
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_db *db;

	looks = 0;
	snprintf(text, sizeof(text), "%s://u:p@db.example:%d/d?connect_timeout=1", scheme, port);
	assert_true(pythia_url_parse(text, &url, &error));
	assert_false(pythia_db_open(&url, NULL, &options, &db, &error));
	if (sqlstate)
		assert_string_equal(error.sqlstate, sqlstate);
	assert_int_equal(looks, expected_looks);
	assert_int_equal(heard(listener), 0);
	pythia_error_reset(&error);
	pythia_url_free(&url);
	close(listener);
}

/* The library looks again, and comes to the wrong place: nothing is said there. */
static void test_mysql(void **state)
{
	(void) state;
	check("mysql", "db.example", "42501", 2);
	check("mysql", "*.example, 10.0.0.0/8", "42501", 2);
	check("mysql", "192.0.2.0/24", "42501", 2);
}

/* libpq gets the address that was looked at, and looks no more. */
static void test_postgres(void **state)
{
	(void) state;
	check("postgresql", "db.example", NULL, 1);
	check("postgresql", "192.0.2.0/24", NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mysql),
		cmocka_unit_test(test_postgres),
	};

	return cmocka_run_group_tests_name("rebind", tests, NULL, NULL);
}
