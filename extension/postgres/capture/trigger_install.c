/* Capture triggers on tables: put there, looked after, taken off again. */
#include "postgres/capture/trigger.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "dialect/short_name.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "capture/source/first.h"
#include "postgres/base/catalog.h"
#include "postgres/base/evaluator.h"
#include "postgres/base/lock_wait.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/subtransaction.h"
#include "postgres/capture/define.h"
#include "postgres/capture/identity.h"
#include "postgres/capture/outcome.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

static void run(const char *sql)
{
	int code = SPI_execute(sql, false, 0);

	if (code < 0)
		elog(ERROR, "\"%s\" failed: %s", sql, SPI_result_code_string(code));
}

/* What other triggers and foreign keys change in turn is delivered after what they were fired by. */
char *pythia_row_trigger(const pythia_cdc_table *table)
{
	return psprintf(PYTHIA_TRIGGER_FIRST "pythia_capture_%d", table->table_id);
}

char *pythia_truncate_trigger(const pythia_cdc_table *table)
{
	return psprintf(PYTHIA_TRIGGER_FIRST "pythia_truncate_%d", table->table_id);
}

typedef struct found_relation
{
	Oid relid;
	char *name; /* quoted and qualified */
	char kind;
	char enabled;    /* of its trigger; 0: it has none of ours */
	bool is_the_one; /* the table itself, not a partition of it */
} found_relation;

/* The table and its partitions; NIL: it is gone. */
static List *relids_of(const pythia_cdc_table *table)
{
	Oid relid = pythia_cdc_relid(table);

	if (!OidIsValid(relid))
		return NIL;
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? find_all_inheritors(relid, NoLock, NULL)
															   : list_make1_oid(relid);
}

/* tgenabled of the trigger of that name; 0 where the table has none, or another function's. */
static char enabled_as(Oid relid, const char *trigger)
{
	Relation catalog = table_open(TriggerRelationId, AccessShareLock);
	char result = 0;
	NameData name;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple row;

	namestrcpy(&name, trigger);
	ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber, F_NAMEEQ, NameGetDatum(&name));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 2, keys);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row) && ((Form_pg_trigger) GETSTRUCT(row))->tgfoid == pythia_capture_function())
		result = ((Form_pg_trigger) GETSTRUCT(row))->tgenabled;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return result;
}

/*
 * A table and its partitions, with the trigger of that name on each.
 * Nothing here may read a whole catalog, as the planner would where one is small yet: it is done for each of a worker's
 * tables.
 */
static List *relations_of(const pythia_cdc_table *table, const char *trigger)
{
	List *relids = relids_of(table);
	List *result = NIL;
	ListCell *cell;

	foreach (cell, relids)
	{
		found_relation *found = palloc0(sizeof(found_relation));
		char *schema;
		char *name;

		found->relid = lfirst_oid(cell);
		found->kind = get_rel_relkind(found->relid);
		schema = get_namespace_name(get_rel_namespace(found->relid));
		name = get_rel_name(found->relid);
		if (found->kind == 0 || schema == NULL || name == NULL)
			continue; /* dropped meanwhile */
		found->name = quote_qualified_identifier(schema, name);
		found->enabled = enabled_as(found->relid, trigger);
		found->is_the_one = found->relid == linitial_oid(relids);
		result = lappend(result, found);
	}
	return result;
}

