#include "postgres/sync/look.h"

#include "core/memory.h"
#include "postgres/base/bridge.h"
#include "postgres/base/lock_wait.h"
#include "postgres/connection/cache.h"
#include "postgres/connection/connection.h"
#include "postgres/sync/conflict.h"
#include "sync/sync.h"
#include "utils/guc.h"

static bool find_function(void *session, const char *name, pythia_error *error)
{
	pythia_resolver resolver = {.session = session};

	return pythia_resolver_find(&resolver, name, error);
}

/* *reached is false where nobody knows. */
static bool look_at_tables(pythia_session *session, const pythia_sync_spec *spec, const pythia_endpoint *target,
						   bool *reached, pythia_error *error)
{
	char **names = palloc0((list_length(spec->tables) + 1) * sizeof(char *));
	int count = 0;
	pythia_db *source = NULL;
	ListCell *cell;
	bool ok;

	foreach (cell, spec->tables)
		names[count++] = pythia_to_utf8(lfirst(cell));
	ok = pythia_connection_take(session, target, &source, error) &&
		 pythia_sync_look(source, spec->config, names, count, error);
	pythia_connection_give_back(target, source, ok);
	*reached = ok || !pythia_sync_later(error);
	return ok;
}

void pythia_sync_worker_look(const pythia_sync_spec *spec)
{
	pythia_endpoint *target = pythia_endpoint_resolve_stored(spec->source, spec->source_owner, false);
	MemoryContext caller = CurrentMemoryContext;
	pythia_session *session = pythia_session_begin(spec->default_schema);
	pythia_error error = PYTHIA_ERROR_INIT;
	bool reached = true;
	int settings;
	bool ok;

	MemoryContextSwitchTo(caller);
	/* a table that its owner keeps locked is looked at when the worker runs */
	settings = pythia_lock_wait_limit();
	ok = pythia_sync_functions(spec->config, find_function, session, &error) &&
		 look_at_tables(session, spec, target, &reached, &error);
	AtEOXact_GUC(true, settings);
	pythia_session_end(session, ok);
	if (ok)
		return;
	if (reached)
		pythia_raise(&error);
	ereport(WARNING, (errmsg("the tables of sync worker \"%s\" could not be looked at", spec->name),
					  errdetail_internal("%s", pythia_message_from_utf8(error.message)),
					  errhint("What is wrong with them is told when it runs.")));
	pythia_error_reset(&error);
}
