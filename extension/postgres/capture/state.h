/* How far the poll of a table of this database has come: rows of pythia.cdc_state and pythia.seen. */
#ifndef PYTHIA_POSTGRES_CAPTURE_STATE_H
#define PYTHIA_POSTGRES_CAPTURE_STATE_H

#include "postgres.h"
#include "postgres/base/boundary.h"
#include "postgres/capture/poll.h"
/* Writes down what a scan has read and captured. SPI connected, as are the others. */
extern void pythia_cdc_save_state(const pythia_cdc_table *table, const pythia_scan *scan,
								  const pythia_boundary *boundary, int64 captured);
/* The transactions that are captured though the snapshot does not tell, into the scan; allocated in cxt. */
extern void pythia_cdc_load_seen(const pythia_cdc_table *table, pythia_scan *scan, MemoryContext cxt);

#endif
