/*
 * A worker at work: opened, polled, closed.  The order of a poll: the source's
 * clock and open transactions, one snapshot of the source, then each table in a
 * transaction of the store.
 */
#include "capture/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/discover.h"
#include "capture/fault.h"
#include "core/memory.h"
#include "core/number.h"
#include "dialect/dialect.h"

/* Tables are described again after so long, so that new columns are noticed. */
#define DESCRIBE_INTERVAL (5 * PYTHIA_SECOND)

/* --- tables ----------------------------------------------------------------------------- */

/* A table that fails is reported once, and tried again by the next poll. */
static bool mark(pythia_capture *capture, pythia_captured *captured, bool failed, const pythia_error *why,
				 pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_captured_close(captured);
	if (!(failed ? captured->failed : captured->failed || captured->retrying))
		pythia_host_log(capture->source->host, PYTHIA_LOG_WARNING,
						failed ? "capture of table %s stops: %s"
							   : "table %s could not be polled, and is tried again: %s",
						captured->name, why->message);
	captured->retrying = !failed;
	captured->failed = captured->failed || failed;
	pythia_buffer_printf(
		&sql, "UPDATE main.pythia_cdc_table SET state = '%s', error = ", captured->failed ? "failed" : "retrying");
	pythia_store_text(&sql, why->message);
	pythia_buffer_printf(&sql, ", lost = %d WHERE table_id = %lld", captured->lost, (long long) captured->table_id);
	return pythia_store_run(capture->store, &sql, error);
}

/* All is well with a table that was not: that is reported although there is no change to store. */
static bool mark_well(pythia_capture *capture, pythia_captured *captured, pythia_error *error)
{
	if (!captured->retrying && (!captured->failed || captured->lost))
		return true;
	return pythia_captured_save(capture, captured, &captured->position, error);
}

/* True where others may go on: *failed, or for this time only. */
static bool concerns_table(const pythia_capture *capture, const pythia_error *error, bool *failed)
{
	pythia_fault fault = pythia_fault_among_tables(error, capture->source->broken);

	*failed = fault == PYTHIA_FAULT_TABLE;
	return !capture->refused && !capture->store->broken && (*failed || fault == PYTHIA_FAULT_SOURCE);
}

/* --- opening ------------------------------------------------------------------------------ */

/* Before any transaction: where one that makes a table is undone SQLite ends every other statement that reads. */
static const char *const temporary_sql[] = {
	"CREATE TEMP TABLE IF NOT EXISTS pythia_batch (n INTEGER PRIMARY KEY, key TEXT NOT NULL)",
	"CREATE TEMP TABLE IF NOT EXISTS pythia_key (key TEXT PRIMARY KEY) WITHOUT ROWID",
	"CREATE TEMP TABLE IF NOT EXISTS pythia_gone (n INTEGER PRIMARY KEY, key TEXT NOT NULL)", NULL};

/* They may come from anybody's file. */
static bool check_patterns(const pythia_capture *capture, const char *name, pythia_error *error)
{
	const char *at = capture->patterns;
	char *pattern;

	while ((pattern = pythia_discover_next(&at)) != NULL)
	{
		bool good = pythia_name_is_pattern(pattern);

		pythia_free(pattern);
		if (!good)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "CDC worker \"%s\" has stored patterns that are none", name);
			return pythia_error_hint(error, "Name its tables anew, or drop it.");
		}
	}
	return true;
}

static bool read_patterns(pythia_capture *capture, const char *name, pythia_error *error)
{
	char sql[100];

	snprintf(sql, sizeof(sql), "SELECT patterns FROM main.pythia_cdc_worker WHERE worker_id = %lld",
			 (long long) capture->worker_id);
	return pythia_db_text(capture->store, sql, &capture->patterns, error) && check_patterns(capture, name, error);
}

bool pythia_capture_open_in_caller(pythia_db *store, pythia_db *source, const char *name, const pythia_node *options,
								   bool in_caller, pythia_capture **out, pythia_error *error)
{
	pythia_capture *capture;
	pythia_capture_settings settings;

	*out = NULL;
	if (store == source)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "source and store of a capture must be opened apart");
	if (!pythia_capture_settings_read(store, name, &settings, error))
		return false;
	capture = pythia_calloc(1, sizeof(*capture));
	capture->store = store;
	capture->source = source;
	capture->options = options;
	capture->in_caller = in_caller;
	capture->worker_id = settings.worker_id;
	capture->timestamp_column = pythia_strdup(settings.timestamp_column);
	pythia_capture_settings_free(&settings);
	if ((capture->in_caller || pythia_store_tune(store, error)) && read_patterns(capture, name, error) &&
		pythia_capture_tables(capture, error) && pythia_db_exec_each(store, temporary_sql, error))
	{
		*out = capture;
		return true;
	}
	pythia_capture_close(capture);
	return false;
}

