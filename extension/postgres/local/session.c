/* The session: transactions, subtransactions and settings around the engine's work. */
#include "postgres/local/internal.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "core/memory.h"
#include "miscadmin.h"
#include "postgres/base/bridge.h"
#include "postgres/base/evaluator.h"
#include "postgres/base/host.h"
#include "postgres/base/lock_wait.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/user_code.h"
#include "postgres/local/stand_in.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

void local_check_table(const looked_up *table)
{
	Oid schema = get_namespace_oid(table->schema, true);
	Oid relid;
	Relation relation;

	if (!OidIsValid(schema))
		return;
	pythia_evaluator_hold_schema(schema, GetUserId());
	relid = get_relname_relid(table->name, schema);
	/* what is gone is told by the statement that wants it */
	if (!OidIsValid(relid) || !(relation = try_relation_open(relid, AccessShareLock)))
		return;
	pythia_evaluator_check_size(relation);
	pythia_evaluator_refuse(relation, GetUserId(), table->write);
	relation_close(relation, NoLock);
}

/* What the interchange text depends on, and what must not be the caller's choice. */
static const char *const pinned[][2] = {
	{"TimeZone", "UTC"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"standard_conforming_strings", "on"},
	{"lc_monetary", "C"},
	{"xmloption", "content"},
	{"array_nulls", "on"},
	{"quote_all_identifiers", "off"},
	{"client_min_messages", "warning"}, /* of the server; the engine's own are told, see base/host.h */
	/* rows hidden by a policy would be lost silently: say so instead */
	{"row_security", "off"},
	{"search_path", "pg_catalog, pg_temp"},
};

static void pin_settings(GucAction action)
{
	for (size_t i = 0; i < lengthof(pinned); i++)
		(void) set_config_option(pinned[i][0], pinned[i][1], PGC_USERSET, PGC_S_SESSION, action, true, 0, false);
}

/* The schema that an unqualified name means, by the role's own search_path. */
char *pythia_default_schema(void)
{
	List *path = fetch_search_path(false);
	/* NULL: dropped just now */
	char *name = path != NIL ? get_namespace_name(linitial_oid(path)) : NULL;

	return name ? name : pstrdup("public");
}

static void find_default_schema(pythia_session *session)
{
	if (!session->default_schema)
		session->default_schema = MemoryContextStrdup(session->memory, pythia_default_schema());
}

static void start_transaction(pythia_session *session)
{
	ListCell *cell;

	session->writer = InvalidOid;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pythia_transaction_begun();
	find_default_schema(session);
	pin_settings(GUC_ACTION_LOCAL);
	/* a background process goes on with other tables */
	(void) set_config_option("lock_timeout", psprintf("%d", PYTHIA_LOCK_WAIT_MS), PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	/* what was agreed upon may have been changed since the last transaction */
	foreach (cell, session->tables)
		local_check_table(lfirst(cell));
}

static void commit_transaction(pythia_session *session)
{
	MemoryContext before = CurrentMemoryContext;

	local_stand_in_check(session->writer);
	pythia_transaction_ends();
	CommitTransactionCommand();
	MemoryContextSwitchTo(before);
}

/* Subtransactions of ours keep to the caller's memory context. */
static void start_subtransaction(void)
{
	MemoryContext before = CurrentMemoryContext;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(before);
}

static void release_subtransaction(void)
{
	MemoryContext before = CurrentMemoryContext;

	ReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(before);
}

static void undo_subtransaction(void)
{
	MemoryContext before = CurrentMemoryContext;

	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(before);
}

static void undo_transaction(void)
{
	MemoryContext before = CurrentMemoryContext;

	AbortCurrentTransaction();
	MemoryContextSwitchTo(before);
}

pythia_session *pythia_session_begin(const char *schema)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "pythia_db session", ALLOCSET_DEFAULT_SIZES);
	pythia_session *session = MemoryContextAllocZero(memory, sizeof(pythia_session));

	session->memory = memory;
	if (schema)
		session->default_schema = MemoryContextStrdup(memory, schema);
	session->nested = IsTransactionState();
	session->context_before = CurrentMemoryContext;
	session->owner_before = CurrentResourceOwner;
	if (session->nested)
	{
		find_default_schema(session);
		pythia_host_pins_messages();
		start_subtransaction();
		pin_settings(GUC_ACTION_SAVE);
	}
	return session;
}

