/* Opening a database: by its URL's engine. */
#include "drivers/driver.h"

#include "core/memory.h"
#include "drivers/secret_file.h"

/* Asked here for every engine and every caller, also where a host has asked before. */
static bool may_use_parameters(const pythia_url *url, const pythia_open_options *options, pythia_error *error)
{
	for (int i = 0; options->require_password && i < url->nparameters; i++)
	{
		const pythia_url_parameter *one = &url->parameters[i];

		if (pythia_parameter_class_of(url->engine, one->name, one->value) <= options->parameters)
			continue;
		pythia_fail(error, PYTHIA_E_USAGE, "42501", "URL parameter \"%s\" is not for everybody", one->name);
		return pythia_error_hint(error, "Leave it out and give a user and a password.");
	}
	return true;
}

bool pythia_db_open(const pythia_url *url, const pythia_host *host, const pythia_open_options *options, pythia_db **db,
					pythia_error *error)
{
	static const pythia_open_options defaults = {0};

	pythia_url own;
	char *mask_key;
	bool ok;

	*db = NULL;
	if (!host)
		host = pythia_default_host();
	if (!options)
		options = &defaults;
	if (!may_use_parameters(url, options, error))
		return false;
	if (pythia_url_has_secrets(url))
	{
		ok = pythia_url_take_secrets(url, &own, &mask_key, error) && pythia_db_open(&own, host, options, db, error);
		pythia_url_free(&own);
		if (ok)
			(*db)->mask_key = mask_key;
		else
			pythia_free(mask_key);
		return ok;
	}
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

static bool check_url(const pythia_url *url, pythia_error *error)
{
	switch (url->engine)
	{
		case PYTHIA_POSTGRESQL:
			return pythia_postgres_check_url(url, error);
		case PYTHIA_MYSQL:
			return pythia_mysql_check_url(url, error);
		default:
			return pythia_sqlite_check_url(url, error);
	}
}

bool pythia_db_check_url(const pythia_url *url, pythia_error *error)
{
	pythia_url own;
	bool ok;

	pythia_url_copy(&own, url);
	pythia_url_drop_secrets(&own);
	ok = check_url(&own, error);
	pythia_url_free(&own);
	return ok;
}
