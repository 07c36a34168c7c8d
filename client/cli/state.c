#include "cli/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/home.h"
#include "cli/files.h"
#include "core/memory.h"
#include "dialect/dialect.h"

char *cli_state_path(const char *name, pythia_error *error)
{
	const char *base = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	pythia_buffer path = PYTHIA_BUFFER_INIT;

	if (base != NULL && *base == '/')
		pythia_buffer_puts(&path, base);
	else if (home != NULL && *home == '/')
		pythia_buffer_printf(&path, "%s/.local/state", home);
	else
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "no folder for the state file: HOME is not set");
		pythia_error_hint(error, "Set HOME or XDG_STATE_HOME, or give --state FILE.");
		return NULL;
	}
	pythia_buffer_puts(&path, "/pythia");
	/* each part of the path in turn */
	for (char *slash = strchr(path.data + 1, '/');; slash = strchr(slash + 1, '/'))
	{
		int failed;

		if (slash != NULL)
			*slash = '\0';
		failed = mkdir(path.data, 0700) != 0 && errno != EEXIST;
		if (failed)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "58030", "cannot make the folder \"%s\": %s", path.data,
						strerror(errno));
			pythia_error_hint(error, "Give --state FILE, or set XDG_STATE_HOME to a folder you can write to.");
			pythia_buffer_free(&path);
			return NULL;
		}
		if (slash == NULL)
			break;
		*slash = '/';
	}
	pythia_buffer_printf(&path, "/%s", name);
	return pythia_buffer_take(&path);
}

char *cli_state_make(const char *path, pythia_error *error)
{
	struct stat found;

	if (stat(path, &found) == 0 && !S_ISREG(found.st_mode))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "\"%s\" cannot be a state file: it is %s", path,
					S_ISDIR(found.st_mode) ? "a folder" : "no ordinary file");
		pythia_error_hint(error, "Give --state FILE with the path of a file; it is made where it is missing.");
		return NULL;
	}
	return cli_private_database(path, "state", error);
}

int cli_state_lock_file(const char *state, pythia_error *error)
{
	pythia_buffer path = PYTHIA_BUFFER_INIT;
	int fd;

	pythia_buffer_printf(&path, "%s.lock", state);
	fd = cli_private_open(pythia_buffer_text(&path), O_RDWR, "state", error);
	pythia_buffer_free(&path);
	return fd;
}

/* http://www.isthe.com/chongo/tech/comp/fnv/; the end of a text counts, so that a, bc is not ab, c */
uint64_t cli_hash(uint64_t state, const char *text)
{
	for (; *text != '\0'; text++)
		state = (state ^ (unsigned char) *text) * UINT64_C(0x100000001b3);
	return (state ^ 0xff) * UINT64_C(0x100000001b3);
}

void cli_sqlite_literal(pythia_buffer *sql, const char *text)
{
	if (text == NULL)
		pythia_buffer_puts(sql, "NULL");
	else
		pythia_dialect_for(PYTHIA_SQLITE)->literal(sql, text, strlen(text));
}

bool cli_state_at_home(pythia_db *db, const char *kind, const char *name, bool release, pythia_error *error)
{
	if (release)
		return pythia_store_home_note(db, kind, name, true, error);
	if (pythia_store_home_require(db, kind, name, error))
		return pythia_store_home_note(db, kind, name, false, error);
	if (strcmp(error->sqlstate, "55000") == 0)
		pythia_error_hint(error, "Where it shall run here, and no longer with the original, give --release.");
	return false;
}

bool cli_state_open(cli_state *state, const char *path, const char *source, const char *target, bool release,
					pythia_error *error)
{
	static const char *const tables[] = {
		"CREATE TABLE IF NOT EXISTS pythia_client_sync (source TEXT NOT NULL, target TEXT NOT NULL,"
		" \"table\" TEXT NOT NULL, watermark TEXT, checkpoint TEXT, updated_at TEXT NOT NULL,"
		" PRIMARY KEY (source, target, \"table\")) WITHOUT ROWID",
		"CREATE TABLE IF NOT EXISTS pythia_client_sync_part (source TEXT NOT NULL, target TEXT NOT"
		" NULL, \"table\" TEXT NOT NULL, part INTEGER NOT NULL, checkpoint TEXT, done INTEGER NOT NULL"
		" DEFAULT 0, PRIMARY KEY (source, target, \"table\", part)) WITHOUT ROWID",
		PYTHIA_HOME_TABLE, NULL};
	pythia_url url;
	pythia_open_options options = {.create = true};
	bool ok;

	memset(state, 0, sizeof(*state));
	state->lock = -1;
	state->source = source;
	state->target = target;
	state->path = path != NULL ? pythia_strdup(path) : cli_state_path("sync.db", error);
	state->file = state->path != NULL ? cli_state_make(state->path, error) : NULL;
	if (state->file == NULL)
	{
		cli_state_close(state);
		return false;
	}
	memset(&url, 0, sizeof(url));
	url.engine = PYTHIA_SQLITE;
	url.scheme = pythia_strdup("sqlite");
	url.database = pythia_strdup(state->file);
	ok = pythia_db_open(&url, pythia_default_host(), &options, &state->db, error) &&
		 pythia_db_exec_each(state->db, tables, error) &&
		 cli_state_at_home(state->db, PYTHIA_HOME_SYNC, CLI_SYNC_WORKER, release, error);
	pythia_url_free(&url);
	if (!ok)
	{
		pythia_error_context(error, "state file \"%s\"", state->path);
		cli_state_close(state);
	}
	return ok;
}

