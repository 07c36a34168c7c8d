/*
 * The rows known of a table: pythia_tracked.tracked_<table_id> holds their keys, as
 * known.h has it, and with `track: rows` their last image.
 */
#ifndef PYTHIA_POSTGRES_CAPTURE_TRACK_H
#define PYTHIA_POSTGRES_CAPTURE_TRACK_H

#include "postgres.h"

#include "postgres/capture/catalog.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

/* Makes the table (once) and drops it; run inside create and drop. */
extern void pythia_track_create(pythia_cdc_worker *worker, pythia_cdc_table *table);
/* Gives the known keys the types that the table's key has now, and lets who reads the table read them. Returns true where
 * something was changed; the caller then wants a new snapshot. */
extern bool pythia_track_conform(const pythia_cdc_worker *worker, const pythia_cdc_table *table);
extern void pythia_track_drop(int32 table_id);
/* Fills it with what is there, with the active snapshot. */
extern void pythia_track_baseline(pythia_cdc_worker *worker, pythia_cdc_table *table);
/* Whether delete_interval has passed since the last sweep. */
extern bool pythia_sweep_is_due(const pythia_cdc_table *table);
/* Compares the known keys with the table where delete_interval has passed; returns the changes captured. SPI connected. */
extern int64 pythia_sweep_if_due(pythia_cdc_worker *worker, pythia_cdc_table *table);

/* Appends the FROM item and the columns that a scan adds to its query: the known row's place, hash and image. */
extern void pythia_track_columns(StringInfo out, const pythia_cdc_table *table);
extern void pythia_track_join(StringInfo out, Relation relation, const pythia_cdc_table *table);

#endif
