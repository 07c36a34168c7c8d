#include "postgres/capture/condition_check.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "postgres/base/expression.h"
#include "postgres/base/harmless.h"
#include "postgres/capture/nested.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"

#define HINT                                                                                                           \
	"Use the table's own columns with functions and operators of PostgreSQL that depend on nothing else, and "         \
	"filter further where changes are consumed."

/* ---- types ---- */

bool pythia_type_is_superusers(Oid type)
{
	Oid element = get_element_type(type);

	if (OidIsValid(element))
		return pythia_type_is_superusers(element);
	return pythia_nested_is_builtin(type) || get_typtype(type) == TYPTYPE_BASE;
}

/* Whether a constant becomes a value of the type by nothing but functions of a superuser's. */
static bool is_safe_literal(Oid type)
{
	Oid part = get_element_type(type);

	if (pythia_type_calls(type))
		return false;
	if (!OidIsValid(part))
		part = get_multirange_range(type);
	if (!OidIsValid(part) && type >= FirstNormalObjectId)
		part = get_range_subtype(type);
	if (OidIsValid(part))
		return is_safe_literal(part);
	/* a domain's checks and a row's columns may call anything */
	return pythia_type_is_superusers(type) || get_typtype(type) == TYPTYPE_ENUM;
}

static void check_column(Relation relation, const char *name)
{
	TupleDesc desc = RelationGetDescr(relation);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), name) != 0)
			continue;
		/* constants beside a domain are of the type below it */
		if (!is_safe_literal(getBaseType(attribute->atttypid)))
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("a condition cannot use column \"%s\" of type %s", name,
								   format_type_be(attribute->atttypid)),
							errdetail("Its values may call functions of the type's owner."), errhint(HINT)));
	}
}

static void pin_type(TypeCast *cast, bool written)
{
	int32 typmod;
	Oid type;

	typenameTypeIdAndMod(NULL, cast->typeName, &type, &typmod);
	if (cast->typeName->setof || !is_safe_literal(type) || (written && !pythia_type_is_superusers(type)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a condition cannot use type %s", format_type_be(type)),
				 errdetail("Its values may call functions of the type's owner."), errhint(HINT)));
	cast->typeName = makeTypeNameFromOid(type, typmod);
}

/* ---- as it is written ---- */

typedef struct raw_check
{
	Relation relation;
	bool written;
} raw_check;

static void out_of_place(void)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("a condition holds something that does not depend on the row alone"), errhint(HINT)));
}

/* table.column, or schema.table.column: the table has another name where the condition is evaluated. */
static bool names_table(Relation relation, List *fields)
{
	int count = list_length(fields);

	return (count == 2 || (count == 3 && strcmp(strVal(linitial(fields)),
												get_namespace_name(RelationGetNamespace(relation))) == 0)) &&
		   IsA(list_nth(fields, count - 2), String) &&
		   strcmp(strVal(list_nth(fields, count - 2)), RelationGetRelationName(relation)) == 0;
}

static bool check_raw(Node *node, void *context)
{
	raw_check *check = context;

	if (!node)
		return false;
	switch (nodeTag(node))
	{
		case T_ColumnRef:
		{
			ColumnRef *reference = (ColumnRef *) node;
			Node *last = llast(reference->fields);

			if (!IsA(last, String))
				out_of_place();
			check_column(check->relation, strVal(last));
			if (names_table(check->relation, reference->fields))
				reference->fields = list_make1(last);
			return false;
		}
		case T_TypeCast:
			pin_type((TypeCast *) node, check->written);
			break;
		case T_SubLink:
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("option \"where\" of table \"%s\" reads other tables, which a trigger cannot follow",
								   RelationGetRelationName(check->relation)),
							errhint(HINT)));
			break;
		case T_A_Const:
		case T_TypeName:
		case T_SQLValueFunction:
			return false;
		case T_List:
		case T_A_Expr:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_FuncCall:
		case T_A_ArrayExpr:
		case T_A_Indirection:
		case T_A_Indices:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_CollateClause:
		case T_RowExpr:
		case T_String:
		case T_Integer:
			break;
		default:
			out_of_place();
	}
	if (IsA(node, String) || IsA(node, Integer))
		return false;
	return raw_expression_tree_walker(node, check_raw, context);
}

void pythia_condition_check_raw(Node *raw, Relation relation, bool written)
{
	raw_check check = {relation, written};

	(void) check_raw(raw, &check);
}

/* ---- as it is understood ---- */

static bool is_refused(Oid function, void *context)
{
	if (!pythia_function_is_harmless(function))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a condition cannot call function %s", format_procedure(function)),
						errdetail(function >= FirstNormalObjectId
									  ? "It does not come with PostgreSQL, so others could change what it does."
									  : "What it returns does not depend on its arguments alone."),
						errhint(HINT)));
	return false;
}

static bool check_tree(Node *node, void *context)
{
	if (!node)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
			/* a whole row is of the table's row type */
			if (((Var *) node)->varattno == InvalidAttrNumber)
				out_of_place();
			return false;
		case T_SQLValueFunction:
			/* the dates and times come first; the others tell who writes, or polls */
			if (((SQLValueFunction *) node)->op > SVFOP_LOCALTIMESTAMP_N)
				out_of_place();
			return false;
		case T_CoerceViaIO:
			/* of any type its output function; in, only what has none of a user's to call */
			if (!pythia_nested_is_builtin(((CoerceViaIO *) node)->resulttype))
				out_of_place();
			break;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_FuncExpr:
		case T_RowCompareExpr:
			(void) check_functions_in_node(node, is_refused, context);
			if (pythia_operator_is_users(node))
				ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
								errmsg("a condition cannot use an operator that does not come with PostgreSQL"),
								errdetail("Its negator, which others could change, may be called in its place."),
								errhint(HINT)));
			break;
		default:
			if (!pythia_node_calls_nothing(node))
				out_of_place();
	}
	return expression_tree_walker(node, check_tree, context);
}

void pythia_condition_check_tree(Node *condition)
{
	(void) check_tree(condition, NULL);
}
