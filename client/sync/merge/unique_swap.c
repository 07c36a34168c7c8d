/*
 * Rows that take each other's values of a unique key: no order of updates gets two rows there that
 * swap theirs.  So those that differ are taken out of the target by their keys and put back as the
 * source has them, what the target alone knows of them included, in the transaction of the merge.
 * Only rows that the stage holds are touched; a stranger's value collides as before.
 *
 * A row that is away for a moment must not take others along: where a foreign key would, the
 * collision stays what it was.
 */
#include <string.h>

#include "sync/run.h"

#define MOVED_NAME "pythia_moved"

bool pythia_may_swap_unique(const pythia_run *run)
{
	const pythia_table *table = &run->plan.target;
	bool unique = table->other_unique;

	/* the primary key, where rows are told by other columns */
	for (int i = 0; i < table->nkey; i++)
		unique = unique || !pythia_pair_is_key(&run->plan, pythia_pair_of_target(&run->plan, table->key[i]));
	for (int i = 0; i < table->nindexes; i++)
		unique = unique || table->indexes[i].unique;
	return unique;
}

static const pythia_dialect *dialect_of(const pythia_run *run)
{
	return pythia_dialect_of(run->target);
}

static void put_moved(const pythia_run *run, pythia_buffer *out)
{
	pythia_dialect_table(dialect_of(run), out, pythia_stage_schema(run), MOVED_NAME);
}

/* All that can be written: carried columns as the stage has them where it is named, the others as they were. */
static void put_all(const pythia_run *run, const char *stage, const char *moved, pythia_buffer *out)
{
	const pythia_table *table = &run->plan.target;
	bool any = false;

	for (int i = 0; i < table->ncolumns; i++)
	{
		if (table->columns[i].generated)
			continue;
		pythia_buffer_puts(out, any ? ", " : "");
		any = true;
		pythia_buffer_puts(out, pythia_pair_of_target(&run->plan, i) >= 0 ? stage : moved);
		dialect_of(run)->identifier(out, table->columns[i].name);
	}
}

/* FROM target t JOIN stage s, of the rows that the merge would have updated; SQL goes on after `join`. */
static void put_differing(const pythia_run *run, const char *join, const char *on, pythia_buffer *out)
{
	pythia_merge_table(run, false, out);
	pythia_buffer_printf(out, " AS t %s ", join);
	pythia_merge_table(run, true, out);
	pythia_buffer_printf(out, " AS s %s ", on);
	pythia_merge_key_join(run, out);
	pythia_buffer_puts(out, on[0] == 'O' ? " WHERE " : " AND ");
	pythia_merge_difference(run, out);
	pythia_merge_rule(run, out);
}

static void put_insert(const pythia_run *run, pythia_buffer *out)
{
	pythia_buffer_puts(out, "INSERT INTO ");
	pythia_merge_table(run, false, out);
	pythia_buffer_puts(out, " (");
	put_all(run, "", "", out);
	pythia_buffer_puts(out,
					   run->target->engine == PYTHIA_POSTGRESQL ? ") OVERRIDING SYSTEM VALUE SELECT " : ") SELECT ");
	put_all(run, "s.", "t.", out);
	pythia_buffer_puts(out, " FROM ");
}

/* --- who refers to the table ------------------------------------------------ */

/* Foreign keys that would not take it for nothing that a row goes and comes again at once. */
static void put_references(const pythia_run *run, pythia_buffer *out)
{
	const pythia_dialect *dialect = dialect_of(run);
	const pythia_table *table = &run->plan.target;

	switch (run->target->engine)
	{
		case PYTHIA_POSTGRESQL:
			pythia_buffer_puts(out, "SELECT count(*) FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class c"
									" ON c.oid = f.confrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
									" WHERE f.contype = 'f' AND f.confdeltype <> 'a' AND ");
			pythia_dialect_named(dialect, out, "n.nspname", "c.relname", table);
			break;
		case PYTHIA_MYSQL:
			/* unchecked for that moment, those to the key find the same rows again; others may not */
			pythia_buffer_puts(out, "SELECT count(*) FROM information_schema.KEY_COLUMN_USAGE"
									" WHERE ");
			pythia_dialect_named(dialect, out, "REFERENCED_TABLE_SCHEMA", "REFERENCED_TABLE_NAME", table);
			pythia_buffer_puts(out, " AND REFERENCED_COLUMN_NAME NOT IN (");
			for (int i = 0; i < run->plan.nkey; i++)
			{
				pythia_buffer_puts(out, i > 0 ? ", " : "");
				dialect->literal(out, run->names[run->plan.key[i]], strlen(run->names[run->plan.key[i]]));
			}
			pythia_buffer_putc(out, ')');
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_puts(out, "SELECT count(*) FROM pragma_foreign_keys() AS k JOIN pragma_table_list() AS m"
									" JOIN pragma_foreign_key_list(m.name, m.schema) AS f WHERE k.foreign_keys"
									" AND f.on_delete <> 'NO ACTION' AND ");
			pythia_dialect_named(dialect, out, "m.schema COLLATE NOCASE", "f.\"table\" COLLATE NOCASE", table);
			break;
	}
}

