/*
 * Makes the target's differing rows equal to the source's: those rows and no others, in
 * one transaction of the target, which is looked at again before it commits.
 */
#include <string.h>

#include "core/memory.h"
#include "dialect/short_name.h"
#include "sync/foreign.h"
#include "sync/referrers.h"
#include "sync/run.h"
#include "sync/soft.h"
#include "validate/internal.h"

/* Keys named by one statement. */
#define KEYS_A_STATEMENT 500
/* Keys held before their rows are mended. */
#define KEYS_BYTES (16 * 1024 * 1024)

typedef struct repair
{
	pythia_validation_state *v;
	pythia_sync_result *result;
	pythia_candidates keys[3]; /* a kind of difference */
	int64_t found;
	int64_t limit;   /* -1: none */
	bool counting;   /* only how many there are, and their keys as long as they fit */
	bool overflown;  /* they did not */
	bool leaves;     /* extra rows that other tables refer to: they may go later */
	bool extra_only; /* those that are missing or differ are another call's */
	int64_t left;    /* differences that are not mended: these, and extra rows that other tables refer to */
	int64_t revived; /* of the keys at hand */
	pythia_sync_job job;
	pythia_run run;
	bool begun; /* the target's transaction */
} repair;

static void forget(repair *r)
{
	for (int kind = 0; kind < 3; kind++)
		pythia_candidates_clear(&r->keys[kind], r->v->plan.nkey);
	r->revived = 0;
}

static bool too_many(repair *r)
{
	return r->keys[0].bytes + r->keys[1].bytes + r->keys[2].bytes >= KEYS_BYTES;
}

static bool beyond_limit(const repair *r, const pythia_validate_result *result, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "54000", "%lld rows of table \"%s\" differ, more than max_changes (%lld)",
				(long long) result->difference, r->v->plan.target.name, (long long) r->limit);
	pythia_error_detail(error, "%lld are missing, %lld extra, %lld differing; nothing was changed.",
						(long long) result->missing, (long long) result->extra, (long long) result->differing);
	return pythia_error_hint(error,
							 "Look at the differences; raise max_changes (-1: no limit), or synchronise in full.");
}

/* Rows of one key come one after the other; it is mended once. */
static bool is_last(const pythia_candidates *keys, const pythia_candidate *key)
{
	return keys->count > 0 && strcmp(keys->list[keys->count - 1].identity, key->identity) == 0;
}

static bool remember(void *context, pythia_difference_kind kind, const pythia_candidate *key, pythia_error *error)
{
	repair *r = context;

	/* beyond the limit nothing will be changed, but all are counted to say how many there are */
	if (r->limit >= 0 && ++r->found > r->limit)
		return r->counting || beyond_limit(r, r->v->result, error);
	if (r->counting && (r->overflown || r->v->options->dry_run))
		return true;
	if (r->extra_only && kind != PYTHIA_EXTRA)
	{
		r->left++;
		return true;
	}
	if (is_last(&r->keys[kind], key))
		return true;
	pythia_candidates_copy(&r->keys[kind], key, r->v->plan.nkey);
	if (r->counting && too_many(r))
	{
		r->overflown = true;
		forget(r);
	}
	return true;
}

/* Runs `before` with the condition of each run of keys behind it, and then `also` (NULL: nothing), on the target. */
static bool on_keys(pythia_run *run, pythia_validation_state *v, const pythia_candidates *keys, const char *before,
					const char *also, int64_t *count, pythia_error *error)
{
	bool ok = true;

	for (int first = 0; ok && first < keys->count; first += KEYS_A_STATEMENT)
	{
		int n = keys->count - first < KEYS_A_STATEMENT ? keys->count - first : KEYS_A_STATEMENT;
		pythia_buffer sql = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(&sql, "%s WHERE (", before);
		pythia_key_condition_exact(v, PYTHIA_TARGET, &keys->list[first], n, &sql);
		pythia_buffer_printf(&sql, ")%s", also != NULL ? also : "");
		ok = pythia_run_exec(run, sql.data, count, error);
		pythia_buffer_free(&sql);
	}
	return ok;
}

static bool remove_extra(repair *r, pythia_run *run, pythia_error *error)
{
	pythia_validation_state *v = r->v;
	pythia_side *target = &v->sides[PYTHIA_TARGET];
	const pythia_column *soft = pythia_soft_column(&v->config, &v->plan.target);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer unreferred = PYTHIA_BUFFER_INIT;
	bool any;
	bool ok = true;

	if (soft != NULL)
	{
		pythia_buffer_printf(&sql, "UPDATE %s SET ", target->name.data);
		target->dialect->identifier(&sql, soft->name);
		pythia_buffer_puts(&sql, " = ");
		pythia_soft_gone(target->db, soft, &sql);
	}
	else
	{
		pythia_buffer_printf(&sql, target->db->engine == PYTHIA_MYSQL ? "DELETE t FROM %s t" : "DELETE FROM %s AS t",
							 target->name.data);
		ok = !r->leaves || pythia_referrers(run, &any, &unreferred, error);
	}
	ok = ok && on_keys(run, v, &r->keys[PYTHIA_EXTRA], sql.data, unreferred.data, &run->result->rows_deleted, error);
	pythia_buffer_free(&unreferred);
	pythia_buffer_free(&sql);
	return ok;
}

