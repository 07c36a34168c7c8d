/* sync_config: every key read, checked, and looked up where an override comes first. */
#include <string.h>

#include "core/buffer.h"
#include "core/memory.h"
#include "core/suggest.h"
#include "dialect/dialect.h"
#include "dialect/table_names.h"
#include "sync/sync.h"

const char *const pythia_sync_option_names[] = {"batch_size",
												"mode",
												"conflict_resolution",
												"timestamp_column",
												"truncate_target",
												"create_target",
												"new_columns",
												"deletes",
												"search_path",
												"soft_delete_column",
												"columns",
												"exclude_columns",
												"where",
												"target_where",
												"table_map",
												"column_map",
												"type_map",
												"default_map",
												"expressions",
												"masks",
												"key",
												"parallel",
												"max_bytes_per_second",
												"lookback",
												"dry_run",
												"on_bad_row",
												"zero_date",
												"infinity",
												"nan",
												"nul_byte",
												"bad_utf8",
												"out_of_range",
												"validate",
												"validate_every",
												"tables",
												NULL};

static const char *const modes[] = {"incremental", "full", "live", NULL};
static const char *const conflicts[] = {"source_wins", "target_wins", "newest_wins", "oldest_wins",
										"error",       "skip",        NULL};
static const char *const deletes[] = {"ignore", "hard", "soft", NULL};
static const char *const new_columns[] = {"add", "ignore", "error", NULL};
static const char *const bad_rows[] = {"error", "quarantine", NULL};
static const char *const policies[] = {"error", "null", "clamp", "replace", "quarantine", NULL};

static const char usual_soft_column[] = "deleted_at";

static void set_defaults(pythia_sync_config *config)
{
	memset(config, 0, sizeof(*config));
	config->batch_size = 1000;
	config->mode = PYTHIA_SYNC_INCREMENTAL;
	config->conflict = PYTHIA_CONFLICT_SOURCE_WINS;
	config->timestamp_column = "updated_at";
	config->create_target = true;
	config->new_columns = PYTHIA_NEW_COLUMNS_ADD;
	config->deletes = PYTHIA_DELETES_IGNORE;
	config->soft_delete_column = usual_soft_column;
	config->parallel = 0;
	config->lookback = -1;
}

bool pythia_sync_read_conflict(const pythia_node *tree, pythia_sync_config *config, pythia_error *error)
{
	const char *word = NULL;

	if (!pythia_node_text(tree, "conflict_resolution", &word, error))
		return false;
	if (word == NULL)
		return true;
	for (int i = 0; conflicts[i] != NULL; i++)
	{
		if (strcmp(word, conflicts[i]) == 0)
		{
			config->conflict = (pythia_conflict) i;
			config->conflict_function = NULL;
			return true;
		}
	}
	if (word[0] == '\0')
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"conflict_resolution\": \"\"");
		return pythia_error_hint(error, "It takes source_wins, target_wins, newest_wins, oldest_wins, error, skip, "
										"or the name of a function.");
	}
	config->conflict = PYTHIA_CONFLICT_FUNCTION;
	config->conflict_function = word;
	return true;
}

static bool read_choice(const pythia_node *tree, const char *name, const char *const *choices, int *value,
						pythia_error *error)
{
	return pythia_node_choice(tree, name, choices, value, error);
}

static bool named_once(const pythia_node *names, const char *option, pythia_error *error)
{
	const char *twice = pythia_node_twice(names);

	if (twice == NULL)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"%s\" names column \"%s\" twice", option, twice);
	return pythia_error_hint(error, "Name each column of the key once.");
}

static bool read_policies(const pythia_node *tree, pythia_policies *out, pythia_error *error)
{
	const struct
	{
		const char *name;
		pythia_policy *policy;
	} list[] = {{"zero_date", &out->zero_date}, {"infinity", &out->infinity}, {"nan", &out->nan},
				{"nul_byte", &out->nul_byte},   {"bad_utf8", &out->bad_utf8}, {"out_of_range", &out->out_of_range}};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
	{
		int value = (int) *list[i].policy;

		if (!read_choice(tree, list[i].name, policies, &value, error))
			return false;
		*list[i].policy = (pythia_policy) value;
	}
	return true;
}

