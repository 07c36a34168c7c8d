#include "endpoints.h"

SQLITE_EXTENSION_INIT3

#include <string.h>

#include "core/memory.h"
#include "core/parameters.h"
#include "core/secret.h"

bool pythia_endpoint_is_local(const char *name)
{
	return name == NULL || strcmp(name, "local") == 0;
}

static bool is_this_file(const pythia_sqlite *self, const pythia_db *db)
{
	const char *file = sqlite3_db_filename(self->handle, "main");

	return db->engine == PYTHIA_SQLITE && file != NULL && file[0] != '\0' && db->place != NULL &&
		   strncmp(db->place, "sqlite ", 7) == 0 && strcmp(db->place + 7, file) == 0;
}

bool pythia_endpoint_open(pythia_sqlite *self, const char *name, pythia_endpoint_use use, pythia_url *url,
						  pythia_db **db, bool *owned, pythia_error *error)
{
	pythia_open_options options = {
		.read_only = use == PYTHIA_ENDPOINT_READ, .create = use == PYTHIA_ENDPOINT_MAKE, .client_defaults = true};
	pythia_url own;
	bool ok;

	*db = NULL;
	*owned = false;
	if (pythia_endpoint_is_local(name))
	{
		*db = self->local;
		return true;
	}
	if (!pythia_url_like(name))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42704", "unknown connection \"%s\"", name);
		return pythia_error_hint(error, "Give 'local' for this database, or a URL such as postgresql://user@host/db.");
	}
	if (!pythia_url_parse(name, &own, error))
		return false;
	/* a source too: in SQLite the boundary of an incremental run is read under the write lock */
	if (own.engine == PYTHIA_SQLITE)
		options.read_only = false;
	ok = pythia_db_open(&own, &self->host, &options, db, error);
	*owned = ok;
	/* two connections to one file would wait for each other */
	if (ok && is_this_file(self, *db))
	{
		pythia_db_close(*db);
		pythia_url_free(&own);
		*db = self->local;
		*owned = false;
		return true;
	}
	if (ok && url != NULL)
		*url = own;
	else
		pythia_url_free(&own);
	return ok;
}

bool pythia_endpoints_open(pythia_sqlite *self, const char *source, const char *target, pythia_endpoint_use target_use,
						   pythia_endpoints *endpoints, pythia_error *error)
{
	memset(endpoints, 0, sizeof(*endpoints));
	endpoints->self = self;
	if (!pythia_endpoint_open(self, source, PYTHIA_ENDPOINT_READ, &endpoints->source_url, &endpoints->source,
							  &endpoints->source_owned, error) ||
		!pythia_endpoint_open(self, target, target_use, &endpoints->target_url, &endpoints->target,
							  &endpoints->target_owned, error))
		return false;
	if (endpoints->source == endpoints->target)
		endpoints->target = self->second;
	return true;
}

void pythia_endpoints_close(pythia_endpoints *endpoints)
{
	if (endpoints->source_owned)
		pythia_db_close(endpoints->source);
	if (endpoints->target_owned)
		pythia_db_close(endpoints->target);
	pythia_url_free(&endpoints->source_url);
	pythia_url_free(&endpoints->target_url);
	memset(endpoints, 0, sizeof(*endpoints));
}

bool pythia_endpoints_another(void *context, bool target, const pythia_host *host, pythia_db **db, pythia_error *error)
{
	pythia_endpoints *endpoints = context;
	const pythia_url *url = target ? &endpoints->target_url : &endpoints->source_url;
	pythia_open_options options = {.read_only = !target && url->engine != PYTHIA_SQLITE, .client_defaults = true};

	*db = NULL;
	if (url->scheme == NULL)
		return pythia_fail(error, PYTHIA_E_USAGE, "0A000", "this database cannot be opened a second time");
	return pythia_db_open(url, host != NULL ? host : &endpoints->self->host, &options, db, error);
}

static bool check_parameters(const pythia_url *url, const char *what, pythia_error *error)
{
	if (url->password != NULL || pythia_url_parameter_get(url, "password") != NULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "the URL of the %s holds a password, which this file would tell",
					what);
		return pythia_error_hint(error, "Leave it out of the URL and keep it in ~/.pgpass or PGPASSWORD, "
										"or in ~/.my.cnf or MYSQL_PWD.");
	}
	for (int i = 0; i < url->nparameters; i++)
	{
		const pythia_url_parameter *parameter = &url->parameters[i];

		if (pythia_secret_name(parameter->name, strlen(parameter->name)))
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "the URL of the %s holds a secret, which this file would tell",
						what);
			return pythia_error_hint(error, "Leave \"%s\" out of it, and use a verb that stores nothing.",
									 parameter->name);
		}
		if (pythia_parameter_storable(url->engine, parameter->name, parameter->value))
			continue;
		pythia_fail(error, PYTHIA_E_USAGE, "22023",
					"parameter \"%s\" in the URL of the %s would lend files or the identity of whoever opens this file",
					parameter->name, what);
		return pythia_error_hint(error, "Leave it out and keep it in ~/.pgpass, ~/.postgresql, ~/.my.cnf or the "
										"environment, or use a verb that stores nothing.");
	}
	return true;
}

bool pythia_endpoint_storable(const char *name, const char *what, pythia_error *error)
{
	pythia_url url;
	bool ok;

	if (pythia_endpoint_is_local(name))
		return true;
	if (!pythia_url_like(name))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42704", "unknown %s \"%s\"", what, name);
		return pythia_error_hint(error, "Give 'local' for this database, or a URL such as postgresql://user@host/db.");
	}
	if (!pythia_url_parse(name, &url, error))
		return pythia_error_context(error, "%s", what);
	ok = pythia_db_check_url(&url, error) ? check_parameters(&url, what, error)
										  : pythia_error_context(error, "%s", what);
	pythia_url_free(&url);
	return ok;
}
