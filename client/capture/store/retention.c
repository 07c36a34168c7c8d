/*
 * How long changes stay in the journal: `retention` after every consumer has read
 * them.  One that is behind holds them up to a cap; then it has lost some, is
 * marked so, and learns it when it reads next.
 */
#include "capture/internal.h"

#include <stdlib.h>

#include "core/memory.h"
#include "core/number.h"

/* Seconds, unless options.retention says otherwise. */
#define RETENTION 86400.0
/* Unread changes are kept so many times as long, and an hour at least. */
#define RETENTION_CAP 10
#define LEAST_CAP     3600.0

/* The first change that is not older than so many seconds; one after the last where all are. */
static bool first_younger(pythia_capture *capture, double seconds, int64_t *change_id, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char cutoff[PYTHIA_INSTANT_SIZE];
	bool ok;

	(void) pythia_instant_write(cutoff, capture->now - (int64_t) (seconds * 1e6));
	pythia_buffer_printf(&sql,
						 "SELECT COALESCE((SELECT change_id FROM main.pythia_journal_%lld WHERE captured_at >= '%s'"
						 " ORDER BY change_id LIMIT 1), (SELECT max(change_id) + 1 FROM main.pythia_journal_%lld), 0)",
						 (long long) capture->worker_id, cutoff, (long long) capture->worker_id);
	ok = pythia_db_number(capture->store, sql.data, change_id, error);
	pythia_buffer_free(&sql);
	return ok;
}

static bool drop_before(pythia_capture *capture, int64_t change_id, pythia_error *error)
{
	return pythia_store_exec(capture->store, error, "DELETE FROM main.pythia_journal_%lld WHERE change_id < %lld",
							 (long long) capture->worker_id, (long long) change_id);
}

/* Something is dropped that it has not read: a position of before all that there was has nothing to lose. */
#define BEHIND "position < (SELECT COALESCE(max(change_id), 0) FROM main.pythia_journal_%lld WHERE change_id < %lld)"

static bool mark_lost(pythia_capture *capture, int64_t kept, pythia_error *error)
{
	long long id = capture->worker_id;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result lost;
	bool ok;

	pythia_buffer_printf(&sql, "SELECT name FROM main.pythia_consumer WHERE worker_id = %lld AND NOT lost AND " BEHIND,
						 id, id, (long long) kept);
	ok = pythia_db_query(capture->store, sql.data, "t", &lost, error);
	pythia_buffer_free(&sql);
	for (int64_t i = 0; ok && i < lost.nrows; i++)
		pythia_host_log(capture->store->host, PYTHIA_LOG_WARNING,
						"consumer \"%s\" has lost changes: it was behind for longer than they are kept",
						pythia_result_text(&lost, i, 0));
	ok = ok && (lost.nrows == 0 ||
				pythia_store_exec(capture->store, error,
								  "UPDATE main.pythia_consumer SET lost = 1 WHERE worker_id = %lld AND " BEHIND, id, id,
								  (long long) kept));
	pythia_result_free(&lost);
	return ok;
}

/* What every consumer has read and what is beyond the cap goes. */
static bool drop_old(pythia_capture *capture, double seconds, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int64_t capped;
	int64_t old;
	int64_t read;
	double cap = seconds * RETENTION_CAP;
	bool ok;

	if (!first_younger(capture, cap > LEAST_CAP ? cap : LEAST_CAP, &capped, error) ||
		!mark_lost(capture, capped, error) || !first_younger(capture, seconds, &old, error))
		return false;
	pythia_buffer_printf(&sql, "SELECT min(position) FROM main.pythia_consumer WHERE worker_id = %lld AND NOT lost",
						 (long long) capture->worker_id);
	ok = pythia_db_number_or(capture->store, sql.data, INT64_MAX, &read, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	/* what comes after the slowest one's position stays */
	if (read < INT64_MAX && old > read + 1)
		old = read + 1;
	return drop_before(capture, old > capped ? old : capped, error);
}

bool pythia_capture_retain(pythia_capture *capture, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	double seconds = RETENTION;
	char cutoff[PYTHIA_INSTANT_SIZE];
	bool old;
	bool ok;

	if (capture->ntables > 0 && capture->tables[0].config.retention >= 0)
		seconds = capture->tables[0].config.retention;
	(void) pythia_instant_write(cutoff, capture->now - (int64_t) (seconds * 1e6));
	pythia_buffer_printf(&sql,
						 "SELECT 1 FROM (SELECT captured_at FROM main.pythia_journal_%lld ORDER BY change_id LIMIT 1)"
						 " WHERE captured_at < '%s'",
						 (long long) capture->worker_id, cutoff);
	ok = pythia_db_any(capture->store, sql.data, &old, error);
	pythia_buffer_free(&sql);
	if (!ok || !old)
		return ok;
	if (!pythia_capture_begin(capture, error))
		return false;
	if (drop_old(capture, seconds, error) && pythia_capture_commit(capture, error))
		return true;
	pythia_capture_undo(capture);
	return false;
}
