/*
 * The tables that are followed, and what the source keeps of them: each a log, and whether it was copied.  A log is written down
 * before it is made, so that none is ever forgotten.
 */
#include <string.h>

#include "core/json.h"
#include "core/list.h"
#include "core/memory.h"
#include "core/stamp.h"
#include "core/text.h"
#include "live/internal.h"
#include "sync/order.h"
#include "sync/plan.h"

#define TABLES "pythia_live_table"

/* What is known of a table of the worker. */
typedef struct known
{
	char *schema;
	char *name;
	pythia_log log;
	int64_t copied; /* 2: it was, and is put aside */
	char *key;
	char *scope;
	char *columns; /* what the catalog said (catalog.c) */
	char *rest;
	char *witness;
	char *failure;
	char *types;
	bool asked; /* it is one of the job's */
} known;

typedef struct known_list
{
	known *items;
	int count;
} known_list;

bool pythia_live_tables_install(pythia_db *source, pythia_error *error)
{
	pythia_buffer columns = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_printf(
		&columns,
		"worker VARCHAR(100) NOT NULL, log VARCHAR(40) NOT NULL PRIMARY KEY, table_schema VARCHAR(200)"
		" NOT NULL, table_name VARCHAR(200) NOT NULL, log_columns %1$s, log_key %1$s, scope %1$s, copied INT NOT NULL,"
		" catalog_columns %1$s, catalog_rest %1$s, witness %1$s, source_types %1$s, state VARCHAR(20), error %1$s, "
		"error_at VARCHAR(40)",
		source->engine == PYTHIA_MYSQL ? "LONGTEXT" : "TEXT");
	ok = pythia_live_make(source, TABLES, columns.data, "Live sync keeps at the source which tables are logged", error);
	pythia_buffer_free(&columns);
	return ok;
}

static void free_known(known_list *list)
{
	for (int i = 0; i < list->count; i++)
	{
		pythia_free(list->items[i].schema);
		pythia_free(list->items[i].name);
		pythia_free(list->items[i].key);
		pythia_free(list->items[i].scope);
		pythia_free(list->items[i].columns);
		pythia_free(list->items[i].rest);
		pythia_free(list->items[i].witness);
		pythia_free(list->items[i].failure);
		pythia_free(list->items[i].types);
		pythia_log_free(&list->items[i].log);
	}
	pythia_free(list->items);
}

static bool read_known(pythia_db *source, const char *worker, known_list *list, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};
	bool ok;

	memset(list, 0, sizeof(*list));
	pythia_buffer_puts(&sql, "SELECT table_schema, table_name, log, log_columns, copied, catalog_columns, "
							 "catalog_rest, witness, log_key, scope, error, source_types FROM ");
	pythia_live_put_own(source, TABLES, &sql);
	pythia_buffer_puts(&sql, " WHERE worker = ");
	pythia_live_put_literal(source, worker, &sql);
	ok = pythia_db_query(source, sql.data, "tttTnTTTTTTT", &result, error);
	pythia_buffer_free(&sql);
	list->items = pythia_calloc((size_t) (ok ? result.nrows : 0) + 1, sizeof(known));
	for (int64_t i = 0; ok && i < result.nrows; i++)
	{
		known *item = &list->items[list->count++];

		item->schema = pythia_strdup(pythia_result_text(&result, i, 0));
		item->name = pythia_strdup(pythia_result_text(&result, i, 1));
		item->log.name = pythia_strdup(pythia_result_text(&result, i, 2));
		item->log.columns = pythia_strdup(pythia_result_optional(&result, i, 3));
		item->copied = pythia_result_number(&result, i, 4);
		item->columns = pythia_strdup(pythia_result_optional(&result, i, 5));
		item->rest = pythia_strdup(pythia_result_optional(&result, i, 6));
		item->witness = pythia_strdup(pythia_result_optional(&result, i, 7));
		item->key = pythia_strdup(pythia_result_optional(&result, i, 8));
		item->scope = pythia_strdup(pythia_result_optional(&result, i, 9));
		item->failure = pythia_strdup(pythia_result_optional(&result, i, 10));
		item->types = pythia_strdup(pythia_result_optional(&result, i, 11));
		ok = pythia_log_check_name(item->log.name, error);
	}
	pythia_result_free(&result);
	return ok;
}

/* --- what is kept ------------------------------------------------------------------------ */

