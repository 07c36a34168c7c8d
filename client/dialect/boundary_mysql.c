/*
 * Open transactions of MySQL and MariaDB, and what they may still commit.
 *
 * information_schema.INNODB_TRX is a copy that the server makes anew only where nobody has read it for a tenth of a
 * second (CACHE_MIN_IDLE_TIME in trx0i_s.cc): who reads it more often, or with others, reads what was open long ago.
 * The copy has the text of what each transaction runs.  So we begin one, and write into our text the instant that
 * held when we asked: the latest such instant in the copy, ours or another poller's, is one that it was made after.
 * Pollers take turns, so that one who needs a new copy can leave the old one alone.
 */
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/retry.h"
#include "dialect/dialect_internal.h"

/* Other connections at work: on a statement (TIME tells for how long, in whole seconds), or on an event.
 * Appliers of a replica bring stamps of their own, and idle for ever. */
#define AT_WORK                                                                                                        \
	"information_schema.PROCESSLIST p WHERE p.ID <> CONNECTION_ID() AND p.COMMAND NOT IN ('Sleep', 'Quit', 'Daemon',"  \
	" 'Binlog Dump', 'Binlog Dump GTID', 'Slave_IO', 'Slave_SQL', 'Slave_worker')"                                     \
	" AND p.USER NOT IN ('system user', 'unauthenticated user')"
#define STARTED_AGO "GREATEST(COALESCE(p.TIME, 0), 0) + 1"
/* trx_started is shown in the server's own time zone, whatever the session's. */
#define STARTED "CONVERT_TZ(t.trx_started, 'SYSTEM', '+00:00')"
#define FORMAT  "'%%Y-%%m-%%d %%H:%%i:%%s.%%f'"
#define INSTANT 26 /* bytes of an instant in that format */

#define MARK "SELECT /* pythia_db boundary "

/* A copy that is older than this is worth waiting for a new one; the time to leave it alone, and how often. */
#define STALE_US 1000000
#define ALONE_MS 240 /* half of it at least */
#define ATTEMPTS 4

/* A lock that any account may take, and keep.  A turn has four looks and the pauses between them: who has it for
 * longer, or has been at one statement, or at none, for seconds, is no poller, or has stopped. */
#define TURN        "'pythia_db boundary'"
#define TURN_MS     40
#define TURN_TRIES  32
#define STUCK_AFTER "2" /* seconds */

/* What no running statement can have stamped before: one may touch InnoDB long after it began, for it may wait for a
 * lock, sleep, or read elsewhere first.  NOW() is the statement's, so a transaction between two statements that has
 * not touched InnoDB yet can only stamp later. */
static bool settled(pythia_db *db, char **text, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_printf(&sql, "SELECT DATE_FORMAT(UTC_TIMESTAMP(6) - INTERVAL COALESCE((SELECT MAX(" STARTED_AGO
							   ") FROM " AT_WORK "), 0) SECOND, " FORMAT ")");
	ok = pythia_db_text(db, sql.data, text, error);
	pythia_buffer_free(&sql);
	/* it is written into the next query */
	if (!ok || (*text && strlen(*text) == INSTANT && strspn(*text, "0123456789-: .") == INSTANT))
		return ok;
	pythia_free(*text);
	*text = NULL;
	return pythia_db_bad_answer(db, error, "the server's clock cannot be read");
}

/* Without a turn, where there are no such locks or nobody ends theirs, we only wait longer for a new copy. */
static bool take_turn(pythia_db *db, bool *taken, pythia_error *error)
{
	static const char take[] =
		"SELECT CASE WHEN GET_LOCK(" TURN ", 0) = 1 THEN 'taken'"
		" WHEN EXISTS (SELECT 1 FROM information_schema.PROCESSLIST p WHERE p.ID = IS_USED_LOCK(" TURN ")"
		" AND p.TIME >= " STUCK_AFTER ") THEN 'stuck' END";
	bool stuck;
	pythia_retry again = {.base_ms = TURN_MS, .cap_ms = TURN_MS, .seed = (uint64_t) pythia_host_now(db->host)};

	*taken = false;
	for (int tries = 0; tries < TURN_TRIES; tries++)
	{
		pythia_error refused = PYTHIA_ERROR_INIT;
		char *got = NULL;

		if (!pythia_db_text(db, take, &got, &refused))
		{
			if (db->broken || refused.error_class == PYTHIA_E_CANCELLED)
				return pythia_error_move(error, &refused);
			pythia_error_reset(&refused);
			return true;
		}
		*taken = got && strcmp(got, "taken") == 0;
		stuck = got && strcmp(got, "stuck") == 0;
		pythia_free(got);
		if (*taken || stuck)
			return true;
		if (pythia_host_wait(db->host, -1, 0, (long) pythia_retry_next(&again)) == PYTHIA_WAIT_CANCELLED)
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "cancelled");
	}
	return true;
}

/* What one look at the copy showed. */
typedef struct open_seen
{
	char instant[INSTANT + 1]; /* before which nothing open began; empty where that is not known */
	bool recent;
	bool threadless; /* a transaction without a connection */
} open_seen;

