/* What the three drivers share. */
#ifndef PYTHIA_DRIVERS_COMMON_H
#define PYTHIA_DRIVERS_COMMON_H

#include <stddef.h>

#include "drivers/driver.h"

/* Rows of a stream are handed out in chunks of about this many bytes, and rows
 * for MySQL are sent in pieces of the second. */
#define PYTHIA_CHUNK_BYTES (256 * 1024)

/* Statements longer than this are cut in an error's context. */
#define PYTHIA_CONTEXT_BYTES 1000

/* What a db is doing; only PYTHIA_IDLE accepts a new statement. */
typedef enum pythia_db_state
{
	PYTHIA_IDLE,
	PYTHIA_SENT,
	PYTHIA_STREAMING,
	PYTHIA_LOADING
} pythia_db_state;

/* Fails where db is broken or not in the state that a call needs. */
bool pythia_db_expect(const pythia_db *db, pythia_db_state state, pythia_db_state wanted, pythia_error *error);
/* Class CANCELLED, SQLSTATE 57014. Returns false. */
bool pythia_fail_cancelled(pythia_error *error);
/* Sets the context to the statement that failed, cut to a sensible length. */
void pythia_error_statement(pythia_error *error, const char *sql);

/* Seconds of a URL parameter such as connect_timeout; `fallback` where it is absent. */
bool pythia_url_seconds(const pythia_url *url, const char *name, int64_t fallback, int64_t *seconds,
						pythia_error *error);

#endif
