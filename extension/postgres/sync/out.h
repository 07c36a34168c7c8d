/* Shared by the files of SQL functions over sync and validation. */
#ifndef PYTHIA_POSTGRES_SYNC_OUT_H
#define PYTHIA_POSTGRES_SYNC_OUT_H

#include "postgres.h"

#include "core/node.h"
#include "sync/sync.h"
#include "utils/jsonb.h"

#define PYTHIA_SYNC_COLUMNS 15

/* The columns of pythia.sync_result; `error` NULL where it went well. */
extern void pythia_sync_values(const char *table, const pythia_sync_result *result, const char *error, Datum *values,
							   bool *nulls);

#endif
