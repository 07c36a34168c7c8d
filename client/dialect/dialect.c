/* Which dialect a database speaks, and what is asked of any of them by the same words. */
#include "dialect/dialect_internal.h"

#include <string.h>

const pythia_dialect *pythia_dialect_for(pythia_engine engine)
{
	switch (engine)
	{
		case PYTHIA_POSTGRESQL:
			return &pythia_dialect_postgres;
		case PYTHIA_MYSQL:
			return &pythia_dialect_mysql;
		case PYTHIA_SQLITE:
			return &pythia_dialect_sqlite;
	}
	return &pythia_dialect_postgres;
}

const pythia_dialect *pythia_dialect_of(const pythia_db *db)
{
	return pythia_dialect_for(db->engine);
}

bool pythia_check_columns_seen(pythia_db *db, const pythia_table *table, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error denied = PYTHIA_ERROR_INIT;
	bool any;
	bool all;

	if (db->engine != PYTHIA_MYSQL)
		return true;
	pythia_buffer_puts(&sql, "SELECT * FROM ");
	pythia_dialect_table(pythia_dialect_of(db), &sql, table->schema, table->name);
	pythia_buffer_puts(&sql, " LIMIT 0");
	all = pythia_db_any(db, sql.data, &any, &denied);
	pythia_buffer_free(&sql);
	if (all || strcmp(denied.sqlstate, "42501") != 0)
		return all || pythia_error_move(error, &denied);
	pythia_error_reset(&denied);
	pythia_fail(error, PYTHIA_E_DATABASE, "42501", "permission denied for columns of table \"%s\"", table->name);
	pythia_error_detail(error, "The user sees %d of its columns.", table->ncolumns);
	return pythia_error_hint(error, "Grant SELECT on the whole table, or name the columns to carry in \"columns\".");
}