/* Registered snapshots and begun transactions went with what was rolled back. */
static void forget_begun(pythia_session *session)
{
	ListCell *cell;

	foreach (cell, session->dbs)
	{
		pythia_local *local = lfirst(cell);

		local->snapshot = NULL;
		local->begun = false;
		if (session->failed)
			local->base.broken = true;
	}
	session->begins = 0;
}

/* Undoes the innermost level that is still alive. */
static void undo_innermost(pythia_session *session)
{
	if (session->nested || list_length(session->levels) > 1)
		undo_subtransaction();
	else
		undo_transaction();
}

/* After an error: rolls back the innermost level at once. */
static void session_fail(pythia_session *session)
{
	if (session->levels != NIL)
	{
		ListCell *cell;

		if (!session->aborted)
			undo_innermost(session);
		session->aborted = true;
		if (list_length(session->levels) == 1)
			foreach (cell, session->dbs)
				((pythia_local *) lfirst(cell))->snapshot = NULL;
		return;
	}
	if (session->nested)
	{
		if (!session->failed)
			undo_subtransaction();
		session->failed = true;
		CurrentResourceOwner = session->owner_before;
	}
	else if (IsTransactionState())
		undo_transaction();
	session->implicit = false;
	session->holds = 0;
	forget_begun(session);
}

/* A transaction for one operation, where none is open. */
static void enter(pythia_session *session)
{
	if (!session->nested && !IsTransactionState())
	{
		start_transaction(session);
		session->implicit = true;
	}
}

static void leave(pythia_session *session)
{
	if (session->implicit && session->holds == 0)
	{
		commit_transaction(session);
		session->implicit = false;
	}
}

typedef struct guarded_call
{
	pythia_session *session;
	pythia_local *local;
	local_body local_body;
	pythia_session_body body;
	void *arg;
} guarded_call;

static bool guarded(const guarded_call *call, pythia_error *error)
{
	pythia_session *session = call->session;
	MemoryContext before = CurrentMemoryContext;
	volatile bool ok = false;

	PG_TRY();
	{
		enter(session);
		if (call->local)
		{
			MemoryContextSwitchTo(call->local->scratch);
			call->local_body(call->local, call->arg);
		}
		else
		{
			PushActiveSnapshot(GetTransactionSnapshot());
			call->body(call->arg);
			PopActiveSnapshot();
		}
		MemoryContextSwitchTo(before);
		leave(session);
		ok = true;
	}
	PG_CATCH();
	{
		pythia_error_catch(error, session->memory);
		session_fail(session);
		MemoryContextSwitchTo(before);
	}
	PG_END_TRY();
	return ok;
}

static bool usable(pythia_session *session, pythia_error *error)
{
	if (session->failed)
		return pythia_fail(error, PYTHIA_E_DATABASE, "25P02", "the transaction failed before");
	if (session->aborted)
		return pythia_fail(error, PYTHIA_E_DATABASE, "25P02",
						   "current transaction is aborted, commands ignored until it is rolled back");
	return true;
}

bool pythia_session_run(pythia_session *session, pythia_session_body body, void *arg, pythia_error *error)
{
	guarded_call call = {.session = session, .body = body, .arg = arg};

	return usable(session, error) && guarded(&call, error);
}

bool local_run(pythia_local *local, local_body body, void *arg, pythia_error *error)
{
	guarded_call call = {.session = local->session, .local = local, .local_body = body, .arg = arg};
	bool ok = usable(local->session, error) && guarded(&call, error);

	MemoryContextReset(local->scratch);
	return ok;
}

void local_hold(pythia_local *local)
{
	local->session->holds++;
}

void local_unhold(pythia_local *local)
{
	pythia_session *session = local->session;

	if (session->holds > 0 && --session->holds == 0 && session->implicit)
	{

		/* commits what only the hold kept open */
		PG_TRY();
		{
			leave(session);
		}
		PG_CATCH();
		{
			pythia_error ignored = PYTHIA_ERROR_INIT;

			pythia_error_catch(&ignored, session->memory);
			session_fail(session);
			pythia_error_reset(&ignored);
			local->base.broken = true;
		}
		PG_END_TRY();
	}
}

typedef struct level_call
{
	const char *name;
	bool leave;
} level_call;

static void begin_level(pythia_local *local, void *arg)
{
	pythia_session *session = local->session;
	level_call *call = arg;
	MemoryContext before;

	if (session->nested || session->levels != NIL)
		start_subtransaction();
	before = MemoryContextSwitchTo(session->memory);
	session->levels = lappend(session->levels, pstrdup(call->name));
	MemoryContextSwitchTo(before);
	session->implicit = false; /* now it is somebody's */
}

