/* Our SQL functions in SQLite: canonical text and checksums (dialect/canonical.h). */
#ifndef PYTHIA_DRIVERS_SQLITE_FUNCTIONS_H
#define PYTHIA_DRIVERS_SQLITE_FUNCTIONS_H

#include "core/host.h"

/*
 * Registers on a connection (a sqlite3 *):
 *   pythia_canonical(spec, value)  canonical text, or NULL
 *   pythia_encode(specs, value…)   values joined; a spec is preceded by '.' (stands alone) or '#' (with its length)
 *   pythia_md5(x), pythia_sha256(x)  lower hex
 *   pythia_utf8(text, cut, nul)    without what is no UTF-8, and with nul 1 without NULs: cut before the first
 *                                  such byte (1), or U+FFFD in the place of each (0)
 *   pythia_sums(x, 5 or 256)       aggregate: 20 digits of count(digest), then 40 of each slice's sum
 * They stop at sqlite3_interrupt; where a host is given, which has to live as long as the connection, when that wants to
 * stop.  Returns an SQLite result code.
 */
int pythia_sqlite_register_functions(void *sqlite3_handle, const pythia_host *host);

#endif
