/* A sync worker looked at when it is created or altered. */
#ifndef PYTHIA_POSTGRES_SYNC_LOOK_H
#define PYTHIA_POSTGRES_SYNC_LOOK_H

#include "postgres.h"

#include "postgres/sync/worker.h"

/* Ereports where the source lacks a table that the worker names, or there is no function of that name for
 * conflict_resolution; warns where the source cannot be reached now. */
extern void pythia_sync_worker_look(const pythia_sync_spec *spec);

#endif
