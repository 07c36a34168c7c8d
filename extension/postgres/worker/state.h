/* Writing pythia.worker_state; all within a transaction of the caller's. */
#ifndef PYTHIA_POSTGRES_WORKER_STATE_H
#define PYTHIA_POSTGRES_WORKER_STATE_H

#include "postgres.h"

extern void pythia_state_started(int32 worker_id);
extern void pythia_state_stopped(int32 worker_id);
/* The last failure is over; writes only where one was recorded. */
extern void pythia_state_recovered(int32 worker_id);
/* retry_ms: after which it tries again; -1: nobody knows. */
extern void pythia_state_failed(int32 worker_id, const char *sqlstate, const char *message, int64 retry_ms);

#endif
