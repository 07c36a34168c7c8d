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
		/* the same place, wherever the password is given */
		pythia_url bare = *url;

		bare.password = NULL;
		pythia_url_redact(&bare, &out);
	}
	return pythia_buffer_take(&out);
}

bool cli_place_parse(cli_place *place, const char *url, pythia_error *error)
{
	if (!pythia_url_parse(url, &place->url, error))
		return false;
	place->name = place_name(&place->url);
	place->options.client_defaults = true;
	return true;
}

bool cli_place_another(const cli_place *place, const pythia_host *host, pythia_db **db, pythia_error *error)
{
	return pythia_db_open(&place->url, host, &place->options, db, error);
}

bool cli_place_open(cli_place *place, pythia_error *error)
{
	if (place->db != NULL && !place->db->broken)
		return true;
	pythia_db_close(place->db);
	place->db = NULL;
	return cli_place_another(place, NULL, &place->db, error);
}

void cli_place_close(cli_place *place)
{
	pythia_db_close(place->db);
	if (place->name != NULL)
		pythia_url_free(&place->url);
	pythia_free(place->name);
	memset(place, 0, sizeof(*place));
}
