/*
 * Differing rows decided by the host's function: both rows go to it as JSON, and what it returns
 * is loaded into the stage and merged as the source's would be.
 */
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "core/suggest.h"
#include "dialect/forms.h"
#include "sync/run.h"

/* A number, a truth value as one, bytes as they were shown, or a text. */
static void put_stored(pythia_rows_writer *out, const pythia_node *node)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	if (node->type == PYTHIA_NODE_NUMBER)
		pythia_rows_marked(out, pythia_integer_text(node->text, strlen(node->text)) ? 'i' : 'r', node->text,
						   strlen(node->text));
	else if (node->type == PYTHIA_NODE_BOOL)
		pythia_rows_text(out, strcmp(node->text, "true") == 0 ? "i1" : "i0", 2);
	else if (node->type == PYTHIA_NODE_STRING && pythia_hex_text(node->text, strlen(node->text)))
		pythia_rows_text(out, node->text, strlen(node->text));
	else if (node->type == PYTHIA_NODE_STRING)
		pythia_rows_marked(out, 't', node->text, strlen(node->text));
	else
	{
		pythia_json_node(&text, node);
		pythia_rows_marked(out, 't', text.data, text.length);
	}
	pythia_buffer_free(&text);
}

/* Interchange text of what the function returned for a column. */
static void put_node(pythia_rows_writer *out, const pythia_node *node, pythia_kind kind)
{
	pythia_buffer json = PYTHIA_BUFFER_INIT;

	if (node->type == PYTHIA_NODE_NULL)
		pythia_rows_null(out);
	else if (kind == PYTHIA_KIND_STORED)
		put_stored(out, node);
	else if (kind == PYTHIA_KIND_JSON && node->type != PYTHIA_NODE_STRING)
	{
		pythia_json_node(&json, node);
		pythia_rows_text(out, pythia_buffer_text(&json), json.length);
	}
	else if (node->type == PYTHIA_NODE_BOOL && kind == PYTHIA_KIND_BOOL)
		pythia_rows_text(out, strcmp(node->text, "true") == 0 ? "1" : "0", 1);
	else if (node->type == PYTHIA_NODE_ARRAY || node->type == PYTHIA_NODE_OBJECT)
	{
		pythia_json_node(&json, node);
		pythia_rows_text(out, pythia_buffer_text(&json), json.length);
	}
	else
		pythia_rows_text(out, node->text, strlen(node->text));
	pythia_buffer_free(&json);
}

static int pair_of_name(const pythia_run *run, const char *name)
{
	for (int i = 0; i < run->plan.npairs; i++)
	{
		if (strcmp(run->names[i], name) == 0)
			return i;
	}
	return -1;
}

/* Whether a node says the same as a field that was given to the function. */
static bool same_value(const pythia_node *node, const pythia_field *field, pythia_kind kind)
{
	const char *value = field->value;
	char *end[2];
	double number[2];

	if (node->type == PYTHIA_NODE_NULL || field->value == NULL)
		return node->type == PYTHIA_NODE_NULL && field->value == NULL;
	if (node->type == PYTHIA_NODE_ARRAY || node->type == PYTHIA_NODE_OBJECT)
		return true; /* a key of such a kind has many spellings */
	if (kind == PYTHIA_KIND_STORED && value[0] != '\\')
		value++;
	if (strcmp(node->text, value) == 0)
		return true;
	if (node->type == PYTHIA_NODE_BOOL)
		return strcmp(value, strcmp(node->text, "true") == 0 ? "1" : "0") == 0;
	/* 1.50 comes back as it likes */
	number[0] = strtod(node->text, &end[0]);
	number[1] = strtod(value, &end[1]);
	return node->type == PYTHIA_NODE_NUMBER && *end[0] == '\0' && *end[1] == '\0' && number[0] == number[1];
}

/* A column that is not carried, or another key, would be lost without a word. */
static bool check_row(const pythia_run *run, const pythia_node *row, const pythia_field *fields, pythia_error *error)
{
	const char *function = run->job->config->conflict_function;

	for (const pythia_node *node = pythia_node_members(row); node != NULL; node = node->next)
	{
		int pair = pair_of_name(run, node->name);
		const char *close = pair < 0 ? pythia_suggest(node->name, run->names, run->plan.npairs) : NULL;

		if (pair < 0)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "42703", "function %s returned a column \"%s\" that is not carried",
						function, node->name);
			if (close != NULL)
				return pythia_error_hint(error, "Perhaps it meant \"%s\".", close);
			return pythia_error_hint(error, "It returns columns by their names in the target, as it is given them.");
		}
		if (pythia_pair_is_key(&run->plan, pair) && !same_value(node, &fields[pair], run->types[pair]->kind) &&
			!same_value(node, &fields[run->plan.npairs + pair], run->types[pair]->kind))
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22000", "function %s returned another key in column \"%s\"", function,
						node->name);
			return pythia_error_hint(error, "It decides about one row: leave the key's columns as they are, or out.");
		}
	}
	return true;
}

