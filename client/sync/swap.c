/*
 * MySQL's truncate_target: the rows go into a table beside the real one, on as many connections as
 * pay, and RENAME TABLE puts it in its place at once: no reader sees anything but all the old rows
 * or all the new ones, whatever the storage engine.
 *
 * The new table has what CREATE TABLE ... LIKE copies.  Triggers and foreign keys are not among it, so
 * a table that has any, or of which that cannot be known, is emptied and filled in one transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "dialect/forms.h"
#include "sync/run.h"

#define NAME_LIMIT  64
#define MARK_LENGTH 9

static const pythia_dialect *dialect_of(const pythia_run *run)
{
	return pythia_dialect_of(run->target);
}

/* A name of its own for what stands beside the table: cut at MySQL's limit, never within a character. */
static char *name_beside(const char *prefix, const char *table)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	int characters = (int) strlen(prefix);
	size_t cut = 0; /* where the mark goes, if the name is too long */
	char digest[33];

	pythia_buffer_puts(&out, prefix);
	for (const char *at = table; *at != '\0'; at++)
	{
		if (((unsigned char) *at & 0xC0) != 0x80 && characters++ == NAME_LIMIT - MARK_LENGTH)
			cut = out.length;
		pythia_buffer_putc(&out, *at);
	}
	if (characters > NAME_LIMIT)
	{
		/* tables that begin alike have each its own */
		pythia_md5(table, strlen(table), digest);
		out.length = cut;
		pythia_buffer_printf(&out, "_%.*s", MARK_LENGTH - 1, digest);
	}
	return pythia_buffer_take(&out);
}

static void put_beside(const pythia_run *run, const char *name, pythia_buffer *out)
{
	pythia_dialect_table(dialect_of(run), out, run->plan.target.schema, name);
}

static void put_literal(const pythia_run *run, const char *text, pythia_buffer *out)
{
	dialect_of(run)->literal(out, text, strlen(text));
}

/* Only who may make triggers sees them. */
static void put_sees_triggers(const pythia_run *run, pythia_buffer *out)
{
	static const char grantee[] = "GRANTEE = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')"
								  " AND PRIVILEGE_TYPE = 'TRIGGER'";
	const pythia_table *table = &run->plan.target;

	pythia_buffer_printf(out, "(EXISTS (SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE %s)", grantee);
	pythia_buffer_printf(out, " OR EXISTS (SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES WHERE %s AND ", grantee);
	put_literal(run, table->schema, out);
	pythia_buffer_puts(out, " LIKE TABLE_SCHEMA)");
	pythia_buffer_printf(out, " OR EXISTS (SELECT 1 FROM information_schema.TABLE_PRIVILEGES WHERE %s", grantee);
	pythia_buffer_puts(out, " AND ");
	pythia_dialect_named(dialect_of(run), out, "TABLE_SCHEMA", "TABLE_NAME", table);
	pythia_buffer_puts(out, "))");
}

/* Why the table cannot be swapped, or NULL.  The reason is a constant. */
static bool obstacle(pythia_run *run, const char **reason, pythia_error *error)
{
	const pythia_table *table = &run->plan.target;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int64_t number;
	bool ok;

	*reason = NULL;
	pythia_buffer_puts(&sql, "SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM information_schema.TABLES WHERE TABLE_TYPE ="
							 " 'BASE TABLE' AND ");
	pythia_dialect_named(dialect_of(run), &sql, "TABLE_SCHEMA", "TABLE_NAME", table);
	pythia_buffer_puts(&sql, ") THEN 1 WHEN NOT ");
	put_sees_triggers(run, &sql);
	pythia_buffer_puts(&sql, " THEN 2 WHEN EXISTS (SELECT 1 FROM information_schema.TRIGGERS WHERE ");
	pythia_dialect_named(dialect_of(run), &sql, "EVENT_OBJECT_SCHEMA", "EVENT_OBJECT_TABLE", table);
	pythia_buffer_puts(&sql, ") THEN 3 WHEN EXISTS (SELECT 1 FROM information_schema.KEY_COLUMN_USAGE WHERE"
							 " TABLE_SCHEMA = ");
	put_literal(run, table->schema, &sql);
	pythia_buffer_puts(&sql, " AND (TABLE_NAME = ");
	put_literal(run, table->name, &sql);
	pythia_buffer_puts(&sql, " AND REFERENCED_TABLE_NAME IS NOT NULL OR ");
	pythia_dialect_named(dialect_of(run), &sql, "REFERENCED_TABLE_SCHEMA", "REFERENCED_TABLE_NAME", table);
	pythia_buffer_puts(&sql, ")) THEN 4 ELSE 0 END");
	ok = pythia_db_number(run->target, sql.data, &number, error);
	if (ok)
	{
		static const char *const reasons[] = {NULL, "it is no plain table",
											  "its triggers cannot be seen without the TRIGGER privilege",
											  "it has triggers", "it has foreign keys"};

		*reason = reasons[number >= 0 && number <= 4 ? number : 1];
	}
	pythia_buffer_free(&sql);
	return ok;
}

