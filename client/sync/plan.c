/* Which table, which columns, which key: read from both databases and paired. */
#include "sync/plan.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "dialect/tokens.h"
#include "core/suggest.h"
#include "sync/create/create.h"
#include "sync/expressions.h"
#include "sync/soft.h"
#include "sync/target.h"

int pythia_pair_of_target(const pythia_plan *plan, int column)
{
	for (int i = 0; i < plan->npairs; i++)
	{
		if (plan->pairs[i].target == column)
			return i;
	}
	return -1;
}

/* The column that a user's word names: exactly, in other case, or in another convention. */
static int find_column(const pythia_table *table, const char *name)
{
	int found = -1;

	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return i;
	}
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcasecmp(table->columns[i].name, name) == 0)
			return i;
	}
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (pythia_same_convention(table->columns[i].name, name))
		{
			if (found >= 0)
				return -1;
			found = i;
		}
	}
	return found;
}

static bool unknown_column(const pythia_table *table, const char *name, const char *option, pythia_error *error)
{
	const char **names = pythia_calloc((size_t) table->ncolumns + 1, sizeof(char *));
	const char *close;

	for (int i = 0; i < table->ncolumns; i++)
		names[i] = table->columns[i].name;
	close = pythia_suggest(name, names, table->ncolumns);
	pythia_fail(error, PYTHIA_E_USAGE, "42703", "column \"%s\" of table \"%s\" does not exist", name, table->name);
	if (option != NULL)
		pythia_error_detail(error, "Option \"%s\" names it.", option);
	if (close != NULL)
		pythia_error_hint(error, "Perhaps you meant \"%s\".", close);
	else
		pythia_error_hint(error, "Name a column of the table.");
	pythia_free(names);
	return false;
}

/* A list option may be one name or a list of them. */
static const pythia_node *first_name(const pythia_node *node)
{
	if (node == NULL)
		return NULL;
	return node->type == PYTHIA_NODE_ARRAY ? pythia_node_items(node) : node;
}

static const pythia_node *next_name(const pythia_node *list, const pythia_node *node)
{
	return list->type == PYTHIA_NODE_ARRAY ? node->next : NULL;
}

static bool mark_columns(const pythia_table *table, const pythia_node *list, const char *option, bool value,
						 bool *marks, pythia_error *error)
{
	for (const pythia_node *node = first_name(list); node != NULL; node = next_name(list, node))
	{
		int column = find_column(table, node->text);

		if (column < 0)
			return unknown_column(table, node->text, option, error);
		marks[column] = value;
	}
	return true;
}

/* Which source columns are to be copied. */
static bool wanted_columns(const pythia_sync_config *config, const pythia_table *source, bool *wanted,
						   pythia_error *error)
{
	for (int i = 0; i < source->ncolumns; i++)
		wanted[i] = config->columns == NULL;
	if (!mark_columns(source, config->columns, "columns", true, wanted, error) ||
		!mark_columns(source, config->exclude_columns, "exclude_columns", false, wanted, error))
		return false;
	for (int i = 0; i < source->ncolumns; i++)
		wanted[i] = wanted[i] && !source->columns[i].generated;
	return true;
}

const pythia_index *pythia_plan_key_index(const pythia_table *table)
{
	const pythia_index *best = NULL;

	for (int i = 0; i < table->nindexes; i++)
	{
		const pythia_index *index = &table->indexes[i];
		bool whole = index->unique;

		for (int k = 0; k < index->ncolumns; k++)
			whole =
				whole && !table->columns[index->columns[k]].nullable && !table->columns[index->columns[k]].generated;
		if (whole && (best == NULL || index->ncolumns < best->ncolumns))
			best = index;
	}
	return best;
}

static bool no_key(const pythia_table *source, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "42P16", "table \"%s\" has no primary key", source->name);
	pythia_error_detail(error, "Neither has it a unique index over columns that are NOT NULL.");
	for (int i = 0; i < source->nindexes; i++)
	{
		if (source->indexes[i].unique)
			return pythia_error_hint(error,
									 "Name the columns that identify a row in option \"key\": index \"%s\" has "
									 "a unique set of them, beginning with \"%s\".",
									 source->indexes[i].name, source->columns[source->indexes[i].columns[0]].name);
	}
	return pythia_error_hint(error, "Name the columns that identify a row in option \"key\", or have the table replaced"
									" as a whole: set \"mode\" to full, with truncate_target.");
}

