#include "sync/order.h"

#include <string.h>

#include "core/memory.h"
#include "core/text.h"
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

static const char *mapped(const pythia_node *map, const char *name)
{
	for (const pythia_node *node = map != NULL ? map->children : NULL; node != NULL; node = node->next)
	{
		if (pythia_same_table_name(node->name, name))
			return node->text;
	}
	return name;
}

static bool take_names(side *s, const pythia_node *config, char *const *names, int count, pythia_error *error)
{
	s->schemas = pythia_calloc((size_t) count + 1, sizeof(char *));
	s->names = pythia_calloc((size_t) count + 1, sizeof(char *));
	for (int i = 0; i < count; i++)
	{
		pythia_sync_config own;
		const char *name = names[i];

		if (config != NULL)
		{
			if (!pythia_sync_config_read(config, NULL, name, &own, error))
				return false;
			name = mapped(own.table_map, name);
		}
		if (!pythia_name_parse(name, &s->schemas[i], &s->names[i], error))
			return false;
		s->count++;
	}
	return true;
}

static bool same_name(const side *s, int table, const char *name)
{
	return pythia_same_convention(s->names[table], name);
}

static void mark(const side *s, const pythia_result *references, bool *refers)
{
	for (int64_t row = 0; row < references->nrows; row++)
	{
		for (int i = 0; i < s->count; i++)
		{
			if (!same_name(s, i, pythia_result_text(references, row, 0)))
				continue;
			for (int j = 0; j < s->count; j++)
			{
				if (j != i && same_name(s, j, pythia_result_text(references, row, 1)))
					refers[i * s->count + j] = true;
			}
		}
	}
}

static bool look(const side *s, bool *refers, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(s->db);

	for (int i = 0; i < s->count; i++)
	{
		const char *schema = s->db->engine == PYTHIA_SQLITE ? NULL : s->schemas[i];
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		pythia_result references;
		bool seen = s->db->engine == PYTHIA_SQLITE && i > 0;
		bool ok;

		for (int j = 0; j < i; j++)
			seen = seen || pythia_same_text(s->schemas[j], schema);
		if (seen)
			continue;
		memset(&references, 0, sizeof(references));
		dialect->references_query(s->db, &sql, schema);
		ok = pythia_db_query(s->db, sql.data, "tt", &references, error);
		if (ok)
			mark(s, &references, refers);
		pythia_result_free(&references);
		pythia_buffer_free(&sql);
		if (!ok)
			return false;
	}
	return true;
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
			(*waits)[i * count + j] = false;
	}
	return true;
}

/* Is nothing that table i refers to left to be placed? */
static bool is_free(const bool *refers, const bool *placed, int count, int i)
{
	for (int j = 0; j < count; j++)
	{
		if (refers[i * count + j] && !placed[j])
			return false;
	}
	return true;
}

bool pythia_tables_order(pythia_db *source, pythia_db *target, const pythia_node *config, char **names, int count,
						 pythia_error *error)
{
	bool *refers;
	bool *placed;
	char **ordered;

	if (count < 2)
		return true;
	if (!look_at_both(source, target, config, names, count, &refers, error))
		return false;
	placed = pythia_calloc((size_t) count, sizeof(bool));
	ordered = pythia_calloc((size_t) count, sizeof(char *));
	for (int n = 0; n < count; n++)
	{
		int next = 0;

		/* the first that is free; in a ring, the first of those that are left */
		while (next < count && (placed[next] || !is_free(refers, placed, count, next)))
			next++;
		for (int i = 0; next == count && i < count; i++)
			next = placed[i] ? next : i;
		placed[next] = true;
		ordered[n] = names[next];
	}
	memcpy(names, ordered, (size_t) count * sizeof(char *));
	pythia_free(ordered);
	pythia_free(placed);
	pythia_free(refers);
	return true;
}
