/* Tables of another database: read through the engine's source half, known row by row in pythia.remote_row. */
#ifndef PYTHIA_CDC_REMOTE_H
#define PYTHIA_CDC_REMOTE_H

#include "postgres.h"

#include "cdc.h"
#include "nodes/pg_list.h"

/* Definitions (pythia_cdc_definition) of the worker's patterns over there; ereports what is wrong. */
extern List *pythia_remote_resolve(const pythia_cdc_worker *worker);
/* Polls every active table; returns the number of changes captured. With `isolate` a table that
 * fails is stopped while the others go on. */
extern int64 pythia_remote_poll(pythia_cdc_worker *worker, bool isolate);

#endif
