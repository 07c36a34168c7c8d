/*
 * Which tables a worker is asked to capture: `schema.*` is all tables of a schema, those that are made later, too.
 *
 * Taken are tables, and partitioned tables in place of their partitions; not views, not what belongs to the engine, an
 * extension or a virtual table, and not what pythia_db keeps for itself (pythia_own_table).  A table that does not fit is
 * an error where the worker is made; one that is found later is noted with the reason.
 */
#ifndef PYTHIA_CAPTURE_DISCOVER_H
#define PYTHIA_CAPTURE_DISCOVER_H

#include <stdbool.h>

#include "core/error.h"
#include "drivers/driver.h"

/* The next of a worker's patterns, which stand one a line, to be freed; NULL where there is none left (or no text). */
extern char *pythia_discover_next(const char **patterns);

/*
 * The tables that a name or `schema.*` stands for, as pythia_describe reads them, to be freed one by one.  A schema
 * without tables is class USAGE, 42P01; with `again`, when it is looked at later, it has just none: each table that
 * went tells so itself.
 */
extern bool pythia_discover(pythia_db *db, const char *pattern, bool again, char ***names, int *count,
							pythia_error *error);

#endif
