/* Which table of the target a table of the source goes to, and that no two go to the same one. */
#include "sync/target.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/text.h"
#include "sync/mapping.h"
#include "sync/plan.h"

/* Appends "schema"."table" in a form that pythia_name_parse reads. */
static void quoted_name(pythia_buffer *out, const char *schema, const char *table)
{
	pythia_dialect_table(pythia_dialect_for(PYTHIA_SQLITE), out, schema, table);
}

/* A table of the target whose name is the source's but for case and underscores, if there is just one. */
static bool find_by_convention(pythia_db *db, const char *schema, const char *name, char **found, pythia_error *error)
{
	char **names;
	int count;
	int matches = 0;

	*found = NULL;
	if (!pythia_list_table_names(db, schema, &names, &count, error))
		return false;
	for (int i = 0; i < count; i++)
	{
		char *its_schema = NULL;
		char *its_name = NULL;

		if (pythia_name_parse(names[i], &its_schema, &its_name, error) && pythia_same_convention(its_name, name))
		{
			matches++;
			pythia_free(*found);
			*found = pythia_strdup(names[i]);
		}
		pythia_free(its_schema);
		pythia_free(its_name);
	}
	for (int i = 0; i < count; i++)
		pythia_free(names[i]);
	pythia_free(names);
	if (matches != 1)
	{
		pythia_free(*found);
		*found = NULL;
	}
	return true;
}

static const char *map_table(const pythia_sync_config *config, const pythia_table *source)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	const char *found = NULL;

	if (config->table_map == NULL)
		return NULL;
	quoted_name(&name, source->schema, source->name);
	for (const pythia_node *node = pythia_node_members(config->table_map); node != NULL; node = node->next)
	{
		if (pythia_same_table_name(node->name, name.data))
			found = node->text;
	}
	pythia_buffer_free(&name);
	return found;
}

/* The schema to look in: the source's own where both are PostgreSQL and it is not the default one. */
static const char *target_schema(const pythia_sync_job *job, const pythia_table *source)
{
	bool usual = job->source->default_schema == NULL || strcmp(source->schema, job->source->default_schema) == 0;

	if (job->source->engine == PYTHIA_POSTGRESQL && job->target->engine == PYTHIA_POSTGRESQL && !usual)
		return source->schema;
	return NULL;
}

/* Does another table of the source lay claim to this name of the target?  *other is the caller's, or NULL. */
static bool claimed(const pythia_sync_job *job, const pythia_table *source, const char *name, char **other,
					pythia_error *error)
{
	char **names;
	int count;

	*other = NULL;
	if (strcmp(source->name, name) == 0)
		return true;
	if (!pythia_list_table_names(job->source, source->schema, &names, &count, error))
		return false;
	for (int i = 0; i < count; i++)
	{
		char *its_schema = NULL;
		char *its_name = NULL;

		if (pythia_name_parse(names[i], &its_schema, &its_name, error) && strcmp(its_name, source->name) != 0 &&
			pythia_same_convention(its_name, name) && *other == NULL)
		{
			*other = its_name;
			its_name = NULL;
		}
		pythia_free(its_schema);
		pythia_free(its_name);
		pythia_free(names[i]);
	}
	pythia_free(names);
	return true;
}

/* A similar name that is another table's is none. */
static bool drop_claimed(const pythia_sync_job *job, const pythia_table *source, char **similar, pythia_error *error)
{
	char *schema = NULL;
	char *name = NULL;
	char *other = NULL;
	bool ok = pythia_name_parse(*similar, &schema, &name, error) && claimed(job, source, name, &other, error);

	if (other != NULL)
	{
		pythia_free(*similar);
		*similar = NULL;
	}
	pythia_free(other);
	pythia_free(schema);
	pythia_free(name);
	return ok;
}

static bool both_go_there(const char *one, const char *other, const char *target, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "42712", "tables \"%s\" and \"%s\" would both go to target table \"%s\"", one,
				other, target);
	pythia_error_detail(error, "The rows of the one would overwrite those of the other.");
	return pythia_error_hint(error, "Give one of them another name in table_map, or leave one out.");
}

