/* What a worker's list of tables and its options come to: resolved, checked, written down. */
#ifndef PYTHIA_POSTGRES_CAPTURE_DEFINE_H
#define PYTHIA_POSTGRES_CAPTURE_DEFINE_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "postgres/capture/catalog.h"
#include "utils/relcache.h"

/* The tables (oids) that schema.* stands for now; NIL for other patterns and where the schema is gone. */
extern List *pythia_cdc_pattern_tables(const char *pattern);
/* One table, checked; ereports. */
extern pythia_cdc_definition *pythia_cdc_define(const pythia_cdc_worker *worker, Oid relid, const char *name);

/* Definitions of the worker's patterns, as the current role; ereports what is wrong. */
extern List *pythia_cdc_resolve(const pythia_cdc_worker *worker);
/* Where columns of the primary key were renamed since: takes their names of now. True where it did. */
extern bool pythia_cdc_follow_key(Relation relation, pythia_cdc_table *table);
/* Why a role may not capture the table (or partition): a constant text; NULL where it may. */
extern const char *pythia_cdc_closed_to(Oid relid, Oid role);

/* The first partition of a partitioned table that is a foreign table, or InvalidOid. */
extern Oid pythia_cdc_foreign_partition(Oid relid);
/* An error where there is one: its rows have no versions here, and no trigger sees what is written at its server. */
extern void pythia_cdc_refuse_foreign_partition(Relation relation);

#endif
