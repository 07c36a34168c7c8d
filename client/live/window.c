/* One window: what all logs show in one snapshot of the source, in one transaction of the target. */
#include <string.h>

#include "capture/source/log_keys.h"
#include "core/memory.h"
#include "core/text.h"
#include "live/charge.h"
#include "live/internal.h"
#include "low_water/clock.h"

/* Milliseconds between two looks at the catalog, and between two times that an idle target learns how far it is. */
#define LOOK_MS 200
#define BEAT_MS 10000

/* --- the catalog --------------------------------------------------------------------------- */

/* Outside of transactions: a table whose definition, or whose triggers, are not what they were. */
static bool follow_table(pythia_live *live, pythia_live_table *table, bool columns, pythia_error *error)
{
	if (columns && live->job.on_change == PYTHIA_LIVE_STOP)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "55000", "the columns of table \"%s\" have changed", table->name);
		return pythia_error_hint(error, "Bring the target's table in line, and begin again with --refresh; or let it be"
										" done by --on-schema-change follow.");
	}
	pythia_host_log(
		live->job.source->host, PYTHIA_LOG_NOTICE,
		columns ? "the columns of table \"%s\" have changed: they are followed, and the table is compared as a whole"
				: "table \"%s\" was emptied or made anew, or its triggers were: it is compared as a whole",
		table->name);
	table->whole = true;
	table->was_copied = table->was_copied || table->copied;
	table->copied = false;
	pythia_live_table_unopen(table);
	return pythia_live_table_fit(live, table, error);
}

static bool changed(pythia_live *live, const pythia_result *result)
{
	bool any = false;

	for (int i = 0; i < live->ntables; i++)
	{
		if (live->tables[i].aside)
			continue;
		any = any || !pythia_same_text(live->tables[i].columns, pythia_result_optional(result, i, 1)) ||
			  !pythia_same_text(live->tables[i].rest, pythia_result_optional(result, i, 2));
		live->tables[i].whole = live->tables[i].whole || pythia_result_true(result, i, 3);
	}
	return any;
}

/* *followed: something was done, and the catalog has been looked at again. */
static bool follow(pythia_live *live, const pythia_result *result, bool *followed, pythia_error *error)
{
	bool *these = pythia_calloc((size_t) live->ntables + 1, sizeof(bool));
	bool ok = true;

	*followed = false;
	for (int i = 0; ok && i < live->ntables; i++)
	{
		pythia_live_table *table = &live->tables[i];
		bool columns = !pythia_same_text(table->columns, pythia_result_optional(result, i, 1));

		live->at = table;
		if (table->aside)
			continue;
		if (!columns && pythia_same_text(table->rest, pythia_result_optional(result, i, 2)))
			continue;
		ok = follow_table(live, table, columns, error);
		if (!ok)
			break;
		*followed = these[i] = true;
		/* the columns as they were before they were followed: what came meanwhile shows at the next look */
		pythia_free(table->columns);
		table->columns = pythia_strdup(pythia_result_optional(result, i, 1));
	}
	if (ok)
		live->at = NULL;
	ok = ok && (!*followed || pythia_live_catalog_keep(live, these, error));
	pythia_free(these);
	return ok;
}

/* --- reading ------------------------------------------------------------------------------- */

/* In the snapshot: what the window takes of a table. */
static bool stage(pythia_live *live, pythia_live_table *table, pythia_error *error)
{
	pythia_buffer changed = PYTHIA_BUFFER_INIT;
	pythia_buffer gone = PYTHIA_BUFFER_INIT;
	pythia_log_summary summary;
	bool ok;

	if (!pythia_log_all(&table->source, &table->log, &table->numbers, error))
		return false;
	if (table->numbers.count == 0 && !table->whole)
		return true;
	if (!pythia_log_summarize(&table->source, &table->log, &summary, error))
		return false;
	if (summary.reason != NULL)
		pythia_host_log(live->job.source->host, PYTHIA_LOG_WARNING,
						"a change of table \"%s\" could not be logged (%s): it is compared as a whole", table->name,
						summary.reason);
	pythia_free(summary.reason);
	if (table->whole || summary.whole)
		ok = pythia_sync_window_stage(table->window, NULL, NULL, error);
	else
		ok = pythia_log_put_changed(&table->source, &table->log, &changed, error) &&
			 (!summary.gone || pythia_log_put_gone(&table->source, &table->log, &gone, error)) &&
			 pythia_sync_window_stage(table->window, changed.data, summary.gone ? gone.data : NULL, error);
	table->staged = ok;
	pythia_buffer_free(&changed);
	pythia_buffer_free(&gone);
	return ok;
}

