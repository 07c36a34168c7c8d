#include "postgres/base/inlining.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postgres/base/verb.h"
#include "utils/syscache.h"

static needs_fmgr_hook_type previous_hook = NULL;

static bool is_sql(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool result = HeapTupleIsValid(tuple) && ((Form_pg_proc) GETSTRUCT(tuple))->prolang == SQLlanguageId;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

/* A function that a plugin wants to see is not put in place. */
static bool needs_call(Oid function)
{
	if (previous_hook && previous_hook(function))
		return true;
	return function >= FirstNormalObjectId && InSecurityRestrictedOperation() && pythia_verb_is_at_work() &&
		   is_sql(function);
}

void pythia_inlining_hook_install(void)
{
	previous_hook = needs_fmgr_hook;
	needs_fmgr_hook = needs_call;
}
