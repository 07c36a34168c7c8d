/*
 * The command `pythia`: what its commands share.  One file a command; here are
 * arguments and rendering only, the work is done by the engine.
 */
#ifndef PYTHIA_CLI_H
#define PYTHIA_CLI_H

#include "cli/args.h"
#include "core/error.h"

/* Exit codes; they are a promise (doc/client.md). */
enum
{
	CLI_DONE = 0,
	CLI_DIFFERENCE = 1, /* a difference, or a table that failed */
	CLI_USAGE = 2,
	CLI_CONNECT = 3,
	CLI_INTERRUPTED = 4
};

struct cli_command
{
	const char *name;
	const char *operands;          /* what follows the name, for the usage line */
	const char *summary;           /* one line for `pythia help` */
	const char *description;       /* paragraphs for --help and the man page */
	const char *example;           /* shell lines, each beginning with "pythia" */
	const cli_option *const *sets; /* NULL-terminated list of option tables */
	int min_operands;
	int max_operands;
	int (*run)(cli_args *args);
};

extern const cli_command cli_command_create;
extern const cli_command cli_command_cdc;
extern const cli_command cli_command_sync;
extern const cli_command cli_command_migrate;
extern const cli_command cli_command_cutover;
extern const cli_command cli_command_run;
extern const cli_command cli_command_status;
extern const cli_command cli_command_validate;
extern const cli_command cli_command_repair;
extern const cli_command cli_command_completion;
extern const cli_command cli_command_help;

/* All of them in the order of the help, NULL-terminated. */
extern const cli_command *const *cli_commands;         /* set by main; ends with NULL */
const cli_command *cli_find_command(const char *name); /* NULL where there is none */

/* Says that there is no such command, and which may be meant; the exit code. */
int cli_unknown_command(const char *word);

/* The exit code for a kind of error, where no table result says otherwise. */
int cli_exit_code(const pythia_error *error);

#endif
