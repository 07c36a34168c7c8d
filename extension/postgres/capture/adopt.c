#include "postgres/capture/adopt.h"

#include "access/xact.h"
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

static bool is_known(const pythia_cdc_worker *worker, Oid relid)
{
	char *schema = get_namespace_name(get_rel_namespace(relid));
	char *table = get_rel_name(relid);

	/* gone just now */
	if (!schema || !table)
		return true;
	for (int i = 0; i < worker->ntables; i++)
		if (strcmp(worker->tables[i].schema_name, schema) == 0 && strcmp(worker->tables[i].table_name, table) == 0)
			return true;
	return false;
}

static char *name_of(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

static void take_in(pythia_cdc_worker *worker, Oid relid)
{
	int32 table_id = pythia_cdc_insert_table(worker->worker_id, pythia_cdc_define(worker, relid, name_of(relid)));

	CommandCounterIncrement();
	worker = pythia_cdc_load(worker->worker_id);
	for (int i = 0; i < worker->ntables; i++)
		if (worker->tables[i].table_id == table_id)
		{
			worker->tables[i].config.start = PYTHIA_START_BEGINNING;
			pythia_cdc_start_table(worker, &worker->tables[i]);
		}
}

static void note_unfit(const pythia_cdc_worker *worker, Oid relid, const char *reason)
{
	static const char sql[] = "INSERT INTO pythia.cdc_state (table_id) VALUES ($1) ON CONFLICT (table_id) DO NOTHING";
	pythia_cdc_definition definition = {.name = name_of(relid),
										.relation = name_of(relid),
										.schema_name = get_namespace_name(get_rel_namespace(relid)),
										.table_name = get_rel_name(relid),
										.timestamp_column = ""};
	pythia_cdc_table table = {.name = definition.name,
							  .table_id = pythia_cdc_insert_table(worker->worker_id, &definition)};
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(table.table_id)};

	CommandCounterIncrement();
	pythia_catalog_run(sql, 1, types, values, NULL);
	CommandCounterIncrement();
	pythia_cdc_give_up(worker, &table, reason);
}

typedef struct adoption
{
	pythia_cdc_worker *worker;
	Oid relid;
} adoption;

static void try_to_adopt(void *argument)
{
	const adoption *adopted = argument;

	take_in(adopted->worker, adopted->relid);
}

static bool is_no_reason_to_stop(void *argument, const ErrorData *error)
{
	return pythia_cdc_table_is_to_blame(argument, error) || pythia_cdc_table_is_busy(error->sqlerrcode);
}

static void adopt_table(pythia_cdc_worker *worker, Oid relid)
{
	adoption adopted = {worker, relid};
	int settings = pythia_cdc_wait_briefly();
	ErrorData *error = pythia_isolated(try_to_adopt, is_no_reason_to_stop, &adopted);

	AtEOXact_GUC(false, settings);
	/* one that is busy, or just gone, is looked at again the next time */
	if (error && pythia_cdc_table_is_to_blame(NULL, error))
		note_unfit(worker, relid, error->message);
}

bool pythia_cdc_adopt(int32 worker_id)
{
	pythia_cdc_worker *worker = pythia_cdc_load(worker_id);
	bool found = false;
	ListCell *cell;
	Oid role;
	int context;

	if (!worker || worker->connection)
		return false;
	pythia_owner_require(worker->owner);
	GetUserIdAndSecContext(&role, &context);
	SetUserIdAndSecContext(worker->owner, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	foreach (cell, worker->patterns)
	{
		List *relids = pythia_cdc_pattern_tables(lfirst(cell));
		ListCell *table;

		foreach (table, relids)
		{
			if (is_known(worker, lfirst_oid(table)))
				continue;
			adopt_table(worker, lfirst_oid(table));
			found = true;
		}
	}
	SetUserIdAndSecContext(role, context);
	return found;
}