static bool note(pythia_live *live, const pythia_live_table *table, pythia_error *error)
{
	pythia_db *db = live->job.source;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql, "INSERT INTO ");
	pythia_live_put_own(db, TABLES, &sql);
	pythia_buffer_puts(&sql, " (worker, log, table_schema, table_name, copied) VALUES (");
	pythia_live_put_literal(db, live->name, &sql);
	pythia_buffer_puts(&sql, ", ");
	pythia_live_put_literal(db, table->log.name, &sql);
	pythia_buffer_puts(&sql, ", ");
	pythia_live_put_literal(db, table->schema, &sql);
	pythia_buffer_puts(&sql, ", ");
	pythia_live_put_literal(db, table->stored, &sql);
	pythia_buffer_puts(&sql, ", 0)");
	return pythia_live_run(db, &sql, NULL, error);
}

static void put_text(const pythia_db *db, const char *text, pythia_buffer *sql)
{
	if (text != NULL)
		pythia_live_put_literal(db, text, sql);
	else
		pythia_buffer_puts(sql, "NULL");
}

bool pythia_live_table_save(pythia_live *live, const pythia_live_table *table, pythia_error *error)
{
	pythia_db *db = live->job.source;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char at[PYTHIA_INSTANT_SIZE];

	pythia_buffer_puts(&sql, "UPDATE ");
	pythia_live_put_own(db, TABLES, &sql);
	pythia_buffer_printf(&sql, " SET copied = %d, log_columns = ", table->copied ? 1 : table->was_copied ? 2 : 0);
	put_text(db, table->log.columns, &sql);
	pythia_buffer_puts(&sql, ", log_key = ");
	put_text(db, table->key, &sql);
	pythia_buffer_puts(&sql, ", scope = ");
	put_text(db, table->scope, &sql);
	pythia_buffer_puts(&sql, ", catalog_columns = ");
	put_text(db, table->columns, &sql);
	pythia_buffer_puts(&sql, ", catalog_rest = ");
	put_text(db, table->rest, &sql);
	pythia_buffer_puts(&sql, ", witness = ");
	put_text(db, table->witness, &sql);
	pythia_buffer_puts(&sql, ", source_types = ");
	put_text(db, table->types, &sql);
	pythia_buffer_printf(&sql, ", state = '%s', error = ", table->aside ? "aside" : table->copied ? "live" : "copying");
	put_text(db, table->failure, &sql);
	pythia_buffer_puts(&sql, ", error_at = ");
	put_text(db, table->failure != NULL ? pythia_instant_write(at, table->failed_at) : NULL, &sql);
	pythia_buffer_puts(&sql, " WHERE log = ");
	pythia_live_put_literal(db, table->log.name, &sql);
	return pythia_live_run(db, &sql, NULL, error);
}

/* From the table that has its triggers, which may have another name by now. */
static bool remove_log(pythia_db *source, const known *item, pythia_error *error)
{
	char *found = NULL;
	char *schema = NULL;
	char *name = NULL;
	bool ok = pythia_log_find_table(source, item->schema, item->log.name, &found, error) &&
			  (found == NULL || pythia_name_parse(found, &schema, &name, error)) &&
			  pythia_log_remove(source, schema != NULL ? schema : item->schema, name != NULL ? name : item->name,
								item->log.name, error);

	pythia_free(found);
	pythia_free(schema);
	pythia_free(name);
	return ok;
}

static bool remove_known(pythia_db *source, const known *item, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	if (!remove_log(source, item, error))
		return false;
	pythia_buffer_puts(&sql, "DELETE FROM ");
	pythia_live_put_own(source, TABLES, &sql);
	pythia_buffer_puts(&sql, " WHERE log = ");
	pythia_live_put_literal(source, item->log.name, &sql);
	return pythia_live_run(source, &sql, NULL, error);
}

bool pythia_live_tables_drop(pythia_db *source, const char *name, pythia_error *error)
{
	known_list list;
	bool ok = read_known(source, name, &list, error);

	for (int i = 0; ok && i < list.count; i++)
		ok = remove_known(source, &list.items[i], error);
	free_known(&list);
	return ok && pythia_live_put_away(source, TABLES, name, error);
}

/* --- one table ---------------------------------------------------------------------------- */

/* Log and copy go by the same key, and its columns are all that is logged: so they are named. */
static void choose_key(pythia_live_table *table, const pythia_table *described)
{
	const pythia_index *index = described->nkey == 0 ? pythia_plan_key_index(described) : NULL;
	const int *columns = index != NULL ? index->columns : described->key;
	int count = index != NULL ? index->ncolumns : described->nkey;

	pythia_node_free(table->options);
	table->options = NULL;
	if (table->config.key != NULL || count == 0)
		return;
	table->options = pythia_node_new(PYTHIA_NODE_ARRAY, NULL, NULL);
	for (int k = 0; k < count; k++)
		pythia_node_add(table->options, pythia_node_new(PYTHIA_NODE_STRING, NULL, described->columns[columns[k]].name));
	table->config.key = table->options;
}

