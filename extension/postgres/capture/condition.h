/* The option "where": parsed, written down with its names qualified, evaluated on rows. */
#ifndef PYTHIA_POSTGRES_CAPTURE_CONDITION_H
#define PYTHIA_POSTGRES_CAPTURE_CONDITION_H

#include "postgres.h"

#include "access/htup.h"
#include "nodes/nodes.h"
#include "postgres/capture/catalog.h"
#include "utils/relcache.h"

/* A condition as a user gives it, as it is written down: with every name qualified, over alias t. Ereports a bad one,
 * and says where in it; what it may hold is said in condition_check.h. */
extern char *pythia_cdc_condition(Relation relation, const char *text);
/* One that was written down, as an expression over the relation's rows. It is looked at anew: columns may have changed. */
extern Node *pythia_cdc_condition_node(Relation relation, const char *written);

/* A condition made ready for rows of one relation; lives in the context it was made in. */
typedef struct pythia_filter pythia_filter;

/* With names pinned to pg_catalog. */
extern pythia_filter *pythia_filter_make(const pythia_cdc_worker *worker, Relation relation, const char *condition);
/* Whether settings of the session show in it as they are now: pythia_cdc_enter pins them. */
extern bool pythia_filter_is_bent(const pythia_filter *filter);
extern bool pythia_filter_passes(pythia_filter *filter, HeapTuple row);

#endif
