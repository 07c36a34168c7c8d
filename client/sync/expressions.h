/* Options "expressions" and "masks": values that the source computes in the place of its columns'. */
#ifndef PYTHIA_EXPRESSIONS_H
#define PYTHIA_EXPRESSIONS_H

#include "sync/sync.h"

/* Gives the columns of the source's table, as it was described, what they are read by, and adds those that exist as expressions alone
 * where `add` is set.
 * A text is refused that is more than one expression (42601), names without a column (42703), masks that a type does not
 * have.  What the table's `key` (positions) or its stamp is made of is as it is: see the next. */
bool pythia_expressions_apply(const pythia_sync_job *job, pythia_table *source, bool add, pythia_error *error);
/* Fails where the column is computed; `role`: what it is needed for. */
bool pythia_expressions_allow(const pythia_column *column, const char *role, pythia_error *error);

#endif
