/* The turn of a worker's handler, in transactions of its own. */
#ifndef PYTHIA_POSTGRES_JOBS_HANDLER_TURN_H
#define PYTHIA_POSTGRES_JOBS_HANDLER_TURN_H

#include "postgres.h"
#include "postgres/worker/worker.h"

/* Hands over what waits for about a second, by the option handlers in several processes where that is more than one
 * turn's (share.h).  True where there is more; *retry: milliseconds until a failed change is due, -1: none. */
extern bool pythia_handler_turn(const pythia_job *job, long *retry);
/* What a helper does for the worker's process. */
extern void pythia_handler_help(const pythia_job *job);

#endif
