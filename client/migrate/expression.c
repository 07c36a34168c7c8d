/* Expressions of the source for the target. */
#include <string.h>
#include <strings.h>

#include "dialect/formula.h"
#include "migrate/planner.h"

/* Whose columns an expression is over. */
typedef struct scope
{
	planner *p;
	const planned_table *table;
} scope;

/* What the column is in the target: an enum's own type is none of the classes of its text. */
static pythia_class class_there(const planned_table *table, int column)
{
	const pythia_column *made = &table->design.columns[table->position[column]];

	if (table->from->table.columns[column].type.kind == PYTHIA_KIND_ENUM)
		return PYTHIA_CLASS_ENUM;
	return pythia_class_of(&made->type);
}

static bool put_column(void *context, const char *qualifier, const char *name, pythia_buffer *out, pythia_class *found)
{
	const scope *s = context;
	int column = pythia_table_column(&s->table->from->table, name);

	if (column < 0 || s->table->position[column] < 0 ||
		(qualifier != NULL && strcasecmp(qualifier, s->table->from->table.name) != 0))
		return false;
	planner_put_name(s->p, s->table->names[column], out);
	*found = class_there(s->table, column);
	return true;
}

bool planner_expression(planner *p, const planned_table *table, const char *expression, bool condition,
						pythia_buffer *out, pythia_class *found, const char **why)
{
	scope s = {.p = p, .table = table};
	pythia_formula_target target = {.from = p->source, .to = p->target, .column = put_column, .context = &s};
	size_t length = out->length;

	if (pythia_formula_translate(expression, &target, condition, out, found))
		return true;
	out->length = length;
	if (out->data != NULL)
		out->data[length] = '\0';
	*why = target.why != NULL ? target.why : "it cannot be said there";
	return false;
}
