/*
 * A session of ours looks for names in pg_catalog alone.  The functions of the target's triggers and checks were written
 * for the path of an ordinary session, so while rows are written there the path is that one, as the role and the database
 * have it, or as option "search_path" says.
 *
 * Of the ordinary path only schemas count in which nobody but this role and superusers may make anything: in any other, a
 * stranger's function or operator would run with this role's rights.  Who trusts such a schema names it in the option.
 */
#include "sync/search_path.h"

#include <string.h>

#include "core/memory.h"

static const char trusted[] =
	"SELECT n.nspname FROM pg_catalog.unnest(%s::pg_catalog.name[]) WITH ORDINALITY AS p(name, place)"
	" JOIN pg_catalog.pg_namespace n ON n.nspname = p.name WHERE n.nspname <> 'pg_catalog' AND NOT EXISTS"
	" (SELECT 1 FROM pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a"
	" LEFT JOIN pg_catalog.pg_roles r ON r.oid = CASE WHEN a.grantee = 'pg_database_owner'::pg_catalog.regrole"
	" THEN (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())"
	" ELSE a.grantee END WHERE a.privilege_type = 'CREATE' AND (r.rolsuper OR r.rolname = CURRENT_USER) IS NOT TRUE)"
	" ORDER BY p.place";

static void put_schema(const pythia_run *run, const char *name, pythia_buffer *path)
{
	pythia_buffer_puts(path, ", ");
	pythia_dialect_of(run->target)->identifier(path, name);
}

static bool ordinary_path(pythia_run *run, pythia_buffer *path, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->target);
	pythia_buffer literal = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result names;
	char *schemas = NULL;
	bool ok;

	memset(&names, 0, sizeof(names));
	ok = pythia_db_exec(run->target, "SET LOCAL search_path TO DEFAULT", NULL, error) &&
		 pythia_db_text(run->target, "SELECT pg_catalog.current_schemas(false)::pg_catalog.text", &schemas, error) &&
		 pythia_db_exec(run->target, "SET LOCAL search_path TO pg_catalog, pg_temp", NULL, error);
	if (ok && schemas != NULL)
	{
		dialect->literal(&literal, schemas, strlen(schemas));
		pythia_buffer_printf(&sql, trusted, literal.data);
		ok = pythia_db_query(run->target, sql.data, "t", &names, error);
	}
	for (int64_t i = 0; ok && i < names.nrows; i++)
		put_schema(run, pythia_result_text(&names, i, 0), path);
	pythia_result_free(&names);
	pythia_free(schemas);
	pythia_buffer_free(&literal);
	pythia_buffer_free(&sql);
	return ok;
}

static void given_path(const pythia_run *run, const pythia_node *given, pythia_buffer *path)
{
	if (given->type != PYTHIA_NODE_ARRAY)
	{
		put_schema(run, given->text, path);
		return;
	}
	for (const pythia_node *node = pythia_node_items(given); node != NULL; node = node->next)
		put_schema(run, node->text, path);
}

bool pythia_search_path_set(pythia_run *run, pythia_error *error)
{
	const pythia_node *given = run->job->config->search_path;
	pythia_buffer path = PYTHIA_BUFFER_INIT;
	bool ok = true;

	if (run->target->engine != PYTHIA_POSTGRESQL)
		return true;
	if (run->path == NULL)
	{
		pythia_buffer_puts(&path, "SET LOCAL search_path TO pg_catalog");
		if (given != NULL)
			given_path(run, given, &path);
		else
			ok = ordinary_path(run, &path, error);
		pythia_buffer_puts(&path, ", pg_temp");
		run->path = pythia_buffer_take(&path);
	}
	ok = ok && pythia_db_exec(run->target, run->path, NULL, error);
	if (!ok)
	{
		pythia_free(run->path);
		run->path = NULL;
	}
	return ok;
}