bool pythia_capture_open(pythia_db *store, pythia_db *source, const char *name, const pythia_node *options,
						 pythia_capture **capture, pythia_error *error)
{
	return pythia_capture_open_in_caller(store, source, name, options, false, capture, error);
}

void pythia_capture_close(pythia_capture *capture)
{
	if (!capture)
		return;
	pythia_captured_free_all(capture);
	pythia_captured_forget_described(capture);
	pythia_free(capture->patterns);
	pythia_free(capture->timestamp_column);
	pythia_free(capture);
}

/* --- polling ------------------------------------------------------------------------------- */

static void forget_descriptions(pythia_capture *capture)
{
	for (int i = 0; i < capture->ntables; i++)
		pythia_captured_close(&capture->tables[i]);
}

/* Notices what changed in a SQLite file; *idle where nothing did since the last whole poll. */
static bool look_at_file(pythia_capture *capture, int64_t *version, bool *idle, pythia_error *error)
{
	int64_t schema;

	*version = 0;
	*idle = false;
	if (capture->source->engine != PYTHIA_SQLITE)
		return true;
	if (!pythia_db_number(capture->source, "PRAGMA schema_version", &schema, error))
		return false;
	if (schema != capture->schema_version)
	{
		forget_descriptions(capture);
		capture->described_at = 0; /* tables may have come, too */
	}
	capture->schema_version = schema;
	/* data_version does not count the changes of its own connection */
	if (capture->source->local)
		return true;
	if (!pythia_db_number(capture->source, "PRAGMA data_version", version, error))
		return false;
	*idle = *version == capture->data_version;
	return true;
}

static bool sweep_is_due(const pythia_capture *capture, const pythia_captured *captured)
{
	return pythia_subtract(capture->now, captured->last_sweep) >= (int64_t) (captured->config.delete_interval * 1e6);
}

/* Whether a table has changed since it was looked through for rows that are gone, and it is time to do so. */
static bool sweep_waits(const pythia_capture *capture)
{
	for (int i = 0; i < capture->ntables; i++)
		if (capture->tables[i].unswept && sweep_is_due(capture, &capture->tables[i]))
			return true;
	return false;
}

static bool poll_captured(pythia_capture *capture, pythia_captured *captured, pythia_capture_window *window,
						  pythia_error *error)
{
	if (captured->config.capture == PYTHIA_CAPTURE_TRIGGER)
	{
		if (!capture->in_caller)
			return pythia_captured_drain(capture, captured, error);
		/* a start from the beginning is delivered by the first poll */
		captured->started = captured->config.start == PYTHIA_START_NOW;
		return pythia_captured_save(capture, captured, &captured->position, error);
	}
	if (!captured->started)
		return pythia_captured_start(capture, captured, window, error);
	if (!pythia_captured_poll(capture, captured, window, error))
		return false;
	captured->unswept = captured->config.track != PYTHIA_TRACK_NONE;
	if (!sweep_is_due(capture, captured))
		return true;
	if (!pythia_captured_sweep(capture, captured, error))
		return false;
	captured->unswept = false;
	/* the time of a sweep that found nothing is worth a write once a minute */
	if (!captured->touched && captured->changes == captured->counted &&
		pythia_subtract(capture->now, captured->saved_at) < 60 * PYTHIA_SECOND)
		return true;
	return pythia_captured_save(capture, captured, &captured->position, error);
}

/* What was delivered stays delivered; of what could not be logged the table's state says why, until its next change. */
static bool mark_not_logged(pythia_capture *capture, pythia_captured *captured, pythia_error *error)
{
	pythia_error why = PYTHIA_ERROR_INIT;
	bool ok;

	if (!captured->not_logged)
		return true;
	pythia_log_not_logged(captured->table.table.name, captured->not_logged, &why);
	pythia_free(captured->not_logged);
	captured->not_logged = NULL;
	captured->lost = true;
	ok = mark(capture, captured, true, &why, error);
	pythia_error_reset(&why);
	return ok;
}

