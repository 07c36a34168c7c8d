#include "drivers/driver.h"

bool pythia_db_open(const pythia_url *url, const pythia_host *host, const pythia_open_options *options, pythia_db **db,
					pythia_error *error)
{
	static const pythia_open_options defaults = {0};

	*db = NULL;
	if (!host)
		host = pythia_default_host();
	if (!options)
		options = &defaults;
	switch (url->engine)
	{
		case PYTHIA_POSTGRESQL:
			return pythia_postgres_open(url, host, options, db, error);
		case PYTHIA_MYSQL:
			return pythia_mysql_open(url, host, options, db, error);
		case PYTHIA_SQLITE:
			return pythia_sqlite_open(url, host, options, db, error);
	}
	return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "unknown database engine");
}

void pythia_db_close(pythia_db *db)
{
	if (db)
		db->driver->close(db);
}

bool pythia_db_exec(pythia_db *db, const char *sql, int64_t *affected, pythia_error *error)
{
	return db->driver->exec(db, sql, affected, error);
}

bool pythia_db_exec_each(pythia_db *db, const char *const *statements, pythia_error *error)
{
	for (; *statements; statements++)
		if (!pythia_db_exec(db, *statements, NULL, error))
			return false;
	return true;
}
