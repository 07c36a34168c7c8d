/* The instant before which no open transaction of a database can still commit a stamp. */
#ifndef PYTHIA_BOUNDARY_H
#define PYTHIA_BOUNDARY_H

#include "drivers/driver.h"

/* *text is `YYYY-MM-DD HH:MM:SS.ffffff` in UTC, the caller's to free, or NULL where it cannot be known (the
 * right to see other sessions is missing; SQLite has a writer).  Call it outside a snapshot, before it. */
bool pythia_source_boundary(pythia_db *db, char **text, pythia_error *error);

#endif
