/*
 * SQLite, through its C library; inside SQLite itself (PYTHIA_SQLITE_LOADABLE)
 * through the routines it hands to an extension.
 */
#include "drivers/sqlite/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/memory.h"
#include "core/number.h"
#include "drivers/sqlite/functions.h"

/* Virtual machine steps between two looks at the host's wish to stop; one may make a value of a gigabyte. */
#define PROGRESS_STEPS 200
/* How long a lock of another connection is waited for, without ?timeout=. */
#define BUSY_SECONDS 30
/* Pages held in memory; SQLite's own 2000 are few for rows that lie apart. */
#define CACHE_KIB "6144"

/* --- waiting --------------------------------------------------------------- */

static int on_progress(void *context)
{
	sqlite_db *db = context;

	return pythia_host_cancelled(db->base.host);
}

/* Another connection holds a lock: wait a little through the host. */
static int on_busy(void *context, int count)
{
	sqlite_db *db = context;
	int64_t now = pythia_host_now(db->base.host);
	long delay = count < 4 ? 1 << count : 20;

	if (db->busy_ms < 0)
		return 0;
	if (count == 0)
		db->busy_since = now;
	db->waited_out = count > 0 && (now - db->busy_since) / 1000 >= db->busy_ms;
	if (db->waited_out)
		return 0;
	return pythia_host_wait(db->base.host, -1, 0, delay) != PYTHIA_WAIT_CANCELLED;
}

/* --- statements ------------------------------------------------------------ */

static bool sqlite_exec(pythia_db *base, const char *sql, int64_t *affected, pythia_error *error)
{
	sqlite_db *db = pythia_sqlite_of(base);

	return pythia_db_expect(base, db->state, PYTHIA_IDLE, error) && pythia_sqlite_run(db, sql, affected, error);
}

static bool sqlite_send(pythia_db *base, const char *sql, pythia_error *error)
{
	sqlite_db *db = pythia_sqlite_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error) || !pythia_sqlite_prepare(db, sql, &db->pending, error))
		return false;
	pythia_buffer_clear(&db->sql);
	pythia_buffer_puts(&db->sql, sql);
	db->state = PYTHIA_SENT;
	return true;
}

static bool sqlite_receive(pythia_db *base, pythia_result *result, pythia_error *error)
{
	sqlite_db *db = pythia_sqlite_of(base);
	sqlite3_stmt *statement = db->pending;
	int64_t capacity = 0;
	bool fits = true;
	int code;
	const char **values;
	size_t *lengths;
	char(*scratch)[PYTHIA_DOUBLE_TEXT];

	memset(result, 0, sizeof(*result));
	if (!pythia_db_expect(base, db->state, PYTHIA_SENT, error))
		return false;
	result->ncolumns = sqlite3_column_count(statement);
	values = pythia_calloc((size_t) result->ncolumns, sizeof(*values));
	lengths = pythia_calloc((size_t) result->ncolumns, sizeof(*lengths));
	scratch = pythia_calloc((size_t) result->ncolumns, sizeof(*scratch));
	while (fits && (code = sqlite3_step(statement)) == SQLITE_ROW)
	{
		for (int i = 0; i < result->ncolumns; i++)
		{
			int type = sqlite3_column_type(statement, i);

			values[i] = type == SQLITE_NULL ? NULL : pythia_sqlite_text(statement, i, type, scratch[i], &lengths[i]);
		}
		fits = pythia_result_add(base, result, &capacity, values, lengths, error);
	}
	pythia_free(values);
	pythia_free(lengths);
	pythia_free(scratch);
	db->pending = NULL;
	db->state = PYTHIA_IDLE;
	code = sqlite3_finalize(statement);
	if (fits && code == SQLITE_OK)
		return true;
	pythia_result_free(result);
	if (!fits)
		return false;
	return pythia_sqlite_failed(db, pythia_buffer_text(&db->sql), error);
}

/* --- opening and closing --------------------------------------------------- */

/* A file that was made for nothing, at a mistyped path or for a run that failed, is not left there empty.  Others who have
 * opened it meanwhile write nothing while it is locked, and find out before they do afterwards. */
