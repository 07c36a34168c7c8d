/* Whether a connection has gone where it may go (core/reach.h). */
#include "drivers/mysql/internal.h"

#include <string.h>
#include <sys/socket.h>

#include "core/memory.h"
#include "core/reach.h"

const char *pythia_mysql_host_of(const mysql_db *db, const pythia_url *url)
{
	/* the libraries take a socket for this name alone, and else the host of the client's own files */
	if (pythia_mysql_socket_of(url))
		return "localhost";
	return url->host ? url->host : db->client_defaults ? NULL : "localhost";
}

int pythia_mysql_port_of(const pythia_url *url)
{
	return url->port ? url->port : MYSQL_PORT;
}

const char *pythia_mysql_socket_of(const pythia_url *url)
{
	return pythia_url_parameter_get(url, "unix_socket");
}

/*
 * The library resolves the name itself.  So the addresses are looked at before, for nothing may be knocked at that
 * is not allowed, and the one it came to is looked at again, for a name may have changed meanwhile.
 */
bool pythia_mysql_may_go(const mysql_db *db, const char *host, int port, const char *socket_path, pythia_error *error)
{
	pythia_buffer addresses = PYTHIA_BUFFER_INIT;
	int count = 0;
	bool ok;

	if (!db->reach)
		return true;
	if (socket_path)
		return pythia_reach_socket(db->reach, socket_path) || pythia_reach_denied(socket_path, 0, error);
	ok = pythia_reach_resolve(db->reach, host, port, &addresses, &count, error);
	pythia_buffer_free(&addresses);
	return ok;
}

bool pythia_mysql_may_stay(mysql_db *db, pythia_error *error)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	const char *host = pythia_mysql_host_of(db, &db->url);
	int port = pythia_mysql_port_of(&db->url);

	/* while it is on its way there is no peer; a socket of the file system was asked for by its path */
	if (db->thread_id != 0 || getpeername(pythia_mysql_socket(&db->mysql), (struct sockaddr *) &peer, &length) != 0 ||
		peer.ss_family == AF_UNIX)
		return true;
	if (pythia_mysql_socket_of(&db->url))
	{
		pythia_fail(error, PYTHIA_E_CONNECT, "08001", "could not connect to %s: the connection went by TCP",
					db->base.display);
		return pythia_error_hint(error, "Leave out \"protocol\" in the client's own files, or unix_socket in the URL.");
	}
	if (!db->reach || pythia_reach_address(db->reach, host, (const struct sockaddr *) &peer, port))
		return true;
	return pythia_reach_denied(host, port, error);
}
