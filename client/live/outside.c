#include "live/outside.h"

#include <string.h>

#include "core/memory.h"
#include "core/stamp.h"
#include "live/internal.h"
#include "low_water/clock.h"

enum
{
	WORKER,
	LOG,
	SCHEMA,
	NAME,
	STATE,
	FAILURE,
	FAILED_AT,
	NUMBER,
	UNTIL
};

static bool read_tables(pythia_db *db, pythia_result *rows, bool *there, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql,
					   "SELECT t.worker, t.log, t.table_schema, t.table_name, COALESCE(t.state, 'copying'), t.error,"
					   " t.error_at, COALESCE(s.number, 0), s.applied_until FROM ");
	pythia_live_put_own(db, "pythia_live_table", &sql);
	pythia_buffer_puts(&sql, " t LEFT JOIN ");
	pythia_live_put_own(db, "pythia_live_source", &sql);
	pythia_buffer_puts(&sql, " s ON s.worker = t.worker ORDER BY t.worker, t.table_schema, t.table_name");
	return pythia_live_query(db, &sql, "tttttTTnT", rows, there, error);
}

/* -1 where the log is not there (yet, or any more). */
static bool count_log(pythia_db *db, const char *schema, const char *log, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};
	bool there;
	bool ok;

	*count = -1;
	if (!pythia_log_check_name(log, error))
		return false;
	pythia_buffer_puts(&sql, "SELECT COUNT(*) FROM ");
	pythia_dialect_table(pythia_dialect_of(db), &sql, schema, log);
	pythia_buffer_puts(&sql, db->engine == PYTHIA_MYSQL ? " WHERE pythia_side = 0" : "");
	ok = pythia_live_query(db, &sql, "n", &result, &there, error);
	if (ok && there && result.nrows == 1)
		*count = pythia_result_number(&result, 0, 0);
	pythia_result_free(&result);
	return ok;
}

bool pythia_live_waiting(const pythia_live *live, int64_t *changes, pythia_error *error)
{
	*changes = 0;
	for (int i = 0; i < live->ntables; i++)
	{
		int64_t count;

		if (live->empty[i])
			continue;
		if (!count_log(live->job.source, live->tables[i].schema, live->tables[i].log.name, &count, error))
			return false;
		*changes += count > 0 ? count : 0;
	}
	return true;
}

static int64_t lag_of(const char *until, int64_t now)
{
	int64_t then;

	if (!pythia_instant_read(until, &then))
		return -1;
	return now > then ? now - then : 0;
}

static bool is_live(const pythia_result *rows, int64_t i)
{
	return strcmp(pythia_result_text(rows, i, STATE), "live") == 0;
}

/* The tables of one worker, from first on; *next is the one behind them. */
static bool see_worker(pythia_db *db, const pythia_result *rows, int64_t first, const int64_t *counts, int64_t now,
					   int64_t *next, pythia_live_see see, void *context, pythia_error *error)
{
	const char *worker = pythia_result_text(rows, first, WORKER);
	int64_t waiting = 0;
	bool ok = true;

	for (*next = first; *next < rows->nrows && strcmp(pythia_result_text(rows, *next, WORKER), worker) == 0; (*next)++)
		if (is_live(rows, *next))
			waiting += counts[*next] != 0;
	for (int64_t i = first; ok && i < *next; i++)
	{
		const char *schema = pythia_result_text(rows, i, SCHEMA);
		pythia_buffer name = PYTHIA_BUFFER_INIT;
		pythia_live_seen seen = {.worker = worker,
								 .state = pythia_result_text(rows, i, STATE),
								 .error = pythia_result_optional(rows, i, FAILURE),
								 .error_at = pythia_result_optional(rows, i, FAILED_AT),
								 .window = pythia_result_number(rows, i, NUMBER),
								 .until = pythia_result_optional(rows, i, UNTIL),
								 .lag = -1,
								 .changes = counts[i]};

		/* one that does not take part in windows is not where the others are */
		if (is_live(rows, i) && seen.until != NULL)
			seen.lag = waiting > 0 ? lag_of(seen.until, now) : 0;
		if (strcmp(schema, db->default_schema) != 0)
			pythia_buffer_printf(&name, "%s.", schema);
		pythia_buffer_puts(&name, pythia_result_text(rows, i, NAME));
		seen.table = name.data;
		ok = see(context, &seen, error);
		pythia_buffer_free(&name);
	}
	return ok;
}

static bool see_source(pythia_db *db, pythia_live_see see, void *context, bool *there, pythia_error *error)
{
	pythia_result rows = {0};
	int64_t *counts;
	int64_t now = 0;
	bool ok = read_tables(db, &rows, there, error);
	int64_t next = 0;

	counts = pythia_calloc((size_t) (ok ? rows.nrows : 0) + 1, sizeof(int64_t));
	for (int64_t i = 0; ok && i < rows.nrows; i++)
		ok = count_log(db, pythia_result_text(&rows, i, SCHEMA), pythia_result_text(&rows, i, LOG), &counts[i], error);
	/* SQLite's own clock knows seconds alone, and is this machine's */
	if (db->engine == PYTHIA_SQLITE)
		now = pythia_host_now(db->host);
	else
		ok = ok && (rows.nrows == 0 || pythia_clock_now(db, &now, error));
	while (ok && next < rows.nrows)
		ok = see_worker(db, &rows, next, counts, now, &next, see, context, error);
	pythia_free(counts);
	pythia_result_free(&rows);
	return ok;
}

/* How far behind it is only the source knows, whose clock it is. */
static bool see_target(pythia_db *db, pythia_live_see see, void *context, bool *there, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result rows = {0};
	bool ok;

	pythia_buffer_puts(&sql, "SELECT worker, source, number, applied_until FROM ");
	pythia_live_put_own(db, "pythia_live_target", &sql);
	pythia_buffer_puts(&sql, " ORDER BY worker");
	ok = pythia_live_query(db, &sql, "ttnT", &rows, there, error);
	for (int64_t i = 0; ok && i < rows.nrows; i++)
	{
		pythia_live_seen seen = {.worker = pythia_result_text(&rows, i, 0),
								 .source = pythia_result_text(&rows, i, 1),
								 .state = "live",
								 .window = pythia_result_number(&rows, i, 2),
								 .until = pythia_result_optional(&rows, i, 3),
								 .lag = -1,
								 .changes = -1};

		ok = see(context, &seen, error);
	}
	pythia_result_free(&rows);
	return ok;
}

bool pythia_live_look_at(pythia_db *db, pythia_live_see see, void *context, bool *there, pythia_error *error)
{
	bool source;
	bool target;

	*there = false;
	if (!see_source(db, see, context, &source, error) || !see_target(db, see, context, &target, error))
		return false;
	*there = source || target;
	return true;
}
