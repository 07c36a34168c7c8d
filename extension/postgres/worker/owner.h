/*
 * Whose a worker is, and whether that role may still have it run.
 *
 * Tables keep a role as pythia.role: its number, which stays when the role is renamed, written in a dump as its name.
 * A role that is gone is written as "-", never as the bare number, which in another cluster is somebody else's.
 */
#ifndef PYTHIA_POSTGRES_WORKER_OWNER_H
#define PYTHIA_POSTGRES_WORKER_OWNER_H

#include "postgres.h"

#include "postgres/worker/worker.h"

/* Why a worker of this role is held, as text that ends a sentence; NULL where it may run. In a transaction. */
extern const char *pythia_owner_fault(Oid owner, pythia_job_kind kind, const char **hint);

/* Before the process acts as that role: an error (55000) where it is gone. */
extern void pythia_owner_require(Oid owner);

#endif
