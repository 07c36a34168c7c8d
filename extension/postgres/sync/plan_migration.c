/* plan_migration: what `pythia migrate` would do, as rows. */
#include "postgres.h"

#include "migrate/plan.h"
#include "postgres/base/arguments.h"
#include "postgres/base/bridge.h"
#include "postgres/base/jsonb_node.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/rows_out.h"
#include "postgres/base/verb.h"
#include "postgres/connection/cache.h"
#include "postgres/connection/connection.h"
#include "utils/builtins.h"

#define COLUMNS 5

static void put_row(pythia_rows_out *out, int *step, const char *what, const char *name, const char *action,
					const char *statement, const char *reason)
{
	char *object = name ? psprintf("%s %s", what, name) : pstrdup(what);
	const char *texts[] = {object, action, statement, reason};
	Datum values[COLUMNS] = {Int32GetDatum(step ? (*step)++ : 0)};
	bool nulls[COLUMNS] = {step == NULL};

	for (int i = 0; i < COLUMNS - 1; i++)
	{
		nulls[i + 1] = texts[i] == NULL;
		if (texts[i])
			values[i + 1] = CStringGetTextDatum(pythia_message_from_utf8(texts[i]));
	}
	tuplestore_putvalues(out->store, out->desc, values, nulls);
}

static void put_steps(pythia_rows_out *out, int *step, const pythia_migrate_plan *plan, bool after)
{
	for (int i = 0; i < plan->nsteps; i++)
		if (plan->steps[i].after == after)
			put_row(out, step, plan->steps[i].what, plan->steps[i].name, after ? "after rows" : "before rows",
					plan->steps[i].sql, NULL);
}

/* Statements and copies in their order; then what is carried by a rule, and what is not carried. */
static void put_plan(pythia_rows_out *out, const pythia_migrate_plan *plan)
{
	int step = 1;

	put_steps(out, &step, plan, false);
	for (int i = 0; i < plan->ncopies; i++)
		put_row(out, &step, "table", plan->copies[i].shown, "copy rows", NULL, NULL);
	put_steps(out, &step, plan, true);
	for (int i = 0; i < plan->nnotes; i++)
	{
		const pythia_migrate_note *note = &plan->notes[i];
		const char *name = note->name;

		if (note->fate == PYTHIA_MIGRATE_CARRIED && !note->why)
			continue;
		if (note->table && name && strcmp(note->table, name) != 0)
			name = psprintf("%s of %s", name, note->table);
		put_row(out, NULL, note->what, name, note->fate == PYTHIA_MIGRATE_LEFT ? "not carried" : "changed", NULL,
				note->why);
	}
}

/* Takes "schemas" out of the options: a list of the engine's, or NULL. */
static char **take_schemas(pythia_node *options, int *count)
{
	pythia_node *node = pythia_node_remove(options, "schemas");
	char **list = NULL;

	*count = 0;
	if (node && !pythia_node_texts(node))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid value for option \"schemas\""),
						errhint("It takes a list of names, such as [\"public\", \"sales\"].")));
	for (const pythia_node *item = pythia_node_items(node); item; item = item->next)
	{
		list = list ? repalloc(list, sizeof(char *) * (*count + 1)) : palloc(sizeof(char *));
		list[(*count)++] = pstrdup(item->text);
	}
	pythia_node_free(node);
	return list;
}

static void refuse_same(const char *source, const char *target)
{
	if (strcmp(source, target) == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("source and target are the same database"),
						errhint("Give another one for one of them.")));
}

static bool make_plan(pythia_session *session, const pythia_endpoint *ends[2], const pythia_migrate_options *options,
					  pythia_migrate_plan *plan, pythia_error *error)
{
	pythia_db *dbs[2] = {NULL, NULL};
	bool ok = true;

	for (int i = 0; ok && i < 2; i++)
		if (!pythia_connection_take(session, ends[i], &dbs[i], error))
			ok = pythia_error_context(error, "%s %s", i == 0 ? "source" : "target", ends[i]->display);
	if (ok && options->nschemas > 0 && dbs[0]->engine != PYTHIA_POSTGRESQL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"schemas\" goes with a source that is a PostgreSQL");
		ok = pythia_error_hint(error, "Elsewhere the connection names the database that is moved.");
	}
	ok = ok && pythia_migrate_make_plan(dbs[0], dbs[1], options, plan, error);
	for (int i = 1; i >= 0; i--)
		pythia_connection_give_back(ends[i], dbs[i], ok);
	return ok;
}

PYTHIA_VERB(pythia_plan_migration)
{
	char *source = pythia_argument_text(fcinfo, 0);
	char *target = pythia_argument_text(fcinfo, 1);
	pythia_node *config = pythia_node_from_jsonb(DatumGetJsonbP(pythia_argument(fcinfo, 2)));
	pythia_migrate_options options = {.config = config};
	pythia_migrate_plan plan = {0};
	pythia_error error = PYTHIA_ERROR_INIT;
	const pythia_endpoint *ends[2];
	pythia_session *session;
	pythia_rows_out out;
	MemoryContext caller = CurrentMemoryContext;
	bool ok;

	pythia_rows_out_begin(fcinfo, &out);
	if (config->type != PYTHIA_NODE_OBJECT)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("options must be a JSON object"),
						errhint("For example '{\"table_map\": {\"users\": \"customers\"}}'.")));
	options.schemas = take_schemas(config, &options.nschemas);
	if (!pythia_migrate_check_config(config, &error))
		pythia_raise(&error);
	refuse_same(source, target);
	ends[0] = pythia_endpoint_resolve(source, false);
	ends[1] = pythia_endpoint_resolve(target, false);
	session = pythia_session_begin(NULL);
	MemoryContextSwitchTo(caller);
	ok = make_plan(session, ends, &options, &plan, &error);
	pythia_session_end(session, ok);
	if (ok)
		put_plan(&out, &plan);
	pythia_migrate_plan_free(&plan);
	if (!ok)
		pythia_raise(&error);
	return (Datum) 0;
}