static void unmake(sqlite_db *db)
{
	int64_t objects = 0;
	bool empty;
	pythia_error ignored = PYTHIA_ERROR_INIT;

	sqlite3_progress_handler(db->handle, 0, NULL, NULL);
	sqlite3_busy_handler(db->handle, NULL, NULL);
	if (!sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	if (sqlite3_exec(db->handle, "BEGIN EXCLUSIVE", NULL, NULL, NULL) != SQLITE_OK)
		return;
	db->state = PYTHIA_IDLE;
	empty = pythia_db_number(&db->base, "SELECT count(*) FROM sqlite_master", &objects, &ignored) && objects == 0;
	if (empty)
		pythia_sqlite_files_unmake(db->files);
	sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	pythia_error_reset(&ignored);
}

static void sqlite_close_db(pythia_db *base)
{
	sqlite_db *db = pythia_sqlite_of(base);

	if (db->state == PYTHIA_LOADING)
		pythia_sqlite_load_abandon(base);
	if (db->stream)
		pythia_sqlite_stream_close(db->stream);
	sqlite3_finalize(db->pending);
	if (db->twin_of != NULL)
	{
		/* nothing stays open of what the two did */
		if (!sqlite3_get_autocommit(db->handle))
			pythia_sqlite_run(db, "ROLLBACK", NULL, NULL);
		db->twin_of->shared = db->twin_of->outer = false;
		db->twin_of->depth = 0;
	}
	if (db->made)
		unmake(db);
	/* the layer goes with the last statement of the connection */
	if (db->owned && sqlite3_close(db->handle) == SQLITE_OK)
		pythia_sqlite_files_free(db->files);
	else if (db->owned)
		sqlite3_close_v2(db->handle);
	pythia_buffer_free(&db->sql);
	pythia_free(base->version_text);
	pythia_free(base->default_schema);
	pythia_free(base->display);
	pythia_free(base->place);
	pythia_free(base->mask_key);
	pythia_free(db);
}

static const pythia_driver sqlite_driver = {
	.name = "sqlite",
	.exec = sqlite_exec,
	.send = sqlite_send,
	.receive = sqlite_receive,
	.stream_open = pythia_sqlite_stream_open,
	.stream_next = pythia_sqlite_stream_next,
	.stream_close = pythia_sqlite_stream_close,
	.load_begin = pythia_sqlite_load_begin,
	.load_put = pythia_sqlite_load_put,
	.load_end = pythia_sqlite_load_end,
	.load_abandon = pythia_sqlite_load_abandon,
	.begin = pythia_sqlite_begin,
	.commit = pythia_sqlite_commit,
	.rollback = pythia_sqlite_rollback,
	.close = sqlite_close_db,
};

static sqlite_db *new_db(const pythia_host *host)
{
	sqlite_db *db = pythia_calloc(1, sizeof(*db));
	int version = sqlite3_libversion_number();
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	db->base.driver = &sqlite_driver;
	db->base.host = host;
	db->base.engine = PYTHIA_SQLITE;
	db->base.version = version / 1000000 * 10000 + version / 1000 % 1000 * 100 + version % 1000;
	pythia_buffer_printf(&text, "SQLite %s", sqlite3_libversion());
	db->base.version_text = pythia_buffer_take(&text);
	db->base.default_schema = pythia_strdup("main");
	return db;
}

bool pythia_sqlite_wrap(void *handle, const pythia_host *host, pythia_db **out, pythia_error *error)
{
	static int wraps;
	sqlite_db *db;

	if (pythia_sqlite_register_functions(handle, NULL) != SQLITE_OK)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "could not register functions: %s",
						   sqlite3_errmsg(handle));
	db = new_db(host ? host : pythia_default_host());
	db->handle = handle;
	db->serial = __atomic_add_fetch(&wraps, 1, __ATOMIC_RELAXED);
	db->base.local = true;
	db->base.display = pythia_strdup("local");
	db->base.read_only = sqlite3_db_readonly(handle, "main") == 1;
	*out = &db->base;
	return true;
}

void pythia_sqlite_twin(pythia_db *base, pythia_db **twin)
{
	sqlite_db *of = pythia_sqlite_of(base);
	sqlite_db *db = new_db(base->host);

	db->handle = of->handle;
	db->twin_of = of;
	db->shared = of->shared = true;
	db->serial = 1;
	db->base.display = pythia_strdup(base->display);
	db->base.place = pythia_strdup(base->place);
	db->base.read_only = base->read_only;
	*twin = &db->base;
}

/* Reads ?mode= and ?timeout=; other names are mistakes, save those that Python's module takes. */
static bool read_parameters(const pythia_url *url, sqlite_db *db, bool *read_only, bool *create, pythia_error *error)
{
	static const char *const others[] = {"check_same_thread", "isolation_level", "detect_types", "cached_statements",
										 "uri"};
	int64_t seconds;

	for (int i = 0; i < url->nparameters; i++)
	{
		const char *name = url->parameters[i].name;
		const char *value = url->parameters[i].value;
		bool known = strcmp(name, "timeout") == 0;

		for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++)
			known = known || strcmp(name, others[j]) == 0;
		if (strcmp(name, "mode") == 0)
		{
			known = true;
			if (strcmp(value, "ro") == 0)
				*read_only = true;
			else if (strcmp(value, "rwc") == 0)
				*create = true;
			else if (strcmp(value, "rw") != 0)
			{
				pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for the URL parameter \"mode\": \"%s\"",
							value);
				return pythia_error_hint(error, "It takes ro, rw or rwc.");
			}
		}
		if (!known)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "unknown URL parameter \"%s\" for SQLite", name);
			return pythia_error_hint(error, "SQLite URLs take mode and timeout.");
		}
	}
	if (!pythia_url_seconds(url, "timeout", BUSY_SECONDS, &seconds, error))
		return false;
	db->busy_ms = seconds * 1000;
	return true;
}

