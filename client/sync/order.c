#include "sync/order.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/references.h"
#include "core/text.h"
#include "sync/mapping.h"
#include "sync/plan.h"

/* Tables of one name in many schemas may each refer to each: no more than that are noted. */
#define REFERENCES_MOST 10000000

/* What refers to what, growing. */
typedef struct reference_list
{
	pythia_reference *list;
	int64_t count;
	int64_t room;
} reference_list;

static bool note(reference_list *to, int from, int table, pythia_error *error)
{
	if (to->count >= REFERENCES_MOST)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "54000",
					"tables that are synchronised together refer to each other in too many ways");
		return pythia_error_hint(error, "Make several workers, or runs, of them.");
	}
	if (to->count == to->room)
	{
		to->room = to->room > 0 ? to->room * 2 : 64;
		to->list = pythia_realloc(to->list, sizeof(pythia_reference) * (size_t) to->room);
	}
	to->list[to->count++] = (pythia_reference){.from = from, .to = table};
	return true;
}

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

static bool mark(const side *s, const named *sorted, const pythia_result *found, reference_list *refers,
				 pythia_error *error)
{
	for (int64_t row = 0; row < found->nrows; row++)
	{
		const char *from = pythia_result_text(found, row, 0);
		const char *to = pythia_result_text(found, row, 1);
		int first = first_named(sorted, s->count, to);

		for (int i = first_named(sorted, s->count, from); is_named(sorted, s->count, i, from); i++)
		{
			if (stopped(s, error))
				return false;
			for (int j = first; is_named(sorted, s->count, j, to); j++)
				if (j != i && !note(refers, sorted[i].table, sorted[j].table, error))
					return false;
		}
	}
	return true;
}

static bool look_in(const side *s, const char *schema, const named *sorted, reference_list *refers, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result found;
	bool ok;

	memset(&found, 0, sizeof(found));
	pythia_dialect_of(s->db)->references_query(s->db, &sql, schema);
	ok = pythia_db_query(s->db, sql.data, "tt", &found, error) && mark(s, sorted, &found, refers, error);
	pythia_result_free(&found);
	pythia_buffer_free(&sql);
	return ok;
}

static bool look(const side *s, reference_list *refers, pythia_error *error)
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

/* Which table of the source, or its target, refers to which; some may be told twice. */
static bool look_at_both(pythia_db *source, pythia_db *target, const pythia_node *config, char *const *names, int count,
						 reference_list *refers, pythia_error *error)
{
	side from = {.db = source};
	side to = {.db = target};
	bool ok = take_names(&from, NULL, names, count, error) && take_names(&to, config, names, count, error) &&
			  look(&from, refers, error) && look(&to, refers, error);

	free_side(&from);
	free_side(&to);
	if (!ok)
		pythia_free(refers->list);
	return ok;
}

bool pythia_tables_waits(pythia_db *source, pythia_db *target, const pythia_node *config, char *const *names, int count,
						 pythia_references *waits, pythia_error *error)
{
	reference_list refers = {0};
	int64_t earlier = 0;

	memset(waits, 0, sizeof(*waits));
	if (!look_at_both(source, target, config, names, count, &refers, error))
		return false;
	for (int64_t k = 0; k < refers.count; k++)
		if (refers.list[k].to < refers.list[k].from)
			refers.list[earlier++] = refers.list[k];
	pythia_references_group(count, refers.list, earlier, false, waits);
	pythia_free(refers.list);
	return true;
}

bool pythia_tables_order(pythia_db *source, pythia_db *target, const pythia_node *config, char **names, int count,
						 pythia_error *error)
{
	reference_list refers = {0};
	char **ordered;
	int *order;

	if (count < 2)
		return true;
	if (!look_at_both(source, target, config, names, count, &refers, error))
		return false;
	order = pythia_calloc((size_t) count, sizeof(int));
	ordered = pythia_calloc((size_t) count, sizeof(char *));
	pythia_parents_first(count, refers.list, refers.count, order);
	for (int i = 0; i < count; i++)
		ordered[i] = names[order[i]];
	memcpy(names, ordered, (size_t) count * sizeof(char *));
	pythia_free(ordered);
	pythia_free(order);
	pythia_free(refers.list);
	return true;
}

bool pythia_tables_bound(pythia_db *source, pythia_db *target, const pythia_node *config, char *const *names, int count,
						 int table, bool *bound, pythia_error *error)
{
	reference_list refers = {0};
	pythia_references ways[2];
	int *left;
	int nleft = 0;

	bound[table] = true;
	if (count < 2)
		return true;
	if (!look_at_both(source, target, config, names, count, &refers, error))
		return false;
	for (int way = 0; way < 2; way++)
		pythia_references_group(count, refers.list, refers.count, way == 1, &ways[way]);
	left = pythia_calloc((size_t) count, sizeof(int));
	left[nleft++] = table;
	while (nleft > 0)
	{
		int from = left[--nleft];

		for (int way = 0; way < 2; way++)
		{
			int64_t n;
			const int *to = pythia_references_of(&ways[way], from, &n);

			for (int64_t k = 0; k < n; k++)
				if (!bound[to[k]])
				{
					bound[to[k]] = true;
					left[nleft++] = to[k];
				}
		}
	}
	pythia_free(left);
	pythia_references_free(&ways[0]);
	pythia_references_free(&ways[1]);
	pythia_free(refers.list);
	return true;
}
