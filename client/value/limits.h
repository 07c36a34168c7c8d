/* What a target's column can hold, and the policies for what it cannot. */
#ifndef PYTHIA_VALUE_LIMITS_H
#define PYTHIA_VALUE_LIMITS_H

#include "value/transform.h"

/* True where values of this pair are to be looked at.  `careful`: a policy or quarantine wants it. */
bool pythia_limits_apply(const pythia_transform *transform, bool careful);
/* value is NUL-terminated at length. */
pythia_value_verdict pythia_limits_check(const pythia_transform *transform, const char *value, size_t length,
										 pythia_buffer *out, pythia_bad_value *bad);
/* A text of no length into MySQL's ENUM without such a label.  MySQL itself shows so what it once took for lack of strict
 * mode, and gives it to no other table. */
bool pythia_no_label(const pythia_transform *transform, size_t length);
/* The least and the greatest whole number of an integer type, in digits. */
void pythia_whole_bounds(const pythia_type *type, pythia_engine engine, const char **low, const char **high);
int pythia_whole_compare(const char *a, const char *b); /* in digits, of any length */
/* What a policy makes of a value; `stand_in` (NULL: none) is what clamp and replace put in its place. */
pythia_value_verdict pythia_policy_decide(pythia_policy policy, const char *name, const char *stand_in,
										  const char *reason, pythia_buffer *out, pythia_bad_value *bad);

#endif
