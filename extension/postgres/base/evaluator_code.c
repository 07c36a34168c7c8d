/* What a relation's owner has put into it that whoever reads or writes it would call. */
#include "postgres/base/evaluator.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/dependency.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_index.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_statistic_ext.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "postgres/base/expression.h"
#include "postgres/base/inheritors.h"
#include "postgres/base/pg_compat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static bool text_calls_foreign(const char *text, Relation relation)
{
	return text && pythia_expression_calls(stringToNode(text), relation->rd_rel->relowner);
}

static const char *code_of_indexes(Relation relation)
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

			if (!isnull && text_calls_foreign(TextDatumGetCString(tree), relation))
				result = "an index on an expression";
		}
		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
	}
	return result;
}

static const char *code_of_constraints(Relation relation, bool write)
{
	TupleConstr *constraints = RelationGetDescr(relation)->constr;

	for (int i = 0; constraints && i < constraints->num_check; i++)
		if (text_calls_foreign(constraints->check[i].ccbin, relation))
			return "a check";
	for (int i = 0; constraints && i < constraints->num_defval; i++)
		/* a column that is virtual is worked out by who reads it */
		if ((write || TupleDescAttr(RelationGetDescr(relation), constraints->defval[i].adnum - 1)->attgenerated ==
						  ATTRIBUTE_GENERATED_VIRTUAL) &&
			text_calls_foreign(constraints->defval[i].adbin, relation))
			return "a default or a generated column";
	return NULL;
}

/*
 * Whoever has written a trigger's function, the table, the event and the arguments are the table owner's.  Those that come
 * with PostgreSQL or with us do no more than their columns ask for.
 */
static bool trigger_is_foreign(Oid function)
{
	return function >= FirstNormalObjectId &&
		   getExtensionOfObject(ProcedureRelationId, function) != get_extension_oid("pythia_db", true);
}

/*
 * A row that gets another key is compared with what it was by the operator of the other table's key, for which a user's
 * type may need a cast.  Who owns the type exchanges that when he likes: no lock of a table keeps it away.
 */
static bool key_needs_cast(Relation relation)
{
	List *keys = copyObject(RelationGetFKeyList(relation)); /* what is looked up below may free it */
	ListCell *cell;

	foreach (cell, keys)
	{
		const ForeignKeyCacheInfo *key = lfirst_node(ForeignKeyCacheInfo, cell);

		for (int i = 0; i < key->nkeys; i++)
		{
			Oid type = TupleDescAttr(RelationGetDescr(relation), key->conkey[i] - 1)->atttypid;
			Oid left;
			Oid right;

			op_input_types(key->conpfeqop[i], &left, &right);
			if (type >= FirstNormalObjectId && !IsBinaryCoercible(type, right))
				return true;
		}
	}
	return false;
}

static const char *code_for_writers(Relation relation)
{
	TriggerDesc *triggers = CopyTriggerDesc(relation->trigdesc); /* as above */
	TupleDesc desc = RelationGetDescr(relation);

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if (!triggers->triggers[i].tgisinternal && (trigger_is_foreign(triggers->triggers[i].tgfoid) ||
													text_calls_foreign(triggers->triggers[i].tgqual, relation)))
			return "a trigger";
	if (relation->rd_rules)
		return "a rule";
	if (key_needs_cast(relation))
		return "a cast for a foreign key";
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped && pythia_type_calls(TupleDescAttr(desc, i)->atttypid))
			return "a column of a domain, or of a row type";
	return NULL;
}

/* Opening a partitioned table for its partitions evaluates what is constant in its key. */
static const char *code_of_partitions(Relation relation)
{
	HeapTuple tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(RelationGetRelid(relation)));
	bool isnull;
	Datum tree;
	bool foreign;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	tree = SysCacheGetAttr(PARTRELID, tuple, Anum_pg_partitioned_table_partexprs, &isnull);
	foreign = !isnull && text_calls_foreign(TextDatumGetCString(tree), relation);
	ReleaseSysCache(tuple);
	return foreign ? "a partition key" : NULL;
}

