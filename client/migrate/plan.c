/* Makes a plan: which table goes where under which names, then part by part. */
#include "migrate/plan.h"

#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/visible.h"
#include "dialect/short_name.h"
#include "migrate/planner.h"
#include "sync/sync.h"

int pythia_migrate_count(const pythia_migrate_plan *plan, pythia_migrate_fate fate)
{
	int count = 0;

	for (int i = 0; i < plan->nnotes; i++)
		count += plan->notes[i].fate == fate;
	return count;
}

void pythia_migrate_plan_free(pythia_migrate_plan *plan)
{
	pythia_free(plan->notes);
	pythia_free(plan->steps);
	pythia_free(plan->copies);
	pythia_texts_free(&plan->texts);
	memset(plan, 0, sizeof(*plan));
}

/* --- where tables go --------------------------------------------------------------------------- */

/* What the user's table_map says of it, or NULL. */
static const char *mapped(const planner *p, const pythia_catalog_table *table)
{
	const char *found = NULL;
	const pythia_node *map = p->options->config != NULL ? pythia_node_get(p->options->config, "table_map") : NULL;

	for (const pythia_node *node = pythia_node_members(map); node != NULL; node = node->next)
		if (pythia_same_table_name(node->name, table->quoted))
			found = node->text;
	return found;
}

static bool name_table(planner *p, planned_table *planned)
{
	const pythia_table *table = &planned->from->table;
	const char *wanted = mapped(p, planned->from);
	const char *schema = planner_schema(p, table->schema);
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	char *its_schema = NULL;
	char *its_name = NULL;

	if (wanted != NULL)
	{
		if (!pythia_name_parse(wanted, &its_schema, &its_name, p->error))
			return false;
		if (its_schema != NULL && planner_to(p, PYTHIA_POSTGRESQL))
			schema = its_schema;
		pythia_buffer_puts(&name, its_name);
	}
	else
	{
		if (schema == NULL && p->source->engine == PYTHIA_POSTGRESQL && !planner_usual_schema(p, table->schema))
			pythia_buffer_printf(&name, "%s_", table->schema);
		pythia_buffer_puts(&name, table->name);
	}
	planned->schema = pythia_texts_keep(&p->plan->texts, schema);
	planned->name = pythia_texts_take(&p->plan->texts, &name);
	pythia_free(its_schema);
	pythia_free(its_name);
	return true;
}

/* Two that fold to one name there would be one table. */
static bool check_name(planner *p, const planned_table *planned)
{
	for (const planned_table *other = p->tables; other < planned; other++)
	{
		bool same = planner_to(p, PYTHIA_POSTGRESQL) ? strcmp(other->name, planned->name) == 0
													 : strcasecmp(other->name, planned->name) == 0;

		if (!same || (other->schema != NULL && planned->schema != NULL && strcmp(other->schema, planned->schema) != 0))
			continue;
		pythia_fail(p->error, PYTHIA_E_USAGE, "42712", "tables \"%s\" and \"%s\" would both go to target table \"%s\"",
					other->shown, planned->shown, planned->name);
		return pythia_error_hint(p->error, "Give one of them another name in table_map.");
	}
	return true;
}

static void show_name(planner *p, planned_table *planned)
{
	const pythia_table *table = &planned->from->table;
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	if (p->source->engine == PYTHIA_POSTGRESQL && !planner_usual_schema(p, table->schema))
		pythia_buffer_printf(&name, "%s.", table->schema);
	pythia_buffer_puts(&name, table->name);
	planned->shown = pythia_texts_take(&p->plan->texts, &name);
}

static void map_table(planner *p, const planned_table *planned)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	pythia_dialect_table(pythia_dialect_for(PYTHIA_SQLITE), &name, planned->schema, planned->name);
	pythia_node_add(p->table_map, pythia_node_new(PYTHIA_NODE_STRING, planned->from->quoted, name.data));
	pythia_buffer_free(&name);
}