/* A list of names, or one name. */
static bool read_names(const pythia_node *tree, const char *name, const pythia_node **value, pythia_error *error)
{
	const pythia_node *node = pythia_node_get(tree, name);

	if (node == NULL || node->type == PYTHIA_NODE_NULL)
		return true;
	/* no column at all is no list of columns to carry */
	if ((node->type == PYTHIA_NODE_STRING && node->text[0] != '\0') ||
		(pythia_node_texts(node) && (pythia_node_items(node) != NULL || strcmp(name, "columns") != 0)))
	{
		*value = node;
		return true;
	}
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"%s\"", name);
	return pythia_error_hint(error, "It takes a list of column names.");
}

/* An object of texts: name here to name there. */
static bool read_map(const pythia_node *tree, const char *name, const pythia_node **value, pythia_error *error)
{
	const pythia_node *node = pythia_node_get(tree, name);
	bool texts = true;

	if (node == NULL || node->type == PYTHIA_NODE_NULL)
		return true;
	for (const pythia_node *child = pythia_node_members(node); child != NULL; child = child->next)
		texts = texts && child->type == PYTHIA_NODE_STRING && child->text[0] != '\0';
	if (node->type == PYTHIA_NODE_OBJECT && texts)
	{
		*value = node;
		return true;
	}
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"%s\"", name);
	return pythia_error_hint(error, "It takes an object that gives, for each name in the source, the one in the "
									"target.");
}

/* An object whose members `good` takes. */
static bool read_object(const pythia_node *tree, const char *name, bool (*good)(const pythia_node *), const char *hint,
						const pythia_node **value, pythia_error *error)
{
	const pythia_node *node = pythia_node_get(tree, name);
	bool all = true;

	if (node == NULL || node->type == PYTHIA_NODE_NULL)
		return true;
	for (const pythia_node *child = pythia_node_members(node); child != NULL; child = child->next)
		all = all && good(child);
	if (node->type == PYTHIA_NODE_OBJECT && all)
	{
		*value = node;
		return true;
	}
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"%s\"", name);
	return pythia_error_hint(error, "%s", hint);
}

static bool is_text(const pythia_node *node)
{
	return node != NULL && node->type == PYTHIA_NODE_STRING && node->text[0] != '\0';
}

static bool is_default(const pythia_node *node)
{
	return node->type == PYTHIA_NODE_NULL || node->type == PYTHIA_NODE_STRING || node->type == PYTHIA_NODE_NUMBER ||
		   node->type == PYTHIA_NODE_BOOL;
}

static bool has_only(const pythia_node *object, const char *first, const char *second)
{
	for (const pythia_node *child = pythia_node_members(object); child != NULL; child = child->next)
		if (strcmp(child->name, first) != 0 && (second == NULL || strcmp(child->name, second) != 0))
			return false;
	return true;
}

static bool is_expression(const pythia_node *node)
{
	return is_text(node) || (node->type == PYTHIA_NODE_OBJECT && has_only(node, "expression", "type") &&
							 is_text(pythia_node_get(node, "expression")) &&
							 (pythia_node_get(node, "type") == NULL || is_text(pythia_node_get(node, "type"))));
}

static bool is_mask(const pythia_node *node)
{
	const pythia_node *constant = pythia_node_get(node, "constant");

	if (node->type == PYTHIA_NODE_STRING)
		return strcmp(node->text, "hash") == 0 || strcmp(node->text, "partial") == 0 ||
			   strcmp(node->text, "null") == 0 || strcmp(node->text, "none") == 0;
	return node->type == PYTHIA_NODE_OBJECT && has_only(node, "constant", NULL) && constant != NULL &&
		   (constant->type == PYTHIA_NODE_STRING || constant->type == PYTHIA_NODE_NUMBER);
}

/* A general mask holds for a table that has masks of its own, too: what is forgotten there would leave its database. */
static bool read_levels(const pythia_node *tree, const char *name, bool (*good)(const pythia_node *), const char *hint,
						const pythia_node **levels, pythia_error *error)
{
	int n = 0;

	while (n < PYTHIA_CONFIG_LEVELS - 1 && levels[n] != NULL)
		n++;
	return read_object(tree, name, good, hint, &levels[n], error);
}

