/* The column of the target that marks rows which the source has no more (`deletes`: `soft`). */
#ifndef PYTHIA_SOFT_H
#define PYTHIA_SOFT_H

#include "sync/plan.h"

/* The column, or NULL where rows are not marked or the table has none. */
const pythia_column *pythia_soft_column(const pythia_sync_config *config, const pythia_table *target);
/* Refuses a column that can be no mark, or whose values come from the source. */
bool pythia_soft_check(const pythia_db *db, const pythia_sync_config *config, const pythia_plan *plan,
					   pythia_error *error);
/* Append the value of a row that is gone, and of one that is there. */
void pythia_soft_gone(const pythia_db *db, const pythia_column *column, pythia_buffer *out);
void pythia_soft_here(const pythia_db *db, const pythia_column *column, pythia_buffer *out);
/* Appends the condition that rows which are there meet. */
void pythia_soft_condition(const pythia_db *db, const pythia_column *column, pythia_buffer *out);

/* The same of rows that are marked; `name` is the column, as the statement says it. */
void pythia_soft_marked(const pythia_db *db, const pythia_column *column, const char *name, pythia_buffer *out);

#endif
