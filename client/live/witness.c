/*
 * MySQL tells no trigger of TRUNCATE, and MariaDB's catalog shows nothing of it.  So a row of each table is remembered, the
 * witness: one that is gone without a word in the log, or was inserted while it was there, says that its table was
 * emptied.  It is kept at the source, so that what happens while nobody follows is seen, too.
 */
#include <string.h>

#include "capture/source/log_keys.h"
#include "core/json.h"
#include "core/json_read.h"
#include "core/memory.h"
#include "live/internal.h"

/* The key's texts, borrowed from *tree; false where what is kept is none of the table's. */
static bool read_key(const pythia_live_table *table, pythia_node **tree, const char **key)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;
	int count = 0;

	*tree = NULL;
	if (!pythia_json_read("witness", table->witness, tree, &ignored))
		pythia_error_reset(&ignored);
	for (const pythia_node *item = pythia_node_items(*tree); item != NULL; item = item->next)
	{
		if (count == table->source.nkey || item->text == NULL)
			return false;
		key[count++] = item->text;
	}
	return count == table->source.nkey;
}

static bool ask(pythia_live_table *table, pythia_error *error)
{
	const char **key = pythia_calloc((size_t) table->source.nkey + 1, sizeof(char *));
	pythia_log_trace trace = {0};
	pythia_node *tree;
	bool ok = true;

	if (read_key(table, &tree, key))
		ok = pythia_log_trace_key(&table->source, &table->log, key, &trace, error);
	else
		trace.went = true;
	pythia_node_free(tree);
	pythia_free(key);
	if (!ok)
		return false;
	if (!trace.went && (trace.came || !trace.there))
	{
		pythia_host_log(table->source.db->host, PYTHIA_LOG_NOTICE,
						"table \"%s\" was emptied: it is compared as a whole", table->name);
		table->whole = true;
	}
	if (trace.went || !trace.there)
	{
		pythia_free(table->witness);
		table->witness = NULL;
		table->unsaved = true;
	}
	return true;
}

static bool choose(pythia_live_table *table, pythia_error *error)
{
	pythia_capture_table *source = &table->source;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer json = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};
	bool ok;

	pythia_buffer_puts(&sql, "SELECT ");
	for (int i = 0; i < source->nkey; i++)
	{
		pythia_buffer_puts(&sql, i > 0 ? ", " : "");
		pythia_dialect_of(source->db)
			->read_expression(source->db, &sql, NULL, &source->table.columns[source->columns[source->key[i]].position]);
	}
	pythia_buffer_puts(&sql, " FROM ");
	pythia_dialect_table(pythia_dialect_of(source->db), &sql, source->table.schema, source->table.name);
	pythia_buffer_puts(&sql, " LIMIT 1");
	ok = pythia_db_query(source->db, sql.data, "T*", &result, error);
	for (int i = 0; ok && result.nrows > 0 && i < source->nkey; i++)
	{
		const char *text = pythia_result_optional(&result, 0, i);

		pythia_buffer_putc(&json, i > 0 ? ',' : '[');
		pythia_json_string(&json, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
	}
	if (json.length > 0)
	{
		pythia_buffer_putc(&json, ']');
		table->witness = pythia_buffer_take(&json);
		table->unsaved = true;
	}
	pythia_result_free(&result);
	pythia_buffer_free(&json);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_live_witness(pythia_live_table *table, pythia_error *error)
{
	if (table->source.db->engine != PYTHIA_MYSQL)
		return true;
	return (table->witness == NULL || ask(table, error)) && (table->witness != NULL || choose(table, error));
}
