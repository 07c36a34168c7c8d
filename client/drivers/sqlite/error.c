/* What went wrong in SQLite, as SQLSTATE, class and hint. */
#include "drivers/sqlite/internal.h"

#include <string.h>

/* SQLite tells most errors apart by their text alone. */
static const char *state_of_message(const char *message)
{
	static const struct
	{
		const char *part;
		const char *sqlstate;
	} known[] = {
		{"no such table", "42P01"},
		{"no such column", "42703"},
		{"has no column named", "42703"},
		{"no such function", "42883"},
		{"syntax error", "42601"},
		{"incomplete input", "42601"},
		{"unrecognized token", "42601"},
		{"already exists", "42P07"},
		{"duplicate column", "42701"},
		{"ambiguous column", "42702"},
		{"no such collation sequence", "42704"},
		{"no query solution", "42704"},
		{"no such index", "42704"},
		{"no such savepoint", "3B001"},
		{"within a transaction", "25001"},
		{"no transaction is active", "25P01"},
		{"cannot modify", "42809"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(message, known[i].part))
			return known[i].sqlstate;
	return "HY000";
}

static const char *state_of_constraint(int extended)
{
	switch (extended)
	{
		case SQLITE_CONSTRAINT_PRIMARYKEY:
		case SQLITE_CONSTRAINT_UNIQUE:
		case SQLITE_CONSTRAINT_ROWID:
			return "23505";
		case SQLITE_CONSTRAINT_NOTNULL:
			return "23502";
		case SQLITE_CONSTRAINT_FOREIGNKEY:
			return "23503";
		case SQLITE_CONSTRAINT_CHECK:
			return "23514";
		case SQLITE_CONSTRAINT_TRIGGER:
			return "P0001";
	}
	return "23000";
}

/* Fills the error from the connection's last failure; `sql` may be NULL. Returns false. */
bool pythia_sqlite_failed(sqlite_db *db, const char *sql, pythia_error *error)
{
	int extended = db->handle ? sqlite3_extended_errcode(db->handle) : SQLITE_NOMEM;
	const char *message = db->handle ? sqlite3_errmsg(db->handle) : "out of memory";

	switch (extended & 0xff)
	{
		case SQLITE_INTERRUPT:
			pythia_fail_cancelled(error);
			break;
		case SQLITE_BUSY:
		case SQLITE_LOCKED:
			if (pythia_host_cancelled(db->base.host))
			{
				pythia_fail_cancelled(error);
				break;
			}
			/* without a wait it is a conflict, which the next try may not meet */
			pythia_fail(error, PYTHIA_E_TRANSIENT, db->waited_out || db->base.local ? "55P03" : "40001", "%s: %s",
						db->base.display, message);
			db->waited_out = false;
			pythia_error_hint(error, "%s",
							  (extended & 0xff) == SQLITE_LOCKED
								  ? "Another statement of this connection is at work there; end it first."
							  : db->base.local
								  ? "Another connection is writing to this database; try again, or wait longer: "
									"PRAGMA busy_timeout takes milliseconds."
								  : "Another connection is writing to this database; try again, or wait longer with "
									"the URL parameter timeout=SECONDS.");
			break;
		case SQLITE_CONSTRAINT:
			if (extended == SQLITE_CONSTRAINT_DATATYPE)
				pythia_fail(error, PYTHIA_E_DATA, "42804", "%s", message);
			else
				pythia_fail(error, PYTHIA_E_DATABASE, state_of_constraint(extended), "%s", message);
			break;
		case SQLITE_MISMATCH:
			pythia_fail(error, PYTHIA_E_DATA, "42804", "%s", message);
			break;
		case SQLITE_TOOBIG:
			pythia_fail(error, PYTHIA_E_DATA, "54000", "%s", message);
			break;
		case SQLITE_FULL:
			pythia_fail(error, PYTHIA_E_DATABASE, "53100", "%s: %s", db->base.display, message);
			pythia_error_hint(error, "Make room on the disk that holds the database.");
			break;
		case SQLITE_READONLY:
			pythia_fail(error, PYTHIA_E_DATABASE, "25006", "%s: %s", db->base.display, message);
			pythia_error_hint(error, "Check that the file and its folder are writable by this user, and that the "
									 "connection was not opened read-only.");
			break;
		case SQLITE_PERM:
		case SQLITE_AUTH:
			pythia_fail(error, PYTHIA_E_DATABASE, "42501", "%s: %s", db->base.display, message);
			if ((extended & 0xff) == SQLITE_AUTH)
				pythia_error_hint(error, "Statements of pythia_db, and the views and triggers that they set off, work "
										 "within their own database only: no ATTACH, no loading of code, no files.");
			break;
		case SQLITE_CORRUPT:
		case SQLITE_NOTADB:
			pythia_fail(error, PYTHIA_E_DATABASE, "XX001", "%s: %s", db->base.display, message);
			pythia_error_hint(error, "Check that the file is a SQLite database, with PRAGMA integrity_check.");
			break;
		case SQLITE_CANTOPEN:
			if (pythia_sqlite_files_refused(db->files))
			{
				pythia_fail(error, PYTHIA_E_CONNECT, "08001",
							"could not open %s: somebody else has put \"%s\" beside it", db->base.display,
							pythia_sqlite_files_refused(db->files));
				pythia_error_hint(error, "Look at that file, and move the database into a folder where nobody else "
										 "may write.");
				break;
			}
			pythia_fail(error, PYTHIA_E_CONNECT, "08001", "could not open %s: %s", db->base.display, message);
			pythia_error_hint(error, "Check the path, and that the file and its folder are accessible to this user.");
			break;
		case SQLITE_IOERR:
			pythia_fail(error, PYTHIA_E_DATABASE, "58030", "%s: %s", db->base.display, message);
			break;
		case SQLITE_NOMEM:
			pythia_fail(error, PYTHIA_E_DATABASE, "53200", "%s: %s", db->base.display, message);
			break;
		default:
			pythia_fail(error, PYTHIA_E_DATABASE, state_of_message(message), "%s",
						strcmp(message, "no query solution") == 0 ? "no such collation sequence (no query solution)"
																  : message);
			if (strncmp(message, "unsafe use of ", 14) == 0)
				pythia_error_hint(error, "Views and triggers that pythia_db sets off call no function but those that "
										 "are registered as harmless, SQLITE_INNOCUOUS.");
			/* the second is what SQLite says where it is the key of a table WITHOUT ROWID */
			if (strstr(message, "no such collation sequence") || strcmp(message, "no query solution") == 0)
				pythia_error_hint(error,
								  "The table has a collation that its application defines. Have it done in that "
								  "application, by the SQLite extension, or copy the rows into a table without.");
			break;
	}
	if (sql)
		pythia_error_statement(error, sql);
	return false;
}
