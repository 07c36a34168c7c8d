/* Which tables a sync is of. */
#ifndef PYTHIA_POSTGRES_SYNC_TABLES_H
#define PYTHIA_POSTGRES_SYNC_TABLES_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "postgres/sync/run.h"

/* Names of tables, patterns like schema.* spelled out: the wanted ones, or where that is NIL the worker's own;
 * asks the source.  Ereports where two of them would go to one table of the target.  Palloc'ed. */
extern List *pythia_list_sync_tables(const pythia_sides *sides, List *wanted);

#endif