/* One table in a transaction of the store, or in a savepoint of the host's. */
static bool poll_in_transaction(pythia_capture *capture, pythia_captured *captured, pythia_capture_window *window,
								pythia_error *error)
{
	if (!pythia_capture_begin(capture, error))
		return false;
	if (poll_captured(capture, captured, window, error) && mark_well(capture, captured, error) &&
		mark_not_logged(capture, captured, error) && pythia_capture_commit(capture, error))
		return true;
	pythia_capture_undo(capture);
	return false;
}

/* A view's functions have run. */
static void heed_view(pythia_captured *captured)
{
	if (captured->open && captured->table.table.relation == PYTHIA_RELATION_VIEW)
		captured->table.db->others_ran = true;
}

/* Before a table is read: what a view has set is gone, and a lock is not waited for at the cost of the others. */
static bool make_ready(pythia_db *source, pythia_error *error)
{
	return pythia_db_fresh(source, error) && pythia_db_wait_briefly(source, error);
}

/* After a view the next table is read in a session, and so a snapshot, of its own: a later one is as good. */
static bool begin_reading(pythia_db *source, bool reading, pythia_error *error)
{
	if (source->local || (reading && !source->others_ran))
		return true;
	return (!reading || source->driver->rollback(source, error)) && make_ready(source, error) &&
		   source->driver->begin(source, PYTHIA_BEGIN_SNAPSHOT, error);
}

/* Opens the tables that need it and makes everybody's windows; before the snapshot. */
static bool make_windows(pythia_capture *capture, const pythia_clock *clock, pythia_capture_window *windows,
						 bool strict, int *failures, pythia_error *first, pythia_error *error)
{
	if (!make_ready(capture->source, error) || !pythia_captured_describe(capture, error))
		return false;
	for (int i = 0; i < capture->ntables; i++)
	{
		pythia_captured *captured = &capture->tables[i];
		pythia_error why = PYTHIA_ERROR_INIT;
		bool ok =
			make_ready(capture->source, &why) && (captured->open || pythia_captured_open(capture, captured, &why));
		bool failed;

		if (ok && captured->config.capture == PYTHIA_CAPTURE_TRIGGER)
			continue;
		captured->position.age = captured->saved_at == 0 ? -1 : pythia_subtract(capture->now, captured->saved_at);
		ok = ok && (captured->started
						? pythia_capture_window_make(&captured->table, clock, &captured->position, &windows[i], &why)
						: pythia_capture_window_start(&captured->table, clock, &windows[i], &why));
		heed_view(captured);
		if (ok)
			continue;
		if (strict || !concerns_table(capture, &why, &failed) || !mark(capture, captured, failed, &why, error))
		{
			pythia_error_move(error, &why);
			return false;
		}
		if ((*failures)++ == 0)
			pythia_error_move(first, &why);
		pythia_error_reset(&why);
	}
	pythia_captured_forget_described(capture);
	return true;
}

static bool poll_all(pythia_capture *capture, pythia_capture_window *windows, bool strict, int *failures,
					 pythia_error *first, pythia_error *error)
{
	pythia_db *source = capture->source;

	if (!begin_reading(source, false, error))
		return false;
	for (int i = 0; i < capture->ntables; i++)
	{
		pythia_captured *captured = &capture->tables[i];
		pythia_error why = PYTHIA_ERROR_INIT;
		bool failed;
		bool ok;

		if (!begin_reading(source, true, error))
			return false;
		ok = !captured->open || poll_in_transaction(capture, captured, &windows[i], &why);
		heed_view(captured);
		if (ok)
			continue;
		if (strict || !concerns_table(capture, &why, &failed))
		{
			pythia_error_move(error, &why);
			if (!source->local && !source->broken)
				source->driver->rollback(source, NULL);
			return false;
		}
		/* a failed statement spoils PostgreSQL's transaction; the others get a later snapshot, which is as good */
		if ((!source->local && (!source->driver->rollback(source, error) ||
								!source->driver->begin(source, PYTHIA_BEGIN_SNAPSHOT, error))) ||
			!mark(capture, captured, failed, &why, error))
		{
			pythia_error_reset(&why);
			return false;
		}
		if ((*failures)++ == 0)
			pythia_error_move(first, &why);
		pythia_error_reset(&why);
	}
	return source->local || source->driver->commit(source, error);
}

