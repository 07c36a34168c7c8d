#include "cutover/cutover.h"

#include <string.h>

#include "core/memory.h"
#include "cutover/fence.h"
#include "cutover/internal.h"

/* What is cleaned up waits for no longer than that, all in all. */
#define GRACE_MS 60000
#define PAUSE_MS 10

/* A cutover that is under way. */
typedef struct cutover
{
	const pythia_cutover_job *job;
	pythia_cutover_result *result;
	pythia_db *source; /* our own statements */
	pythia_db *target;
	pythia_db *live_source; /* the live sync's */
	pythia_db *live_target;
	pythia_live *live;
	pythia_cutover_comparison comparison;
	int64_t begun; /* the fence; monotonic milliseconds, 0: not yet */
} cutover;

static void step(const cutover *c, const char *word)
{
	if (c->job->step != NULL)
		c->job->step(c->job->tell_context, word);
}

static bool is_cancelled(pythia_error *error)
{
	return pythia_host_cancelled(pythia_default_host()) &&
		   !pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "interrupted");
}

static bool pause_a_little(pythia_error *error)
{
	return pythia_host_wait(pythia_default_host(), -1, 0, PAUSE_MS) != PYTHIA_WAIT_CANCELLED ||
		   pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "interrupted");
}

/* --- the live sync ---------------------------------------------------------------------- */

static void close_live(cutover *c)
{
	pythia_live_close(c->live);
	pythia_db_close(c->live_source);
	pythia_db_close(c->live_target);
	c->live = NULL;
	c->live_source = c->live_target = NULL;
}

static bool open_live(cutover *c, pythia_error *error)
{
	const pythia_cutover_job *job = c->job;
	pythia_live_job live = {.name = c->result->worker,
							.tables = job->tables,
							.ntables = job->ntables,
							.config = job->config,
							.on_change = job->on_change};

	close_live(c);
	if (!job->connect(job->context, false, pythia_default_host(), &c->live_source, error) ||
		!job->connect(job->context, true, pythia_default_host(), &c->live_target, error))
		return false;
	live.source = c->live_source;
	live.target = c->live_target;
	return pythia_live_open(&live, &c->live, error) && pythia_live_take(c->live, error);
}

/* Another process that applies the same windows was a moment quicker, or a lock was in the way. */
static bool goes_by(const pythia_error *error)
{
	return error->error_class == PYTHIA_E_TRANSIENT || error->error_class == PYTHIA_E_LOST ||
		   strcmp(error->sqlstate, "55006") == 0;
}

static bool again(cutover *c, int64_t until, pythia_error *error)
{
	while (goes_by(error) && pythia_monotonic_ms() < until)
	{
		pythia_error_reset(error);
		if (!pause_a_little(error))
			return false;
		if (open_live(c, error))
			return true;
	}
	return false;
}

static bool take(cutover *c, pythia_error *error)
{
	return open_live(c, error) || again(c, pythia_monotonic_ms() + c->job->timeout_ms, error);
}

static bool window(cutover *c, bool *applied, pythia_error *error)
{
	if (is_cancelled(error))
		return false;
	if (pythia_live_window(c->live, applied, error))
		return true;
	*applied = true;
	return again(c, pythia_monotonic_ms() + c->job->timeout_ms, error);
}

static bool check_known(cutover *c, pythia_error *error)
{
	const pythia_cutover_job *job = c->job;
	int64_t tables;
	int64_t copied;

	if (!pythia_live_known(c->source, c->result->worker, &tables, &copied, error))
		return false;
	if (tables == job->ntables && copied == tables)
		return true;
	if (tables < 0)
		pythia_fail(error, PYTHIA_E_USAGE, "55000", "there is no live sync \"%s\" from this source to this target",
					c->result->worker);
	else if (tables != job->ntables)
		pythia_fail(error, PYTHIA_E_USAGE, "55000", "live sync \"%s\" follows %lld tables, not %d", c->result->worker,
					(long long) tables, job->ntables);
	else
		pythia_fail(error, PYTHIA_E_USAGE, "55000", "live sync \"%s\" has copied %lld of its %lld tables",
					c->result->worker, (long long) copied, (long long) tables);
	return pythia_error_hint(error, "Run pythia sync --mode live with the same tables, options and name, until it says"
									" that the target is live.");
}

