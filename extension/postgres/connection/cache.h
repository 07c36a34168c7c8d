/*
 * Connections that outlive the work they were opened for, so that the next run finds
 * its server, catalogue caches and all.  They are the session's own: by URL, role and
 * purpose, idle in no transaction; any change of a server or a user mapping closes them.
 */
#ifndef PYTHIA_POSTGRES_CONNECTION_CACHE_H
#define PYTHIA_POSTGRES_CONNECTION_CACHE_H

#include "postgres/connection/connection.h"

/* Milliseconds that one stays open unused; who sleeps for longer closes them first. */
#define PYTHIA_LONGEST_IDLE (5 * 60 * 1000L)

/* pythia_connection_open, but an idle connection of the same kind is used where one answers. */
extern bool pythia_connection_take(pythia_session *session, const pythia_endpoint *target, pythia_db **db,
								   pythia_error *error);

/*
 * Ends the use of a database that was opened for `target`, in the session it was opened in.  Only
 * after success (`clean`) may it be kept; else it is closed.  NULL-safe.
 */
extern void pythia_connection_give_back(const pythia_endpoint *target, pythia_db *db, bool clean);

/* Another number when a server or a user mapping has changed: what is in use since may be open to others, or to nobody. */
extern uint64 pythia_connections_changed(void);

/* Closes the idle ones; returns how many. */
extern int pythia_connections_close_idle(void);

#endif