bool local_level_begin(pythia_local *local, const char *name, pythia_error *error)
{
	level_call call = {.name = name};

	return local_run(local, begin_level, &call, error);
}

/* Position of the innermost level of that name, or -1. */
static int find_level(pythia_session *session, const char *name)
{
	for (int i = list_length(session->levels) - 1; i >= 0; i--)
		if (strcmp(list_nth(session->levels, i), name) == 0)
			return i;
	return -1;
}

static bool no_level(const char *name, pythia_error *error)
{
	if (name[0])
		return pythia_fail(error, PYTHIA_E_DATABASE, "3B001", "savepoint \"%s\" does not exist", name);
	return pythia_fail(error, PYTHIA_E_INTERNAL, "25P01", "there is no transaction in progress");
}

static void release_levels(pythia_local *local, void *arg)
{
	pythia_session *session = local->session;
	int position = find_level(session, ((level_call *) arg)->name);

	while (list_length(session->levels) > position)
	{
		if (session->nested || list_length(session->levels) > 1)
			release_subtransaction();
		else
			commit_transaction(session);
		session->levels = list_delete_last(session->levels);
	}
}

bool local_level_release(pythia_local *local, const char *name, pythia_error *error)
{
	level_call call = {.name = name};

	if (find_level(local->session, name) < 0)
		return no_level(name, error);
	return local_run(local, release_levels, &call, error);
}

/* Rolls back everything from the level at `position` on; without `leave` that level begins anew. */
static void unwind_levels(pythia_session *session, int position, const level_call *call)
{
	while (list_length(session->levels) > position)
	{
		if (!session->aborted)
			undo_innermost(session);
		session->aborted = false;
		session->levels = list_delete_last(session->levels);
	}
	session->holds = 0;
	if (!call->leave)
	{
		MemoryContext before;

		start_subtransaction();
		before = MemoryContextSwitchTo(session->memory);
		session->levels = lappend(session->levels, pstrdup(call->name));
		MemoryContextSwitchTo(before);
	}
}

static bool try_unwind(pythia_session *session, int position, const level_call *call, pythia_error *error)
{
	MemoryContext before = CurrentMemoryContext;
	volatile bool ok = true;

	PG_TRY();
	{
		unwind_levels(session, position, call);
	}
	PG_CATCH();
	{
		pythia_error_catch(error, session->memory);
		session_fail(session);
		MemoryContextSwitchTo(before);
		ok = false;
	}
	PG_END_TRY();
	return ok;
}

bool local_level_rollback(pythia_local *local, const char *name, bool leave_it, pythia_error *error)
{
	level_call call = {.name = name, .leave = leave_it};
	int position = find_level(local->session, name);
	bool ok;

	if (position < 0)
		return no_level(name, error);
	ok = try_unwind(local->session, position, &call, error);
	if (position == 0 && leave_it)
		forget_begun(local->session);
	return ok;
}

void local_push_snapshot(pythia_local *local)
{
	PushActiveSnapshot(local->snapshot ? local->snapshot : GetTransactionSnapshot());
}

void local_forget(pythia_local *local)
{
	pythia_session *session = local->session;

	if (local->begun && session->levels != NIL)
	{
		pythia_error ignored = PYTHIA_ERROR_INIT;

		(void) local_level_rollback(local, linitial(session->levels), true, &ignored);
		pythia_error_reset(&ignored);
	}
	session->dbs = list_delete_ptr(session->dbs, local);
}

const char *pythia_session_schema(pythia_session *session)
{
	return session->default_schema;
}

MemoryContext pythia_session_memory(pythia_session *session)
{
	return session->memory;
}

void pythia_session_end(pythia_session *session, bool ok)
{
	if (session->nested)
	{
		while (session->levels != NIL)
		{
			if (!session->aborted)
				undo_subtransaction();
			session->aborted = false;
			session->levels = list_delete_last(session->levels);
		}
		if (!session->failed)
		{
			if (ok)
				release_subtransaction();
			else
				undo_subtransaction();
		}
		CurrentResourceOwner = session->owner_before;
	}
	else if (IsTransactionState())
		undo_transaction();
	MemoryContextSwitchTo(session->context_before);
	MemoryContextDelete(session->memory);
}
