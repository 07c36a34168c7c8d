#include "postgres/jobs/live_turn.h"

#include "catalog/pg_type.h"
#include "core/host.h"
#include "core/stamp.h"
#include "core/text.h"
#include "dialect/short_name.h"
#include "live/live.h"
#include "pgstat.h"
#include "postgres/base/bridge.h"
#include "postgres/base/catalog.h"
#include "postgres/base/host.h"
#include "postgres/base/pg_compat.h"
#include "postgres/connection/cache.h"
#include "postgres/jobs/sync_due.h"
#include "postgres/jobs/turn.h"
#include "postgres/local/driver.h"
#include "postgres/sync/live.h"
#include "postgres/worker/roster.h"
#include "postgres/worker/transaction.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Between two notes of how far it is, with changes and without. */
#define BUSY_NOTE_MS 1000
#define IDLE_NOTE_MS 5000
/* Other workers that want the place are heard after so long. */
#define OTHERS_MS       1000
#define LONGEST_WAIT_MS 1000

typedef struct live_turn
{
	const pythia_job *job;
	const pythia_sides *sides;
	List *tables;      /* in the database's encoding */
	char **names;      /* the same in UTF-8 */
	const char **told; /* by table: what its row says */
	char **told_why;
	int ntables;
	char *mark; /* of the worker as this turn knows it */
	uint64 connections;
	char *live_name;
	pythia_session *session;
	pythia_db *source;
	pythia_db *target;
	pythia_live *live;
	pythia_live_status noted;
	int64_t noted_at;        /* monotonic milliseconds */
	int64_t others_asked_at; /* likewise */
	MemoryContext memory;
} live_turn;

/* --- beginning ---------------------------------------------------------------------------------- */

/* False where the worker is not wanted any more. */
static bool read_worker(live_turn *t)
{
	pythia_job_begin();
	MemoryContextSwitchTo(t->memory);
	t->mark = pythia_sync_spec_mark(t->job->worker_id);
	if (t->mark)
		t->live_name = pythia_sync_live_name(t->job->worker_id);
	pythia_job_commit();
	MemoryContextSwitchTo(t->memory);
	return t->mark != NULL;
}

static void open_side(live_turn *t, bool source)
{
	const pythia_endpoint *endpoint = source ? t->sides->source : t->sides->target;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_db **db = source ? &t->source : &t->target;

	if (!pythia_connection_take(t->session, endpoint, db, &error))
	{
		pythia_error_context(&error, "%s %s", source ? "source" : "target", endpoint->display);
		pythia_raise(&error);
	}
	if (!source && (*db)->local)
		pythia_local_writes(*db);
}

static void open_live(live_turn *t)
{
	const pythia_sync_spec *spec = t->sides->spec;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_live_job job = {.name = t->live_name,
						   .tables = t->names,
						   .ntables = t->ntables,
						   .config = spec->config,
						   .on_change = spec->live_options.on_change};

	t->connections = pythia_connections_changed();
	open_side(t, true);
	open_side(t, false);
	job.source = t->source;
	job.target = t->target;
	if (!pythia_live_open(&job, &t->live, &error))
		pythia_raise(&error);
}

static void close_all(live_turn *t)
{
	pythia_live_close(t->live);
	/* settings and stages of ours are in them */
	pythia_db_close(t->target);
	pythia_db_close(t->source);
	pythia_session_end(t->session, false);
}

/* --- telling ------------------------------------------------------------------------------------ */

static const char *state_of(const live_turn *t, int i, const char **why)
{
	int64_t since;

	if (pythia_live_is_aside(t->live, i, why, &since))
		return "aside";
	*why = NULL;
	return pythia_live_wants_copy(t->live, i) ? "copying" : "live";
}

static void note_tables(live_turn *t)
{
	for (int i = 0; i < t->ntables; i++)
	{
		const char *why;
		const char *state = state_of(t, i, &why);

		if (pythia_same_text(t->told[i], state) && pythia_same_text(t->told_why[i], why))
			continue;
		pythia_sync_live_note_table(t->job->worker_id, list_nth(t->tables, i), state, why);
		t->told[i] = state;
		if (t->told_why[i])
			pfree(t->told_why[i]);
		t->told_why[i] = why ? MemoryContextStrdup(t->memory, why) : NULL;
	}
}

