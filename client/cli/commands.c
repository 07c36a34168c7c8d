/* The commands there are, for those who tell of them. */
#include "cli/cli.h"

#include <string.h>

const cli_command *const *cli_commands;

const cli_command *cli_find_command(const char *name)
{
	for (int i = 0; cli_commands[i] != NULL; i++)
		if (strcmp(cli_commands[i]->name, name) == 0)
			return cli_commands[i];
	return NULL;
}