/* *nkey is 0 where rows need not be told apart. */
static bool find_key(const pythia_sync_config *config, const pythia_table *source, int **key, int *nkey,
					 pythia_error *error)
{
	const pythia_index *index;

	*key = pythia_calloc((size_t) source->ncolumns + 1, sizeof(int));
	*nkey = 0;
	for (const pythia_node *node = first_name(config->key); node != NULL; node = next_name(config->key, node))
	{
		int column = find_column(source, node->text);

		if (column < 0)
			return unknown_column(source, node->text, "key", error);
		for (int i = 0; i < *nkey; i++)
		{
			if ((*key)[i] != column)
				continue;
			pythia_fail(error, PYTHIA_E_USAGE, "42701", "option \"key\" names column \"%s\" twice",
						source->columns[column].name);
			return pythia_error_hint(error, "Name each column of the key once.");
		}
		(*key)[(*nkey)++] = column;
	}
	if (*nkey > 0)
		return true;
	for (int i = 0; i < source->nkey; i++)
		(*key)[(*nkey)++] = source->key[i];
	if (*nkey > 0)
		return true;
	index = pythia_plan_key_index(source);
	for (int i = 0; index != NULL && i < index->ncolumns; i++)
		(*key)[(*nkey)++] = index->columns[i];
	if (*nkey > 0 || (config->truncate_target && config->mode == PYTHIA_SYNC_FULL))
		return true;
	return no_key(source, error);
}

/* The target's name of a source column, as column_map says; else its own. */
static const char *mapped_name(const pythia_sync_config *config, const pythia_table *source, int column)
{
	for (const pythia_node *node = pythia_node_members(config->column_map); node != NULL; node = node->next)
	{
		if (find_column(source, node->name) == column)
			return node->text;
	}
	return source->columns[column].name;
}

static bool check_column_map(const pythia_sync_config *config, const pythia_table *source, pythia_error *error)
{
	for (const pythia_node *node = pythia_node_members(config->column_map); node != NULL; node = node->next)
	{
		if (find_column(source, node->name) < 0)
			return unknown_column(source, node->name, "column_map", error);
	}
	return true;
}

/* --- pairing --------------------------------------------------------------- */

static bool careful(const pythia_sync_config *config)
{
	const pythia_policies *p = &config->policies;

	return config->quarantine || p->zero_date != PYTHIA_POLICY_ERROR || p->infinity != PYTHIA_POLICY_ERROR ||
		   p->nan != PYTHIA_POLICY_ERROR || p->nul_byte != PYTHIA_POLICY_ERROR || p->bad_utf8 != PYTHIA_POLICY_ERROR ||
		   p->out_of_range != PYTHIA_POLICY_ERROR;
}

static bool add_pair(const pythia_sync_job *job, pythia_plan *plan, int source, pythia_error *error)
{
	const char *name = mapped_name(job->config, &plan->source, source);
	int target = find_column(&plan->target, name);
	pythia_pair *pair;
	int other;

	if (target < 0)
	{
		if (strcmp(name, plan->source.columns[source].name) != 0)
			return unknown_column(&plan->target, name, "column_map", error);
		plan->unmatched[plan->nunmatched++] = source;
		return true;
	}
	if (plan->target.columns[target].generated && plan->source.columns[source].expression != NULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "0A000",
					"column \"%s\" cannot be computed or masked: the target computes its \"%s\"",
					plan->source.columns[source].name, plan->target.columns[target].name);
		return pythia_error_hint(error,
								 "Make it an ordinary column there, or leave it out of \"expressions\" and \"masks\".");
	}
	if (plan->target.columns[target].generated)
		return true;
	other = pythia_pair_of_target(plan, target);
	if (other >= 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42701", "columns \"%s\" and \"%s\" both go to column \"%s\"",
					pythia_pair_source(plan, other)->name, plan->source.columns[source].name,
					plan->target.columns[target].name);
		return pythia_error_hint(error, "Tell them apart in column_map, or leave one out by exclude_columns.");
	}
	pair = &plan->pairs[plan->npairs++];
	pair->source = source;
	pair->target = target;
	pythia_pair_look(plan, pair, job->source->engine, job->target->engine);
	pythia_transform_init(&pair->transform, &pythia_pair_source(plan, plan->npairs - 1)->type, job->source->engine,
						  &pythia_pair_target(plan, plan->npairs - 1)->type, job->target->engine,
						  &job->config->policies, careful(job->config));
	pythia_transform_target(&pair->transform, job->target);
	pair->transform.notnull = !plan->target.columns[target].nullable;
	plan->transforms = plan->transforms || pythia_transform_needed(&pair->transform);
	return true;
}

