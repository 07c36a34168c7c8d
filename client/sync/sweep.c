/*
 * Rows that the source no longer has: its keys are read within the snapshot that the rows came
 * from, and what the target holds beyond them is deleted, or marked.
 */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "dialect/tokens.h"
#include "sync/condition.h"
#include "sync/referrers.h"
#include "sync/run.h"
#include "sync/soft.h"

static const pythia_dialect *dialect_of(const pythia_run *run)
{
	return pythia_dialect_of(run->target);
}

/* --- the keys --------------------------------------------------------------- */

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

static bool load_keys(pythia_run *run, pythia_error *error)
{
	int n = run->plan.nkey;
	const char **names = pythia_calloc((size_t) n, sizeof(char *));
	const pythia_type **types = pythia_calloc((size_t) n, sizeof(pythia_type *));
	pythia_kind *kinds = pythia_calloc((size_t) n, sizeof(pythia_kind));
	pythia_buffer query = PYTHIA_BUFFER_INIT;
	pythia_load load = {
		.schema = pythia_stage_schema(run), .table = PYTHIA_KEYS_NAME, .ncolumns = n, .columns = names, .types = types};
	pythia_stream *stream = NULL;
	uint64_t stored = 0;
	bool ok;

	for (int i = 0; i < n; i++)
	{
		names[i] = run->names[run->plan.key[i]];
		types[i] = run->types[run->plan.key[i]];
		kinds[i] = pythia_pair_source(&run->plan, run->plan.key[i])->type.kind;
	}
	pythia_source_keys_query(run, &query);
	pythia_load_statements(run->target, &load);
	ok = run->source->driver->stream_open(run->source, query.data, n, kinds, &stream, error);
	if (ok && (ok = run->target->driver->load_begin(run->target, &load, error)))
	{
		ok = feed_keys(run, stream, error);
		if (ok)
			ok = run->target->driver->load_end(run->target, &stored, error);
		else
			run->target->driver->load_abandon(run->target);
	}
	run->source->driver->stream_close(stream);
	pythia_buffer_free(&query);
	pythia_load_statements_free(&load);
	pythia_free(names);
	pythia_free(types);
	pythia_free(kinds);
	return ok;
}

static void put_keys_table(const pythia_run *run, pythia_buffer *out)
{
	pythia_dialect_table(dialect_of(run), out, pythia_stage_schema(run), PYTHIA_KEYS_NAME);
}

/* A hash join needs none, but SQLite has no hash join. */
static bool index_keys(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (run->target->engine != PYTHIA_SQLITE)
		return true;
	pythia_buffer_printf(&sql, "CREATE INDEX temp.pythia_keys_index_%u ON " PYTHIA_KEYS_NAME " (",
						 pythia_stage_serial());
	for (int i = 0; i < run->plan.nkey; i++)
	{
		pythia_buffer_puts(&sql, i > 0 ? ", " : "");
		dialect_of(run)->identifier(&sql, run->names[run->plan.key[i]]);
	}
	pythia_buffer_putc(&sql, ')');
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* --- what goes -------------------------------------------------------------- */

static void put_no_such_key(const pythia_run *run, const char *exists, pythia_buffer *out)
{
	pythia_buffer_printf(out, "%s (SELECT 1 FROM ", exists);
	put_keys_table(run, out);
	pythia_buffer_puts(out, " s WHERE ");
	pythia_merge_key_join(run, out);
	pythia_buffer_putc(out, ')');
}

/* Which rows of the target are this run's to delete: those that its condition means, as it reads there. */
static bool put_own_rows(const pythia_run *run, pythia_buffer *out, pythia_error *error)
{
	const pythia_sync_config *config = run->job->config;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok = true;

	if ((config->where == NULL && config->target_where == NULL) || run->way.all_rows)
		return true;
	if (config->target_where != NULL)
		pythia_buffer_puts(&text, config->target_where);
	else
		ok = pythia_condition_translate(&run->plan, run->source->engine, run->target->engine, config->where, &text,
										error);
	if (ok)
	{
		pythia_buffer_puts(out, " AND ");
		pythia_condition_put(out, text.data);
	}
	pythia_buffer_free(&text);
	return ok;
}

/* Asked before anything is deleted, so that what the target does not understand can be told. */
static bool check_condition(const pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool any;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT 1 FROM ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, " t WHERE 1 = 1");
	ok = put_own_rows(run, &sql, error);
	pythia_buffer_puts(&sql, " LIMIT 0");
	ok = ok && pythia_db_any(run->target, sql.data, &any, error);
	if (!ok && !run->target->broken)
		pythia_error_hint(error, "Give the condition of \"where\" in the target's words as option \"target_where\".");
	pythia_buffer_free(&sql);
	return ok;
}

