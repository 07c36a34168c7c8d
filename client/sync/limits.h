/* What a target's column can hold, and the policies for what it cannot. */
#ifndef PYTHIA_LIMITS_H
#define PYTHIA_LIMITS_H

#include "sync/transform.h"

/* True where values of this pair can meet a limit at all. */
bool pythia_limits_apply(const pythia_transform *transform);
pythia_verdict pythia_limits_check(const pythia_transform *transform, const char *value, size_t length,
								   pythia_buffer *out, pythia_bad_value *bad);

#endif
