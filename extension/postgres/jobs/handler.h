/* Handing changes to a worker's function. */
#ifndef PYTHIA_POSTGRES_JOBS_HANDLER_H
#define PYTHIA_POSTGRES_JOBS_HANDLER_H

#include "postgres.h"
#include "postgres/capture/catalog.h"

/* A part of the changes that several processes hand over, by key (share.h). */
typedef struct pythia_share
{
	int index;
	int count;      /* shares there are */
	int64 position; /* last number handed over */
	int64 upto;     /* last number */
} pythia_share;

typedef struct pythia_handling
{
	pythia_share *share; /* whose changes; NULL: all */
	int64 most;          /* calls at most; 0: a batch */
	bool plan;           /* makes no call: change_id is that of the first; the transaction is to be rolled back */
	int64 calls;         /* made */
	int64 change_id;     /* of the last one */
	int failed;          /* calls that failed */
	int dead;            /* of them: for the last time */
	int64 failed_first;  /* change of the first */
	char why[256];       /* its message */
	bool divided;        /* nothing was done: processes share what waits */
	int processes;       /* that the worker's handler may have */
	ErrorData *refused;  /* the transaction with the call for change_id could not be committed: this is its failure */
} pythia_handling;
/* Hands the next batch to the worker's handler, in the current transaction; true where there may be more. */
extern bool pythia_cdc_handle(pythia_cdc_worker *worker, pythia_handling *handling);
/* Ereports one that has the wrong signature, or that the current role may not call. */
extern void pythia_cdc_check_handler(Oid function);
/* Milliseconds until a failed change is due again; -1: none waits. */
extern long pythia_cdc_next_retry(const pythia_cdc_worker *worker);
/* Name of the consumer that stands for a worker's handler. */
#define PYTHIA_HANDLER_CONSUMER "handler"

#endif
