#include "postgres/sync/ranges_join.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/sync/parallel.h"
#include "postgres/sync/ranges.h"
#include "postgres/worker/progress.h"
#include "postgres/worker/transaction.h"
#include "utils/builtins.h"

typedef struct open_table
{
	int32 worker_id;
	char *name;
	char *ticket;
	int copier;
	pythia_ranges_limits limits;
} open_table;

/* A run of another process with parts that nobody has begun. */
static open_table *find_open(int32 worker_id)
{
	static const char sql[] =
		"SELECT s.table_name, s.checkpoint, s.copier FROM pythia.sync_state s WHERE s.worker_id = $1 "
		"AND s.copier <> $2 AND s.checkpoint IS NOT NULL AND EXISTS (SELECT 1 FROM pythia.sync_part p "
		"WHERE p.worker_id = s.worker_id AND p.table_name = s.table_name AND NOT p.done AND p.pid IS NULL)";
	Oid types[] = {INT4OID, INT4OID};
	Datum values[] = {Int32GetDatum(worker_id), Int32GetDatum(MyProcPid)};
	MemoryContext caller = CurrentMemoryContext;
	List *tables = NIL;
	open_table *found = NULL;
	ListCell *cell;
	bool isnull;

	pythia_job_begin();
	SPI_connect();
	pythia_catalog_execute(sql, 2, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		MemoryContext before = MemoryContextSwitchTo(caller);
		open_table *table = palloc0(sizeof(open_table));

		table->worker_id = worker_id;
		table->name = TextDatumGetCString(SPI_getbinval(row, desc, 1, &isnull));
		table->ticket = TextDatumGetCString(SPI_getbinval(row, desc, 2, &isnull));
		table->copier = DatumGetInt32(SPI_getbinval(row, desc, 3, &isnull));
		tables = lappend(tables, table);
		MemoryContextSwitchTo(before);
	}
	SPI_finish();
	/* one that died left its mark */
	foreach (cell, tables)
	{
		open_table *table = lfirst(cell);

		if (!found && pythia_table_taker(worker_id, table->name) == table->copier)
			found = table;
	}
	pythia_job_commit();
	MemoryContextSwitchTo(caller);
	return found;
}

static bool join_run(pythia_session *session, pythia_sync_job *job, void *arg, pythia_error *error)
{
	const open_table *open = arg;
	bool ok;

	pythia_progress_help();
	job->streams = pythia_ranges_offer(session, &open->limits, open->worker_id, open->name, open->ticket);
	ok = pythia_sync_stream(job, open->ticket, error);
	(void) pythia_ranges_leave(job->streams);
	return ok;
}

bool pythia_ranges_help(const pythia_sides *sides, const pythia_node *overrides)
{
	static bool failed = false;
	open_table *open = failed ? NULL : find_open(sides->spec->worker_id);
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!open)
		return false;
	open->limits = sides->parts;
	pgstat_report_activity(STATE_RUNNING, psprintf("synchronising a part of %s", open->name));
	if (pythia_with_callbacks(sides, open->name, overrides, join_run, open, &error))
		return true;
	/* the table's own run meets it, too, or does better */
	failed = true;
	CHECK_FOR_INTERRUPTS();
	ereport(DEBUG1, (errmsg_internal("%s", pythia_error_line(&error))));
	pythia_error_reset(&error);
	return false;
}