/* Writes down how far it is; false where the turn is to end, as the worker is another one by now. */
static bool note(live_turn *t)
{
	MemoryContext before = CurrentMemoryContext;
	pythia_live_status status;
	pythia_error error = PYTHIA_ERROR_INIT;
	int64_t waiting;
	char *mark;
	bool same;

	if (!pythia_live_waiting(t->live, &waiting, &error))
		pythia_raise(&error);
	pythia_live_look(t->live, &status);
	pythia_job_begin();
	mark = pythia_sync_spec_mark(t->job->worker_id);
	same = mark && strcmp(mark, t->mark) == 0;
	/* of one that was dropped nothing is kept */
	if (mark)
	{
		pythia_sync_live_note(t->job->worker_id, &status, &t->noted, waiting);
		note_tables(t);
	}
	pythia_job_commit();
	MemoryContextSwitchTo(before);
	t->noted = status;
	t->noted_at = pythia_monotonic_ms();
	return same;
}

/* --- copying ------------------------------------------------------------------------------------ */

static bool wants_copy(const live_turn *t)
{
	for (int i = 0; i < t->ntables; i++)
		if (pythia_live_wants_copy(t->live, i))
			return true;
	return false;
}

/* Whether a run of the table has ended well since then. */
static bool is_copied(const live_turn *t, int i, TimestampTz since)
{
	static const char sql[] = "SELECT FROM pythia.sync_state WHERE worker_id = $1 AND table_name = $2 "
							  "AND last_end >= $3 AND failures = 0";
	Oid types[] = {INT4OID, TEXTOID, TIMESTAMPTZOID};
	MemoryContext before = CurrentMemoryContext;
	bool copied;

	pythia_job_begin();
	{
		Datum values[] = {Int32GetDatum(t->job->worker_id), CStringGetTextDatum(list_nth(t->tables, i)),
						  TimestampTzGetDatum(since)};

		copied = pythia_catalog_run(sql, lengthof(types), types, values, NULL) > 0;
	}
	pythia_job_commit();
	MemoryContextSwitchTo(before);
	return copied;
}

/* By this process alone, whatever others have tried: with the error, if it fails. */
static void copy_table(live_turn *t, int i)
{
	char *table = list_nth(t->tables, i);
	pythia_sync_result result;
	pythia_error failure = PYTHIA_ERROR_INIT;
	pythia_error error = PYTHIA_ERROR_INIT;
	bool ok;

	pgstat_report_activity(STATE_RUNNING, psprintf("copying %s", table));
	ok = pythia_run_sync(t->sides, table, NULL, &result, &failure) &&
		 (result.rows_left == 0 || pythia_run_sweep(t->sides, table, &result, &failure));
	pythia_sync_result_free(&result);
	if (ok)
		ok = pythia_live_copied(t->live, i, &error);
	else if (strcmp(failure.sqlstate, "23503") == 0)
	{
		ereport(WARNING, (errmsg("table \"%s\" is compared in the first window: %s",
								 pythia_name_shown(table, (char[PYTHIA_NAME_ROOM]){0}),
								 pythia_message_from_utf8(failure.message))));
		pythia_error_reset(&failure);
		pythia_live_compare(t->live, i);
		ok = true;
	}
	else if (failure.error_class == PYTHIA_E_CANCELLED)
		pythia_raise(&failure);
	else
		ok = pythia_live_fail(t->live, i, &failure, &error);
	if (!ok)
		pythia_raise(&error);
}

static void copy_tables(live_turn *t)
{
	TimestampTz since = GetCurrentTimestamp();
	pythia_error error = PYTHIA_ERROR_INIT;
	List *wanted = NIL;

	for (int i = 0; i < t->ntables; i++)
		if (pythia_live_wants_copy(t->live, i))
			wanted = lappend(wanted, list_nth(t->tables, i));
	pythia_sync_due_tables(t->job, unconstify(pythia_sides *, t->sides), wanted);
	for (int i = 0; i < t->ntables; i++)
	{
		if (!pythia_live_wants_copy(t->live, i))
			continue;
		if (!is_copied(t, i, since))
			copy_table(t, i);
		else if (!pythia_live_copied(t->live, i, &error))
			pythia_raise(&error);
	}
}

