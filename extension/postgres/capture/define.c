#include "postgres/capture/define.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "core/suggest.h"
#include "dialect/dialect.h"
#include "dialect/short_name.h"
#include "low_water/mark.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "postgres/base/bridge.h"
#include "postgres/base/pg_compat.h"
#include "postgres/capture/columns.h"
#include "postgres/capture/condition.h"
#include "postgres/capture/low_water.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

/* ---- finding tables ---- */

static void unknown_table(const char *name, List *parts)
{
	const char *last = strVal(llast(parts));
	Oid schema = list_length(parts) > 1 ? get_namespace_oid(strVal(linitial(parts)), true) : InvalidOid;
	const char *names[200];
	const char *close;
	int count = 0;
	Relation classes = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(classes, InvalidOid, false, NULL, 0, NULL);
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)) && count < lengthof(names))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if ((form->relkind == RELKIND_RELATION || form->relkind == RELKIND_PARTITIONED_TABLE) &&
			!IsCatalogNamespace(form->relnamespace) &&
			(OidIsValid(schema) ? form->relnamespace == schema : RelationIsVisible(form->oid)))
			names[count++] = pstrdup(NameStr(form->relname));
	}
	systable_endscan(scan);
	table_close(classes, AccessShareLock);
	close = pythia_suggest(last, names, count);
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
					errmsg("table \"%s\" does not exist", pythia_name_shown(name, (char[PYTHIA_NAME_ROOM]){0})),
					close ? errhint("Perhaps you meant \"%s\".", close)
						  : errhint("Names follow SQL's rules: write \"schema.table\", and quote capitals.")));
}

/* The parts of a name as it is written, without SQL's folding: "Schema.Table" is split at its first point. */
static List *verbatim(const char *name)
{
	const char *dot = strchr(name, '.');

	if (!dot)
		return list_make1(makeString(pstrdup(name)));
	return list_make2(makeString(pnstrdup(name, dot - name)), makeString(pstrdup(dot + 1)));
}

static Oid look_for(List *parts)
{
	return list_length(parts) > 2 ? InvalidOid
								  : RangeVarGetRelid(makeRangeVarFromNameList(parts), AccessShareLock, true);
}

/* As SQL reads the name; or, where it finds nothing by that, as it is written. */
static Oid find_table(const char *name)
{
	List *parts = NIL;
	Oid relid = InvalidOid;
	char *copy = pstrdup(name);

	if (SplitIdentifierString(copy, '.', &parts) && parts != NIL)
	{
		parts = pythia_name_list(name);
		relid = look_for(parts);
	}
	if (!OidIsValid(relid) && name[0])
		relid = look_for(verbatim(name));
	if (OidIsValid(relid))
		return relid;
	if (parts == NIL || list_length(parts) > 2)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("invalid table name \"%s\"", name),
						errhint("Write \"table\" or \"schema.table\".")));
	unknown_table(name, parts);
	return InvalidOid;
}

/* As capture/discover.h says. */
static List *tables_of_schema(Oid schema)
{
	Relation classes = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(classes, InvalidOid, false, NULL, 0, NULL);
	HeapTuple tuple;
	List *result = NIL;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relnamespace == schema && !form->relispartition &&
			(form->relkind == RELKIND_RELATION || form->relkind == RELKIND_PARTITIONED_TABLE) &&
			!pythia_own_table(NameStr(form->relname)) &&
			!OidIsValid(getExtensionOfObject(RelationRelationId, form->oid)))
			result = lappend_oid(result, form->oid);
	}
	systable_endscan(scan);
	table_close(classes, AccessShareLock);
	list_sort(result, list_oid_cmp);
	return result;
}

static bool whole_schema(const char *pattern, Oid *schema, bool missing_ok)
{
	size_t length = strlen(pattern);
	List *parts = NIL;
	char *name;

	if (!pythia_name_is_pattern(pattern))
		return false;
	name = pnstrdup(pattern, length - 2);
	if (SplitIdentifierString(pstrdup(name), '.', &parts) && list_length(parts) > 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("invalid table pattern \"%s\"", pattern),
						errhint("Write \"schema.*\" for all tables of a schema.")));
	/* as SQL reads it, or as it is written */
	*schema = parts ? get_namespace_oid(linitial(parts), true) : InvalidOid;
	if (!OidIsValid(*schema))
		*schema = get_namespace_oid(name, true);
	if (!OidIsValid(*schema) && !missing_ok)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_SCHEMA), errmsg("schema \"%s\" does not exist", name),
						errhint("Write \"schema.*\" for all tables of a schema.")));
	return true;
}