/* What is carried, and where to: rows that were copied otherwise are to be compared. */
static void spell_scope(const pythia_live *live, pythia_live_table *table)
{
	static const char *const options[] = {
		"columns", "exclude_columns", "where",    "target_where", "table_map", "column_map",
		"key",     "expressions",     "masks",    "type_map",     "zero_date", "infinity",
		"nan",     "nul_byte",        "bad_utf8", "out_of_range", NULL};
	const pythia_node *tables = pythia_node_get(live->job.config, "tables");
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	for (int i = 0; options[i] != NULL; i++)
		for (int own = 0; own < 2; own++)
		{
			const pythia_node *node =
				pythia_node_get(own ? pythia_node_get(tables, table->name) : live->job.config, options[i]);

			if (node == NULL)
				continue;
			pythia_buffer_printf(&text, "%s=", options[i]);
			pythia_json_node(&text, node);
			pythia_buffer_putc(&text, '\n');
		}
	pythia_free(table->scope);
	table->scope = pythia_strdup(pythia_buffer_text(&text));
	pythia_buffer_free(&text);
}

/* Its names, one a line, and the condition: a log of another key, or of other rows, is of no use. */
static void spell_key(pythia_live_table *table)
{
	pythia_buffer names = PYTHIA_BUFFER_INIT;

	for (const pythia_node *item = pythia_node_items(table->config.key); item != NULL; item = item->next)
		pythia_buffer_printf(&names, "%s\n", item->text);
	if (table->config.where != NULL)
		pythia_buffer_printf(&names, "WHERE %s\n", table->config.where);
	pythia_free(table->key);
	table->key = pythia_strdup(pythia_buffer_text(&names));
	pythia_buffer_free(&names);
}

/* What a window asks for, whatever else the user has set. */
static bool read_config(pythia_live *live, pythia_live_table *table, pythia_error *error)
{
	pythia_sync_config *config = &table->config;

	if (!pythia_sync_config_read(live->job.config, NULL, table->name, config, error))
		return false;
	config->mode = PYTHIA_SYNC_FULL;
	config->deletes = PYTHIA_DELETES_HARD;
	config->conflict = PYTHIA_CONFLICT_SOURCE_WINS;
	config->truncate_target = false;
	config->create_target = live->job.on_change == PYTHIA_LIVE_FOLLOW;
	config->new_columns =
		live->job.on_change == PYTHIA_LIVE_FOLLOW ? PYTHIA_NEW_COLUMNS_ADD : PYTHIA_NEW_COLUMNS_IGNORE;
	config->dry_run = false;
	return true;
}

static pythia_capture_config capture_config(const pythia_live_table *table)
{
	pythia_capture_config config;

	(void) pythia_capture_config_read(NULL, NULL, &config, NULL);
	config.capture = PYTHIA_CAPTURE_TRIGGER;
	config.where = table->config.where;
	config.key = config.columns = table->config.key;
	config.keys_only = true;
	return config;
}

/* As it is now. */
static bool describe(pythia_live *live, pythia_live_table *table, pythia_error *error)
{
	pythia_capture_config config;
	pythia_table described = {0};
	bool ok;

	if (table->open)
		pythia_capture_table_close(&table->source);
	table->open = false;
	if (!read_config(live, table, error) || !pythia_describe(live->job.source, table->name, &described, error))
		return false;
	choose_key(table, &described);
	spell_key(table);
	spell_scope(live, table);
	pythia_table_free(&described);
	config = capture_config(table);
	ok = pythia_capture_table_open(live->job.source, NULL, table->name, "", &config, &table->source, error);
	table->open = ok;
	return ok;
}

/* The columns of its key have other names: the triggers name them. What happens meanwhile the comparison finds. */
static bool make_again(pythia_live *live, pythia_live_table *table, pythia_error *error)
{
	table->whole = true;
	table->copied = false;
	return pythia_log_remove(live->job.source, table->schema, table->stored, table->log.name, error) &&
		   pythia_log_install(&table->source, &table->log, error) && pythia_live_table_save(live, table, error);
}

