/*
 * Open transactions of MySQL and MariaDB, and what they may still commit.
 *
 * information_schema.INNODB_TRX is a copy that the server makes anew only where nobody has read it for a tenth of a
 * second (CACHE_MIN_IDLE_TIME in trx0i_s.cc): who reads it more often, or with others, reads what was open long ago.
 * The copy has the text of what each transaction runs.  So we begin one, and write into our text the instant that
 * held when we asked: the latest such instant in the copy, ours or another poller's, is one that it was made after.
 */
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
#define FAR_PAST "0001-01-01 00:00:00.000000"

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
	return ok;
}

/* A prepared XA transaction has no thread once its connection is gone, and after a restart the start of that for its
 * own: while there is one the boundary is in the far past. */
static bool look(pythia_db *db, const char *instant, pythia_result *result, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error ignored = PYTHIA_ERROR_INIT;
	bool ok;

	/* a mark that is later than now is of before the clock was set back */
	pythia_buffer_printf(
		&sql,
		MARK "%s */ CASE WHEN m.threads = 0 THEN '" FAR_PAST "' ELSE DATE_FORMAT(LEAST(m.mark, COALESCE(m.started,"
			 " m.mark), CAST('%s' AS DATETIME(6))), " FORMAT ") END,"
			 " m.threads = 0 OR TIMESTAMPDIFF(MICROSECOND, m.mark, '%s') < %d"
			 " FROM (SELECT MIN(t.trx_mysql_thread_id) AS threads,"
			 " MIN(CASE WHEN t.trx_mysql_thread_id <> CONNECTION_ID() THEN " STARTED " END) AS started,"
			 " MAX(CASE WHEN t.trx_query LIKE '" MARK "%%' AND SUBSTRING(t.trx_query, %zu, %d) <= UTC_TIMESTAMP(6)"
			 " THEN CAST(SUBSTRING(t.trx_query, %zu, %d) AS DATETIME(6)) END) AS mark"
			 " FROM information_schema.INNODB_TRX t) m",
		instant, instant, instant, STALE_US, sizeof(MARK), INSTANT, sizeof(MARK), INSTANT);
	ok = db->driver->begin(db, PYTHIA_BEGIN_SNAPSHOT, error);
	if (ok)
	{
		ok = pythia_db_query(db, sql.data, result, error);
		if (!db->driver->rollback(db, ok ? error : &ignored) && ok)
		{
			pythia_result_free(result);
			ok = false;
		}
		pythia_error_reset(&ignored);
	}
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_mysql_boundary(pythia_db *db, char **text, pythia_error *error)
{
	pythia_retry alone = {.base_ms = ALONE_MS, .cap_ms = ALONE_MS, .seed = (uint64_t) pythia_host_now(db->host)};

	*text = NULL;
	for (int attempt = 1;; attempt++)
	{
		pythia_result result;
		const char *found;
		const char *recent;
		char *instant;

		if (!settled(db, &instant, error))
			return false;
		if (!look(db, instant, &result, error))
		{
			pythia_free(instant);
			return false;
		}
		pythia_free(instant);
		found = pythia_result_get(&result, 0, 0);
		recent = pythia_result_get(&result, 0, 1);
		if ((recent && strcmp(recent, "1") == 0) || attempt == ATTEMPTS)
		{
			/* when a copy was made that others asked for is not known */
			*text = pythia_strdup(found ? found : FAR_PAST);
			pythia_result_free(&result);
			return true;
		}
		pythia_result_free(&result);
		if (pythia_host_wait(db->host, -1, 0, (long) pythia_retry_next(&alone)) == PYTHIA_WAIT_CANCELLED)
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "cancelled");
	}
}

void pythia_mysql_holder_query(const pythia_db *db, pythia_buffer *out)
{
	(void) db;
	pythia_buffer_puts(out,
					   "SELECT h.id, h.what FROM (SELECT t.trx_mysql_thread_id AS id,"
					   " IF(t.trx_mysql_thread_id = 0, 'a prepared XA transaction', 'an open transaction') AS what,"
					   " TIMESTAMPDIFF(SECOND, " STARTED ", UTC_TIMESTAMP()) AS age"
					   " FROM information_schema.INNODB_TRX t WHERE t.trx_mysql_thread_id <> CONNECTION_ID()"
					   " UNION ALL SELECT p.ID, 'a running statement', " STARTED_AGO " FROM " AT_WORK
					   ") h ORDER BY h.id = 0 DESC, h.age DESC LIMIT 1");
}
