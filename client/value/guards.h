/* What the policies of a pair of columns do to its values, for SQL (dialect/guard.h). */
#ifndef PYTHIA_VALUE_GUARDS_H
#define PYTHIA_VALUE_GUARDS_H

#include "dialect/guard.h"
#include "value/transform.h"

/* Fills in the guards of a transform's checks, as limits.h decides them; `quarantine`: on_bad_row.  Returns how many.
 * Values that no guard knows (a number in a text, say) are settled when rows are looked at. */
int pythia_transform_guards(const pythia_transform *transform, bool quarantine, pythia_guard guards[PYTHIA_GUARDS]);

#endif
