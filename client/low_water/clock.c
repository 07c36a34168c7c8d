/* What a source's clock shows, how old its open transactions are, and which one is the oldest. */
#include "low_water/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/number.h"
#include "core/stamp.h"
#include "core/visible.h"
#include "dialect/dialect.h"

static const char *clock_expression(const pythia_db *db)
{
	switch (db->engine)
	{
		case PYTHIA_POSTGRESQL:
			/* of a standby: what was committed later has not come there */
			return "(EXTRACT(epoch FROM LEAST(pg_catalog.clock_timestamp(), CASE WHEN pg_catalog.pg_is_in_recovery()"
				   " THEN pg_catalog.pg_last_xact_replay_timestamp() END)) * 1000000)::bigint";
		case PYTHIA_MYSQL:
			return "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";
		default:
			return "CAST(strftime('%s', 'now') AS INTEGER) * 1000000";
	}
}

/* The year 9999, in microseconds since 1970. */
#define LATEST INT64_C(253402300799999999)

/* A clock that is further away would make later sums overflow. */
static bool take_now(const pythia_db *db, int64_t told, int64_t *now, pythia_error *error)
{
	if (told < 0 || told > LATEST)
		return pythia_db_bad_answer(db, error, "the server's clock cannot be read");
	*now = told;
	return true;
}

bool pythia_clock_now(pythia_db *db, int64_t *now, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int64_t told;
	bool ok;

	pythia_buffer_printf(&sql, "SELECT %s", clock_expression(db));
	ok = pythia_db_number(db, sql.data, &told, error) && take_now(db, told, now, error);
	pythia_buffer_free(&sql);
	return ok;
}

/*
 * While we hold SQLite's one write lock nobody else has an open transaction that wrote.  In the host's own database the mark
 * is written by the transaction that reads the rows: where somebody else had one, or writes meanwhile, that fails and
 * nothing of it stays.
 */
static bool read_under_lock(pythia_db *db, pythia_clock *clock, pythia_error *error)
{
	pythia_error busy = PYTHIA_ERROR_INIT;

	if (!db->local && db->read_only)
		return pythia_clock_now(db, &clock->now, error);
	if (!db->local && !db->driver->begin(db, PYTHIA_BEGIN_TRY, &busy))
	{
		if (busy.error_class != PYTHIA_E_TRANSIENT)
			return pythia_error_move(error, &busy);
		/* a writer is at work; how long already is not known */
		pythia_error_reset(&busy);
		clock->boundary = PYTHIA_OPEN_HELD;
		return pythia_clock_now(db, &clock->now, error);
	}
	if (!pythia_clock_now(db, &clock->now, error))
	{
		if (!db->local)
			db->driver->rollback(db, NULL);
		return false;
	}
	clock->boundary = clock->now;
	return db->local || db->driver->rollback(db, error);
}

/* The clock first: where nobody's transaction is open the boundary is then not before it.  In one query where the boundary
 * is one. */
static bool ask_both(pythia_db *db, bool own, int64_t *now, char **boundary, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	if (!pythia_dialect_of(db)->boundary_query)
		return pythia_clock_now(db, now, error) && pythia_mysql_boundary(db, boundary, error);
	pythia_buffer_printf(&sql, "SELECT %s, (", clock_expression(db));
	pythia_dialect_of(db)->boundary_query(own, &sql);
	pythia_buffer_putc(&sql, ')');
	ok = pythia_db_query(db, sql.data, "1nT", &result, error);
	pythia_buffer_free(&sql);
	if (!ok || !take_now(db, pythia_result_number(&result, 0, 0), now, error))
	{
		pythia_result_free(&result);
		return false;
	}
	*boundary = pythia_strdup(pythia_result_optional(&result, 0, 1));
	pythia_result_free(&result);
	return ok;
}

/*
 * What a replica of MySQL's applies was stamped at its primary, and commits here when it comes: what is open there is not
 * known, and later than the last event that was applied nothing is.  While it applies nothing, anything may come.
 */
static bool allow_for_primary(pythia_db *db, pythia_clock *clock, pythia_error *error)
{
	pythia_replica replica;

	if (!pythia_replica_read(db, &replica, error))
		return false;
	if (replica.state == PYTHIA_REPLICA_NONE)
		return true;
	clock->lag = replica.lag;
	clock->idle = replica.state == PYTHIA_REPLICA_IDLE;
	clock->boundary = clock->idle ? PYTHIA_OPEN_HELD : PYTHIA_OPEN_UNKNOWN;
	return true;
}