/* A row that is in the source again is no longer deleted. */
static bool revive(repair *r, pythia_run *run, pythia_error *error)
{
	pythia_validation_state *v = r->v;
	const pythia_column *soft = pythia_soft_column(&v->config, &v->plan.target);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (soft == NULL)
		return true;
	pythia_buffer_printf(&sql, "UPDATE %s SET ", v->sides[PYTHIA_TARGET].name.data);
	v->sides[PYTHIA_TARGET].dialect->identifier(&sql, soft->name);
	pythia_buffer_puts(&sql, " = ");
	pythia_soft_here(v->sides[PYTHIA_TARGET].db, soft, &sql);
	ok = on_keys(run, v, &r->keys[PYTHIA_MISSING], sql.data, NULL, &r->revived, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* The source's rows of these keys, into the stage. */
static bool load_rows(repair *r, pythia_run *run, pythia_loader *loader, const pythia_candidates *keys,
					  pythia_error *error)
{
	pythia_validation_state *v = r->v;
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
		pythia_key_condition_exact(v, PYTHIA_SOURCE, &keys->list[first], n, &sql);
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
	pythia_validation_state *v = r->v;
	pythia_validation_state asked = *v;
	pythia_validate_result again = {0};
	bool ok = true;

	v->mend = NULL;
	v->between = NULL;
	v->found = NULL;
	v->result = &again;
	for (int kind = 0; ok && kind < 3; kind++)
		ok = pythia_look_finally(v, &r->keys[kind], error);
	v->mend = asked.mend;
	v->between = asked.between;
	v->found = asked.found;
	v->result = asked.result;
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

/* Opens the target's transaction, in which everything happens. */
static bool begin(repair *r, pythia_error *error)
{
	pythia_validation_state *v = r->v;
	pythia_run *run = &r->run;

	if (r->begun)
		return pythia_stage_clear(run, error);
	v->config.dry_run = false;
	r->job = *v->job;
	r->job.config = &v->config;
	run->job = &r->job;
	run->source = r->job.source;
	run->target = r->job.target;
	run->plan = v->plan; /* lent */
	pythia_stage_name(run, 0);
	run->way.staged = true;
	run->way.known_to_differ = true;
	run->result = r->result;
	run->names = pythia_calloc((size_t) v->plan.npairs + 1, sizeof(char *));
	run->types = pythia_calloc((size_t) v->plan.npairs + 1, sizeof(pythia_type *));
	for (int i = 0; i < v->plan.npairs; i++)
	{
		run->names[i] = pythia_pair_target(&v->plan, i)->name;
		run->types[i] = &pythia_pair_target(&v->plan, i)->type;
	}
	r->begun = true;
	if (!pythia_foreign_begin(run, error) || !pythia_stage_create(run, error) || !pythia_run_begin_write(run, error))
		return false;
	v->mending = true;
	return pythia_stage_clear(run, error);
}

/* Mends the rows of the keys at hand, and looks at them again. */
static bool mend(repair *r, pythia_error *error)
{
	pythia_sync_result *result = r->result;
	int64_t inserted = result->rows_inserted;
	int64_t updated = result->rows_updated;
	int64_t deleted = result->rows_deleted;
	int64_t extra = r->keys[PYTHIA_EXTRA].count;

	if (!begin(r, error) || !remove_extra(r, &r->run, error))
		return false;
	if (r->leaves && result->rows_deleted - deleted < extra)
	{
		r->left += extra - (result->rows_deleted - deleted);
		extra = result->rows_deleted - deleted;
		pythia_candidates_clear(&r->keys[PYTHIA_EXTRA], r->v->plan.nkey);
	}
	if (!r->extra_only && (!revive(r, &r->run, error) || !put_rows(r, &r->run, error) || !verify(r, error)))
		return false;
	/* verified, so these are the counts; MySQL does not count a row that it was told to change and that had the value */
	result->rows_inserted = inserted + r->keys[PYTHIA_MISSING].count - r->revived;
	result->rows_updated = updated + r->keys[PYTHIA_DIFFERING].count + r->revived;
	result->rows_deleted = deleted + extra;
	forget(r);
	return true;
}

static bool mend_when_many(void *context, pythia_error *error)
{
	repair *r = context;

	return !too_many(r) || mend(r, error);
}

/* Commits, or undoes everything. */
static bool end(repair *r, bool ok, pythia_error *error)
{
	pythia_run *run = &r->run;

	if (!r->begun)
		return ok;
	ok = ok && pythia_foreign_end(run, error) && pythia_run_commit(run, error);
	if (!run->target->broken)
	{
		pythia_error ignored = PYTHIA_ERROR_INIT;

		pythia_run_give_up(run, false);
		pythia_foreign_restore(run);
		/* what was done is done, whatever becomes of the stage */
		pythia_stage_drop(run, &ignored);
		pythia_error_reset(&ignored);
	}
	pythia_free(run->names);
	pythia_free(run->types);
	pythia_free(run->path);
	run->path = NULL;
	r->begun = false;
	return ok;
}

/* Compares; differences go to remember(), and to `found` where it is given. */
static bool compare(repair *r, pythia_difference_callback found, void *context, pythia_validate_result *compared,
					pythia_error *error)
{
	pythia_validation_state *v = r->v;

	v->found = found;
	v->found_context = context;
	v->named = 0;
	r->found = 0;
	r->left = 0;
	pythia_validate_result_free(compared);
	return pythia_validation_run(v, compared, error);
}

static bool find_and_mend(repair *r, pythia_difference_callback found, void *context, pythia_error *error)
{
	pythia_validation_state *v = r->v;
	pythia_validate_result compared = {0};
	bool ok;

	if (v->keyless)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42P16", "table \"%s\" has no primary key", v->plan.source.name);
		return pythia_error_hint(error, "Name the columns that identify a row in option \"key\".");
	}
	if (!pythia_repair_key_tells(v, error))
		return false;
	v->mend = remember;
	v->mend_context = r;
	r->counting = r->limit >= 0 || v->options->dry_run;
	v->between = r->counting ? NULL : mend_when_many;
	ok = compare(r, found, context, &compared, error);
	if (ok && r->limit >= 0 && compared.difference > r->limit)
		ok = beyond_limit(r, &compared, error);
	else if (ok && v->options->dry_run)
	{
		r->result->rows_inserted = compared.missing;
		r->result->rows_updated = compared.differing;
		r->result->rows_deleted = compared.extra;
		r->result->rows_synced = compared.missing + compared.differing;
	}
	else if (ok)
	{
		if (r->overflown)
		{
			/* allowed, but too many to be remembered: found again, and mended on the way */
			r->counting = false;
			v->between = mend_when_many;
			ok = compare(r, NULL, NULL, &compared, error);
		}
		if (ok && r->keys[0].count + r->keys[1].count + r->keys[2].count > 0)
			ok = mend(r, error);
	}
	pythia_validate_result_free(&compared);
	return end(r, ok, error);
}

static bool repair_table(const pythia_sync_job *given, const pythia_validate_options *options, bool extra_only,
						 pythia_difference_callback found, void *context, pythia_sync_result *result,
						 pythia_error *error)
{
	pythia_validate_options rows = *options;
	pythia_validation_state v;
	repair r = {.v = &v,
				.result = result,
				.limit = options->max_changes,
				.leaves = extra_only || given->others_follow,
				.extra_only = extra_only};
	pythia_db *twin;
	pythia_sync_job own;
	const pythia_sync_job *job = pythia_job_apart(given, &own, &twin);
	bool ok;

	memset(result, 0, sizeof(*result));
	result->sync_mode = "repair";
	result->start_time = pythia_host_now(job->source->host);
	/* counts name no rows */
	if (rows.method == PYTHIA_VALIDATE_COUNT)
		rows.method = PYTHIA_VALIDATE_CHECKSUM;
	rows.checks = NULL;
	if (!pythia_validation_begin(&v, job, &rows, error))
	{
		pythia_db_close(twin);
		return false;
	}
	ok = find_and_mend(&r, found, context, error);
	for (int kind = 0; kind < 3; kind++)
		pythia_candidates_free(&r.keys[kind], v.plan.nkey);
	pythia_validation_end(&v);
	pythia_db_close(twin);
	result->rows_left = r.left;
	if (!ok)
	{
		/* undone, all of it */
		if (strcmp(error->sqlstate, "23503") == 0 && error->hint == NULL)
			pythia_error_hint(error,
							  "Repair both tables in one run of the command (pythia repair, with --all or both names):"
							  " extra rows are then deleted children first, and missing ones inserted parents first."
							  "  Where the two refer to one another, set the referring column of extra rows to NULL"
							  " first, and leave it out by exclude_columns for one run.");
		result->rows_synced = result->rows_inserted = result->rows_updated = result->rows_deleted = 0;
		pythia_error_context(error, "repairing table \"%s\"",
							 pythia_name_shown(job->table, (char[PYTHIA_NAME_ROOM]){0}));
	}
	result->end_time = pythia_host_now(given->source->host);
	result->duration_seconds = (double) (result->end_time - result->start_time) / 1e6;
	return ok;
}

bool pythia_repair_table(const pythia_sync_job *job, const pythia_validate_options *options,
						 pythia_difference_callback found, void *context, pythia_sync_result *result,
						 pythia_error *error)
{
	return repair_table(job, options, false, found, context, result, error);
}

bool pythia_repair_extra(const pythia_sync_job *job, const pythia_validate_options *options,
						 pythia_difference_callback found, void *context, pythia_sync_result *result,
						 pythia_error *error)
{
	return repair_table(job, options, true, found, context, result, error);
}
