/*
 * The one interface to a database.  drivers/postgres/driver.c, drivers/mysql/driver.c and drivers/sqlite/driver.c implement
 * it over their client libraries, the PostgreSQL extension over SPI and COPY
 * for the database it lives in.
 *
 * Rules: a pythia_db serves one thing at a time (an open stream or load keeps
 * it busy); a call that returns false has filled the error; a db whose `broken`
 * is set accepts only close.  All waiting goes through the host, so everything
 * can be cancelled.  Sessions are pinned on opening: UTC, UTF-8, ISO dates,
 * exact floats, and in MySQL strict mode with NO_AUTO_VALUE_ON_ZERO.
 */
#ifndef PYTHIA_DRIVER_H
#define PYTHIA_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/host.h"
#include "core/parameters.h"
#include "core/rows.h"
#include "core/schema.h"
#include "core/url.h"
#include "drivers/result.h"

typedef struct pythia_stream pythia_stream;

/* A bulk load: where to, which columns, and the statement the dialect made for it
 * (COPY … FROM STDIN, LOAD DATA LOCAL INFILE …, INSERT … VALUES (?, …)). */
typedef struct pythia_load
{
	const char *schema; /* as in pythia_table, unquoted; NULL for a temporary table */
	const char *table;
	int ncolumns;
	const char *const *columns;
	const pythia_type *const *types; /* of the target's columns */
	const char *sql;
	/* A statement that stores the same columns from values in binary form, where the rows allow it
	 * (MariaDB: INSERT … VALUES (?, …), PostgreSQL: COPY … (FORMAT binary)); NULL: by `sql` alone */
	const char *binary_sql;
	/* MySQL that takes no LOAD DATA LOCAL: "INSERT … VALUES ", and what writes a value (NULL: SQL's NULL) behind it;
	 * NULL: by `sql` alone */
	const char *insert_sql;
	void (*insert_value)(const pythia_db *db, pythia_buffer *out, const pythia_type *type, const char *value,
						 size_t length);
	/* MySQL: rows may come over this many connections at once (0: one), each in a transaction that ends
	 * with the caller's (without one, when the load ends).  They commit one after another, so a commit
	 * that fails may have kept a part.  Not for a temporary table, which only one connection sees. */
	int connections;
} pythia_load;

#define PYTHIA_BASE64_BYTES (1024 * 1024)

typedef enum pythia_begin_mode
{
	PYTHIA_BEGIN_WRITE,     /* read committed where there is a choice */
	PYTHIA_BEGIN_SNAPSHOT,  /* read only, one snapshot for all statements */
	PYTHIA_BEGIN_IMMEDIATE, /* write, taking SQLite's write lock at once; else as WRITE */
	PYTHIA_BEGIN_TRY        /* as IMMEDIATE, but fails (class TRANSIENT) where another connection has the lock */
} pythia_begin_mode;

typedef struct pythia_driver
{
	const char *name;
	/* Runs one statement whose rows nobody wants; *affected (may be NULL) gets its row count.
	 * Here and below a text of several statements is refused: what slipped into one cannot begin another. */
	bool (*exec)(pythia_db *db, const char *sql, int64_t *affected, pythia_error *error);
	/* Sends a query and returns at once where the engine can; receive waits for its
	 * result.  So two servers can work at the same time. */
	bool (*send)(pythia_db *db, const char *sql, pythia_error *error);
	bool (*receive)(pythia_db *db, pythia_result *result, pythia_error *error);
	/* Rows in interchange format, in chunks of about 256 KiB. kinds (ncolumns of
	 * them, or NULL for all text) tells how to encode: BYTES and GEOMETRY as hex (a query over
	 * PostgreSQL may give BYTES of more than PYTHIA_BASE64_BYTES as base64, to hold less). */
	bool (*stream_open)(pythia_db *db, const char *sql, int ncolumns, const pythia_kind *kinds, pythia_stream **stream,
						pythia_error *error);
	/* count 0 is the end, reached without error: a broken read is never an end.
	 * The chunk is valid until the next call on the stream. */
	bool (*stream_next)(pythia_stream *stream, pythia_rows *chunk, pythia_error *error);
	void (*stream_close)(pythia_stream *stream); /* also midway; NULL-safe; leaves db usable or broken */
	/* A load is begun, fed and ended, or abandoned.  What was given to load_put has
	 * been copied or written when it returns.  load_end fails unless every row given
	 * was stored unchanged (MySQL: exact count, zero warnings). */
	bool (*load_begin)(pythia_db *db, const pythia_load *load, pythia_error *error);
	bool (*load_put)(pythia_db *db, const pythia_rows *chunk, pythia_error *error);
	bool (*load_end)(pythia_db *db, uint64_t *rows, pythia_error *error);
	void (*load_abandon)(pythia_db *db); /* after an error; leaves db usable or broken */
	bool (*begin)(pythia_db *db, pythia_begin_mode mode, pythia_error *error);
	bool (*commit)(pythia_db *db, pythia_error *error);
	bool (*rollback)(pythia_db *db, pythia_error *error);
	/* A table was looked up and is about to be read, or written; NULL: the server's rights are all that matters.
	 * Fails where it must not be. */
	bool (*described)(pythia_db *db, const char *schema, const char *table, pythia_error *error);
	/* Puts an idle session back to what opening made of it, whatever was set or left in it since, and so
	 * learns whether the server still answers.  NULL where keeping one open is worth nothing; after a
	 * failure db can only be closed. */
	bool (*reset)(pythia_db *db, pythia_error *error);
	/* A host's own database sees all of its transactions, whoever asks: its clock, and when the oldest of those that are open
	 * began (`own`: the caller's counts, too), in microseconds since 1970; *hold where the age of one is not known.  *now is 0
	 * where it does not know (a standby).  NULL: the dialect has a query. */
	bool (*open_transactions)(pythia_db *db, bool own, int64_t *now, int64_t *oldest, bool *hold, pythia_error *error);
	/* Never fails, also in the middle of anything; frees db. */
	void (*close)(pythia_db *db);
} pythia_driver;

