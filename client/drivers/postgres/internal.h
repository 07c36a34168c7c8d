/* Between driver.c, connect.c, wait.c, copy.c, binary.c and cancel.c. */
#ifndef PYTHIA_DRIVERS_POSTGRES_INTERNAL_H
#define PYTHIA_DRIVERS_POSTGRES_INTERNAL_H

#include <libpq-fe.h>

#include "drivers/common.h"

typedef struct pythia_postgres_binary pythia_postgres_binary;

typedef struct postgres_db
{
	pythia_db base;
	PGconn *conn;
	pythia_db_state state;
	pythia_stream *stream;
	pythia_buffer sql;              /* of the statement in hand, for errors */
	int notices;                    /* that came during it */
	uint64_t load_given;            /* rows */
	uint64_t load_stored;           /* of them by a COPY that has ended */
	pythia_postgres_binary *binary; /* what the COPY under way takes; NULL: text */
	pythia_buffer binary_rows;
	pythia_buffer text_sql; /* COPY for the rows that have no binary form */
} postgres_db;

static inline postgres_db *pythia_postgres_of(pythia_db *db)
{
	return (postgres_db *) db;
}

/* The first line of a libpq message, without "FATAL:  " and the like before it; the caller's. */
char *pythia_postgres_first_line(const char *text);
/* Each returns false after filling the error; a lost or cancelled connection is marked broken. */
bool pythia_postgres_lost(postgres_db *db, pythia_error *error);
bool pythia_postgres_failed(postgres_db *db, const PGresult *result, pythia_error *error);
bool pythia_postgres_wait(postgres_db *db, int events, pythia_error *error);
bool pythia_postgres_start(postgres_db *db, const char *sql, pythia_error *error); /* sends a statement */
/* Takes what has come; notifications, which nobody asked for, are thrown away.  False: the connection is lost. */
bool pythia_postgres_consume(postgres_db *db);
bool pythia_postgres_flush(postgres_db *db, pythia_error *error);
/* The next result, or NULL after the last; the caller clears it. */
bool pythia_postgres_result(postgres_db *db, PGresult **result, pythia_error *error);
/* Reads all results; the first error counts, else *last is the last result, the caller's to clear. */
bool pythia_postgres_finish(postgres_db *db, PGresult **last, pythia_error *error);
/* The same, each row of a query given to `take`, which returns false where it wants no more: then the connection is
 * broken. */
typedef bool (*pythia_postgres_take)(void *context, const PGresult *row, pythia_error *error);
bool pythia_postgres_rows(postgres_db *db, pythia_postgres_take take, void *context, PGresult **last,
						  pythia_error *error);
/* connect.c: the connection of `db`, as the URL says. */
bool pythia_postgres_connect(postgres_db *db, const pythia_url *url, const pythia_open_options *options,
							 pythia_error *error);
/* The keywords of a connection, as libpq takes them. */
typedef struct pythia_postgres_words
{
	const char **names;
	const char **values;
	int count;
} pythia_postgres_words;

/* What libpq takes for a keyword: the last one given that says anything, else the environment's; "" for none. */
const char *pythia_postgres_word(const pythia_postgres_words *words, const char *keyword,
								 const PQconninfoOption *defaults);

/* password.c: require_auth for these words, so that the password is not shown to anybody; NULL where libpq has none, or
 * it may be shown. */
const char *pythia_postgres_require_auth(const pythia_postgres_words *words);
/* The server will have proved who it is, or is reached through Unix sockets alone.  `defaults` is libpq's: what the
 * environment says, and the service that it names. */
bool pythia_postgres_may_show_password(const pythia_postgres_words *words, const PQconninfoOption *defaults);

/* What a server without TLS says when somebody comes, before libpq reads it. */
typedef enum pythia_postgres_asked
{
	PYTHIA_POSTGRES_GO_ON,
	PYTHIA_POSTGRES_LET_IN,        /* nothing more is asked */
	PYTHIA_POSTGRES_ASKED_IN_PART, /* the rest has not come yet */
	PYTHIA_POSTGRES_ASKED_IN_CLEAR,
	PYTHIA_POSTGRES_ASKED_ODDLY
} pythia_postgres_asked;

pythia_postgres_asked pythia_postgres_look(PGconn *conn);
/* Ends the attempt after one of the last two.  Returns false. */
bool pythia_postgres_keep_password(postgres_db *db, pythia_postgres_asked asked, pythia_error *error);
#define PYTHIA_POSTGRES_CLEAR_HINT                                                                                     \
	"That would show the password to whoever listens.  Let the server prove who it is by TLS (sslmode=verify-full, "   \
	"with sslrootcert), enter by its Unix socket, or let its pg_hba.conf say scram-sha-256."

/* Where it goes: comma lists of the same length. */
typedef struct pythia_postgres_addresses
{
	pythia_buffer hosts;
	pythia_buffer addresses;
	pythia_buffer ports;
} pythia_postgres_addresses;

/* reach.c: the addresses behind the keywords, none of them outside of `reach`.  To be freed in any case. */
bool pythia_postgres_limit(const char *reach, const pythia_postgres_words *words, pythia_postgres_addresses *to,
						   pythia_error *error);
void pythia_postgres_addresses_free(pythia_postgres_addresses *addresses);

/* cancel.c: asks the server to stop what it is doing for us; takes half a second at most. */
void pythia_postgres_stop_server(postgres_db *db);
/* The same for who gives the connection up: it is broken, and the server sees its end. */
void pythia_postgres_abort(postgres_db *db);

bool pythia_postgres_stream_open(pythia_db *db, const char *sql, int ncolumns, const pythia_kind *kinds,
								 pythia_stream **stream, pythia_error *error);
bool pythia_postgres_stream_next(pythia_stream *stream, pythia_rows *chunk, pythia_error *error);
void pythia_postgres_stream_close(pythia_stream *stream);
/* binary.c: rows into COPY's binary format.  NULL where a type of the load has none. */
pythia_postgres_binary *pythia_postgres_binary_make(const pythia_load *load);
void pythia_postgres_binary_begin(pythia_buffer *out); /* what comes before the first row */
void pythia_postgres_binary_end(pythia_buffer *out);   /* and after the last */
/* Appends rows up to the first that has no binary form; *rest is what is left from there on.  Returns their number. */
uint64_t pythia_postgres_binary_rows(pythia_postgres_binary *binary, const pythia_rows *rows, pythia_buffer *out,
									 pythia_rows *rest);
void pythia_postgres_binary_free(pythia_postgres_binary *binary); /* NULL-safe */

bool pythia_postgres_load_begin(pythia_db *db, const pythia_load *load, pythia_error *error);
bool pythia_postgres_load_put(pythia_db *db, const pythia_rows *chunk, pythia_error *error);
bool pythia_postgres_load_end(pythia_db *db, uint64_t *rows, pythia_error *error);
void pythia_postgres_load_abandon(pythia_db *db);

#endif
