/*
 * A list of hosts that may be reached, as pythia_db.allowed_hosts gives it:
 *   *                      any
 *   db.example:5432        a name, with or without a port
 *   *.example              names below it
 *   10.1.0.0/16  ::1  [fd00::/8]:3306   addresses
 *   /run/postgresql        a socket's folder
 * A name opens what it resolves to, except addresses of the machine itself (loopback,
 * link-local and the like), which whoever rules the name could otherwise bring in: these
 * need "localhost" or an address in the list.
 */
#ifndef PYTHIA_REACH_H
#define PYTHIA_REACH_H

#include <stdbool.h>
#include <sys/socket.h>

#include "core/buffer.h"
#include "core/error.h"

/* True for a list that can be read; else *bad (may be NULL) is the item that cannot, to be freed. */
bool pythia_reach_valid(const char *list, char **bad);

/* True where an address, gone to by the name `host` (NULL: none was given), may be reached. */
bool pythia_reach_address(const char *list, const char *host, const struct sockaddr *address, int port);

/* The same for a socket of the file system, or an abstract one. */
bool pythia_reach_socket(const char *list, const char *path);

/*
 * Resolves a host and appends its addresses as text, separated by commas; *count is increased by their number.
 * Fails, SQLSTATE 42501, where one of them is not in the list, and does not say then what else the network holds.
 */
bool pythia_reach_resolve(const char *list, const char *host, int port, pythia_buffer *addresses, int *count,
						  pythia_error *error);

/* "Permission denied" for a host, as pythia_reach_resolve says it.  False. */
bool pythia_reach_denied(const char *host, int port, pythia_error *error);

#endif
