/* Temporary tables of the target. */
#include "sync/run.h"

#include <string.h>

#include "core/memory.h"

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

unsigned pythia_stage_serial(void)
{
	static unsigned count;

	return __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
}

/*
 * SQLite drops no table, a temporary one neither, while a statement of the same connection
 * reads, as the one does that called us.  Then it is emptied and set aside under another name
 * (the next run's begins with none of its own), and dropped when next nobody reads.
 */
static bool set_aside(pythia_run *run, const char *name, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "DELETE FROM ");
	put_name(run, name, &sql);
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_clear(&sql);
	pythia_buffer_puts(&sql, "ALTER TABLE ");
	put_name(run, name, &sql);
	pythia_buffer_printf(&sql, " RENAME TO pythia_gone_%u", pythia_stage_serial());
	ok = ok && pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

static void drop_set_aside(pythia_run *run)
{
	pythia_result names = {0};
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	if (pythia_db_query(run->target, "SELECT name FROM sqlite_temp_master WHERE name GLOB 'pythia_gone_*'", "t", &names,
						NULL))
		for (int64_t i = 0; i < names.nrows; i++)
		{
			pythia_buffer_clear(&sql);
			pythia_buffer_puts(&sql, "DROP TABLE ");
			put_name(run, pythia_result_text(&names, i, 0), &sql);
			if (!pythia_db_exec(run->target, sql.data, NULL, NULL))
				break;
		}
	pythia_result_free(&names);
	pythia_buffer_free(&sql);
}

bool pythia_stage_drop_named(pythia_run *run, const char *name, pythia_error *error)
{
	bool aside = run->target->engine == PYTHIA_SQLITE && run->target->local;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, run->target->engine == PYTHIA_MYSQL ? "DROP TEMPORARY TABLE IF EXISTS "
																 : "DROP TABLE IF EXISTS ");
	put_name(run, name, &sql);
	if (aside)
	{
		drop_set_aside(run);
		ok = pythia_db_exec(run->target, sql.data, NULL, NULL) || set_aside(run, name, error);
	}
	else
		ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_stage_make(pythia_run *run, const char *name, const int *pairs, int npairs, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	/* an earlier run of this session may have left one */
	if (!run->target->is_mariadb && !pythia_stage_drop_named(run, name, error))
		return false;
	pythia_buffer_puts(&sql,
					   run->target->is_mariadb ? "CREATE OR REPLACE TEMPORARY TABLE " : "CREATE TEMPORARY TABLE ");
	/* SQLite wants no schema beside TEMPORARY */
	if (run->target->engine == PYTHIA_SQLITE)
		pythia_dialect_of(run->target)->identifier(&sql, name);
	else
		put_name(run, name, &sql);
	if (run->target->engine == PYTHIA_MYSQL)
	{
		/* its primary key finds keys that are one under the target's collation; where the rows that have them go to
		 * quarantine, the source's keys are all there all the same, and servers ask for some primary key */
		pythia_buffer_puts(&sql, (run->job->config->quarantine || run->way.window) && strcmp(name, run->keys) == 0
									 ? " (`pythia_ number` BIGINT AUTO_INCREMENT PRIMARY KEY, KEY ("
									 : " (PRIMARY KEY (");
		put_columns(run, run->plan.key, run->plan.nkey, &sql);
		pythia_buffer_puts(&sql, "))");
	}
	pythia_buffer_puts(&sql, " AS SELECT ");
	put_columns(run, pairs, npairs, &sql);
	pythia_buffer_puts(&sql, " FROM ");
	pythia_dialect_table(pythia_dialect_of(run->target), &sql, run->plan.target.schema, run->plan.target.name);
	pythia_buffer_puts(&sql, run->target->engine == PYTHIA_POSTGRESQL ? " WITH NO DATA" : " WHERE 1 = 0");
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	if (!ok && run->target->engine == PYTHIA_MYSQL && strcmp(error->sqlstate, "42501") == 0)
		pythia_error_hint(error,
						  "A target that holds rows is written through a temporary table: grant this user CREATE"
						  " TEMPORARY TABLES on database \"%s\".",
						  run->plan.target.schema);
	if (!ok)
		pythia_error_context(error, "making a stage for table \"%s\"", run->plan.target.name);
	pythia_buffer_free(&sql);
	return ok;
}
