/* UPDATE of the target's rows that differ from the stage's. */
#include "sync/run.h"
#include "sync/soft.h"

#include <string.h>

#include "core/memory.h"

/* Whatever comes from the source is not gone. */
static void put_unmarked(const pythia_run *run, const char *alias, pythia_buffer *out)
{
	const pythia_column *soft = pythia_soft_column(run->job->config, &run->plan.target);

	if (soft == NULL)
		return;
	pythia_buffer_printf(out, ", %s", alias);
	pythia_dialect_of(run->target)->identifier(out, soft->name);
	pythia_buffer_puts(out, " = ");
	pythia_soft_here(run->target, soft, out);
}

static void put_assignments(const pythia_run *run, const char *alias, pythia_buffer *out)
{
	bool any = false;

	for (int i = 0; i < run->plan.npairs; i++)
	{
		if (pythia_merge_is_fixed(run, i))
			continue;
		pythia_buffer_puts(out, any ? ", " : "");
		any = true;
		pythia_merge_column(run, out, alias, i);
		pythia_buffer_puts(out, " = ");
		pythia_merge_column(run, out, "s.", i);
	}
	put_unmarked(run, alias, out);
}

static void put_changing(const pythia_run *run, const char *alias, pythia_buffer *out)
{
	bool any = false;

	for (int i = 0; i < run->plan.npairs; i++)
	{
		if (pythia_merge_is_fixed(run, i))
			continue;
		pythia_buffer_puts(out, any ? ", " : "");
		any = true;
		pythia_merge_column(run, out, alias, i);
	}
}

/*
 * SQLite's UPDATE ... FROM holds a row five times: what is compared, what it collects and what it writes.
 * Where rows are large, those that need no update leave the stage first, and each of the others is then
 * read and written by itself.
 */
static bool update_large(pythia_run *run, bool by_rule, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer counterpart = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "DELETE FROM ");
	pythia_merge_table(run, true, &sql);
	pythia_buffer_puts(&sql, " AS s WHERE EXISTS (SELECT 1 FROM ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, " AS t WHERE ");
	pythia_merge_key_join(run, &sql);
	pythia_buffer_puts(&sql, " AND (");
	pythia_merge_difference(run, &sql);
	if (by_rule)
		pythia_merge_rule(run, &sql);
	pythia_buffer_puts(&sql, ") IS NOT TRUE)");
	ok = pythia_run_exec(run, sql.data, NULL, error);
	pythia_buffer_clear(&sql);
	pythia_buffer_puts(&counterpart, " FROM ");
	pythia_merge_table(run, true, &counterpart);
	pythia_buffer_puts(&counterpart, " AS s WHERE ");
	pythia_merge_key_join(run, &counterpart);
	pythia_buffer_puts(&sql, "UPDATE ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, " AS t SET (");
	put_changing(run, "", &sql);
	pythia_buffer_puts(&sql, ") = (SELECT ");
	put_changing(run, "s.", &sql);
	pythia_buffer_printf(&sql, "%s)", counterpart.data);
	put_unmarked(run, "", &sql);
	pythia_buffer_puts(&sql, " WHERE (");
	pythia_merge_key_columns(run, &sql, "t.", "");
	pythia_buffer_puts(&sql, ") IN (SELECT ");
	pythia_merge_key_columns(run, &sql, "s.", "");
	pythia_buffer_puts(&sql, " FROM ");
	pythia_merge_table(run, true, &sql);
	/* the key itself, where the target takes others for it */
	pythia_buffer_printf(&sql, " AS s) AND EXISTS (SELECT 1%s)", counterpart.data);
	ok = ok && pythia_run_exec(run, sql.data, count, error);
	pythia_buffer_free(&counterpart);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_merge_update(pythia_run *run, bool by_rule, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool any = false;
	bool ok;

	*count = 0;
	for (int i = 0; i < run->plan.npairs; i++)
		any = any || !pythia_merge_is_fixed(run, i);
	if (!any)
		return true;
	if (run->state.large && run->target->engine == PYTHIA_SQLITE)
		return update_large(run, by_rule, count, error);
	pythia_buffer_puts(&sql, "UPDATE ");
	pythia_merge_table(run, false, &sql);
	if (run->target->engine == PYTHIA_MYSQL)
	{
		pythia_buffer_puts(&sql, " t JOIN ");
		pythia_merge_table(run, true, &sql);
		pythia_buffer_puts(&sql, " s ON ");
		pythia_merge_key_join(run, &sql);
		pythia_buffer_puts(&sql, " SET ");
		put_assignments(run, "t.", &sql);
		pythia_buffer_puts(&sql, " WHERE ");
	}
	else
	{
		pythia_buffer_puts(&sql, " AS t SET ");
		put_assignments(run, "", &sql);
		pythia_buffer_puts(&sql, " FROM ");
		pythia_merge_table(run, true, &sql);
		pythia_buffer_puts(&sql, " AS s WHERE ");
		pythia_merge_key_join(run, &sql);
		pythia_buffer_puts(&sql, " AND ");
	}
	pythia_merge_difference(run, &sql);
	if (by_rule)
		pythia_merge_rule(run, &sql);
	ok = pythia_run_exec(run, sql.data, count, error);
	pythia_buffer_free(&sql);
	return ok;
}
