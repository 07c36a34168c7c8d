/* Texts and bytes: NUL bytes, broken UTF-8, lengths. */
#ifndef PYTHIA_TEXT_LIMITS_H
#define PYTHIA_TEXT_LIMITS_H

#include "sync/limits.h"

pythia_verdict pythia_text_check(const pythia_transform *transform, const char *value, size_t length,
								 pythia_buffer *out, pythia_bad_value *bad);

#endif
