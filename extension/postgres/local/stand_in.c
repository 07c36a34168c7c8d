#include "postgres/local/stand_in.h"

#include "access/relation.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "postgres/base/evaluator.h"
#include "postgres/base/expression.h"
#include "postgres/base/pg_compat.h"
#include "postgres/local/statement_code.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

/* So often a statement is parsed anew where something changed while its tables were looked at; then it is refused. */
#define MAX_ATTEMPTS 5

/* ---- what a statement concerns ---- */

static bool concerns(Oid relid)
{
	return relid >= FirstNormalObjectId && !isTempNamespace(get_rel_namespace(relid));
}

static bool look_at(Node *node, void *context)
{
	local_concerned *concerned = context;
	Query *query = (Query *) node;
	int position = 0;
	ListCell *cell;

	if (!node)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, look_at, context);
	foreach (cell, query->rtable)
	{
		const RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		position++;
		/* a view's own entry has become its query's, and since 16 has its number still */
		if ((entry->rtekind != RTE_RELATION && entry->rtekind != RTE_SUBQUERY) || !concerns(entry->relid))
			continue;
		if (position == query->resultRelation)
			concerned->written = list_append_unique_oid(concerned->written, entry->relid);
		else
			concerned->read = list_append_unique_oid(concerned->read, entry->relid);
	}
	return query_tree_walker(query, look_at, context, 0);
}

/* A command finds its table by the name that it has when it runs: that is kept from here on. */
static void add_named(local_concerned *concerned, const RangeVar *name)
{
	Oid schema = name->schemaname ? get_namespace_oid(name->schemaname, true) : InvalidOid;
	Oid relid;

	if (OidIsValid(schema))
		pythia_evaluator_hold_schema(schema, GetUserId());
	relid = RangeVarGetRelid(name, AccessShareLock, true);
	if (OidIsValid(relid) && concerns(relid))
		concerned->written = list_append_unique_oid(concerned->written, relid);
}

static void look_at_command(local_concerned *concerned, Node *command)
{
	ListCell *cell;

	switch (nodeTag(command))
	{
		case T_CreateTableAsStmt:
			(void) look_at(((CreateTableAsStmt *) command)->query, concerned);
			break;
		case T_AlterTableStmt:
			add_named(concerned, ((AlterTableStmt *) command)->relation);
			break;
		case T_IndexStmt:
			add_named(concerned, ((IndexStmt *) command)->relation);
			break;
		case T_TruncateStmt:
			foreach (cell, ((TruncateStmt *) command)->relations)
				add_named(concerned, lfirst(cell));
			break;
		default:
			break;
	}
}

static CachedPlanSource *source_of(SPIPlanPtr plan)
{
	List *sources = SPI_plan_get_plan_sources(plan);

	if (list_length(sources) != 1)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("several statements in one")));
	return linitial(sources);
}

local_concerned local_concerned_by(SPIPlanPtr plan)
{
	local_concerned concerned = {NIL, NIL};
	ListCell *cell;

	foreach (cell, source_of(plan)->query_list)
	{
		Query *query = lfirst_node(Query, cell);

		if (query->commandType == CMD_UTILITY)
			look_at_command(&concerned, query->utilityStmt);
		else
			(void) look_at((Node *) query, &concerned);
	}
	return concerned;
}

/* ---- may it run, and as whom ---- */

static void look_at_relation(Oid relid, bool write)
{
	Relation relation = relation_open(relid, AccessShareLock);

	pythia_evaluator_hold_schema(RelationGetNamespace(relation), GetUserId());
	pythia_evaluator_refuse(relation, GetUserId(), write);
	relation_close(relation, NoLock);
}

static void refuse(const local_concerned *concerned)
{
	ListCell *cell;

	foreach (cell, concerned->written)
		look_at_relation(lfirst_oid(cell), true);
	foreach (cell, concerned->read)
		look_at_relation(lfirst_oid(cell), false);
}

static Oid evaluator_of(const local_concerned *concerned)
{
	List *relids = list_concat_unique_oid(list_copy(concerned->read), concerned->written);
	Oid evaluator = relids == NIL ? GetUserId() : pythia_evaluator_among(relids, GetUserId());

	return evaluator == GetUserId() ? InvalidOid : evaluator;
}

/* Whoever runs it: the rights that it takes are asked of the current role. */
static bool ask_current_role(Node *node, void *context)
{
	if (!node)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, ask_current_role, context);
	pythia_check_as((Query *) node, GetUserId());
	return query_tree_walker((Query *) node, ask_current_role, context, 0);
}

/* The plan is the other role's from here on; what policies hide from the current role was found when it was parsed. */
static void hand_over(CachedPlanSource *source, Oid role)
{
	ListCell *cell;

	foreach (cell, source->query_list)
		(void) ask_current_role(lfirst(cell), NULL);
	source->rewriteRoleId = role;
}

/*
 * Parsing reads constants already, as the current role, as values of what stands beside them: of a column's type, or of a
 * type that is named.
 */