static bool place_tables(planner *p)
{
	p->tables = pythia_calloc((size_t) p->catalog->ntables + 1, sizeof(planned_table));
	p->table_map = pythia_node_new(PYTHIA_NODE_OBJECT, "table_map", NULL);
	for (int i = 0; i < p->catalog->ntables; i++)
	{
		planned_table *planned = &p->tables[i];

		planned->from = &p->catalog->tables[i];
		show_name(p, planned);
		if (!name_table(p, planned) || !check_name(p, planned))
			return false;
		planner_take_name(p, &p->relations, planned->schema, NULL, planned->name);
		map_table(p, planned);
	}
	return true;
}

static void add_copies(planner *p)
{
	pythia_migrate_plan *plan = p->plan;

	plan->copies = pythia_calloc((size_t) p->catalog->ntables + 1, sizeof(*plan->copies));
	for (int i = 0; i < p->catalog->ntables; i++)
	{
		const planned_table *table = &p->tables[i];
		pythia_buffer target = PYTHIA_BUFFER_INIT;

		if (!table->made)
			continue;
		pythia_dialect_table(pythia_dialect_for(PYTHIA_SQLITE), &target, table->schema, table->name);
		plan->copies[plan->ncopies++] =
			(pythia_migrate_copy){.source = pythia_texts_keep(&plan->texts, table->from->quoted),
								  .target = pythia_texts_take(&plan->texts, &target),
								  .shown = table->shown,
								  .has_key = table->design.nkey > 0};
	}
}

/* Those before the rows first, each kind in the order in which it came. */
static void sort_steps(pythia_migrate_plan *plan)
{
	pythia_migrate_step *sorted = pythia_calloc((size_t) plan->nsteps + 1, sizeof(*sorted));
	int n = 0;

	for (int after = 0; after < 2; after++)
		for (int i = 0; i < plan->nsteps; i++)
			if (plan->steps[i].after == (after == 1))
				sorted[n++] = plan->steps[i];
	pythia_free(plan->steps);
	plan->steps = sorted;
}

/* A sync_config of which only these options mean something here. */
bool pythia_migrate_check_config(const pythia_node *config, pythia_error *error)
{
	static const char *const known[] = {
		"table_map", "column_map", "type_map", "default_map", "expressions",  "masks",      "zero_date",
		"infinity",  "nan",        "nul_byte", "bad_utf8",    "out_of_range", "batch_size", "max_bytes_per_second",
		"parallel",  "tables",     NULL};
	const pythia_node *tables = pythia_node_get(config, "tables");
	pythia_sync_config read;

	for (const pythia_node *table = pythia_node_members(tables); table != NULL; table = table->next)
		if (!pythia_node_only(table, known, "option of a migration", error))
			return pythia_error_context(error, "options of table \"%s\"", table->name);
	return pythia_node_only(config, known, "option of a migration", error) &&
		   pythia_sync_config_read(config, NULL, NULL, &read, error);
}

bool pythia_migrate_make_plan(pythia_db *source, pythia_db *target, const pythia_migrate_options *options,
							  pythia_migrate_plan *plan, pythia_error *error)
{
	pythia_catalog catalog;
	planner p = {
		.source = source, .target = target, .options = options, .catalog = &catalog, .plan = plan, .error = error};
	bool ok;

	memset(plan, 0, sizeof(*plan));
	ok = pythia_catalog_read(source, options->schemas, options->nschemas, &catalog, error) && place_tables(&p) &&
		 planner_tables(&p) && planner_indexes(&p) && planner_foreigns(&p) && planner_checks(&p) &&
		 planner_sequences(&p) && planner_views(&p);
	if (ok)
	{
		planner_rest(&p);
		add_copies(&p);
		sort_steps(plan);
	}
	for (int i = 0; p.tables != NULL && i < catalog.ntables; i++)
	{
		pythia_table_free(&p.tables[i].design);
		pythia_free(p.tables[i].position);
		pythia_free(p.tables[i].names);
		pythia_free(p.tables[i].generated);
		pythia_free(p.tables[i].types);
		pythia_free(p.tables[i].numbering);
		pythia_free(p.tables[i].tails);
		pythia_free(p.tables[i].mapped);
	}
	pythia_free(p.tables);
	pythia_node_free(p.table_map);
	planner_names_free(&p.relations);
	planner_names_free(&p.foreigns);
	pythia_catalog_free(&catalog);
	return ok;
}