/* Each source, target and table has a byte of its own in the lock file, far beyond its end. */
static struct flock lock_of(const char *source, const char *target, const char *table, short type)
{
	uint64_t place = cli_hash(cli_hash(cli_hash(CLI_HASH_START, source), target), table);

	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t) (place >> 2), .l_len = 1};
}

static int set_lock(const cli_state *state, const char *table, short type)
{
	struct flock lock = lock_of(state->source, state->target, table, type);

	return fcntl(state->lock, F_SETLK, &lock);
}

bool cli_state_is_locked(const char *path, const char *source, const char *target, const char *table)
{
	struct flock lock = lock_of(source, target, table, F_WRLCK);
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	bool locked;
	int fd;

	pythia_buffer_printf(&name, "%s.lock", path);
	fd = open(pythia_buffer_text(&name), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	pythia_buffer_free(&name);
	if (fd < 0)
		return false;
	locked = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return locked;
}

bool cli_state_lock(cli_state *state, const char *table, pythia_error *error)
{
	if (state->db == NULL)
		return true;
	if (state->lock < 0 && (state->lock = cli_state_lock_file(state->file, error)) < 0)
		return false;
	if (set_lock(state, table, F_WRLCK) == 0)
		return true;
	if (errno == EACCES || errno == EAGAIN)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "55006",
					"another pythia is at work on this table with the state file \"%s\"", state->path);
		return pythia_error_hint(error, "Wait until it has ended, then run the same command again.");
	}
	return pythia_fail(error, PYTHIA_E_USAGE, "58030", "cannot lock \"%s.lock\": %s", state->path, strerror(errno));
}

void cli_state_unlock(cli_state *state, const char *table)
{
	if (state->db != NULL && state->lock >= 0)
		set_lock(state, table, F_UNLCK);
}

static void append_key(pythia_buffer *sql, const cli_state *state, const char *table, const char *between)
{
	cli_sqlite_literal(sql, state->source);
	pythia_buffer_puts(sql, between);
	cli_sqlite_literal(sql, state->target);
	pythia_buffer_puts(sql, between);
	cli_sqlite_literal(sql, table);
}

/* Asks for one row, or none, and frees `sql`.  What cannot be read at all is told like what cannot be written. */
static bool read_row(cli_state *state, pythia_buffer *sql, const char *shape, pythia_result *row, pythia_error *error)
{
	bool ok = pythia_db_query(state->db, pythia_buffer_text(sql), shape, row, error);

	pythia_buffer_free(sql);
	if (!ok)
		pythia_error_context(error, "state file \"%s\"", state->path);
	return ok;
}

bool cli_state_load(cli_state *state, const char *table, char **watermark, char **checkpoint, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result row;

	*watermark = *checkpoint = NULL;
	if (state->db == NULL)
		return true;
	pythia_buffer_puts(&sql, "SELECT watermark, checkpoint FROM pythia_client_sync"
							 " WHERE (source, target, \"table\") = (");
	append_key(&sql, state, table, ", ");
	pythia_buffer_puts(&sql, ")");
	if (!read_row(state, &sql, "TT", &row, error))
		return false;
	if (row.nrows > 0)
	{
		*watermark = pythia_strdup(pythia_result_optional(&row, 0, 0));
		*checkpoint = pythia_strdup(pythia_result_optional(&row, 0, 1));
	}
	pythia_result_free(&row);
	return true;
}

