/* Rows on their way into the target or its stage, transformed where their values ask for it. */
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/visible.h"
#include "sync/run.h"

/* More than a chunk takes but for one large row. */
#define LARGE_BYTES ((size_t) 1 << 20)
/* What a message reads of a value, and shows of each column of a key. */
#define SHOWN_BYTES 1000
#define KEY_BYTES   100

void pythia_loader_init(pythia_loader *loader, pythia_run *run)
{
	const pythia_plan *plan = &run->plan;

	memset(loader, 0, sizeof(*loader));
	loader->run = run;
	loader->load.schema = run->way.staged ? pythia_stage_schema(run) : plan->target.schema;
	loader->load.table = run->way.staged ? run->stage : run->swap != NULL ? run->swap : plan->target.name;
	loader->load.ncolumns = plan->npairs;
	loader->load.columns = run->names;
	loader->load.types = run->types;
	pythia_load_statements(run->target, &loader->load);
	loader->load.connections = run->way.staged ? 1 : run->way.connections;
	loader->holding = run->job->config->quarantine && !run->job->config->dry_run && !run->way.window;
	/* one copy less of a large value that passes as it is */
	loader->reader.in_place = true;
}

static pythia_value_verdict no_key(pythia_bad_value *bad)
{
	memset(bad, 0, sizeof(*bad));
	snprintf(bad->reason, sizeof(bad->reason), "NULL in the key");
	return PYTHIA_VALUE_BAD;
}

/* A field that stands in place has no end of its own. */
static char *shown_value(const pythia_field *field)
{
	char *text = pythia_strndup(field->value, field->length < SHOWN_BYTES ? field->length : SHOWN_BYTES);
	char *shown = pythia_visible_short(text);

	pythia_free(text);
	return shown;
}

static bool bad_value(pythia_loader *loader, int pair, const pythia_bad_value *bad, pythia_error *error)
{
	const pythia_plan *plan = &loader->run->plan;
	pythia_buffer key = PYTHIA_BUFFER_INIT;
	const pythia_field *bad_field = &loader->reader.fields[pair];
	char *shown;

	for (int i = 0; i < plan->nkey; i++)
	{
		const pythia_field *field = &loader->reader.fields[plan->key[i]];

		pythia_buffer_puts(&key, i > 0 ? ", " : "");
		if (field->value == NULL)
			pythia_buffer_puts(&key, "NULL");
		else
			pythia_buffer_append(&key, field->value, field->length < KEY_BYTES ? field->length : KEY_BYTES);
	}
	pythia_fail(error, PYTHIA_E_DATA, "22000", "column \"%s\" of table \"%s\" cannot hold a value: %s",
				pythia_pair_target(plan, pair)->name, plan->target.name, bad->reason);
	shown = bad_field->value != NULL ? shown_value(bad_field) : NULL;
	if (shown != NULL)
		pythia_error_detail(error, "The value is \"%s\", the row's key (%s).", shown, key.data);
	else
		pythia_error_detail(error, "The value is NULL, the row's key (%s).", key.data);
	pythia_free(shown);
	if (pythia_pair_is_key(plan, pair) && bad->policy == NULL)
		pythia_error_hint(error,
						  "A row without a key is told from no other: leave such rows out by \"where\", name other"
						  " columns in \"key\", or set on_bad_row to quarantine.");
	else if (bad->policy == NULL)
		pythia_error_hint(error,
						  "Let the column take NULL, set the policy to clamp, replace or quarantine, or on_bad_row"
						  " to quarantine.");
	else
		pythia_error_hint(error,
						  bad->bounded
							  ? "Set policy \"%s\" to null, clamp, replace or quarantine, or on_bad_row to quarantine."
							  : "Set policy \"%s\" to null or quarantine, or on_bad_row to quarantine.",
						  bad->policy);
	pythia_buffer_free(&key);
	return false;
}

/* Gives a row that cannot be carried to the host. */
static bool quarantine(pythia_loader *loader, int pair, const pythia_bad_value *bad, pythia_error *error)
{
	pythia_run *run = loader->run;
	const pythia_sync_callbacks *callbacks = run->job->callbacks;
	pythia_buffer row = PYTHIA_BUFFER_INIT;
	bool ok = true;

	if (callbacks != NULL && callbacks->quarantine != NULL)
	{
		pythia_row_json(&run->plan, loader->reader.fields, false, false, &row);
		ok = callbacks->quarantine(callbacks->context, run->job->table, row.data,
								   pythia_pair_source(&run->plan, pair)->name, bad->reason, error);
	}
	run->result->rows_quarantined++;
	pythia_buffer_free(&row);
	return ok;
}

