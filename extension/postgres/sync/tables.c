/* Which tables a sync is of: patterns spelled out, parents first. */
#include "postgres/sync/tables.h"

#include "core/list.h"
#include "core/memory.h"
#include "dialect/dialect.h"
#include "postgres/base/bridge.h"
#include "postgres/connection/cache.h"
#include "postgres/worker/transaction.h"
#include "sync/order.h"
#include "sync/target.h"

static bool add_tables(pythia_db *source, const char *schema, List **tables, pythia_error *error)
{
	char **names = NULL;
	int count = 0;

	if (!pythia_list_tables(source, schema, &names, &count, error))
		return false;
	for (int i = 0; i < count; i++)
	{
		*tables = lappend(*tables, pythia_from_utf8(names[i]));
		pythia_free(names[i]);
	}
	pythia_free(names);
	return true;
}

static bool is_pattern(const char *name)
{
	size_t length = strlen(name);

	return length >= 3 && strcmp(name + length - 2, ".*") == 0;
}

static bool expand(pythia_db *source, List *wanted, List **tables, pythia_error *error)
{
	ListCell *cell;

	*tables = NIL;
	if (wanted == NIL)
		return add_tables(source, NULL, tables, error);
	foreach (cell, wanted)
	{
		char *name = lfirst(cell);
		size_t length = strlen(name);
		char *schema = NULL;
		char *rest = NULL;
		bool ok;

		if (!is_pattern(name))
		{
			*tables = lappend(*tables, name);
			continue;
		}
		ok = pythia_name_parse(pythia_to_utf8(pnstrdup(name, length - 2)), &rest, &schema, error) &&
			 add_tables(source, schema, tables, error);
		pythia_free(schema);
		pythia_free(rest);
		if (!ok)
			return false;
	}
	return true;
}

/* The engine's array of names. */
static char **engine_names(List *tables, int *count)
{
	char **names = pythia_calloc((size_t) list_length(tables) + 1, sizeof(char *));
	ListCell *cell;

	*count = 0;
	foreach (cell, tables)
		names[(*count)++] = pythia_strdup(pythia_to_utf8(lfirst(cell)));
	return names;
}

static List *plain_names(List *tables)
{
	List *result = NIL;
	ListCell *cell;

	foreach (cell, tables)
	{
		if (!is_pattern(lfirst(cell)))
			result = lappend(result, lfirst(cell));
	}
	return result;
}

/* Could two tables go to one of the target?  `own` are the worker's, where only some of them are wanted. */
static bool alike(const pythia_sides *sides, List *tables, List *own)
{
	int count;
	int nown;
	char **names = engine_names(tables, &count);
	char **others = engine_names(own, &nown);
	bool result = pythia_tables_alike(sides->spec->config, names, count, others, nown);

	pythia_list_free(names, count);
	pythia_list_free(others, nown);
	return result;
}

static bool check_tables(pythia_session *session, const pythia_sides *sides, pythia_db *source, List **tables,
						 List *own, pythia_error *error)
{
	pythia_db *target = NULL;
	int count;
	int nown;
	char **names = engine_names(*tables, &count);
	char **others = engine_names(own, &nown);
	bool ok = pythia_connection_take(session, sides->target, &target, error) &&
			  pythia_tables_check(source, target, sides->spec->config, names, &count, others, nown, error);

	pythia_connection_give_back(sides->target, target, ok);
	*tables = NIL;
	for (int i = 0; i < count; i++)
		*tables = lappend(*tables, pythia_from_utf8(names[i]));
	pythia_list_free(names, count);
	pythia_list_free(others, nown);
	return ok;
}

/* Parents first, by the keys of both sides. */
static bool order_tables(pythia_session *session, const pythia_sides *sides, pythia_db *source, List **tables,
						 pythia_error *error)
{
	pythia_db *target = NULL;
	int count;
	char **names = engine_names(*tables, &count);
	bool ok = pythia_connection_take(session, sides->target, &target, error) &&
			  pythia_tables_order(source, target, sides->spec->config, names, count, error);

	pythia_connection_give_back(sides->target, target, ok);
	*tables = NIL;
	for (int i = 0; i < count; i++)
		*tables = lappend(*tables, pythia_from_utf8(names[i]));
	pythia_list_free(names, count);
	return ok;
}

/* One table that is gone stops no worker; who asks for all of them is told. */
static bool check_names(const pythia_sides *sides, List *tables, pythia_error *error)
{
	int count;
	char **names = engine_names(tables, &count);
	bool ok = pythia_sync_config_names(sides->spec->config, names, count, NULL, error);

	pythia_list_free(names, count);
	if (ok || !pythia_in_job())
		return ok;
	ereport(WARNING, (errmsg("sync worker \"%s\": %s", sides->spec->name, pythia_message_from_utf8(error->message))));
	pythia_error_reset(error);
	return true;
}

List *pythia_list_sync_tables(const pythia_sides *sides, List *wanted)
{
	List *own = wanted != NIL ? plain_names(sides->spec->tables) : NIL;
	List *tables = wanted != NIL ? wanted : sides->spec->tables;
	MemoryContext caller = CurrentMemoryContext;
	pythia_session *session;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_db *source = NULL;
	bool ok;

	/* names that need nobody's word */
	if (list_length(tables) == 1 && !is_pattern(linitial(tables)) && !alike(sides, tables, own))
		return tables;
	session = pythia_session_begin(sides->spec->default_schema);
	MemoryContextSwitchTo(caller);
	ok = pythia_connection_take(session, sides->source, &source, &error) && expand(source, tables, &tables, &error) &&
		 (wanted != NIL || check_names(sides, tables, &error));
	if (ok && alike(sides, tables, own))
		ok = check_tables(session, sides, source, &tables, own, &error);
	if (ok && list_length(tables) > 1)
		ok = order_tables(session, sides, source, &tables, &error);
	pythia_connection_give_back(sides->source, source, ok);
	pythia_session_end(session, ok);
	if (!ok)
		pythia_raise(&error);
	return tables;
}
