#include "capture/home.h"

#include <string.h>

#include "capture/internal.h"
#include "core/file_mark.h"
#include "core/memory.h"
#include "dialect/dialect.h"

/* Into `mark`; empty where the store has no file, or it cannot be looked at. */
static bool look(pythia_db *store, char mark[PYTHIA_FILE_MARK], pythia_error *error)
{
	char *path;

	if (!pythia_sqlite_file(store, &path, error))
		return false;
	if (!path || !pythia_file_mark(path, mark))
		mark[0] = '\0';
	pythia_free(path);
	return true;
}

static void put_worker(pythia_buffer *sql, const char *kind, const char *name)
{
	pythia_store_text(sql, kind);
	pythia_buffer_puts(sql, ", ");
	pythia_store_text(sql, name);
}

/* *home: the caller's; NULL where none was noted. */
static bool find(pythia_db *store, const char *kind, const char *name, char **home, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool known;
	bool ok;

	*home = NULL;
	if (!pythia_db_any(store, "SELECT 1 FROM main.sqlite_master WHERE name = 'pythia_home'", &known, error))
		return false;
	if (!known)
		return true;
	pythia_buffer_puts(&sql, "SELECT file FROM main.pythia_home WHERE (kind, name) = (");
	put_worker(&sql, kind, name);
	pythia_buffer_puts(&sql, ")");
	ok = pythia_db_text(store, sql.data, home, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_store_home_note(pythia_db *store, const char *kind, const char *name, bool anew, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char mark[PYTHIA_FILE_MARK];

	if (!look(store, mark, error))
		return false;
	if (!mark[0])
		return pythia_store_home_forget(store, kind, name, error);
	pythia_buffer_printf(&sql, "INSERT OR %s INTO main.pythia_home (kind, name, file) VALUES (",
						 anew ? "REPLACE" : "IGNORE");
	put_worker(&sql, kind, name);
	pythia_buffer_puts(&sql, ", ");
	pythia_store_text(&sql, mark);
	pythia_buffer_puts(&sql, ")");
	return pythia_store_run(store, &sql, error);
}

bool pythia_store_home_forget(pythia_db *store, const char *kind, const char *name, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *home;
	bool ok = find(store, kind, name, &home, error);

	if (ok && home)
	{
		pythia_buffer_puts(&sql, "DELETE FROM main.pythia_home WHERE (kind, name) = (");
		put_worker(&sql, kind, name);
		pythia_buffer_puts(&sql, ")");
		ok = pythia_store_run(store, &sql, error);
	}
	pythia_free(home);
	return ok;
}

bool pythia_store_home_held(pythia_db *store, const char *kind, const char *name, bool *held, pythia_error *error)
{
	char mark[PYTHIA_FILE_MARK];
	char *home;

	if (!look(store, mark, error) || !find(store, kind, name, &home, error))
		return false;
	*held = home && strcmp(home, mark) != 0;
	pythia_free(home);
	return true;
}

bool pythia_store_home_require(pythia_db *store, const char *kind, const char *name, pythia_error *error)
{
	bool held;

	if (!pythia_store_home_held(store, kind, name, &held, error))
		return false;
	if (held)
		return pythia_fail(error, PYTHIA_E_USAGE, "55000", "worker \"%s\" is held: its database is a copy", name);
	return true;
}
