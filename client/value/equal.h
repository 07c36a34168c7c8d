/* Whether two texts spell one value. */
#ifndef PYTHIA_VALUE_EQUAL_H
#define PYTHIA_VALUE_EQUAL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/host.h"
#include "core/schema.h"
/* Are two interchange texts (of the target's column) one value, compared as `agreed`?  False also where the host (NULL:
 * none) wants to stop. */
bool pythia_value_equal(const pythia_type *agreed, const char *a, size_t a_length, const char *b, size_t b_length,
						const pythia_host *host);

#endif