/* --- before the fence --------------------------------------------------------------------- */

static bool validate(cutover *c, pythia_error *error)
{
	pythia_error other = PYTHIA_ERROR_INIT;
	bool applied;
	bool ok = true;

	if (!pythia_cutover_comparison_begin(&c->comparison, false, error))
		return false;
	/* windows go on meanwhile: else all that is on its way would differ */
	while (ok && !pythia_cutover_comparison_over(&c->comparison))
		ok = window(c, &applied, error) && (applied || pause_a_little(error));
	if (!pythia_cutover_comparison_end(&c->comparison, &other) && ok)
		ok = pythia_error_move(error, &other);
	pythia_error_reset(&other);
	return ok;
}

static bool catch_up(cutover *c, pythia_error *error)
{
	int64_t until = pythia_monotonic_ms() + c->job->timeout_ms;
	pythia_live_status status;
	bool applied = true;

	do
	{
		if (!window(c, &applied, error))
			return false;
		pythia_live_look(c->live, &status);
		if (status.lag <= c->job->max_lag_ms * 1000)
			return true;
	} while (pythia_monotonic_ms() < until);
	pythia_fail(error, PYTHIA_E_USAGE, "55000", "the target is %.3f s behind the source, more than %.3f s",
				(double) status.lag / 1e6, (double) c->job->max_lag_ms / 1e3);
	return pythia_error_hint(error, "Try again when less is written, or give --max-lag.");
}

/* --- the fence ------------------------------------------------------------------------------ */

static bool fence(cutover *c, pythia_error *error)
{
	const pythia_cutover_job *job = c->job;
	const pythia_fence all = {.db = c->source,
							  .worker = c->result->worker,
							  .moved_to = c->target->display,
							  .tables = job->tables,
							  .ntables = job->ntables,
							  .lock_ms = job->lock_ms,
							  .most_ms = job->timeout_ms};

	if (!pythia_charge_install(c->source, error) ||
		!pythia_charge_write(c->source, c->result->worker, PYTHIA_CHARGE_FENCED, c->target, job->reverse, error))
		return false;
	step(c, "fence");
	c->begun = pythia_monotonic_ms();
	if (!pythia_fence_raise(&all, &c->result->tries, error))
		return false;
	c->result->fencing = (pythia_monotonic_ms() - c->begun) * 1000;
	step(c, "fenced");
	return true;
}

/* Every transaction that wrote there has ended: a look that finds nothing was the last one. */
static bool drain(cutover *c, pythia_error *error)
{
	bool applied = true;

	step(c, "drain");
	while (applied)
	{
		if (!window(c, &applied, error))
			return false;
		c->result->windows += applied;
	}
	return true;
}

static bool compare(cutover *c, pythia_error *error)
{
	if (!c->job->compare_within)
		return true;
	step(c, "compare");
	return pythia_cutover_comparison_begin(&c->comparison, true, error) &&
		   pythia_cutover_comparison_end(&c->comparison, error);
}

static bool sequences(cutover *c, pythia_error *error)
{
	step(c, "sequences");
	return pythia_cutover_sequences(c->job, c->source, c->target, &c->result->sequences, error);
}

static bool reverse(cutover *c, pythia_error *error)
{
	if (!c->job->reverse)
		return true;
	step(c, "reverse");
	return pythia_cutover_reverse(c->job, c->comparison.sources[0], c->comparison.targets[0], error);
}

static bool timed(cutover *c, bool (*part)(cutover *, pythia_error *), int64_t *time, pythia_error *error)
{
	int64_t begun = pythia_monotonic_ms();
	bool ok = part(c, error);

	*time = (pythia_monotonic_ms() - begun) * 1000;
	return ok;
}

