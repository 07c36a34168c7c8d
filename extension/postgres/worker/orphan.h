/* Workers whose owner is gone. */
#ifndef PYTHIA_POSTGRES_WORKER_ORPHAN_H
#define PYTHIA_POSTGRES_WORKER_ORPHAN_H

#include "postgres.h"
/* Writes down, in every table that has them, which roles are gone, so that none who comes after is taken for them.
 * True where many rows are theirs and some may be left: for another transaction. */
extern bool pythia_disown_orphans(void);

#endif