/* ---- one table ---- */

/* Rows of views and foreign tables do not tell which transaction wrote them. */
static bool is_view(Relation relation)
{
	return relation->rd_rel->relkind == RELKIND_VIEW || relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE;
}

/* Of a partition its parents' rights do, as they do for who reads through them. */
const char *pythia_cdc_closed_to(Oid relid, Oid role)
{
	List *chain = lcons_oid(relid, get_rel_relispartition(relid) ? get_partition_ancestors(relid) : NIL);
	const char *fault = "the worker's owner may not read it or may not make triggers on it";
	ListCell *cell;

	foreach (cell, chain)
	{
		if (pg_class_aclmask(lfirst_oid(cell), role, ACL_SELECT | ACL_TRIGGER, ACLMASK_ALL) !=
			(ACL_SELECT | ACL_TRIGGER))
			continue;
		if (check_enable_rls(lfirst_oid(cell), role, true) != RLS_ENABLED)
			return NULL;
		fault = "row-level security hides rows of it from the worker's owner";
	}
	return fault;
}

Oid pythia_cdc_foreign_partition(Oid relid)
{
	ListCell *cell;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return InvalidOid;
	foreach (cell, find_all_inheritors(relid, NoLock, NULL))
		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_FOREIGN_TABLE)
			return lfirst_oid(cell);
	return InvalidOid;
}

void pythia_cdc_refuse_foreign_partition(Relation relation)
{
	Oid partition = pythia_cdc_foreign_partition(RelationGetRelid(relation));

	if (OidIsValid(partition))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot capture \"%s\": its partition \"%s\" is a foreign table",
							   RelationGetRelationName(relation), get_rel_name(partition)),
						errhint("Name the other partitions, and poll the foreign table by its own name.")));
}

static void check_relation(Relation relation, const pythia_capture_config *config)
{
	Oid relid = RelationGetRelid(relation);
	char kind = relation->rd_rel->relkind;
	AclResult allowed;

	if (kind == RELKIND_MATVIEW)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("cannot capture \"%s\": it is a materialized view", RelationGetRelationName(relation)),
						errdetail("A refresh brings in rows whose stamps have long passed."),
						errhint("Capture a plain view, or the tables it is made of.")));
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE && !is_view(relation))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("cannot capture \"%s\": it is no table and no view", RelationGetRelationName(relation)),
						errhint("Name a table, a view or a foreign table.")));
	if (is_view(relation) && config->capture == PYTHIA_CAPTURE_TRIGGER)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot capture \"%s\" by triggers: its rows are written elsewhere",
							   RelationGetRelationName(relation)),
						errhint("Capture it by polling: {\"capture\": \"poll\"}.")));
	pythia_cdc_refuse_foreign_partition(relation);
	if (IsCatalogRelation(relation) || RelationGetNamespace(relation) == get_namespace_oid("pythia", false) ||
		RelationGetNamespace(relation) == get_namespace_oid("pythia_tracked", false))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("cannot capture \"%s\": it is a system table", RelationGetRelationName(relation))));
	if (relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("cannot capture \"%s\": it is a temporary table", RelationGetRelationName(relation)),
						errhint("Other sessions cannot see it.")));
	allowed = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, get_relkind_objtype(kind), RelationGetRelationName(relation));
	if (config->capture == PYTHIA_CAPTURE_TRIGGER)
	{
		allowed = pg_class_aclcheck(relid, GetUserId(), ACL_TRIGGER);
		if (allowed != ACLCHECK_OK)
			aclcheck_error(allowed, get_relkind_objtype(kind), RelationGetRelationName(relation));
		if (kind == RELKIND_RELATION && has_subclass(relid) && find_inheritance_children(relid, NoLock) != NIL)
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("cannot capture \"%s\" by triggers: other tables inherit from it",
								   RelationGetRelationName(relation)),
							errdetail("A trigger does not see what is written to them."),
							errhint("Name the tables that inherit, or capture by polling: {\"capture\": \"poll\"}.")));
		if (relation->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot capture \"%s\" by triggers: it is unlogged", RelationGetRelationName(relation)),
					 errdetail("A crash empties it, and no trigger tells."),
					 errhint("ALTER TABLE … SET LOGGED, or capture by polling: {\"capture\": \"poll\"}.")));
	}
	if (check_enable_rls(relid, GetUserId(), true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row-level security hides rows of \"%s\" from this role", RelationGetRelationName(relation)),
				 errhint("Create the worker as the table's owner or a role with BYPASSRLS: changes of hidden rows "
						 "would be lost.")));
}

