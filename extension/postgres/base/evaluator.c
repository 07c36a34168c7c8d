#include "postgres/base/evaluator.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "postgres/base/inheritors.h"
#include "postgres/base/pg_compat.h"
#include "rewrite/prs2lock.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

/* Tables and views that a view reads, each as often as it is named: one may double what another one reads, and
 * PostgreSQL looks at each of them anew where nothing can interrupt it. */
#define MOST_READ 1000

typedef struct gathering
{
	Relation from; /* where it began */
	List *owners;
	int read;
} gathering;

static void gather(Relation relation, gathering *g);

/* A query of a view, within another one perhaps. */
typedef struct view_gathering
{
	Relation view;
	gathering *g;
	const Query *query;
	struct view_gathering *outer;
} view_gathering;

static bool gather_of_query(Node *node, void *context);

static void count(const view_gathering *of)
{
	CHECK_FOR_INTERRUPTS();
	if (++of->g->read > MOST_READ)
		ereport(ERROR, (errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
						errmsg("view \"%s\" is too large", RelationGetRelationName(of->g->from)),
						errdetail("It reads more than %d tables and views.", MOST_READ),
						errhint("Let its owner write it with fewer of them, or leave it out.")));
}

/* A query in WITH that is put in place of each name for it. */
static void gather_of_with(const RangeTblEntry *entry, view_gathering *of)
{
	Index up = entry->ctelevelsup;
	ListCell *cell;

	while (of && up-- > 0)
		of = of->outer;
	if (!of || !of->query || entry->self_reference)
		return;
	foreach (cell, of->query->cteList)
	{
		CommonTableExpr *with = lfirst_node(CommonTableExpr, cell);

		if (strcmp(with->ctename, entry->ctename) != 0 || with->ctematerialized != CTEMaterializeNever ||
			with->cterecursive)
			continue;
		count(of);
		(void) gather_of_query(with->ctequery, of);
	}
}

static bool gather_of_query(Node *node, void *context)
{
	view_gathering *outer = context;
	view_gathering of;
	ListCell *cell;

	if (!node)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, gather_of_query, context);
	check_stack_depth();
	of = (view_gathering){outer->view, outer->g, (Query *) node, outer};
	foreach (cell, ((Query *) node)->rtable)
	{
		RangeTblEntry *entry = lfirst(cell);
		Relation relation;

		if (entry->rtekind == RTE_CTE)
			gather_of_with(entry, &of);
		/* a view's query also holds the view itself, as OLD and NEW */
		if (entry->rtekind != RTE_RELATION || entry->relid == RelationGetRelid(of.view))
			continue;
		count(&of);
		relation = relation_open(entry->relid, AccessShareLock);
		gather(relation, of.g);
		relation_close(relation, NoLock);
	}
	return query_tree_walker((Query *) node, gather_of_query, &of, 0);
}

/* The owners of everything whose expressions a statement on the relation evaluates. */
static void gather(Relation relation, gathering *g)
{
	Oid relid = RelationGetRelid(relation);

	check_stack_depth();
	g->owners = list_append_unique_oid(g->owners, relation->rd_rel->relowner);
	if (relation->rd_rel->relkind == RELKIND_VIEW)
	{
		view_gathering of = {relation, g, NULL, NULL};

		for (int i = 0; relation->rd_rules && i < relation->rd_rules->numLocks; i++)
			if (relation->rd_rules->rules[i]->event == CMD_SELECT)
				(void) gather_of_query((Node *) linitial(relation->rd_rules->rules[i]->actions), &of);
	}
	else if (relation->rd_rel->relhassubclass)
	{
		List *children = pythia_all_inheritors(relid, AccessShareLock);
		ListCell *cell;

		foreach (cell, children)
		{
			Relation child;

			if (lfirst_oid(cell) == relid)
				continue;
			child = relation_open(lfirst_oid(cell), NoLock);
			g->owners = list_append_unique_oid(g->owners, child->rd_rel->relowner);
			relation_close(child, NoLock);
		}
	}
}

