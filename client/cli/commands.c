/* The commands there are, for those who tell of them. */
#include "cli/cli.h"

#include <string.h>

#include "cli/say.h"
#include "core/memory.h"
#include "core/secret.h"
#include "core/suggest.h"

const cli_command *const *cli_commands;

const cli_command *cli_find_command(const char *name)
{
	for (int i = 0; cli_commands[i] != NULL; i++)
		if (strcmp(cli_commands[i]->name, name) == 0)
			return cli_commands[i];
	return NULL;
}

int cli_unknown_command(const char *word)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	const char *names[32];
	char *shown = pythia_secret_shown(word);
	const char *near;
	int n = 0;

	for (; cli_commands[n] != NULL; n++)
		names[n] = cli_commands[n]->name;
	near = pythia_suggest(word, names, n);
	pythia_fail(&error, PYTHIA_E_USAGE, "22023", "unknown command \"%s\"", shown);
	pythia_free(shown);
	if (near != NULL)
		pythia_error_hint(&error, "Did you mean \"pythia %s\"?  \"pythia help\" lists the commands.", near);
	else
		pythia_error_hint(&error, "\"pythia help\" lists the commands.");
	return cli_fail(&error);
}
