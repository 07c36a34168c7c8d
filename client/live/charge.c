#include "live/charge.h"

#include <string.h>

#include "core/memory.h"
#include "core/stamp.h"
#include "live/internal.h"

#define CHARGE "pythia_cutover"

static const char *const states[] = {"source", "fenced", "moved"};

bool pythia_charge_install(pythia_db *source, pythia_error *error)
{
	return pythia_live_make(
		source, CHARGE,
		"worker VARCHAR(100) NOT NULL PRIMARY KEY, state VARCHAR(20) NOT NULL, moved_to VARCHAR(500)"
		" NOT NULL, place VARCHAR(500) NOT NULL, since VARCHAR(40) NOT NULL, reverse INT NOT NULL, pass INT NOT NULL",
		"A cutover keeps at the source who is in charge", error);
}

static void put_where(const pythia_db *db, const char *worker, pythia_buffer *sql)
{
	pythia_buffer_puts(sql, " WHERE worker = ");
	pythia_live_put_literal(db, worker, sql);
}

bool pythia_charge_read(pythia_db *source, const char *worker, pythia_charge *charge, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};
	bool there;
	bool ok;

	memset(charge, 0, sizeof(*charge));
	pythia_buffer_puts(&sql, "SELECT state, moved_to, since, reverse FROM ");
	pythia_live_put_own(source, CHARGE, &sql);
	put_where(source, worker, &sql);
	ok = pythia_live_query(source, &sql, "tttn", &result, &there, error);
	if (ok && there && result.nrows == 1)
	{
		charge->state = strcmp(pythia_result_text(&result, 0, 0), states[PYTHIA_CHARGE_MOVED]) == 0
							? PYTHIA_CHARGE_MOVED
							: PYTHIA_CHARGE_FENCED;
		charge->moved_to = pythia_strdup(pythia_result_text(&result, 0, 1));
		charge->since = pythia_strdup(pythia_result_text(&result, 0, 2));
		charge->reverse = pythia_result_number(&result, 0, 3) != 0;
	}
	pythia_result_free(&result);
	return ok;
}

void pythia_charge_free(pythia_charge *charge)
{
	pythia_free(charge->moved_to);
	pythia_free(charge->since);
	memset(charge, 0, sizeof(*charge));
}

static bool insert(pythia_db *db, const char *worker, pythia_charge_state state, const pythia_db *target, bool reverse,
				   pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char now[PYTHIA_INSTANT_SIZE];

	pythia_instant_write(now, pythia_host_now(db->host));
	pythia_buffer_puts(&sql, "INSERT INTO ");
	pythia_live_put_own(db, CHARGE, &sql);
	pythia_buffer_puts(&sql, " (worker, state, moved_to, place, since, reverse, pass) VALUES (");
	pythia_live_put_literal(db, worker, &sql);
	pythia_buffer_printf(&sql, ", '%s', ", states[state]);
	pythia_live_put_literal(db, target->display, &sql);
	pythia_buffer_puts(&sql, ", ");
	pythia_live_put_literal(db, target->place != NULL ? target->place : "", &sql);
	pythia_buffer_printf(&sql, ", '%s', %d, 0)", now, reverse);
	return pythia_live_run(db, &sql, NULL, error);
}

/* By one statement: a row that is there is never away, so nobody reads that the source is in charge while it is not. */
static bool update(pythia_db *db, const char *worker, pythia_charge_state state, bool reverse, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char now[PYTHIA_INSTANT_SIZE];

	pythia_instant_write(now, pythia_host_now(db->host));
	pythia_buffer_puts(&sql, "UPDATE ");
	pythia_live_put_own(db, CHARGE, &sql);
	pythia_buffer_printf(&sql, " SET state = '%s', reverse = %d, since = '%s'", states[state], reverse, now);
	put_where(db, worker, &sql);
	return pythia_live_run(db, &sql, NULL, error);
}

