/*
 * Makes the target's differing rows equal to the source's: those rows and no others, in
 * one transaction of the target, which is looked at again before it commits.
 */
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"
#include "sync/validate_internal.h"

/* Keys named by one statement. */
#define KEYS_A_STATEMENT 500

typedef struct repair
{
	pythia_validation *v;
	pythia_candidates keys[3]; /* a kind of difference */
	int64_t found;
	int64_t limit; /* -1: none */
	int64_t revived;
} repair;

static bool remember(void *context, pythia_difference_kind kind, const pythia_candidate *key, pythia_error *error)
{
	repair *r = context;
	pythia_candidates *keys = &r->keys[kind];
	pythia_candidate *copy;
	int nkey = r->v->plan.nkey;

	(void) error;
	/* beyond the limit nothing will be changed, but all are counted to say how many there are */
	if (r->limit >= 0 && ++r->found > r->limit)
		return true;
	if (keys->count == keys->capacity)
	{
		keys->capacity = keys->capacity > 0 ? 2 * keys->capacity : 64;
		keys->list = pythia_realloc(keys->list, (size_t) keys->capacity * sizeof(pythia_candidate));
	}
	copy = &keys->list[keys->count++];
	*copy = (pythia_candidate){pythia_strdup(key->identity), pythia_calloc((size_t) nkey, sizeof(char *)), key->side};
	for (int i = 0; i < nkey; i++)
		copy->values[i] = pythia_strdup(key->values[i]);
	return true;
}

/* Runs `before` with the condition of each run of keys behind it, on the target. */
static bool on_keys(pythia_run *run, pythia_validation *v, const pythia_candidates *keys, const char *before,
					int64_t *count, pythia_error *error)
{
	bool ok = true;

	for (int first = 0; ok && first < keys->count; first += KEYS_A_STATEMENT)
	{
		int n = keys->count - first < KEYS_A_STATEMENT ? keys->count - first : KEYS_A_STATEMENT;
		pythia_buffer sql = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(&sql, "%s WHERE ", before);
		pythia_key_condition(v, PYTHIA_TARGET, &keys->list[first], n, &sql);
		ok = pythia_run_exec(run, sql.data, count, error);
		pythia_buffer_free(&sql);
	}
	return ok;
}

/* The column that marks a deleted row, and what it is set to; NULL where rows are really deleted. */
static const pythia_column *soft_column(const pythia_validation *v)
{
	const pythia_table *target = &v->plan.target;
	int column =
		v->config.deletes == PYTHIA_DELETES_SOFT ? pythia_table_column(target, v->config.soft_delete_column) : -1;

	return column >= 0 ? &target->columns[column] : NULL;
}

