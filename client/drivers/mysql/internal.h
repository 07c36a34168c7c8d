/* Between driver.c, connect.c, stream.c and load.c. */
#ifndef PYTHIA_DRIVERS_MYSQL_INTERNAL_H
#define PYTHIA_DRIVERS_MYSQL_INTERNAL_H

#include "drivers/common.h"
#include "drivers/mysql/library.h"

typedef struct mysql_db mysql_db;
typedef struct pythia_mysql_bulk pythia_mysql_bulk;

/* Connections that one load may use. */
#define PYTHIA_MYSQL_CONNECTIONS 8

/* Our own number, beside the library's: the server wanted a file of ours. */
#define PYTHIA_MYSQL_ASKED_FOR_FILE 2999
/* Connector/C's, for a method of logging in that we have not let it use */
#define PYTHIA_MYSQL_METHOD_FORBIDDEN 5010

/*
 * A load.  Every connection that takes part has a buffer in flight; the first
 * one, the db that the caller knows, also has the buffer being filled and the list
 * of the others.
 */
typedef struct pythia_mysql_load
{
	pythia_buffer flight; /* being sent */
	uint64_t flight_rows;
	const char *unsent; /* of it, or of the caller's rows: what the library has not taken yet */
	const char *unsent_end;
	bool flying;  /* the statement for `flight` has not ended */
	int status;   /* what it waits for */
	int answer;   /* its result, once ended */
	bool used;    /* since the last commit */
	bool in_bulk; /* it is the prepared INSERT; `flight` is empty then */
	MYSQL_STMT *statement;
	/* of the first connection only */
	pythia_buffer sql;               /* the LOAD DATA statement, run once a buffer; of INSERTs, how they begin */
	bool by_inserts;                 /* the server takes no LOAD DATA */
	const pythia_type *const *types; /* of by_inserts */
	void (*insert_value)(const pythia_db *db, pythia_buffer *out, const pythia_type *type, const char *value,
						 size_t length);
	pythia_buffer insert;    /* the INSERT that does as well */
	pythia_mysql_bulk *bulk; /* NULL where it does not */
	int ncolumns;
	pythia_buffer fill; /* being filled */
	uint64_t fill_rows;
	uint64_t stored;                                        /* rows, of ended statements */
	struct mysql_db *connections[PYTHIA_MYSQL_CONNECTIONS]; /* the others, from 1 on; kept for the next load */
	int nconnections;                                       /* in this load, the db itself among them */
	int ready_fd; /* readable when one of several can go on; 0 while there is none */
} pythia_mysql_load;

struct mysql_db
{
	pythia_db base;
	MYSQL mysql;
	bool connected; /* `mysql` holds a connection or the attempt of one */
	pythia_db_state state;
	pythia_stream *stream;
	pythia_buffer sql; /* of the statement in hand, for errors */
	pythia_mysql_load load;
	bool aborting; /* a suspended call is being brought to its end */
	/* Ends the query of this connection from a second one (pythia_mysql_kill), and opens a further connection like it,
	 * session and all.  Set on opening, so that who waits or loads need not know how one connects. */
	void (*kill)(mysql_db *db);
	bool (*again)(const mysql_db *db, mysql_db **second, pythia_error *error);
	/* what that takes */
	pythia_url url;
	bool client_defaults;
	bool require_password;
	char *reach;        /* hosts that may be reached, as of pythia_open_options */
	int64_t connect_ms; /* that connecting may take; 0: as long as it takes */
	int64_t connect_by; /* while connecting: when it has taken that long, by pythia_monotonic_ms; else 0 */
	bool tls_required;
	bool in_clear; /* the password may be shown as it is, since the server proves who it is */
	enum
	{
		PYTHIA_MYSQL_ADMITTED,
		PYTHIA_MYSQL_NO_TLS,
		PYTHIA_MYSQL_BAD_METHOD
	} refused; /* why logging in was given up before anything was said */
	/* What the server may say without being asked to go on (pythia_mysql_listen). */
	size_t heard;
	size_t unasked;    /* since the host was asked */
	uint64_t received; /* by the socket when that began (pythia_mysql_received) */
	size_t most;
	enum
	{
		PYTHIA_MYSQL_UNCUT,
		PYTHIA_MYSQL_CUT_CANCELLED,
		PYTHIA_MYSQL_CUT_FLOOD
	} cut; /* why the connection was cut in the middle of an answer */
	unsigned long thread_id;
	bool statement_log; /* the server logs statements, and takes no read committed */
	bool takes_files;   /* the server lets its clients load files of theirs */
	bool told_inserts;
	size_t max_packet; /* bytes of a statement or a value that the server takes */
};

