/* --help, `pythia help`, the man page and the shell completions, all from the
 * commands' own tables. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/say.h"

/* Fills text to the width of a terminal line, each line indented. */
static void print_wrapped(const char *text, int indent, int column)
{
	int width = 79;

	while (*text != '\0')
	{
		size_t blanks = strspn(text, " ");
		size_t word = strcspn(text + blanks, " \n");

		if (blanks > 0 && word > 0 && column + 1 + (int) word > width)
		{
			printf("\n%*s", indent, "");
			column = indent;
		}
		else if (blanks > 0 && word > 0 && column > indent)
		{
			putchar(' ');
			column++;
		}
		printf("%.*s", (int) word, text + blanks);
		column += (int) word;
		text += blanks + word;
		if (*text == '\n')
		{
			printf("\n%*s", text[1] == '\n' ? 0 : indent, "");
			column = indent;
			text++;
		}
	}
	putchar('\n');
}

static void print_options(const cli_option *set)
{
	for (const cli_option *o = set; o->name != NULL; o++)
	{
		char left[80];
		int n = snprintf(left, sizeof(left), "  %c%c --%s%s%s", o->letter != 0 ? '-' : ' ',
						 o->letter != 0 ? o->letter : ' ', o->name, o->metavar != NULL ? " " : "",
						 o->metavar != NULL ? o->metavar : "");

		if (n > 32)
			printf("%s\n%34s", left, "");
		else
			printf("%-34s", left);
		print_wrapped(o->help, 34, 34);
		if (o->type == CLI_CHOICE)
		{
			printf("%34s", "");
			for (int i = 0; o->choices[i] != NULL; i++)
				printf("%s%s", i > 0 ? " | " : "", o->choices[i]);
			putchar('\n');
		}
	}
}

void cli_print_help(const cli_command *command)
{
	cli_put_coloured(stdout, CLI_BOLD, "Usage:");
	printf(" pythia %s %s\n\n", command->name, command->operands);
	print_wrapped(command->description, 0, 0);
	putchar('\n');
	cli_put_coloured(stdout, CLI_BOLD, "Options:");
	putchar('\n');
	for (int s = 0; command->sets[s] != NULL; s++)
		print_options(command->sets[s]);
	putchar('\n');
	cli_put_coloured(stdout, CLI_BOLD, "Example:");
	putchar('\n');
	for (const char *line = command->example; *line != '\0';)
	{
		size_t length = strcspn(line, "\n");

		printf("  %.*s\n", (int) length, line);
		line += length + (line[length] == '\n');
	}
}

