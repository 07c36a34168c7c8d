/*
 * What a statement of ours may do in SQLite: work in its own database, and nothing else.
 *
 * A file may be anybody's, and so may the names, types and defaults that a statement is made of; and SQLite runs in
 * our process, with our rights: inside PostgreSQL with those of the server.  So whatever reaches it, through a
 * statement, a view or a trigger, can neither open nor make another file nor load code.
 *
 * The connections that we open are confined by SQLite itself: an authorizer, its defensive mode, no trust in the
 * schema.  The one that the loadable extension is called on is its user's, with his authorizer: there our own
 * statements are looked at before they are prepared.
 */
#include "drivers/sqlite/internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Pragmas that only tell something. */
static const char *const telling[] = {
	"table_list",       "table_info",   "table_xinfo",    "index_list",        "index_info",      "index_xinfo",
	"foreign_key_list", "foreign_keys", "database_list",  "schema_version",    "data_version",    "integrity_check",
	"quick_check",      "encoding",     "collation_list", "foreign_key_check", "compile_options", "user_version",
	"page_count",       "page_size",    "freelist_count", "function_list",     "busy_timeout",    "application_id",
	"journal_mode",     "synchronous",  "cache_size",     "auto_vacuum",       "secure_delete",   NULL,
};
/* Those whose argument is the name of what they tell about. */
static const char *const naming[] = {"table_list",      "table_info",        "table_xinfo", "index_list",
									 "index_info",      "index_xinfo",       "quick_check", "foreign_key_list",
									 "integrity_check", "foreign_key_check", NULL};
/* Those that set something for this connection, without harm to the file or another. */
static const char *const setting[] = {
	"cache_size", "synchronous", "defer_foreign_keys", "foreign_keys", "busy_timeout", "max_page_count", NULL};
/* The ways to keep a journal that leave a file which a crash does not spoil. */
static const char *const journals[] = {"wal", "delete", "truncate", "persist", NULL};

/* Functions that reach out of the database: SQLite's own, and those of extensions that often come with it. */
static const char *const reaching[] = {
	"load_extension", "fts3_tokenizer", "readfile",  "writefile",    "edit",       "lsdir",         "fsdir",
	"zipfile",        "zipfile_cds",    "eval",      "blobfromfile", "blobtofile", "xb_loadxml",    "xb_storexml",
	"importshp",      "exportshp",      "importdbf", "exportdbf",    "importxls",  "exportgeojson", NULL,
};

static bool is_one_of(const char *const *list, const char *name)
{
	for (; name && *list; list++)
		if (strcasecmp(*list, name) == 0)
			return true;
	return false;
}

static bool is_harmless_pragma(const char *name, const char *argument)
{
	if (!argument)
		return is_one_of(telling, name);
	return is_one_of(naming, name) || is_one_of(setting, name) ||
		   (strcasecmp(name, "journal_mode") == 0 && is_one_of(journals, argument));
}

/* --- connections of ours ------------------------------------------------------------------ */

static int authorize(void *context, int action, const char *first, const char *second, const char *database,
					 const char *inner)
{
	(void) context;
	(void) database;
	(void) inner; /* a view's or a trigger's text is allowed no less and no more */
	switch (action)
	{
		case SQLITE_ATTACH: /* VACUUM INTO does it, too */
		case SQLITE_DETACH:
		case SQLITE_CREATE_VTABLE:
			return SQLITE_DENY;
		case SQLITE_PRAGMA:
			return is_harmless_pragma(first, second) ? SQLITE_OK : SQLITE_DENY;
		case SQLITE_FUNCTION:
			return is_one_of(reaching, second) ? SQLITE_DENY : SQLITE_OK;
		default:
			return SQLITE_OK;
	}
}

void pythia_sqlite_confine(sqlite_db *db)
{
	static const int on[] = {
		SQLITE_DBCONFIG_DEFENSIVE, /* nobody writes into the schema or the pages by themselves */
	};
	static const int off[] = {SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_WRITABLE_SCHEMA,
							  SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER};

	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++)
		sqlite3_db_config(db->handle, on[i], 1, (int *) NULL);
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
		sqlite3_db_config(db->handle, off[i], 0, (int *) NULL);
	sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(db->handle, SQLITE_LIMIT_WORKER_THREADS, 0);
	sqlite3_set_authorizer(db->handle, authorize, db);
}

/* --- any connection -------------------------------------------------------------------------- */

/* The next word, in small letters; *at is behind it. */
static void next_word(const char **at, char word[32])
{
	const char *from = *at;
	size_t length = 0;

	for (;;)
	{
		from += strspn(from, " \t\r\n\f;");
		if (strncmp(from, "--", 2) == 0)
			from += strcspn(from, "\n");
		else if (strncmp(from, "/*", 2) == 0)
		{
			const char *end = strstr(from + 2, "*/");

			from = end ? end + 2 : from + strlen(from);
		}
		else
			break;
	}
	while (isalnum((unsigned char) *from) || *from == '_')
	{
		if (length < 31)
			word[length++] = (char) tolower((unsigned char) *from);
		from++;
	}
	word[length] = '\0';
	*at = from;
}

bool pythia_sqlite_allowed(sqlite_db *db, const char *sql, pythia_error *error)
{
	static const char *const outward[] = {"attach", "detach", "vacuum", NULL};
	const char *at = sql;
	char word[32];

	next_word(&at, word);
	if (strcmp(word, "explain") == 0)
		next_word(&at, word);
	if (strcmp(word, "create") == 0)
		next_word(&at, word);
	if (!is_one_of(outward, word) && strcmp(word, "virtual") != 0)
		return true;
	pythia_fail(error, PYTHIA_E_DATABASE, "42501", "%s: statements of pythia_db may not use %s", db->base.display,
				word);
	pythia_error_statement(error, sql);
	return pythia_error_hint(error, "They work within their own database only.");
}