/* What becomes of types and values on the way. */
static bool read_values(const pythia_node *tree, pythia_sync_config *config, pythia_error *error)
{
	return read_object(tree, "type_map", is_text,
					   "It takes an object that gives, for each type or column of the source, a type of the target.",
					   &config->type_map, error) &&
		   read_object(tree, "default_map", is_default,
					   "It takes an object that gives, for each column, its default in the target; null for none.",
					   &config->default_map, error) &&
		   read_levels(
			   tree, "expressions", is_expression,
			   "It takes an object that gives, for each column, an expression of the source, or {\"expression\":"
			   " …, \"type\": …} for a new one.",
			   config->expressions, error) &&
		   read_levels(tree, "masks", is_mask,
					   "It takes an object that gives, for each column, \"hash\", \"partial\", \"null\","
					   " {\"constant\": …}, or \"none\".",
					   config->masks, error);
}

static bool read_validate(const pythia_node *tree, pythia_sync_config *config, pythia_error *error)
{
	const pythia_node *node = pythia_node_get(tree, "validate");
	bool wanted = false;

	if (!pythia_node_seconds(tree, "validate_every", &config->validate_every, error))
		return false;
	if (node == NULL || node->type == PYTHIA_NODE_NULL)
		return true;
	if (node->type == PYTHIA_NODE_OBJECT)
	{
		config->validate = node;
		return true;
	}
	if (!pythia_node_bool(tree, "validate", &wanted, error))
		return false;
	config->validate = wanted ? node : NULL;
	return true;
}

/* A text that says something: an empty condition is a variable that was not set more often than the wish for all. */
static bool read_text(const pythia_node *tree, const char *name, const char *hint, const char **value,
					  pythia_error *error)
{
	const char *text = NULL;

	if (!pythia_node_text(tree, name, &text, error))
		return false;
	if (text == NULL)
		return true;
	if (text[strspn(text, " \t\r\n")] == '\0')
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"%s\" is empty", name);
		return pythia_error_hint(error, "%s", hint);
	}
	*value = text;
	return true;
}

static bool read_texts(const pythia_node *tree, pythia_sync_config *config, pythia_error *error)
{
	static const char column[] = "Name a column, or leave the option out for the usual one.";
	const char *stamp = NULL;

	if (!read_text(tree, "timestamp_column", column, &stamp, error) ||
		!read_text(tree, "soft_delete_column", column, &config->soft_delete_column, error) ||
		!read_text(tree, "where", "Leave it out to take all rows.", &config->where, error) ||
		!read_text(tree, "target_where", "Leave it out to take the condition of \"where\".", &config->target_where,
				   error))
		return false;
	if (stamp != NULL)
	{
		config->timestamp_column = stamp;
		config->timestamp_given = true;
	}
	return true;
}

/* Live sync reads tables by a sync_config of its own making (live/options.h): who says so here wants one table's run. */
static bool is_no_live(const pythia_node *tree, pythia_error *error)
{
	static const char *const words[] = {"on_schema_change", "interval"};
	int mode = PYTHIA_SYNC_INCREMENTAL;

	if (!read_choice(tree, "mode", modes, &mode, error))
		return false;
	if (mode > PYTHIA_SYNC_FULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "0A000", "mode \"live\" follows the source, and is no single run");
		return pythia_error_hint(error, "Start it as a worker of PostgreSQL with pythia.start_sync, or with pythia"
										" sync --mode live.");
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (pythia_node_get(tree, words[i]) != NULL)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"%s\" goes with mode \"live\"", words[i]);
			return pythia_error_hint(error, "Set \"mode\" to \"live\" for all tables, or leave the option out.");
		}
	return true;
}

