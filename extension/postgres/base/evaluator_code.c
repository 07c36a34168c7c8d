/* What a relation's owner has put into it that whoever reads or writes it would call. */
#include "postgres/base/evaluator.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static bool has_rights_of(Oid owner, Oid role)
{
	return owner == role || has_privs_of_role(owner, role);
}

static bool function_is_foreign(Oid function, void *context)
{
	HeapTuple tuple;
	Oid owner;

	if (function < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return true;
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return !has_rights_of(owner, *(Oid *) context);
}

static bool calls_foreign(Node *node, void *context)
{
	if (!node)
		return false;
	return IsA(node, CoerceToDomain) || check_functions_in_node(node, function_is_foreign, context) ||
		   expression_tree_walker(node, calls_foreign, context);
}

static bool text_calls_foreign(const char *text, Oid role)
{
	return text && calls_foreign(stringToNode(text), &role);
}

/* Whether making a value of the type calls what a user has written. */
static bool type_calls(Oid type)
{
	Oid element = get_base_element_type(type);

	check_stack_depth();
	if (OidIsValid(element))
		return type_calls(element);
	if (type_is_rowtype(type))
		return true;
	if (get_typtype(type) == TYPTYPE_RANGE)
		return type_calls(get_range_subtype(type));
	return get_typtype(type) == TYPTYPE_DOMAIN && type >= FirstNormalObjectId && DomainHasConstraints(type);
}

static const char *code_of_indexes(Relation relation, Oid role)
{
	List *indexes = RelationGetIndexList(relation);
	ListCell *cell;
	const char *result = NULL;

	foreach (cell, indexes)
	{
		HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		int parts[] = {Anum_pg_index_indexprs, Anum_pg_index_indpred};

		for (int i = 0; HeapTupleIsValid(tuple) && i < lengthof(parts); i++)
		{
			bool isnull;
			Datum tree = SysCacheGetAttr(INDEXRELID, tuple, parts[i], &isnull);

			if (!isnull && text_calls_foreign(TextDatumGetCString(tree), role))
				result = "an index on an expression";
		}
		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
	}
	return result;
}

static const char *code_of_constraints(Relation relation, Oid role, bool write)
{
	TupleConstr *constraints = RelationGetDescr(relation)->constr;

	for (int i = 0; constraints && i < constraints->num_check; i++)
		if (text_calls_foreign(constraints->check[i].ccbin, role))
			return "a check";
	for (int i = 0; write && constraints && i < constraints->num_defval; i++)
		if (text_calls_foreign(constraints->defval[i].adbin, role))
			return "a default or a generated column";
	return NULL;
}

static const char *code_for_writers(Relation relation, Oid role)
{
	TriggerDesc *triggers = relation->trigdesc;
	TupleDesc desc = RelationGetDescr(relation);

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if (!triggers->triggers[i].tgisinternal && (function_is_foreign(triggers->triggers[i].tgfoid, &role) ||
													text_calls_foreign(triggers->triggers[i].tgqual, role)))
			return "a trigger";
	if (relation->rd_rules)
		return "a rule";
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped && type_calls(TupleDescAttr(desc, i)->atttypid))
			return "a column of a domain, or of a row type";
	return NULL;
}

static const char *code_of(Relation relation, Oid role, bool write)
{
	char kind = relation->rd_rel->relkind;
	const char *result;

	if (kind == RELKIND_VIEW || kind == RELKIND_FOREIGN_TABLE)
		return kind == RELKIND_VIEW ? "a view's query" : "a foreign table's options";
	result = code_of_indexes(relation, role);
	if (!result)
		result = code_of_constraints(relation, role, write);
	if (!result && write)
		result = code_for_writers(relation, role);
	return result;
}

static void refuse_one(Oid relid, Oid role, bool write)
{
	Relation relation = relation_open(relid, NoLock);
	Oid owner = relation->rd_rel->relowner;
	const char *code = has_rights_of(owner, role) ? NULL : code_of(relation, role, write);

	if (code)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s of table \"%s\" would run with the rights of role \"%s\"", code,
						RelationGetRelationName(relation), GetUserNameFromId(role, false)),
				 errdetail("The table belongs to role \"%s\", which has fewer.", GetUserNameFromId(owner, false)),
				 errhint("Let that role own the sync worker, or call as it: SET ROLE %s.",
						 quote_identifier(GetUserNameFromId(owner, false)))));
	relation_close(relation, NoLock);
}

void pythia_evaluator_refuse(Relation relation, Oid role, bool write)
{
	/* against new triggers and indexes; a standby gets them from elsewhere, and takes no such lock */
	LOCKMODE mode = RecoveryInProgress() ? AccessShareLock : RowExclusiveLock;
	List *all = list_make1_oid(RelationGetRelid(relation));
	ListCell *cell;

	if (has_rights_of(relation->rd_rel->relowner, role) && !relation->rd_rel->relhassubclass)
		return;
	if (relation->rd_rel->relkind == RELKIND_RELATION || relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		LockRelationOid(RelationGetRelid(relation), mode);
		if (relation->rd_rel->relhassubclass)
			all = find_all_inheritors(RelationGetRelid(relation), mode, NULL);
	}
	foreach (cell, all)
		refuse_one(lfirst_oid(cell), role, write);
}
