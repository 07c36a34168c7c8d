#include "drivers/driver.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

void pythia_result_free(pythia_result *result)
{
	int64_t count = result->values ? result->nrows * result->ncolumns : 0;

	for (int64_t i = 0; i < count; i++)
		pythia_free(result->values[i]);
	pythia_free(result->values);
	pythia_free(result->lengths);
	memset(result, 0, sizeof(*result));
}

const char *pythia_result_get(const pythia_result *result, int64_t row, int column)
{
	if (row < 0 || row >= result->nrows || column < 0 || column >= result->ncolumns)
		return NULL;
	return result->values[row * result->ncolumns + column];
}

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

bool pythia_db_query(pythia_db *db, const char *sql, pythia_result *result, pythia_error *error)
{
	memset(result, 0, sizeof(*result));
	return db->driver->send(db, sql, error) && db->driver->receive(db, result, error);
}

bool pythia_db_text(pythia_db *db, const char *sql, char **text, pythia_error *error)
{
	pythia_result result;

	*text = NULL;
	if (!pythia_db_query(db, sql, &result, error))
		return false;
	*text = pythia_strdup(pythia_result_get(&result, 0, 0));
	pythia_result_free(&result);
	return true;
}

bool pythia_db_number(pythia_db *db, const char *sql, int64_t *number, pythia_error *error)
{
	pythia_result result;
	const char *text;

	*number = 0;
	if (!pythia_db_query(db, sql, &result, error))
		return false;
	text = pythia_result_get(&result, 0, 0);
	*number = text ? strtoll(text, NULL, 10) : 0;
	pythia_result_free(&result);
	return true;
}
