#include "sync/boundary.h"

#include "dialect/dialect.h"

/* SQLite shows no open transactions, but only one can write: with the write lock in hand there is none. */
static bool sqlite_boundary(pythia_db *db, char **text, pythia_error *error)
{
	pythia_error busy = PYTHIA_ERROR_INIT;
	bool ok;

	if (db->read_only || !db->driver->begin(db, PYTHIA_BEGIN_IMMEDIATE, &busy))
	{
		bool cancelled = busy.error_class == PYTHIA_E_CANCELLED;

		if (cancelled)
			return pythia_error_move(error, &busy);
		pythia_error_reset(&busy);
		return true;
	}
	ok = pythia_open_boundary(db, text, error);
	return db->driver->rollback(db, ok ? error : &busy) && ok;
}

bool pythia_source_boundary(pythia_db *db, char **text, pythia_error *error)
{
	bool ok;

	*text = NULL;
	ok = db->engine == PYTHIA_SQLITE ? sqlite_boundary(db, text, error) : pythia_open_boundary(db, text, error);
	if (ok && *text == NULL)
		pythia_host_log(db->host, PYTHIA_LOG_NOTICE,
						"open transactions of %s cannot be seen: incremental runs rely on \"lookback\"",
						db->display != NULL ? db->display : "the source");
	return ok;
}
