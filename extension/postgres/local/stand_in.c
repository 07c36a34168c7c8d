#include "postgres/local/stand_in.h"

#include "access/relation.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "postgres/base/evaluator.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/trusted_calls.h"
#include "postgres/local/statement_code.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
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

typedef struct preparation
{
	const char *sql;
	int cursor_options;
	SPIPlanPtr plan;
} preparation;

static void prepare(void *argument)
{
	preparation *wanted = argument;

	wanted->plan = SPI_prepare_cursor(wanted->sql, 0, NULL, wanted->cursor_options);
}

SPIPlanPtr local_stand_in_prepare(const char *sql, int cursor_options, local_concerned *concerned, Oid *role)
{
	for (int attempt = 1;; attempt++)
	{
		preparation wanted = {sql, cursor_options, NULL};
		CachedPlanSource *source;
		SPIPlanPtr plan;
		Oid evaluator;

		/* parsing reads constants already, as the current role */
		pythia_with_trusted_calls(prepare, &wanted, GetUserId());
		plan = wanted.plan;
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

void local_stand_in_check(Oid role)
{
	local_stand_in in;

	if (!OidIsValid(role))
		return;
	local_stand_in_begin(&in, role, false);
	pythia_run_deferred_triggers();
	local_stand_in_end(&in);
}