static int pair_of_source(const pythia_plan *plan, int source)
{
	for (int i = 0; i < plan->npairs; i++)
	{
		if (plan->pairs[i].source == source)
			return i;
	}
	return -1;
}

static bool pair_key(pythia_plan *plan, pythia_engine source, const int *key, int nkey, pythia_error *error)
{
	plan->key = pythia_calloc((size_t) nkey + 1, sizeof(int));
	for (int i = 0; i < nkey; i++)
	{
		int pair = pair_of_source(plan, key[i]);

		if (pair < 0)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "42703", "key column \"%s\" has no counterpart in target table \"%s\"",
						plan->source.columns[key[i]].name, plan->target.name);
			return pythia_error_hint(error, "Keep key columns in \"columns\", and name their counterparts in "
											"\"column_map\".");
		}
		plan->key[plan->nkey++] = pair;
		plan->null_keys = plan->null_keys || plan->source.columns[key[i]].nullable;
	}
	plan->extra_place = pythia_place_is_extra(plan, source);
	/* rows without a key have to be found, and further fields left out */
	plan->transforms = plan->transforms || plan->null_keys || plan->extra_place;
	return true;
}

static bool find_stamp(const pythia_sync_job *job, pythia_plan *plan, pythia_error *error)
{
	const pythia_sync_config *config = job->config;
	bool needed = config->mode == PYTHIA_SYNC_INCREMENTAL || config->timestamp_given ||
				  config->conflict == PYTHIA_CONFLICT_NEWEST_WINS || config->conflict == PYTHIA_CONFLICT_OLDEST_WINS;
	pythia_kind kind;

	plan->stamp = -1;
	plan->stamp_source = find_column(&plan->source, config->timestamp_column);
	if (plan->stamp_source < 0)
	{
		if (!needed ||
			(config->may_fall_back && !config->timestamp_given && config->conflict != PYTHIA_CONFLICT_NEWEST_WINS &&
			 config->conflict != PYTHIA_CONFLICT_OLDEST_WINS))
			return true;
		pythia_fail(error, PYTHIA_E_USAGE, "42703", "table \"%s\" has no timestamp column \"%s\"", plan->source.name,
					config->timestamp_column);
		return pythia_error_hint(error, "Name one in timestamp_column, or set \"mode\" to \"full\".");
	}
	if (needed && !pythia_expressions_allow(&plan->source.columns[plan->stamp_source], "timestamp column", error))
		return false;
	plan->stamp = pair_of_source(plan, plan->stamp_source);
	kind = plan->source.columns[plan->stamp_source].type.kind;
	if (needed && kind != PYTHIA_KIND_TIMESTAMP && kind != PYTHIA_KIND_TIMESTAMPTZ && kind != PYTHIA_KIND_DATE &&
		kind != PYTHIA_KIND_INT && kind != PYTHIA_KIND_UINT &&
		!(job->source->engine == PYTHIA_SQLITE &&
		  (kind == PYTHIA_KIND_TEXT || kind == PYTHIA_KIND_OTHER || kind == PYTHIA_KIND_DOUBLE ||
		   kind == PYTHIA_KIND_FLOAT || kind == PYTHIA_KIND_DECIMAL)))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42804", "column \"%s\" of table \"%s\" is no timestamp",
					plan->source.columns[plan->stamp_source].name, plan->source.name);
		pythia_error_detail(error, "Its type is %s.",
							pythia_type_shown(&plan->source.columns[plan->stamp_source].type));
		return pythia_error_hint(error,
								 "Take a column of a date, a timestamp or an ever-growing integer, or set \"mode\" "
								 "to \"full\".");
	}
	return true;
}