/* `fields` holds the stage's row, then the target's; a column that the function leaves out stays the target's. */
static bool resolve_row(pythia_run *run, const pythia_field *fields, pythia_rows_writer *out, pythia_error *error)
{
	const pythia_sync_callbacks *callbacks = run->job->callbacks;
	const pythia_field *target = fields + run->plan.npairs;
	pythia_buffer source_json = PYTHIA_BUFFER_INIT;
	pythia_buffer target_json = PYTHIA_BUFFER_INIT;
	pythia_node *row = NULL;
	bool ok;

	pythia_row_json(&run->plan, fields, true, true, &source_json);
	pythia_row_json(&run->plan, target, true, true, &target_json);
	ok = callbacks->resolve(callbacks->context, run->job->config->conflict_function, source_json.data, target_json.data,
							&row, error) &&
		 (row == NULL || check_row(run, row, fields, error));
	for (int i = 0; ok && row != NULL && i < run->plan.npairs; i++)
	{
		const pythia_node *node = pythia_node_get(row, run->names[i]);

		if (node != NULL && !pythia_pair_is_key(&run->plan, i))
			put_node(out, node, run->types[i]->kind);
		else if (target[i].value == NULL)
			pythia_rows_null(out);
		else
			pythia_rows_text(out, target[i].value, target[i].length);
	}
	if (ok && row != NULL)
		pythia_rows_end(out);
	pythia_node_free(row);
	pythia_buffer_free(&source_json);
	pythia_buffer_free(&target_json);
	return ok;
}

/* A query gives no more columns than that: the two rows of a wide table come one below the other.  A table of MySQL's
 * has not half as many as a query of its may. */
static bool by_halves(const pythia_run *run)
{
	return run->plan.npairs * 2 > (run->target->engine == PYTHIA_SQLITE ? 2000 : 1600) &&
		   run->target->engine != PYTHIA_MYSQL;
}

static void put_columns(const pythia_run *run, pythia_buffer *sql)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->target);

	for (int i = 0; i < run->plan.npairs * 2; i++)
	{
		pythia_buffer_puts(sql, i > 0 ? ", " : "");
		dialect->read_expression(run->target, sql, i < run->plan.npairs ? "s" : "t",
								 pythia_pair_target(&run->plan, i % run->plan.npairs));
	}
}

static void put_halves(const pythia_run *run, pythia_buffer *sql)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->target);

	for (int i = 0; i < run->plan.npairs; i++)
	{
		pythia_buffer_puts(sql, i > 0 ? ", CASE h.half WHEN 0 THEN " : "CASE h.half WHEN 0 THEN ");
		dialect->read_expression(run->target, sql, "s", pythia_pair_target(&run->plan, i));
		pythia_buffer_puts(sql, " ELSE ");
		dialect->read_expression(run->target, sql, "t", pythia_pair_target(&run->plan, i));
		pythia_buffer_puts(sql, " END");
	}
}

static void pairs_query(const pythia_run *run, pythia_buffer *sql)
{
	bool halves = by_halves(run);

	pythia_buffer_puts(sql, "SELECT ");
	if (halves)
		put_halves(run, sql);
	else
		put_columns(run, sql);
	pythia_buffer_puts(sql, " FROM ");
	pythia_merge_table(run, true, sql);
	pythia_buffer_puts(sql, " s JOIN ");
	pythia_merge_table(run, false, sql);
	pythia_buffer_puts(sql, " t ON ");
	pythia_merge_key_join(run, sql);
	if (halves)
		pythia_buffer_puts(sql, " CROSS JOIN (SELECT 0 AS half UNION ALL SELECT 1) h");
	pythia_buffer_puts(sql, " WHERE ");
	pythia_merge_difference(run, sql);
	for (int i = 0; halves && i < run->plan.nkey; i++)
	{
		pythia_buffer_puts(sql, i > 0 ? ", " : " ORDER BY ");
		pythia_merge_column(run, sql, "t.", run->plan.key[i]);
	}
	pythia_buffer_puts(sql, halves ? ", h.half" : "");
}