static void forget_window(pythia_live *live)
{
	for (int i = 0; i < live->ntables; i++)
	{
		live->tables[i].staged = false;
		live->tables[i].numbers.count = 0;
	}
}

/* Whether a table's log shows anything, in the snapshot; then the target's transaction begins. */
static bool stage_all(pythia_live *live, bool *any, pythia_error *error)
{
	pythia_db *target = live->job.target;

	*any = false;
	for (int i = 0; i < live->ntables; i++)
	{
		pythia_live_table *table = &live->tables[i];

		if (table->aside || (live->empty[i] && !table->whole))
			continue;
		if (!*any)
		{
			if (!target->driver->begin(target, PYTHIA_BEGIN_IMMEDIATE, error) ||
				!pythia_charge_pass(target, true, error))
				return false;
			*any = true;
			if (target->engine == PYTHIA_POSTGRESQL &&
				!pythia_db_exec(target, "SET CONSTRAINTS ALL DEFERRED", NULL, error))
				return false;
		}
		live->at = table;
		if (!stage(live, table, error))
			return false;
		live->at = NULL;
	}
	if (!*any)
		return true;
	*any = false;
	for (int i = 0; i < live->ntables; i++)
		*any = *any || live->tables[i].staged;
	return *any || target->driver->rollback(target, error);
}

/* --- applying ------------------------------------------------------------------------------ */

static int64_t written(const pythia_live *live)
{
	int64_t rows = 0;

	for (int i = 0; i < live->ntables; i++)
	{
		const pythia_sync_result *result =
			live->tables[i].window != NULL ? pythia_sync_window_result(live->tables[i].window) : NULL;

		rows += result != NULL ? result->rows_inserted + result->rows_updated + result->rows_deleted : 0;
	}
	return rows;
}

typedef bool (*step)(pythia_sync_window *window, pythia_error *error);

/* Of all tables that are staged. */
static bool each(pythia_live *live, step todo, bool parents_first, pythia_error *error)
{
	for (int k = 0; k < live->ntables; k++)
	{
		live->at = &live->tables[parents_first ? k : live->ntables - 1 - k];
		if (live->at->staged && !todo(live->at->window, error))
			return false;
	}
	live->at = NULL;
	return true;
}

static bool apply(pythia_live *live, pythia_error *error)
{
	bool unique = false;

	for (int i = 0; i < live->ntables; i++)
		unique = unique || (live->tables[i].staged && pythia_sync_window_is_unique(live->tables[i].window));
	/* what nothing refers to goes first, children before parents: its unique values may be used again */
	return (!unique || each(live, pythia_sync_window_make_room, false, error)) &&
		   each(live, pythia_sync_window_upsert, true, error) && each(live, pythia_sync_window_remove, false, error) &&
		   (!live->check_each || each(live, pythia_sync_window_check, true, error));
}

/* What was applied leaves the logs; what a lock keeps there is applied once more. */
static bool forget_applied(pythia_live *live, pythia_error *error)
{
	for (int i = 0; i < live->ntables; i++)
	{
		pythia_live_table *table = &live->tables[i];
		bool deleted;

		live->status.changes += table->numbers.count;
		if (table->numbers.count > 0 &&
			!pythia_log_delete(live->job.source, table->schema, table->log.name, &table->numbers, &deleted, error))
			return false;
		if (!table->whole)
			continue;
		table->whole = false;
		table->copied = true;
		pythia_live_rejoin(live, table);
		if (!pythia_live_table_save(live, table, error))
			return false;
	}
	return true;
}

