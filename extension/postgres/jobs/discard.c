/*
 * Failed changes and quarantined rows that their owner gives up.  There is a function for it and no right to DELETE:
 * who has that on a table may lock it, too, and everybody's workers write there.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postgres/base/arguments.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/verb.h"
#include "postgres/worker/worker.h"
#include "utils/builtins.h"

static int32 worker_of(FunctionCallInfo fcinfo, pythia_job_kind kind)
{
	return pythia_worker_lookup(kind, pythia_argument_text(fcinfo, 0), NULL, NULL);
}

PYTHIA_VERB(pythia_discard_failed)
{
	static const char sql[] = "DELETE FROM pythia.failed_change WHERE worker_id OPERATOR(pg_catalog.=) $1 "
							  "AND ($2 IS NULL OR change_id OPERATOR(pg_catalog.=) ANY ($2))";
	Oid types[] = {INT4OID, INT8ARRAYOID};
	Datum values[2];
	char nulls[] = {' ', PG_ARGISNULL(1) ? 'n' : ' ', '\0'};
	int32 worker_id;

	worker_id = worker_of(fcinfo, PYTHIA_JOB_CDC);
	values[0] = Int32GetDatum(worker_id);
	values[1] = PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1);
	/* what waited for one of them may go on */
	pythia_wake_at_commit(worker_id);
	PG_RETURN_INT64((int64) pythia_catalog_run(sql, 2, types, values, nulls));
}

PYTHIA_VERB(pythia_discard_quarantine)
{
	static const char sql[] =
		"DELETE FROM pythia.quarantine WHERE CASE WHEN $1 IS NULL THEN worker_id IS NULL "
		"AND owner::pg_catalog.oid OPERATOR(pg_catalog.=) $2 ELSE worker_id OPERATOR(pg_catalog.=) $1 END "
		"AND ($3 IS NULL OR table_name OPERATOR(pg_catalog.=) $3)";
	Oid types[] = {INT4OID, OIDOID, TEXTOID};
	Datum values[3];
	char nulls[] = {PG_ARGISNULL(0) ? 'n' : ' ', ' ', PG_ARGISNULL(1) ? 'n' : ' ', '\0'};

	values[0] = PG_ARGISNULL(0) ? (Datum) 0 : Int32GetDatum(worker_of(fcinfo, PYTHIA_JOB_SYNC));
	values[1] = ObjectIdGetDatum(GetUserId());
	values[2] = PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1);
	PG_RETURN_INT64((int64) pythia_catalog_run(sql, 3, types, values, nulls));
}
