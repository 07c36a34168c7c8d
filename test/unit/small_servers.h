/* Two servers that tests of drivers talk to, each a thread of the test. */
#ifndef PYTHIA_SMALL_SERVERS_H
#define PYTHIA_SMALL_SERVERS_H

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "driver_tests.h"

typedef struct small_server
{
	int listener;
	int port;       /* of this one */
	int other_port; /* of the server behind, on the loopback */
} small_server;

static inline int connect_loopback(int port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (struct sockaddr *) &in, sizeof(in)) == 0 ? fd : -1;
}

/* Passes the first connection on, and takes all others without ever answering: a server
 * that does its work but hears no request to cancel. */
static inline void *deaf_proxy(void *argument)
{
	small_server *server = argument;
	struct pollfd ends[2] = {{accept(server->listener, NULL, NULL), POLLIN, 0},
							 {connect_loopback(server->other_port), POLLIN, 0}};
	char buffer[65536];

	while (poll(ends, 2, 20000) > 0)
		for (int i = 0; i < 2; i++)
		{
			ssize_t n;

			if (!ends[i].revents)
				continue;
			n = read(ends[i].fd, buffer, sizeof(buffer));
			if (n <= 0 || write(ends[1 - i].fd, buffer, (size_t) n) != n)
			{
				close(ends[0].fd);
				close(ends[1].fd);
				return NULL;
			}
		}
	return NULL;
}

/* PostgreSQL's protocol as far as a refused password goes. */
static inline void *refusing_postgres(void *argument)
{
	static const char ask[] = "R\0\0\0\x0c\0\0\0\x05salt"; /* MD5 */
	static const char refuse[] = "E\0\0\0\x5a"
								 "SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"somebody\"\0"
								 "Rauth_failed\0\0";
	small_server *server = argument;
	int fd = accept(server->listener, NULL, NULL);
	char buffer[1000];
	char message[sizeof(refuse)];

	if (read(fd, buffer, sizeof(buffer)) > 0 && write(fd, ask, 13) == 13 && read(fd, buffer, sizeof(buffer)) > 0)
	{
		memcpy(message, refuse, sizeof(refuse));
		message[4] = (char) (sizeof(refuse) - 2); /* without the letter and the literal's own NUL */
		assert_int_equal(write(fd, message, sizeof(refuse) - 1), sizeof(refuse) - 1);
	}
	close(fd);
	return NULL;
}

static inline pthread_t start_small_server(small_server *server, void *(*serve)(void *), int other_port)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	pthread_t thread;

	server->port = listen_quietly(&address, &length);
	server->listener = listen_descriptor;
	server->other_port = other_port;
	assert_int_equal(pthread_create(&thread, NULL, serve, server), 0);
	return thread;
}

#endif
