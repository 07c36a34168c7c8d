/*
 * A row whose digests differ is a candidate.  It is looked up by its key with all columns; where
 * it differs by value it is kept until `recheck_after` has gone by, and called different when
 * it then differs just as before.  A row that either side changed meanwhile is in flight: it waits
 * for another look.  Lists are bounded by bytes, however much differs.
 */
#include "validate/merge.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* Looked up by one statement; what its keys may come to. */
#define LOOKUP_KEYS  500
#define LOOKUP_BYTES (256 * 1024)
/* The same where no index finds them: each statement reads all rows. */
#define SCAN_KEYS  20000
#define SCAN_BYTES (4 * 1024 * 1024)
/* Candidates that are rechecked before it is decided whether digests are worth their while. */
#define CANDIDATES_TO_JUDGE 200
/* Looks at a row that keeps changing before it is called different. */
#define LOOKS 20

/* --- looking up ------------------------------------------------------------------ */

static int by_identity(const void *a, const void *b)
{
	return strcmp(((const pythia_candidate *) a)->identity, ((const pythia_candidate *) b)->identity);
}

/* How many of the keys from `first` on go into one statement. */
static int keys_at_once(const pythia_validation_state *v, const pythia_candidates *keys, int first)
{
	int most = v->by_literal ? LOOKUP_KEYS : SCAN_KEYS;
	size_t room = v->by_literal ? LOOKUP_BYTES : SCAN_BYTES;
	size_t bytes = 0;
	int n = 0;

	while (first + n < keys->count && n < most && bytes < room)
		bytes += pythia_candidate_bytes(&keys->list[first + n++], v->plan.nkey);
	return n;
}

static bool look_up(pythia_validation_state *v, pythia_comparison how, const pythia_candidates *keys,
					pythia_candidates *into, pythia_error *error)
{
	bool ok = pythia_try_literals(v, error);
	int n;

	for (int first = 0; ok && first < keys->count; first += n)
	{
		pythia_buffer where[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
		pythia_merge merge = {.v = v, .how = how, .into = into};

		n = keys_at_once(v, keys, first);
		qsort(&keys->list[first], (size_t) n, sizeof(pythia_candidate), by_identity);
		merge.known = &keys->list[first];
		merge.nknown = n;
		for (int side = 0; side < 2; side++)
		{
			pythia_buffer_puts(&where[side], pythia_buffer_text(&v->sides[side].lookup_filter));
			pythia_and(&where[side]);
			pythia_key_condition(v, side, &keys->list[first], n, &where[side]);
		}
		ok = pythia_merge_rows(&merge, where, error);
		pythia_buffer_free(&where[0]);
		pythia_buffer_free(&where[1]);
		if (ok && v->between != NULL)
			ok = v->between(v->mend_context, error);
	}
	return ok;
}

bool pythia_look_finally(pythia_validation_state *v, const pythia_candidates *keys, pythia_error *error)
{
	return look_up(v, PYTHIA_FINALLY, keys, NULL, error);
}

/* --- settling -------------------------------------------------------------------- */

/* Until recheck_after has gone by since the last look. */
static bool wait_for_rows_in_flight(pythia_validation_state *v, pythia_error *error)
{
	const pythia_host *host = v->job->source->host;
	int64_t until = v->looked_at + (int64_t) (v->options->recheck_after * 1e6);

	for (;;)
	{
		int64_t left = until - pythia_host_now(host);

		if (left <= 0 || left > (int64_t) (v->options->recheck_after * 1e6))
			return true;
		if (pythia_host_wait(host, -1, 0, (long) ((left + 999) / 1000)) == PYTHIA_WAIT_CANCELLED)
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "validation was cancelled");
	}
}

bool pythia_recheck(pythia_validation_state *v, pythia_error *error)
{
	bool ok = true;

	for (int look = 2; ok && v->pending.count > 0; look++)
	{
		pythia_candidates changed = {0};

		ok = wait_for_rows_in_flight(v, error) &&
			 look_up(v, look < LOOKS ? PYTHIA_AGAIN : PYTHIA_FINALLY, &v->pending, &changed, error);
		v->looked_at = pythia_host_now(v->job->source->host);
		pythia_candidates_free(&v->pending, v->plan.nkey);
		v->pending = changed;
	}
	return ok;
}

/* Looks at what digests made suspect. */
static bool look_at_suspects(pythia_validation_state *v, pythia_candidates *suspects, pythia_error *error)
{
	bool at_once = v->options->recheck_after <= 0;
	int64_t before = at_once ? v->result->difference : v->pending.count;
	int64_t differ;
	bool ok;

	v->result->suspected += suspects->count;
	ok = look_up(v, at_once ? PYTHIA_FINALLY : PYTHIA_BY_VALUE, suspects, &v->pending, error);
	v->looked_at = pythia_host_now(v->job->source->host);
	differ = (at_once ? v->result->difference : v->pending.count) - before;
	if (suspects->count >= CANDIDATES_TO_JUDGE)
		v->prefer_rows = differ < suspects->count / 2;
	pythia_candidates_clear(suspects, v->plan.nkey);
	return ok && (!pythia_candidates_full(&v->pending) || pythia_recheck(v, error));
}

/* --- whole conditions --------------------------------------------------------------- */

static bool compare_all(pythia_validation_state *v, bool by_value, const pythia_buffer condition[2], int64_t rows[2],
						pythia_error *error)
{
	/* a repair mends between two looks, so that what it has to remember is bounded too */
	bool at_once = v->options->recheck_after <= 0 && v->between == NULL;
	pythia_candidates suspects = {0};
	pythia_merge merge = {.v = v, .bounded = true};
	pythia_buffer where[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	bool ok = true;

	for (int side = 0; side < 2; side++)
		pythia_buffer_puts(&where[side], pythia_buffer_text(&condition[side]));
	while (ok && !merge.finished)
	{
		/* digests that nearly always differ for nothing are not worth their while */
		by_value = by_value || v->prefer_rows;
		merge.how = !by_value ? PYTHIA_BY_DIGEST : at_once ? PYTHIA_FINALLY : PYTHIA_BY_VALUE;
		merge.into = by_value ? &v->pending : &suspects;
		ok = pythia_merge_rows(&merge, where, error);
		if (by_value)
			v->looked_at = pythia_host_now(v->job->source->host);
		if (ok && suspects.count > 0)
			ok = look_at_suspects(v, &suspects, error);
		if (ok && pythia_candidates_full(&v->pending))
			ok = pythia_recheck(v, error);
		for (int side = 0; ok && !merge.finished && side < 2; side++)
		{
			pythia_buffer_clear(&where[side]);
			pythia_buffer_puts(&where[side], pythia_buffer_text(&condition[side]));
			ok = pythia_merge_after(v, &v->sides[side], merge.resume, &where[side], error);
		}
	}
	if (rows != NULL)
		memcpy(rows, merge.rows, sizeof(merge.rows));
	pythia_candidates_free(&suspects, v->plan.nkey);
	for (int side = 0; side < 2; side++)
	{
		pythia_buffer_free(&merge.resume[side]);
		pythia_buffer_free(&where[side]);
	}
	return ok;
}

bool pythia_compare_digests(pythia_validation_state *v, const pythia_buffer condition[2], pythia_error *error)
{
	return compare_all(v, false, condition, NULL, error);
}

bool pythia_compare_values(pythia_validation_state *v, const pythia_buffer condition[2], int64_t rows[2],
						   pythia_error *error)
{
	return compare_all(v, true, condition, rows, error);
}
