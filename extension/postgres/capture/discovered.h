/* Tables that are made after a worker, in a schema that it captures whole (schema.*). */
#ifndef PYTHIA_POSTGRES_CAPTURE_DISCOVERED_H
#define PYTHIA_POSTGRES_CAPTURE_DISCOVERED_H

#include "postgres.h"

/* Tables taken in by one look: what a schema's owner makes is bounded work for whoever captures it. */
#define PYTHIA_MOST_ADOPTED 100

/*
 * Takes in those of this database, from their first row on; one that does not fit is noted
 * with the reason, as a table that has stopped.  In a transaction;
 * polls must be locked out (pythia_cdc_lock).  Returns how many: where that is PYTHIA_MOST_ADOPTED, more may wait.
 */
extern int pythia_cdc_add_discovered(int32 worker_id);

#endif
