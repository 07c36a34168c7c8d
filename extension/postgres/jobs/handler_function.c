/* The function of a handler: found by its name, and fit to be one. */
#include "postgres/capture/catalog.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postgres/base/object_owner.h"
#include "postgres/base/pg_compat.h"
#include "postgres/jobs/handler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

Oid pythia_change_type_oid(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("database_change"),
						   ObjectIdGetDatum(get_namespace_oid("pythia", false)));
}

void pythia_cdc_check_handler(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	bool right;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION), errmsg("handler function does not exist"),
						errhint("Create it, or set another one with pythia.alter_cdc_worker.")));
	form = (Form_pg_proc) GETSTRUCT(tuple);
	right = form->prokind == PROKIND_FUNCTION && form->pronargs == 1 &&
			form->proargtypes.values[0] == pythia_change_type_oid() && form->prorettype == JSONBOID && !form->proretset;
	ReleaseSysCache(tuple);
	if (!right)
		ereport(ERROR, (errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
						errmsg("function %s cannot be a handler", format_procedure(function)),
						errhint("A handler is a function(pythia.database_change) RETURNS jsonb.")));
	if (pythia_function_usage(function, GetUserId()) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, get_func_name(function));
}

static void check_owner(const pythia_cdc_worker *worker, Oid function)
{
	Oid owner = pythia_function_owner(function);

	/* who has the rights of the worker's owner needs no trap for them */
	if (owner == worker->handler_owner || has_privs_of_role(owner, worker->owner))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("handler %s belongs to role \"%s\" now, and did not when it was named", worker->handler,
						   GetUserNameFromId(owner, false)),
					errdetail("It would run with the rights of the worker's owner."),
					errhint("Name it again with pythia.alter_cdc_worker where that is meant.")));
}

Oid pythia_cdc_handler_function(const pythia_cdc_worker *worker)
{
	const char *name = worker->handler;
	LOCAL_FCINFO(call, 1);
	Oid function;

	InitFunctionCallInfoData(*call, NULL, 1, InvalidOid, NULL, NULL);
	call->args[0].value = CStringGetTextDatum(name);
	call->args[0].isnull = false;
	function = DatumGetObjectId(to_regprocedure(call));
	if (call->isnull)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION), errmsg("handler %s does not exist", name),
						errhint("Create it again, or set another one with pythia.alter_cdc_worker.")));
	pythia_cdc_check_handler(function);
	check_owner(worker, function);
	return function;
}
