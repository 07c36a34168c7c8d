#include "dialect/table_names.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "dialect/dialect.h"

struct pythia_table_name
{
	char *schema; /* NULL: none was written */
	char *table;
	const char *value;
	int position; /* in the order in which they were added */
	int latest;   /* where in the array the last one added of this table's name is, whatever the schema */
};

void pythia_table_names_add(pythia_table_names *names, const char *name, const char *value)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;
	pythia_table_name added = {.value = value, .position = names->count};

	if (!pythia_name_parse(name, &added.schema, &added.table, &ignored))
	{
		pythia_error_reset(&ignored);
		return;
	}
	if (names->count == names->room)
	{
		names->room = names->room * 2 + 16;
		names->names = pythia_realloc(names->names, (size_t) names->room * sizeof(pythia_table_name));
	}
	names->names[names->count++] = added;
	names->sorted = false;
}

void pythia_table_names_add_map(pythia_table_names *names, const pythia_node *map)
{
	for (const pythia_node *node = pythia_node_members(map); node; node = node->next)
		if (node->type == PYTHIA_NODE_STRING)
			pythia_table_names_add(names, node->name, node->text);
}

static int compare(const pythia_table_name *a, const pythia_table_name *b)
{
	int order = strcasecmp(a->table, b->table);

	/* none comes first */
	return order != 0 ? order : strcasecmp(a->schema ? a->schema : "", b->schema ? b->schema : "");
}

static int in_order(const void *a, const void *b)
{
	const pythia_table_name *one = a;
	const pythia_table_name *other = b;
	int order = compare(one, other);

	return order != 0 ? order : one->position - other->position;
}

static void sort(pythia_table_names *names)
{
	pythia_table_name *all = names->names;
	int begin = 0;

	if (names->count > 0)
		qsort(all, (size_t) names->count, sizeof(*all), in_order);
	for (int i = 0; i < names->count; i++)
	{
		if (i > 0 && strcasecmp(all[i].table, all[begin].table) != 0)
			begin = i;
		all[i].latest = i;
		if (all[i].position >= all[all[begin].latest].position)
			all[begin].latest = i;
	}
	for (int i = 1; i < names->count; i++)
		if (strcasecmp(all[i].table, all[i - 1].table) == 0)
			all[i].latest = all[i - 1].latest;
	names->sorted = true;
}

/* The last in the array that is equal; NULL where there is none. */
static const pythia_table_name *last_equal(const pythia_table_names *names, const pythia_table_name *wanted)
{
	int low = 0;
	int high = names->count;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (compare(&names->names[middle], wanted) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && compare(&names->names[low - 1], wanted) == 0 ? &names->names[low - 1] : NULL;
}

/* One of that table's name, whatever the schema. */
static const pythia_table_name *any_of(const pythia_table_names *names, const char *table)
{
	int low = 0;
	int high = names->count;

	while (low < high)
	{
		int middle = low + (high - low) / 2;
		int order = strcasecmp(names->names[middle].table, table);

		if (order == 0)
			return &names->names[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool pythia_table_names_find(pythia_table_names *names, const char *name, const char **value)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;
	pythia_table_name wanted = {0};
	const pythia_table_name *found;

	if (!pythia_name_parse(name, &wanted.schema, &wanted.table, &ignored))
	{
		pythia_error_reset(&ignored);
		return false;
	}
	if (!names->sorted)
		sort(names);
	if (!wanted.schema)
	{
		found = any_of(names, wanted.table);
		found = found ? &names->names[found->latest] : NULL;
	}
	else
	{
		pythia_table_name plain = {.table = wanted.table};
		const pythia_table_name *of_any = last_equal(names, &plain);

		found = last_equal(names, &wanted);
		if (of_any && (!found || of_any->position > found->position))
			found = of_any;
	}
	pythia_free(wanted.schema);
	pythia_free(wanted.table);
	if (found && value)
		*value = found->value;
	return found != NULL;
}

void pythia_table_names_free(pythia_table_names *names)
{
	for (int i = 0; i < names->count; i++)
	{
		pythia_free(names->names[i].schema);
		pythia_free(names->names[i].table);
	}
	pythia_free(names->names);
	memset(names, 0, sizeof(*names));
}
