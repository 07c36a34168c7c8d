/* What a policy makes of a value that the target cannot hold. */
#include "value/transform.h"

#include <stdio.h>

#include "value/limits.h"

/* What the policy makes of it; `stand_in` is what clamp and replace put in its place. */
pythia_value_verdict pythia_policy_decide(pythia_policy policy, const char *name, const char *stand_in,
										  const char *reason, pythia_buffer *out, pythia_bad_value *bad)
{
	switch (policy)
	{
		case PYTHIA_POLICY_NULL:
			return PYTHIA_VALUE_NULL;
		case PYTHIA_POLICY_CLAMP:
		case PYTHIA_POLICY_REPLACE:
			if (stand_in != NULL)
			{
				pythia_buffer_clear(out);
				pythia_buffer_puts(out, stand_in);
				return PYTHIA_VALUE_CHANGED;
			}
			break;
		case PYTHIA_POLICY_ERROR:
		case PYTHIA_POLICY_QUARANTINE:
			break;
	}
	bad->policy = name;
	bad->bounded = stand_in != NULL;
	bad->quarantine = policy == PYTHIA_POLICY_QUARANTINE;
	snprintf(bad->reason, sizeof(bad->reason), "%s", reason);
	return PYTHIA_VALUE_BAD;
}
