#include "migrate/progress.h"

#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "dialect/dialect.h"

/* Its name begins as all of ours do: no sync and no migration takes it for a table of the user's. */
#define TABLE "pythia_migration"

static void put_table(const pythia_db *target, pythia_buffer *out)
{
	pythia_dialect_table(pythia_dialect_of(target), out,
						 target->engine == PYTHIA_POSTGRESQL && target->default_schema == NULL ? "public"
																							   : target->default_schema,
						 TABLE);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool exists(pythia_db *target, bool *there, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(target);
	pythia_asked asked = {.schema = target->default_schema, .name = TABLE};
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	dialect->table_query(target, &sql, &asked, 1);
	ok = pythia_db_any(target, sql.data, there, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_migrate_progress_open(pythia_db *target, pythia_migrate_progress *progress, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	memset(progress, 0, sizeof(*progress));
	progress->target = target;
	if (!exists(target, &progress->again, error))
		return false;
	if (!progress->again)
	{
		pythia_buffer_puts(&sql, "CREATE TABLE ");
		put_table(target, &sql);
		pythia_buffer_puts(&sql, target->engine == PYTHIA_MYSQL ? " (done char(32) NOT NULL PRIMARY KEY) ENGINE=InnoDB"
																: " (done text NOT NULL PRIMARY KEY)");
		ok = pythia_db_exec(target, sql.data, NULL, error);
		pythia_buffer_free(&sql);
		return ok;
	}
	pythia_buffer_puts(&sql, "SELECT done FROM ");
	put_table(target, &sql);
	ok = pythia_db_query(target, sql.data, "t", &result, error);
	if (ok)
	{
		progress->done = pythia_calloc((size_t) result.nrows + 1, sizeof(char *));
		for (int64_t i = 0; i < result.nrows; i++)
			progress->done[progress->count++] = pythia_strdup(pythia_result_text(&result, i, 0));
		qsort(progress->done, (size_t) progress->count, sizeof(char *), compare);
		pythia_result_free(&result);
	}
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_migrate_is_done(const pythia_migrate_progress *progress, const char *what)
{
	char hex[33];
	const char *key = hex;

	pythia_md5(what, strlen(what), hex);
	return progress->count > 0 &&
		   bsearch(&key, progress->done, (size_t) progress->count, sizeof(char *), compare) != NULL;
}

bool pythia_migrate_set_done(pythia_migrate_progress *progress, const char *what, pythia_error *error)
{
	char hex[33];
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_md5(what, strlen(what), hex);
	pythia_buffer_puts(&sql, "DELETE FROM ");
	put_table(progress->target, &sql);
	pythia_buffer_printf(&sql, " WHERE done = '%s'", hex);
	ok = pythia_db_exec(progress->target, sql.data, NULL, error);
	pythia_buffer_clear(&sql);
	pythia_buffer_puts(&sql, "INSERT INTO ");
	put_table(progress->target, &sql);
	pythia_buffer_printf(&sql, " VALUES ('%s')", hex);
	ok = ok && pythia_db_exec(progress->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_migrate_progress_end(pythia_migrate_progress *progress, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "DROP TABLE ");
	put_table(progress->target, &sql);
	ok = pythia_db_exec(progress->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

void pythia_migrate_progress_free(pythia_migrate_progress *progress)
{
	for (int i = 0; i < progress->count; i++)
		pythia_free(progress->done[i]);
	pythia_free(progress->done);
	memset(progress, 0, sizeof(*progress));
}