static inline mysql_db *pythia_mysql_of(pythia_db *db)
{
	return (mysql_db *) db;
}

/* Bytes of what an answer begins with: the names of 4096 columns, or how a statement ended. */
#define PYTHIA_MYSQL_HEAD_BYTES (16 << 20)

/* What comes from now on is at most so many bytes, or the connection is cut; the host is asked meanwhile. */
static inline void pythia_mysql_listen(mysql_db *db, size_t most)
{
	db->heard = 0;
	db->most = most;
	db->received = pythia_mysql_received(&db->mysql);
}

/*
 * Runs a step (library.h) to its end, waiting through the host: a call that uses `ready`.  False where the host
 * asked to stop, or connecting took too long; then the call was aborted and the connection is broken.
 */
#define PYTHIA_MYSQL_RUN(db, step, error) PYTHIA_MYSQL_HEAR((db), PYTHIA_MYSQL_HEAD_BYTES, step, error)
/* The same, for an answer that may be larger. */
#define PYTHIA_MYSQL_HEAR(db, most, step, error)                                                                       \
	__extension__({                                                                                                    \
		int ready = PYTHIA_STEP_BEGIN;                                                                                 \
		int status_ = (pythia_mysql_listen((db), (most)), (step));                                                     \
		bool good_ = true;                                                                                             \
		while (status_ && good_)                                                                                       \
		{                                                                                                              \
			good_ = pythia_mysql_wait((db), status_, -1, &ready, (error));                                             \
			if (!good_)                                                                                                \
				pythia_mysql_abort(db);                                                                                \
			do                                                                                                         \
				status_ = (step);                                                                                      \
			while (status_ && !good_ && (ready = PYTHIA_AWAIT_TIMEOUT));                                               \
		}                                                                                                              \
		good_;                                                                                                         \
	})

/* Waits for a status, at most timeout_ms (-1: as long as it takes, 0: only looks). *ready
 * is what to hand to a _cont call, 0 where timeout_ms passed. False (*ready is PYTHIA_AWAIT_TIMEOUT)
 * where the host wants to stop (class CANCELLED) or connecting has taken too long (CONNECT). */
bool pythia_mysql_wait(mysql_db *db, int status, long timeout_ms, int *ready, pythia_error *error);
/* False where the connection has come to an address that may not be reached, or to one at all where a socket was asked
 * for; before anything is said there. */
bool pythia_mysql_may_stay(mysql_db *db, pythia_error *error);
/* Cuts the connection so that a suspended call ends at once; the server's query is killed. */
void pythia_mysql_abort(mysql_db *db);
/* The number of the connection's last failure, and what the library or the server says of it. */
unsigned pythia_mysql_errno(mysql_db *db);
const char *pythia_mysql_message(mysql_db *db);
/* Fills the error from the connection's last failure. Returns false. */
bool pythia_mysql_failed(mysql_db *db, pythia_error *error);
/* SQLSTATE and class of one of the server's or the library's error numbers. */
pythia_error_class pythia_mysql_classify(unsigned code, const char *given, char sqlstate[6], const char **hint);
/* Runs a statement that gives no rows. */
bool pythia_mysql_run(mysql_db *db, const char *sql, int64_t *affected, pythia_error *error);
/* Ends the server's query of this connection from a second one; waits for it 0.5 s at most. */
void pythia_mysql_kill(mysql_db *db);
/* Makes the session say what it must, whatever the server or the account is set to. */
bool pythia_mysql_pin(mysql_db *db, pythia_error *error);
/* Makes lasting what the further connections of a load have stored. */
bool pythia_mysql_commit_connections(mysql_db *db, pythia_error *error);
void pythia_mysql_roll_back_connections(mysql_db *db);
/* Ends and forgets them; what they stored and did not commit is undone. */
void pythia_mysql_close_connections(mysql_db *db);
extern const pythia_driver pythia_mysql_driver;

