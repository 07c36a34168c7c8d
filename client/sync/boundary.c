#include "sync/boundary.h"

#include "core/memory.h"
#include "dialect/dialect.h"

/* SQLite shows no open transactions, but only one can write: with the write lock in hand there is none. */
static bool sqlite_boundary(pythia_db *db, char **text, pythia_error *error)
{
	pythia_error busy = PYTHIA_ERROR_INIT;
	bool ok;

	if (db->read_only)
		return true;
	if (!db->driver->begin(db, PYTHIA_BEGIN_IMMEDIATE, &busy))
	{
		if (busy.error_class != PYTHIA_E_TRANSIENT)
			return pythia_error_move(error, &busy);
		/* a writer is at work; how long already is not known */
		pythia_error_reset(&busy);
		*text = pythia_strdup(PYTHIA_FAR_PAST);
		return true;
	}
	ok = pythia_open_boundary(db, text, error);
	return db->driver->rollback(db, ok ? error : &busy) && ok;
}

/* What a replica applies was stamped at its primary: what is open there is not known, and while nothing is applied,
 * or not from each of several sources, rows of any age may come. */
static bool allow_for_primary(pythia_db *db, char **text, pythia_error *error)
{
	pythia_replica replica;

	if (*text == NULL)
		return true;
	if (!pythia_replica_read(db, &replica, error))
		return false;
	if (replica.state == PYTHIA_REPLICA_NONE)
		return true;
	pythia_free(*text);
	*text = replica.state == PYTHIA_REPLICA_IDLE ? pythia_strdup(PYTHIA_FAR_PAST) : NULL;
	return true;
}

bool pythia_source_boundary(pythia_db *db, char **text, pythia_error *error)
{
	bool ok;

	*text = NULL;
	ok = db->engine == PYTHIA_SQLITE ? sqlite_boundary(db, text, error) : pythia_open_boundary(db, text, error);
	ok = ok && allow_for_primary(db, text, error);
	if (ok && *text == NULL)
		pythia_host_log(db->host, PYTHIA_LOG_NOTICE,
						"open transactions of %s cannot be seen: incremental runs rely on \"lookback\"",
						db->display != NULL ? db->display : "the source");
	return ok;
}