static pythia_value_verdict transform_value(pythia_loader *loader, const pythia_transform *transform,
											const pythia_field *field, pythia_bad_value *bad)
{
	const char *value = field->value;

	if (field->in_place)
	{
		pythia_buffer_clear(&loader->ended);
		pythia_buffer_append(&loader->ended, field->value, field->length);
		value = pythia_buffer_text(&loader->ended);
	}
	return pythia_transform_value(transform, value, field->length, &loader->scratch, bad);
}

/* Writes one row's new values; *good is false where it goes to quarantine. */
static bool transform_row(pythia_loader *loader, bool *good, pythia_error *error)
{
	pythia_run *run = loader->run;

	*good = true;
	for (int i = 0; i < run->plan.npairs; i++)
	{
		const pythia_transform *transform = &run->plan.pairs[i].transform;
		const pythia_field *field = &loader->reader.fields[i];
		pythia_bad_value bad;

		if (field->value == NULL && !(run->plan.null_keys && pythia_pair_is_key(&run->plan, i)))
		{
			pythia_rows_null(&loader->writer);
			continue;
		}
		if (field->value != NULL && !pythia_transform_needed(transform))
		{
			pythia_rows_text(&loader->writer, field->value, field->length);
			continue;
		}
		switch (field->value == NULL ? no_key(&bad) : transform_value(loader, transform, field, &bad))
		{
			case PYTHIA_VALUE_KEEP:
				pythia_rows_text(&loader->writer, field->value, field->length);
				break;
			case PYTHIA_VALUE_CHANGED:
				pythia_rows_text(&loader->writer, pythia_buffer_text(&loader->scratch), loader->scratch.length);
				break;
			case PYTHIA_VALUE_NULL:
				pythia_rows_null(&loader->writer);
				break;
			case PYTHIA_VALUE_BAD:
				if (!bad.quarantine && !run->job->config->quarantine)
					return bad_value(loader, i, &bad, error);
				pythia_rows_undo(&loader->writer);
				*good = false;
				return quarantine(loader, i, &bad, error);
		}
	}
	pythia_rows_end(&loader->writer);
	return true;
}

static bool transform_chunk(pythia_loader *loader, const pythia_rows *chunk, pythia_error *error)
{
	bool good;

	pythia_rows_clear(&loader->writer);
	pythia_rows_open(&loader->reader, chunk);
	while (pythia_rows_next(&loader->reader))
	{
		if (!transform_row(loader, &good, error))
			return false;
	}
	return true;
}

/* Keeps rows until the chunk's end: they may have to be stored in pieces. */
static void hold(pythia_loader *loader, const pythia_rows *rows)
{
	pythia_buffer_append(&loader->held.buffer, rows->data, rows->length);
	loader->held.count += rows->count;
}

static bool begin_load(pythia_loader *loader, pythia_error *error)
{
	if (loader->open)
		return true;
	if (!loader->holding && !loader->run->target->driver->load_begin(loader->run->target, &loader->load, error))
		return false;
	loader->open = true;
	loader->rows = 0;
	loader->bytes = 0;
	return true;
}

bool pythia_loader_put(pythia_loader *loader, const pythia_rows *chunk, pythia_error *error)
{
	pythia_run *run = loader->run;
	pythia_rows rows = *chunk;

	if (run->plan.transforms)
	{
		if (!transform_chunk(loader, chunk, error))
			return false;
		rows = pythia_rows_view(&loader->writer);
	}
	if (!begin_load(loader, error))
		return false;
	loader->rows += rows.count;
	loader->bytes += rows.length;
	run->state.large = run->state.large || rows.length > LARGE_BYTES;
	if (loader->holding)
	{
		hold(loader, &rows);
		return true;
	}
	return rows.count == 0 || run->target->driver->load_put(run->target, &rows, error);
}

bool pythia_loader_finish(pythia_loader *loader, pythia_error *error)
{
	pythia_run *run = loader->run;
	uint64_t stored = 0;
	bool ok;

	if (!loader->open)
		return true;
	/* load_end closes the load, also where it fails */
	loader->open = false;
	if (loader->holding)
	{
		pythia_rows rows = pythia_rows_view(&loader->held);

		ok = rows.count == 0 || pythia_bisect_store(loader, &rows, error);
		pythia_rows_clear(&loader->held);
		return ok;
	}
	return run->target->driver->load_end(run->target, &stored, error) &&
		   pythia_loader_stored(loader, stored, loader->rows, error);
}

void pythia_loader_free(pythia_loader *loader)
{
	if (loader->open && !loader->holding)
		loader->run->target->driver->load_abandon(loader->run->target);
	pythia_buffer_free(&loader->ended);
	pythia_rows_close(&loader->reader);
	pythia_rows_free(&loader->writer);
	pythia_rows_free(&loader->held);
	pythia_buffer_free(&loader->scratch);
	pythia_load_statements_free(&loader->load);
	memset(loader, 0, sizeof(*loader));
}
