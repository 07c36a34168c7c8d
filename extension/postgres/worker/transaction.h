/* Transactions of a background process, which has none around it. */
#ifndef PYTHIA_POSTGRES_WORKER_TRANSACTION_H
#define PYTHIA_POSTGRES_WORKER_TRANSACTION_H

#include "postgres.h"
#include "postgres/worker/worker.h"
/* This process runs a worker of the role from now on. */
extern void pythia_job_enter(Oid owner, pythia_job_kind kind, int32 worker_id);
/* A transaction with an active snapshot; commit also reports statistics and goes back to
 * the memory context that was current at the beginning. */
extern void pythia_job_begin(void);
extern void pythia_job_commit(void);
/* True in a job's process. */
extern bool pythia_in_job(void);

#endif
