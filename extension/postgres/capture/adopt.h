/* Tables that are made after a worker, in a schema that it captures whole (schema.*). */
#ifndef PYTHIA_POSTGRES_CAPTURE_ADOPT_H
#define PYTHIA_POSTGRES_CAPTURE_ADOPT_H

#include "postgres.h"

/*
 * Takes in those of this database, from their first row on; one that does not fit is noted
 * with the reason, as a table that has stopped.  In a transaction;
 * polls must be locked out (pythia_cdc_lock).  True where there was one.
 */
extern bool pythia_cdc_adopt(int32 worker_id);

#endif