static void print_overview(void)
{
	printf("pythia: change data capture and sync between PostgreSQL, MySQL/MariaDB and SQLite\n\n");
	cli_put_coloured(stdout, CLI_BOLD, "Usage:");
	printf(" pythia COMMAND [ARGUMENT]... [OPTION]...\n\n");
	cli_put_coloured(stdout, CLI_BOLD, "Commands:");
	putchar('\n');
	for (int i = 0; cli_commands[i] != NULL; i++)
		printf("  %-12s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
	printf("\n\"pythia COMMAND --help\" tells more, with an example.  \"pythia --version\" tells the version.\n");
	putchar('\n');
	cli_put_coloured(stdout, CLI_BOLD, "Exit codes:");
	printf(" 0 done; 1 a difference or a failed table; 2 wrong usage;\n3 cannot connect; 4 interrupted.\n");
}

/* --- the man page -------------------------------------------------------------- */

static void roff(const char *text)
{
	bool line_start = true;

	for (; *text != '\0'; text++)
	{
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else if (*text == '\n' && text[1] == '\n')
		{
			fputs("\n.PP\n", stdout);
			text++;
		}
		else
			putchar(*text);
		line_start = *text == '\n';
	}
}

static void man_options(const cli_option *set)
{
	for (const cli_option *o = set; o->name != NULL; o++)
	{
		fputs(".TP\n", stdout);
		if (o->letter != 0)
			printf("\\fB\\-%c\\fR, ", o->letter);
		fputs("\\fB\\-\\-", stdout);
		roff(o->name);
		fputs("\\fR", stdout);
		if (o->metavar != NULL)
			printf(" \\fI%s\\fR", o->metavar);
		putchar('\n');
		roff(o->help);
		if (o->type == CLI_CHOICE)
		{
			fputs(" (", stdout);
			for (int i = 0; o->choices[i] != NULL; i++)
			{
				fputs(i > 0 ? ", " : "", stdout);
				roff(o->choices[i]);
			}
			putchar(')');
		}
		putchar('\n');
	}
}

static void print_man(void)
{
	printf(".TH PYTHIA 1 \"\" \"pythia_db %s\" \"User Commands\"\n", PYTHIA_VERSION);
	fputs(".SH NAME\npythia \\- change data capture and sync between PostgreSQL, MySQL/MariaDB and SQLite\n"
		  ".SH SYNOPSIS\n.B pythia\n.I COMMAND\n[\\fIARGUMENT\\fR]... [\\fIOPTION\\fR]...\n"
		  ".SH DESCRIPTION\n",
		  stdout);
	roff("pythia captures the changes of tables as JSON lines, keeps tables of different databases equal, tells "
		 "whether they are equal and mends them, and makes worker folders that do so on a schedule.  Databases are "
		 "named by URLs: postgresql://user@host:5432/db, mysql://user@host/db, mariadb://user@host/db, "
		 "sqlite:////absolute/path.db, sqlite:///relative.db.  Results go to stdout, everything else to stderr.\n");
	fputs(".SH COMMANDS\n", stdout);
	for (int i = 0; cli_commands[i] != NULL; i++)
	{
		const cli_command *c = cli_commands[i];

		printf(".SS pythia %s ", c->name);
		roff(c->operands);
		putchar('\n');
		roff(c->description);
		putchar('\n');
		for (int s = 0; c->sets[s] != NULL; s++)
			if (c->sets[s] != cli_common_options)
				man_options(c->sets[s]);
		fputs(".PP\nExample:\n.PP\n.nf\n", stdout);
		roff(c->example);
		fputs("\n.fi\n", stdout);
	}
	fputs(".SH COMMON OPTIONS\n", stdout);
	man_options(cli_common_options);
	fputs(".SH EXIT STATUS\n"
		  ".TP\n0\ndone\n.TP\n1\na difference, or a table that failed\n.TP\n2\nwrong usage\n"
		  ".TP\n3\ncannot connect\n.TP\n4\ninterrupted; the same command goes on where this one stopped\n"
		  ".SH ENVIRONMENT\n"
		  ".TP\nPYTHIA_SOURCE, PYTHIA_TARGET\nthe URLs where \\-\\-source or \\-\\-target is not given\n"
		  ".TP\nPGPASSWORD, MYSQL_PWD\npasswords where a URL has none\n"
		  ".TP\nXDG_STATE_HOME\nwhere state files are kept (default ~/.local/state)\n"
		  ".TP\nNO_COLOR\nno colour\n"
		  ".SH FILES\n"
		  ".TP\n~/.pgpass, ~/.my.cnf\npasswords, as the databases' own clients read them\n"
		  ".TP\n$XDG_STATE_HOME/pythia/\nwatermarks, checkpoints and positions, in SQLite files\n"
		  ".SH SEE ALSO\n.BR psql (1),\n.BR mariadb (1),\n.BR sqlite3 (1),\n.BR jq (1)\n",
		  stdout);
}

/* --- commands ------------------------------------------------------------------- */

static const cli_option help_options[] = {
	{"man", 0, CLI_FLAG, NULL, "write the manual page (troff) to stdout", NULL, NULL},
	{NULL},
};
static const cli_option *const help_sets[] = {help_options, cli_common_options, NULL};

static int run_help(cli_args *args)
{
	const cli_command *command;

	if (cli_given(args, "man"))
	{
		print_man();
		return CLI_DONE;
	}
	if (args->noperands == 0)
	{
		print_overview();
		return CLI_DONE;
	}
	command = cli_find_command(args->operands[0]);
	if (command == NULL)
		return cli_unknown_command(args->operands[0]);
	cli_print_help(command);
	return CLI_DONE;
}

const cli_command cli_command_help = {
	.name = "help",
	.operands = "[COMMAND]",
	.summary = "the commands, or the help of one",
	.description = "Shows what pythia can do, or the help of one command.",
	.example = "pythia help sync",
	.sets = help_sets,
	.max_operands = 1,
	.run = run_help,
};