static bool drop_beside(pythia_run *run, const char *name, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "DROP TABLE IF EXISTS ");
	put_beside(run, name, &sql);
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* What an earlier run that was killed left beside the table goes first. */
static bool make_beside(pythia_run *run, const char *name, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *old = name_beside("pythia_old_", run->plan.target.name);
	bool ok = drop_beside(run, name, error) && drop_beside(run, old, error);

	pythia_buffer_puts(&sql, "CREATE TABLE ");
	put_beside(run, name, &sql);
	pythia_buffer_puts(&sql, " LIKE ");
	pythia_merge_table(run, false, &sql);
	ok = ok && pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_free(old);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_swap_begin(pythia_run *run, pythia_error *error)
{
	char *name = name_beside("pythia_new_", run->plan.target.name);
	const char *reason;

	if (!obstacle(run, &reason, error))
	{
		pythia_free(name);
		return false;
	}
	if (reason == NULL && !make_beside(run, name, error))
	{
		if (run->target->broken || error->error_class != PYTHIA_E_DATABASE)
		{
			pythia_free(name);
			return false;
		}
		pythia_error_reset(error);
		reason = "no table can be made beside it";
	}
	if (reason == NULL)
	{
		run->swap = name;
		return true;
	}
	pythia_host_log(run->target->host, PYTHIA_LOG_NOTICE,
					"table \"%s\" is emptied and filled in one transaction and not swapped: %s", run->plan.target.name,
					reason);
	pythia_free(name);
	return true;
}

/* A counter that goes back would give numbers out twice. */
static bool keep_counter(pythia_run *run, pythia_error *error)
{
	const pythia_table *table = &run->plan.target;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result next;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE ");
	pythia_dialect_named(dialect_of(run), &sql, "TABLE_SCHEMA", "TABLE_NAME", table);
	ok = pythia_db_query(run->target, sql.data, "1D", &next, error);
	if (ok && pythia_result_optional(&next, 0, 0) != NULL)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_puts(&sql, "ALTER TABLE ");
		put_beside(run, run->swap, &sql);
		pythia_buffer_printf(&sql, " AUTO_INCREMENT = %s", pythia_result_optional(&next, 0, 0));
		ok = pythia_db_exec(run->target, sql.data, NULL, error);
	}
	pythia_result_free(&next);
	pythia_buffer_free(&sql);
	return ok;
}

static bool rename_both(pythia_run *run, const char *to, const char *from, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "RENAME TABLE ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, " TO ");
	put_beside(run, to, &sql);
	pythia_buffer_puts(&sql, ", ");
	put_beside(run, from, &sql);
	pythia_buffer_puts(&sql, " TO ");
	pythia_merge_table(run, false, &sql);
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_swap_end(pythia_run *run, pythia_error *error)
{
	char *old = name_beside("pythia_old_", run->plan.target.name);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error ignored = PYTHIA_ERROR_INIT;
	int64_t count = 0;
	bool ok = keep_counter(run, error) && rename_both(run, old, run->swap, error);

	if (ok)
	{
		pythia_buffer_puts(&sql, "SELECT COUNT(*) FROM ");
		put_beside(run, old, &sql);
		ok = pythia_db_count(run->target, sql.data, &count, error);
		run->result->rows_deleted += count;
		/* where a table that we did not see refers to it: all as it was */
		if (ok && !drop_beside(run, old, error))
		{
			ok = pythia_error_hint(error, "A table of another database may refer to it: set truncate_target to false.");
			rename_both(run, run->swap, old, &ignored);
		}
	}
	if (ok)
	{
		pythia_free(run->swap);
		run->swap = NULL;
	}
	pythia_error_reset(&ignored);
	pythia_free(old);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_swap_undo(pythia_run *run, pythia_error *error)
{
	char *old = name_beside("pythia_old_", run->plan.target.name);
	/* it is the old one where the two have changed places, and only the answer did not come */
	bool ok = drop_beside(run, run->swap, error) && drop_beside(run, old, error);

	pythia_free(old);
	return ok;
}
