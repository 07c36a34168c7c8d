/* `pythia completion bash|zsh`: completions from the commands' own tables. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/say.h"

static void bash_words(const cli_command *command)
{
	for (int s = 0; command->sets[s] != NULL; s++)
		for (const cli_option *o = command->sets[s]; o->name != NULL; o++)
			printf(" --%s", o->name);
}

static void print_bash(void)
{
	fputs("# bash completion for pythia\n"
		  "# Names of files or folders, which may have blanks in them.\n"
		  "_pythia_names()\n{\n"
		  "\tlocal name\n"
		  "\twhile IFS= read -r name; do COMPREPLY+=(\"$name\"); done < <(compgen \"$1\" -- \"$2\")\n"
		  "\tcompopt -o filenames 2>/dev/null\n"
		  "}\n"
		  "_pythia()\n{\n"
		  "\tlocal cur prev command=\n"
		  "\tcur=${COMP_WORDS[COMP_CWORD]}\n"
		  "\tprev=${COMP_WORDS[COMP_CWORD-1]}\n"
		  "\tCOMPREPLY=()\n"
		  "\t[ \"$COMP_CWORD\" -gt 1 ] && command=${COMP_WORDS[1]}\n"
		  "\tcase \"$command $prev\" in\n",
		  stdout);
	for (int i = 0; cli_commands[i] != NULL; i++)
		for (int s = 0; cli_commands[i]->sets[s] != NULL; s++)
			for (const cli_option *o = cli_commands[i]->sets[s]; o->name != NULL; o++)
			{
				if (o->type == CLI_CHOICE)
				{
					printf("\t\"%s --%s\")\n\t\tCOMPREPLY=($(compgen -W \"", cli_commands[i]->name, o->name);
					for (int c = 0; o->choices[c] != NULL; c++)
						printf("%s%s", c > 0 ? " " : "", o->choices[c]);
					fputs("\" -- \"$cur\"))\n\t\treturn ;;\n", stdout);
				}
				else if (o->type == CLI_FILE)
					printf("\t\"%s --%s\")\n\t\t_pythia_names -f \"$cur\"\n\t\treturn ;;\n", cli_commands[i]->name,
						   o->name);
			}
	fputs("\tesac\n\tcase \"$command\" in\n\t'')\n\t\tCOMPREPLY=($(compgen -W \"", stdout);
	for (int i = 0; cli_commands[i] != NULL; i++)
		printf("%s%s", i > 0 ? " " : "", cli_commands[i]->name);
	fputs(" --help --version\" -- \"$cur\")) ;;\n", stdout);
	for (int i = 0; cli_commands[i] != NULL; i++)
	{
		const cli_command *c = cli_commands[i];

		printf("\t%s)\n\t\tCOMPREPLY=($(compgen -W \"", c->name);
		if (strcmp(c->name, "create") == 0)
			fputs("database-cdc database-sync", stdout);
		else if (strcmp(c->name, "completion") == 0)
			fputs("bash zsh", stdout);
		bash_words(c);
		fputs("\" -- \"$cur\"))\n", stdout);
		if (strcmp(c->name, "run") == 0)
			fputs("\t\t_pythia_names -d \"$cur\"\n", stdout);
		fputs("\t\t;;\n", stdout);
	}
	fputs("\tesac\n}\ncomplete -F _pythia pythia\n", stdout);
}

/* Text inside '…[…]' of a zsh _arguments specification. */
static void zsh_text(const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
		{
			if (*text == '[' || *text == ']' || *text == ':' || *text == '\\')
				putchar('\\');
			putchar(*text);
		}
	}
}

static void print_zsh(void)
{
	fputs("#compdef pythia\n# zsh completion for pythia\n_pythia()\n{\n"
		  "\tlocal -a commands\n\tcommands=(\n",
		  stdout);
	for (int i = 0; cli_commands[i] != NULL; i++)
	{
		printf("\t\t'%s:", cli_commands[i]->name);
		zsh_text(cli_commands[i]->summary);
		fputs("'\n", stdout);
	}
	fputs("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
		  "\tlocal command=$words[2]\n\tshift words\n\t(( CURRENT-- ))\n\tcase $command in\n",
		  stdout);
	for (int i = 0; cli_commands[i] != NULL; i++)
	{
		const cli_command *c = cli_commands[i];

		printf("\t%s)\n\t\t_arguments", c->name);
		for (int s = 0; c->sets[s] != NULL; s++)
			for (const cli_option *o = c->sets[s]; o->name != NULL; o++)
			{
				printf(" \\\n\t\t\t'--%s[", o->name);
				zsh_text(o->help);
				putchar(']');
				if (o->metavar != NULL)
				{
					printf(":%s:", o->metavar);
					if (o->type == CLI_FILE)
						fputs("_files", stdout);
					else if (o->type == CLI_CHOICE)
					{
						putchar('(');
						for (int k = 0; o->choices[k] != NULL; k++)
							printf("%s%s", k > 0 ? " " : "", o->choices[k]);
						putchar(')');
					}
				}
				putchar('\'');
			}
		if (strcmp(c->name, "create") == 0)
			fputs(" \\\n\t\t\t'1:kind:(database-cdc database-sync)'", stdout);
		else if (strcmp(c->name, "completion") == 0)
			fputs(" \\\n\t\t\t'1:shell:(bash zsh)'", stdout);
		else if (strcmp(c->name, "run") == 0)
			fputs(" \\\n\t\t\t'1:directory:_files -/'", stdout);
		fputs("\n\t\t;;\n", stdout);
	}
	fputs("\tesac\n}\n_pythia \"$@\"\n", stdout);
}

static const cli_option *const completion_sets[] = {cli_common_options, NULL};

static int run_completion(cli_args *args)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	if (strcmp(args->operands[0], "bash") == 0)
		print_bash();
	else if (strcmp(args->operands[0], "zsh") == 0)
		print_zsh();
	else
	{
		pythia_fail(&error, PYTHIA_E_USAGE, "22023", "no completion for the shell \"%s\"", args->operands[0]);
		pythia_error_hint(&error, "It is made for bash and zsh.");
		return cli_fail(&error);
	}
	return CLI_DONE;
}

const cli_command cli_command_completion = {
	.name = "completion",
	.operands = "bash|zsh",
	.summary = "write a completion script for your shell",
	.description =
		"Writes a completion script to stdout.  In bash: source it.  In zsh: put it as _pythia into a folder of "
		"$fpath.",
	.example = "pythia completion bash > ~/.local/share/bash-completion/completions/pythia",
	.sets = completion_sets,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_completion,
};
