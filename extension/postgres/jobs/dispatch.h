/* A poll of a worker, whichever database its tables lie in. */
#ifndef PYTHIA_POSTGRES_JOBS_DISPATCH_H
#define PYTHIA_POSTGRES_JOBS_DISPATCH_H

#include "postgres.h"
#include "postgres/capture/catalog.h"
/*
 * Polls every active table of a worker in the current transaction; returns the
 * number of changes captured.  With `isolate`, a table that fails is stopped (and
 * reported) while the others go on; otherwise the error is raised.
 */
extern int64 pythia_cdc_poll(pythia_cdc_worker *worker, bool isolate);

#endif