static bool make_pairs(const pythia_sync_job *job, pythia_plan *plan, const bool *wanted, const int *key, int nkey,
					   pythia_error *error)
{
	plan->pairs = pythia_calloc((size_t) plan->source.ncolumns + 1, sizeof(pythia_pair));
	plan->unmatched = pythia_calloc((size_t) plan->source.ncolumns + 1, sizeof(int));
	for (int i = 0; i < plan->source.ncolumns; i++)
	{
		if (wanted[i] && !add_pair(job, plan, i, error))
			return false;
	}
	return pair_key(plan, job->source->engine, key, nkey, error) && find_stamp(job, plan, error) &&
		   pythia_soft_check(job->target, job->config, plan, error);
}

bool pythia_plan_make(const pythia_sync_job *job, pythia_plan *plan, pythia_error *error)
{
	bool *wanted = NULL;
	int *key = NULL;
	int nkey = 0;
	char *schema = NULL;
	char *name = NULL;
	bool ok;

	memset(plan, 0, sizeof(*plan));
	if (!pythia_condition_check(job->source->engine, "where", job->config->where, error) ||
		!pythia_condition_check(job->target->engine, "target_where", job->config->target_where, error))
		return false;
	plan->where = job->config->where;
	plan->endpoints[0] = pythia_strdup(job->source->place);
	plan->endpoints[1] = pythia_strdup(job->target->place);
	ok = pythia_db_fresh(job->source, error) && pythia_db_fresh(job->target, error) &&
		 pythia_describe(job->source, job->table, &plan->source, error) &&
		 (job->config->columns || pythia_check_columns_seen(job->source, &plan->source, error)) &&
		 pythia_expressions_apply(job, &plan->source, true, error);
	if (ok)
	{
		wanted = pythia_calloc((size_t) plan->source.ncolumns + 1, sizeof(bool));
		ok = wanted_columns(job->config, &plan->source, wanted, error) &&
			 check_column_map(job->config, &plan->source, error) &&
			 find_key(job->config, &plan->source, &key, &nkey, error);
	}
	/* Explicitly listed columns need not name the key: it goes along. */
	for (int i = 0; ok && i < nkey; i++)
	{
		wanted[key[i]] = true;
		ok = pythia_expressions_allow(&plan->source.columns[key[i]], "key", error);
	}
	ok = ok && pythia_target_find(job, &plan->source, &plan->target, &plan->target_missing, &schema, &name, error);
	if (ok && !plan->target_missing)
		ok = job->config->columns || pythia_check_columns_seen(job->target, &plan->target, error);
	if (ok && plan->target_missing)
	{
		const char **names = pythia_calloc((size_t) plan->source.ncolumns + 1, sizeof(char *));

		for (int i = 0; i < plan->source.ncolumns; i++)
			names[i] = wanted[i] ? mapped_name(job->config, &plan->source, i) : NULL;
		ok = pythia_target_design(job, &plan->source, names, key, nkey, schema, name, &plan->target, error);
		pythia_free(names);
	}
	ok = ok && make_pairs(job, plan, wanted, key, nkey, error);
	pythia_free(wanted);
	pythia_free(key);
	pythia_free(schema);
	pythia_free(name);
	if (!ok)
		pythia_plan_free(plan);
	return ok;
}

void pythia_plan_free(pythia_plan *plan)
{
	pythia_table_free(&plan->source);
	pythia_table_free(&plan->target);
	pythia_free(plan->pairs);
	pythia_free(plan->key);
	pythia_free(plan->unmatched);
	pythia_free(plan->endpoints[0]);
	pythia_free(plan->endpoints[1]);
	memset(plan, 0, sizeof(*plan));
}
