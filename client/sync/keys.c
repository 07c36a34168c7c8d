/* Keys in a temporary table of the target, brought there from the source. */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"

static const pythia_dialect *dialect_of(const pythia_run *run)
{
	return pythia_dialect_of(run->target);
}

/* Texts may come where the target has numbers: in SQLite from any column. */
static bool is_held(const pythia_run *run, int pair, const pythia_field *field)
{
	bool whole = false;
	char *end = NULL;

	switch (run->types[pair]->kind)
	{
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
			whole = run->target->engine == PYTHIA_POSTGRESQL;
			break;
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			break;
		default:
			return true;
	}
	if (run->target->engine == PYTHIA_SQLITE)
		return true;
	if (whole)
		(void) strtoll(field->value, &end, 10);
	else
		(void) strtod(field->value, &end);
	return end != field->value && *end == '\0';
}

/* A key that the target cannot hold is none of its rows'. */
static void convert_keys(pythia_run *run, const pythia_rows *chunk, pythia_rows_reader *reader,
						 pythia_rows_writer *writer, pythia_buffer *scratch)
{
	pythia_rows_clear(writer);
	pythia_rows_open(reader, chunk);
	while (pythia_rows_next(reader))
	{
		bool whole = true;

		/* a row without a key is none of the target's */
		for (int i = 0; i < run->plan.nkey; i++)
			whole = whole && reader->fields[i].value != NULL;
		for (int i = 0; whole && i < run->plan.nkey; i++)
		{
			const pythia_transform *transform = &run->plan.pairs[run->plan.key[i]].transform;
			const pythia_field *field = &reader->fields[i];
			pythia_bad_value bad;
			pythia_value_verdict verdict =
				pythia_transform_value(transform, field->value, field->length, scratch, &bad);

			if (verdict == PYTHIA_VALUE_BAD || verdict == PYTHIA_VALUE_NULL ||
				(verdict == PYTHIA_VALUE_KEEP && !is_held(run, run->plan.key[i], field)))
				whole = false;
			else if (verdict == PYTHIA_VALUE_CHANGED)
				pythia_rows_text(writer, pythia_buffer_text(scratch), scratch->length);
			else
				pythia_rows_text(writer, field->value, field->length);
		}
		if (whole)
			pythia_rows_end(writer);
		else
			pythia_rows_undo(writer);
	}
}

static bool keys_need_conversion(const pythia_run *run)
{
	for (int i = 0; i < run->plan.nkey; i++)
	{
		if (pythia_transform_needed(&run->plan.pairs[run->plan.key[i]].transform))
			return true;
	}
	return false;
}

static bool feed_keys(pythia_run *run, pythia_stream *stream, pythia_error *error)
{
	bool convert = run->plan.null_keys || keys_need_conversion(run);
	pythia_rows_reader reader;
	pythia_rows_writer writer;
	pythia_buffer scratch = PYTHIA_BUFFER_INIT;
	pythia_rows chunk;
	bool ok;

	memset(&reader, 0, sizeof(reader));
	memset(&writer, 0, sizeof(writer));
	while ((ok = run->source->driver->stream_next(stream, &chunk, error)) && chunk.count > 0)
	{
		if (convert)
		{
			convert_keys(run, &chunk, &reader, &writer, &scratch);
			chunk = pythia_rows_view(&writer);
		}
		if (chunk.count == 0)
			continue;
		if (!(ok = run->target->driver->load_put(run->target, &chunk, error)))
			break;
	}
	pythia_rows_close(&reader);
	pythia_rows_free(&writer);
	pythia_buffer_free(&scratch);
	return ok;
}

bool pythia_key_table_load(pythia_run *run, const char *query, pythia_error *error)
{
	int n = run->plan.nkey;
	const char **names = pythia_calloc((size_t) n, sizeof(char *));
	const pythia_type **types = pythia_calloc((size_t) n, sizeof(pythia_type *));
	pythia_kind *kinds = pythia_calloc((size_t) n, sizeof(pythia_kind));
	pythia_load load = {
		.schema = pythia_stage_schema(run), .table = run->keys, .ncolumns = n, .columns = names, .types = types};
	pythia_stream *stream = NULL;
	uint64_t stored = 0;
	bool ok;

	for (int i = 0; i < n; i++)
	{
		names[i] = run->names[run->plan.key[i]];
		types[i] = run->types[run->plan.key[i]];
		kinds[i] = pythia_pair_source(&run->plan, run->plan.key[i])->type.kind;
	}
	pythia_load_statements(run->target, &load);
	ok = run->source->driver->stream_open(run->source, query, n, kinds, &stream, error);
	if (ok && (ok = run->target->driver->load_begin(run->target, &load, error)))
	{
		ok = feed_keys(run, stream, error);
		if (ok)
			ok = run->target->driver->load_end(run->target, &stored, error);
		else
			run->target->driver->load_abandon(run->target);
	}
	run->source->driver->stream_close(stream);
	pythia_load_statements_free(&load);
	pythia_free(names);
	pythia_free(types);
	pythia_free(kinds);
	return ok;
}

void pythia_key_table_put(const pythia_run *run, pythia_buffer *out)
{
	pythia_dialect_table(dialect_of(run), out, pythia_stage_schema(run), run->keys);
}

bool pythia_key_table_index(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (run->target->engine != PYTHIA_SQLITE)
		return true;
	pythia_buffer_printf(&sql, "CREATE INDEX temp.pythia_keys_index_%u ON %s (", pythia_stage_serial(), run->keys);
	pythia_merge_key_columns(run, &sql, "", "");
	pythia_buffer_putc(&sql, ')');
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

void pythia_key_table_exists(const pythia_run *run, const char *exists, pythia_buffer *out)
{
	pythia_buffer_printf(out, "%s (SELECT 1 FROM ", exists);
	pythia_key_table_put(run, out);
	pythia_buffer_puts(out, " s WHERE ");
	pythia_merge_key_join(run, out);
	pythia_buffer_putc(out, ')');
}
