/* From a session to the background: start, stop and wake workers, all at commit. */
#ifndef PYTHIA_POSTGRES_WORKER_CONTROL_H
#define PYTHIA_POSTGRES_WORKER_CONTROL_H

#include "postgres.h"

#include "postgres/worker/worker.h"

/*
 * The worker's process shall run once this transaction has committed.  With a
 * launcher, that one starts it; without, a dynamic worker is registered here (it
 * waits for our commit), a NOTICE says that it lasts until the server restarts,
 * and the lack of a free slot is an error (53400).  A worker that is held is told by a WARNING.
 */
extern void pythia_control_start(int32 worker_id, pythia_job_kind kind, Oid owner);
/* The worker's process shall end once this transaction has committed. */
extern void pythia_control_stop(int32 worker_id);
/* At once: ends the process that gives the worker a turn just now, whatever the code in it does about it. */
extern void pythia_control_end_turn(int32 worker_id);
/* Once this transaction has committed: managers look again whose workers may run, here or in every database. */
extern void pythia_control_look(bool everywhere);

#endif
