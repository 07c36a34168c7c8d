#include "postgres/base/expression.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_range.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "postgres/base/harmless.h"
#include "postgres/base/pg_compat.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

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

bool pythia_type_is_measured(Oid type)
{
	Oid base = getBaseType(type);
	Oid part = get_base_element_type(base);

	check_stack_depth();
	if (!OidIsValid(part))
		part = get_multirange_range(base);
	if (OidIsValid(part))
		return pythia_type_is_measured(part);
	return get_typtype(base) == TYPTYPE_RANGE &&
		   (range_calls(base) || pythia_type_is_measured(get_range_subtype(base)));
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
	HeapTuple tuple;
	bool result;

	if (!IsA(node, FuncExpr) || call->funcid != F_NEXTVAL || !IsA(linitial(call->args), Const))
		return false;
	sequence = linitial(call->args);
	tuple = sequence->constisnull ? NULL : SearchSysCache1(RELOID, sequence->constvalue);
	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_class) GETSTRUCT(tuple))->relowner == owner;
	ReleaseSysCache(tuple);
	return result;
}

static bool any_calls(List *expressions)
{
	ListCell *cell;

	foreach (cell, expressions)
		if (pythia_type_calls(exprType(lfirst(cell))))
			return true;
	return false;
}

/* A function that comes with PostgreSQL and takes any type does with it what the type says. */
static bool operands_call(const Node *node)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			return pythia_type_calls(((const FuncExpr *) node)->funcresulttype) ||
				   any_calls(((const FuncExpr *) node)->args);
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			return any_calls(((const OpExpr *) node)->args);
		case T_ScalarArrayOpExpr:
			return any_calls(((const ScalarArrayOpExpr *) node)->args);
		default:
			return false;
	}
}

static bool is_known(const Node *node)
{
	switch (nodeTag(node))
	{
		case T_Var:
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
			return pythia_is_json_test(node);
	}
}

static bool calls_foreign(Node *node, void *owner)
{
	if (!node || counts_on(node, *(Oid *) owner))
		return false;
	return !is_known(node) || (IsA(node, CoerceViaIO) && pythia_type_calls(((CoerceViaIO *) node)->resulttype)) ||
		   check_functions_in_node(node, function_is_foreign, NULL) || operands_call(node) ||
		   expression_tree_walker(node, calls_foreign, owner);
}

bool pythia_expression_calls(Node *tree, Oid owner)
{
	return calls_foreign(tree, &owner);
}
