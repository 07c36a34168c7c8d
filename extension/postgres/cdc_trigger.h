/* Capture by triggers: exact for everything, in the writer's own transaction. */
#ifndef PYTHIA_CDC_TRIGGER_H
#define PYTHIA_CDC_TRIGGER_H

#include "postgres.h"

#include "cdc.h"

/* Puts the triggers on a table of a worker, where they are missing (partitions may have come). */
extern void pythia_trigger_install(pythia_cdc_table *table);
extern void pythia_trigger_remove(const pythia_cdc_table *table);
/* Writes what this transaction has captured so far, so that it can read it itself. */
extern void pythia_trigger_flush(void);

#endif
