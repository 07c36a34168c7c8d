/* Joining another process in a table that it copies in parts. */
#ifndef PYTHIA_POSTGRES_SYNC_RANGES_JOIN_H
#define PYTHIA_POSTGRES_SYNC_RANGES_JOIN_H

#include "postgres.h"
#include "postgres/sync/run.h"
/* Takes part in one of the worker's tables that another process copies in parts, if there is one; false where
 * there was nothing to do. */
extern bool pythia_ranges_help(const pythia_sides *sides, const pythia_node *overrides);

#endif