bool pythia_clock_read(pythia_db *db, bool own, pythia_clock *clock, pythia_error *error)
{
	char *boundary = NULL;

	*clock = (pythia_clock){.now = pythia_host_now(db->host), .boundary = PYTHIA_OPEN_UNKNOWN};
	if (db->engine == PYTHIA_SQLITE)
		return read_under_lock(db, clock, error);
	if (db->driver->open_transactions)
	{
		bool hold = false;

		if (!db->driver->open_transactions(db, own, &clock->now, &clock->boundary, &hold, error))
			return false;
		if (hold)
			clock->boundary = PYTHIA_OPEN_HELD;
		if (clock->now != 0)
			return true;
	}
	if (!ask_both(db, own, &clock->now, &boundary, error))
		return false;
	if (!pythia_instant_read(boundary, &clock->boundary))
		clock->boundary = PYTHIA_OPEN_UNKNOWN;
	/* a prepared transaction, whose start is not known */
	else if (clock->boundary < 0)
		clock->boundary = PYTHIA_OPEN_HELD;
	/* one may be asked after the other */
	else if (clock->boundary > clock->now)
		clock->boundary = clock->now;
	pythia_free(boundary);
	return allow_for_primary(db, clock, error);
}

/* --- who holds it back ------------------------------------------------------------ */

/* Younger ones come and go. */
#define WORTH_TELLING (2 * PYTHIA_SECOND)

/* Names are anybody's, and kept where the encoding may be any. */
#define NAME_BYTES 64
/* One more character, as \U000e0041, and what tells that there is more. */
#define LONGEST_PIECE 16

static void put_name(pythia_buffer *out, const char *name, size_t length)
{
	pythia_visible_part(out, name, length, NAME_BYTES, PYTHIA_VISIBLE_ASCII);
}

/* The first prepared transaction's own name, which its row among the open ones does not have. */
static bool name_prepared(pythia_db *db, pythia_holder *holder, pythia_error *error)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_result result;

	if (!pythia_db_query(db, "XA RECOVER", "nccv", &result, error))
		return false;
	if (result.nrows > 0)
	{
		const char *data = pythia_result_text(&result, 0, 3);
		size_t length = strlen(data);
		size_t first = (size_t) pythia_result_number(&result, 0, 1);

		put_name(&name, data, first < length ? first : length);
		if (first < length)
		{
			pythia_buffer_puts(&name, "','");
			put_name(&name, data + first, length - first);
		}
		snprintf(holder->what, sizeof(holder->what), "prepared XA transaction '%s'", name.data);
	}
	pythia_buffer_free(&name);
	pythia_result_free(&result);
	return true;
}

static bool ask(pythia_db *db, const pythia_clock *clock, pythia_holder *holder, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	if (clock->boundary == PYTHIA_OPEN_HELD && db->engine == PYTHIA_MYSQL)
	{
		if (!name_prepared(db, holder, error))
			return false;
		if (!holder->what[0])
			snprintf(holder->what, sizeof(holder->what),
					 "somebody who reads INNODB_TRX all the time, so that it is not made anew");
		return true;
	}
	pythia_dialect_of(db)->holder_query(db, &sql);
	ok = pythia_db_query(db, sql.data, "nv", &result, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	if (result.nrows > 0)
	{
		const char *told = pythia_result_text(&result, 0, 1);
		pythia_buffer what = PYTHIA_BUFFER_INIT;

		holder->id = pythia_result_number(&result, 0, 0);
		pythia_visible_part(&what, told, strlen(told), sizeof(holder->what) - LONGEST_PIECE, PYTHIA_VISIBLE_ASCII);
		snprintf(holder->what, sizeof(holder->what), "%s", pythia_buffer_text(&what));
		pythia_buffer_free(&what);
	}
	pythia_result_free(&result);
	return true;
}

bool pythia_holder_read(pythia_db *db, const pythia_clock *clock, pythia_holder *holder, pythia_error *error)
{
	pythia_error refused = PYTHIA_ERROR_INIT;

	memset(holder, 0, sizeof(*holder));
	if (clock->boundary == PYTHIA_OPEN_UNKNOWN)
		snprintf(holder->what, sizeof(holder->what),
				 "open transactions cannot be seen there: lookback allows for them");
	else if (clock->idle)
		snprintf(
			holder->what, sizeof(holder->what),
			"a replica that applies nothing, or not from each of its sources: start it, or where it is none, reset it "
			"and set read_only off");
	else if (!pythia_dialect_of(db)->holder_query)
	{
		if (clock->boundary == PYTHIA_OPEN_HELD)
			snprintf(holder->what, sizeof(holder->what), "somebody who is writing there");
	}
	else if (clock->boundary == PYTHIA_OPEN_HELD || clock->now - clock->boundary >= WORTH_TELLING)
	{
		/* it only serves to tell */
		if (!ask(db, clock, holder, &refused))
		{
			if (db->broken || refused.error_class == PYTHIA_E_CANCELLED)
				return pythia_error_move(error, &refused);
			pythia_error_reset(&refused);
		}
		if (!holder->what[0] && clock->boundary == PYTHIA_OPEN_HELD)
			snprintf(holder->what, sizeof(holder->what), "a prepared transaction");
	}
	return true;
}