/* One level of options over what `config` holds already. */
static bool read_level(const pythia_node *tree, bool top, pythia_sync_config *config, pythia_error *error)
{
	int mode = (int) config->mode;
	int gone = (int) config->deletes;
	int grown = (int) config->new_columns;
	int bad = config->quarantine;

	if (tree == NULL || tree->type == PYTHIA_NODE_NULL)
		return true;
	if (tree->type != PYTHIA_NODE_OBJECT)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "sync_config must be an object");
		return pythia_error_hint(error, "Write {\"mode\": \"full\"}, for example.");
	}
	if (!is_no_live(tree, error) || !pythia_node_only(tree, pythia_sync_option_names, "sync_config option", error))
		return false;
	if (!top && pythia_node_get(tree, "tables") != NULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"tables\" cannot be given for one table");
		return pythia_error_hint(error, "Put it at the top of sync_config.");
	}
	if (!pythia_node_int(tree, "batch_size", 1, 10000000, &config->batch_size, error) ||
		!read_choice(tree, "mode", modes, &mode, error) || !pythia_sync_read_conflict(tree, config, error) ||
		!pythia_node_bool(tree, "truncate_target", &config->truncate_target, error) ||
		!pythia_node_bool(tree, "create_target", &config->create_target, error) ||
		!read_choice(tree, "new_columns", new_columns, &grown, error) ||
		!read_choice(tree, "deletes", deletes, &gone, error) || !read_texts(tree, config, error) ||
		!read_names(tree, "columns", &config->columns, error) ||
		!read_names(tree, "exclude_columns", &config->exclude_columns, error) ||
		!read_names(tree, "key", &config->key, error) || !named_once(config->key, "key", error) ||
		!read_names(tree, "search_path", &config->search_path, error) ||
		!read_map(tree, "table_map", &config->table_map, error) ||
		!read_map(tree, "column_map", &config->column_map, error) || !read_values(tree, config, error) ||
		!pythia_node_int(tree, "parallel", 1, 64, &config->parallel, error) ||
		!pythia_node_int(tree, "max_bytes_per_second", 0, INT64_MAX, &config->max_bytes_per_second, error) ||
		!pythia_node_seconds(tree, "lookback", &config->lookback, error) ||
		!pythia_node_bool(tree, "dry_run", &config->dry_run, error) ||
		!read_choice(tree, "on_bad_row", bad_rows, &bad, error) || !read_validate(tree, config, error) ||
		!read_policies(tree, &config->policies, error))
		return false;
	config->mode = (pythia_sync_mode) mode;
	config->deletes = (pythia_deletes) gone;
	config->new_columns = (pythia_new_columns) grown;
	config->quarantine = bad != 0;
	return true;
}

/* --- names of tables --------------------------------------------------------- */

static bool unknown_table(const char *option, const char *name, char *const *tables, int count, pythia_error *error)
{
	const char *close = pythia_suggest(name, (const char *const *) tables, count);

	pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"%s\" names table \"%s\", which is not synchronised", option,
				name);
	if (close != NULL)
		return pythia_error_hint(error, "Perhaps you meant \"%s\".", close);
	return pythia_error_hint(error, "Name one of the tables that are synchronised, as it is called in the source.");
}

/* Options of one table map no other one. */
static bool names_only(const pythia_node *level, const char *table, pythia_error *error)
{
	const pythia_node *map = pythia_node_get(level, "table_map");
	char *tables[] = {(char *) table};

	for (const pythia_node *node = pythia_node_members(map); node != NULL; node = node->next)
	{
		if (!pythia_same_table_name(node->name, table))
			return unknown_table("table_map", node->name, tables, 1, error);
	}
	return true;
}

/* *exists: the source has that table, or cannot tell. */
static bool exists_in(pythia_db *source, const char *name, bool *exists, pythia_error *error)
{
	pythia_table table;

	*exists = pythia_describe(source, name, &table, error);
	if (*exists)
		pythia_table_free(&table);
	else if (source->broken || error->error_class != PYTHIA_E_USAGE)
		return false;
	pythia_error_reset(error);
	return true;
}

/* What is no object is told by pythia_sync_config_read. */
static bool check_option(const pythia_node *tree, const char *option, pythia_table_names *known, char *const *tables,
						 int count, pythia_db *source, pythia_error *error)
{
	for (const pythia_node *node = pythia_node_members(pythia_node_get(tree, option)); node != NULL; node = node->next)
	{
		bool there = pythia_table_names_find(known, node->name, NULL);

		if (!there && source != NULL && !exists_in(source, node->name, &there, error))
			return false;
		if (!there)
			return unknown_table(option, node->name, tables, count, error);
	}
	return true;
}

bool pythia_sync_config_names(const pythia_node *tree, char *const *tables, int count, pythia_db *source,
							  pythia_error *error)
{
	pythia_table_names known = {0};
	bool any = false;
	bool ok;

	for (int i = 0; i < count; i++)
	{
		/* what such a schema holds is known when it is listed */
		any = any || pythia_name_is_pattern(tables[i]);
		pythia_table_names_add(&known, tables[i], NULL);
	}
	ok = any || (check_option(tree, "tables", &known, tables, count, source, error) &&
				 check_option(tree, "table_map", &known, tables, count, source, error));
	pythia_table_names_free(&known);
	return ok;
}

