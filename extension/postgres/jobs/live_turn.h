/* The turn of a live sync worker. */
#ifndef PYTHIA_POSTGRES_JOBS_LIVE_TURN_H
#define PYTHIA_POSTGRES_JOBS_LIVE_TURN_H

#include "postgres/sync/run.h"
#include "postgres/worker/worker.h"

/*
 * Copies the tables that are not in the target yet, then applies windows: until the worker is stopped or changed, another
 * worker wants the place, or something fails.  `tables`: the worker's, parents first.  The milliseconds until the next
 * turn, or PYTHIA_TURN_OVER; ereports.
 */
extern long pythia_live_turn(const pythia_job *job, pythia_sides *sides, List *tables);

#endif