/* So does planning, of what is constant in statistics. */
static const char *code_of_statistics(Relation relation)
{
	List *all = RelationGetStatExtList(relation);
	ListCell *cell;
	const char *result = NULL;

	foreach (cell, all)
	{
		HeapTuple tuple = SearchSysCache1(STATEXTOID, ObjectIdGetDatum(lfirst_oid(cell)));
		bool isnull = true;
		Datum tree = (Datum) 0;

		if (!HeapTupleIsValid(tuple))
			continue;
		tree = SysCacheGetAttr(STATEXTOID, tuple, Anum_pg_statistic_ext_stxexprs, &isnull);
		if (!isnull && text_calls_foreign(TextDatumGetCString(tree), relation))
			result = "an expression of statistics";
		ReleaseSysCache(tuple);
	}
	return result;
}

static const char *code_of_types(Relation relation)
{
	TupleDesc desc = RelationGetDescr(relation);

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped && pythia_type_is_measured(TupleDescAttr(desc, i)->atttypid))
			return "the type of a column";
	return NULL;
}

static const char *code_of(Relation relation, bool write)
{
	char kind = relation->rd_rel->relkind;
	const char *result;

	if (kind == RELKIND_VIEW || kind == RELKIND_FOREIGN_TABLE)
		return kind == RELKIND_VIEW ? "a view's query" : "a foreign table's options";
	result = code_of_types(relation);
	if (!result)
		result = code_of_partitions(relation);
	if (!result)
		result = code_of_statistics(relation);
	if (!result)
		result = code_of_indexes(relation);
	if (!result)
		result = code_of_constraints(relation, write);
	if (!result && write)
		result = code_for_writers(relation);
	return result;
}

static void refuse_code(Relation relation, Oid role, const char *code, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("%s of table \"%s\" would run with the rights of role \"%s\"", code,
						   RelationGetRelationName(relation), GetUserNameFromId(role, false)),
					errdetail("The table belongs to role \"%s\", which has fewer.",
							  GetUserNameFromId(relation->rd_rel->relowner, false)),
					errhint("%s", hint)));
}

/* Whoever writes into a partition by its own name checks it against the keys of all tables above. */
static void refuse_ancestors(Relation relation, Oid role)
{
	List *ancestors = get_partition_ancestors(RelationGetRelid(relation));
	ListCell *cell;

	foreach (cell, ancestors)
	{
		Relation ancestor = relation_open(lfirst_oid(cell), AccessShareLock);
		const char *code = has_privs_of_role(ancestor->rd_rel->relowner, role) ? NULL : code_of_partitions(ancestor);

		if (code)
			refuse_code(ancestor, role, code, "Let the owner of that table run the sync.");
		relation_close(ancestor, NoLock);
	}
}

/* Not those that only look whether a key is still wanted. */
static bool passes_on(Oid function)
{
	switch (function)
	{
		case F_RI_FKEY_CASCADE_DEL:
		case F_RI_FKEY_CASCADE_UPD:
		case F_RI_FKEY_SETNULL_DEL:
		case F_RI_FKEY_SETNULL_UPD:
		case F_RI_FKEY_SETDEFAULT_DEL:
		case F_RI_FKEY_SETDEFAULT_UPD:
			return true;
		default:
			return false;
	}
}

/* A partition may come at any time, for no lock of ours keeps it away, and bring triggers. */
static void refuse_partitioned(Oid relid, Oid role)
{
	Relation relation = relation_open(relid, AccessShareLock);

	if (relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && !has_privs_of_role(relation->rd_rel->relowner, role))
		refuse_code(relation, role, "what a foreign key passes on to partitions",
					"Let the key of that table do nothing ON DELETE and ON UPDATE, or let its owner run the sync.");
	relation_close(relation, NoLock);
}

/*
 * Tables whose foreign keys pass on what happens to this one.  Their triggers that fire AFTER do so at the end of our
 * statement, with our rights.
 */
