/* replay_quarantine: rows that were refused are read from the source again and tried once more. */
#include "postgres/sync/run.h"

#include "catalog/pg_type.h"
#include "core/memory.h"
#include "dialect/dialect.h"
#include "dialect/tokens.h"
#include "miscadmin.h"
#include "postgres/base/arguments.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/jsonb_node.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/rows_out.h"
#include "postgres/base/verb.h"
#include "postgres/sync/out.h"
#include "utils/builtins.h"

/* Rows a call takes at once: their keys become one condition. */
#define MOST_ROWS 1000

typedef struct replay
{
	List *rows; /* of pythia_node *, the rows as the source had them */
	pythia_sync_result *result;
} replay;

/* Takes the oldest rows of a table out of the quarantine; what fails again comes back by itself. */
static List *take_rows(int32 worker_id, const char *table)
{
	static const char sql[] =
		"DELETE FROM pythia.quarantine WHERE quarantine_id IN (SELECT q.quarantine_id FROM pythia.quarantine q "
		"WHERE q.worker_id = $1 AND q.table_name = $2 ORDER BY q.quarantine_id LIMIT $3) RETURNING row_data";
	Oid types[] = {INT4OID, TEXTOID, INT4OID};
	Datum values[] = {Int32GetDatum(worker_id), CStringGetTextDatum(table), Int32GetDatum(MOST_ROWS)};
	MemoryContext caller = CurrentMemoryContext;
	List *rows = NIL;

	SPI_connect();
	pythia_catalog_execute(sql, 3, types, values, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;
		Datum json = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		MemoryContext before = MemoryContextSwitchTo(caller);

		rows = lappend(rows, pythia_node_from_jsonb(DatumGetJsonbP(json)));
		MemoryContextSwitchTo(before);
	}
	SPI_finish();
	return rows;
}

/* One row's key as a condition; false where the row has lost a key column. */
static bool add_condition(const pythia_db *source, const pythia_table *table, const pythia_node *row,
						  pythia_buffer *out, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(source);

	for (int i = 0; i < table->nkey; i++)
	{
		const pythia_column *column = &table->columns[table->key[i]];
		const pythia_node *value = pythia_node_get(row, column->name);
		const char *text;

		if (!value || !value->text)
			return pythia_fail(error, PYTHIA_E_DATA, "23502",
							   "a quarantined row of table \"%s\" has no value for \"%s\"", table->name, column->name);
		text = value->text;
		if (value->type == PYTHIA_NODE_BOOL)
			text = strcmp(text, "true") == 0 ? "1" : "0";
		pythia_buffer_puts(out, i == 0 ? "(" : " AND ");
		dialect->identifier(out, column->name);
		pythia_buffer_puts(out, " = ");
		if (!dialect->value_literal(source, out, &column->type, text, strlen(text)))
			return pythia_fail(error, PYTHIA_E_DATA, "22P02",
							   "a quarantined row of table \"%s\" has no value of type %s for \"%s\"", table->name,
							   column->type.native, column->name);
	}
	pythia_buffer_puts(out, ")");
	return true;
}

static bool write_condition(const pythia_sync_job *job, const replay *call, pythia_buffer *out, pythia_error *error)
{
	pythia_table table;
	ListCell *cell;
	bool ok = true;

	if (!pythia_describe(job->source, job->table, &table, error))
		return false;
	if (table.nkey == 0)
		ok = pythia_fail(error, PYTHIA_E_USAGE, "42P16", "table \"%s\" has no primary key to find its rows by",
						 table.name);
	if (job->config->where && ok)
	{
		/* what stands in its own parentheses would pass for a part of ours behind them */
		ok = pythia_condition_check(job->source->engine, "where", job->config->where, error);
		pythia_condition_put(out, job->config->where);
		pythia_buffer_puts(out, " AND ");
	}
	pythia_buffer_puts(out, "(");
	foreach (cell, call->rows)
	{
		if (!ok)
			break;
		if (cell != list_head(call->rows))
			pythia_buffer_puts(out, " OR ");
		ok = add_condition(job->source, &table, lfirst(cell), out, error);
	}
	pythia_buffer_puts(out, ")");
	pythia_table_free(&table);
	return ok;
}

static bool replay_body(pythia_session *session, pythia_sync_job *job, void *arg, pythia_error *error)
{
	replay *call = arg;
	pythia_sync_config config = *job->config;
	pythia_buffer condition = PYTHIA_BUFFER_INIT;
	bool ok = write_condition(job, call, &condition, error);

	if (ok)
	{
		/* just these rows, whatever their stamps; nothing else may go */
		config.where = condition.data;
		config.mode = PYTHIA_SYNC_FULL;
		config.truncate_target = false;
		config.deletes = PYTHIA_DELETES_IGNORE;
		config.quarantine = true;
		job->config = &config;
		job->watermark = NULL;
		ok = pythia_sync_table(job, call->result, error);
	}
	pythia_buffer_free(&condition);
	return ok;
}

PYTHIA_VERB(pythia_replay_quarantine)
{
	pythia_sync_spec *spec = pythia_sync_spec_by_name(pythia_argument_text(fcinfo, 0));
	char *table = pythia_argument_text(fcinfo, 1);
	pythia_sync_result result = {0};
	replay call = {.result = &result};
	pythia_error error = PYTHIA_ERROR_INIT;
	Datum values[PYTHIA_SYNC_COLUMNS];
	bool nulls[PYTHIA_SYNC_COLUMNS];

	pythia_require_owner(spec);
	pythia_sync_refuse_live(spec);
	call.rows = take_rows(spec->worker_id, table);
	if (call.rows != NIL &&
		!pythia_with_callbacks(pythia_sides_resolve(spec, true), table, NULL, replay_body, &call, &error))
		pythia_raise(&error);
	pythia_sync_values(table, &result, NULL, values, nulls);
	pythia_sync_result_free(&result);
	return pythia_row_out(fcinfo, values, nulls);
}