static bool count_gone(pythia_run *run, pythia_error *error)
{
	const pythia_column *soft = pythia_soft_column(run->job->config, &run->plan.target);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int64_t count = 0;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT count(*) FROM ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, " t WHERE ");
	put_no_such_key(run, "NOT EXISTS", &sql);
	if (soft != NULL)
	{
		/* those that are marked are gone already */
		pythia_buffer_puts(&sql, " AND ");
		pythia_soft_condition(run->target, soft, &sql);
	}
	ok = put_own_rows(run, &sql, error) && pythia_db_count(run->target, sql.data, &count, error);
	run->result->rows_deleted += count;
	pythia_buffer_free(&sql);
	return ok;
}

/* Rows of other tables that refer to one may be gone from the source, too, and go when their table's turn comes: until
 * then it is left. */
static bool count_left(pythia_run *run, pythia_error *error)
{
	int64_t gone = run->result->rows_deleted;
	bool ok = count_gone(run, error);

	run->result->rows_left = run->result->rows_deleted - gone;
	run->result->rows_deleted = gone;
	return ok;
}

static bool delete_gone(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer unreferred = PYTHIA_BUFFER_INIT;
	bool any = false;
	bool ok;

	if (run->job->others_follow && !pythia_referrers(run, &any, &unreferred, error))
		return false;
	pythia_buffer_puts(&sql, run->target->engine == PYTHIA_MYSQL ? "DELETE t FROM " : "DELETE FROM ");
	pythia_merge_table(run, false, &sql);
	pythia_buffer_puts(&sql, run->target->engine == PYTHIA_MYSQL ? " t WHERE " : " AS t WHERE ");
	put_no_such_key(run, "NOT EXISTS", &sql);
	pythia_buffer_puts(&sql, pythia_buffer_text(&unreferred));
	ok = put_own_rows(run, &sql, error) && pythia_run_exec(run, sql.data, &run->result->rows_deleted, error) &&
		 (unreferred.length == 0 || count_left(run, error));
	pythia_buffer_free(&unreferred);
	pythia_buffer_free(&sql);
	return ok;
}

/* Marks rows that are gone; a row that is back loses its mark. */
static bool mark_gone(pythia_run *run, pythia_error *error)
{
	const pythia_column *column = pythia_soft_column(run->job->config, &run->plan.target);
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer here = PYTHIA_BUFFER_INIT;
	pythia_buffer gone = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok = true;

	pythia_soft_gone(run->target, column, &gone);
	pythia_soft_here(run->target, column, &here);
	dialect_of(run)->identifier(&name, column->name);
	for (int back = 0; ok && back < 2; back++)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_puts(&sql, "UPDATE ");
		pythia_merge_table(run, false, &sql);
		pythia_buffer_printf(&sql, "%s t SET %s = %s WHERE ", run->target->engine == PYTHIA_MYSQL ? "" : " AS",
							 name.data, back ? here.data : gone.data);
		if (strcmp(here.data, "NULL") == 0)
			pythia_buffer_printf(&sql, "t.%s IS %sNULL AND ", name.data, back ? "NOT " : "");
		else if (back)
			pythia_buffer_printf(&sql, "t.%s <> %s AND ", name.data, here.data);
		else
			pythia_buffer_printf(&sql, "(t.%s IS NULL OR t.%s = %s) AND ", name.data, name.data, here.data);
		put_no_such_key(run, back ? "EXISTS" : "NOT EXISTS", &sql);
		if (!back)
			ok = put_own_rows(run, &sql, error);
		ok =
			ok && pythia_run_exec(run, sql.data, back ? &run->result->rows_updated : &run->result->rows_deleted, error);
	}
	pythia_buffer_free(&gone);
	pythia_buffer_free(&name);
	pythia_buffer_free(&here);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_sweep(pythia_run *run, pythia_error *error)
{
	const pythia_sync_config *config = run->job->config;
	bool ok;

	if (config->deletes == PYTHIA_DELETES_IGNORE || run->plan.nkey == 0)
		return true;
	if ((config->where != NULL || config->target_where != NULL) && !check_condition(run, error))
		return false;
	pythia_run_progress(run, "sweeping");
	/* no row is deleted unless every key was read: load_keys fails where the reading does */
	ok = pythia_stage_make(run, PYTHIA_KEYS_NAME, run->plan.key, run->plan.nkey, error) &&
		 pythia_run_begin_write(run, error) && load_keys(run, error) && index_keys(run, error);
	if (ok && config->dry_run)
		ok = count_gone(run, error);
	else if (ok)
		ok = config->deletes == PYTHIA_DELETES_HARD ? delete_gone(run, error) : mark_gone(run, error);
	return ok;
}
