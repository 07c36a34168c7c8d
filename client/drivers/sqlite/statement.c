/* Statements of a SQLite connection, and the text of their values. */
#include "drivers/sqlite/internal.h"

#include <string.h>

#include "core/number.h"

/* What follows a statement: nothing but its semicolon and white space.  It is not prepared to be looked at, for some
 * pragmas do their work then. */
static bool is_rest(const char *tail)
{
	return tail[strspn(tail, "; \t\r\n\f")] == '\0';
}

/* Another file may have its name by now: what is written to this one, or read from it, is nobody's. */
static bool still_there(sqlite_db *db, pythia_error *error)
{
	int moved = 0;

	if (db->base.local || sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK ||
		!moved)
		return true;
	db->base.broken = true;
	pythia_fail(error, PYTHIA_E_LOST, "08006", "the file of %s was replaced or taken away", db->base.display);
	return pythia_error_hint(error, "It is opened again the next time.");
}

bool pythia_sqlite_prepare(sqlite_db *db, const char *sql, sqlite3_stmt **statement, pythia_error *error)
{
	const char *tail;

	*statement = NULL;
	if (!still_there(db, error) || !pythia_sqlite_allowed(db, sql, error))
		return false;
	if (sqlite3_prepare_v2(db->handle, sql, -1, statement, &tail) != SQLITE_OK)
		return pythia_sqlite_failed(db, sql, error);
	if (*statement && is_rest(tail))
		return true;
	pythia_fail(error, PYTHIA_E_DATABASE, "42601", "%s",
				*statement ? "several statements in one" : "the statement is empty");
	pythia_error_statement(error, sql);
	sqlite3_finalize(*statement);
	*statement = NULL;
	return false;
}

bool pythia_sqlite_run(sqlite_db *db, const char *sql, int64_t *affected, pythia_error *error)
{
	sqlite3_stmt *statement;
	int before = sqlite3_total_changes(db->handle);

	if (!pythia_sqlite_prepare(db, sql, &statement, error))
		return false;
	while (sqlite3_step(statement) == SQLITE_ROW)
		;
	if (sqlite3_finalize(statement) != SQLITE_OK)
		return pythia_sqlite_failed(db, sql, error);
	/* the number stays what it was for a statement that is not a change */
	if (affected)
		*affected = sqlite3_total_changes(db->handle) != before ? sqlite3_changes(db->handle) : 0;
	return true;
}

/* The text of a value; `scratch` (PYTHIA_DOUBLE_TEXT bytes) holds that of a number. */
const char *pythia_sqlite_text(sqlite3_stmt *statement, int column, int type, char *scratch, size_t *length)
{
	const char *text;

	if (type == SQLITE_INTEGER)
	{
		*length = (size_t) pythia_int64_text(scratch, sqlite3_column_int64(statement, column));
		return scratch;
	}
	if (type == SQLITE_FLOAT)
	{
		*length = (size_t) pythia_double_text(scratch, sqlite3_column_double(statement, column));
		return scratch;
	}
	text = type == SQLITE_BLOB ? sqlite3_column_blob(statement, column)
							   : (const char *) sqlite3_column_text(statement, column);
	*length = (size_t) sqlite3_column_bytes(statement, column);
	return text ? text : "";
}
