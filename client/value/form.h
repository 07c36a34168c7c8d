/* Values that are not of their column's type, which a target would take for something else without a word. */
#ifndef PYTHIA_VALUE_FORM_H
#define PYTHIA_VALUE_FORM_H

#include "value/transform.h"

/* True where the source's column may hold such values and the target's would take them. */
bool pythia_form_apply(const pythia_transform *transform);
/* The kind that SQLite's values are read as: the target's, but a UUID also where the target keeps it as text. */
pythia_kind pythia_form_kind(const pythia_transform *transform);
/* value is NUL-terminated at length; a stamp with an offset changes to the same in UTC. */
pythia_value_verdict pythia_form_check(const pythia_transform *transform, const char *value, size_t length,
									   pythia_buffer *out, pythia_bad_value *bad);

#endif