bool pythia_sqlite_check_url(const pythia_url *url, pythia_error *error)
{
	sqlite_db nothing = {0};
	bool read_only = false;
	bool create = false;

	return read_parameters(url, &nothing, &read_only, &create, error);
}

/* An ordinary file is there, or was made, for its owner alone. */
static bool check_file(sqlite_db *db, const char *path, bool create, pythia_error *error)
{
	struct stat found;
	bool there = stat(path, &found) == 0;

	if (!there && create)
	{
		db->made = pythia_sqlite_files_make(path);
		there = db->made && stat(path, &found) == 0;
	}
	if (there && S_ISREG(found.st_mode))
		return true;
	pythia_fail(error, PYTHIA_E_CONNECT, "08001", "could not open %s: %s", db->base.display,
				!there                   ? strerror(errno)
				: S_ISDIR(found.st_mode) ? "it is a folder"
										 : "it is no ordinary file");
	return pythia_error_hint(error, "Check the path: sqlite:////absolute/path.db has four slashes, "
									"sqlite:///relative.db three.");
}

static bool open_file(sqlite_db *db, const char *path, bool read_only, bool create, pythia_error *error)
{
	int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	bool memory = path[0] == '\0' || strcmp(path, ":memory:") == 0;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	int code;

	if (memory)
		flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	else if (!check_file(db, path, create && !read_only, error))
		return false;
	/* what is a URI to SQLite, with parameters of its own, is a file's name to us */
	pythia_buffer_printf(&name, "%s%s", strncasecmp(path, "file:", 5) == 0 ? "./" : "", memory ? ":memory:" : path);
	db->files = pythia_sqlite_files_new();
	code = db->files ? sqlite3_open_v2(name.data, &db->handle, flags | SQLITE_OPEN_NOMUTEX,
									   pythia_sqlite_files_name(db->files))
					 : SQLITE_NOMEM;
	pythia_buffer_free(&name);
	if (code != SQLITE_OK)
		return pythia_sqlite_failed(db, NULL, error);
	/* a database in memory needs no files for what is large, either */
	if (memory)
		sqlite3_exec(db->handle, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
	sqlite3_extended_result_codes(db->handle, 1);
	pythia_sqlite_confine(db);
	if (pythia_sqlite_register_functions(db->handle, db->base.host) != SQLITE_OK)
		return pythia_sqlite_failed(db, NULL, error);
	sqlite3_busy_handler(db->handle, on_busy, db);
	sqlite3_progress_handler(db->handle, PROGRESS_STEPS, on_progress, db);
	/* "no_such_column" must be an error, not a string */
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, (int *) NULL);
	/* opening reads nothing; this finds out whether it is a database */
	if (!pythia_sqlite_run(db, "PRAGMA schema_version", NULL, error))
	{
		error->error_class = error->error_class == PYTHIA_E_DATABASE ? PYTHIA_E_CONNECT : error->error_class;
		pythia_free(error->context);
		error->context = NULL;
		return false;
	}
	if (!read_only && sqlite3_db_readonly(db->handle, "main") == 1)
		db->base.read_only = true;
	/* pages that do not fit are written before the commit, each time after the journal was synced */
	return pythia_sqlite_run(db, "PRAGMA cache_size = -" CACHE_KIB, NULL, error);
}

bool pythia_sqlite_open(const pythia_url *url, const pythia_host *host, const pythia_open_options *options,
						pythia_db **out, pythia_error *error)
{
	sqlite_db *db = new_db(host);
	pythia_buffer display = PYTHIA_BUFFER_INIT;
	pythia_buffer place = PYTHIA_BUFFER_INIT;
	bool read_only = options && options->read_only;
	bool create = options && options->create;
	const char *path = url->database ? url->database : "";

	*out = NULL;
	db->owned = true;
	pythia_url_redact(url, &display);
	db->base.display = pythia_buffer_take(&display);
	if (read_parameters(url, db, &read_only, &create, error))
	{
		db->base.read_only = read_only;
		if (open_file(db, path, read_only, create, error))
		{
			/* the same file from whatever folder */
			pythia_buffer_printf(&place, "sqlite %s", sqlite3_db_filename(db->handle, "main"));
			db->base.place = pythia_buffer_take(&place);
			*out = &db->base;
			return true;
		}
	}
	sqlite_close_db(&db->base);
	return false;
}