/* As the extension's owner: nobody else needs to own the table, or to see the schema of the function. */
static void create_trigger(const pythia_cdc_table *table, const found_relation *relation, const char *trigger,
						   const char *when, bool of_rows)
{
	pythia_identity before;

	pythia_catalog_enter(&before);
	/* a trigger of rows goes down to the partitions */
	if (of_rows)
		pythia_evaluator_refuse_partitions(relation->relid, ShareRowExclusiveLock);
	LockRelationOid(relation->relid, ShareRowExclusiveLock);
	pythia_cdc_hold_name(relation->relid, relation->name, GetUserId());
	run(psprintf("CREATE TRIGGER %s %s EXECUTE FUNCTION pythia._capture(%d)", quote_identifier(trigger),
				 psprintf(when, relation->name), table->table_id));
	/* what replication applies is captured too */
	run(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", relation->name, quote_identifier(trigger)));
	pythia_catalog_leave(&before);
}

/*
 * A statement's trigger does not come down to partitions.  One of theirs tells the rows before they go, where they are
 * emptied alone: PostgreSQL fires the table's own before that.
 */
static void create_truncate_trigger(const pythia_cdc_table *table, const found_relation *relation)
{
	bool before = relation->kind == RELKIND_PARTITIONED_TABLE || !relation->is_the_one;

	if (relation->is_the_one || relation->kind == RELKIND_RELATION)
		create_trigger(table, relation, pythia_truncate_trigger(table),
					   before ? "BEFORE TRUNCATE ON %s FOR EACH STATEMENT" : "AFTER TRUNCATE ON %s FOR EACH STATEMENT",
					   false);
}

static void drop_trigger(Oid relid, const char *name, const char *trigger)
{
	pythia_identity before;

	pythia_catalog_enter(&before);
	LockRelationOid(relid, AccessExclusiveLock);
	pythia_cdc_hold_name(relid, name, GetUserId());
	run(psprintf("DROP TRIGGER %s ON %s", quote_identifier(trigger), name));
	pythia_catalog_leave(&before);
}

/* The names of all their triggers: two a table, in the order of the tables. */
static Datum trigger_names(const pythia_cdc_table *tables, int ntables)
{
	Datum *values = palloc((2 * ntables + 1) * sizeof(Datum));

	for (int i = 0; i < ntables; i++)
	{
		values[2 * i] = CStringGetTextDatum(pythia_row_trigger(&tables[i]));
		values[2 * i + 1] = CStringGetTextDatum(pythia_truncate_trigger(&tables[i]));
	}
	return PointerGetDatum(construct_array(values, 2 * ntables, TEXTOID, -1, false, TYPALIGN_INT));
}

typedef struct stray
{
	int table; /* its place among the tables */
	Oid relid;
	char *relation;
	char *trigger;
} stray;

void pythia_trigger_remove_elsewhere(const pythia_cdc_table *tables, int ntables)
{
	/* no index has triggers by name: one look for all tables */
	static const char sql[] =
		"SELECT n.number, c.oid, pg_catalog.format('%I.%I', s.nspname, c.relname), g.tgname::pg_catalog.text "
		"FROM pg_catalog.unnest($1) WITH ORDINALITY AS n(trigger, number) "
		"JOIN pg_catalog.pg_trigger g ON g.tgname OPERATOR(pg_catalog.=) n.trigger::pg_catalog.name "
		"JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) g.tgrelid "
		"JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace "
		"WHERE g.tgfoid OPERATOR(pg_catalog.=) 'pythia._capture()'::pg_catalog.regprocedure "
		"AND g.tgparentid OPERATOR(pg_catalog.=) 0";
	Oid types[] = {TEXTARRAYOID};
	Datum values[] = {trigger_names(tables, ntables)};
	stray *strays;
	int count;

	SPI_connect();
	pythia_catalog_execute(sql, 1, types, values, NULL);
	count = (int) SPI_processed;
	strays = palloc0((count + 1) * sizeof(stray));
	for (int i = 0; i < count; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool isnull;

		strays[i].table = (int) (DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull)) - 1) / 2;
		strays[i].relid = DatumGetObjectId(SPI_getbinval(row, desc, 2, &isnull));
		strays[i].relation = SPI_getvalue(row, desc, 3);
		strays[i].trigger = SPI_getvalue(row, desc, 4);
	}
	for (int i = 0; i < count; i++)
	{
		const pythia_cdc_table *table = &tables[strays[i].table];

		if (table->relation && !list_member_oid(relids_of(table), strays[i].relid))
			drop_trigger(strays[i].relid, strays[i].relation, strays[i].trigger);
	}
	SPI_finish();
}

void pythia_trigger_install(const pythia_cdc_table *table)
{
	ListCell *cell;

	SPI_connect();
	/* on the table alone: its partitions, those to come too, have it from there */
	foreach (cell, relations_of(table, pythia_row_trigger(table)))
	{
		found_relation *found = lfirst(cell);

		if (!found->is_the_one || found->enabled == TRIGGER_FIRES_ALWAYS)
			continue;
		if (found->enabled)
			drop_trigger(found->relid, found->name, pythia_row_trigger(table));
		create_trigger(table, found, pythia_row_trigger(table), "AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW",
					   true);
	}
	foreach (cell, relations_of(table, pythia_truncate_trigger(table)))
	{
		found_relation *found = lfirst(cell);

		if (found->enabled == TRIGGER_FIRES_ALWAYS)
			continue;
		if (found->enabled)
			drop_trigger(found->relid, found->name, pythia_truncate_trigger(table));
		create_truncate_trigger(table, found);
	}
	SPI_finish();
}

static void complete(const pythia_cdc_table *table)
{
	ListCell *cell;

	SPI_connect();
	foreach (cell, relations_of(table, pythia_truncate_trigger(table)))
	{
		found_relation *found = lfirst(cell);

		/* who waits for this lock stands in the way of every writer that comes after */
		if (!found->enabled && ConditionalLockRelationOid(found->relid, ShareRowExclusiveLock))
			create_truncate_trigger(table, found);
	}
	SPI_finish();
}

static void drop_triggers(void *argument)
{
	const pythia_cdc_table *table = argument;
	ListCell *cell;

	SPI_connect();
	foreach (cell, relations_of(table, pythia_row_trigger(table)))
	{
		found_relation *found = lfirst(cell);

		if (found->is_the_one && found->enabled)
			drop_trigger(found->relid, found->name, pythia_row_trigger(table));
	}
	foreach (cell, relations_of(table, pythia_truncate_trigger(table)))
	{
		found_relation *found = lfirst(cell);

		if (found->enabled)
			drop_trigger(found->relid, found->name, pythia_truncate_trigger(table));
	}
	SPI_finish();
}

