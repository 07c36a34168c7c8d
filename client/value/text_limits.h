/* Texts and bytes: NUL bytes, broken UTF-8, lengths. */
#ifndef PYTHIA_VALUE_TEXT_LIMITS_H
#define PYTHIA_VALUE_TEXT_LIMITS_H

#include "value/transform.h"

pythia_value_verdict pythia_text_check(const pythia_transform *transform, const char *value, size_t length,
									   pythia_buffer *out, pythia_bad_value *bad);

#endif
