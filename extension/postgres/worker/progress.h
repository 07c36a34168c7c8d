/* Rows of pythia.stat_progress_sync: shared memory, one slot a running sync. */
#ifndef PYTHIA_POSTGRES_WORKER_PROGRESS_H
#define PYTHIA_POSTGRES_WORKER_PROGRESS_H

#include "postgres.h"

/* No-ops where the library was not preloaded. */
extern void pythia_progress_start(int32 worker_id, const char *table);
extern void pythia_progress_update(const char *phase, int64 rows, int64 total, int64 bytes);
extern void pythia_progress_end(void);
/* This process helps with a table that another has: its rows are added to that one's, until that one counts
 * all of them itself. */
extern void pythia_progress_help(void);
extern void pythia_progress_alone(void);

#endif
