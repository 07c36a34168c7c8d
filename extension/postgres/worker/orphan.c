#include "postgres/worker/orphan.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/worker/control.h"
#include "postgres/worker/worker.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

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
		/* its tables and its handler are taken as they are, too: whose they were may be gone as well */
		"UPDATE pythia.cdc_table t SET table_owner = k.relowner::pg_catalog.regrole FROM pg_catalog.pg_class k "
		"WHERE t.worker_id = $1 AND k.oid = pg_catalog.to_regclass(t.relation)::pg_catalog.oid AND $2 IS NOT NULL",
		"UPDATE pythia.cdc_worker c SET handler_owner = p.proowner FROM pg_catalog.pg_proc p "
		"WHERE c.worker_id = $1 AND p.oid = pg_catalog.to_regprocedure(c.handler)::pg_catalog.oid AND $2 IS NOT NULL",
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
