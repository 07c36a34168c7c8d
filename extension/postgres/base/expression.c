#include "postgres/base/expression.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_range.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "postgres/base/harmless.h"
#include "postgres/base/object_owner.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/type_parts.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* A range's maker names functions that build, index and estimate its values. */
static bool range_calls(Oid range)
{
	HeapTuple tuple = SearchSysCache1(RANGETYPE, ObjectIdGetDatum(range));
	Form_pg_range form;
	bool result;

	if (!HeapTupleIsValid(tuple))
		return true;
	form = (Form_pg_range) GETSTRUCT(tuple);
	result = form->rngcanonical >= FirstNormalObjectId || form->rngsubdiff >= FirstNormalObjectId;
	ReleaseSysCache(tuple);
	return result;
}

static bool is_measured(Oid type, void *unused)
{
	return get_typtype(type) == TYPTYPE_RANGE && range_calls(type);
}

bool pythia_type_is_measured(Oid type)
{
	return pythia_type_any(type, is_measured, NULL);
}

bool pythia_type_calls(Oid type)
{
	Oid element = get_element_type(type);

	check_stack_depth();
	if (OidIsValid(element))
		return pythia_type_calls(element);
	/* a domain gets a check at any time, for no lock of a table keeps it away */
	if (get_typtype(type) == TYPTYPE_DOMAIN)
		return type >= FirstNormalObjectId;
	if (type_is_rowtype(type))
		return true;
	if (get_typtype(type) == TYPTYPE_RANGE)
		return range_calls(type) || pythia_type_calls(get_range_subtype(type));
	return get_typtype(type) == TYPTYPE_MULTIRANGE && pythia_type_calls(get_multirange_range(type));
}

/*
 * Whoever has written a function, the expression that calls it, and with what, is the table owner's: a superuser's function
 * would do for him what he likes.
 */
static bool function_is_foreign(Oid function, void *context)
{
	return function != F_CLOCK_TIMESTAMP && function != F_GEN_RANDOM_UUID && !pythia_function_is_harmless(function);
}

/* The next number of a sequence of the table's owner. */
static bool counts_on(const Node *node, Oid owner)
{
	const FuncExpr *call = (const FuncExpr *) node;
	const Const *sequence;

	if (!IsA(node, FuncExpr) || call->funcid != F_NEXTVAL || !IsA(linitial(call->args), Const))
		return false;
	sequence = linitial(call->args);
	return !sequence->constisnull && pythia_relation_owner(DatumGetObjectId(sequence->constvalue)) == owner;
}

bool pythia_operator_is_users(const Node *node)
{
	const List *several = NIL;
	ListCell *cell;

	switch (nodeTag(node))
	{
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			return ((const OpExpr *) node)->opno >= FirstNormalObjectId;
		case T_ScalarArrayOpExpr:
			return ((const ScalarArrayOpExpr *) node)->opno >= FirstNormalObjectId;
		case T_RowCompareExpr:
			several = ((const RowCompareExpr *) node)->opnos;
			break;
		default:
			return false;
	}
	foreach (cell, several)
		if (lfirst_oid(cell) >= FirstNormalObjectId)
			return true;
	return false;
}

/*
 * A function that comes with PostgreSQL and takes any type does with it what the type says, and so does an index over
 * what an expression makes.  Columns are looked at by themselves.
 */
static bool type_of_node_calls(const Node *node)
{
	Oid type;

	if (IsA(node, List) || IsA(node, CaseWhen) || IsA(node, Var))
		return false;
	type = exprType(node);
	return pythia_type_calls(type) || pythia_type_is_measured(type);
}

/* A column as an operand, of a type that calls something. */
static bool operand_calls(Node *node, void *context)
{
	if (!node)
		return false;
	if (IsA(node, List))
		return expression_tree_walker(node, operand_calls, context);
	return IsA(node, Var) && pythia_type_calls(exprType(node));
}

static bool operands_call(Node *node)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_RowCompareExpr:
		case T_MinMaxExpr:
			return expression_tree_walker(node, operand_calls, NULL);
		default:
			return false;
	}
}

bool pythia_node_calls_nothing(const Node *node)
{
	switch (nodeTag(node))
	{
		case T_Const:
		case T_List:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_ArrayExpr:
		case T_ArrayCoerceExpr:
		case T_CollateExpr:
		case T_SubscriptingRef:
			return true;
		default:
			return false;
	}
}

static bool is_known(const Node *node)
{
	switch (nodeTag(node))
	{
		case T_Var:
		case T_FieldSelect:
		case T_RowExpr:
		case T_RowCompareExpr:
		case T_ConvertRowtypeExpr:
		case T_NamedArgExpr:
		case T_SQLValueFunction:
		case T_XmlExpr:
		case T_CoerceViaIO:
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
			return true;
		default:
			return pythia_node_calls_nothing(node) || pythia_is_json_test(node);
	}
}

static bool calls_foreign(Node *node, void *owner)
{
	if (!node || counts_on(node, *(Oid *) owner))
		return false;
	return !is_known(node) || pythia_operator_is_users(node) || type_of_node_calls(node) ||
		   check_functions_in_node(node, function_is_foreign, NULL) || operands_call(node) ||
		   expression_tree_walker(node, calls_foreign, owner);
}

bool pythia_expression_calls(Node *tree, Oid owner)
{
	return calls_foreign(tree, &owner);
}