/* The part of a db that everybody may read; a driver's own struct begins with it. */
struct pythia_db
{
	const pythia_driver *driver;
	const pythia_host *host;
	pythia_engine engine;
	bool is_mariadb; /* with PYTHIA_MYSQL */
	bool recoded; /* PostgreSQL: of another encoding than UTF-8, in which digests of its texts are taken all the same */
	bool local;   /* the host's own database: its transaction is the caller's */
	bool nested;  /* local, and within the caller's transaction: commit only ends a subtransaction */
	bool undecided; /* nested, and that transaction has written: what is read here may yet be undone (SQLite alone) */
	bool broken;
	bool encrypted;     /* TLS in use */
	bool others_ran;    /* code of others has run in the session: a view's, or a trigger's; see pythia_db_fresh */
	bool waits_briefly; /* see pythia_db_wait_briefly */
	int version;        /* 150018, 101119, 34001: major * 10000 + minor * 100 + patch; PostgreSQL: server_version_num */
	char *version_text; /* "PostgreSQL 15.18", "MariaDB 10.11.19", "SQLite 3.40.1" */
	char *default_schema; /* "public" (current_schema()), the MySQL database, "main" */
	char *display;        /* the URL without its secrets, for messages */
	char *place;          /* which database it is (pythia_url_endpoint); NULL: the host's own */
	char *mask_key;       /* of its URL; NULL: none (dialect/masks.h) */
	bool read_only;
};

typedef struct pythia_open_options
{
	bool read_only;
	bool create;                  /* SQLite: make the file where it is missing */
	const char *application_name; /* PostgreSQL; NULL: "pythia" */
	bool require_password;        /* refuse to enter by anything but our password (as dblink does), so a
									 * non-superuser cannot borrow the server's own credentials */
	bool client_defaults; /* MySQL: look into the user's option files and MYSQL_PWD; for a process of the user's */
	/* With require_password: the parameters that the URL's author may use, of this class and below. */
	pythia_parameter_class parameters;
	/* Hosts that may be reached, a list as core/reach.h reads it; NULL: any.  It is asked for the addresses that
	 * are gone to, whatever names stand for them. */
	const char *reach;
} pythia_open_options;

/* Opens a database; *db is NULL on failure.  options may be NULL.  No message holds a secret. */
bool pythia_db_open(const pythia_url *url, const pythia_host *host, const pythia_open_options *options, pythia_db **db,
					pythia_error *error);
void pythia_db_close(pythia_db *db); /* NULL-safe */
/* What can be said of a URL's parameters without going there: names that its engine does not have, values that no server
 * need be asked about.  Class USAGE. */
bool pythia_db_check_url(const pythia_url *url, pythia_error *error);
bool pythia_postgres_check_url(const pythia_url *url, pythia_error *error);
bool pythia_mysql_check_url(const pythia_url *url, pythia_error *error);
bool pythia_sqlite_check_url(const pythia_url *url, pythia_error *error);

/*
 * Before a table is begun, outside any transaction: a session in which others' code has run is put back to what
 * opening made of it.  The functions of a view and the triggers of a table may set what every later statement obeys (a
 * limit of rows, a time zone), or make a temporary table by the name of another: that would be read for the truth about
 * tables that are not theirs.
 */
bool pythia_db_fresh(pythia_db *db, pythia_error *error);
/*
 * From here on, until the session is made fresh, a lock on a table is waited for two seconds at most, which is more than
 * autovacuum takes to give way: for who reads many tables, of which one may be locked for long.  A SQLite file has one
 * lock for all, and a time for it of its own.
 */
bool pythia_db_wait_briefly(pythia_db *db, pythia_error *error);

/* A shorthand over the driver's table; result.h has those for queries. */
bool pythia_db_exec(pythia_db *db, const char *sql, int64_t *affected, pythia_error *error);
/* Several, one after another, until one fails; the list ends in NULL. */
bool pythia_db_exec_each(pythia_db *db, const char *const *statements, pythia_error *error);

/* One a client library; each is the only file to include it. */
bool pythia_postgres_open(const pythia_url *url, const pythia_host *host, const pythia_open_options *options,
						  pythia_db **db, pythia_error *error);
bool pythia_mysql_open(const pythia_url *url, const pythia_host *host, const pythia_open_options *options,
					   pythia_db **db, pythia_error *error);
bool pythia_sqlite_open(const pythia_url *url, const pythia_host *host, const pythia_open_options *options,
						pythia_db **db, pythia_error *error);
/*
 * A second db on the connection of a first one to a SQLite file, for who reads and writes that file at once: by two
 * connections the one would wait for the other.  As long as it is open the transactions of both are savepoints of one.
 * It is closed first.
 */
void pythia_sqlite_twin(pythia_db *db, pythia_db **twin);
/* Wraps a sqlite3 * that somebody else owns (the SQLite extension's own database). */
bool pythia_sqlite_wrap(void *sqlite3_handle, const pythia_host *host, pythia_db **db, pythia_error *error);
/* Whether somebody has called sqlite3_interrupt, while a statement of the caller runs. */
bool pythia_sqlite_interrupted(void *sqlite3_handle);

#endif
