#include "cli/connect.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"

const char *cli_url_text(const cli_args *args, const char *option, const char *variable, pythia_error *error)
{
	const char *text = cli_text(args, option, NULL);

	if (text == NULL && variable != NULL)
		text = getenv(variable);
	if (text != NULL && *text != '\0')
		return text;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "no --%s given", option);
	if (variable != NULL)
		pythia_error_hint(error, "Give --%s URL, such as postgresql://user@host/db, or set %s.", option, variable);
	else
		pythia_error_hint(error, "Give --%s URL, such as postgresql://user@host/db.", option);
	return NULL;
}

/* A relative path means another file elsewhere: the state file needs one that doesn't. */
static char *place_name(const pythia_url *url)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	const char *path = url->database;

	if (url->engine == PYTHIA_SQLITE && path != NULL && *path != '\0' && strcmp(path, ":memory:") != 0)
	{
		char *real = realpath(path, NULL);

		pythia_buffer_puts(&out, "sqlite:///");
		if (real != NULL)
			pythia_buffer_puts(&out, real);
		else
		{
			char *here = *path != '/' ? getcwd(NULL, 0) : NULL;

			if (here != NULL)
				pythia_buffer_printf(&out, "%s/", here);
			pythia_buffer_puts(&out, path);
			free(here);
		}
		free(real);
	}
	else
	{
		/* the same endpoint, wherever the password is given */
		pythia_url bare = *url;

		bare.password = NULL;
		pythia_url_redact(&bare, &out);
	}
	return pythia_buffer_take(&out);
}

bool cli_endpoint_parse(cli_endpoint *endpoint, const char *url, pythia_error *error)
{
	if (!pythia_url_parse(url, &endpoint->url, error))
		return false;
	endpoint->name = place_name(&endpoint->url);
	endpoint->options.client_defaults = true;
	return true;
}

bool cli_endpoint_another(const cli_endpoint *endpoint, const pythia_host *host, pythia_db **db, pythia_error *error)
{
	return pythia_db_open(&endpoint->url, host, &endpoint->options, db, error);
}

bool cli_endpoint_open(cli_endpoint *endpoint, pythia_error *error)
{
	if (endpoint->db != NULL && !endpoint->db->broken)
		return true;
	pythia_db_close(endpoint->db);
	endpoint->db = NULL;
	return cli_endpoint_another(endpoint, NULL, &endpoint->db, error);
}

void cli_endpoint_imagine(cli_endpoint *endpoint)
{
	const char *path = endpoint->url.database;

	if (endpoint->url.engine != PYTHIA_SQLITE || path == NULL || *path == '\0' || access(path, F_OK) == 0)
		return;
	pythia_free(endpoint->url.database);
	endpoint->url.database = pythia_strdup(":memory:");
}

void cli_endpoint_close(cli_endpoint *endpoint)
{
	pythia_db_close(endpoint->db);
	if (endpoint->name != NULL)
		pythia_url_free(&endpoint->url);
	pythia_free(endpoint->name);
	memset(endpoint, 0, sizeof(*endpoint));
}
