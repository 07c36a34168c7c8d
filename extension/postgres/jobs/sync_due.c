#include "postgres/jobs/sync_due.h"

#include "catalog/pg_type.h"
#include "core/retry.h"
#include "dialect/short_name.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/settings.h"
#include "postgres/connection/cache.h"
#include "postgres/jobs/turn.h"
#include "postgres/sync/parallel.h"
#include "postgres/sync/ranges_join.h"
#include "postgres/sync/tables.h"
#include "postgres/worker/helpers.h"
#include "postgres/worker/transaction.h"
#include "postgres/worker/worker.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Between two looks whether there is a table to help with. */
#define HELP_MS 50L

typedef struct due_table
{
	char *name;
	double milliseconds; /* until it is due; negative: done */
} due_table;

static Datum name_array(List *tables)
{
	Datum *names = palloc(sizeof(Datum) * Max(list_length(tables), 1));
	int count = 0;
	ListCell *cell;

	foreach (cell, tables)
		names[count++] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* When each table is due: after a failure of its own with growing pauses, else by the schedule, else once for each
 * start. */
static List *read_due(const pythia_sync_spec *spec, List *tables)
{
	static const char sql[] =
		"SELECT t.name, CASE "
		"WHEN s.failures > 0 THEN extract(epoch FROM s.last_error_at - clock_timestamp()) * 1000 "
		"+ least(300000, $3 * 2 ^ least(s.failures - 1, 10)) "
		"WHEN s.last_start IS NULL THEN 0 "
		"WHEN $4 >= 0 THEN extract(epoch FROM s.last_start - clock_timestamp()) * 1000 + $4 "
		"WHEN s.enabled_at = w.enabled_at THEN -1 ELSE 0 END::float8, s.failures IS NULL OR s.failures = 0 "
		"FROM unnest($2) WITH ORDINALITY AS t(name, place) "
		"JOIN pythia.worker w ON w.worker_id = $1 "
		"LEFT JOIN pythia.sync_state s ON s.worker_id = $1 AND s.table_name = t.name ORDER BY t.place";
	Oid types[] = {INT4OID, TEXTARRAYOID, FLOAT8OID, FLOAT8OID};
	MemoryContext caller = CurrentMemoryContext;
	Datum values[4];
	List *result = NIL;

	pythia_job_begin();
	SPI_connect();
	values[0] = Int32GetDatum(spec->worker_id);
	values[1] = name_array(tables);
	values[2] = Float8GetDatum(pythia_guc_restart_delay * 1000.0);
	values[3] = Float8GetDatum((double) spec->schedule_ms);
	pythia_catalog_execute(sql, 4, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		MemoryContext before = MemoryContextSwitchTo(caller);
		due_table *table = palloc0(sizeof(due_table));
		bool isnull;

		table->name = TextDatumGetCString(SPI_getbinval(row, desc, 1, &isnull));
		table->milliseconds = DatumGetFloat8(SPI_getbinval(row, desc, 2, &isnull));
		/* only a table that is done stays below zero */
		if (spec->schedule_ms >= 0 || !DatumGetBool(SPI_getbinval(row, desc, 3, &isnull)))
			table->milliseconds = Max(table->milliseconds, 0);
		result = lappend(result, table);
		MemoryContextSwitchTo(before);
	}
	SPI_finish();
	pythia_job_commit();
	return result;
}

/* A table's failure is its own; a cancel, or a database that cannot be reached, is the worker's. */
static void note_failure(const pythia_sides *sides, const char *table, pythia_error *error)
{
	if (error->error_class == PYTHIA_E_CANCELLED)
		pythia_raise(error);
	pythia_job_begin();
	pythia_sync_record_error(sides->spec->worker_id, table, error);
	pythia_job_commit();
	if (error->error_class == PYTHIA_E_CONNECT || error->error_class == PYTHIA_E_LOST)
		pythia_raise(error);
	ereport(WARNING, (errcode(pythia_sqlstate_code(error->sqlstate)),
					  errmsg("sync worker \"%s\" failed for table \"%s\": %s", sides->spec->name,
							 pythia_name_shown(table, (char[PYTHIA_NAME_ROOM]){0}),
							 pythia_message_from_utf8(pythia_error_line(error)))));
	pythia_error_reset(error);
}

/* *left: tables with rows that go when the others are done. */
static void sync_due(const pythia_sides *sides, const char *table, const pythia_node *overrides, List **left)
{
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;

	pgstat_report_activity(STATE_RUNNING, psprintf("synchronising %s", table));
	if (!pythia_run_sync(sides, table, overrides, &result, &error) || !pythia_run_validation(sides, table, &error))
	{
		pythia_sync_result_free(&result);
		note_failure(sides, table, &error);
		return;
	}
	if (result.rows_left > 0)
		*left = lcons(unconstify(char *, table), *left);
	pythia_sync_result_free(&result);
}

/* Of the last table first.  Where other processes are at work on tables that refer to it, a row may stay for the next
 * turn. */
static void sweep_left(const pythia_sides *sides, List *left)
{
	ListCell *cell;

	foreach (cell, left)
	{
		pythia_sync_result result = {0};
		pythia_error error = PYTHIA_ERROR_INIT;

		if (!pythia_run_sweep(sides, lfirst(cell), &result, &error))
			note_failure(sides, lfirst(cell), &error);
		pythia_sync_result_free(&result);
	}
}

bool pythia_sync_begin(const pythia_job *job, pythia_sides **sides, List **tables)
{
	MemoryContext scratch = CurrentMemoryContext;
	pythia_sync_spec *spec;

	pythia_job_begin();
	MemoryContextSwitchTo(scratch);
	spec = pythia_sync_spec_by_id(job->worker_id);
	*sides = spec ? pythia_sides_resolve(spec, true) : NULL;
	pythia_job_commit();
	MemoryContextSwitchTo(scratch);
	if (*sides)
	{
		*tables = pythia_list_sync_tables(*sides, NIL);
		(*sides)->others_follow = list_length(*tables) > 1;
	}
	return *sides != NULL;
}

static bool is_due(const pythia_sync_spec *spec, const char *table)
{
	due_table *now = linitial(read_due(spec, list_make1(unconstify(char *, table))));

	return now->milliseconds == 0;
}

/* Has any other process a table? */
static bool others_are_at_work(int32 worker_id, const pythia_table_order *order)
{
	ListCell *cell;

	foreach (cell, order->names)
	{
		if (!pythia_table_take(worker_id, lfirst(cell)))
			return true;
		pythia_table_give_back(worker_id, lfirst(cell));
	}
	return false;
}

static void sync_taken(const pythia_sides *sides, const pythia_table_order *order, int position,
					   const pythia_node *overrides, List **left)
{
	const char *name = list_nth(order->names, position);

	PG_TRY();
	{
		/* another may have done it meanwhile */
		if (is_due(sides->spec, name))
		{
			pythia_table_wait(sides->spec->worker_id, order, position);
			sync_due(sides, name, overrides, left);
		}
	}
	PG_CATCH();
	{
		pythia_table_give_back(sides->spec->worker_id, name);
		PG_RE_THROW();
	}
	PG_END_TRY();
	pythia_table_give_back(sides->spec->worker_id, name);
}

/* Takes every table that is due and that no other process has. */
static void share_tables(const pythia_sides *sides, const pythia_table_order *order, const pythia_node *overrides,
						 List **left)
{
	int position = 0;
	ListCell *cell;

	foreach (cell, read_due(sides->spec, order->names))
	{
		due_table *table = lfirst(cell);

		if (table->milliseconds == 0 && pythia_table_take(sides->spec->worker_id, table->name))
			sync_taken(sides, order, position, overrides, left);
		position++;
	}
}

/* Loads share the connections that one alone would use. */
static const pythia_node *share_as_override(int share)
{
	pythia_node *tree = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);

	pythia_node_add(tree, pythia_node_new(PYTHIA_NODE_NUMBER, "parallel", psprintf("%d", share)));
	pythia_free_with_context((void (*)(void *)) pythia_node_free, tree);
	return tree;
}