/* Checks every table's overrides, and applies those of `table`. */
static bool read_tables(const pythia_node *tree, const char *table, pythia_sync_config *config, pythia_error *error)
{
	const pythia_node *tables = pythia_node_get(tree, "tables");

	if (tables == NULL || tables->type == PYTHIA_NODE_NULL)
		return true;
	if (tables->type != PYTHIA_NODE_OBJECT)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"tables\"");
		return pythia_error_hint(error, "It takes an object that gives, for each table, its own options.");
	}
	for (const pythia_node *child = pythia_node_members(tables); child != NULL; child = child->next)
	{
		pythia_sync_config scratch = *config;
		bool wanted = table != NULL && pythia_same_table_name(child->name, table);

		if (!read_level(child, false, wanted ? config : &scratch, error) || !names_only(child, child->name, error))
			return pythia_error_context(error, "options of table \"%s\"", child->name);
	}
	return true;
}

bool pythia_sync_config_read(const pythia_node *tree, const pythia_node *overrides, const char *table,
							 pythia_sync_config *config, pythia_error *error)
{
	set_defaults(config);
	if (!read_level(tree, true, config, error) || !read_tables(tree, table, config, error) ||
		!read_level(overrides, false, config, error) || (table != NULL && !names_only(overrides, table, error)))
		return false;
	/* of the tree as a whole a table's own options may say otherwise */
	if (!config->truncate_target || (table == NULL && pythia_node_get(tree, "tables") != NULL))
		return true;
	if (config->mode != PYTHIA_SYNC_FULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"truncate_target\" goes with mode \"full\"");
		return pythia_error_hint(error, "Set \"mode\" to \"full\"; an incremental run adds to what the target holds.");
	}
	if (config->deletes == PYTHIA_DELETES_SOFT)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"truncate_target\" does not go with deletes \"soft\"");
		return pythia_error_hint(error,
								 "It would delete the rows that are marked as deleted: leave one of the two out.");
	}
	return true;
}

/* Options beside others with which they have no effect, whoever gave them. */
static void find_idle(const pythia_sync_config *config, pythia_option_idle tell, void *context)
{
	if (config->truncate_target && config->conflict != PYTHIA_CONFLICT_SOURCE_WINS)
		tell(context, "conflict_resolution", "all rows of the target are replaced");
	if (config->deletes != PYTHIA_DELETES_SOFT && config->soft_delete_column != usual_soft_column)
		tell(context, "soft_delete_column", "rows are not deleted softly");
	if (config->validate == NULL && config->validate_every > 0)
		tell(context, "validate_every", "nothing is validated");
}

typedef struct told_table
{
	const pythia_host *host;
	const char *table;
} told_table;

static void tell_host(void *context, const char *option, const char *why)
{
	const told_table *told = context;

	pythia_host_log(told->host, PYTHIA_LOG_NOTICE, "table \"%s\": option \"%s\" has no effect: %s", told->table, option,
					why);
}

void pythia_sync_config_tell(const pythia_sync_config *config, const pythia_host *host, const char *table)
{
	told_table told = {host, table};

	if (!config->idle_told)
		find_idle(config, tell_host, &told);
}

void pythia_sync_result_free(pythia_sync_result *result)
{
	pythia_free(result->watermark);
	memset(result, 0, sizeof(*result));
}

void pythia_sync_config_idle(const pythia_node *tree, pythia_option_idle tell, void *context)
{
	pythia_sync_config config;
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (pythia_sync_config_read(tree, NULL, NULL, &config, &ignored))
	{
		if (config.mode == PYTHIA_SYNC_FULL && pythia_node_get(tree, "lookback"))
			tell(context, "lookback", "a full run reads every row");
		if (pythia_sync_config_one(tree))
			find_idle(&config, tell, context);
	}
	pythia_error_reset(&ignored);
}

bool pythia_sync_config_one(const pythia_node *tree)
{
	return pythia_node_get(tree, "tables") == NULL;
}

bool pythia_sync_config_endpoints(const pythia_node *tree, const char *source, const char *target, pythia_error *error)
{
	if (strcmp(source, target) != 0 || pythia_node_get(tree, "table_map") || pythia_node_get(tree, "tables"))
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023",
				strcmp(source, "local") == 0 ? "source and target are both this database"
											 : "source and target are the same database");
	return pythia_error_hint(error, "Give another one for one of them, or a table_map to other tables.");
}
