/* Tables of a sync worker that are due, one after another or several at once. */
#ifndef PYTHIA_POSTGRES_JOBS_SYNC_DUE_H
#define PYTHIA_POSTGRES_JOBS_SYNC_DUE_H

#include "postgres/sync/run.h"
#include "postgres/worker/worker.h"

/* What a turn begins with: both sides, and the worker's tables, parents first; palloc'ed. False where the worker is gone or
 * stopped; ereports. */
extern bool pythia_sync_begin(const pythia_job *job, pythia_sides **sides, List **tables);
/* Synchronises those of the tables that are due, with helpers where the worker says so.  A table's failure is noted, and
 * does not end it; ereports where it is the worker's. */
extern void pythia_sync_due_tables(const pythia_job *job, pythia_sides *sides, List *tables);
/* Lowers *milliseconds to when the next one is due; false where none will be. */
extern bool pythia_sync_next_due(const pythia_sync_spec *spec, List *tables, double *milliseconds);

#endif
