/* The option "where": parsed, written down with its names qualified, evaluated on rows. */
#ifndef PYTHIA_CDC_CONDITION_H
#define PYTHIA_CDC_CONDITION_H

#include "postgres.h"

#include "access/htup.h"
#include "cdc.h"
#include "nodes/nodes.h"
#include "utils/relcache.h"

/* A condition as an expression over the relation's rows; ereports a bad one, and says where in it. */
extern Node *pythia_cdc_condition_node(Relation relation, const char *text);
/* A condition with every name qualified, over alias t; ereports a bad one. */
extern char *pythia_cdc_condition(Relation relation, const char *text);

/* A condition made ready for rows of one relation; lives in the context it was made in. */
typedef struct pythia_filter pythia_filter;

/* Made with the rights and the search_path of the worker's owner. */
extern pythia_filter *pythia_filter_make(const pythia_cdc_worker *worker, Relation relation, const char *condition);
/* Whether pythia_filter_passes must be called between pythia_cdc_enter and pythia_cdc_leave just now: others' functions
 * run with the owner's rights, and settings of the session do not show. */
extern bool pythia_filter_needs_owner(const pythia_filter *filter);
extern bool pythia_filter_passes(pythia_filter *filter, HeapTuple row);

#endif
