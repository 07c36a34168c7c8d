/* Processes that help a worker's own for one turn: with its tables, or with its handler's changes. */
#ifndef PYTHIA_POSTGRES_WORKER_HELPERS_H
#define PYTHIA_POSTGRES_WORKER_HELPERS_H

#include "postgres.h"
#include "postgres/worker/worker.h"

/* Starts up to `count` helpers, fewer where processes are scarce; returns how many.  Each load of a
 * sync worker's may use `share` connections.  They end with this process. */
extern int pythia_helpers_start(const pythia_job *job, int count, int share);
extern int pythia_helpers_running(void);
extern void pythia_helpers_wait(void); /* until all have ended */
extern void pythia_helpers_stop(void);

#endif
