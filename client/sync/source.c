/* The query that reads the source: only wanted columns, after the last key, from the watermark on. */
#include <string.h>

#include "core/memory.h"
#include "dialect/tokens.h"
#include "sync/run.h"

/* (a, b) > (1, 2); written out where an index would not be used for it: in MySQL, and in SQLite beside a COLLATE. */
static bool keyset_condition(const pythia_run *run, pythia_buffer *out, pythia_error *error)
{
	int nkey = run->plan.nkey;
	bool ok = true;

	if (run->source->engine != PYTHIA_MYSQL && run->collations == NULL)
	{
		pythia_buffer_putc(out, '(');
		for (int i = 0; i < nkey; i++)
		{
			pythia_buffer_puts(out, i > 0 ? ", " : "");
			pythia_place_order(run, i, out);
		}
		pythia_buffer_puts(out, ") > (");
		for (int i = 0; ok && i < nkey; i++)
		{
			pythia_buffer_puts(out, i > 0 ? ", " : "");
			ok = pythia_place_literal(run, i, run->after[i], out, error);
		}
		pythia_buffer_putc(out, ')');
		return ok;
	}
	for (int i = 0; ok && i < nkey; i++)
	{
		bool last = i == nkey - 1;

		pythia_place_order(run, i, out);
		pythia_buffer_puts(out, last ? " > " : " >= ");
		ok = pythia_place_literal(run, i, run->after[i], out, error);
		if (last || !ok)
			break;
		pythia_buffer_puts(out, " AND (");
		pythia_place_order(run, i, out);
		pythia_buffer_puts(out, " > ");
		ok = pythia_place_literal(run, i, run->after[i], out, error);
		pythia_buffer_puts(out, " OR ");
	}
	for (int i = 0; i < nkey - 1; i++)
		pythia_buffer_putc(out, ')');
	return ok;
}

/* The part in hand. */
static bool range_condition(const pythia_run *run, pythia_buffer *out, pythia_error *error)
{
	for (int i = 0; i < 2; i++)
	{
		const char *bound = i == 0 ? run->from : run->until;

		if (bound == NULL)
			continue;
		pythia_buffer_puts(out, i == 1 && run->from != NULL ? " AND " : "");
		pythia_place_order(run, 0, out);
		pythia_buffer_puts(out, i == 0 ? " >= " : " < ");
		if (!pythia_place_literal(run, 0, bound, out, error))
			return false;
	}
	return true;
}

/* Large bytes come from another PostgreSQL as base64: libpq holds a row twice, and their hex is half as long again. */
static void put_bytes(const pythia_run *run, const pythia_column *column, pythia_buffer *out)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->source);

	pythia_buffer_puts(out, "CASE WHEN pg_catalog.octet_length(");
	pythia_column_reference(dialect, out, NULL, column);
	pythia_buffer_printf(out, ") > %d THEN pg_catalog.encode(", PYTHIA_BASE64_BYTES);
	pythia_column_reference(dialect, out, NULL, column);
	pythia_buffer_puts(out, ", 'base64') ELSE ");
	dialect->read_expression(run->source, out, NULL, column);
	pythia_buffer_puts(out, "::pg_catalog.text END");
}

/*
 * A column's value as the target is to get it.  The shortest text of the greatest float is a little beyond it, and
 * MySQL, which looks at it as a double, would refuse it.
 */
static void put_value(const pythia_run *run, int pair, pythia_buffer *out)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->source);
	const pythia_column *column = pythia_pair_source(&run->plan, pair);
	bool narrow = run->target->engine == PYTHIA_MYSQL && column->type.kind == PYTHIA_KIND_FLOAT &&
				  pythia_pair_target(&run->plan, pair)->type.kind == PYTHIA_KIND_FLOAT;

	if (narrow && run->source->engine == PYTHIA_SQLITE)
	{
		static const char greatest[] = "3.4028234663852886e38";

		pythia_buffer_puts(out, "CASE WHEN abs(");
		pythia_column_reference(dialect, out, NULL, column);
		pythia_buffer_printf(out, ") BETWEEN %s AND 3.4028235677973363e38 THEN sign(", greatest);
		pythia_column_reference(dialect, out, NULL, column);
		pythia_buffer_printf(out, ") * %s ELSE ", greatest);
		dialect->read_expression(run->source, out, NULL, column);
		pythia_buffer_puts(out, " END");
		return;
	}
	if (column->type.kind == PYTHIA_KIND_BYTES && run->source->engine == PYTHIA_POSTGRESQL && !run->source->local)
	{
		put_bytes(run, column, out);
		return;
	}
	dialect->read_expression(run->source, out, NULL, column);
	if (narrow && run->source->engine == PYTHIA_POSTGRESQL)
		pythia_buffer_puts(out, "::float8");
}

bool pythia_source_query(const pythia_run *run, bool ordered, pythia_buffer *out, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->source);
	const pythia_plan *plan = &run->plan;
	pythia_buffer condition = PYTHIA_BUFFER_INIT;
	const char *glue = " WHERE ";
	bool ok = true;

	pythia_buffer_puts(out, "SELECT ");
	for (int i = 0; i < plan->npairs; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		put_value(run, i, out);
		/* names of their own, so that ORDER BY means the table's columns */
		pythia_buffer_printf(out, " AS pythia_%d", i);
	}
	for (int i = 0; plan->extra_place && i < plan->nkey; i++)
	{
		pythia_buffer_puts(out, ", ");
		pythia_place_read(run, i, NULL, NULL, out);
		pythia_buffer_printf(out, " AS pythia_%d", plan->npairs + i);
	}
	pythia_buffer_puts(out, " FROM ");
	pythia_dialect_table(dialect, out, plan->source.schema, plan->source.name);
	if (plan->where != NULL)
	{
		pythia_buffer_puts(out, glue);
		pythia_condition_put(out, plan->where);
		glue = " AND ";
	}
	if (run->among != NULL)
	{
		pythia_buffer_printf(out, "%s%s", glue, run->among);
		glue = " AND ";
	}
	if (run->job->config->mode == PYTHIA_SYNC_INCREMENTAL &&
		pythia_watermark_condition(run->source, plan, &run->mark, &condition))
	{
		pythia_buffer_printf(out, "%s%s", glue, condition.data);
		glue = " AND ";
	}
	if (run->from != NULL || run->until != NULL)
	{
		pythia_buffer_puts(out, glue);
		ok = range_condition(run, out, error);
		glue = " AND ";
	}
	if (ok && run->after != NULL)
	{
		pythia_buffer_puts(out, glue);
		ok = keyset_condition(run, out, error);
	}
	for (int i = 0; ordered && i < plan->nkey; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : " ORDER BY ");
		/* SQLite would rather read the whole table in order than the few rows through their stamps and sort */
		if (condition.length > 0 && run->source->engine == PYTHIA_SQLITE)
			pythia_buffer_putc(out, '+');
		pythia_place_order(run, i, out);
	}
	pythia_buffer_free(&condition);
	return ok;
}

void pythia_source_keys_query(const pythia_run *run, pythia_buffer *out)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->source);

	pythia_buffer_puts(out, "SELECT ");
	for (int i = 0; i < run->plan.nkey; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		put_value(run, run->plan.key[i], out);
	}
	pythia_buffer_puts(out, " FROM ");
	pythia_dialect_table(dialect, out, run->plan.source.schema, run->plan.source.name);
	if (run->plan.where != NULL)
	{
		pythia_buffer_puts(out, " WHERE ");
		pythia_condition_put(out, run->plan.where);
	}
}