/* Names of its columns, in the index's order; 0 where there is none. */
static int primary_key(Relation relation, char ***names)
{
	Relation index;
	int count;

	(void) RelationGetIndexList(relation);
	if (!OidIsValid(relation->rd_pkindex))
		return 0;
	index = index_open(relation->rd_pkindex, AccessShareLock);
	count = IndexRelationGetNumberOfKeyAttributes(index);
	*names = palloc(sizeof(char *) * count);
	for (int i = 0; i < count; i++)
		(*names)[i] =
			pstrdup(NameStr(TupleDescAttr(RelationGetDescr(relation), index->rd_index->indkey.values[i] - 1)->attname));
	index_close(index, AccessShareLock);
	return count;
}

bool pythia_cdc_follow_key(Relation relation, pythia_cdc_table *table)
{
	bool missing = false;
	char **names;

	if (table->config.key)
		return false;
	for (int i = 0; i < table->nkey; i++)
		missing |= get_attnum(RelationGetRelid(relation), table->key[i]) == InvalidAttrNumber;
	if (!missing || primary_key(relation, &names) != table->nkey)
		return false;
	table->key = names;
	return true;
}

static void take_key(pythia_cdc_definition *definition, Relation relation, const pythia_capture_config *config)
{
	if (config->key)
	{
		for (const pythia_node *item = pythia_node_items(config->key); item; item = item->next)
			definition->nkey++;
		definition->key = palloc(sizeof(char *) * definition->nkey);
		definition->nkey = 0;
		for (const pythia_node *item = pythia_node_items(config->key); item; item = item->next)
		{
			(void) pythia_column_position(relation, pythia_from_utf8(item->text));
			definition->key[definition->nkey++] = pstrdup(pythia_from_utf8(item->text));
		}
		return;
	}
	definition->nkey = primary_key(relation, &definition->key);
	if (definition->nkey > 0)
		return;
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg(is_view(relation) ? "\"%s\" is no table, and so has no primary key"
											 : "table \"%s\" has no primary key",
						   RelationGetRelationName(relation)),
					errhint(is_view(relation) ? "Name the columns that identify a row with the option \"key\"."
											  : "Add one, or name the columns that identify a row with the option "
												"\"key\".")));
}

static bool indexed(Relation relation, int position)
{
	List *indexes = RelationGetIndexList(relation);
	ListCell *cell;
	bool found = false;

	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_index->indkey.values[0] == position + 1 && index->rd_index->indisvalid &&
			/* as it is stored: to read it would evaluate what its owner has put there */
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
			found = true;
		index_close(index, AccessShareLock);
	}
	return found;
}