static bool within(cutover *c, pythia_error *error)
{
	pythia_cutover_result *r = c->result;

	return timed(c, drain, &r->draining, error) && timed(c, compare, &r->comparing, error) &&
		   timed(c, sequences, &r->counting, error) && timed(c, reverse, &r->reversing, error) && !is_cancelled(error);
}

/* --- who is in charge ------------------------------------------------------------------------- */

/* The target was moved away from once: it takes writes again. */
static bool open_target(cutover *c, pythia_error *error)
{
	char *workers;
	char *rest;
	bool ok = pythia_charge_moved(c->target, c->source, &workers, error);

	for (char *name = ok ? strtok_r(workers, "\n", &rest) : NULL; ok && name != NULL;
		 name = strtok_r(NULL, "\n", &rest))
		ok = pythia_fence_lift(c->target, name, error) &&
			 pythia_charge_write(c->target, name, PYTHIA_CHARGE_SOURCE, NULL, false, error);
	pythia_free(workers);
	return ok;
}

static bool hand_over(cutover *c, pythia_error *error)
{
	step(c, "charge");
	if (!pythia_charge_write(c->source, c->result->worker, PYTHIA_CHARGE_MOVED, c->target, c->job->reverse, error))
		return false;
	c->result->moved = true;
	step(c, "moved");
	return true;
}

/* With a way back the live sync has to go at once: what comes back would be logged for nobody. */
static bool clean_up(cutover *c, pythia_error *error)
{
	bool ok = open_target(c, error);

	c->result->held = (pythia_monotonic_ms() - c->begun) * 1000;
	step(c, "clean_up");
	close_live(c);
	return ok && (!c->job->reverse || pythia_live_drop(c->source, c->target, c->result->worker, error));
}

static bool lift(pythia_db *source, pythia_db *target, const char *worker, bool reverse, pythia_error *error)
{
	return pythia_fence_lift(source, worker, error) &&
		   (!reverse || target == NULL || pythia_cutover_drop_reverse(source, target, error)) &&
		   pythia_charge_write(source, worker, PYTHIA_CHARGE_SOURCE, NULL, false, error);
}

/* By connections of its own: those at hand may be broken, and whoever interrupts wants this all the same.  The row tells
 * whether it had come so far: the answer to its writing may have been lost. */
static bool give_back(cutover *c, pythia_error *error)
{
	const pythia_cutover_job *job = c->job;
	pythia_charge charge = {0};
	pythia_grace grace;
	pythia_db *source = NULL;
	pythia_db *target = NULL;
	bool ok;

	step(c, "lift");
	pythia_grace_begin(&grace, GRACE_MS);
	ok = job->connect(job->context, false, &grace.host, &source, error) &&
		 (!job->reverse || job->connect(job->context, true, &grace.host, &target, error)) &&
		 pythia_charge_read(source, c->result->worker, &charge, error);
	c->result->moved = ok && charge.state == PYTHIA_CHARGE_MOVED;
	if (ok && !c->result->moved)
		ok = lift(source, target, c->result->worker, job->reverse, error);
	c->result->fenced = !ok;
	c->result->held = c->begun > 0 ? (pythia_monotonic_ms() - c->begun) * 1000 : 0;
	pythia_charge_free(&charge);
	pythia_db_close(source);
	pythia_db_close(target);
	return ok;
}

/* --- all --------------------------------------------------------------------------------------- */

