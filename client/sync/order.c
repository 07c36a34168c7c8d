#include "sync/order.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/text.h"
#include "sync/mapping.h"
#include "sync/plan.h"

/* One side's tables: their bare names and schemas (NULL: the default one). */
typedef struct side
{
	pythia_db *db;
	char **schemas;
	char **names;
	int count;
} side;

static void free_side(side *s)
{
	for (int i = 0; i < s->count; i++)
	{
		pythia_free(s->schemas[i]);
		pythia_free(s->names[i]);
	}
	pythia_free(s->schemas);
	pythia_free(s->names);
}

static bool take_names(side *s, const pythia_node *config, char *const *names, int count, pythia_error *error)
{
	pythia_mapping mapping;
	bool ok = true;

	s->schemas = pythia_calloc((size_t) count + 1, sizeof(char *));
	s->names = pythia_calloc((size_t) count + 1, sizeof(char *));
	pythia_mapping_read(config, &mapping);
	for (int i = 0; ok && i < count; i++)
	{
		ok = pythia_name_parse(pythia_mapping_target(&mapping, names[i]), &s->schemas[i], &s->names[i], error);
		s->count += ok;
	}
	pythia_mapping_free(&mapping);
	return ok;
}

static bool stopped(const side *s, pythia_error *error)
{
	return pythia_host_cancelled(s->db->host) &&
		   !pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "cancelled while ordering tables");
}

typedef struct named
{
	const char *name;
	int table;
} named;

static int by_convention(const void *a, const void *b)
{
	const named *one = a;
	const named *other = b;

	return pythia_compare_convention(one->name, other->name);
}

/* The tables, in order, and where those that could be meant by `name` begin. */
static int first_named(const named *sorted, int count, const char *name)
{
	int low = 0;
	int high = count;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (pythia_compare_convention(sorted[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_named(const named *sorted, int count, int i, const char *name)
{
	return i < count && pythia_same_convention(sorted[i].name, name);
}

static bool mark(const side *s, const named *sorted, const pythia_result *references, bool *refers, pythia_error *error)
{
	for (int64_t row = 0; row < references->nrows; row++)
	{
		const char *from = pythia_result_text(references, row, 0);
		const char *to = pythia_result_text(references, row, 1);
		int first = first_named(sorted, s->count, to);

		for (int i = first_named(sorted, s->count, from); is_named(sorted, s->count, i, from); i++)
		{
			bool *of_table = refers + (size_t) sorted[i].table * (size_t) s->count;

			if (stopped(s, error))
				return false;
			for (int j = first; is_named(sorted, s->count, j, to); j++)
				of_table[sorted[j].table] = of_table[sorted[j].table] || j != i;
		}
	}
	return true;
}

static bool look_in(const side *s, const char *schema, const named *sorted, bool *refers, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result references;
	bool ok;

	memset(&references, 0, sizeof(references));
	pythia_dialect_of(s->db)->references_query(s->db, &sql, schema);
	ok = pythia_db_query(s->db, sql.data, "tt", &references, error) && mark(s, sorted, &references, refers, error);
	pythia_result_free(&references);
	pythia_buffer_free(&sql);
	return ok;
}

static bool look(const side *s, bool *refers, pythia_error *error)
{
	named *sorted = pythia_calloc((size_t) s->count + 1, sizeof(named));
	const char **seen = pythia_calloc((size_t) s->count + 1, sizeof(char *));
	int nseen = 0;
	bool ok = true;

	for (int i = 0; i < s->count; i++)
		sorted[i] = (named){.name = s->names[i], .table = i};
	qsort(sorted, (size_t) s->count, sizeof(named), by_convention);
	for (int i = 0; ok && i < s->count; i++)
	{
		const char *schema = s->db->engine == PYTHIA_SQLITE ? NULL : s->schemas[i];
		int j = 0;

		while (j < nseen && !pythia_same_text(seen[j], schema))
			j++;
		if (j < nseen)
			continue;
		seen[nseen++] = schema;
		ok = !stopped(s, error) && look_in(s, schema, sorted, refers, error);
	}
	pythia_free(seen);
	pythia_free(sorted);
	return ok;
}

/* (*refers)[i * count + j]: table i of the source, or its target, refers to table j. */
static bool look_at_both(pythia_db *source, pythia_db *target, const pythia_node *config, char *const *names, int count,
						 bool **refers, pythia_error *error)
{
	side from = {.db = source};
	side to = {.db = target};
	bool ok;

	*refers = pythia_calloc((size_t) count * (size_t) count + 1, sizeof(bool));
	ok = take_names(&from, NULL, names, count, error) && take_names(&to, config, names, count, error) &&
		 look(&from, *refers, error) && look(&to, *refers, error);
	free_side(&from);
	free_side(&to);
	if (!ok)
	{
		pythia_free(*refers);
		*refers = NULL;
	}
	return ok;
}

bool pythia_tables_waits(pythia_db *source, pythia_db *target, const pythia_node *config, char *const *names, int count,
						 bool **waits, pythia_error *error)
{
	if (!look_at_both(source, target, config, names, count, waits, error))
		return false;
	for (int i = 0; i < count; i++)
	{
		for (int j = i; j < count; j++)
			(*waits)[(size_t) i * (size_t) count + (size_t) j] = false;
	}
	return true;
}

/* Places the table, and tells those that waited for it. */
static void place(const bool *refers, int count, int table, int *waits_for)
{
	waits_for[table] = -1;
	for (int i = 0; i < count; i++)
		waits_for[i] -= waits_for[i] > 0 && refers[(size_t) i * (size_t) count + (size_t) table];
}

bool pythia_tables_order(pythia_db *source, pythia_db *target, const pythia_node *config, char **names, int count,
						 pythia_error *error)
{
	side s = {.db = source, .count = count};
	bool *refers;
	int *waits_for; /* how many that are not placed yet; -1: is placed itself */
	char **ordered;
	bool ok = true;

	if (count < 2)
		return true;
	if (!look_at_both(source, target, config, names, count, &refers, error))
		return false;
	waits_for = pythia_calloc((size_t) count, sizeof(int));
	ordered = pythia_calloc((size_t) count, sizeof(char *));
	for (int i = 0; i < count; i++)
		for (int j = 0; j < count; j++)
			waits_for[i] += refers[(size_t) i * (size_t) count + (size_t) j];
	for (int n = 0; ok && n < count; n++)
	{
		int next = 0;

		/* the first that is free; in a ring, the first of those that are left */
		while (next < count && waits_for[next] != 0)
			next++;
		for (int i = 0; next == count; i++)
			next = waits_for[i] < 0 ? next : i;
		place(refers, count, next, waits_for);
		ordered[n] = names[next];
		ok = !stopped(&s, error);
	}
	if (ok)
		memcpy(names, ordered, (size_t) count * sizeof(char *));
	pythia_free(ordered);
	pythia_free(waits_for);
	pythia_free(refers);
	return ok;
}
