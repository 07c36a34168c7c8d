/* Where tables and sequences count on from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "migrate/planner.h"

/* The column that counts in the target's table: its design says so, or a sequence. */
static const planned_table *counting(const planner *p, const pythia_catalog_sequence *sequence, int *column)
{
	const planned_table *table =
		sequence->table != NULL ? planner_find(p, sequence->table_schema, sequence->table) : NULL;
	int from =
		table != NULL && sequence->column != NULL ? pythia_table_column(&table->from->table, sequence->column) : -1;

	*column = from >= 0 ? table->position[from] : -1;
	return *column >= 0 ? table : NULL;
}

/* The number that is given next, as far as it is known. */
static bool next_number(const planner *p, const pythia_catalog_sequence *sequence, char *text, size_t size)
{
	bool given = p->source->engine != PYTHIA_MYSQL;
	long long last;

	if (sequence->last == NULL || strlen(sequence->last) > 18)
		return false;
	last = strtoll(sequence->last, NULL, 10);
	snprintf(text, size, "%lld", last + (given ? 1 : 0));
	return last + (given ? 1 : 0) > 0;
}

static void set_postgres(planner *p, const pythia_catalog_sequence *sequence)
{
	const planned_table *table;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char number[32];
	int column;

	table = counting(p, sequence, &column);
	if (p->source->engine == PYTHIA_POSTGRESQL)
	{
		if (sequence->last == NULL || (sequence->identity != '\0' && table == NULL))
			return;
		pythia_dialect_table(pythia_dialect_of(p->target), &name, planner_schema(p, sequence->schema), sequence->name);
		pythia_buffer_puts(&sql, "SELECT pg_catalog.setval(");
		pythia_dialect_of(p->target)->plain_string(&sql, name.data);
		pythia_buffer_printf(&sql, "::pg_catalog.regclass, %s, true)", sequence->last);
		planner_step(p, true, "sequence", sequence->name, &sql);
	}
	else if (table != NULL && next_number(p, sequence, number, sizeof(number)) &&
			 pythia_target_counts(p->target, &table->design, column))
	{
		planner_put_table(p, table, &name);
		pythia_buffer_puts(&sql, "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence(");
		pythia_dialect_of(p->target)->plain_string(&sql, name.data);
		pythia_buffer_puts(&sql, ", ");
		pythia_dialect_of(p->target)->plain_string(&sql, table->design.columns[column].name);
		pythia_buffer_printf(&sql, "), %s, false)", number);
		planner_step(p, true, "sequence", table->shown, &sql);
	}
	pythia_buffer_free(&name);
}

/* What is not BY DEFAULT in the source is so here until the rows are there. */
static void set_always(planner *p, const pythia_catalog_sequence *sequence)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int column;
	const planned_table *table = counting(p, sequence, &column);

	if (sequence->identity != 'a' || table == NULL || !planner_to(p, PYTHIA_POSTGRESQL))
		return;
	pythia_buffer_puts(&sql, "ALTER TABLE ");
	planner_put_table(p, table, &sql);
	pythia_buffer_puts(&sql, " ALTER COLUMN ");
	planner_put_name(p, table->design.columns[column].name, &sql);
	pythia_buffer_puts(&sql, " SET GENERATED ALWAYS");
	planner_step(p, true, "sequence", sequence->column, &sql);
}

static void set_other(planner *p, const pythia_catalog_sequence *sequence)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char number[32];
	int column;
	const planned_table *table = counting(p, sequence, &column);

	if (table == NULL || !next_number(p, sequence, number, sizeof(number)))
		return;
	if (planner_to(p, PYTHIA_MYSQL))
	{
		if (!pythia_target_counts(p->target, &table->design, column))
			return;
		pythia_buffer_puts(&sql, "ALTER TABLE ");
		planner_put_table(p, table, &sql);
		pythia_buffer_printf(&sql, " AUTO_INCREMENT = %s", number);
		planner_step(p, true, "sequence", table->shown, &sql);
	}
	else if (table->from->autoincrement && planner_same_engine(p))
	{
		pythia_buffer_puts(&sql, "DELETE FROM sqlite_sequence WHERE name = ");
		pythia_dialect_of(p->target)->plain_string(&sql, table->name);
		planner_step(p, true, "sequence", table->shown, &sql);
		pythia_buffer_puts(&sql, "INSERT INTO sqlite_sequence (name, seq) VALUES (");
		pythia_dialect_of(p->target)->plain_string(&sql, table->name);
		pythia_buffer_printf(&sql, ", %s)", sequence->last);
		planner_step(p, true, "sequence", table->shown, &sql);
	}
}

static void note(planner *p, const pythia_catalog_sequence *sequence)
{
	bool plain = sequence->increment == NULL || (strcmp(sequence->increment, "1") == 0 && !sequence->cycle);
	int column;
	const planned_table *table = counting(p, sequence, &column);

	if (planner_same_engine(p) && planner_to(p, PYTHIA_POSTGRESQL))
	{
		if (sequence->identity == '\0' || table != NULL)
			planner_note(p, PYTHIA_MIGRATE_CARRIED, "sequence", table != NULL ? table->shown : NULL, sequence->name,
						 NULL);
		return;
	}
	if (table == NULL || !pythia_target_counts(p->target, &table->design, column))
		return;
	planner_note(p, plain ? PYTHIA_MIGRATE_CARRIED : PYTHIA_MIGRATE_CHANGED, "sequence", table->shown, sequence->column,
				 plain ? NULL : "the column there counts on by 1");
}

bool planner_sequences(planner *p)
{
	for (int i = 0; i < p->catalog->nsequences; i++)
	{
		const pythia_catalog_sequence *sequence = &p->catalog->sequences[i];
		int before = p->plan->nsteps;
		int column;
		const planned_table *table = counting(p, sequence, &column);

		if (planner_to(p, PYTHIA_POSTGRESQL))
			set_postgres(p, sequence);
		else
			set_other(p, sequence);
		for (int k = before; table != NULL && k < p->plan->nsteps; k++)
			p->plan->steps[k].table = pythia_texts_keep(&p->plan->texts, table->shown);
		set_always(p, sequence);
		note(p, sequence);
	}
	return true;
}
