/*
 * How many processes a role has where nothing is shared (not preloaded): they are counted, in the whole server.  With
 * shared memory the roster does so (roster.h): here is room then.
 */
#ifndef PYTHIA_POSTGRES_WORKER_ROLE_PLACES_H
#define PYTHIA_POSTGRES_WORKER_ROLE_PLACES_H

#include "postgres.h"

/* Whether this process, which is one of the role's, may stay; where several have begun at once, the first of them may. */
extern bool pythia_role_place_take(Oid owner);
/* Whether one process more may be started. */
extern bool pythia_role_place_free(Oid owner);
/* The same; waits a moment for one that is just ending. */
extern bool pythia_role_place_await(Oid owner);

#endif
