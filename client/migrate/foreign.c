/* Foreign keys: when indexes are there, and in SQLite with their table. */
#include <string.h>

#include "core/memory.h"
#include "migrate/planner.h"

static void put_columns(const planner *p, const planned_table *table, char *const *columns, int count,
						pythia_buffer *out)
{
	pythia_buffer_puts(out, "(");
	for (int i = 0; i < count; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		planner_put_name(p, planner_column(table, columns[i]), out);
	}
	pythia_buffer_putc(out, ')');
}

static bool has_columns(const planned_table *table, char *const *columns, int count)
{
	for (int i = 0; i < count; i++)
		if (columns[i] == NULL || planner_column(table, columns[i]) == NULL)
			return false;
	return true;
}

/* The columns that it refers to: SQLite may say nothing of them, which is the key. */
static char **referred(const planner *p, const pythia_catalog_foreign *foreign, const planned_table *to)
{
	char **columns = pythia_calloc((size_t) foreign->ncolumns + 1, sizeof(char *));

	(void) p;
	for (int i = 0; i < foreign->ncolumns; i++)
	{
		columns[i] = foreign->to_columns[i];
		if (i < to->from->table.nkey && columns[i] == NULL && foreign->ncolumns == to->from->table.nkey)
			columns[i] = to->from->table.columns[to->from->table.key[i]].name;
	}
	return columns;
}

/* InnoDB knows no SET DEFAULT. */
static const char *action(const planner *p, const char *text, bool *other)
{
	const char *named = pythia_catalog_action(text);

	if (planner_to(p, PYTHIA_MYSQL) && strcmp(named, "SET DEFAULT") == 0)
	{
		*other = true;
		return "NO ACTION";
	}
	return named;
}

/* FOREIGN KEY … REFERENCES …; false, with *why, where there can be none.  *changes are words of what is not as it was. */
static bool put_foreign(planner *p, const planned_table *table, const pythia_catalog_foreign *foreign,
						pythia_buffer *out, pythia_buffer *changes, const char **why)
{
	const planned_table *to = planner_find(p, foreign->to_schema, foreign->to_table);
	char **columns;
	bool other = false;
	/* a dump of MariaDB's tells it from RESTRICT, which is the same there */
	bool said = planner_same_engine(p) && planner_to(p, PYTHIA_MYSQL);
	const char *on_update = action(p, foreign->on_update, &other);
	const char *on_delete = action(p, foreign->on_delete, &other);

	*why = foreign->odd;
	if (*why == NULL && to == NULL)
		*why = "the table that it refers to is not carried";
	if (*why != NULL)
		return false;
	columns = referred(p, foreign, to);
	if (!has_columns(table, foreign->columns, foreign->ncolumns) || !has_columns(to, columns, foreign->ncolumns))
		*why = "one of its columns is not carried";
	else
	{
		pythia_buffer_puts(out, "FOREIGN KEY ");
		put_columns(p, table, foreign->columns, foreign->ncolumns, out);
		pythia_buffer_puts(out, " REFERENCES ");
		planner_put_table(p, to, out);
		pythia_buffer_putc(out, ' ');
		put_columns(p, to, columns, foreign->ncolumns, out);
		if (foreign->match_full && planner_to(p, PYTHIA_POSTGRESQL))
			pythia_buffer_puts(out, " MATCH FULL");
		else if (foreign->match_full && foreign->ncolumns > 1)
			pythia_buffer_puts(changes, "it is not MATCH FULL; ");
		if (said || strcmp(on_update, "NO ACTION") != 0)
			pythia_buffer_printf(out, " ON UPDATE %s", on_update);
		if (said || strcmp(on_delete, "NO ACTION") != 0)
			pythia_buffer_printf(out, " ON DELETE %s", on_delete);
		if (foreign->deferrable && !planner_to(p, PYTHIA_MYSQL))
			pythia_buffer_puts(out, foreign->deferred ? " DEFERRABLE INITIALLY DEFERRED" : " DEFERRABLE");
		else if (foreign->deferrable)
			pythia_buffer_puts(changes, "it is not deferrable; ");
		if (foreign->not_valid && planner_to(p, PYTHIA_POSTGRESQL))
			pythia_buffer_puts(out, " NOT VALID");
		if (other)
			pythia_buffer_puts(changes, "SET DEFAULT is NO ACTION, as the target has none; ");
	}
	pythia_free(columns);
	return *why == NULL;
}

