#include "postgres/worker/wanted.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postgres/worker/home.h"
#include "postgres/worker/orphan.h"
#include "postgres/worker/owner.h"
#include "postgres/worker/shared.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/*
 * Of each owner one more than the roster takes, which tells that there are more, whatever others have written to the
 * table: one role's workers keep nobody else's waiting.
 */
#define WANTED_SQL                                                                                                     \
	"WITH RECURSIVE o AS (SELECT pg_catalog.min(t.owner::pg_catalog.oid) AS role FROM pythia.worker t WHERE "          \
	"t.enabled "                                                                                                       \
	"UNION ALL SELECT (SELECT pg_catalog.min(t.owner::pg_catalog.oid) FROM pythia.worker t "                           \
	"WHERE t.enabled AND t.owner::pg_catalog.oid > o.role) FROM o WHERE o.role IS NOT NULL) "                          \
	"SELECT w.worker_id, o.role, w.kind, w.name, w.home, COALESCE(r.rolsuper, false) "                                 \
	"FROM o LEFT JOIN pg_catalog.pg_roles r ON r.oid = o.role CROSS JOIN LATERAL ("                                    \
	"SELECT t.worker_id, t.kind, t.name, t.home FROM pythia.worker t WHERE t.enabled "                                 \
	"AND t.owner::pg_catalog.oid = o.role ORDER BY t.worker_id "                                                       \
	"LIMIT CASE WHEN r.rolsuper THEN $1 ELSE $2 END) w ORDER BY w.worker_id"

static pythia_wanted *read_row(HeapTuple row, TupleDesc desc, const pythia_home *home)
{
	pythia_wanted *job = palloc0(sizeof(pythia_wanted));
	bool isnull;

	job->worker_id = DatumGetInt32(SPI_getbinval(row, desc, 1, &isnull));
	job->owner = DatumGetObjectId(SPI_getbinval(row, desc, 2, &isnull));
	job->kind = pythia_job_kind_from_text(TextDatumGetCString(SPI_getbinval(row, desc, 3, &isnull)));
	job->name = TextDatumGetCString(SPI_getbinval(row, desc, 4, &isnull));
	job->fault = pythia_home_fault_seen(home, SPI_getbinval(row, desc, 5, &isnull));
	job->exempt = DatumGetBool(SPI_getbinval(row, desc, 6, &isnull));
	if (job->fault)
		job->hint = pythia_home_hint(job->name);
	else
		job->fault = pythia_owner_fault(job->owner, job->kind, &job->hint);
	return job;
}

static List *read_rows(MemoryContext memory)
{
	Oid types[] = {INT4OID, INT4OID};
	Datum values[] = {Int32GetDatum(PYTHIA_MAX_JOBS + 1), Int32GetDatum(PYTHIA_MAX_JOBS_OF_ROLE + 1)};
	MemoryContext before = MemoryContextSwitchTo(memory);
	const pythia_home *home = pythia_home_look();
	List *result = NIL;

	SPI_connect();
	if (SPI_execute_with_args(WANTED_SQL, lengthof(types), types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read pythia.worker");
	MemoryContextSwitchTo(memory);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CHECK_FOR_INTERRUPTS();
		result = lappend(result, read_row(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, home));
	}
	SPI_finish();
	MemoryContextSwitchTo(before);
	return result;
}

List *pythia_wanted_read(MemoryContext memory, bool *installed, bool *more)
{
	List *result = NIL;

	*more = false;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	*installed = OidIsValid(get_extension_oid("pythia_db", true));
	if (*installed)
	{
		pythia_home_ensure();
		*more = pythia_disown_orphans();
		result = read_rows(memory);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return result;
}