static bool poll_once(pythia_capture *capture, bool strict, int *failures, pythia_error *first, pythia_error *error)
{
	pythia_clock clock;
	pythia_capture_window *windows;
	bool ok;

	if (!pythia_db_fresh(capture->source, error) || !pythia_clock_read(capture->source, false, &clock, error))
		return false;
	if (clock.boundary == PYTHIA_OPEN_UNKNOWN && !capture->warned_blind)
	{
		pythia_host_log(
			capture->source->host, PYTHIA_LOG_WARNING,
			"open transactions of %s cannot be seen: changes committed later than options.lookback (60 s "
			"unless set) after they were stamped will be missed; grant %s, or set lookback to more than the "
			"longest transaction takes",
			capture->source->display,
			capture->source->engine == PYTHIA_MYSQL        ? "PROCESS (of no use on a replica)"
			: capture->source->engine == PYTHIA_POSTGRESQL ? "pg_read_all_stats (of no use on a standby)"
														   : "write access to the file");
		capture->warned_blind = true;
	}
	windows = pythia_calloc((size_t) capture->ntables + 1, sizeof(*windows));
	ok = make_windows(capture, &clock, windows, strict, failures, first, error) &&
		 poll_all(capture, windows, strict, failures, first, error);
	for (int i = 0; i < capture->ntables; i++)
		pythia_capture_window_free(&windows[i]);
	pythia_free(windows);
	return ok;
}

/* Where source and store are one database, its write lock must be ours before the clock is read. */
bool pythia_capture_turn(pythia_capture *capture, bool strict, pythia_error *error)
{
	pythia_error first = PYTHIA_ERROR_INIT;
	int failures = 0;
	int64_t version;
	bool idle;
	bool nested = capture->source->local && !capture->in_caller;

	capture->now = pythia_host_now(capture->store->host);
	(void) pythia_instant_write(capture->captured_at, capture->now);
	if (!look_at_file(capture, &version, &idle, error))
		return false;
	if (idle && version != 0 && !sweep_waits(capture))
		return true;
	if (!capture->in_caller && capture->now - capture->described_at >= DESCRIBE_INTERVAL)
	{
		forget_descriptions(capture);
		capture->described_at = capture->now;
		if (!pythia_capture_add_discovered(capture, error))
			return false;
	}
	if (nested && !capture->store->driver->begin(capture->store, PYTHIA_BEGIN_IMMEDIATE, error))
		return false;
	if ((nested && !pythia_store_exec(capture->store, error,
									  "UPDATE main.pythia_cdc_worker SET version = version WHERE worker_id = %lld",
									  (long long) capture->worker_id)) ||
		!poll_once(capture, strict, &failures, &first, error) ||
		(nested && !capture->store->driver->commit(capture->store, error)))
	{
		pythia_capture_undo(capture);
		if (nested)
			capture->store->driver->rollback(capture->store, NULL);
		pythia_error_reset(&first);
		return false;
	}
	capture->left_out = failures;
	if (failures == 0)
		capture->data_version = version;
	if (failures > 0 && failures == capture->ntables)
		return pythia_error_move(error, &first);
	pythia_error_reset(&first);
	return true;
}

bool pythia_capture_run(pythia_capture *capture, pythia_capture_emit emit,
						bool (*flush)(void *context, pythia_error *error), void *context, int64_t *captured,
						pythia_error *error)
{
	bool ok;

	capture->emit = emit;
	capture->flush = flush;
	capture->context = context;
	capture->refused = false;
	capture->left_out = 0;
	for (int i = 0; i < capture->ntables; i++)
		capture->tables[i].changes = capture->tables[i].counted = 0;
	ok = pythia_capture_turn(capture, false, error) && (emit || pythia_capture_retain(capture, error));
	if (captured)
	{
		*captured = 0;
		for (int i = 0; i < capture->ntables; i++)
			*captured += capture->tables[i].changes;
	}
	return ok;
}

int pythia_capture_left_out(const pythia_capture *capture)
{
	return capture->left_out;
}

bool pythia_capture_poll(pythia_db *store, pythia_db *source, const char *name, const pythia_node *options,
						 pythia_capture_emit emit, bool (*flush)(void *context, pythia_error *error), void *context,
						 int64_t *captured, pythia_error *error)
{
	pythia_capture *capture;
	bool ok;

	if (!pythia_capture_open(store, source, name, options, &capture, error))
		return false;
	ok = pythia_capture_run(capture, emit, flush, context, captured, error);
	pythia_capture_close(capture);
	return ok;
}