/* "; " at its end goes. */
static void note(planner *p, const planned_table *table, const char *name, pythia_buffer *changes)
{
	if (changes->length > 2)
		changes->data[changes->length - 2] = '\0';
	planner_note(p, changes->length > 0 ? PYTHIA_MIGRATE_CHANGED : PYTHIA_MIGRATE_CARRIED, "foreign key", table->shown,
				 name, changes->length > 0 ? "%s" : NULL, pythia_buffer_text(changes));
}

/* What it is called where it has no name. */
static char *name_of(planner *p, const pythia_catalog_foreign *foreign)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	if (foreign->name != NULL)
		return foreign->name;
	for (int i = 0; i < foreign->ncolumns; i++)
		pythia_buffer_printf(&name, "%s_", foreign->columns[i]);
	pythia_buffer_puts(&name, "fkey");
	return pythia_texts_take(&p->plan->texts, &name);
}

static void plan_foreign(planner *p, const planned_table *table, const pythia_catalog_foreign *foreign)
{
	pythia_buffer words = PYTHIA_BUFFER_INIT;
	pythia_buffer changes = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	const char *wanted = name_of(p, foreign);
	const char *why;

	if (put_foreign(p, table, foreign, &words, &changes, &why))
	{
		/* a schema's in MySQL, a table's in PostgreSQL */
		char *name =
			planner_take_name(p, &p->foreigns, planner_to(p, PYTHIA_MYSQL) ? NULL : table->shown, table->name, wanted);

		pythia_buffer_puts(&sql, "ALTER TABLE ");
		planner_put_table(p, table, &sql);
		pythia_buffer_puts(&sql, " ADD CONSTRAINT ");
		planner_put_name(p, name, &sql);
		pythia_buffer_printf(&sql, " %s", words.data);
		planner_step(p, true, "foreign key", name, &sql);
		if (strcmp(name, wanted) != 0)
			pythia_buffer_printf(&changes, "it is named %s; ", name);
		note(p, table, wanted, &changes);
	}
	else
		planner_note(p, PYTHIA_MIGRATE_LEFT, "foreign key", table->shown, wanted, "%s", why);
	pythia_buffer_free(&words);
	pythia_buffer_free(&changes);
}

bool planner_foreigns(planner *p)
{
	for (int i = 0; !planner_to(p, PYTHIA_SQLITE) && i < p->catalog->ntables; i++)
		for (int k = 0; p->tables[i].made && k < p->tables[i].from->nforeigns; k++)
			plan_foreign(p, &p->tables[i], &p->tables[i].from->foreigns[k]);
	return true;
}

void planner_put_foreigns(planner *p, const planned_table *table, pythia_buffer *out)
{
	bool last_first = p->source->engine == PYTHIA_SQLITE;
	int n = table->from->nforeigns;

	for (int i = 0; i < n; i++)
	{
		const pythia_catalog_foreign *foreign = &table->from->foreigns[last_first ? n - 1 - i : i];
		pythia_buffer words = PYTHIA_BUFFER_INIT;
		pythia_buffer changes = PYTHIA_BUFFER_INIT;
		const char *why;

		if (put_foreign(p, table, foreign, &words, &changes, &why))
		{
			pythia_buffer_puts(out, ",\n\t");
			if (foreign->name != NULL)
			{
				pythia_buffer_puts(out, "CONSTRAINT ");
				planner_put_name(p, foreign->name, out);
				pythia_buffer_putc(out, ' ');
			}
			pythia_buffer_puts(out, words.data);
			note(p, table, name_of(p, foreign), &changes);
		}
		else
			planner_note(p, PYTHIA_MIGRATE_LEFT, "foreign key", table->shown, name_of(p, foreign), "%s", why);
		pythia_buffer_free(&words);
		pythia_buffer_free(&changes);
	}
}
