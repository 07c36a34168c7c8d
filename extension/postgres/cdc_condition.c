#include "cdc_condition.h"

#include "access/transam.h"
#include "cdc_image.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

struct pythia_filter
{
	ExprState *condition;
	ExprContext *econtext;
	TupleTableSlot *slot;
	bool foreign_code; /* it calls what does not come with PostgreSQL */
	bool of_session;   /* settings of the session may show */
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

Node *pythia_cdc_condition_node(Relation relation, const char *text)
{
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
	/* parse errors then say where */
	state->p_sourcetext = text;
	item = addRangeTableEntryForRelation(state, relation, AccessShareLock, makeAlias("t", NIL), false, true);
	addNSItemToQuery(state, item, true, true, true);
	condition =
		transformWhereClause(state, linitial_node(ResTarget, select->targetList)->val, EXPR_KIND_WHERE, "where");
	assign_expr_collations(state, condition);
	error_context_stack = callback.previous;
	free_parsestate(state);
	return condition;
}

char *pythia_cdc_condition(Relation relation, const char *text)
{
	Node *condition = pythia_cdc_condition_node(relation, text);
	char *result;
	/* read back with nothing but pg_catalog on the path, so that each name comes out qualified */
	int guc_level = NewGUCNestLevel();

	(void) set_config_option("search_path", "pg_catalog", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	result = deparse_expression(condition, deparse_context_for("t", RelationGetRelid(relation)), true, false);
	AtEOXact_GUC(false, guc_level);
	return result;
}

/* ---- on rows ---- */

static bool is_foreign(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

static bool calls_foreign_code(Node *node, void *context)
{
	if (!node)
		return false;
	/* a domain's checks may call anything */
	if (IsA(node, CoerceToDomain) || check_functions_in_node(node, is_foreign, context))
		return true;
	return expression_tree_walker(node, calls_foreign_code, context);
}

pythia_filter *pythia_filter_make(const pythia_cdc_worker *worker, Relation relation, const char *condition)
{
	pythia_filter *filter = palloc0(sizeof(pythia_filter));
	EState *estate = CreateExecutorState();
	pythia_cdc_identity before;
	Node *node;

	pythia_cdc_enter(worker, &before);
	node = pythia_cdc_condition_node(relation, condition);
	filter->foreign_code = calls_foreign_code(node, NULL);
	filter->of_session = contain_mutable_functions(node);
	filter->condition = ExecPrepareExpr((Expr *) node, estate);
	pythia_cdc_leave(&before);
	filter->econtext = CreateExprContext(estate);
	filter->slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(relation)), &TTSOpsHeapTuple);
	return filter;
}

bool pythia_filter_needs_owner(const pythia_filter *filter)
{
	return filter->foreign_code || (filter->of_session && pythia_session_is_bent());
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