/* Of a table that was just described. */
static bool fit(pythia_live *live, pythia_live_table *table, pythia_error *error)
{
	pythia_error gone = PYTHIA_ERROR_INIT;
	bool changed;

	if (!pythia_log_fit(&table->source, &table->log, false, &changed, &gone))
	{
		if (strcmp(gone.sqlstate, "55000") != 0)
			return pythia_error_move(error, &gone);
		pythia_host_log(live->job.source->host, PYTHIA_LOG_WARNING, "table \"%s\": %s; it is compared as a whole",
						table->name, gone.message);
		pythia_error_reset(&gone);
		table->whole = true;
		table->copied = false;
		if (!pythia_log_fit(&table->source, &table->log, true, &changed, error))
			return false;
		changed = true;
	}
	return !changed || pythia_live_table_save(live, table, error);
}

/* A table that is not there any more under its name may have another one: the log's triggers went with it. */
static bool tell_renamed(pythia_live *live, const pythia_live_table *table, pythia_error *error)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;
	char *found = NULL;

	if (table->log.name == NULL || live->job.source->broken || strcmp(error->sqlstate, "42P01") != 0)
		return false;
	if (!pythia_log_find_table(live->job.source, table->schema, table->log.name, &found, &ignored))
		pythia_error_reset(&ignored);
	if (found != NULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42P01", "table \"%s\" was renamed at the source: it is %s now", table->name,
					found);
		pythia_error_hint(
			error, "Name it so, and say in table_map what it is called in the target; or give it back its name.");
	}
	pythia_free(found);
	return false;
}

bool pythia_live_table_fit(pythia_live *live, pythia_live_table *table, pythia_error *error)
{
	char *key = pythia_strdup(table->key);
	bool ok = describe(live, table, error)
				  ? (pythia_same_text(key, table->key) ? fit(live, table, error) : make_again(live, table, error))
				  : tell_renamed(live, table, error);

	pythia_free(key);
	return ok;
}

/* What an attempt has left behind: the next one makes a log of another name. The table was never followed. */
static void forget_install(pythia_live *live, pythia_live_table *table)
{
	known item = {.schema = table->schema, .name = table->stored, .log = {.name = table->log.name}};
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (!live->job.source->broken && !remove_known(live->job.source, &item, &ignored))
		pythia_error_reset(&ignored);
	pythia_free(table->stored);
	table->stored = NULL;
}

static bool install(pythia_live *live, pythia_live_table *table, pythia_error *error)
{
	table->log.name = pythia_log_name();
	table->schema = pythia_strdup(table->source.table.schema);
	table->stored = pythia_strdup(table->source.table.name);
	if (note(live, table, error) && pythia_log_install(&table->source, &table->log, error) &&
		pythia_live_table_save(live, table, error))
		return true;
	forget_install(live, table);
	return false;
}

/* Of a table that was copied by other options. */
static void compare_others(pythia_live *live, pythia_live_table *table, const known *item)
{
	if (item->copied != 1 || pythia_same_text(item->scope, table->scope))
		return;
	pythia_host_log(live->job.source->host, PYTHIA_LOG_NOTICE,
					"table \"%s\": what is carried is not what it was: it is compared as a whole", table->name);
	table->copied = false;
}

static bool follow_types(pythia_live *live, pythia_live_table *table, pythia_error *error)
{
	bool changed;

	return pythia_live_types_follow(live, table, &changed, error) &&
		   (!changed || pythia_live_table_save(live, table, error));
}

static void take_known(pythia_live_table *table, known *item)
{
	item->asked = true;
	table->log.name = pythia_strdup(item->log.name);
	table->log.columns = pythia_strdup(item->log.columns);
	table->schema = pythia_strdup(item->schema);
	table->stored = pythia_strdup(item->name);
	table->copied = item->copied == 1;
	table->was_copied = table->whole = item->copied == 2;
	table->failure = pythia_strdup(item->failure);
	table->types = pythia_strdup(item->types);
	table->columns = pythia_strdup(item->columns);
	table->rest = pythia_strdup(item->rest);
	table->witness = pythia_strdup(item->witness);
}

/* What is known of it, if it is all there. */
static bool begin_table(pythia_live *live, pythia_live_table *table, known_list *list, pythia_error *error)
{
	if (!describe(live, table, error))
		return false;
	for (int i = 0; i < list->count; i++)
	{
		known *item = &list->items[i];

		if (item->asked || strcmp(item->schema, table->source.table.schema) != 0 ||
			strcmp(item->name, table->source.table.name) != 0)
			continue;
		/* the making of it did not come to its end, or it is of another key */
		if (item->log.columns == NULL || item->key == NULL || strcmp(item->key, table->key) != 0)
			continue;
		take_known(table, item);
		compare_others(live, table, item);
		/* before rows are copied */
		return fit(live, table, error) && follow_types(live, table, error);
	}
	return install(live, table, error);
}