static bool look(pythia_db *db, const char *instant, open_seen *seen, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error ignored = PYTHIA_ERROR_INIT;
	pythia_result result;
	bool ok;

	memset(seen, 0, sizeof(*seen));
	/* a mark that is later than now is of before the clock was set back */
	pythia_buffer_printf(
		&sql,
		MARK "%s */ DATE_FORMAT(LEAST(m.mark, COALESCE(m.started, m.mark), CAST('%s' AS DATETIME(6))), " FORMAT
			 "), COALESCE(TIMESTAMPDIFF(MICROSECOND, m.mark, '%s') < %d, 0), COALESCE(m.threads = 0, 0)"
			 " FROM (SELECT MIN(t.trx_mysql_thread_id) AS threads,"
			 " MIN(CASE WHEN t.trx_mysql_thread_id NOT IN (0, CONNECTION_ID()) THEN " STARTED " END) AS started,"
			 " MAX(CASE WHEN t.trx_query LIKE '" MARK "%%' AND SUBSTRING(t.trx_query, %zu, %d) <= UTC_TIMESTAMP(6)"
			 " THEN CAST(SUBSTRING(t.trx_query, %zu, %d) AS DATETIME(6)) END) AS mark"
			 " FROM information_schema.INNODB_TRX t) m",
		instant, instant, instant, STALE_US, sizeof(MARK), INSTANT, sizeof(MARK), INSTANT);
	ok = db->driver->begin(db, PYTHIA_BEGIN_SNAPSHOT, error);
	if (ok)
	{
		ok = pythia_db_query(db, sql.data, "1Tbb", &result, error);
		if (ok)
		{
			const char *before = pythia_result_optional(&result, 0, 0);

			snprintf(seen->instant, sizeof(seen->instant), "%s", before ? before : "");
			seen->recent = pythia_result_true(&result, 0, 1);
			seen->threadless = pythia_result_true(&result, 0, 2);
			pythia_result_free(&result);
		}
		ok = db->driver->rollback(db, ok ? error : &ignored) && ok;
		pythia_error_reset(&ignored);
	}
	pythia_buffer_free(&sql);
	return ok;
}

/* A prepared XA transaction has no thread once its connection is gone, and after a restart the start of that for its
 * own.  InnoDB's own transactions, as that of its statistics, have none either, and are none of ours. */
static bool prepared(pythia_db *db, bool *found, pythia_error *error)
{
	pythia_error refused = PYTHIA_ERROR_INIT;

	if (pythia_db_any(db, "XA RECOVER", found, &refused))
		return true;
	if (db->broken || refused.error_class == PYTHIA_E_CANCELLED)
		return pythia_error_move(error, &refused);
	/* to see them takes a privilege on some servers */
	pythia_error_reset(&refused);
	*found = true;
	return true;
}

static bool look_until_recent(pythia_db *db, open_seen *seen, pythia_error *error)
{
	pythia_retry alone = {.base_ms = ALONE_MS, .cap_ms = ALONE_MS, .seed = (uint64_t) pythia_host_now(db->host)};

	for (int attempt = 1;; attempt++)
	{
		char *instant;
		bool ok;

		if (!settled(db, &instant, error))
			return false;
		ok = look(db, instant, seen, error);
		pythia_free(instant);
		if (!ok || seen->recent || attempt == ATTEMPTS)
			return ok;
		if (pythia_host_wait(db->host, -1, 0, (long) pythia_retry_next(&alone)) == PYTHIA_WAIT_CANCELLED)
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "cancelled");
	}
}

static bool read_boundary(pythia_db *db, char **text, pythia_error *error)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;
	open_seen seen;
	bool held = false;
	bool taken;
	bool ok;

	*text = NULL;
	if (!take_turn(db, &taken, error))
		return false;
	ok = look_until_recent(db, &seen, error);
	if (taken && !db->broken)
	{
		ok = pythia_db_exec(db, "DO RELEASE_LOCK(" TURN ")", NULL, ok ? error : &ignored) && ok;
		pythia_error_reset(&ignored);
	}
	if (!ok || (seen.threadless && !prepared(db, &held, error)))
		return false;
	/* when a copy was made that only others asked for is not known */
	*text = pythia_strdup(held || seen.instant[0] == '\0' ? PYTHIA_FAR_PAST : seen.instant);
	return true;
}

bool pythia_mysql_boundary(pythia_db *db, char **text, pythia_error *error)
{
	if (read_boundary(db, text, error))
		return true;
	/* without PROCESS the transactions of others are hidden */
	if (db->broken || error->error_class != PYTHIA_E_DATABASE || strcmp(error->sqlstate, "42501") != 0)
		return false;
	pythia_error_reset(error);
	*text = NULL;
	return true;
}

void pythia_mysql_holder_query(const pythia_db *db, pythia_buffer *out)
{
	(void) db;
	pythia_buffer_puts(out,
					   "SELECT h.id, h.what FROM (SELECT t.trx_mysql_thread_id AS id, 'an open transaction' AS what,"
					   " TIMESTAMPDIFF(SECOND, " STARTED ", UTC_TIMESTAMP()) AS age"
					   " FROM information_schema.INNODB_TRX t WHERE t.trx_mysql_thread_id NOT IN (0, CONNECTION_ID())"
					   " UNION ALL SELECT p.ID, 'a running statement', " STARTED_AGO " FROM " AT_WORK
					   ") h ORDER BY h.age DESC LIMIT 1");
}