/* An idle table is asked about with the catalog, one with changes in each window. */
static bool ask_witnesses(pythia_live *live, bool look, pythia_error *error)
{
	for (int i = 0; i < live->ntables; i++)
	{
		live->at = &live->tables[i];
		if (!live->at->aside && (look || !live->empty[i]) && !pythia_live_witness(live->at, error))
			return false;
	}
	live->at = NULL;
	return true;
}

static bool save_witnesses(pythia_live *live, pythia_error *error)
{
	for (int i = 0; i < live->ntables; i++)
	{
		if (live->tables[i].unsaved && !pythia_live_table_save(live, &live->tables[i], error))
			return false;
		live->tables[i].unsaved = false;
	}
	return true;
}

/* With both transactions open; the snapshot ends here. */
static bool end_window(pythia_live *live, pythia_error *error)
{
	pythia_db *source = live->job.source;
	pythia_db *target = live->job.target;
	pythia_live_position next;
	int64_t before = written(live);

	if (!source->driver->rollback(source, error) || !apply(live, error) ||
		!pythia_live_position_target(live, &next, error) || !pythia_live_position_source(live, &next, error))
		return false;
	live->source = next;
	if (!pythia_charge_pass(target, false, error) || !target->driver->commit(target, error))
		return false;
	live->target = next;
	live->written_at = pythia_monotonic_ms();
	live->status.windows++;
	live->status.number = next.number;
	live->status.rows_written += written(live) - before;
	return pythia_live_position_confirm(live, error) && forget_applied(live, error) && save_witnesses(live, error);
}

/* --- a window ------------------------------------------------------------------------------- */

static bool give_up(pythia_live *live)
{
	pythia_db *dbs[] = {live->job.source, live->job.target};
	pythia_error ignored = PYTHIA_ERROR_INIT;

	for (int i = 0; i < 2; i++)
		if (!dbs[i]->broken)
			dbs[i]->driver->rollback(dbs[i], &ignored);
	pythia_error_reset(&ignored);
	for (int i = 0; i < live->ntables; i++)
		pythia_sync_window_undone(live->tables[i].window);
	forget_window(live);
	return false;
}

/* The source's foreign keys hold in each of its states, and the target is one of these: to look at them again would want
 * an order of rows that may not exist. PostgreSQL lets only a superuser turn them off. */
static bool free_target(pythia_db *target, pythia_error *error)
{
	if (target->engine == PYTHIA_MYSQL)
		return pythia_db_exec(target, "SET SESSION foreign_key_checks = 0", NULL, error);
	if (target->engine == PYTHIA_SQLITE)
		return pythia_db_exec(target, "PRAGMA foreign_keys = OFF", NULL, error);
	return true;
}

/* The session is made fresh once for all of them: that takes all stages away, and settings with them. */
static bool begin_opening(pythia_live *live, bool *any, pythia_error *error)
{
	*any = false;
	for (int i = 0; i < live->ntables; i++)
		*any = *any || (!live->tables[i].aside && live->tables[i].window == NULL);
	if (!*any)
		return true;
	for (int i = 0; i < live->ntables; i++)
		pythia_live_table_unopen(&live->tables[i]);
	return pythia_db_fresh(live->job.target, error) && free_target(live->job.target, error);
}

static bool open_tables(pythia_live *live, pythia_error *error)
{
	bool ran = false;
	bool any;

	if (!begin_opening(live, &any, error))
		return false;
	for (int i = 0; i < live->ntables; i++)
	{
		pythia_live_table *table = live->at = &live->tables[i];

		if (table->aside || table->window != NULL)
			continue;
		/* it was put aside */
		if (table->failure != NULL && !pythia_live_table_fit(live, table, error))
			return false;
		if (!pythia_live_table_open(live, table, error))
			return false;
		ran = ran || live->job.target->others_ran;
		live->job.target->others_ran = false;
	}
	live->at = NULL;
	live->job.target->others_ran = live->job.target->others_ran || ran;
	return true;
}