bool pythia_charge_write(pythia_db *source, const char *worker, pythia_charge_state state, const pythia_db *target,
						 bool reverse, pythia_error *error)
{
	pythia_charge before;
	bool ok;

	if (state == PYTHIA_CHARGE_SOURCE)
		return pythia_live_put_away(source, CHARGE, worker, error);
	if (!pythia_charge_read(source, worker, &before, error))
		return false;
	ok = before.state == PYTHIA_CHARGE_SOURCE ? insert(source, worker, state, target, reverse, error)
											  : update(source, worker, state, reverse, error);
	pythia_charge_free(&before);
	return ok;
}

bool pythia_charge_moved(pythia_db *db, const pythia_db *to, char **workers, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer names = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};
	bool there;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT worker FROM ");
	pythia_live_put_own(db, CHARGE, &sql);
	pythia_buffer_printf(&sql, " WHERE state = '%s' AND place = ", states[PYTHIA_CHARGE_MOVED]);
	pythia_live_put_literal(db, to->place != NULL ? to->place : "", &sql);
	ok = pythia_live_query(db, &sql, "t", &result, &there, error);
	for (int64_t i = 0; ok && there && i < result.nrows; i++)
		pythia_buffer_printf(&names, "%s%s", i > 0 ? "\n" : "", pythia_result_text(&result, i, 0));
	pythia_result_free(&result);
	*workers = pythia_strdup(pythia_buffer_text(&names));
	pythia_buffer_free(&names);
	return ok;
}

bool pythia_charge_pass(pythia_db *target, bool open, pythia_error *error)
{
	bool there;

	/* ends with the transaction */
	if (target->engine == PYTHIA_POSTGRESQL)
		return !open || pythia_db_exec(target, "SET LOCAL pythia_fence.pass = 'on'", NULL, error);
	if (target->engine == PYTHIA_MYSQL)
		return pythia_db_exec(target, open ? "SET @pythia_fence_pass = 1" : "SET @pythia_fence_pass = NULL", NULL,
							  error);
	if (!pythia_db_any(target, "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = '" CHARGE "'", &there,
					   error))
		return false;
	return !there ||
		   pythia_db_exec(target, open ? "UPDATE main." CHARGE " SET pass = 1" : "UPDATE main." CHARGE " SET pass = 0",
						  NULL, error);
}

bool pythia_live_known(pythia_db *source, const char *worker, int64_t *tables, int64_t *copied, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};
	bool there;
	bool ok;

	*tables = *copied = -1;
	pythia_buffer_puts(&sql, "SELECT COUNT(*), COALESCE(SUM(copied), 0) FROM ");
	pythia_live_put_own(source, "pythia_live_table", &sql);
	put_where(source, worker, &sql);
	ok = pythia_live_query(source, &sql, "nn", &result, &there, error);
	if (ok && there && result.nrows == 1 && pythia_result_number(&result, 0, 0) > 0)
	{
		*tables = pythia_result_number(&result, 0, 0);
		*copied = pythia_result_number(&result, 0, 1);
	}
	pythia_result_free(&result);
	return ok;
}

/* A window without rows. */
bool pythia_live_take(pythia_live *live, pythia_error *error)
{
	pythia_db *target = live->job.target;
	pythia_live_position next;
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (!target->driver->begin(target, PYTHIA_BEGIN_IMMEDIATE, error))
		return false;
	/* what is not known is not said: the target stays as of when it was */
	if (live->status.applied_until == 0)
		live->status.applied_until = pythia_host_now(target->host);
	if (!pythia_live_position_target(live, &next, error) || !pythia_live_position_source(live, &next, error))
	{
		target->driver->rollback(target, &ignored);
		pythia_error_reset(&ignored);
		return false;
	}
	live->source = next;
	if (!target->driver->commit(target, error))
		return false;
	live->target = next;
	return pythia_live_position_confirm(live, error);
}