/* An engine that folds case found a table that is another's: two tables must not become one. */
static bool check_claim(const pythia_sync_job *job, const pythia_table *source, const pythia_table *target,
						pythia_error *error)
{
	char *other;

	if (!claimed(job, source, target->name, &other, error))
		return false;
	if (other == NULL)
		return true;
	both_go_there(source->name, other, target->name, error);
	pythia_free(other);
	return false;
}

bool pythia_target_find(const pythia_sync_job *job, const pythia_table *source, pythia_table *target, bool *missing,
						char **wanted_schema, char **wanted_name, pythia_error *error)
{
	const char *mapped = map_table(job->config, source);
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	char *similar = NULL;
	bool ok;

	*missing = false;
	if (mapped != NULL)
	{
		if (!pythia_name_parse(mapped, wanted_schema, wanted_name, error))
			return false;
		pythia_buffer_puts(&name, mapped);
	}
	else
	{
		*wanted_schema = pythia_strdup(target_schema(job, source));
		*wanted_name = pythia_strdup(source->name);
		quoted_name(&name, *wanted_schema, *wanted_name);
	}
	ok = pythia_describe(job->target, name.data, target, error);
	if (!ok && strcmp(error->sqlstate, "42P01") == 0 && !job->target->broken)
	{
		pythia_error trouble = PYTHIA_ERROR_INIT;

		if (mapped == NULL && !find_by_convention(job->target, *wanted_schema, *wanted_name, &similar, &trouble))
			ok = pythia_error_move(error, &trouble);
		else if (similar != NULL && !drop_claimed(job, source, &similar, &trouble))
			ok = pythia_error_move(error, &trouble);
		else if (similar != NULL)
		{
			pythia_error_reset(error);
			ok = pythia_describe(job->target, similar, target, error);
		}
		else if (job->config->create_target)
		{
			pythia_error_reset(error);
			*missing = true;
			ok = true;
		}
		else
			pythia_error_hint(error,
							  "Create it, or let a sync do so; table_map names a table that is called otherwise.");
		pythia_error_reset(&trouble);
	}
	if (ok && !*missing && mapped == NULL && similar == NULL)
		ok = check_claim(job, source, target, error);
	pythia_free(similar);
	pythia_buffer_free(&name);
	return ok;
}

/* A text that two sessions share only where they are in one database of one running server. */
static bool database_identity(pythia_db *db, char **identity, pythia_error *error)
{
	const char *sql = db->engine == PYTHIA_POSTGRESQL
						  ? "SELECT pg_catalog.concat_ws(' ', pg_catalog.to_char(pg_catalog.pg_postmaster_start_time()"
							" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), pg_catalog.current_setting('port'), "
							"d.oid) FROM pg_catalog.pg_database d"
							" WHERE d.datname = pg_catalog.current_database()"
						  : "SELECT CONCAT_WS(' ', @@hostname, @@port, @@datadir)";

	if (db->engine == PYTHIA_SQLITE)
		return pythia_sqlite_file(db, identity, error);
	return pythia_db_text(db, sql, identity, error);
}

bool pythia_target_is_source(const pythia_sync_job *job, const pythia_table *source, const pythia_table *target,
							 bool *same, pythia_error *error)
{
	char *one = NULL;
	char *other = NULL;
	bool ok;

	*same = false;
	if (job->source->engine != job->target->engine || strcmp(source->schema, target->schema) != 0 ||
		strcmp(source->name, target->name) != 0)
		return true;
	*same = job->source->local && job->target->local;
	if (*same)
		return true;
	ok = database_identity(job->source, &one, error) && database_identity(job->target, &other, error);
	*same = ok && one != NULL && other != NULL && strcmp(one, other) == 0;
	pythia_free(one);
	pythia_free(other);
	return ok;
}

/* --- several tables --------------------------------------------------------- */

typedef struct candidate
{
	const char *name; /* as given */
	char *likeness;   /* equal for all that could go to one table */
	int position;
	bool twice; /* stands earlier in the list too */
	bool found;
	pythia_table source;
	pythia_table target;
	bool missing;
	char *schema; /* of the target, as described or as it would be created */
	char *table;
} candidate;

