/*
 * A hold keeps our processes out of a database that is dropped, renamed, moved or copied.  It is a lock, so it ends
 * with the process of whoever has it, however that ends.
 */
#ifndef PYTHIA_POSTGRES_WORKER_DATABASE_HOLD_H
#define PYTHIA_POSTGRES_WORKER_DATABASE_HOLD_H

#include "postgres.h"

/* Several may hold a database at once.  It outlasts transactions, as moving a database takes several. */
extern void pythia_hold_take(Oid database);
extern void pythia_hold_release(Oid database);

extern bool pythia_database_held(Oid database);

#endif
