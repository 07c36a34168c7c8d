/* Between the files of this folder. */
#ifndef PYTHIA_DRIVERS_SQLITE_INTERNAL_H
#define PYTHIA_DRIVERS_SQLITE_INTERNAL_H

#ifdef PYTHIA_SQLITE_LOADABLE
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
#else
#include <sqlite3.h>
#endif

#include "drivers/common.h"
#include "drivers/sqlite/files.h"

/* Transactions of ours within each other. */
#define PYTHIA_SQLITE_DEPTH 8

typedef struct sqlite_db
{
	pythia_db base;
	sqlite3 *handle;
	bool owned;
	pythia_sqlite_files *files; /* of an owned one */
	bool made;                  /* the file was not there */
	bool shared;                /* with a twin: transactions are savepoints, as on a wrapped handle */
	bool outer;                 /* shared: the outermost is a transaction of its own, which took the write lock */
	struct sqlite_db *twin_of;
	pythia_db_state state;
	int64_t busy_ms;       /* waited at most for another connection's lock */
	int64_t busy_since;    /* microseconds; when the present wait began */
	bool waited_out;       /* the last wait took all of busy_ms */
	sqlite3_stmt *pending; /* sent, not yet received */
	pythia_stream *stream;
	pythia_buffer sql; /* of the pending statement or the load, for errors */
	/* a load */
	sqlite3_stmt *insert;
	pythia_kind *load_kinds;
	int load_columns;
	uint64_t load_given;
	uint64_t load_stored;
	pythia_rows_reader reader;
	int depth;                        /* open savepoints of a wrapped handle */
	unsigned snapshots;               /* which of them only read: a bit each */
	bool inside;                      /* called by a statement that writes: no savepoints */
	int changes[PYTHIA_SQLITE_DEPTH]; /* then: of the connection, when each began */
	int serial;                       /* tells apart several wraps of one handle */
	bool large;                       /* values of megabytes have passed: pages are kept no longer than need be */
} sqlite_db;

static inline sqlite_db *pythia_sqlite_of(pythia_db *db)
{
	return (sqlite_db *) db;
}

/* Fills the error from the connection's last failure; `sql` may be NULL. Returns false. */
bool pythia_sqlite_failed(sqlite_db *db, const char *sql, pythia_error *error);
/* guard.c: keeps a connection of ours, whatever it runs, within its own database. */
void pythia_sqlite_confine(sqlite_db *db);
/* False for a statement that reaches out of it; for connections that others have opened. */
bool pythia_sqlite_allowed(sqlite_db *db, const char *sql, pythia_error *error);
/* Prepares one statement; a text of several, or of none, is refused. */
bool pythia_sqlite_prepare(sqlite_db *db, const char *sql, sqlite3_stmt **statement, pythia_error *error);
/* Runs a statement, whatever state db is in. */
bool pythia_sqlite_run(sqlite_db *db, const char *sql, int64_t *affected, pythia_error *error);
/* The text of a value that is not NULL; `scratch` (PYTHIA_DOUBLE_TEXT bytes) holds that of a number. */
const char *pythia_sqlite_text(sqlite3_stmt *statement, int column, int type, char *scratch, size_t *length);

bool pythia_sqlite_begin(pythia_db *db, pythia_begin_mode mode, pythia_error *error);
bool pythia_sqlite_commit(pythia_db *db, pythia_error *error);
bool pythia_sqlite_rollback(pythia_db *db, pythia_error *error);
bool pythia_sqlite_stream_open(pythia_db *db, const char *sql, int ncolumns, const pythia_kind *kinds,
							   pythia_stream **stream, pythia_error *error);
bool pythia_sqlite_stream_next(pythia_stream *stream, pythia_rows *chunk, pythia_error *error);
void pythia_sqlite_stream_close(pythia_stream *stream);
bool pythia_sqlite_load_begin(pythia_db *db, const pythia_load *load, pythia_error *error);
bool pythia_sqlite_load_put(pythia_db *db, const pythia_rows *chunk, pythia_error *error);
bool pythia_sqlite_load_end(pythia_db *db, uint64_t *rows, pythia_error *error);
void pythia_sqlite_load_abandon(pythia_db *db);

#endif
