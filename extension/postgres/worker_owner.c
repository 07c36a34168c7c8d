#include "worker_owner.h"

#include "access/htup_details.h"
#include "catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "pg_compat.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"
#include "worker_control.h"

#define NOBODY "-"

/* ---- the type ---- */

PYTHIA_FUNCTION(pythia_role_in);

Datum pythia_role_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	List *names;
	Oid role;

	if (strcmp(text, NOBODY) == 0)
		PG_RETURN_OID(InvalidOid);
	/* a bare number is nobody's name: one that is has quotes */
	if (text[0] == '\0' || strspn(text, "0123456789") == strlen(text) ||
		!SplitIdentifierString(pstrdup(text), '.', &names) || list_length(names) != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("invalid name of a role: \"%s\"", text),
						errhint("Write a role's name, in double quotes where SQL needs them.")));
	role = get_role_oid(linitial(names), true);
	/* who restores a dump where the role is missing gets everything else, and is told */
	if (!OidIsValid(role))
		ereport(WARNING, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role \"%s\" does not exist", text),
						  errdetail("What belonged to it belongs to nobody."),
						  errhint("pythia.release_worker gives a worker another owner.")));
	PG_RETURN_OID(role);
}

PYTHIA_FUNCTION(pythia_role_out);

Datum pythia_role_out(PG_FUNCTION_ARGS)
{
	char *name = GetUserNameFromId(PG_GETARG_OID(0), true);

	PG_RETURN_CSTRING(name ? pstrdup(quote_identifier(name)) : pstrdup(NOBODY));
}

/* ---- may it run? ---- */

/* The function by which a role makes such workers: who may not call it any more has no use of those that it made. */
static bool may_create(Oid owner, pythia_job_kind kind)
{
	Oid schema = get_namespace_oid("pythia", true);
	const char *name = kind == PYTHIA_JOB_CDC ? "create_cdc_worker" : "create_sync_worker";
	CatCList *functions;
	bool result = false;

	if (!OidIsValid(schema) || pythia_namespace_usage(schema, owner) != ACLCHECK_OK)
		return false;
	functions = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	for (int i = 0; i < functions->n_members && !result; i++)
	{
		Form_pg_proc function = (Form_pg_proc) GETSTRUCT(&functions->members[i]->tuple);

		result = function->pronamespace == schema && pythia_function_usage(function->oid, owner) == ACLCHECK_OK;
	}
	ReleaseCatCacheList(functions);
	return result;
}

static bool may_log_in(Oid owner)
{
	HeapTuple tuple;
	bool result;

	if (BGWORKER_BYPASS_ROLELOGINCHECK != 0)
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(owner));
	result = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

const char *pythia_owner_fault(Oid owner, pythia_job_kind kind, const char **hint)
{
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
	{
		*hint = "Give it another owner with pythia.release_worker, or drop it.";
		return "its owner is gone";
	}
	if (!may_create(owner, kind))
	{
		*hint = "Let the role use pythia_db again with pythia.grant_use, or drop the worker.";
		return "its owner may not use pythia_db";
	}
	if (!may_log_in(owner))
	{
		*hint = "Give the role LOGIN, or create the worker as another one.";
		return "its owner may not log in";
	}
	return NULL;
}

void pythia_owner_require(Oid owner)
{
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("the worker is held: its owner is gone"),
				 errhint("Give it another owner with pythia.release_worker, or drop it.")));
}

PYTHIA_FUNCTION(pythia_hold_reason);

Datum pythia_hold_reason(PG_FUNCTION_ARGS)
{
	pythia_job_kind kind = pythia_job_kind_from_text(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	const char *hint;
	const char *fault = pythia_owner_fault(PG_GETARG_OID(0), kind, &hint);

	if (!fault)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s. %s", fault, hint)));
}

/* ---- gone ---- */

static void disown_workers(void)
{
	static const char sql[] = "UPDATE pythia.worker w SET owner = '-', enabled = false "
							  "WHERE owner::pg_catalog.oid <> 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r "
							  "WHERE r.oid = w.owner::pg_catalog.oid) RETURNING worker_id, name";

	SPI_connect();
	pythia_catalog_execute(sql, 0, NULL, NULL, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		bool isnull;

		ereport(WARNING,
				(errmsg("worker \"%s\" is held: its owner is gone", SPI_getvalue(row, SPI_tuptable->tupdesc, 2)),
				 errhint("Give it another owner with pythia.release_worker, or drop it.")));
		pythia_control_stop(DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull)));
	}
	SPI_finish();
}