void pythia_trigger_remove(const pythia_cdc_table *table)
{
	if (table->relation && !pythia_unless_locked_out(drop_triggers, unconstify(pythia_cdc_table *, table)))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("the triggers on table \"%s\" cannot be dropped just now",
						pythia_name_shown(table->name, (char[PYTHIA_NAME_ROOM]){0})),
				 errdetail("Another session reads or writes it in a transaction that is still open."),
				 errhint("Try again when that has ended; pg_locks tells whose it is. pythia.stop_cdc works at once.")));
}

/* Those of TRUNCATE; that a partition has none yet is no fault, for it may be new. */
static const char *truncate_fault(const pythia_cdc_table *table)
{
	ListCell *cell;

	foreach (cell, relations_of(table, pythia_truncate_trigger(table)))
	{
		found_relation *found = lfirst(cell);

		if (found->is_the_one && !found->enabled)
			return "its trigger of TRUNCATE is gone";
		if (found->enabled && found->enabled != TRIGGER_FIRES_ALWAYS)
			return psprintf("the trigger of TRUNCATE on %s is disabled, or was for a time", found->name);
	}
	return NULL;
}

/* What triggers on a table, or its partitions, would not see; NULL: nothing. */
static const char *unseen(Oid relid)
{
	Oid partition = pythia_cdc_foreign_partition(relid);

	if (OidIsValid(partition))
		return psprintf(
			"its partition \"%s\" is a foreign table, and a trigger does not see what is written at its server",
			get_rel_name(partition));
	if (get_rel_persistence(relid) == RELPERSISTENCE_UNLOGGED)
		return "it is unlogged now: a crash empties it, and no trigger tells";
	if (get_rel_relkind(relid) == RELKIND_RELATION && find_inheritance_children(relid, NoLock) != NIL)
		return "other tables inherit from it, and a trigger does not see what is written to them";
	return NULL;
}

char *pythia_trigger_fault(const pythia_cdc_worker *worker, const pythia_cdc_table *table)
{
	MemoryContext cxt = CurrentMemoryContext;
	const char *fault = NULL;
	bool exists = false;
	ListCell *cell;

	SPI_connect();
	foreach (cell, relations_of(table, pythia_row_trigger(table)))
	{
		found_relation *found = lfirst(cell);

		if (!found->is_the_one)
			continue;
		exists = true;
		if (!found->enabled)
			fault = "its capture trigger is gone, as when the table is dropped and made anew";
		else if (found->enabled != TRIGGER_FIRES_ALWAYS)
			fault = "its capture trigger is disabled, or was for a time";
		else if (!(fault = unseen(found->relid)))
			fault = pythia_cdc_closed_to(found->relid, worker->owner);
	}
	if (exists && !fault)
		fault = truncate_fault(table);
	if (!exists)
		fault = psprintf("table %s does not exist", table->relation);
	if (fault)
		fault = MemoryContextStrdup(cxt, fault);
	SPI_finish();
	return unconstify(char *, fault);
}

typedef struct looked_after
{
	const pythia_cdc_worker *worker;
	const pythia_cdc_table *table;
} looked_after;

static void look_after(void *argument)
{
	looked_after *look = argument;
	char *fault = pythia_trigger_fault(look->worker, look->table);

	if (fault)
		pythia_cdc_give_up(look->worker, look->table, fault);
	else
		complete(look->table);
}

/* Who is in the way is gone at another look. */
static bool is_in_the_way(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		   ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK;
}

static bool is_the_tables(void *argument, const ErrorData *error)
{
	return is_in_the_way(error) || pythia_cdc_table_is_to_blame(NULL, error);
}

/* What one table's owner does to it stops no other one. */
void pythia_trigger_look_after(pythia_cdc_worker *worker)
{
	int settings = pythia_lock_wait_limit();

	pythia_cdc_note_names(worker);
	for (int i = 0; i < worker->ntables; i++)
	{
		looked_after look = {worker, &worker->tables[i]};
		ErrorData *error;

		CHECK_FOR_INTERRUPTS();
		if (!worker->tables[i].active)
			continue;
		error = pythia_isolated(look_after, is_the_tables, &look);
		if (error && !is_in_the_way(error))
			pythia_cdc_give_up(worker, look.table, error->message);
	}
	AtEOXact_GUC(true, settings);
}

void pythia_trigger_refresh(const pythia_cdc_table *table)
{
	ListCell *cell;

	SPI_connect();
	foreach (cell, relations_of(table, pythia_row_trigger(table)))
	{
		found_relation *found = lfirst(cell);

		if (found->enabled)
			CacheInvalidateRelcacheByRelid(found->relid);
	}
	SPI_finish();
}