/* The first of them that has not the role's rights. */
static Oid first_without(List *owners, Oid role)
{
	ListCell *cell;

	foreach (cell, owners)
		if (!has_privs_of_role(lfirst_oid(cell), role))
			return lfirst_oid(cell);
	return InvalidOid;
}

static void refuse(Relation relation, Oid role, Oid other)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("what role \"%s\" has put into \"%s\" would run with the rights of role \"%s\"",
					GetUserNameFromId(other, false), RelationGetRelationName(relation), GetUserNameFromId(role, false)),
			 errdetail("A view's functions, and expressions of indexes and checks of a table that others inherit from, "
					   "are evaluated by whoever reads."),
			 errhint("Let its owner own all of it, or use a role whose rights that role has.")));
}

/* Another one reads in place of `role`: no more than `role` may. */
static void check_readable(Relation relation, Oid role)
{
	Oid relid = RelationGetRelid(relation);
	AclResult allowed = pythia_namespace_usage(RelationGetNamespace(relation), role);

	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_SCHEMA, get_namespace_name(RelationGetNamespace(relation)));
	allowed = pg_class_aclcheck(relid, role, ACL_SELECT);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, get_relkind_objtype(relation->rd_rel->relkind), RelationGetRelationName(relation));
	if (check_enable_rls(relid, role, true) == RLS_ENABLED)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("row-level security hides rows of \"%s\" from role \"%s\"",
							   RelationGetRelationName(relation), GetUserNameFromId(role, false)),
						errhint("Let the table's owner or a role with BYPASSRLS own the worker.")));
}

/*
 * A plain table's owner shows what he shows to whom he granted it.  What a view or a foreign table shows may depend on
 * who reads it, so there only somebody does whose rights `role` has itself.
 */
static bool may_stand_in(Relation relation, Oid role, Oid candidate)
{
	char kind = relation->rd_rel->relkind;

	if (pg_class_aclcheck(RelationGetRelid(relation), candidate, ACL_SELECT) != ACLCHECK_OK)
		return false;
	return has_privs_of_role(role, candidate) ||
		   (candidate == relation->rd_rel->relowner && kind != RELKIND_VIEW && kind != RELKIND_FOREIGN_TABLE);
}

Oid pythia_evaluator(Relation relation, Oid role)
{
	gathering g = {.from = relation};
	ListCell *cell;
	Oid other;

	/* what is most common */
	if (relation->rd_rel->relowner == role && relation->rd_rel->relkind != RELKIND_VIEW &&
		!relation->rd_rel->relhassubclass)
		return role;
	gather(relation, &g);
	other = first_without(g.owners, role);
	if (!OidIsValid(other))
		return role;
	foreach (cell, g.owners)
		if (may_stand_in(relation, role, lfirst_oid(cell)) && !OidIsValid(first_without(g.owners, lfirst_oid(cell))))
		{
			check_readable(relation, role);
			return lfirst_oid(cell);
		}
	refuse(relation, role, other);
	return InvalidOid;
}

void pythia_evaluator_check_size(Relation relation)
{
	gathering g = {.from = relation};

	if (relation->rd_rel->relkind == RELKIND_VIEW)
		gather(relation, &g);
	list_free(g.owners);
}

Oid pythia_evaluator_among(List *relids, Oid role)
{
	gathering g = {0};
	ListCell *cell;

	foreach (cell, relids)
	{
		Relation relation = relation_open(lfirst_oid(cell), NoLock);

		g.from = relation;
		gather(relation, &g);
		relation_close(relation, NoLock);
	}
	if (!OidIsValid(first_without(g.owners, role)))
		return role;
	foreach (cell, g.owners)
		if (has_privs_of_role(role, lfirst_oid(cell)) && !OidIsValid(first_without(g.owners, lfirst_oid(cell))))
			return lfirst_oid(cell);
	return role;
}

int pythia_evaluator_context(int present, Oid evaluator, Oid role)
{
	int context = present | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION;

	/* policies that a table forces on its owner are no reason to hide rows from `role`, who was asked before */
	return evaluator == role ? context : context | SECURITY_NOFORCE_RLS;
}