static void add_referencing(Relation relation, Oid role, List **all, LOCKMODE mode)
{
	TriggerDesc *triggers = CopyTriggerDesc(relation->trigdesc); /* what is locked below may free it */

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		Oid other = trigger->tgconstrrelid;

		if (!trigger->tgisinternal || !passes_on(trigger->tgfoid) || list_member_oid(*all, other))
			continue;
		refuse_partitioned(other, role);
		*all = list_concat_unique_oid(*all, pythia_all_inheritors(other, mode));
	}
}

static void refuse_one(Oid relid, Oid role, bool write, List **all, LOCKMODE mode)
{
	Relation relation = relation_open(relid, NoLock);
	Oid owner = relation->rd_rel->relowner;
	const char *code = has_privs_of_role(owner, role) ? NULL : code_of(relation, write);

	if (code)
		refuse_code(relation, role, code,
					psprintf("Let that role own the sync worker, or call as it: SET ROLE %s.",
							 quote_identifier(GetUserNameFromId(owner, false))));
	if (relation->rd_rel->relispartition)
		refuse_ancestors(relation, role);
	if (write)
		add_referencing(relation, role, all, mode);
	relation_close(relation, NoLock);
}

void pythia_evaluator_refuse(Relation relation, Oid role, bool write)
{
	/* against new triggers and indexes; a standby gets them from elsewhere, and takes no such lock */
	LOCKMODE mode = RecoveryInProgress() ? AccessShareLock : RowExclusiveLock;
	List *all = list_make1_oid(RelationGetRelid(relation));
	ListCell *cell;

	if (has_privs_of_role(relation->rd_rel->relowner, role) && !relation->rd_rel->relhassubclass &&
		!relation->rd_rel->relispartition && !(write && relation->trigdesc))
		return;
	if (relation->rd_rel->relkind == RELKIND_RELATION || relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		LockRelationOid(RelationGetRelid(relation), mode);
		if (relation->rd_rel->relhassubclass)
			all = pythia_all_inheritors(RelationGetRelid(relation), mode);
	}
	/* the list grows by what a deletion or a new key would be passed on to */
	foreach (cell, all)
		refuse_one(lfirst_oid(cell), role, write, &all, mode);
}

void pythia_evaluator_refuse_partitions(Oid relid, LOCKMODE mode)
{
	List *all = pythia_all_inheritors(relid, mode);
	ListCell *cell;

	foreach (cell, all)
	{
		Relation relation = relation_open(lfirst_oid(cell), NoLock);
		const char *code =
			has_privs_of_role(relation->rd_rel->relowner, GetUserId()) ? NULL : code_of_partitions(relation);

		if (code)
			refuse_code(relation, GetUserId(), code, "Capture it by polling: {\"capture\": \"poll\"}.");
		relation_close(relation, NoLock);
	}
}

/* Who may rename the schema: its owner, and of "public" the database's. */
static Oid owner_of_schema(HeapTuple tuple)
{
	Oid owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	HeapTuple database;

	if (owner != ROLE_PG_DATABASE_OWNER)
		return owner;
	database = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	if (HeapTupleIsValid(database))
	{
		owner = ((Form_pg_database) GETSTRUCT(database))->datdba;
		ReleaseSysCache(database);
	}
	return owner;
}

/*
 * Statements name a table by its schema, and no lock of a table keeps the name of its schema: who owns that
 * might give it to another one after we looked.  A lock of the row does, as long as the transaction lasts.
 */
void pythia_evaluator_hold_schema(Oid schema, Oid role)
{
	HeapTuple tuple = SearchSysCacheCopy1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Relation namespaces;
	Buffer buffer;
	TM_FailureData failure;
	TM_Result result;

	if (!HeapTupleIsValid(tuple) || RecoveryInProgress() || has_privs_of_role(owner_of_schema(tuple), role))
		return;
	namespaces = table_open(NamespaceRelationId, RowShareLock);
	result = heap_lock_tuple(namespaces, tuple, GetCurrentCommandId(true), LockTupleKeyShare, LockWaitBlock, false,
							 &buffer, &failure);
	ReleaseBuffer(buffer);
	table_close(namespaces, NoLock);
	if (result != TM_Ok && result != TM_SelfModified)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errmsg("a schema was changed just now"),
						errhint("Run the sync again.")));
}
