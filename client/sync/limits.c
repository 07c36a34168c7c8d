#include "sync/limits.h"

bool pythia_limits_apply(const pythia_transform *transform)
{
	(void) transform;
	return false;
}

pythia_verdict pythia_limits_check(const pythia_transform *transform, const char *value, size_t length,
								   pythia_buffer *out, pythia_bad_value *bad)
{
	(void) transform, (void) value, (void) length, (void) out, (void) bad;
	return PYTHIA_VALUE_KEEP;
}