/* Names that an engine, or our own search, could take for one another differ in case and underscores only. */
static char *likeness(const char *name)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	for (; *name != '\0'; name++)
	{
		if (*name != '_')
			pythia_buffer_putc(&out, (char) tolower((unsigned char) *name));
	}
	return pythia_buffer_take(&out);
}

/* Of a name without its schema. */
static char *likely_target(const char *name)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;
	char *schema = NULL;
	char *table = NULL;
	char *result;

	result = likeness(pythia_name_parse(name, &schema, &table, &ignored) ? table : name);
	pythia_free(schema);
	pythia_free(table);
	pythia_error_reset(&ignored);
	return result;
}

static int by_likeness(const void *a, const void *b)
{
	const candidate *one = a;
	const candidate *two = b;
	int order = strcmp(one->likeness, two->likeness);

	return order != 0 ? order : one->position - two->position;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static candidate *sort_candidates(const pythia_node *config, char *const *names, int count, char *const *others,
								  int nothers, int *nall)
{
	candidate *all = pythia_calloc((size_t) count + (size_t) nothers + 1, sizeof(candidate));
	char **sorted = pythia_calloc((size_t) count + 1, sizeof(char *));
	pythia_mapping mapping;

	pythia_mapping_read(config, &mapping);
	for (int i = 0; i < count; i++)
		sorted[i] = names[i];
	qsort(sorted, (size_t) count, sizeof(char *), by_text);
	*nall = 0;
	for (int i = 0; i < count + nothers; i++)
	{
		candidate *c = &all[*nall];

		if (i >= count && bsearch(&others[i - count], sorted, (size_t) count, sizeof(char *), by_text) != NULL)
			continue;
		c->name = i < count ? names[i] : others[i - count];
		c->position = (*nall)++;
		c->likeness = likely_target(pythia_mapping_target(&mapping, c->name));
	}
	pythia_mapping_free(&mapping);
	pythia_free(sorted);
	qsort(all, (size_t) *nall, sizeof(candidate), by_likeness);
	return all;
}

static void free_candidates(candidate *all, int count)
{
	for (int i = 0; i < count; i++)
	{
		pythia_free(all[i].likeness);
		pythia_free(all[i].schema);
		pythia_free(all[i].table);
		pythia_table_free(&all[i].source);
		pythia_table_free(&all[i].target);
	}
	pythia_free(all);
}

static bool any_alike(const candidate *all, int count)
{
	for (int i = 1; i < count; i++)
	{
		if (strcmp(all[i - 1].likeness, all[i].likeness) == 0)
			return true;
	}
	return false;
}

bool pythia_tables_alike(const pythia_node *config, char *const *names, int count, char *const *others, int nothers)
{
	int nall;
	candidate *all = sort_candidates(config, names, count, others, nothers, &nall);
	bool alike = any_alike(all, nall);

	free_candidates(all, nall);
	return alike;
}

static bool folds_case(pythia_db *target, bool *folds, pythia_error *error)
{
	int64_t folding;

	*folds = target->engine == PYTHIA_SQLITE;
	if (target->engine != PYTHIA_MYSQL)
		return true;
	if (!pythia_db_number(target, "SELECT @@lower_case_table_names", &folding, error))
		return false;
	*folds = folding != 0;
	return true;
}

/* What the run of this table alone would say of unknown names, it shall say itself. */
static bool leave_to_its_run(const pythia_db *db, pythia_error *error)
{
	if (db->broken || error->error_class != PYTHIA_E_USAGE)
		return false;
	pythia_error_reset(error);
	return true;
}

static bool look_at_source(pythia_db *source, candidate *c, pythia_error *error)
{
	c->found = pythia_describe(source, c->name, &c->source, error);
	return c->found || leave_to_its_run(source, error);
}

static bool look_at_target(pythia_db *source, pythia_db *target, const pythia_node *config, candidate *c,
						   pythia_error *error)
{
	pythia_sync_config settings;
	pythia_sync_job job = {.source = source, .target = target, .table = c->name, .config = &settings};

	if (!pythia_sync_config_read(config, NULL, c->name, &settings, error))
		return false;
	if (!pythia_target_find(&job, &c->source, &c->target, &c->missing, &c->schema, &c->table, error))
	{
		c->found = false;
		/* 42712: another table of the source has a claim to that name */
		return strcmp(error->sqlstate, "42712") != 0 && leave_to_its_run(target, error);
	}
	if (!c->missing)
	{
		pythia_free(c->schema);
		pythia_free(c->table);
		c->schema = pythia_strdup(c->target.schema);
		c->table = pythia_strdup(c->target.name);
	}
	else if (c->schema == NULL)
		c->schema = pythia_strdup(target->default_schema);
	return true;
}

static bool same_text(const char *a, const char *b, bool fold)
{
	return pythia_same_text(a, b) || (fold && a != NULL && b != NULL && strcasecmp(a, b) == 0);
}

static bool same_source(const candidate *a, const candidate *b)
{
	return strcmp(a->source.schema, b->source.schema) == 0 && strcmp(a->source.name, b->source.name) == 0;
}

static bool same_target(const candidate *a, const candidate *b, bool fold)
{
	if (!same_text(a->schema, b->schema, fold))
		return false;
	if (same_text(a->table, b->table, fold))
		return true;
	/* the table made first would be found for the other one, whose own schema knows no other of that likeness */
	return (a->missing || b->missing) && strcmp(a->source.schema, b->source.schema) != 0 &&
		   pythia_same_convention(a->table, b->table);
}

/* The table's name as a message shows it. */
static char *shown(const pythia_db *source, const pythia_table *table)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	if (source->default_schema == NULL || strcmp(table->schema, source->default_schema) != 0)
		pythia_buffer_printf(&out, "%s.", table->schema);
	pythia_buffer_puts(&out, table->name);
	return pythia_buffer_take(&out);
}