static void take_stamp(pythia_cdc_definition *definition, Relation relation, const pythia_cdc_worker *worker,
					   const pythia_capture_config *config)
{
	TupleDesc desc = RelationGetDescr(relation);
	const char *name = config->timestamp_column ? pythia_from_utf8(config->timestamp_column) : worker->timestamp_column;
	Oid type;
	int position = -1;

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped && strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			position = i;
	if (position < 0 && config->capture == PYTHIA_CAPTURE_TRIGGER)
	{
		definition->timestamp_column = "";
		definition->stamp_kind = PYTHIA_STAMP_NONE;
		return;
	}
	if (position < 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("table \"%s\" has no timestamp column \"%s\"", RelationGetRelationName(relation), name),
						errhint("Name the column that tells when a row changed with timestamp_column or the option "
								"\"timestamp_columns\", or capture by triggers: {\"capture\": \"trigger\"}.")));
	type = getBaseType(TupleDescAttr(desc, position)->atttypid);
	definition->timestamp_column = pstrdup(name);
	definition->stamp_kind = pythia_stamp_kind_of(type);
	if (definition->stamp_kind == PYTHIA_STAMP_NONE && config->capture == PYTHIA_CAPTURE_POLL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" cannot tell when a row changed: it is of type %s", name,
						RelationGetRelationName(relation), format_type_be(type)),
				 errhint("Name a column of type timestamptz, timestamp, date or an integer that always grows.")));
	if (definition->stamp_kind == PYTHIA_STAMP_TIMESTAMP || definition->stamp_kind == PYTHIA_STAMP_DATE)
	{
		definition->time_zone =
			pstrdup(config->time_zone ? config->time_zone : GetConfigOption("timezone", false, false));
		pythia_check_time_zone(definition->time_zone);
		if (!config->time_zone)
			ereport(NOTICE,
					(errmsg("column \"%s\" of table \"%s\" has no time zone: its stamps are read as %s times", name,
							RelationGetRelationName(relation), definition->time_zone),
					 errhint("Where writers use another zone, name it with the option \"time_zone\", or \"any\".")));
	}
	definition->versions = relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE ? "foreign"
						   : is_view(relation)                                ? "hash"
																			  : "xmin";
	if (relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE && config->lookback < 0)
		ereport(NOTICE, (errmsg("transactions of the server of foreign table \"%s\" cannot be seen: polls read again "
								"what was stamped in the last %d s",
								RelationGetRelationName(relation), (int) pythia_lookback(PYTHIA_POSTGRESQL, -1, true)),
						 errhint("Set the option \"lookback\" to the time its longest transaction takes.")));
	if (config->capture == PYTHIA_CAPTURE_POLL && !is_view(relation) && !indexed(relation, position))
		ereport(WARNING, (errmsg("column \"%s\" of table \"%s\" has no index: every poll will read the whole table",
								 name, RelationGetRelationName(relation)),
						  errhint("CREATE INDEX ON %s (%s);",
								  quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
															 RelationGetRelationName(relation)),
								  quote_identifier(name))));
}

pythia_cdc_definition *pythia_cdc_define(const pythia_cdc_worker *worker, Oid relid, const char *name)
{
	pythia_cdc_definition *definition = palloc0(sizeof(pythia_cdc_definition));
	Relation relation = relation_open(relid, AccessShareLock);
	pythia_capture_config config;
	pythia_error error = PYTHIA_ERROR_INIT;
	int *positions;

	definition->relid = relid;
	definition->name = pstrdup(name);
	definition->schema_name = get_namespace_name(RelationGetNamespace(relation));
	definition->table_name = pstrdup(RelationGetRelationName(relation));
	definition->owner = relation->rd_rel->relowner;
	definition->relation = quote_qualified_identifier(definition->schema_name, definition->table_name);
	if (!pythia_capture_config_read(worker->option_tree, pythia_to_utf8(name), &config, &error))
		pythia_raise(&error);
	check_relation(relation, &config);
	take_key(definition, relation, &config);
	take_stamp(definition, relation, worker, &config);
	(void) pythia_image_columns(relation, &config, &positions);
	pythia_check_unseen_columns(relation, &config, definition->nkey, definition->key);
	if (config.where)
		definition->condition = pythia_cdc_condition(relation, pythia_from_utf8(config.where));
	relation_close(relation, NoLock);
	return definition;
}

List *pythia_cdc_pattern_tables(const char *pattern)
{
	Oid schema;

	return whole_schema(pattern, &schema, true) && OidIsValid(schema) ? tables_of_schema(schema) : NIL;
}

static bool already(List *definitions, Oid relid)
{
	ListCell *cell;

	foreach (cell, definitions)
		if (((pythia_cdc_definition *) lfirst(cell))->relid == relid)
			return true;
	return false;
}

List *pythia_cdc_resolve(const pythia_cdc_worker *worker)
{
	List *result = NIL;
	ListCell *cell;

	foreach (cell, worker->patterns)
	{
		const char *pattern = lfirst(cell);
		List *relids;
		ListCell *table;
		Oid schema;

		if (!whole_schema(pattern, &schema, false))
		{
			Oid relid = find_table(pattern);

			if (!already(result, relid))
				result = lappend(result, pythia_cdc_define(worker, relid, pattern));
			continue;
		}
		relids = tables_of_schema(schema);
		foreach (table, relids)
		{
			Oid relid = lfirst_oid(table);

			if (!already(result, relid))
				result = lappend(result, pythia_cdc_define(worker, relid,
														   quote_qualified_identifier(get_namespace_name(schema),
																					  get_rel_name(relid))));
		}
	}
	if (result == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a CDC worker needs at least one table"),
						errhint("For example tables => '{public.orders}'.")));
	return result;
}