typedef struct raw_look
{
	List *columns; /* char *: those, and tables as rows, whose types call what somebody else has written */
	bool constant; /* of an expression: holds a text that is of no type yet */
	bool column;   /* and one of these columns */
} raw_look;

static void add_column(raw_look *look, const char *name, Oid type)
{
	if (pythia_type_calls(getBaseType(type)) && local_type_is_others(type, GetUserId()))
		look->columns = lappend(look->columns, pstrdup(name));
}

static void look_at_columns(raw_look *look, const RangeVar *name, bool write)
{
	Oid relid = RangeVarGetRelid(name, AccessShareLock, true);
	Relation relation;

	if (!OidIsValid(relid) || !concerns(relid))
		return;
	look_at_relation(relid, write);
	relation = relation_open(relid, NoLock);
	for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(relation), i);

		if (!column->attisdropped)
			add_column(look, NameStr(column->attname), column->atttypid);
	}
	/* as a row */
	if (OidIsValid(relation->rd_rel->reltype))
		add_column(look, name->alias ? name->alias->aliasname : name->relname, relation->rd_rel->reltype);
	relation_close(relation, NoLock);
}

/* All tables and types that it names. */
static bool look_at_names(Node *node, void *context)
{
	if (!node)
		return false;
	if (IsA(node, RangeVar))
	{
		look_at_columns(context, (RangeVar *) node, false);
		return false;
	}
	if (IsA(node, InsertStmt))
		look_at_columns(context, ((InsertStmt *) node)->relation, true);
	if (IsA(node, UpdateStmt))
		look_at_columns(context, ((UpdateStmt *) node)->relation, true);
	if (IsA(node, TypeName))
	{
		local_type_refuse((TypeName *) node, GetUserId());
		return false;
	}
	return raw_expression_tree_walker(node, look_at_names, context);
}

static bool is_named(const raw_look *look, const ColumnRef *reference)
{
	Node *last = llast(reference->fields);
	ListCell *cell;

	foreach (cell, look->columns)
		if (IsA(last, String) && strcmp(strVal(last), lfirst(cell)) == 0)
			return true;
	return false;
}

/* pg_catalog.concat and concat_ws write each argument as it is, into a text. */
static bool writes_text(const Node *node)
{
	const List *name = IsA(node, FuncCall) ? ((const FuncCall *) node)->funcname : NIL;

	return list_length(name) == 2 && strcmp(strVal(linitial(name)), "pg_catalog") == 0 &&
		   (strcmp(strVal(lsecond(name)), "concat") == 0 || strcmp(strVal(lsecond(name)), "concat_ws") == 0);
}

/* What is cast is of the type that is named there, and a test is true or false. */
static bool has_own_type(const Node *node)
{
	switch (nodeTag(node))
	{
		case T_TypeCast:
		case T_NullTest:
		case T_BooleanTest:
		case T_SelectStmt:
			return true;
		case T_A_Expr:
			/* an operator may make anything */
			return ((const A_Expr *) node)->kind != AEXPR_OP && ((const A_Expr *) node)->kind != AEXPR_NULLIF;
		default:
			return writes_text(node);
	}
}

static bool look_at_expression(Node *node, void *context)
{
	raw_look *look = context;

	if (!node || has_own_type(node))
		return false;
	if (IsA(node, ColumnRef))
		look->column = look->column || is_named(look, (ColumnRef *) node);
	else if (IsA(node, A_Const))
		look->constant = look->constant || pythia_is_text_constant((A_Const *) node);
	else
		return raw_expression_tree_walker(node, look_at_expression, context);
	return false;
}

/* Each comparison or call that stands by itself. */
static bool look_at_constants(Node *node, void *context)
{
	raw_look *look = context;

	if (!node)
		return false;
	if (IsA(node, A_Expr) || (IsA(node, FuncCall) && !writes_text(node)) || IsA(node, CoalesceExpr) ||
		IsA(node, MinMaxExpr) || IsA(node, CaseExpr) || IsA(node, A_ArrayExpr) || IsA(node, RowExpr))
	{
		look->constant = look->column = false;
		(void) raw_expression_tree_walker(node, look_at_expression, context);
		if (look->constant && look->column)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("a constant would be read as a value of another role's type with the rights of role \"%s\"",
							GetUserNameFromId(GetUserId(), false)),
					 errdetail("It stands beside a column whose type calls what that role has written."),
					 errhint("Leave that column out of \"where\", or cast it to text there.")));
	}
	return raw_expression_tree_walker(node, look_at_constants, context);
}

static void look_at_text(const char *sql)
{
	ListCell *cell;

	foreach (cell, raw_parser(sql, RAW_PARSE_DEFAULT))
	{
		Node *statement = lfirst_node(RawStmt, cell)->stmt;
		raw_look look = {0};

		if (IsA(statement, CreateTableAsStmt))
			statement = ((CreateTableAsStmt *) statement)->query;
		if (!IsA(statement, SelectStmt) && !IsA(statement, InsertStmt) && !IsA(statement, UpdateStmt) &&
			!IsA(statement, DeleteStmt))
			continue;
		(void) look_at_names(statement, &look);
		if (look.columns != NIL)
			(void) look_at_constants(statement, &look);
	}
}

