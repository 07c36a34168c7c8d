#include "postgres/local/statement_code.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "postgres/base/expression.h"
#include "postgres/base/harmless.h"
#include "postgres/base/object_owner.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/type_parts.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* ---- functions ---- */

static bool refuse_function(Oid function, void *context)
{
	const Oid *role = context;
	Oid owner = function < FirstNormalObjectId ? InvalidOid : pythia_function_owner(function);

	/* what comes with PostgreSQL; one that is gone fails by itself */
	if (!OidIsValid(owner) || has_privs_of_role(owner, *role))
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("function %s would run with the rights of role \"%s\"", format_procedure(function),
					GetUserNameFromId(*role, false)),
			 errdetail("The function belongs to role \"%s\", which has fewer. A condition calls it, or a cast of a "
					   "type of that role's.",
					   GetUserNameFromId(owner, false)),
			 errhint("Leave the column whose type it is out of \"where\" and of foreign keys, or let that role own "
					 "the sync worker.")));
}

/* The planner may put its negator or commutator in its place: those are its owner's. */
static void refuse_operator(Oid called, Oid role)
{
	Oid owner = called < FirstNormalObjectId ? InvalidOid : pythia_operator_owner(called);

	/* what comes with PostgreSQL; one that is gone fails by itself */
	if (!OidIsValid(owner) || has_privs_of_role(owner, role))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("operator %s would run with the rights of role \"%s\"", format_operator(called),
						   GetUserNameFromId(role, false)),
					errdetail("It belongs to role \"%s\", which has fewer.", GetUserNameFromId(owner, false)),
					errhint("Leave it out of \"where\".")));
}

/* ---- types ---- */

static bool belongs_to_others(Oid type, void *context)
{
	HeapTuple tuple;
	Oid owner;

	/* a row that nobody has named may hold anything */
	if (type == RECORDOID || type == RECORDARRAYOID)
		return true;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		return true;
	owner = ((Form_pg_type) GETSTRUCT(tuple))->typowner;
	ReleaseSysCache(tuple);
	return type >= FirstNormalObjectId && !has_privs_of_role(owner, *(Oid *) context);
}

/* Whether somebody without the role's rights owns the type, or one that it is made of. */
static bool type_is_others(Oid type, Oid role)
{
	return pythia_type_any(type, belongs_to_others, &role);
}

pg_noreturn static void refuse_type(Oid type, Oid role)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("what belongs to type %s would run with the rights of role \"%s\"", format_type_be(type),
					GetUserNameFromId(role, false)),
			 errdetail("The type, or one that it is made of, may belong to a role that has fewer: a cast of it, a "
					   "check or a function of a range."),
			 errhint("Leave it out of \"where\", or let the type's owner run the sync.")));
}

/* Makes a value of the type. */
static void refuse_making(Oid type, Oid role)
{
	if (pythia_type_calls(type) && type_is_others(type, role))
		refuse_type(type, role);
}

/* Whether a function of PostgreSQL looks up what there is for the types of its arguments. */
static bool follows_types(Oid function)
{
	HeapTuple tuple;
	bool any = false;

	if (function >= FirstNormalObjectId || pythia_function_is_harmless(function))
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (HeapTupleIsValid(tuple))
	{
		const oidvector *arguments = &((Form_pg_proc) GETSTRUCT(tuple))->proargtypes;

		for (int i = 0; i < arguments->dim1; i++)
			any = any || get_typtype(arguments->values[i]) == TYPTYPE_PSEUDO;
		ReleaseSysCache(tuple);
	}
	return any;
}

static bool refuse_operand(Node *node, void *context)
{
	Oid role = *(Oid *) context;

	if (!node)
		return false;
	/* of a list, each; of an aggregate's argument, what is in it */
	if (IsA(node, List) || IsA(node, TargetEntry))
		return expression_tree_walker(node, refuse_operand, context);
	if (type_is_others(exprType(node), role))
		refuse_type(exprType(node), role);
	return false;
}

static void refuse_operands(Oid function, List *arguments, void *role)
{
	if (follows_types(function))
		(void) refuse_operand((Node *) arguments, role);
}

static void refuse_types(List *types, Oid role)
{
	ListCell *cell;

	foreach (cell, types)
		refuse_making(lfirst_oid(cell), role);
}

/* ---- all of a statement ---- */

/*
 * The parser adds casts and operators to what is written: those of a column's type, which may be somebody's who has nothing
 * to do with the tables.  Functions that make JSON look for casts when they run.
 */
static bool look_at_functions(Node *node, void *context)
{
	Oid *role = context;
	Query *query = (Query *) node;
	ListCell *cell;

	if (!node)
		return false;
	switch (nodeTag(node))
	{
		case T_Query:
			if (query->commandType != CMD_UTILITY)
				return query_tree_walker(query, look_at_functions, context, 0);
			/* other commands have not been analysed yet */
			return IsA(query->utilityStmt, CreateTableAsStmt) &&
				   look_at_functions(((CreateTableAsStmt *) query->utilityStmt)->query, context);
		case T_FuncExpr:
			refuse_operands(((FuncExpr *) node)->funcid, ((FuncExpr *) node)->args, context);
			break;
		case T_Aggref:
			refuse_operands(((Aggref *) node)->aggfnoid, ((Aggref *) node)->args, context);
			break;
		case T_WindowFunc:
			refuse_operands(((WindowFunc *) node)->winfnoid, ((WindowFunc *) node)->args, context);
			break;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			set_opfuncid((OpExpr *) node);
			refuse_operator(((OpExpr *) node)->opno, *role);
			refuse_operands(((OpExpr *) node)->opfuncid, ((OpExpr *) node)->args, context);
			break;
		case T_ScalarArrayOpExpr:
			set_sa_opfuncid((ScalarArrayOpExpr *) node);
			refuse_operator(((ScalarArrayOpExpr *) node)->opno, *role);
			refuse_operands(((ScalarArrayOpExpr *) node)->opfuncid, ((ScalarArrayOpExpr *) node)->args, context);
			break;
		case T_RowCompareExpr:
			foreach (cell, ((RowCompareExpr *) node)->opnos)
				refuse_operator(lfirst_oid(cell), *role);
			break;
		case T_CoerceToDomain:
		case T_CoerceViaIO:
			refuse_making(exprType(node), *role);
			break;
		case T_RangeTblFunction:
			refuse_types(((RangeTblFunction *) node)->funccoltypes, *role);
			break;
		case T_TableFunc:
			refuse_types(((TableFunc *) node)->coltypes, *role);
			break;
		default:
			break;
	}
	if (pythia_is_json_call(node))
	{
		if (type_is_others(exprType(node), *role))
			refuse_type(exprType(node), *role);
		(void) expression_tree_walker(node, refuse_operand, context);
	}
	return check_functions_in_node(node, refuse_function, context) ||
		   expression_tree_walker(node, look_at_functions, context);
}

void local_statement_refuse(List *queries, Oid role)
{
	(void) look_at_functions((Node *) queries, &role);
}
