#include "postgres/capture/discovered.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postgres/base/catalog.h"
#include "postgres/base/subtransaction.h"
#include "postgres/capture/catalog.h"
#include "postgres/capture/define.h"
#include "postgres/capture/outcome.h"
#include "postgres/capture/start.h"
#include "postgres/worker/owner.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* A table that has come under a pattern, and its names: it may go meanwhile. */
typedef struct adoption
{
	const pythia_cdc_worker *worker; /* as it was before the look */
	Oid relid;
	char *schema;
	char *table;
	char *name;
} adoption;

static void take_in(void *argument)
{
	const adoption *adopted = argument;
	int32 worker_id = adopted->worker->worker_id;
	int32 table_id =
		pythia_cdc_insert_table(worker_id, pythia_cdc_define(adopted->worker, adopted->relid, adopted->name));
	pythia_cdc_worker *alone;

	CommandCounterIncrement();
	alone = pythia_cdc_load_table(worker_id, table_id);
	if (!alone || alone->ntables == 0)
		return;
	alone->tables[0].config.start = PYTHIA_START_BEGINNING;
	/* the others say where the journal begins for it */
	pythia_cdc_start_table(unconstify(pythia_cdc_worker *, adopted->worker), &alone->tables[0]);
}

static void note_unfit(const adoption *adopted, const char *reason)
{
	static const char sql[] = "INSERT INTO pythia.cdc_state (table_id) VALUES ($1) ON CONFLICT (table_id) DO NOTHING";
	pythia_cdc_definition definition = {.name = adopted->name,
										.relation = adopted->name,
										.schema_name = adopted->schema,
										.table_name = adopted->table,
										.timestamp_column = ""};
	pythia_cdc_table table = {.name = adopted->name,
							  .table_id = pythia_cdc_insert_table(adopted->worker->worker_id, &definition)};
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(table.table_id)};

	CommandCounterIncrement();
	pythia_catalog_run(sql, 1, types, values, NULL);
	CommandCounterIncrement();
	pythia_cdc_give_up(adopted->worker, &table, reason);
}

static bool is_no_reason_to_stop(void *argument, const ErrorData *error)
{
	return pythia_cdc_table_is_to_blame(argument, error) || pythia_cdc_table_is_busy(error->sqlerrcode);
}

/* False where it is to be looked at again. */
static bool add_table(const pythia_cdc_worker *worker, Oid relid)
{
	adoption adopted = {worker, relid, get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid)};
	ErrorData *error;
	int settings;

	/* gone just now */
	if (!adopted.schema || !adopted.table)
		return false;
	adopted.name = quote_qualified_identifier(adopted.schema, adopted.table);
	settings = pythia_cdc_wait_briefly();
	error = pythia_isolated(take_in, is_no_reason_to_stop, &adopted);
	AtEOXact_GUC(false, settings);
	/* one that is busy, or just gone, is looked at again the next time */
	if (error && !pythia_cdc_table_is_to_blame(NULL, error))
		return false;
	if (error)
		note_unfit(&adopted, error->message);
	return true;
}

/* ---- a look ---- */

/* Sorted, as are those that patterns name. */
static List *known_tables(const pythia_cdc_worker *worker)
{
	List *relids = NIL;

	for (int i = 0; i < worker->ntables; i++)
	{
		Oid schema = get_namespace_oid(worker->tables[i].schema_name, true);

		if (OidIsValid(schema))
			relids = lappend_oid(relids, get_relname_relid(worker->tables[i].table_name, schema));
	}
	list_sort(relids, list_oid_cmp);
	return relids;
}

static List *named_tables(const pythia_cdc_worker *worker)
{
	List *relids = NIL;
	ListCell *cell;

	foreach (cell, worker->patterns)
		relids = list_concat(relids, pythia_cdc_pattern_tables(lfirst(cell)));
	list_sort(relids, list_oid_cmp);
	list_deduplicate_oid(relids);
	return relids;
}

static List *without(const List *named, const List *known)
{
	List *relids = NIL;
	int next = 0;
	ListCell *cell;

	foreach (cell, named)
	{
		while (next < list_length(known) && list_nth_oid(known, next) < lfirst_oid(cell))
			next++;
		if (next == list_length(known) || list_nth_oid(known, next) != lfirst_oid(cell))
			relids = lappend_oid(relids, lfirst_oid(cell));
	}
	return relids;
}

static int add_some(const pythia_cdc_worker *worker, const List *relids)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "pythia_db adoption", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(scratch);
	int adopted = 0;
	ListCell *cell;

	foreach (cell, relids)
	{
		CHECK_FOR_INTERRUPTS();
		adopted += add_table(worker, lfirst_oid(cell));
		MemoryContextReset(scratch);
		if (adopted == PYTHIA_MOST_ADOPTED)
			break;
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(scratch);
	return adopted;
}

int pythia_cdc_add_discovered(int32 worker_id)
{
	pythia_cdc_worker *worker = pythia_cdc_load(worker_id);
	int adopted;
	Oid role;
	int context;

	if (!worker || worker->connection)
		return 0;
	pythia_owner_require(worker->owner);
	GetUserIdAndSecContext(&role, &context);
	SetUserIdAndSecContext(worker->owner, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	adopted = add_some(worker, without(named_tables(worker), known_tables(worker)));
	SetUserIdAndSecContext(role, context);
	return adopted;
}
