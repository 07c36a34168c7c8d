/*
 * What the parts of the SQLite extension share.  Each connection that loads it
 * has one pythia_sqlite, freed with the connection.
 */
#ifndef PYTHIA_SQLITE_H
#define PYTHIA_SQLITE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3ext.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/host.h"
#include "core/node.h"
#include "drivers/driver.h"
#include "sync/sync.h"

typedef struct pythia_sqlite
{
	sqlite3 *handle;
	pythia_db *local;  /* the connection as the engine sees it */
	pythia_db *second; /* the same again, where it is source and target, or source and store */
	pythia_host host;  /* stops at sqlite3_interrupt */
	bool at_work;      /* a verb is */
	int references;    /* registered functions and modules */
} pythia_sqlite;

/* NULL with a text to be freed by sqlite3_free in *message. */
pythia_sqlite *pythia_sqlite_new(sqlite3 *handle, char **message);
void pythia_sqlite_release(void *self); /* SQLite calls it once a registration */

/* --- arguments and results ---------------------------------------------------------- */

/* What a verb was called with, whether as a function or as a table. */
typedef struct pythia_call
{
	pythia_sqlite *self;
	int argc;
	sqlite3_value **argv;
} pythia_call;

/* Argument as text (valid during the call), or NULL where it is NULL or not given. */
const char *pythia_arg(const pythia_call *call, int index);
/* The same, but NULL is class USAGE and names the argument. */
bool pythia_arg_needed(const pythia_call *call, int index, const char *name, const char **text, pythia_error *error);
/* A JSON object, or NULL where nothing was given; the caller frees. */
bool pythia_arg_options(const pythia_call *call, int index, const char *name, pythia_node **node, pythia_error *error);
/* A JSON array of names, or names between commas; *names (NULL-terminated, count of them) is
 * freed with pythia_list_free. NULL gives none. */
bool pythia_arg_names(const pythia_call *call, int index, const char *name, char ***names, int *count,
					  pythia_error *error);
/* A whole number of at least `minimum`; NULL leaves *value alone. */
bool pythia_arg_int(const pythia_call *call, int index, const char *name, int64_t minimum, int64_t *value,
					pythia_error *error);

/* A number of seconds, or '500 ms', '5 min'; NULL leaves *seconds alone. */
bool pythia_arg_seconds(const pythia_call *call, int index, const char *name, double *seconds, pythia_error *error);

/* Message, detail, context and hint as one text (SQLite has but one). */
char *pythia_error_text(const pythia_error *error); /* pythia_free */
int pythia_error_code(const pythia_error *error);   /* SQLITE_… */
/* How a worker that is held is released; false. */
bool pythia_held_hint(const char *worker, pythia_error *error);

/* --- verbs: every one returns false after filling the error -------------------------- */

/* Scalar: appends its result (JSON unless said otherwise) to out. */
typedef bool (*pythia_verb)(pythia_call *call, pythia_buffer *out, pythia_error *error);

typedef enum pythia_result_kind
{
	PYTHIA_RESULT_JSON,
	PYTHIA_RESULT_TEXT,
	PYTHIA_RESULT_INT,
	PYTHIA_RESULT_NULL /* done; there is nothing to tell */
} pythia_result_kind;

/* Rows of a table-valued verb; all of them are made before the first is read. */
typedef struct pythia_rowset
{
	int ncolumns;
	char **cells; /* nrows * ncolumns; NULL for SQL NULL */
	char *kinds;  /* of ncolumns: 't' text, 'i' integer, 'r' real, 'j' JSON */
	int64_t nrows;
	int64_t capacity;
	size_t bytes;
} pythia_rowset;

/* Adds a row of ncolumns texts (copied).  Beyond 256 MiB it fails, class USAGE, unless it is the only one. */
bool pythia_rowset_add(pythia_rowset *rows, const char *const *cells, pythia_error *error);

typedef bool (*pythia_table_verb)(pythia_call *call, pythia_rowset *rows, pythia_error *error);

/* Which of our tables it works with; none: it changes nothing here. */
typedef enum pythia_state
{
	PYTHIA_STATE_NONE,
	PYTHIA_STATE_CAPTURE,
	PYTHIA_STATE_SYNC
} pythia_state;

/* One scalar function, or one table-valued one. */
typedef struct pythia_registration
{
	const char *name;
	const char *signature; /* "worker, table[, overrides]" */
	int min_args;
	int max_args;
	bool pure; /* reaches nothing: may be used in views and triggers */
	pythia_state state;
	pythia_result_kind result;
	pythia_verb scalar;
	pythia_table_verb table;
	const char *columns; /* of the table: "name kind, …", kind as in pythia_rowset */
} pythia_registration;

/* --- transaction.c ------------------------------------------------------------------------- */

typedef bool (*pythia_verb_body)(void *argument, pythia_error *error);

/*
 * Runs a verb on the application's connection.  Where it fails, for whatever reason, nothing of what it did there stays,
 * and nothing is left open; an application's transaction stays as it was, unless an interrupt (or SQLite itself, after a
 * full disk) has ended it.
 */
bool pythia_sqlite_run_verb(pythia_sqlite *self, const pythia_registration *registration, pythia_verb_body run,
							void *argument, pythia_error *error);
/* The function that it needs, a result code of SQLite's. */
int pythia_register_body(pythia_sqlite *self);

/* A virtual table for a table-valued verb; a result code of SQLite's. */
int pythia_register_tables(pythia_sqlite *self, const pythia_registration *registration);

/* arguments.c: a pythia_option_idle, of a pythia_sqlite */
void pythia_warn_idle(void *self, const char *option, const char *why);

/* The verbs, as the reference tells of them (doc/sqlite.md): one declaration each, named as its function. */

/* functions_cdc.c */
bool pythia_verb_create_cdc_worker(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_alter_cdc_worker(pythia_call *call, pythia_buffer *out, pythia_error *error);
bool pythia_verb_drop_cdc_worker(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_release_worker(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_poll(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_ack(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_create_consumer(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_drop_consumer(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_seek(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_consume_changes(pythia_call *, pythia_rowset *, pythia_error *);

/* functions_sync.c */
bool pythia_verb_test_connection(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_create_sync_worker(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_drop_sync_worker(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_sync_table(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_sync_between(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_sync_tables(pythia_call *, pythia_rowset *, pythia_error *);
bool pythia_verb_sync_all_tables(pythia_call *, pythia_rowset *, pythia_error *);

/* functions_validate.c */
bool pythia_verb_validate_sync(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_validate_between(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_repair_sync(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_repair_between(pythia_call *, pythia_buffer *, pythia_error *);
bool pythia_verb_sync_differences(pythia_call *, pythia_rowset *, pythia_error *);
bool pythia_verb_differences_between(pythia_call *, pythia_rowset *, pythia_error *);

#endif
