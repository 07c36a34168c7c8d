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
	char *timestamp_column; /* "" where trigger mode goes without */
	pythia_stamp_kind stamp_kind;
	char *time_zone;      /* of stamps without one, or NULL */
	const char *versions; /* as in pythia.cdc_table */
	int nkey;
	char **key;
	char *condition;
} pythia_cdc_definition;

/* Definitions of the worker's patterns, as the current role; ereports what is wrong. */
extern List *pythia_cdc_resolve(const pythia_cdc_worker *worker);
/* Why a role may not capture the table (or partition): a constant text; NULL where it may. */
extern const char *pythia_cdc_closed_to(Oid relid, Oid role);
/* A condition as an expression over the relation's rows; planned, for ExecPrepareExpr's like. */
extern Node *pythia_cdc_condition_node(Relation relation, const char *text);
/* A condition with every name qualified, over alias t; ereports a bad one. */
extern char *pythia_cdc_condition(Relation relation, const char *text);

#endif
