/* What nobody has carried: told by its name. */
#include <string.h>

#include "core/memory.h"
#include "core/visible.h"
#include "migrate/planner.h"

static const char *what_of(pythia_extra_kind kind)
{
	switch (kind)
	{
		case PYTHIA_EXTRA_COLLATION:
			return "collation";
		case PYTHIA_EXTRA_ON_UPDATE:
			return "ON UPDATE";
		case PYTHIA_EXTRA_INVISIBLE:
			return "INVISIBLE";
		case PYTHIA_EXTRA_CHECK:
			return "check";
		default:
			return pythia_extra_words_of(kind)->one;
	}
}

/* What lives on in another way is no loss. */
static pythia_migrate_fate fate_of(const planner *p, pythia_extra_kind kind)
{
	return kind == PYTHIA_EXTRA_PARTITIONING || (kind == PYTHIA_EXTRA_COLLATION && !planner_same_engine(p))
			   ? PYTHIA_MIGRATE_CHANGED
			   : PYTHIA_MIGRATE_LEFT;
}

/* Those kinds that other parts of the plan have looked at, one by one. */
static bool is_planned(pythia_extra_kind kind)
{
	switch (kind)
	{
		case PYTHIA_EXTRA_PARTIAL_INDEX:
		case PYTHIA_EXTRA_EXPRESSION_INDEX:
		case PYTHIA_EXTRA_PREFIX_INDEX:
		case PYTHIA_EXTRA_OTHER_INDEX:
		case PYTHIA_EXTRA_INDEX_OPTION:
		case PYTHIA_EXTRA_FOREIGN_KEY:
		case PYTHIA_EXTRA_EXCLUSION:
		case PYTHIA_EXTRA_SEQUENCE:
		case PYTHIA_EXTRA_NUMBERING:
			return true;
		default:
			return false;
	}
}

/* The column's type is a domain that is made: with it come its checks, and its default, or it was told which do not. */
static bool has_domain(const planner *p, const planned_table *table, int column)
{
	const pythia_catalog_column *more = column >= 0 ? &table->from->columns[column] : NULL;

	return more != NULL && planner_domain(p, more->type_schema, more->type_name) != NULL;
}

static bool is_carried(const planner *p, const planned_table *table, const pythia_extra *extra)
{
	bool same = planner_same_engine(p);
	int column = extra->column != NULL ? pythia_table_column(&table->from->table, extra->column) : -1;
	int at = column >= 0 ? table->position[column] : -1;

	/* a column that is left out takes along what it has */
	if (is_planned(extra->kind) || (column >= 0 && at < 0))
		return true;
	switch (extra->kind)
	{
		case PYTHIA_EXTRA_CHECK:
			/* a domain's have it as their detail */
			return extra->detail == NULL || has_domain(p, table, column);
		case PYTHIA_EXTRA_DEFAULT:
			return has_domain(p, table, column);
		case PYTHIA_EXTRA_AUTOINCREMENT:
		case PYTHIA_EXTRA_STRICT:
			return same || !planner_to(p, PYTHIA_SQLITE);
		case PYTHIA_EXTRA_COLLATION:
			return at >= 0 && table->design.columns[at].collation != NULL;
		case PYTHIA_EXTRA_ON_UPDATE:
			return at >= 0 && table->tails[at] != NULL;
		case PYTHIA_EXTRA_INVISIBLE:
			return at >= 0 && table->design.columns[at].invisible;
		default:
			return false;
	}
}

static const char *why_of(const planner *p, pythia_extra_kind kind)
{
	switch (kind)
	{
		case PYTHIA_EXTRA_ON_UPDATE:
			return "it is code there: write a trigger";
		case PYTHIA_EXTRA_CHECK:
		case PYTHIA_EXTRA_DEFAULT:
			return "domains are not made";
		case PYTHIA_EXTRA_COLLATION:
			return "texts may sort, and be equal, otherwise";
		case PYTHIA_EXTRA_PARTITIONING:
			return "it is made as one table";
		default:
			(void) p;
			return pythia_extra_words_of(kind)->why;
	}
}

static void tell_extras(planner *p, const planned_table *table)
{
	for (int i = 0; i < table->from->extras.count; i++)
	{
		const pythia_extra *extra = &table->from->extras.items[i];
		const char *name = extra->name != NULL ? extra->name : extra->detail;

		if (is_carried(p, table, extra))
			continue;
		planner_note(p, fate_of(p, extra->kind), what_of(extra->kind), table->shown, name, "%s%s%s%s",
					 why_of(p, extra->kind), extra->name != NULL && extra->detail != NULL ? " (" : "",
					 extra->name != NULL && extra->detail != NULL ? extra->detail : "",
					 extra->name != NULL && extra->detail != NULL ? ")" : "");
	}
}

/* The description's own: PostgreSQL's collations, and comments where there is no place for them. */
static void tell_columns(planner *p, const planned_table *table)
{
	const pythia_table *from = &table->from->table;

	for (int i = 0; i < from->ncolumns; i++)
	{
		const pythia_column *made = table->position[i] >= 0 ? &table->design.columns[table->position[i]] : NULL;

		if (made == NULL)
			continue;
		if (p->source->engine == PYTHIA_POSTGRESQL && from->columns[i].collation != NULL && made->collation == NULL)
			planner_note(p, planner_same_engine(p) ? PYTHIA_MIGRATE_LEFT : PYTHIA_MIGRATE_CHANGED, "collation",
						 table->shown, from->columns[i].name, "texts may sort, and be equal, otherwise (%s)",
						 from->columns[i].collation);
		if (from->columns[i].comment != NULL)
			planner_note(p, planner_to(p, PYTHIA_SQLITE) ? PYTHIA_MIGRATE_LEFT : PYTHIA_MIGRATE_CARRIED, "comment",
						 table->shown, from->columns[i].name,
						 planner_to(p, PYTHIA_SQLITE) ? "the target has no place for any" : NULL);
	}
	if (table->from->storage != NULL)
		planner_note(p, PYTHIA_MIGRATE_CHANGED, "storage", table->shown, table->from->storage,
					 "it is stored as the target stores its tables");
	if (from->comment != NULL)
		planner_note(p, planner_to(p, PYTHIA_SQLITE) ? PYTHIA_MIGRATE_LEFT : PYTHIA_MIGRATE_CARRIED, "comment",
					 table->shown, "the table's own",
					 planner_to(p, PYTHIA_SQLITE) ? "the target has no place for any" : NULL);
}

void planner_rest(planner *p)
{
	for (int i = 0; i < p->catalog->ntables; i++)
	{
		if (!p->tables[i].made)
			continue;
		tell_extras(p, &p->tables[i]);
		tell_columns(p, &p->tables[i]);
	}
	for (int i = 0; i < p->catalog->nothers; i++)
	{
		const pythia_catalog_other *other = &p->catalog->others[i];

		/* domains tell of themselves */
		if (strcmp(other->what, "domain") == 0 && planner_same_engine(p))
			continue;
		planner_note(p, PYTHIA_MIGRATE_LEFT, other->what, other->schema, other->name,
					 strcmp(other->what, "grants") == 0      ? "accounts are the target's own affair"
					 : strcmp(other->what, "extension") == 0 ? "what the target has of its own is its administrator's"
															 : "code is not translated, nor types of a user's");
	}
}
