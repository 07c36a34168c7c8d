/* What a process of ours is told in bgw_extra. */
#ifndef PYTHIA_POSTGRES_WORKER_START_H
#define PYTHIA_POSTGRES_WORKER_START_H

#include "postgres.h"

#include "postgres/worker/worker.h"

typedef struct pythia_process_start
{
	Oid database;
	Oid owner;             /* of a worker: the role to run as */
	pythia_job_kind kind;  /* of a worker */
	TransactionId starter; /* of a worker: wait for it first, or 0 */
	int share;             /* of a helper: connections that one load may use */
	int place;             /* of an executor or helper (roster.h); -1: none */
	pid_t starter_pid;     /* that claimed it */
} pythia_process_start;

#endif
