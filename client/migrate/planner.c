/* What the makers of a plan share. */
#include "migrate/planner.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"

/* --- what is collected ------------------------------------------------------------------------ */

static void *with_room(void *list, int count, size_t size)
{
	if ((count & (count - 1)) == 0)
		list = pythia_realloc(list, size * (size_t) (count > 0 ? count * 2 : 1));
	return list;
}

void planner_note(planner *p, pythia_migrate_fate fate, const char *what, const char *table, const char *name,
				  const char *why, ...)
{
	pythia_migrate_plan *plan = p->plan;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	va_list list;

	va_start(list, why);
	if (why != NULL)
		pythia_buffer_vprintf(&text, why, list);
	va_end(list);
	plan->notes = with_room(plan->notes, plan->nnotes, sizeof(*plan->notes));
	plan->notes[plan->nnotes++] =
		(pythia_migrate_note){.fate = fate,
							  .what = pythia_texts_keep(&plan->texts, what),
							  .table = pythia_texts_keep(&plan->texts, table),
							  .name = pythia_texts_keep(&plan->texts, name),
							  .why = why != NULL ? pythia_texts_take(&plan->texts, &text) : NULL};
}

void planner_step(planner *p, bool after, const char *what, const char *name, pythia_buffer *sql)
{
	pythia_migrate_plan *plan = p->plan;

	plan->steps = with_room(plan->steps, plan->nsteps, sizeof(*plan->steps));
	plan->steps[plan->nsteps++] = (pythia_migrate_step){.after = after,
														.what = what,
														.name = pythia_texts_keep(&plan->texts, name),
														.sql = pythia_texts_take(&plan->texts, sql)};
}

/* --- who goes where --- */

planned_table *planner_find(const planner *p, const char *schema, const char *name)
{
	for (int i = 0; i < p->catalog->ntables; i++)
	{
		const pythia_table *table = &p->catalog->tables[i].table;
		bool same =
			p->source->engine == PYTHIA_SQLITE ? strcasecmp(table->name, name) == 0 : strcmp(table->name, name) == 0;

		if (same && strcmp(table->schema, schema) == 0)
			return p->tables[i].made ? &p->tables[i] : NULL;
	}
	return NULL;
}

const char *planner_column(const planned_table *table, const char *name)
{
	int column = pythia_table_column(&table->from->table, name);

	return column >= 0 && table->position[column] >= 0 ? table->names[column] : NULL;
}

void planner_put_name(const planner *p, const char *name, pythia_buffer *out)
{
	pythia_dialect_of(p->target)->identifier(out, name);
}

void planner_put_table(const planner *p, const planned_table *table, pythia_buffer *out)
{
	pythia_dialect_table(pythia_dialect_of(p->target), out, table->schema, table->name);
}

bool planner_usual_schema(const planner *p, const char *schema)
{
	return p->source->default_schema == NULL || strcmp(schema, p->source->default_schema) == 0;
}

const char *planner_schema(const planner *p, const char *schema)
{
	const char *usual = p->target->default_schema;

	if (!planner_to(p, PYTHIA_POSTGRESQL))
		return NULL;
	if (p->source->engine == PYTHIA_POSTGRESQL && !planner_usual_schema(p, schema))
		return schema;
	return usual != NULL ? usual : "public";
}
