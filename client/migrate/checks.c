/* CHECK constraints: when the rows are there, and in SQLite with their table. */
#include <string.h>

#include "core/visible.h"
#include "core/memory.h"
#include "migrate/planner.h"

static bool has_checks(const pythia_db *target)
{
	return target->engine != PYTHIA_MYSQL || target->version >= (target->is_mariadb ? 100201 : 80016);
}

/* The check as the target says it; false where it is left, which is noted. */
static bool put_check(planner *p, const planned_table *table, const pythia_catalog_check *check, pythia_buffer *out)
{
	const char *why = NULL;
	char *shown;

	if (!has_checks(p->target))
		why = "the target has none";
	else if (check->expression == NULL)
		why = "its expression is not shown";
	else if (planner_expression(p, table, check->expression, true, out, NULL, &why))
		return true;
	shown = pythia_visible_short(check->expression != NULL ? check->expression : "");
	planner_note(p, PYTHIA_MIGRATE_LEFT, "check", table->shown, check->name != NULL ? check->name : shown, "%s: %s",
				 why, shown);
	pythia_free(shown);
	return false;
}

/* What it is called where it has no name. */
static char *name_of(planner *p, const planned_table *table, int number)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	if (table->from->checks[number].name != NULL)
		return table->from->checks[number].name;
	pythia_buffer_printf(&name, "%s_check%d", table->name, number + 1);
	return pythia_texts_take(&p->plan->texts, &name);
}

static void plan_check(planner *p, const planned_table *table, int number)
{
	const pythia_catalog_check *check = &table->from->checks[number];
	bool schemas = planner_to(p, PYTHIA_MYSQL) && !p->target->is_mariadb;
	pythia_buffer words = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	if (put_check(p, table, check, &words))
	{
		const char *wanted = name_of(p, table, number);
		const char *name = planner_take_name(p, &p->foreigns, schemas ? "check" : table->shown, table->name, wanted);
		bool same = strcmp(name, wanted) == 0;

		pythia_buffer_puts(&sql, "ALTER TABLE ");
		planner_put_table(p, table, &sql);
		pythia_buffer_puts(&sql, " ADD CONSTRAINT ");
		planner_put_name(p, name, &sql);
		pythia_buffer_printf(&sql, " CHECK (%s)", words.data);
		if (check->not_valid && planner_to(p, PYTHIA_POSTGRESQL))
			pythia_buffer_puts(&sql, " NOT VALID");
		if (check->not_enforced && planner_to(p, PYTHIA_MYSQL) && !p->target->is_mariadb)
			pythia_buffer_puts(&sql, " NOT ENFORCED");
		planner_step(p, true, "check", name, &sql);
		planner_note(p, same ? PYTHIA_MIGRATE_CARRIED : PYTHIA_MIGRATE_CHANGED, "check", table->shown, wanted,
					 same ? NULL : "it is named %s", name);
	}
	pythia_buffer_free(&words);
}

bool planner_checks(planner *p)
{
	for (int i = 0; !planner_to(p, PYTHIA_SQLITE) && i < p->catalog->ntables; i++)
		for (int k = 0; p->tables[i].made && k < p->tables[i].from->nchecks; k++)
			plan_check(p, &p->tables[i], k);
	return true;
}

/* An enum's column in SQLite takes its labels and nothing else. */
static void put_labels(planner *p, const planned_table *table, int column, pythia_buffer *out)
{
	const pythia_column *from = &table->from->table.columns[column];

	if (planner_same_engine(p) || from->type.kind != PYTHIA_KIND_ENUM || from->type.nlabels == 0 ||
		table->position[column] < 0 || pythia_labels_are_blurred(p->source, from))
		return;
	pythia_buffer_puts(out, ",\n\tCHECK (");
	planner_put_name(p, table->names[column], out);
	pythia_buffer_puts(out, " IN (");
	for (int i = 0; i < from->type.nlabels; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		pythia_dialect_of(p->target)->plain_string(out, from->type.labels[i]);
	}
	pythia_buffer_puts(out, "))");
}

void planner_put_checks(planner *p, const planned_table *table, pythia_buffer *out)
{
	for (int i = 0; i < table->from->nchecks; i++)
	{
		const pythia_catalog_check *check = &table->from->checks[i];
		pythia_buffer words = PYTHIA_BUFFER_INIT;

		if (check->not_enforced)
			planner_note(p, PYTHIA_MIGRATE_LEFT, "check", table->shown, name_of(p, table, i),
						 "it is not enforced, and the target has no such ones");
		else if (put_check(p, table, check, &words))
		{
			pythia_buffer_puts(out, ",\n\t");
			if (check->name != NULL)
			{
				pythia_buffer_puts(out, "CONSTRAINT ");
				planner_put_name(p, check->name, out);
				pythia_buffer_putc(out, ' ');
			}
			pythia_buffer_printf(out, "CHECK (%s)", words.data);
			planner_note(p, PYTHIA_MIGRATE_CARRIED, "check", table->shown, name_of(p, table, i), NULL);
		}
		pythia_buffer_free(&words);
	}
	for (int i = 0; i < table->from->table.ncolumns; i++)
		put_labels(p, table, i, out);
}
