/* A value's canonical text (dialect/canonical.h) inside SQLite. */
#ifndef PYTHIA_DRIVERS_SQLITE_CANONICAL_H
#define PYTHIA_DRIVERS_SQLITE_CANONICAL_H

#ifdef PYTHIA_SQLITE_LOADABLE
#include <sqlite3ext.h>
#else
#include <sqlite3.h>
#endif

#include "core/buffer.h"
#include "core/host.h"

/* What stops the work on a value. */
typedef struct pythia_sqlite_stop
{
	const pythia_host *host;
	pythia_host own;
	bool wanted;
} pythia_sqlite_stop;

void pythia_sqlite_stop_init(pythia_sqlite_stop *s, sqlite3_context *context);
/* The bytes of a value of any type, as text has them; SQLite's. */
const char *pythia_sqlite_value_bytes(sqlite3_value *value, size_t *length);
/* Appends the canonical text of a value that is not NULL, as far as nothing stops it.  `letter` and `size` are the kind's. */
void pythia_sqlite_canonical(pythia_buffer *out, char letter, long size, sqlite3_value *value, pythia_sqlite_stop *s);

#endif