/* --- out and in again --------------------------------------------------------- */

/* One statement, so that foreign keys are looked at when the rows are there again; sorted, so that none comes back
 * before the last has gone. */
static bool move_in_postgres(pythia_run *run, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "WITH " MOVED_NAME " AS (DELETE FROM ");
	put_differing(run, "USING", "WHERE", &sql);
	pythia_buffer_puts(&sql, " RETURNING t.*) ");
	put_insert(run, &sql);
	pythia_buffer_puts(&sql, MOVED_NAME " AS t JOIN ");
	pythia_merge_table(run, true, &sql);
	pythia_buffer_puts(&sql, " AS s ON ");
	pythia_merge_key_join(run, &sql);
	pythia_buffer_puts(&sql, " ORDER BY ");
	pythia_merge_key_columns(run, &sql, "s.", "");
	ok = pythia_run_exec(run, sql.data, count, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* SQLite's column and the index of its key may compare texts in different ways: the first condition is for the index, the
 * second tells the rows, as pythia_merge_key_join does. */
static void put_key_moved(const pythia_run *run, const char *word, const char *collate, pythia_buffer *out)
{
	pythia_buffer_printf(out, " %s (", word);
	pythia_merge_key_columns(run, out, "", collate);
	pythia_buffer_puts(out, ") IN (SELECT ");
	pythia_merge_key_columns(run, out, "", "");
	pythia_buffer_puts(out, " FROM ");
	put_moved(run, out);
	pythia_buffer_putc(out, ')');
}

static bool delete_moved(pythia_run *run, int64_t *count, pythia_error *error)
{
	bool mysql = run->target->engine == PYTHIA_MYSQL;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool checked = mysql && !run->state.unchecked;
	pythia_error ignored = PYTHIA_ERROR_INIT;
	bool ok;

	pythia_buffer_puts(&sql, mysql ? "DELETE t FROM " : "DELETE FROM ");
	pythia_merge_table(run, false, &sql);
	if (mysql)
	{
		pythia_buffer_puts(&sql, " AS t JOIN ");
		put_moved(run, &sql);
		pythia_buffer_puts(&sql, " AS s ON ");
		pythia_merge_key_join(run, &sql);
	}
	else
	{
		put_key_moved(run, "WHERE", "", &sql);
		put_key_moved(run, "AND", " COLLATE BINARY", &sql);
	}
	ok = !checked || pythia_db_exec(run->target, "SET SESSION foreign_key_checks = 0", NULL, error);
	if (ok)
	{
		ok = pythia_run_exec(run, sql.data, count, error);
		if (checked && !pythia_db_exec(run->target, "SET SESSION foreign_key_checks = 1", NULL, ok ? error : &ignored))
			ok = false;
	}
	pythia_error_reset(&ignored);
	pythia_buffer_free(&sql);
	return ok;
}

static bool move_by_table(pythia_run *run, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (!pythia_stage_drop_named(run, MOVED_NAME, error))
		return false;
	pythia_buffer_puts(&sql, "CREATE TEMPORARY TABLE ");
	/* SQLite wants no schema beside TEMPORARY */
	if (run->target->engine == PYTHIA_SQLITE)
		pythia_buffer_puts(&sql, MOVED_NAME);
	else
		put_moved(run, &sql);
	pythia_buffer_puts(&sql, " AS SELECT ");
	put_all(run, "t.", "t.", &sql);
	pythia_buffer_puts(&sql, " FROM ");
	put_differing(run, "JOIN", "ON", &sql);
	ok = pythia_db_exec(run->target, sql.data, NULL, error) && delete_moved(run, count, error);
	pythia_buffer_clear(&sql);
	put_insert(run, &sql);
	put_moved(run, &sql);
	pythia_buffer_puts(&sql, " AS t JOIN ");
	pythia_merge_table(run, true, &sql);
	pythia_buffer_puts(&sql, " AS s ON ");
	pythia_merge_key_join(run, &sql);
	ok = ok && pythia_db_exec(run->target, sql.data, NULL, error) && pythia_stage_drop_named(run, MOVED_NAME, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_unique_swap(pythia_run *run, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int64_t references = 0;
	bool ok;

	*count = 0;
	put_references(run, &sql);
	ok = pythia_db_count(run->target, sql.data, &references, error);
	pythia_buffer_free(&sql);
	if (ok && references > 0)
	{
		pythia_fail(error, PYTHIA_E_DATA, "23505",
					"rows of table \"%s\" take values of a unique key that others of them have still",
					run->plan.target.name);
		return pythia_error_hint(error, "They cannot be taken out for a moment, as rows of other tables would go with"
										" them: mend one of the rows in the target by hand.");
	}
	return ok && (run->target->engine == PYTHIA_POSTGRESQL ? move_in_postgres(run, count, error)
														   : move_by_table(run, count, error));
}
