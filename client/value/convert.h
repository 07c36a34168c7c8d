/* Texts of one kind turned into texts of another, where a target's column is of another kind. */
#ifndef PYTHIA_VALUE_CONVERT_H
#define PYTHIA_VALUE_CONVERT_H

#include "value/transform.h"

bool pythia_convert_needed(const pythia_type *from, pythia_engine from_engine, const pythia_type *to,
						   pythia_engine to_engine);
/* Appends the new text to `out`; false with *bad filled where it cannot be said in the target's kind. */
bool pythia_convert_value(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out,
						  pythia_bad_value *bad);

#endif