static bool clash(const pythia_db *source, const candidate *one, const candidate *other, pythia_error *error)
{
	char *a = shown(source, &one->source);
	char *b = shown(source, &other->source);

	both_go_there(a, b, one->table, error);
	pythia_free(a);
	pythia_free(b);
	return false;
}

/* Candidates of one likeness. */
static bool check_group(pythia_db *source, pythia_db *target, const pythia_node *config, candidate *group, int count,
						pythia_error *error)
{
	bool fold;

	if (!folds_case(target, &fold, error))
		return false;
	for (int i = 0; i < count; i++)
	{
		if (!look_at_source(source, &group[i], error))
			return false;
		for (int j = 0; j < i && group[i].found && !group[i].twice; j++)
			group[i].twice = group[j].found && same_source(&group[j], &group[i]);
	}
	for (int i = 0; i < count; i++)
	{
		if (!group[i].found || group[i].twice)
			continue;
		if (!look_at_target(source, target, config, &group[i], error))
			return false;
		for (int j = 0; j < i && group[i].found; j++)
		{
			if (group[j].found && !group[j].twice && same_target(&group[j], &group[i], fold))
				return clash(source, &group[j], &group[i], error);
		}
	}
	return true;
}

static void take_out(const candidate *all, int nall, const pythia_db *source, char **names, int *count)
{
	bool *twice = pythia_calloc((size_t) nall + 1, sizeof(bool));
	int kept = 0;

	for (int i = 0; i < nall; i++)
		twice[all[i].position] = all[i].twice;
	for (int i = 0; i < *count; i++)
	{
		if (!twice[i])
			names[kept++] = names[i];
		else
		{
			pythia_host_log(source->host, PYTHIA_LOG_NOTICE, "table \"%s\" is named twice: it is synchronised once",
							names[i]);
			pythia_free(names[i]);
		}
	}
	*count = kept;
	pythia_free(twice);
}

bool pythia_tables_check(pythia_db *source, pythia_db *target, const pythia_node *config, char **names, int *count,
						 char *const *others, int nothers, pythia_error *error)
{
	int nall;
	candidate *all = sort_candidates(config, names, *count, others, nothers, &nall);
	bool ok = true;

	for (int i = 0; ok && i < nall;)
	{
		int end = i + 1;

		while (end < nall && strcmp(all[i].likeness, all[end].likeness) == 0)
			end++;
		ok = end == i + 1 || check_group(source, target, config, &all[i], end - i, error);
		i = end;
	}
	if (ok)
		take_out(all, nall, source, names, count);
	free_candidates(all, nall);
	return ok;
}