void pythia_disown_orphans(void)
{
	static const char *const sql[] = {
		"UPDATE pythia.failed_change f SET owner = '-' WHERE owner::pg_catalog.oid <> 0 "
		"AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = f.owner::pg_catalog.oid)",
		"UPDATE pythia.handler_result h SET owner = '-' WHERE owner::pg_catalog.oid <> 0 "
		"AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = h.owner::pg_catalog.oid)",
		"UPDATE pythia.quarantine q SET owner = '-' WHERE owner::pg_catalog.oid <> 0 "
		"AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = q.owner::pg_catalog.oid)",
		/* the name is for people, and follows the role's */
		"UPDATE pythia.worker w SET owner_name = r.rolname FROM pg_catalog.pg_roles r "
		"WHERE r.oid = w.owner::pg_catalog.oid AND w.owner_name <> r.rolname",
	};

	disown_workers();
	for (int i = 0; i < lengthof(sql); i++)
		(void) pythia_catalog_run(sql[i], 0, NULL, NULL, NULL);
}

typedef struct orphan
{
	int32 worker_id;
	pythia_job_kind kind;
	bool ran; /* enabled_at is kept while a worker is held */
} orphan;

/* The workers of that name without an owner, one of each kind at most. */
static List *orphans_of(const char *name)
{
	static const char sql[] = "SELECT worker_id, kind, enabled_at IS NOT NULL FROM pythia.worker w WHERE name = $1 "
							  "AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = "
							  "w.owner::pg_catalog.oid)";
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(name)};
	MemoryContext caller = CurrentMemoryContext;
	List *result = NIL;

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext before = MemoryContextSwitchTo(caller);
		orphan *found = palloc(sizeof(orphan));
		HeapTuple row = SPI_tuptable->vals[i];
		bool isnull;

		found->worker_id = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		found->kind = pythia_job_kind_from_text(SPI_getvalue(row, SPI_tuptable->tupdesc, 2));
		found->ran = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &isnull));
		result = lappend(result, found);
		MemoryContextSwitchTo(before);
	}
	SPI_finish();
	return result;
}

static void adopt(const orphan *found, Oid owner)
{
	static const char *const sql[] = {
		"UPDATE pythia.worker SET owner = $2, owner_name = pg_catalog.pg_get_userbyid($2), "
		"enabled = enabled_at IS NOT NULL WHERE worker_id = $1",
		"UPDATE pythia.failed_change SET owner = $2 WHERE worker_id = $1",
		"UPDATE pythia.handler_result SET owner = $2 WHERE worker_id = $1",
		"UPDATE pythia.quarantine SET owner = $2 WHERE worker_id = $1",
	};
	Oid types[] = {INT4OID, OIDOID};
	Datum values[] = {Int32GetDatum(found->worker_id), ObjectIdGetDatum(owner)};

	for (int i = 0; i < lengthof(sql); i++)
		(void) pythia_catalog_run(sql[i], lengthof(types), types, values, NULL);
	CommandCounterIncrement();
	if (found->ran)
		pythia_control_start(found->worker_id, found->kind, owner);
}

PYTHIA_FUNCTION(pythia_release_worker);

Datum pythia_release_worker(PG_FUNCTION_ARGS)
{
	Oid owner = PG_ARGISNULL(1) ? GetUserId() : PG_GETARG_OID(1);
	List *orphans;
	ListCell *cell;
	char *name;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a worker's name must not be null"),
						errhint("pythia.worker_status shows the names.")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	/* what it does was written by somebody who is gone: that it runs with another's rights is no user's to decide */
	if (!superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to release worker \"%s\"", name), errhint("Ask a superuser.")));
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role %u does not exist", owner),
						errhint("Name a role that shall own the worker.")));
	orphans = orphans_of(name);
	if (orphans == NIL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("no worker \"%s\" is held because its owner is gone", name),
						errhint("pythia.worker_status shows which workers are held, and why.")));
	foreach (cell, orphans)
		adopt(lfirst(cell), owner);
	ereport(NOTICE, (errmsg("worker \"%s\" belongs to role \"%s\", and runs with its rights", name,
							GetUserNameFromId(owner, false))));
	PG_RETURN_VOID();
}
