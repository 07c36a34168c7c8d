/* Expressions of the source for the target. */
#include "migrate/planner.h"

bool planner_expression(planner *p, const planned_table *table, const char *expression, bool condition,
						pythia_buffer *out, const char **why)
{
	(void) p;
	(void) table;
	(void) expression;
	(void) condition;
	(void) out;
	*why = "expressions are not translated";
	return false;
}
