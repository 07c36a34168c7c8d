#include "postgres/capture/condition.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/trusted_calls.h"
#include "postgres/capture/condition_check.h"
#include "postgres/capture/identity.h"
#include "postgres/capture/image.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

struct pythia_filter
{
	ExprState *condition;
	ExprContext *econtext;
	TupleTableSlot *slot;
	bool of_session; /* settings of the session may show */
	bool of_locale;  /* those of money, numbers and names of months, too */
};

typedef struct condition_text
{
	const char *table;
	const char *text;
} condition_text;

/* Says what it is, and where in it the mistake is, as errors in functions do. */
static void say_option(void *arg)
{
	const condition_text *condition = arg;
	int position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(condition->text);
	}
	errcontext("option \"where\" of table \"%s\"", condition->table);
}

typedef struct condition_analysis
{
	ParseState *state;
	Node *raw;
	Node *result;
} condition_analysis;

static void analyse(void *argument)
{
	condition_analysis *analysis = argument;

	analysis->result = transformWhereClause(analysis->state, analysis->raw, EXPR_KIND_WHERE, "where");
	assign_expr_collations(analysis->state, analysis->result);
	pythia_condition_check_tree(analysis->result);
}

static Node *analysed(Relation relation, const char *text, bool written)
{
	condition_analysis analysis = {0};
	condition_text given = {RelationGetRelationName(relation), text};
	ErrorContextCallback callback = {.callback = say_option, .arg = &given};
	ParseState *state = make_parsestate(NULL);
	ParseNamespaceItem *item;
	SelectStmt *select;
	List *parsed;
	Node *condition;

	callback.previous = error_context_stack;
	error_context_stack = &callback;
	parsed = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	select = castNode(SelectStmt, linitial_node(RawStmt, parsed)->stmt);
	if (list_length(select->targetList) != 1 || select->fromClause || select->whereClause || select->groupClause ||
		select->havingClause || select->windowClause || select->sortClause || select->limitCount ||
		select->limitOffset || select->lockingClause || select->op != SETOP_NONE || select->distinctClause)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("invalid value for option \"where\""),
						errhint("Give one condition over the table's columns, for example \"status <> 'draft'\".")));
	pythia_condition_check_raw(linitial_node(ResTarget, select->targetList)->val, relation, written);
	/* parse errors then say where */
	state->p_sourcetext = text;
	item = addRangeTableEntryForRelation(state, relation, AccessShareLock, makeAlias("t", NIL), false, true);
	addNSItemToQuery(state, item, true, true, true);
	/* it reads constants, as values of the types of what stands beside them */
	analysis.state = state;
	analysis.raw = linitial_node(ResTarget, select->targetList)->val;
	pythia_with_trusted_calls(analyse, &analysis, InvalidOid);
	condition = analysis.result;
	error_context_stack = callback.previous;
	free_parsestate(state);
	return condition;
}

Node *pythia_cdc_condition_node(Relation relation, const char *written)
{
	return analysed(relation, written, true);
}

static bool is_others_constant(Node *node)
{
	return IsA(node, Const) && !pythia_type_is_superusers(((Const *) node)->consttype);
}

static bool has_others_constants(Node *node, void *context)
{
	return node && (is_others_constant(node) || expression_tree_walker(node, has_others_constants, context));
}

/* Constants of an enum's type become constants without one, which take that of the column beside them. */
static Node *without_types(Node *node, void *context)
{
	Const *constant = (Const *) node;
	Oid output;
	bool varlena;

	if (!node)
		return NULL;
	if (!is_others_constant(node))
		return expression_tree_mutator(node, without_types, context);
	getTypeOutputInfo(constant->consttype, &output, &varlena);
	return (Node *) makeConst(
		UNKNOWNOID, -1, InvalidOid, -2,
		constant->constisnull ? (Datum) 0 : CStringGetDatum(OidOutputFunctionCall(output, constant->constvalue)),
		constant->constisnull, false);
}

/*
 * No name of a user's is written down: what has the name later is read by whoever
 * polls or writes, and its owner might have made something else of it.
 */
char *pythia_cdc_condition(Relation relation, const char *text)
{
	Node *condition = analysed(relation, text, false);
	Node *again;
	char *result;
	int guc_level;

	if (has_others_constants(condition, NULL))
		condition = eval_const_expressions(NULL, condition);
	/* as it is read later: each name comes out qualified, and constants so that they say the same then */
	guc_level = pythia_cdc_pin();
	result = deparse_expression(without_types(condition, NULL), deparse_context_for("t", RelationGetRelid(relation)),
								true, false);
	again = pythia_cdc_condition_node(relation, result);
	AtEOXact_GUC(false, guc_level);
	if (!equal(eval_const_expressions(NULL, again), eval_const_expressions(NULL, condition)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("invalid value for option \"where\" of table \"%s\": it means something else where types "
						"of users go without their names",
						RelationGetRelationName(relation)),
				 errdetail("It would be written down as: %s", result),
				 errhint("Compare columns of such a type with plain constants, or as text.")));
	return result;
}

/* ---- on rows ---- */

static bool function_is_of_locale(Oid function, void *context)
{
	switch (function)
	{
		case F_CASH_IN:
		case F_CASH_OUT:
		case F_NUMERIC_MONEY:
		case F_MONEY_NUMERIC:
		case F_MONEY_INT4:
		case F_MONEY_INT8:
		case F_TO_CHAR_INTERVAL_TEXT:
		case F_TO_CHAR_TIMESTAMPTZ_TEXT:
		case F_TO_CHAR_TIMESTAMP_TEXT:
		case F_TO_CHAR_NUMERIC_TEXT:
		case F_TO_CHAR_INT4_TEXT:
		case F_TO_CHAR_INT8_TEXT:
		case F_TO_CHAR_FLOAT4_TEXT:
		case F_TO_CHAR_FLOAT8_TEXT:
		case F_TO_NUMBER:
		case F_TO_DATE:
		case F_TO_TIMESTAMP_TEXT_TEXT:
			return true;
		default:
			return false;
	}
}

static bool is_of_locale(Node *node, void *context)
{
	return node && (check_functions_in_node(node, function_is_of_locale, context) ||
					expression_tree_walker(node, is_of_locale, context));
}

pythia_filter *pythia_filter_make(const pythia_cdc_worker *worker, Relation relation, const char *condition)
{
	pythia_filter *filter = palloc0(sizeof(pythia_filter));
	EState *estate = CreateExecutorState();
	pythia_cdc_identity before;
	Node *node;

	pythia_cdc_enter(worker, NULL, &before);
	/* it is asked of tuples, which do not have virtual columns */
	node = pythia_with_virtual_columns(pythia_cdc_condition_node(relation, condition), relation);
	filter->of_session = contain_mutable_functions(node);
	filter->of_locale = is_of_locale(node, NULL);
	filter->condition = ExecPrepareExpr((Expr *) node, estate);
	pythia_cdc_leave(&before);
	filter->econtext = CreateExprContext(estate);
	filter->slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(relation)), &TTSOpsHeapTuple);
	return filter;
}

bool pythia_filter_is_bent(const pythia_filter *filter)
{
	return filter->of_session && pythia_session_is_bent(filter->of_locale);
}

bool pythia_filter_passes(pythia_filter *filter, HeapTuple row)
{
	bool result;

	ExecStoreHeapTuple(row, filter->slot, false);
	filter->econtext->ecxt_scantuple = filter->slot;
	result = ExecQual(filter->condition, filter->econtext);
	ExecClearTuple(filter->slot);
	ResetExprContext(filter->econtext);
	return result;
}
