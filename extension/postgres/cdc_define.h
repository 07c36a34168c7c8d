/* What a worker's list of tables and its options come to: resolved, checked, written down. */
#ifndef PYTHIA_CDC_DEFINE_H
#define PYTHIA_CDC_DEFINE_H

#include "postgres.h"

#include "cdc.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* One table of this database as the options want it. */
typedef struct pythia_cdc_definition
{
	Oid relid;
	char *name;
	char *relation;
	char *schema_name;
	char *table_name;
	Oid owner;              /* of the table; InvalidOid: of another database */
	char *timestamp_column; /* "" where trigger mode goes without */
	pythia_stamp_kind stamp_kind;
	char *time_zone;      /* of stamps without one, or NULL */
	const char *versions; /* as in pythia.cdc_table */
	int nkey;
	char **key;
	char *condition;
	bool unindexed; /* the timestamp column has no index */
	char *unfit;    /* why it cannot be captured after all, or NULL */
} pythia_cdc_definition;

/* The tables (oids) that schema.* stands for now; NIL for other patterns and where the schema is gone. */
extern List *pythia_cdc_pattern_tables(const char *pattern);
/* One table, checked; ereports. */
extern pythia_cdc_definition *pythia_cdc_define(const pythia_cdc_worker *worker, Oid relid, const char *name);
/* Takes its first position: makes triggers and what is tracked. */
extern void pythia_cdc_start_table(pythia_cdc_worker *worker, pythia_cdc_table *table);
/* Writes it down; returns its number. */
extern int32 pythia_cdc_insert_table(int32 worker_id, const pythia_cdc_definition *definition);

/* Definitions of the worker's patterns, as the current role; ereports what is wrong. */
extern List *pythia_cdc_resolve(const pythia_cdc_worker *worker);
/* Where columns of the primary key were renamed since: takes their names of now. True where it did. */
extern bool pythia_cdc_follow_key(Relation relation, pythia_cdc_table *table);
/* Why a role may not capture the table (or partition): a constant text; NULL where it may. */
extern const char *pythia_cdc_closed_to(Oid relid, Oid role);

#endif
