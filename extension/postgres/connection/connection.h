/*
 * From a connection's name, a URL or 'local' to an open database.
 *
 * Resolving asks PostgreSQL (catalogues, privileges) and may ereport; entering
 * is the engine's work and returns errors, so it may also happen below the
 * engine (parallel connections).
 */
#ifndef PYTHIA_POSTGRES_CONNECTION_CONNECTION_H
#define PYTHIA_POSTGRES_CONNECTION_CONNECTION_H

#include "postgres.h"

#include "core/url.h"
#include "drivers/driver.h"
#include "postgres/base/pg_compat.h"
#include "postgres/local/driver.h"

typedef struct pythia_endpoint
{
	bool local;
	pythia_url url; /* with secrets; freed with the memory context it was resolved in */
	bool require_password;
	pythia_parameter_class parameters; /* that the URL's author may use, then */
	bool read_only;
	bool existing; /* no SQLite file is made where it is missing */
	char *reach;   /* hosts that may be reached, NULL: any; lives as the URL does */
	char *display; /* for messages: name, URL without secrets, or 'local' */
} pythia_endpoint;

/* `write`: the database shall be changed. Checks what the current role may do; ereports. */
extern pythia_endpoint *pythia_endpoint_resolve(const char *name_or_url, bool write);

/*
 * The same for what a worker's row says.  `owner`: whose the connection was when it was named; one that is another
 * role's by now, which has not the current role's rights at any rate, is refused: by ALTER SERVER or DROP SERVER its
 * name may have gone to somebody who wants the worker's rows.
 */
extern pythia_endpoint *pythia_endpoint_resolve_stored(const char *name_or_url, Oid owner, bool write);

/* Where a worker's row names a connection. */
typedef enum pythia_connection_use
{
	PYTHIA_USE_CAPTURE,
	PYTHIA_USE_SOURCE,
	PYTHIA_USE_TARGET,
} pythia_connection_use;

/* Notes whose the connection is that the worker's row names, for pythia_endpoint_resolve_stored. */
extern void pythia_connection_note_owner(int32 worker_id, pythia_connection_use use);

/* Whether a connection of the worker is another role's than the one that was noted. */
extern bool pythia_connection_strayed(int32 worker_id);

/* Raises that there is no connection of that name, as far as it may be shown. */
pg_noreturn extern void pythia_no_connection(const char *name, const char *hint);

/* What opening it takes. */
extern pythia_open_options pythia_endpoint_options(const pythia_endpoint *target);

/* Opens it.  Close it with pythia_db_close; should an error prevent that, it closes
 * when the session's memory goes.  It waits by `host`, NULL: as a backend does. */
extern bool pythia_connection_open(pythia_session *session, const pythia_endpoint *target, const pythia_host *host,
								   pythia_db **db, pythia_error *error);

/* Says that an open database is the session's to close, and that it no longer is. */
extern void pythia_connection_register(pythia_session *session, pythia_db *db);
extern void pythia_connection_unregister(pythia_db *db);

/*
 * What a worker's catalogue row may say for `name_or_url`: the text itself where it
 * holds no secret, else the name of a connection made for it (named like `suggested`).
 * The URL is checked, and so is that a named connection exists.
 */
extern char *pythia_connection_adopt(const char *name_or_url, const char *suggested);
/* Drops a connection that pythia_connection_adopt made; leaves others alone. */
extern void pythia_connection_disown(const char *stored, const char *suggested, Oid worker_owner);

#endif