static bool begin(cutover *c, bool *moved, bool *back, pythia_error *error)
{
	const pythia_cutover_job *job = c->job;
	pythia_charge charge = {0};
	bool local;
	bool ok;

	*moved = *back = false;
	if ((job->reverse && !pythia_cutover_check_reverse(job, error)) ||
		!job->connect(job->context, false, pythia_default_host(), &c->source, error) ||
		!job->connect(job->context, true, pythia_default_host(), &c->target, error))
		return false;
	c->result->worker = job->name != NULL ? pythia_strdup(job->name) : pythia_live_name(c->source, c->target);
	ok = pythia_charge_read(c->source, c->result->worker, &charge, error);
	*moved = ok && charge.state == PYTHIA_CHARGE_MOVED;
	*back = charge.reverse;
	/* one that was killed: what it had made for the way back is made anew, or not wanted */
	if (ok && charge.state == PYTHIA_CHARGE_FENCED && charge.reverse)
		ok = pythia_cutover_drop_reverse(c->source, c->target, error);
	pythia_charge_free(&charge);
	if (*moved)
		return ok;
	local = c->source->engine == PYTHIA_SQLITE && c->target->engine == PYTHIA_SQLITE;
	return ok && check_known(c, error) && pythia_cutover_comparison_open(&c->comparison, job, local, error);
}

static bool before(cutover *c, pythia_error *error)
{
	step(c, "take");
	if (!take(c, error))
		return false;
	step(c, "validate");
	if (!validate(c, error))
		return false;
	step(c, "catch_up");
	return catch_up(c, error);
}

static bool run(cutover *c, pythia_error *error)
{
	pythia_error other = PYTHIA_ERROR_INIT;
	bool moved;
	bool back;
	bool ok;

	if (!begin(c, &moved, &back, error))
		return false;
	if (moved)
	{
		/* an earlier run may have been killed behind that */
		c->result->moved = true;
		return open_target(c, error) && (!back || pythia_live_drop(c->source, c->target, c->result->worker, error));
	}
	if (!before(c, error))
		return false;
	ok = fence(c, error) && within(c, error) && (c->job->rehearse || hand_over(c, error));
	if (ok && !c->job->rehearse)
		return clean_up(c, error);
	/* the first failure is the one to be told, unless the fence stays */
	if (give_back(c, &other))
	{
		pythia_error_reset(&other);
		if (c->result->moved)
			pythia_error_reset(error);
		return ok || c->result->moved;
	}
	pythia_error_reset(error);
	return pythia_error_move(error, &other);
}

bool pythia_cutover_run(const pythia_cutover_job *job, pythia_cutover_result *result, pythia_error *error)
{
	cutover c = {.job = job, .result = result};
	bool ok;

	memset(result, 0, sizeof(*result));
	ok = run(&c, error);
	close_live(&c);
	pythia_cutover_comparison_close(&c.comparison);
	pythia_db_close(c.source);
	pythia_db_close(c.target);
	return ok;
}

void pythia_cutover_result_free(pythia_cutover_result *result)
{
	pythia_free(result->worker);
	memset(result, 0, sizeof(*result));
}

bool pythia_cutover_lift(pythia_db *source, pythia_db *target, const char *worker, bool force, pythia_error *error)
{
	pythia_charge charge;
	bool ok = pythia_charge_read(source, worker, &charge, error);

	if (ok && charge.state == PYTHIA_CHARGE_MOVED && !force)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "55000", "the tables have moved to %s", charge.moved_to);
		pythia_error_detail(error, "What was written there since would be missing here.");
		ok = pythia_error_hint(error, "Where they are equal, by a live sync from there, cut over from there to here;"
									  " --force makes this one the one in charge all the same.");
	}
	if (ok && charge.state != PYTHIA_CHARGE_SOURCE)
		ok = lift(source, target, worker, charge.reverse, error);
	pythia_charge_free(&charge);
	return ok;
}

bool pythia_cutover_finish(pythia_db *source, pythia_db *target, const char *worker, pythia_error *error)
{
	pythia_charge charge;
	bool ok = pythia_charge_read(source, worker, &charge, error);

	if (ok && charge.state != PYTHIA_CHARGE_MOVED)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "55000", "the tables of live sync \"%s\" have not moved", worker);
		ok = pythia_error_hint(error,
							   "Run pythia cutover first; pythia sync --mode live --drop ends a live sync alone.");
	}
	pythia_charge_free(&charge);
	return ok && pythia_live_drop(source, target, worker, error);
}
