/* A pair of columns, and when their names are one. */
#include "sync/plan.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "sync/target.h"

const pythia_column *pythia_pair_source(const pythia_plan *plan, int pair)
{
	const pythia_pair *p = &plan->pairs[pair];

	return p->stored ? &p->stand_in[0] : &plan->source.columns[p->source];
}

const pythia_column *pythia_pair_target(const pythia_plan *plan, int pair)
{
	const pythia_pair *p = &plan->pairs[pair];

	return p->stored ? &p->stand_in[1] : &plan->target.columns[p->target];
}

static void stand_in_for(pythia_column *stand_in, const pythia_column *column)
{
	*stand_in = *column;
	stand_in->type =
		(pythia_type){.kind = PYTHIA_KIND_STORED, .precision = -1, .length = -1, .native = column->type.native};
}

void pythia_pair_look(pythia_plan *plan, pythia_pair *pair, pythia_engine source, pythia_engine target)
{
	const pythia_column *from = &plan->source.columns[pair->source];
	const pythia_column *to = &plan->target.columns[pair->target];

	/* a rowid is an integer, and read by ranges */
	pair->stored = source == PYTHIA_SQLITE && target == PYTHIA_SQLITE && !from->identity &&
				   pythia_sqlite_stores_alike(&from->type, &to->type);
	if (!pair->stored)
		return;
	stand_in_for(&pair->stand_in[0], from);
	stand_in_for(&pair->stand_in[1], to);
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

int pythia_compare_convention(const char *a, const char *b)
{
	for (;;)
	{
		int order;

		while (*a == '_')
			a++;
		while (*b == '_')
			b++;
		order = tolower((unsigned char) *a) - tolower((unsigned char) *b);
		if (order != 0 || *a == '\0')
			return order;
		a++;
		b++;
	}
}

bool pythia_same_convention(const char *a, const char *b)
{
	return pythia_compare_convention(a, b) == 0;
}
