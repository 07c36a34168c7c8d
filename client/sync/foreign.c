#include "sync/foreign.h"

#include <string.h>

#include "core/memory.h"

/* The foreign keys of the table; of_others: and those that refer to it. */
static bool read_keys(pythia_run *run, bool of_others, pythia_result *keys, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->target);
	const pythia_table *table = &run->plan.target;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME,"
							 " REFERENCED_COLUMN_NAME, TABLE_SCHEMA, TABLE_NAME"
							 " FROM information_schema.KEY_COLUMN_USAGE WHERE (");
	pythia_dialect_named(dialect, &sql, "TABLE_SCHEMA", "TABLE_NAME", table);
	if (of_others)
	{
		pythia_buffer_puts(&sql, " OR ");
		pythia_dialect_named(dialect, &sql, "REFERENCED_TABLE_SCHEMA", "REFERENCED_TABLE_NAME", table);
	}
	pythia_buffer_puts(&sql, ") AND REFERENCED_TABLE_NAME IS NOT NULL"
							 " ORDER BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION");
	ok = pythia_db_query(run->target, sql.data, "ttttttt", keys, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* PostgreSQL looks at a key that is not deferrable after each statement. */
static bool find_own_reference(pythia_run *run, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->target);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_merge_table(run, false, &name);
	pythia_buffer_puts(&sql, "SELECT 1 FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conrelid = confrelid AND"
							 " conrelid = ");
	dialect->literal(&sql, name.data, name.length);
	pythia_buffer_puts(&sql, "::pg_catalog.regclass LIMIT 1");
	ok = pythia_db_any(run->target, sql.data, &run->way.refers_to_itself, error);
	/* a row may come chunks before the one that it refers to */
	run->way.single = run->way.single || run->way.refers_to_itself;
	pythia_buffer_free(&sql);
	pythia_buffer_free(&name);
	return ok;
}

bool pythia_foreign_begin(pythia_run *run, pythia_error *error)
{
	pythia_result keys;
	bool own = false;

	memset(&keys, 0, sizeof(keys));
	if (run->state.created || run->job->config->dry_run || run->target->engine == PYTHIA_SQLITE)
		return true;
	if (run->target->engine == PYTHIA_POSTGRESQL)
		return find_own_reference(run, error);
	if (!read_keys(run, false, &keys, error))
		return false;
	if (keys.nrows > 0)
		run->way.connections = 1;
	for (int64_t i = 0; i < keys.nrows; i++)
		own = own || strcmp(pythia_result_text(&keys, i, 3), run->plan.target.name) == 0;
	pythia_result_free(&keys);
	run->state.unchecked = own;
	/* all in one transaction, so that orphans found at its end leave nothing */
	run->way.single = run->way.single || own;
	return !own || pythia_db_exec(run->target, "SET SESSION foreign_key_checks = 0", NULL, error);
}

/* One constraint, from its first column's row on; *next is the row after its last. */
static bool check_constraint(pythia_run *run, const pythia_result *keys, int64_t first, int64_t *next,
							 pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->target);
	const char *name = pythia_result_text(keys, first, 0);
	const char *child = pythia_result_text(keys, first, 6);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer join = PYTHIA_BUFFER_INIT;
	pythia_buffer given = PYTHIA_BUFFER_INIT;
	char *orphan = NULL;
	int64_t row = first;
	bool ok;

	for (; row < keys->nrows && strcmp(pythia_result_text(keys, row, 0), name) == 0 &&
		   strcmp(pythia_result_text(keys, row, 6), child) == 0 &&
		   strcmp(pythia_result_text(keys, row, 5), pythia_result_text(keys, first, 5)) == 0;
		 row++)
	{
		pythia_buffer_puts(&join, row > first ? " AND p." : "p.");
		dialect->identifier(&join, pythia_result_text(keys, row, 4));
		pythia_buffer_puts(&join, " = t.");
		dialect->identifier(&join, pythia_result_text(keys, row, 1));
		pythia_buffer_puts(&given, " AND t.");
		dialect->identifier(&given, pythia_result_text(keys, row, 1));
		pythia_buffer_puts(&given, " IS NOT NULL");
	}
	*next = row;
	pythia_buffer_puts(&sql, "SELECT t.");
	dialect->identifier(&sql, pythia_result_text(keys, first, 1));
	pythia_buffer_puts(&sql, " FROM ");
	pythia_dialect_table(dialect, &sql, pythia_result_text(keys, first, 5), child);
	pythia_buffer_puts(&sql, " t LEFT JOIN ");
	pythia_dialect_table(dialect, &sql, pythia_result_text(keys, first, 2), pythia_result_text(keys, first, 3));
	pythia_buffer_printf(&sql, " p ON %s WHERE p.", join.data);
	dialect->identifier(&sql, pythia_result_text(keys, first, 4));
	pythia_buffer_printf(&sql, " IS NULL%s LIMIT 1", given.data);
	ok = pythia_db_text(run->target, sql.data, &orphan, error);
	if (ok && orphan != NULL)
	{
		pythia_fail(error, PYTHIA_E_DATA, "23503", "rows of table \"%s\" break foreign key \"%s\"", child, name);
		pythia_error_detail(error, "One of them refers to %s.", orphan);
		ok = pythia_error_hint(error, "Synchronise table \"%s\" first, or mend the rows in the source.",
							   pythia_result_text(keys, first, 3));
	}
	pythia_free(orphan);
	pythia_buffer_free(&sql);
	pythia_buffer_free(&join);
	pythia_buffer_free(&given);
	return ok;
}

bool pythia_foreign_end(pythia_run *run, pythia_error *error)
{
	pythia_result keys;
	bool ok;

	if (!run->state.unchecked)
		return true;
	memset(&keys, 0, sizeof(keys));
	ok = read_keys(run, true, &keys, error);
	for (int64_t row = 0; ok && row < keys.nrows;)
		ok = check_constraint(run, &keys, row, &row, error);
	pythia_result_free(&keys);
	if (!ok || !pythia_db_exec(run->target, "SET SESSION foreign_key_checks = 1", NULL, error))
		return false;
	run->state.unchecked = false;
	return true;
}

void pythia_foreign_restore(pythia_run *run)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (!run->state.unchecked || run->target->broken)
		return;
	run->state.unchecked = false;
	pythia_db_exec(run->target, "SET SESSION foreign_key_checks = 1", NULL, &ignored);
	pythia_error_reset(&ignored);
}