static bool remove_extra(repair *r, pythia_run *run, pythia_error *error)
{
	pythia_validation *v = r->v;
	pythia_side *target = &v->sides[PYTHIA_TARGET];
	const pythia_column *soft = soft_column(v);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (soft != NULL)
	{
		bool flag = soft->type.kind == PYTHIA_KIND_BOOL || soft->type.kind == PYTHIA_KIND_INT;

		pythia_buffer_printf(&sql, "UPDATE %s SET ", target->name.data);
		target->dialect->identifier(&sql, soft->name);
		pythia_buffer_puts(&sql, !flag ? " = CURRENT_TIMESTAMP"
								 : target->db->engine == PYTHIA_POSTGRESQL && soft->type.kind == PYTHIA_KIND_BOOL
									 ? " = true"
									 : " = 1");
	}
	else
		pythia_buffer_printf(&sql, "DELETE FROM %s", target->name.data);
	ok = on_keys(run, v, &r->keys[PYTHIA_EXTRA], sql.data, &run->result->rows_deleted, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* A row that is in the source again is no longer deleted. */
static bool revive(repair *r, pythia_run *run, pythia_error *error)
{
	pythia_validation *v = r->v;
	const pythia_column *soft = soft_column(v);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (soft == NULL)
		return true;
	pythia_buffer_printf(&sql, "UPDATE %s SET ", v->sides[PYTHIA_TARGET].name.data);
	v->sides[PYTHIA_TARGET].dialect->identifier(&sql, soft->name);
	pythia_buffer_puts(&sql, " = NULL");
	ok = on_keys(run, v, &r->keys[PYTHIA_MISSING], sql.data, &r->revived, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* The source's rows of these keys, into the stage. */
static bool load_rows(repair *r, pythia_run *run, pythia_loader *loader, const pythia_candidates *keys,
					  pythia_error *error)
{
	pythia_validation *v = r->v;
	pythia_side *source = &v->sides[PYTHIA_SOURCE];
	pythia_kind *kinds = pythia_calloc((size_t) v->plan.npairs, sizeof(pythia_kind));
	bool ok = true;

	for (int i = 0; i < v->plan.npairs; i++)
		kinds[i] = pythia_pair_source(&v->plan, i)->type.kind;
	for (int first = 0; ok && first < keys->count; first += KEYS_A_STATEMENT)
	{
		int n = keys->count - first < KEYS_A_STATEMENT ? keys->count - first : KEYS_A_STATEMENT;
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		pythia_stream *stream = NULL;
		pythia_rows chunk;

		pythia_buffer_puts(&sql, "SELECT ");
		for (int i = 0; i < v->plan.npairs; i++)
		{
			pythia_buffer_puts(&sql, i > 0 ? ", " : "");
			source->dialect->read_expression(source->db, &sql, NULL, pythia_pair_source(&v->plan, i));
		}
		pythia_buffer_printf(&sql, " FROM %s%s", source->name.data, pythia_buffer_text(&source->lookup_filter));
		pythia_buffer_puts(&sql, source->lookup_filter.length > 0 ? " AND " : " WHERE ");
		pythia_key_condition(v, PYTHIA_SOURCE, &keys->list[first], n, &sql);
		ok = source->db->driver->stream_open(source->db, sql.data, v->plan.npairs, kinds, &stream, error);
		for (;;)
		{
			ok = ok && source->db->driver->stream_next(stream, &chunk, error);
			if (!ok || chunk.count == 0)
				break;
			run->result->source_count += (int64_t) chunk.count;
			run->result->bytes += (int64_t) chunk.length;
			ok = pythia_loader_put(loader, &chunk, error);
		}
		source->db->driver->stream_close(stream);
		pythia_buffer_free(&sql);
	}
	pythia_free(kinds);
	return ok;
}

static bool put_rows(repair *r, pythia_run *run, pythia_error *error)
{
	pythia_loader loader;
	bool ok;

	pythia_loader_init(&loader, run);
	ok = load_rows(r, run, &loader, &r->keys[PYTHIA_MISSING], error) &&
		 load_rows(r, run, &loader, &r->keys[PYTHIA_DIFFERING], error) && pythia_loader_finish(&loader, error);
	pythia_loader_free(&loader);
	return ok;
}

/* Every mended row once more; what still differs was changed by somebody meanwhile, or cannot be mended. */
static bool verify(repair *r, pythia_error *error)
{
	pythia_validation *v = r->v;
	pythia_validate_result again = {0};
	bool ok = true;

	v->mend = NULL;
	v->found = NULL;
	v->result = &again;
	for (int kind = 0; ok && kind < 3; kind++)
		ok = pythia_look_finally(v, &r->keys[kind], error);
	if (ok && again.difference > 0)
	{
		pythia_fail(error, PYTHIA_E_TRANSIENT, "40001", "%lld rows of table \"%s\" still differ after the repair",
					(long long) again.difference, v->plan.target.name);
		pythia_error_detail(error, "Nothing was changed.");
		pythia_error_hint(error, "Repair again when the source is at rest; a trigger of the target that changes rows "
								 "has to be disabled.");
		ok = false;
	}
	return ok;
}

static bool mend_in_transaction(repair *r, pythia_run *run, pythia_error *error)
{
	if (!pythia_stage_create(run, error))
		return false;
	if (!run->target->driver->begin(run->target, PYTHIA_BEGIN_IMMEDIATE, error))
		return false;
	run->writing = true;
	if (!remove_extra(r, run, error) || !revive(r, run, error) || !put_rows(r, run, error) || !verify(r, error))
		return false;
	/* verified, so these are the counts; MySQL does not count a row that it was told to change and that had the value */
	run->result->rows_inserted = r->keys[PYTHIA_MISSING].count - r->revived;
	run->result->rows_updated = r->keys[PYTHIA_DIFFERING].count + r->revived;
	run->result->rows_deleted = r->keys[PYTHIA_EXTRA].count;
	run->writing = false;
	return run->target->driver->commit(run->target, error) && pythia_stage_drop(run, error);
}

static bool mend(repair *r, pythia_sync_result *result, pythia_error *error)
{
	pythia_validation *v = r->v;
	pythia_sync_job job = *v->job;
	pythia_run run = {0};
	bool ok;

	v->config.dry_run = false;
	job.config = &v->config;
	run.job = &job;
	run.source = job.source;
	run.target = job.target;
	run.plan = v->plan; /* lent */
	run.staged = true;
	run.known_to_differ = true;
	run.result = result;
	run.names = pythia_calloc((size_t) v->plan.npairs + 1, sizeof(char *));
	run.types = pythia_calloc((size_t) v->plan.npairs + 1, sizeof(pythia_type *));
	for (int i = 0; i < v->plan.npairs; i++)
	{
		run.names[i] = pythia_pair_target(&v->plan, i)->name;
		run.types[i] = &pythia_pair_target(&v->plan, i)->type;
	}
	ok = mend_in_transaction(r, &run, error);
	if (!ok && !run.target->broken)
	{
		pythia_error ignored = PYTHIA_ERROR_INIT;

		if (run.writing)
			run.target->driver->rollback(run.target, &ignored);
		pythia_stage_drop(&run, &ignored);
		pythia_error_reset(&ignored);
	}
	pythia_free(run.names);
	pythia_free(run.types);
	return ok;
}

static bool find_and_mend(repair *r, pythia_difference_callback found, void *context, pythia_sync_result *result,
						  pythia_error *error)
{
	pythia_validation *v = r->v;
	pythia_validate_result compared = {0};
	bool ok;

	if (v->keyless)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42P16", "table \"%s\" has no primary key", v->plan.source.name);
		return pythia_error_hint(error, "Name the columns that identify a row in option \"key\".");
	}
	v->found = found;
	v->found_context = context;
	v->mend = remember;
	v->mend_context = r;
	ok = pythia_validation_run(v, &compared, error);
	result->source_count = 0;
	if (ok && r->limit >= 0 && compared.difference > r->limit)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "54000", "%lld rows of table \"%s\" differ, more than max_changes (%lld)",
					(long long) compared.difference, v->plan.target.name, (long long) r->limit);
		pythia_error_detail(error, "%lld are missing, %lld extra, %lld differing; nothing was changed.",
							(long long) compared.missing, (long long) compared.extra, (long long) compared.differing);
		pythia_error_hint(error, "Look at the differences; raise max_changes (-1: no limit), or synchronise in full.");
		ok = false;
	}
	else if (ok && v->options->dry_run)
	{
		result->rows_inserted = compared.missing;
		result->rows_updated = compared.differing;
		result->rows_deleted = compared.extra;
		result->rows_synced = compared.missing + compared.differing;
	}
	else if (ok && compared.difference > 0)
		ok = mend(r, result, error);
	pythia_validate_result_free(&compared);
	return ok;
}