SPIPlanPtr local_stand_in_prepare(const char *sql, int cursor_options, local_concerned *concerned, Oid *role)
{
	for (int attempt = 1;; attempt++)
	{
		CachedPlanSource *source;
		SPIPlanPtr plan;
		Oid evaluator;

		look_at_text(sql);
		plan = SPI_prepare_cursor(sql, 0, NULL, cursor_options);
		if (!plan)
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("statement cannot run inside the server: %s", SPI_result_code_string(SPI_result))));
		source = source_of(plan);
		*concerned = local_concerned_by(plan);
		refuse(concerned);
		*role = evaluator_of(concerned);
		evaluator = OidIsValid(*role) ? *role : GetUserId();
		local_statement_refuse(source->query_list, evaluator);
		/* names could mean something else by now: what runs is what was looked at */
		if (source->is_valid)
		{
			if (OidIsValid(*role) && linitial_node(Query, source->query_list)->commandType == CMD_UTILITY)
				*role = InvalidOid;
			if (OidIsValid(*role))
				hand_over(source, *role);
			return plan;
		}
		SPI_freeplan(plan);
		if (attempt == MAX_ATTEMPTS)
			ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
							errmsg("tables of a statement are changed again and again while they are looked at"),
							errhint("Try again when nobody alters them.")));
	}
}

Oid local_stand_in_at(Relation relation)
{
	local_concerned concerned = {NIL, NIL};

	if (isTempNamespace(RelationGetNamespace(relation)))
		return InvalidOid;
	concerned.written = list_make1_oid(RelationGetRelid(relation));
	refuse(&concerned);
	return evaluator_of(&concerned);
}

static uint64 moment = 0; /* 0: nobody has asked yet */

static void relation_changed(Datum arg, Oid relid)
{
	moment++;
}

static void catalog_changed(Datum arg, int cache, uint32 hash)
{
	moment++;
}

uint64 local_stand_in_moment(void)
{
	/* of a relation's own triggers, rules, indexes, checks and defaults its own invalidation tells */
	static const int caches[] = {AUTHMEMROLEMEM, AUTHOID, CASTSOURCETARGET, COLLOID, DATABASEOID,
								 NAMESPACEOID,   OPEROID, PROCOID,          TYPEOID};

	if (moment == 0)
	{
		moment = 1;
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		for (int i = 0; i < lengthof(caches); i++)
			CacheRegisterSyscacheCallback(caches[i], catalog_changed, (Datum) 0);
	}
	AcceptInvalidationMessages();
	return moment;
}

void local_stand_in_look_again(Oid relid)
{
	look_at_relation(relid, true);
}

/* ---- running ---- */

void local_stand_in_begin(local_stand_in *in, Oid role, bool restricted)
{
	int context;

	in->role = role;
	if (!OidIsValid(role))
		return;
	pythia_user_call_begin(&in->before);
	context = pythia_evaluator_context(in->before.context, role, in->before.role);
	if (!restricted)
		context = (context & ~SECURITY_RESTRICTED_OPERATION) | (in->before.context & SECURITY_RESTRICTED_OPERATION);
	SetUserIdAndSecContext(role, context);
}

void local_stand_in_end(const local_stand_in *in)
{
	if (OidIsValid(in->role))
		pythia_user_call_end(&in->before);
}

/* As at the end of a statement. */
static void fire_triggers(void)
{
	EState *estate = CreateExecutorState();

	AfterTriggerEndQuery(estate);
	ExecResetTupleTable(estate->es_tupleTable, false);
	ExecCloseResultRelations(estate);
	FreeExecutorState(estate);
}

int local_stand_in_execute(SPIPlanPtr plan, const local_concerned *concerned, Oid role, bool read_only)
{
	local_stand_in in;
	ListCell *cell;
	int code;

	if (!OidIsValid(role))
		return SPI_execute_plan(plan, NULL, NULL, read_only, 0);
	/* triggers that fire AFTER wait for this level: in a security-restricted operation none could be deferred */
	AfterTriggerBeginQuery();
	local_stand_in_begin(&in, role, true);
	code = SPI_execute_snapshot(plan, NULL, NULL, InvalidSnapshot, InvalidSnapshot, read_only, false, 0);
	local_stand_in_end(&in);
	local_stand_in_begin(&in, role, false);
	fire_triggers();
	local_stand_in_end(&in);
	/* those of a child that came meanwhile may have left something for the end of the transaction, when we are ourselves */
	foreach (cell, concerned->written)
		local_stand_in_look_again(lfirst_oid(cell));
	return code;
}

void local_stand_in_settle(Oid role)
{
	local_stand_in in;

	if (!OidIsValid(role))
		return;
	local_stand_in_begin(&in, role, false);
	pythia_run_deferred_triggers();
	local_stand_in_end(&in);
}
