#include "postgres/capture/identity.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "postgres/base/catalog.h"
#include "postgres/base/evaluator.h"
#include "postgres/base/pg_compat.h"
#include "postgres/worker/owner.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"

/* ---- the table ---- */

static const char *kind_name(char kind)
{
	switch (kind)
	{
		case RELKIND_VIEW:
			return "a view";
		case RELKIND_MATVIEW:
			return "a materialized view";
		case RELKIND_FOREIGN_TABLE:
			return "a foreign table";
		default:
			return "a table";
	}
}

static void check_kind(const pythia_cdc_table *table, Relation relation)
{
	char kind = relation->rd_rel->relkind;
	char was = table->foreign ? RELKIND_FOREIGN_TABLE : table->by_hash ? RELKIND_VIEW : RELKIND_RELATION;

	if (kind == was || (kind == RELKIND_PARTITIONED_TABLE && was == RELKIND_RELATION))
		return;
	ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
					errmsg("\"%s\" is %s now, and was %s when its capture was set up",
						   RelationGetRelationName(relation), kind_name(kind), kind_name(was)),
					errhint("Name the tables again with pythia.alter_cdc_worker where that is meant.")));
}

static void check_owner(const pythia_cdc_table *table, Relation relation)
{
	Oid owner = relation->rd_rel->relowner;

	if (!table->owner_gone && (!OidIsValid(table->owner) || owner == table->owner))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("\"%s\" belongs to role \"%s\" now, and did not when its capture was set up",
						   RelationGetRelationName(relation), GetUserNameFromId(owner, false)),
					errhint("Call pythia.start_cdc where that is meant.")));
}

/* Of a name that is quoted and qualified. */
static RangeVar *name_of(const char *relation)
{
	return makeRangeVarFromNameList(pythia_name_list(relation));
}

Oid pythia_cdc_relid(const pythia_cdc_table *table)
{
	return RangeVarGetRelid(name_of(table->relation), NoLock, true);
}

Relation pythia_cdc_relation(const pythia_cdc_table *table)
{
	Relation relation = table_openrv(name_of(table->relation), AccessShareLock);

	check_kind(table, relation);
	check_owner(table, relation);
	return relation;
}

void pythia_cdc_hold_name(Oid relid, const char *name, Oid role)
{
	pythia_evaluator_hold_schema(get_rel_namespace(relid), role);
	if (RangeVarGetRelid(name_of(name), NoLock, true) != relid)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errmsg("the schema of %s was renamed just now", name),
				 errhint("Run the command again; a poll is tried again by itself.")));
}

void pythia_cdc_accept_owners(int32 worker_id, int32 table_id)
{
	static const char sql[] =
		"UPDATE pythia.cdc_table t SET table_owner = c.relowner::pg_catalog.regrole FROM pg_catalog.pg_class c "
		"WHERE t.worker_id OPERATOR(pg_catalog.=) $1 "
		"AND c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(t.relation)::pg_catalog.oid "
		"AND t.table_owner IS DISTINCT FROM c.relowner "
		"AND (t.table_id OPERATOR(pg_catalog.=) $2 OR EXISTS (SELECT FROM pythia.cdc_state s "
		"WHERE s.table_id OPERATOR(pg_catalog.=) t.table_id AND NOT s.active))";
	Oid types[] = {INT4OID, INT4OID};
	Datum values[] = {Int32GetDatum(worker_id), Int32GetDatum(table_id)};

	pythia_catalog_run(sql, 2, types, values, NULL);
}

/* ---- the role ---- */

static void set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

int pythia_cdc_pin(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"datestyle", "iso, mdy"},
		{"timezone", "UTC"},
		{"intervalstyle", "postgres"},
		{"bytea_output", "hex"},
		{"extra_float_digits", "1"},
		{"lc_monetary", "C"},
		{"lc_numeric", "C"},
		{"lc_time", "C"},
	};
	int level = NewGUCNestLevel();

	for (size_t i = 0; i < lengthof(settings); i++)
		set_local(settings[i][0], settings[i][1]);
	return level;
}

void pythia_cdc_enter(const pythia_cdc_worker *worker, const pythia_cdc_table *table, pythia_cdc_identity *before)
{
	Oid role = worker->owner;

	pythia_owner_require(worker->owner);
	if (table)
	{
		Relation relation = pythia_cdc_relation(table);

		role = pythia_evaluator(relation, worker->owner);
		pythia_cdc_hold_name(RelationGetRelid(relation), table->relation, role);
		/* the lock stays: it keeps its owner and its kind */
		table_close(relation, NoLock);
	}
	GetUserIdAndSecContext(&before->role, &before->context);
	SetUserIdAndSecContext(role, pythia_evaluator_context(before->context, role, worker->owner));
	before->guc_level = pythia_cdc_pin();
	/* a policy that hides rows would lose changes: better an error */
	set_local("row_security", "off");
	set_local("jit", "off");
}

void pythia_cdc_leave(const pythia_cdc_identity *before)
{
	AtEOXact_GUC(false, before->guc_level);
	SetUserIdAndSecContext(before->role, before->context);
}
