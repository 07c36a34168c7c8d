/*
 * Between the engine's errors, which are values, and PostgreSQL's, which jump.
 *
 * No jump crosses an engine frame: whatever calls PostgreSQL from below the
 * engine catches (pythia_error_catch), the engine unwinds, and the SQL function
 * on top raises (pythia_raise), where possible the very error that was caught.
 */
#ifndef PYTHIA_POSTGRES_BASE_BRIDGE_H
#define PYTHIA_POSTGRES_BASE_BRIDGE_H

#include "postgres.h"

#include "core/buffer.h"
#include "core/error.h"
#include "postgres/base/pg_compat.h"

/*
 * In PG_CATCH: keeps a copy of the current error for pythia_raise, fills `error`
 * from it, clears PostgreSQL's error state and goes back to memory context `cxt`.
 * The caller must roll back the (sub)transaction that failed before it does
 * anything else with the server.  Returns false.
 */
extern bool pythia_error_catch(pythia_error *error, MemoryContext cxt);

/* Raises the error as an ERROR and frees it.  A cancelled wait becomes what the
 * server itself says of the cancel (user request, statement timeout, shutdown). */
pg_noreturn extern void pythia_raise(pythia_error *error);

/* SQLSTATE text to code and back; "" gives ERRCODE_INTERNAL_ERROR. */
extern int pythia_sqlstate_code(const char *sqlstate);

/* palloc'ed copies in the database's encoding; the engine's own is UTF-8. NULL gives NULL. */
extern char *pythia_from_utf8(const char *text);
extern char *pythia_to_utf8(const char *text);

/*
 * The same for messages, whose reader wants them in any case: nothing is raised for what they hold, a character that
 * the other encoding lacks is a '?'.  Where a message may be told after a transaction has failed, the converters are
 * prepared before; without that all that is not ASCII is a '?' there.
 */
extern char *pythia_message_from_utf8(const char *text);
extern char *pythia_message_to_utf8(const char *text);
extern void pythia_messages_prepare(void);

/* "message. Detail. Hint." in one palloc'ed line, for a result's error column. */
extern char *pythia_error_line(const pythia_error *error);

/* Frees what lives outside PostgreSQL's memory when the current memory context goes. */
extern void pythia_free_with_context(void (*release)(void *), void *object);

#endif
