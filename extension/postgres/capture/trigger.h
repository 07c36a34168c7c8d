/* Capture by triggers: exact for everything, in the writer's own transaction. */
#ifndef PYTHIA_POSTGRES_CAPTURE_TRIGGER_H
#define PYTHIA_POSTGRES_CAPTURE_TRIGGER_H

#include "postgres.h"

#include "postgres/capture/catalog.h"

/* The names of a table's triggers, and of its partitions'; palloc'd. */
extern char *pythia_row_trigger(const pythia_cdc_table *table);
extern char *pythia_truncate_trigger(const pythia_cdc_table *table);
/* Puts the triggers on a table of a worker, where they are missing. */
extern void pythia_trigger_install(const pythia_cdc_table *table);
/* Stops tables whose changes are not captured, with the reason, and gives partitions that have come since what they
 * lack, where nobody is in the way just now. */
extern void pythia_trigger_look_after(pythia_cdc_worker *worker);
/* Why the table's changes are not captured: gone, its trigger gone or disabled, or closed to the worker's
 * owner; NULL where all is well. */
extern char *pythia_trigger_fault(const pythia_cdc_worker *worker, const pythia_cdc_table *table);
/* Lets every session look at the worker's settings again before it captures the table's next change. */
extern void pythia_trigger_refresh(const pythia_cdc_table *table);
/* Takes them off the table, if it is there. */
extern void pythia_trigger_remove(const pythia_cdc_table *table);
/* Takes them off what has been one of the tables, or a partition of it, where another one has its name now. */
extern void pythia_trigger_remove_elsewhere(const pythia_cdc_table *tables, int ntables);

#endif