bool pythia_repair_table(const pythia_sync_job *job, const pythia_validate_options *options,
						 pythia_difference_callback found, void *context, pythia_sync_result *result,
						 pythia_error *error)
{
	pythia_validate_options rows = *options;
	pythia_validation v;
	repair r = {.v = &v, .limit = options->max_changes};
	bool ok;

	memset(result, 0, sizeof(*result));
	result->sync_mode = "repair";
	result->start_time = pythia_host_now(job->source->host);
	/* counts name no rows */
	if (rows.method == PYTHIA_VALIDATE_COUNT)
		rows.method = PYTHIA_VALIDATE_CHECKSUM;
	rows.checks = NULL;
	if (!pythia_validation_begin(&v, job, &rows, error))
		return false;
	ok = find_and_mend(&r, found, context, result, error);
	for (int kind = 0; kind < 3; kind++)
	{
		pythia_candidates_clear(&r.keys[kind], v.plan.nkey);
		pythia_free(r.keys[kind].list);
	}
	pythia_validation_end(&v);
	if (!ok)
		pythia_error_context(error, "repairing table \"%s\"", job->table);
	result->end_time = pythia_host_now(job->source->host);
	result->duration_seconds = (double) (result->end_time - result->start_time) / 1e6;
	return ok;
}