static bool idle(pythia_live *live, int64_t now, pythia_error *error)
{
	live->status.applied_until = now;
	live->status.lag = 0;
	if (pythia_monotonic_ms() - live->written_at < BEAT_MS)
		return true;
	live->written_at = pythia_monotonic_ms();
	return pythia_live_position_beat(live, error);
}

static bool window(pythia_live *live, bool look, int64_t now, bool *applied, bool *followed, pythia_error *error)
{
	pythia_db *source = live->job.source;
	pythia_result catalog = {0};

	if (!source->driver->begin(source, PYTHIA_BEGIN_SNAPSHOT, error))
		return false;
	if (look)
	{
		bool ok = pythia_live_catalog_read(live, &catalog, error);

		live->looked_at = pythia_monotonic_ms();
		if (ok && changed(live, &catalog))
			ok = source->driver->rollback(source, error) && follow(live, &catalog, followed, error);
		pythia_result_free(&catalog);
		if (!ok || *followed)
			return ok || give_up(live);
	}
	/* once more: a transaction may have ended since, in tables that were empty then */
	if (!pythia_logs_empty(source, live->places, live->ntables, live->empty, error) ||
		!ask_witnesses(live, look, error) || !stage_all(live, applied, error))
		return give_up(live);
	if (!*applied)
		return source->driver->rollback(source, error) && save_witnesses(live, error);
	live->status.applied_until = now;
	if (!end_window(live, error))
		return give_up(live);
	forget_window(live);
	return true;
}

/* Which table's it is, is found out by checking each by itself. */
static bool is_deferred(const pythia_live *live, const pythia_error *error)
{
	return live->at == NULL && !live->check_each && live->job.target->engine == PYTHIA_POSTGRESQL &&
		   strncmp(error->sqlstate, "23", 2) == 0;
}

static bool try_window(pythia_live *live, bool *applied, pythia_error *error)
{
	bool work = false;
	bool followed = true;
	int64_t now;
	int64_t begun = pythia_monotonic_ms();

	*applied = false;
	while (followed)
	{
		bool look = pythia_monotonic_ms() - live->looked_at >= LOOK_MS;

		followed = false;
		work = look;
		if (!open_tables(live, error) || !pythia_clock_now(live->job.source, &now, error) ||
			!pythia_logs_empty(live->job.source, live->places, live->ntables, live->empty, error))
			return false;
		begun = pythia_monotonic_ms();
		for (int i = 0; i < live->ntables; i++)
			work = work || (!live->tables[i].aside && (!live->empty[i] || live->tables[i].whole));
		if (!work || window(live, look, now, applied, &followed, error))
			continue;
		/* a column that is not there any more, or is wider: the catalog is looked at, and followed */
		if (look || !pythia_live_is_tables(live, error))
			return false;
		pythia_error_reset(error);
		live->looked_at = 0;
		followed = true;
	}
	if (!*applied)
		return idle(live, now, error);
	live->status.lag = (pythia_monotonic_ms() - begun) * 1000;
	return true;
}

bool pythia_live_window(pythia_live *live, bool *applied, pythia_error *error)
{
	pythia_live_try_again(live);
	for (;;)
	{
		pythia_error failure = PYTHIA_ERROR_INIT;

		live->at = NULL;
		if (try_window(live, applied, &failure))
		{
			live->check_each = false;
			return true;
		}
		if (!live->job.target->broken && is_deferred(live, &failure))
		{
			pythia_error_reset(&failure);
			live->check_each = true;
			continue;
		}
		if (live->at == NULL || !pythia_live_is_tables(live, &failure))
			return pythia_error_move(error, &failure);
		if (!pythia_live_put_aside(live, live->at, &failure, error))
			return false;
	}
}
