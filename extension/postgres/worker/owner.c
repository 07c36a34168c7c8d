#include "postgres/worker/owner.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postgres/base/pg_compat.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

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

/* The function by which a role makes workers of a kind; InvalidOid where there is none. By its arguments: of that name
 * anybody may have as many as he likes, in schemas of his own. */
static Oid maker_of(pythia_job_kind kind, Oid schema)
{
	static const Oid cdc[] = {TEXTOID, TEXTARRAYOID, TEXTOID, INTERVALOID, TEXTOID, REGPROCOID, JSONBOID};
	static const Oid sync[] = {TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTARRAYOID, INTERVALOID};
	oidvector *types =
		kind == PYTHIA_JOB_CDC ? buildoidvector(cdc, lengthof(cdc)) : buildoidvector(sync, lengthof(sync));
	const char *name = kind == PYTHIA_JOB_CDC ? "create_cdc_worker" : "create_sync_worker";
	Oid result = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name), PointerGetDatum(types),
								 ObjectIdGetDatum(schema));

	pfree(types);
	return result;
}

/* Who may not make workers any more has no use of those that it made. */
static bool may_create(Oid owner, pythia_job_kind kind)
{
	Oid schema = get_namespace_oid("pythia", true);
	Oid maker;

	if (!OidIsValid(schema) || pythia_namespace_usage(schema, owner) != ACLCHECK_OK)
		return false;
	maker = maker_of(kind, schema);
	return OidIsValid(maker) && pythia_function_usage(maker, owner) == ACLCHECK_OK;
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
