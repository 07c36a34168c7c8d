/* PostgreSQL: where what the target's owner has put there (triggers, checks, defaults) looks for names. */
#ifndef PYTHIA_SEARCH_PATH_H
#define PYTHIA_SEARCH_PATH_H

#include "sync/run.h"

/* Sets the path for the transaction of the target that has begun.  Our own statements name the schema of everything but
 * operators, which pg_catalog, the first of the path, has for the types that they meet. */
bool pythia_search_path_set(pythia_run *run, pythia_error *error);

#endif