/* --- following ---------------------------------------------------------------------------------- */

/* Whether the place is wanted: told to this process, or to be found out from time to time. */
static bool must_leave(live_turn *t, int64_t now)
{
	const pythia_executor_slot *place = pythia_my_place();

	if (place && place->leave != 0)
		return true;
	if (now - t->others_asked_at < OTHERS_MS)
		return false;
	t->others_asked_at = now;
	return pythia_roster_others_wait(t->job->owner);
}

static void wait_a_little(const live_turn *t)
{
	long milliseconds = (long) Min(t->sides->spec->live_options.interval * 1000, LONGEST_WAIT_MS);

	if (pythia_host_wait(pythia_backend_host(), -1, 0, Max(milliseconds, 1)) == PYTHIA_WAIT_CANCELLED)
	{
		pythia_error error = PYTHIA_ERROR_INIT;

		pythia_fail(&error, PYTHIA_E_CANCELLED, "57014", "canceled on request");
		pythia_raise(&error);
	}
}

static void tell_first(const live_turn *t)
{
	pythia_live_status status;
	char until[PYTHIA_INSTANT_SIZE];

	pythia_live_look(t->live, &status);
	ereport(LOG, (errmsg("sync worker \"%s\" is live: %d tables of its target are the source's as of %s UTC",
						 t->sides->spec->name, t->ntables - status.aside,
						 pythia_instant_write(until, status.applied_until))));
}

static void follow(live_turn *t)
{
	MemoryContext each = AllocSetContextCreate(t->memory, "pythia_db window", ALLOCSET_DEFAULT_SIZES);
	pythia_error error = PYTHIA_ERROR_INIT;
	int64_t looked_at = 0;
	bool first = true;

	MemoryContextSwitchTo(each);
	pgstat_report_activity(STATE_RUNNING, "following changes");
	for (;;)
	{
		int64_t now = pythia_monotonic_ms();
		bool applied = false;
		bool woken;

		MemoryContextReset(each);
		/* a longer interval than one that can be waited for at once */
		if (first || (double) (now - looked_at) >= t->sides->spec->live_options.interval * 1000)
		{
			looked_at = now;
			if (!pythia_live_window(t->live, &applied, &error))
				pythia_raise(&error);
		}
		woken = pythia_latch_was_set();
		if ((first || woken || now - t->noted_at >= (applied ? BUSY_NOTE_MS : IDLE_NOTE_MS)) && !note(t))
			return;
		if (first)
			tell_first(t);
		first = false;
		if (must_leave(t, now) || pythia_connections_changed() != t->connections)
			return;
		if (!applied)
			wait_a_little(t);
	}
}

static void run(live_turn *t)
{
	open_live(t);
	if (!note(t))
		return;
	if (wants_copy(t))
		copy_tables(t);
	pythia_place_copies(false);
	t->others_asked_at = pythia_monotonic_ms();
	follow(t);
}

long pythia_live_turn(const pythia_job *job, pythia_sides *sides, List *tables)
{
	live_turn t = {.job = job, .sides = sides, .tables = tables, .memory = CurrentMemoryContext};

	t.ntables = list_length(tables);
	t.names = palloc0(sizeof(char *) * Max(t.ntables, 1));
	t.told = palloc0(sizeof(char *) * Max(t.ntables, 1));
	t.told_why = palloc0(sizeof(char *) * Max(t.ntables, 1));
	for (int i = 0; i < t.ntables; i++)
		t.names[i] = pythia_to_utf8(list_nth(tables, i));
	if (!read_worker(&t))
		return PYTHIA_TURN_OVER;
	t.session = pythia_session_begin(sides->spec->default_schema);
	PG_TRY();
	{
		run(&t);
	}
	PG_FINALLY();
	{
		close_all(&t);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(t.memory);
	return 0;
}
