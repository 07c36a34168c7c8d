/*
 * The driver of the database this process lives in: SPI and COPY instead of a
 * socket.  It is used within a session, which keeps the server's rules while
 * the engine, which knows nothing of them, is at work.
 *
 * In a caller's transaction a session is a subtransaction with pinned settings;
 * the engine's begin is a further one inside it, commit and rollback end that.
 * Outside (a background worker between transactions) begin and commit are real
 * transactions and a statement without them has one of its own.
 *
 * An error inside the server is caught where it happens; what it broke is rolled
 * back at once, so no lock, pin or lightweight lock stays while the engine
 * unwinds.  The SQL function then ends the session and calls pythia_raise.
 */
#ifndef PYTHIA_POSTGRES_LOCAL_DRIVER_H
#define PYTHIA_POSTGRES_LOCAL_DRIVER_H

#include "postgres.h"

#include "core/error.h"
#include "drivers/driver.h"

typedef struct pythia_session pythia_session;

/* The schema that a name without one means, by the session's search_path; palloc'd. */
extern char *pythia_default_schema(void);
/* Sessions nest; each is ended in the reverse order, or by the caller's abort.  `schema`: what a name without one means
 * in it; NULL: the above. */
extern pythia_session *pythia_session_begin(const char *schema);
/* Keeps the session's work where ok, else undoes it (in a background worker: what
 * was not committed).  Databases opened in it have been closed before. */
extern void pythia_session_end(pythia_session *session, bool ok);

/* The local database; close it like any other. Several may be open in a session:
 * they share its transaction. */
extern bool pythia_local_open(pythia_session *session, pythia_db **db, pythia_error *error);

/* Tables looked up in it will be written, too. */
extern void pythia_local_writes(pythia_db *db);

/*
 * Runs host code from below the engine (a callback): `body` may ereport; the
 * error is caught, what it broke rolled back, and false returned.  It has an active
 * snapshot and, where no transaction is open, one of its own.
 */
typedef void (*pythia_session_body)(void *arg);
extern bool pythia_session_run(pythia_session *session, pythia_session_body body, void *arg, pythia_error *error);

/* Memory that lasts as long as the session. */
/* Schema of an unqualified name, by the role's own search_path. */
extern const char *pythia_session_schema(pythia_session *session);
extern MemoryContext pythia_session_memory(pythia_session *session);

#endif
