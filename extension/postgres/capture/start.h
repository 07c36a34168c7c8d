/* The start of a table of this database: its first position. */
#ifndef PYTHIA_POSTGRES_CAPTURE_START_H
#define PYTHIA_POSTGRES_CAPTURE_START_H

#include "postgres.h"
#include "postgres/capture/catalog.h"
/* Takes the present as captured: the start of a table, from `now`, `beginning` or a stamp. */
extern void pythia_cdc_baseline(pythia_cdc_worker *worker, pythia_cdc_table *table);
/* Takes its first position: makes triggers and what is tracked. */
extern void pythia_cdc_start_table(pythia_cdc_worker *worker, pythia_cdc_table *table);

#endif
