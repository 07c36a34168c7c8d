#include "postgres/sync/conflict.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "postgres/base/bridge.h"
#include "postgres/base/jsonb_node.h"
#include "postgres/base/object_owner.h"
#include "postgres/base/pg_compat.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"

typedef struct resolve_call
{
	pythia_resolver *resolver;
	const char *name;
	const char *source_row;
	const char *target_row;
	pythia_node **row;
} resolve_call;

/* It is found by its name at each run, and whoever may drop it may put another one in its place. */
static void check_owner(Oid function, const char *name)
{
	Oid owner = pythia_function_owner(function);

	if (function < FirstNormalObjectId || has_privs_of_role(owner, GetUserId()))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("conflict_resolution: function %s would run with the rights of role \"%s\"", name,
						   GetUserNameFromId(GetUserId(), false)),
					errdetail("It belongs to role \"%s\", which has fewer.", GetUserNameFromId(owner, true)),
					errhint("Let that role own it that runs the sync, or a role with its rights.")));
}

/* search_path is pinned here: a bare name means the schema that the role sees first. */
static Oid find_function(pythia_session *session, const char *name)
{
	Oid types[] = {JSONBOID, JSONBOID};
	List *names = pythia_name_list(name);
	Oid function = LookupFuncName(names, 2, types, true);

	if (!OidIsValid(function) && list_length(names) == 1)
		function = LookupFuncName(list_make2(makeString(pstrdup(pythia_session_schema(session))), linitial(names)), 2,
								  types, true);
	if (!OidIsValid(function))
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("conflict_resolution: function %s(jsonb, jsonb) does not exist", name),
			 errhint(
				 "Write one of source_wins, target_wins, newest_wins, oldest_wins, error and skip, or the name of a "
				 "function f(source jsonb, target jsonb) RETURNS jsonb, with its schema.")));
	if (get_func_rettype(function) != JSONBOID)
		ereport(ERROR, (errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
						errmsg("conflict_resolution: function %s does not return jsonb", name),
						errhint("It takes the two rows and returns the one to keep, or NULL to keep the target's.")));
	if (pythia_function_usage(function, GetUserId()) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, name);
	check_owner(function, name);
	return function;
}

static void find_body(void *arg)
{
	resolve_call *call = arg;
	pythia_resolver *resolver = call->resolver;
	MemoryContext memory = pythia_session_memory(resolver->session);
	Oid oid = find_function(resolver->session, pythia_from_utf8(call->name));
	FmgrInfo *function = MemoryContextAllocZero(memory, sizeof(FmgrInfo));

	fmgr_info_cxt(oid, function, memory);
	resolver->name = MemoryContextStrdup(memory, call->name);
	resolver->function = function;
}

bool pythia_resolver_find(pythia_resolver *resolver, const char *name, pythia_error *error)
{
	resolve_call call = {.resolver = resolver, .name = name};

	return pythia_session_run(resolver->session, find_body, &call, error);
}

static void resolve_body(void *arg)
{
	resolve_call *call = arg;
	MemoryContext mine = AllocSetContextCreate(CurrentMemoryContext, "pythia_db conflict", ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(mine);
	LOCAL_FCINFO(fcinfo, 2);
	Datum result = (Datum) 0;

	InitFunctionCallInfoData(*fcinfo, call->resolver->function, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].isnull = call->source_row == NULL;
	fcinfo->args[0].value = call->source_row ? JsonbPGetDatum(pythia_jsonb_from_text(call->source_row)) : (Datum) 0;
	fcinfo->args[1].isnull = call->target_row == NULL;
	fcinfo->args[1].value = call->target_row ? JsonbPGetDatum(pythia_jsonb_from_text(call->target_row)) : (Datum) 0;
	/* a strict function says nothing about a missing row: the target's stays */
	if (call->resolver->function->fn_strict && (fcinfo->args[0].isnull || fcinfo->args[1].isnull))
		fcinfo->isnull = true;
	else
		result = FunctionCallInvoke(fcinfo);
	if (!fcinfo->isnull)
	{
		Jsonb *json = DatumGetJsonbP(result);

		if (!JB_ROOT_IS_OBJECT(json))
			ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
							errmsg("function %s returned no JSON object", pythia_from_utf8(call->resolver->name)),
							errhint("It returns the row to keep, or NULL to keep the target's.")));
		*call->row = pythia_node_copy_jsonb(json);
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(mine);
}

bool pythia_resolve(pythia_resolver *resolver, const char *function, const char *source_row, const char *target_row,
					pythia_node **row, pythia_error *error)
{
	resolve_call call = {.resolver = resolver, .source_row = source_row, .target_row = target_row, .row = row};

	*row = NULL;
	if ((!resolver->function || strcmp(resolver->name, function) != 0) &&
		!pythia_resolver_find(resolver, function, error))
		return false;
	return pythia_session_run(resolver->session, resolve_body, &call, error);
}
