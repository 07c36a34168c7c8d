/* A pair of columns, and when their names are one. */
#include "sync/plan.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "sync/target.h"

const pythia_column *pythia_pair_source(const pythia_plan *plan, int pair)
{
	return &plan->source.columns[plan->pairs[pair].source];
}

const pythia_column *pythia_pair_target(const pythia_plan *plan, int pair)
{
	return &plan->target.columns[plan->pairs[pair].target];
}

bool pythia_pair_is_key(const pythia_plan *plan, int pair)
{
	for (int i = 0; i < plan->nkey; i++)
	{
		if (plan->key[i] == pair)
			return true;
	}
	return false;
}

bool pythia_same_convention(const char *a, const char *b)
{
	for (;;)
	{
		while (*a == '_')
			a++;
		while (*b == '_')
			b++;
		if (*a == '\0' || *b == '\0')
			return *a == *b;
		if (tolower((unsigned char) *a) != tolower((unsigned char) *b))
			return false;
		a++;
		b++;
	}
}
