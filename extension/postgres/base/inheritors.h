/* Tables below a table. */
#ifndef PYTHIA_POSTGRES_BASE_INHERITORS_H
#define PYTHIA_POSTGRES_BASE_INHERITORS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

/* As find_all_inheritors, with those whose detaching has begun and is not over: rows still go there. */
extern List *pythia_all_inheritors(Oid relid, LOCKMODE mode);

#endif