/* A process with no table of its own to take helps with those that others have. */
static void help_others(const pythia_sides *sides, const pythia_table_order *order, const pythia_node *overrides)
{
	uint32 event = pythia_wait_event("PythiaTableWait");

	while (others_are_at_work(sides->spec->worker_id, order))
	{
		MemoryContext turn = AllocSetContextCreate(CurrentMemoryContext, "pythia_db help", ALLOCSET_DEFAULT_SIZES);
		MemoryContext before = MemoryContextSwitchTo(turn);
		bool helped = pythia_ranges_help(sides, overrides);

		MemoryContextSwitchTo(before);
		MemoryContextDelete(turn);
		if (helped)
			continue;
		pgstat_report_activity(STATE_RUNNING, "waiting for tables");
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, HELP_MS, event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static int count_due(const pythia_sync_spec *spec, List *tables)
{
	int count = 0;
	ListCell *cell;

	foreach (cell, read_due(spec, tables))
		count += ((due_table *) lfirst(cell))->milliseconds == 0;
	return count;
}

static void sync_together(const pythia_job *job, pythia_sides *sides, List *tables, int most, int due)
{
	int runners = Min(most, due);
	int share = Max(1, most / runners);

	PG_TRY();
	{
		pythia_table_order *order;
		const pythia_node *overrides = share_as_override(share);
		List *left = NIL;

		/* what is left over of the streams is for a large table of ours */
		sides->parts = (pythia_ranges_limits){job, most, most - (runners - 1) * share - 1};
		(void) pythia_helpers_start(job, runners - 1, share);
		order = due > 1 ? pythia_table_order_make(sides, tables) : pythia_table_order_plain(tables);
		share_tables(sides, order, overrides, &left);
		if (pythia_helpers_running() > 0)
			help_others(sides, order, overrides);
		sweep_left(sides, left);
		pgstat_report_activity(STATE_RUNNING, "waiting for helpers");
		pythia_helpers_wait();
	}
	PG_CATCH();
	{
		pythia_helpers_stop();
		PG_RE_THROW();
	}
	PG_END_TRY();
}

void pythia_sync_help(const pythia_job *job, int share)
{
	pythia_sides *sides;
	List *tables;

	if (pythia_sync_begin(job, &sides, &tables))
	{
		pythia_table_order *order = pythia_table_order_make(sides, tables);
		const pythia_node *overrides = share_as_override(share);
		List *left = NIL;

		sides->parts = (pythia_ranges_limits){job, pythia_sync_parallel(sides->spec), share - 1};
		share_tables(sides, order, overrides, &left);
		help_others(sides, order, overrides);
		sweep_left(sides, left);
		pythia_helpers_wait();
	}
}

void pythia_sync_due_tables(const pythia_job *job, pythia_sides *sides, List *tables)
{
	int most = pythia_sync_parallel(sides->spec);
	int due = most > 1 ? count_due(sides->spec, tables) : 0;
	List *left = NIL;
	ListCell *cell;

	if (due > 0)
	{
		sync_together(job, sides, tables, most, due);
		return;
	}
	foreach (cell, read_due(sides->spec, tables))
	{
		due_table *table = lfirst(cell);

		if (table->milliseconds == 0)
			sync_due(sides, table->name, NULL, &left);
	}
	sweep_left(sides, left);
}

bool pythia_sync_next_due(const pythia_sync_spec *spec, List *tables, double *milliseconds)
{
	bool any = false;
	ListCell *cell;

	foreach (cell, read_due(spec, tables))
	{
		due_table *table = lfirst(cell);

		if (table->milliseconds < 0)
			continue;
		any = true;
		*milliseconds = Min(*milliseconds, table->milliseconds);
	}
	return any;
}