static bool run(cli_state *state, pythia_buffer *sql, pythia_error *error)
{
	bool ok = state->db == NULL || pythia_db_exec(state->db, pythia_buffer_text(sql), NULL, error);

	pythia_buffer_free(sql);
	if (!ok)
		pythia_error_context(error, "state file \"%s\"", state->path);
	return ok;
}

static bool store(cli_state *state, const char *table, bool with_watermark, const char *watermark,
				  const char *checkpoint, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	if (state->db == NULL)
		return true;
	pythia_buffer_puts(&sql, "INSERT INTO pythia_client_sync (source, target, \"table\", watermark, checkpoint,"
							 " updated_at) VALUES (");
	append_key(&sql, state, table, ", ");
	pythia_buffer_puts(&sql, ", ");
	cli_sqlite_literal(&sql, watermark);
	pythia_buffer_puts(&sql, ", ");
	cli_sqlite_literal(&sql, checkpoint);
	pythia_buffer_puts(&sql, ", strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) ON CONFLICT DO UPDATE SET"
							 " checkpoint = excluded.checkpoint, updated_at = excluded.updated_at");
	if (with_watermark)
		pythia_buffer_puts(&sql, ", watermark = excluded.watermark");
	return run(state, &sql, error);
}

static bool forget_parts(cli_state *state, const char *table, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql, "DELETE FROM pythia_client_sync_part WHERE (source, target, \"table\") = (");
	append_key(&sql, state, table, ", ");
	pythia_buffer_puts(&sql, ")");
	return run(state, &sql, error);
}

bool cli_state_store(cli_state *state, const char *table, const char *watermark, const char *checkpoint,
					 pythia_error *error)
{
	return store(state, table, true, watermark, checkpoint, error) && forget_parts(state, table, error);
}

static bool write_parts(cli_state *state, const char *table, const char *ticket, int nparts, bool again,
						pythia_error *error)
{
	if (!again && !forget_parts(state, table, error))
		return false;
	for (int i = 0; !again && i < nparts; i++)
	{
		pythia_buffer sql = PYTHIA_BUFFER_INIT;

		pythia_buffer_puts(&sql, "INSERT INTO pythia_client_sync_part (source, target, \"table\", part) VALUES (");
		append_key(&sql, state, table, ", ");
		pythia_buffer_printf(&sql, ", %d)", i);
		if (!run(state, &sql, error))
			return false;
	}
	return store(state, table, false, NULL, ticket, error);
}

bool cli_state_open_parts(cli_state *state, const char *table, const char *ticket, int nparts, bool again,
						  pythia_error *error)
{
	if (state->db == NULL)
		return true;
	if (!state->db->driver->begin(state->db, PYTHIA_BEGIN_IMMEDIATE, error))
		return false;
	if (write_parts(state, table, ticket, nparts, again, error) && state->db->driver->commit(state->db, error))
		return true;
	state->db->driver->rollback(state->db, NULL);
	return false;
}

bool cli_state_load_part(cli_state *state, const char *table, int part, char **checkpoint, bool *done,
						 pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result row;

	*checkpoint = NULL;
	*done = false;
	if (state->db == NULL)
		return true;
	pythia_buffer_puts(&sql, "SELECT checkpoint, done FROM pythia_client_sync_part"
							 " WHERE (source, target, \"table\", part) = (");
	append_key(&sql, state, table, ", ");
	pythia_buffer_printf(&sql, ", %d)", part);
	if (!read_row(state, &sql, "TB", &row, error))
		return false;
	if (row.nrows > 0)
	{
		*checkpoint = pythia_strdup(pythia_result_optional(&row, 0, 0));
		*done = pythia_result_true(&row, 0, 1);
	}
	pythia_result_free(&row);
	return true;
}

bool cli_state_store_part(cli_state *state, const char *table, int part, const char *checkpoint, bool done,
						  pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql, "UPDATE pythia_client_sync_part SET checkpoint = ");
	cli_sqlite_literal(&sql, checkpoint);
	pythia_buffer_printf(&sql, ", done = %d WHERE (source, target, \"table\", part) = (", done);
	append_key(&sql, state, table, ", ");
	pythia_buffer_printf(&sql, ", %d)", part);
	return run(state, &sql, error);
}

bool cli_state_checkpoint(cli_state *state, const char *table, const char *checkpoint, pythia_error *error)
{
	return store(state, table, false, NULL, checkpoint, error);
}

void cli_state_close(cli_state *state)
{
	if (state->db != NULL && state->lock >= 0)
		close(state->lock);
	pythia_db_close(state->db);
	pythia_free(state->path);
	pythia_free(state->file);
	state->db = NULL;
	state->path = state->file = NULL;
	state->lock = -1;
}