/* One that was followed, and cannot even be looked at any more: it is what was known of it. */
static bool begin_failed(pythia_live *live, pythia_live_table *table, known_list *list)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;
	char *schema = NULL;
	char *name = NULL;

	if (table->stored == NULL && pythia_name_parse(table->name, &schema, &name, &ignored))
		for (int i = 0; i < list->count && table->stored == NULL; i++)
		{
			known *item = &list->items[i];

			if (item->asked || strcmp(item->name, name) != 0 || item->log.columns == NULL || item->key == NULL ||
				strcmp(item->schema, schema != NULL ? schema : live->job.source->default_schema) != 0)
				continue;
			take_known(table, item);
			pythia_free(table->key);
			pythia_free(table->scope);
			table->key = pythia_strdup(item->key);
			table->scope = pythia_strdup(item->scope);
		}
	pythia_error_reset(&ignored);
	pythia_free(schema);
	pythia_free(name);
	return table->stored != NULL && table->log.columns != NULL;
}

static bool is_followed(const pythia_live *live, const known *item)
{
	for (int i = 0; i < live->ntables; i++)
		if (strcmp(live->tables[i].schema, item->schema) == 0 && strcmp(live->tables[i].stored, item->name) == 0)
			return true;
	return false;
}

static bool remove_others(pythia_live *live, const known_list *list, pythia_error *error)
{
	for (int i = 0; i < list->count; i++)
	{
		if (list->items[i].asked)
			continue;
		if (list->items[i].log.columns != NULL && !is_followed(live, &list->items[i]))
			pythia_host_log(live->job.source->host, PYTHIA_LOG_NOTICE,
							"table \"%s\" is not named any more: it is not followed, and stays in the target as it is",
							list->items[i].name);
		if (!remove_known(live->job.source, &list->items[i], error))
			return false;
	}
	return true;
}

bool pythia_live_tables_begin(pythia_live *live, pythia_error *error)
{
	const pythia_live_job *job = &live->job;
	char **names = pythia_calloc((size_t) job->ntables + 1, sizeof(char *));
	known_list list;
	bool ok;

	for (int i = 0; i < job->ntables; i++)
		names[i] = job->tables[i];
	ok = pythia_tables_order(job->source, job->target, job->config, names, job->ntables, error) &&
		 read_known(job->source, live->name, &list, error);
	if (!ok)
	{
		pythia_free(names);
		return false;
	}
	for (int i = 0; ok && i < job->ntables; i++)
	{
		live->tables[i].name = names[i];
		ok = begin_table(live, &live->tables[i], &list, error);
		if (!ok && pythia_live_is_tables(live, error) && begin_failed(live, &live->tables[i], &list))
		{
			tell_renamed(live, &live->tables[i], error);
			ok = !pythia_error_move(&live->tables[i].problem, error);
		}
		if (!ok)
			pythia_error_context(error, "table \"%s\"", names[i]);
	}
	ok = ok && remove_others(live, &list, error);
	free_known(&list);
	pythia_free(names);
	return ok;
}

void pythia_live_table_unopen(pythia_live_table *table)
{
	pythia_sync_window_close(table->window);
	table->window = NULL;
}

bool pythia_live_table_open(pythia_live *live, pythia_live_table *table, pythia_error *error)
{
	const int *key;
	int nkey;
	const pythia_table *source;
	bool same;

	pythia_live_table_unopen(table);
	if (!follow_types(live, table, error) || !pythia_sync_window_open(&table->job, &table->window, error))
		return false;
	source = pythia_sync_window_source(table->window, &key, &nkey);
	same = nkey == table->source.nkey;
	for (int i = 0; same && i < nkey; i++)
		same = strcmp(source->columns[key[i]].name,
					  table->source.table.columns[table->source.columns[table->source.key[i]].position].name) == 0;
	return same || pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "table \"%s\" is logged by another key", table->name);
}

void pythia_live_table_close(pythia_live_table *table)
{
	pythia_live_table_unopen(table);
	if (table->open)
		pythia_capture_table_close(&table->source);
	pythia_log_free(&table->log);
	pythia_log_numbers_free(&table->numbers);
	pythia_node_free(table->options);
	pythia_free(table->schema);
	pythia_free(table->stored);
	pythia_free(table->columns);
	pythia_free(table->rest);
	pythia_free(table->witness);
	pythia_free(table->key);
	pythia_free(table->scope);
	pythia_free(table->failure);
	pythia_free(table->types);
	pythia_error_reset(&table->problem);
	memset(table, 0, sizeof(*table));
}
