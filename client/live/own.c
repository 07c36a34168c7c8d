/* Tables of ours, beside the user's. */
#include <string.h>

#include "capture/fault.h"
#include "live/internal.h"

void pythia_live_put_own(const pythia_db *db, const char *table, pythia_buffer *out)
{
	pythia_dialect_table(pythia_dialect_of(db), out, db->default_schema, table);
}

void pythia_live_put_literal(const pythia_db *db, const char *text, pythia_buffer *out)
{
	pythia_dialect_of(db)->literal(out, text, strlen(text));
}

bool pythia_live_run(pythia_db *db, pythia_buffer *sql, int64_t *affected, pythia_error *error)
{
	bool ok = pythia_db_exec(db, sql->data, affected, error);

	pythia_buffer_free(sql);
	return ok;
}

bool pythia_live_query(pythia_db *db, pythia_buffer *sql, const char *shape, pythia_result *result, bool *there,
					   pythia_error *error)
{
	bool ok = pythia_db_query(db, sql->data, shape, result, error);

	pythia_buffer_free(sql);
	*there = ok;
	if (ok || strcmp(error->sqlstate, "42P01") != 0)
		return ok;
	pythia_error_reset(error);
	return true;
}

/* Whoever owns a table can put triggers on it, which would run as us. */
static bool check_owner(pythia_db *db, const char *table, pythia_error *error)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool strange;
	bool ok;

	if (db->engine != PYTHIA_POSTGRESQL)
		return true;
	pythia_live_put_own(db, table, &name);
	pythia_buffer_puts(&sql,
					   "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid = c.relowner WHERE"
					   " c.oid = pg_catalog.to_regclass(");
	pythia_live_put_literal(db, name.data, &sql);
	pythia_buffer_puts(&sql, ") AND (c.relkind <> 'r' OR (r.rolname <> current_user AND NOT r.rolsuper))");
	ok = pythia_db_any(db, sql.data, &strange, error);
	pythia_buffer_free(&sql);
	if (ok && strange)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42501", "the table %s belongs to another role", name.data);
		pythia_error_detail(error, "What its owner has put there would run with your rights.");
		pythia_error_hint(error,
						  "Run every live sync of this database as one role, or drop that table if nobody uses it.");
		ok = false;
	}
	pythia_buffer_free(&name);
	return ok;
}

bool pythia_live_make(pythia_db *db, const char *table, const char *columns, const char *why, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "CREATE TABLE IF NOT EXISTS ");
	pythia_live_put_own(db, table, &sql);
	pythia_buffer_printf(&sql, " (%s)%s", columns,
						 db->engine == PYTHIA_MYSQL ? " ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
													: "");
	ok = pythia_live_run(db, &sql, NULL, error);
	if (!ok && strcmp(error->sqlstate, "42501") == 0)
		pythia_error_hint(error, "%s: grant the right to create a table there.", why);
	return ok && check_owner(db, table, error);
}

bool pythia_live_put_away(pythia_db *db, const char *table, const char *name, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result others = {0};
	bool there;
	bool last;

	pythia_buffer_puts(&sql, "SELECT 1 FROM ");
	pythia_live_put_own(db, table, &sql);
	pythia_buffer_puts(&sql, " WHERE worker <> ");
	pythia_live_put_literal(db, name, &sql);
	pythia_buffer_puts(&sql, " LIMIT 1");
	if (!pythia_live_query(db, &sql, "n", &others, &there, error))
		return false;
	if (!there)
		return true;
	last = others.nrows == 0;
	pythia_result_free(&others);
	pythia_buffer_puts(&sql, last ? "DROP TABLE " : "DELETE FROM ");
	pythia_live_put_own(db, table, &sql);
	if (!last)
	{
		pythia_buffer_puts(&sql, " WHERE worker = ");
		pythia_live_put_literal(db, name, &sql);
	}
	return pythia_live_run(db, &sql, NULL, error);
}

bool pythia_live_is_tables(const pythia_live *live, const pythia_error *error)
{
	bool broken = live->job.source->broken || live->job.target->broken;

	return !pythia_sync_later(error) && pythia_fault_among_tables(error, broken) == PYTHIA_FAULT_TABLE;
}
