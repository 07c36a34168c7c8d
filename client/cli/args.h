/*
 * A table-driven argument parser: --name value, --name=value, -n value, --flag,
 * `--` ends the options.  The same tables make --help, the man page and the
 * completions, so they cannot disagree.
 */
#ifndef PYTHIA_CLI_ARGS_H
#define PYTHIA_CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/node.h"

typedef enum cli_option_type
{
	CLI_FLAG,
	CLI_NOT, /* a flag whose `key` is set to false: --no-create-target */
	CLI_TEXT,
	CLI_INT,     /* a whole number, not negative */
	CLI_LIMIT,   /* the same, or -1 for none */
	CLI_SECONDS, /* "2", "500 ms", "5 min" */
	CLI_NUMBER,  /* a share or other decimal */
	CLI_CHOICE,
	CLI_LIST, /* names between commas; may be given several times */
	CLI_MAP,  /* a=b pairs between commas; may be given several times */
	CLI_FILE,
	CLI_URL
} cli_option_type;

typedef struct cli_option
{
	const char *name; /* without dashes; NULL ends a table */
	char letter;      /* or 0 */
	cli_option_type type;
	const char *metavar; /* "URL"; NULL for flags */
	const char *help;
	const char *const *choices; /* CLI_CHOICE: NULL-terminated */
	const char *key;            /* name in the engine's option tree, or NULL */
} cli_option;

typedef struct cli_command cli_command;

typedef struct cli_value
{
	const cli_option *option;
	char *text; /* NULL for flags; repeated lists and maps are joined by commas */
} cli_value;

typedef struct cli_args
{
	const cli_command *command;
	cli_value *values;
	int nvalues;
	char **operands;
	int noperands;
	bool help;
} cli_args;

/* Options every command has: --help, --json, --quiet, --no-color. */
extern const cli_option cli_common_options[];

/* Reads argv (after the command's name) into args, which is to be freed with
 * cli_args_free also on failure.  Errors are of class USAGE and name the word. */
bool cli_args_parse(const cli_command *command, int argc, char **argv, cli_args *args, pythia_error *error);
void cli_args_free(cli_args *args);

bool cli_given(const cli_args *args, const char *name); /* NAME must be in the command's tables */
/* Puts another text in the place of an option's that was given. */
void cli_set_text(cli_args *args, const char *name, const char *text);
const char *cli_text(const cli_args *args, const char *name, const char *otherwise);
double cli_seconds(const cli_args *args, const char *name, double otherwise);

/* Options of the command that carry a `key`, as the engine takes them: merged over
 * `base` (an object, taken over; may be NULL).  Only those whose table is `set`. */
pythia_node *cli_option_tree(const cli_args *args, const cli_option *set, pythia_node *base, pythia_error *error);

/* A pythia_option_idle, of a cli_args: names the flag where one was given. */
void cli_warn_idle(void *args, const char *option, const char *why);

/* Writes the help of a command. */
void cli_print_help(const cli_command *command);

#endif