/* The rows of a pair: its fields are those of both, or `half` of them come at a time. */
typedef struct row_pair
{
	pythia_field *fields;
	int half;
	bool begun; /* the first half is there, in copies */
} row_pair;

static void forget_half(row_pair *pair)
{
	for (int i = 0; pair->begun && i < pair->half; i++)
		pythia_free((char *) pair->fields[i].value);
	pair->begun = false;
}

static bool resolve_half(pythia_run *run, row_pair *pair, const pythia_field *fields, pythia_rows_writer *out,
						 pythia_error *error)
{
	bool ok;

	if (!pair->begun)
	{
		for (int i = 0; i < pair->half; i++)
		{
			const char *value = fields[i].value;

			pair->fields[i] = (pythia_field){.value = value != NULL ? pythia_strndup(value, fields[i].length) : NULL,
											 .length = fields[i].length};
		}
		pair->begun = true;
		return true;
	}
	memcpy(pair->fields + pair->half, fields, sizeof(pythia_field) * (size_t) pair->half);
	ok = resolve_row(run, pair->fields, out, error);
	forget_half(pair);
	return ok;
}

static bool ask_all(pythia_run *run, pythia_stream *stream, pythia_rows_writer *out, pythia_error *error)
{
	bool halves = by_halves(run);
	row_pair pair = {.half = run->plan.npairs};
	pythia_rows_reader reader;
	pythia_rows chunk;
	bool ok;

	memset(&reader, 0, sizeof(reader));
	if (halves)
		pair.fields = pythia_calloc((size_t) pair.half * 2, sizeof(pythia_field));
	while ((ok = run->target->driver->stream_next(stream, &chunk, error)) && chunk.count > 0)
	{
		pythia_rows_open(&reader, &chunk);
		while (ok && pythia_rows_next(&reader))
			ok = halves ? resolve_half(run, &pair, reader.fields, out, error)
						: resolve_row(run, reader.fields, out, error);
		if (!ok)
			break;
	}
	forget_half(&pair);
	pythia_free(pair.fields);
	pythia_rows_close(&reader);
	return ok;
}

static bool load_answers(pythia_run *run, const pythia_rows *rows, pythia_error *error)
{
	pythia_db *target = run->target;
	pythia_load load = {.schema = pythia_stage_schema(run),
						.table = run->stage,
						.ncolumns = run->plan.npairs,
						.columns = run->names,
						.types = run->types};
	uint64_t stored = 0;
	bool ok;

	pythia_load_statements(target, &load);
	ok = pythia_stage_clear(run, error) && target->driver->load_begin(target, &load, error);
	if (ok && !target->driver->load_put(target, rows, error))
	{
		target->driver->load_abandon(target);
		ok = false;
	}
	ok = ok && target->driver->load_end(target, &stored, error);
	pythia_load_statements_free(&load);
	return ok;
}

bool pythia_resolve_rows(pythia_run *run, int64_t *updated, pythia_error *error)
{
	const pythia_sync_callbacks *callbacks = run->job->callbacks;
	int ncolumns = run->plan.npairs * (by_halves(run) ? 1 : 2);
	pythia_kind *kinds;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_rows_writer answers;
	pythia_stream *stream = NULL;
	bool ok;

	if (callbacks == NULL || callbacks->resolve == NULL)
		return pythia_sync_no_function(run->job->config->conflict_function, error);
	memset(&answers, 0, sizeof(answers));
	kinds = pythia_calloc((size_t) ncolumns, sizeof(pythia_kind));
	for (int i = 0; i < ncolumns; i++)
		kinds[i] = run->types[i % run->plan.npairs]->kind;
	pairs_query(run, &sql);
	ok = run->target->driver->stream_open(run->target, sql.data, ncolumns, kinds, &stream, error) &&
		 ask_all(run, stream, &answers, error);
	run->target->driver->stream_close(stream);
	if (ok && answers.count > 0)
	{
		pythia_rows rows = pythia_rows_view(&answers);

		ok = load_answers(run, &rows, error) && pythia_merge_update(run, false, updated, error);
	}
	pythia_rows_free(&answers);
	pythia_free(kinds);
	pythia_buffer_free(&sql);
	return ok;
}
