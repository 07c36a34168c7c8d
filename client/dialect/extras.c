/* The list of what else a table has. */
#include "dialect/extras.h"

#include <string.h>

#include "core/memory.h"

static void append(pythia_extras *extras, pythia_extra_kind kind, const char *name, const char *detail,
				   const char *column)
{
	extras->items = pythia_realloc(extras->items, sizeof(pythia_extra) * ((size_t) extras->count + 1));
	extras->items[extras->count++] =
		(pythia_extra){.kind = kind,
					   .name = pythia_strdup(name),
					   .detail = detail != NULL && detail[0] != '\0' ? pythia_strdup(detail) : NULL,
					   .column = pythia_strdup(column)};
}

void pythia_extras_add(pythia_extras *extras, pythia_extra_kind kind, const char *name, const char *detail,
					   const char *column)
{
	if (extras->count < PYTHIA_EXTRAS)
		append(extras, kind, name, detail, column);
	else if (extras->count == PYTHIA_EXTRAS)
		append(extras, PYTHIA_EXTRA_UNREAD, NULL, "there is too much of it", NULL);
}

static void free_extra(pythia_extra *extra)
{
	pythia_free(extra->name);
	pythia_free(extra->detail);
	pythia_free(extra->column);
}

void pythia_extras_filter(pythia_extras *extras, bool (*keep)(const void *context, const pythia_extra *extra),
						  const void *context)
{
	int kept = 0;

	for (int i = 0; i < extras->count; i++)
	{
		if (keep(context, &extras->items[i]))
			extras->items[kept++] = extras->items[i];
		else
			free_extra(&extras->items[i]);
	}
	extras->count = kept;
}

void pythia_extras_sort(pythia_extras *extras)
{
	pythia_extra *sorted = pythia_calloc((size_t) extras->count + 1, sizeof(pythia_extra));
	int n = 0;

	for (int kind = 0; kind < PYTHIA_EXTRA_KINDS; kind++)
	{
		for (int i = 0; i < extras->count; i++)
		{
			if ((int) extras->items[i].kind == kind)
				sorted[n++] = extras->items[i];
		}
	}
	pythia_free(extras->items);
	extras->items = sorted;
}

void pythia_extras_free(pythia_extras *extras)
{
	for (int i = 0; i < extras->count; i++)
		free_extra(&extras->items[i]);
	pythia_free(extras->items);
	memset(extras, 0, sizeof(*extras));
}
