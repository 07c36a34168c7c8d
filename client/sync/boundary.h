/* The instant before which no open transaction of a database can still commit a stamp. */
#ifndef PYTHIA_BOUNDARY_H
#define PYTHIA_BOUNDARY_H

#include "drivers/driver.h"

/* *text is `YYYY-MM-DD HH:MM:SS.ffffff` in UTC, the caller's to free, or NULL where it cannot be known (the
 * right to see other sessions is missing, or they are those of a replica's primary); PYTHIA_FAR_PAST where nothing may be
 * taken as seen (SQLite has a writer; a replica is stopped).  Call it outside a snapshot, before it. */
bool pythia_source_boundary(pythia_db *db, char **text, pythia_error *error);

#endif
