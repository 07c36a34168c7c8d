/* sync_table, sync_tables, sync_all_tables, sync_between. */
#include "postgres/sync/run.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "postgres/base/arguments.h"
#include "postgres/base/bridge.h"
#include "postgres/base/jsonb_node.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/rows_out.h"
#include "postgres/base/verb.h"
#include "postgres/sync/out.h"
#include "postgres/sync/tables.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* An argument as a tree; ereports where it is not an object. */
static const pythia_node *object_argument(Jsonb *json, const char *what)
{
	pythia_node *tree = pythia_node_from_jsonb(json);

	if (tree->type != PYTHIA_NODE_OBJECT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must be a JSON object", what),
						errhint("For example '{\"mode\": \"full\"}'.")));
	return tree;
}

static Datum sync_one(FunctionCallInfo fcinfo, const pythia_sync_spec *spec, char *table, const pythia_node *overrides)
{
	pythia_sides *sides = pythia_sides_resolve(spec, true);
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;
	Datum values[PYTHIA_SYNC_COLUMNS];
	bool nulls[PYTHIA_SYNC_COLUMNS];

	/* names given for this run are the caller's own affair */
	if (overrides == NULL || pythia_node_get(overrides, "table_map") == NULL)
		pythia_list_sync_tables(sides, list_make1(table));
	if (!pythia_run_sync(sides, table, overrides, &result, &error))
	{
		pythia_sync_result_free(&result);
		pythia_raise(&error);
	}
	pythia_sync_values(table, &result, NULL, values, nulls);
	pythia_sync_result_free(&result);
	return pythia_row_out(fcinfo, values, nulls);
}

PYTHIA_VERB(pythia_sync_table_sql)
{
	pythia_sync_spec *spec = pythia_sync_spec_by_name(pythia_argument_text(fcinfo, 0));
	const pythia_node *overrides = object_argument(DatumGetJsonbP(pythia_argument(fcinfo, 2)), "overrides");
	Datum row;

	pythia_require_owner(spec);
	pythia_sync_refuse_live(spec);
	row = sync_one(fcinfo, spec, pythia_argument_text(fcinfo, 1), overrides);
	PG_RETURN_DATUM(row);
}

PYTHIA_VERB(pythia_sync_between)
{
	const pythia_node *config = object_argument(DatumGetJsonbP(pythia_argument(fcinfo, 3)), "sync_config");
	pythia_sync_spec *spec = pythia_sync_spec_between(pythia_argument_text(fcinfo, 0), pythia_argument_text(fcinfo, 1),
													  unconstify(pythia_node *, config));

	PG_RETURN_DATUM(sync_one(fcinfo, spec, pythia_argument_text(fcinfo, 2), NULL));
}

/* A table's run: what came of it, and the line of its error. */
typedef struct outcome
{
	const char *table;
	pythia_sync_result result;
	char *line;
} outcome;

/* A table that fails undoes only itself; a cancel ends it all. */
static void note_failure(const pythia_sides *sides, outcome *o, pythia_error *error)
{
	if (error->error_class == PYTHIA_E_CANCELLED)
	{
		pythia_sync_result_free(&o->result);
		pythia_raise(error);
	}
	o->line = pythia_message_from_utf8(pythia_error_line(error));
	pythia_sync_record_error(sides->spec->worker_id, o->table, error);
	pythia_error_reset(error);
}

/* Parents first; what they have lost goes last, when their children are done. */
static void sync_each(pythia_sides *sides, outcome *outcomes, int count)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	sides->others_follow = count > 1;
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!pythia_run_sync(sides, outcomes[i].table, NULL, &outcomes[i].result, &error))
			note_failure(sides, &outcomes[i], &error);
	}
	sides->others_follow = false;
	for (int i = count - 1; i >= 0; i--)
	{
		CHECK_FOR_INTERRUPTS();
		if (outcomes[i].line == NULL && outcomes[i].result.rows_left > 0 &&
			!pythia_run_sweep(sides, outcomes[i].table, &outcomes[i].result, &error))
			note_failure(sides, &outcomes[i], &error);
	}
}

/* What is asked for cannot be had in a caller's transaction. */
static void say_in_turn(const pythia_sides *sides, List *tables)
{
	if (pythia_sync_parallel(sides->spec) > 1 && list_length(tables) > 1)
		ereport(NOTICE, (errmsg("tables go one after another in a session, whatever \"parallel\" says"),
						 errdetail("They are synchronised in its transaction, which other processes cannot see."),
						 errhint("pythia.start_sync lets background processes do it, several at once.")));
}

static void sync_list(FunctionCallInfo fcinfo, const pythia_sync_spec *spec, List *tables)
{
	pythia_rows_out out;
	pythia_sides *sides;
	outcome *outcomes;
	int count;

	pythia_rows_out_begin(fcinfo, &out);
	pythia_require_owner(spec);
	pythia_sync_refuse_live(spec);
	sides = pythia_sides_resolve(spec, true);
	tables = pythia_list_sync_tables(sides, tables);
	say_in_turn(sides, tables);
	count = list_length(tables);
	outcomes = palloc0(sizeof(outcome) * (count + 1));
	for (int i = 0; i < count; i++)
		outcomes[i].table = list_nth(tables, i);
	sync_each(sides, outcomes, count);
	for (int i = 0; i < count; i++)
	{
		Datum values[PYTHIA_SYNC_COLUMNS];
		bool nulls[PYTHIA_SYNC_COLUMNS];

		pythia_sync_values(outcomes[i].table, &outcomes[i].result, outcomes[i].line, values, nulls);
		pythia_sync_result_free(&outcomes[i].result);
		tuplestore_putvalues(out.store, out.desc, values, nulls);
	}
}

PYTHIA_VERB(pythia_sync_tables)
{
	pythia_sync_spec *spec = pythia_sync_spec_by_name(pythia_argument_text(fcinfo, 0));
	Datum *names;
	bool *nulls;
	int count;
	List *tables = NIL;

	deconstruct_array(DatumGetArrayTypeP(pythia_argument(fcinfo, 1)), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls,
					  &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a table name must not be null"),
							errhint("Name the tables, as in ARRAY['users', 'sales.orders'].")));
		tables = lappend(tables, TextDatumGetCString(names[i]));
	}
	if (tables == NIL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the list of tables is empty"),
						errhint("Name tables, or use pythia.sync_all_tables.")));
	sync_list(fcinfo, spec, tables);
	return (Datum) 0;
}

PYTHIA_VERB(pythia_sync_all_tables)
{
	sync_list(fcinfo, pythia_sync_spec_by_name(pythia_argument_text(fcinfo, 0)), NIL);
	return (Datum) 0;
}
