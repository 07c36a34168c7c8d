/*
 * Temporary tables of the target: the stage, beside the real table, which is loaded in bulk and
 * then compared and merged by statements over whole sets (merge.c).
 */
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"

const char *pythia_stage_schema(const pythia_run *run)
{
	switch (run->target->engine)
	{
		case PYTHIA_POSTGRESQL:
			return "pg_temp";
		case PYTHIA_SQLITE:
			return "temp";
		case PYTHIA_MYSQL:
			break;
	}
	/* a temporary table hides a real one of its name, and lives in a database */
	return run->plan.target.schema;
}

static void put_name(const pythia_run *run, const char *name, pythia_buffer *out)
{
	pythia_dialect_table(pythia_dialect_of(run->target), out, pythia_stage_schema(run), name);
}

static void put_columns(const pythia_run *run, const int *pairs, int npairs, pythia_buffer *out)
{
	for (int i = 0; i < npairs; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		pythia_dialect_of(run->target)->identifier(out, run->names[pairs[i]]);
	}
}

bool pythia_stage_make(pythia_run *run, const char *name, const int *pairs, int npairs, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (!pythia_stage_drop_named(run, name, error))
		return false;
	pythia_buffer_puts(&sql, "CREATE TEMPORARY TABLE ");
	/* SQLite wants no schema beside TEMPORARY */
	if (run->target->engine == PYTHIA_SQLITE)
		pythia_dialect_of(run->target)->identifier(&sql, name);
	else
		put_name(run, name, &sql);
	if (run->target->engine == PYTHIA_MYSQL)
	{
		/* its primary key finds keys that are one under the target's collation */
		pythia_buffer_puts(&sql, " (PRIMARY KEY (");
		put_columns(run, run->plan.key, run->plan.nkey, &sql);
		pythia_buffer_puts(&sql, "))");
	}
	pythia_buffer_puts(&sql, " AS SELECT ");
	put_columns(run, pairs, npairs, &sql);
	pythia_buffer_puts(&sql, " FROM ");
	pythia_dialect_table(pythia_dialect_of(run->target), &sql, run->plan.target.schema, run->plan.target.name);
	pythia_buffer_puts(&sql, run->target->engine == PYTHIA_POSTGRESQL ? " WITH NO DATA" : " WHERE 1 = 0");
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	if (!ok)
		pythia_error_context(error, "making a stage for table \"%s\"", run->plan.target.name);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_stage_create(pythia_run *run, pythia_error *error)
{
	int *all = pythia_calloc((size_t) run->plan.npairs, sizeof(int));
	bool ok;

	for (int i = 0; i < run->plan.npairs; i++)
		all[i] = i;
	ok = pythia_stage_make(run, PYTHIA_STAGE_NAME, all, run->plan.npairs, error);
	pythia_free(all);
	return ok;
}

bool pythia_stage_clear(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	/* MySQL's TRUNCATE commits: only outside a chunk's transaction */
	if (run->target->engine == PYTHIA_SQLITE || (run->target->engine == PYTHIA_MYSQL && run->writing))
		pythia_buffer_puts(&sql, "DELETE FROM ");
	else
		pythia_buffer_puts(&sql, "TRUNCATE TABLE ");
	put_name(run, PYTHIA_STAGE_NAME, &sql);
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_stage_drop_named(pythia_run *run, const char *name, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, run->target->engine == PYTHIA_MYSQL ? "DROP TEMPORARY TABLE IF EXISTS "
																 : "DROP TABLE IF EXISTS ");
	put_name(run, name, &sql);
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_stage_drop(pythia_run *run, pythia_error *error)
{
	return pythia_stage_drop_named(run, PYTHIA_STAGE_NAME, error);
}
