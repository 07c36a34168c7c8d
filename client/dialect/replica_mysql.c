/* Whether a server of MySQL's is a replica, and how far behind. */
#include <string.h>

#include "core/stamp.h"
#include "dialect/dialect.h"

/* The place of Slave_SQL_Running, or Replica_SQL_Running, in what tells of a replica's sources. */
#define RUNNING_MARIADB 13
#define RUNNING_MYSQL   11

/* What a server of MySQL's replicates from, and how many of the sources are not applied: only some accounts may see it, and
 * to others there is none. */
static bool count_sources(pythia_db *db, int64_t *sources, int64_t *stopped, pythia_error *error)
{
	int running = db->is_mariadb ? RUNNING_MARIADB : RUNNING_MYSQL;
	pythia_error refused = PYTHIA_ERROR_INIT;
	pythia_result status;
	bool ok = true;

	*sources = *stopped = 0;
	if (pythia_db_query(db, db->is_mariadb ? "SHOW ALL SLAVES STATUS" : "SHOW REPLICA STATUS", "V*", &status, &refused))
	{
		*sources = status.nrows;
		for (int64_t row = 0; row < status.nrows; row++)
		{
			const char *applies = running < status.ncolumns ? pythia_result_optional(&status, row, running) : NULL;

			*stopped += !applies || strcmp(applies, "Yes") != 0;
		}
	}
	else if (db->broken || refused.error_class == PYTHIA_E_CANCELLED)
		ok = pythia_error_move(error, &refused);
	pythia_result_free(&status);
	pythia_error_reset(&refused);
	return ok;
}

bool pythia_replica_read(pythia_db *db, pythia_replica *replica, pythia_error *error)
{
	/* TIME of the applier is how long ago the last event that it applied was committed at the primary */
	static const char sql[] = "SELECT LEAST(GREATEST(MAX(p.TIME), 0), 2000000000) FROM information_schema.PROCESSLIST p"
							  " WHERE p.USER = 'system user' AND p.COMMAND IN ('Slave_SQL', 'Query')";
	int64_t behind;
	int64_t sources;
	int64_t stopped;
	int64_t read_only = 0;

	*replica = (pythia_replica){PYTHIA_REPLICA_NONE, 0};
	if (db->engine != PYTHIA_MYSQL)
		return true;
	if (!pythia_db_number_or(db, sql, -1, &behind, error))
		return false;
	if (!count_sources(db, &sources, &stopped, error))
		return false;
	/* what one of several sources has may come at any time, however far the others are */
	if (behind >= 0 && stopped == 0)
	{
		*replica = (pythia_replica){PYTHIA_REPLICA_APPLIES, behind * PYTHIA_SECOND};
		return true;
	}
	/* where nobody else may write */
	if (behind < 0 && sources == 0 && !pythia_db_count(db, "SELECT @@GLOBAL.read_only", &read_only, error))
		return false;
	if (behind >= 0 || sources > 0 || read_only > 0)
		replica->state = PYTHIA_REPLICA_IDLE;
	return true;
}