/* LOAD DATA LOCAL reads what we hand out during our own load, and nothing else, ever. */
void pythia_mysql_guard_infile(mysql_db *db);
/* What that sets: by it a connection of ours is known. */
int pythia_mysql_infile_begin(void **handle, const char *name, void *context);

/* insert.c: the next rows as one INSERT, as many as it takes well; at least one is left in the reader. */
bool pythia_mysql_insert_make(const mysql_db *db, pythia_rows_reader *reader, pythia_buffer *out, uint64_t *rows,
							  pythia_error *error);

/* connector_c/bulk.c: rows by a prepared INSERT.  NULL where the load or the server has no such way. */
pythia_mysql_bulk *pythia_mysql_bulk_make(mysql_db *db, const pythia_load *load);
/* Makes the statement on a connection that has nothing in flight. */
bool pythia_mysql_bulk_prepare(pythia_mysql_bulk *bulk, mysql_db *connection, const char *insert, pythia_error *error);
/* Takes rows; false where LOAD DATA must take them. */
bool pythia_mysql_bulk_read(pythia_mysql_bulk *bulk, const pythia_rows *rows);
/* A step: executes the statement for the rows taken.  After its beginning `bulk` may take others. */
int pythia_mysql_bulk_step(pythia_mysql_bulk *bulk, mysql_db *connection, int ready);
uint64_t pythia_mysql_bulk_stored(mysql_db *connection); /* rows, by the statement that has ended */
void pythia_mysql_bulk_close(mysql_db *connection);
void pythia_mysql_bulk_forget(mysql_db *connection);  /* after the connection was closed */
void pythia_mysql_bulk_free(pythia_mysql_bulk *bulk); /* NULL-safe */

bool pythia_mysql_stream_open(pythia_db *db, const char *sql, int ncolumns, const pythia_kind *kinds,
							  pythia_stream **stream, pythia_error *error);
bool pythia_mysql_stream_next(pythia_stream *stream, pythia_rows *chunk, pythia_error *error);
void pythia_mysql_stream_close(pythia_stream *stream);
bool pythia_mysql_load_begin(pythia_db *db, const pythia_load *load, pythia_error *error);
bool pythia_mysql_load_put(pythia_db *db, const pythia_rows *chunk, pythia_error *error);
bool pythia_mysql_load_end(pythia_db *db, uint64_t *rows, pythia_error *error);
void pythia_mysql_load_abandon(pythia_db *db);
/* The statement in hand, for errors. */
void pythia_mysql_remember(mysql_db *db, const char *sql);
/* Reads what a statement gave, all of it; rows where none are expected (`rows` is NULL) are an error. */
bool pythia_mysql_results(mysql_db *db, pythia_result *rows, int64_t *affected, pythia_error *error);
/* Where the URL leads, with the defaults of the library. */
const char *pythia_mysql_host_of(const mysql_db *db, const pythia_url *url);
int pythia_mysql_port_of(const pythia_url *url);
const char *pythia_mysql_socket_of(const pythia_url *url); /* NULL: by TCP */
/* False (42501) where the way to the host is not open to this connection; socket_path may be NULL. */
bool pythia_mysql_may_go(const mysql_db *db, const char *host, int port, const char *socket_path, pythia_error *error);
/* Prepares db->mysql for the URL; seconds: how long connecting may take. */
bool pythia_mysql_set_options(mysql_db *db, const pythia_url *url, int64_t seconds, pythia_error *error);
/* Connects what set_options has prepared. */
bool pythia_mysql_connect(mysql_db *db, const pythia_url *url, pythia_error *error);

#endif
