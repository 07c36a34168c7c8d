#include "drivers/driver.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

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
