/* conflict_resolution by a function of this database: f(source jsonb, target jsonb) RETURNS jsonb. */
#ifndef PYTHIA_POSTGRES_SYNC_CONFLICT_H
#define PYTHIA_POSTGRES_SYNC_CONFLICT_H

#include "postgres.h"

#include "core/node.h"
#include "fmgr.h"
#include "postgres/local/driver.h"

typedef struct pythia_resolver
{
	pythia_session *session;
	FmgrInfo *function; /* of the last call, in the session's memory */
	char *name;         /* its name as written */
} pythia_resolver;

/* Finds the function and checks that the current role may call it. */
extern bool pythia_resolver_find(pythia_resolver *resolver, const char *name, pythia_error *error);
/* The engine's callback `resolve`, its context being the resolver. */
extern bool pythia_resolve(pythia_resolver *resolver, const char *function, const char *source_row,
						   const char *target_row, pythia_node **row, pythia_error *error);

#endif
