/* pythia.release_worker: workers that are held run again, for a new owner or in a new place. */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postgres/base/arguments.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/verb.h"
#include "postgres/connection/connection.h"
#include "postgres/worker/control.h"
#include "postgres/worker/home.h"
#include "postgres/worker/worker.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

typedef struct held
{
	int32 worker_id;
	pythia_job_kind kind;
	Oid owner;
	bool orphan; /* its owner is gone */
	bool ran;    /* enabled_at is kept while a worker is held */
} held;

static bool role_exists(Oid role)
{
	return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role));
}

/* The workers of that name, one of each kind at most. */
static List *workers_named(const char *name)
{
	static const char sql[] = "SELECT worker_id, kind, owner::pg_catalog.oid, enabled_at IS NOT NULL "
							  "FROM pythia.worker WHERE name = $1";
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(name)};
	MemoryContext caller = CurrentMemoryContext;
	List *result = NIL;

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext before = MemoryContextSwitchTo(caller);
		held *found = palloc(sizeof(held));
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;

		found->worker_id = DatumGetInt32(SPI_getbinval(row, desc, 1, &isnull));
		found->kind = pythia_job_kind_from_text(SPI_getvalue(row, desc, 2));
		found->owner = DatumGetObjectId(SPI_getbinval(row, desc, 3, &isnull));
		found->orphan = !role_exists(found->owner);
		found->ran = DatumGetBool(SPI_getbinval(row, desc, 4, &isnull));
		result = lappend(result, found);
		MemoryContextSwitchTo(before);
	}
	SPI_finish();
	return result;
}

static void give_owner(const held *worker, Oid owner)
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
	Datum values[] = {Int32GetDatum(worker->worker_id), ObjectIdGetDatum(owner)};

	for (int i = 0; i < lengthof(sql); i++)
		(void) pythia_catalog_run(sql[i], lengthof(types), types, values, NULL);
	CommandCounterIncrement();
}

static void check_may(const char *name, const held *worker)
{
	if (worker->orphan && !superuser())
		/* it was written by somebody who is gone: that it runs with another's rights is no user's to decide */
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to release worker \"%s\"", name),
				 errdetail("Its owner is gone."), errhint("Ask a superuser.")));
	if (!worker->orphan && !has_privs_of_role(GetUserId(), worker->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to release worker \"%s\"", name),
				 errhint("Only the role that created it, and its members, may do so.")));
}

/* Whether there was anything to release. */
static bool release(const char *name, const held *worker, Oid owner)
{
	bool abroad = pythia_home_abroad(worker->worker_id);
	bool strayed = pythia_connection_strayed(worker->worker_id);

	check_may(name, worker);
	if (!worker->orphan && !abroad && !strayed)
		return false;
	if (worker->orphan)
	{
		give_owner(worker, owner);
		ereport(NOTICE, (errmsg("worker \"%s\" belongs to role \"%s\", and runs with its rights", name,
								GetUserNameFromId(owner, false))));
	}
	if (abroad)
		pythia_home_adopt(worker->worker_id);
	for (int use = PYTHIA_USE_CAPTURE; use <= PYTHIA_USE_TARGET; use++)
		pythia_connection_note_owner(worker->worker_id, use);
	CommandCounterIncrement();
	if (worker->ran)
		pythia_control_start(worker->worker_id, worker->kind, worker->orphan ? owner : worker->owner);
	return true;
}

PYTHIA_VERB(pythia_release_worker)
{
	Oid owner = PG_ARGISNULL(1) ? GetUserId() : PG_GETARG_OID(1);
	bool any = false;
	List *workers;
	ListCell *cell;
	char *name;

	name = pythia_argument_text(fcinfo, 0);
	if (!role_exists(owner))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role %u does not exist", owner),
						errhint("Name a role that shall own the worker.")));
	workers = workers_named(name);
	foreach (cell, workers)
		any |= release(name, lfirst(cell), owner);
	if (!any)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("no worker \"%s\" is held that could be released", name),
						errhint("pythia.worker_status shows which workers are held, and why.")));
	PG_RETURN_VOID();
}
