/* `pythia`: finds the command, hides secrets from ps, handles signals. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "cli/cli.h"
#include "cli/say.h"
#include "cli/scrub.h"
#include "cli/words.h"
#include "core/host.h"

static const cli_command *const commands[] = {
	&cli_command_create, &cli_command_cdc,        &cli_command_sync,    &cli_command_validate,
	&cli_command_repair, &cli_command_migrate,    &cli_command_cutover, &cli_command_run,
	&cli_command_status, &cli_command_completion, &cli_command_help,    NULL,
};

/* A closed stream's number would go to the next file that is opened, a state file say, and the
 * output into it.  These places read and write nothing. */
static void occupy_closed_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* What could not be written was not delivered.  A reader that went away knows it. */
static int check_output(int code)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (poll(&out, 1, 0) <= 0 || !(out.revents & POLLERR))
		cli_complain("error", CLI_RED, "cannot write the output");
	return code == CLI_DONE ? CLI_DIFFERENCE : code;
}

/* The first asks the engine to stop at a safe place, the second insists. */
static void on_stop_signal(int number)
{
	if (pythia_cancel_requested)
	{
		signal(number, SIG_DFL);
		raise(number);
	}
	pythia_cancel_requested = 1;
}

/* Rows may have megabytes: what held one goes back to the system, instead of into a heap full of holes. */
static void give_back_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

static void handle_signals(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_stop_signal;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	/* A reader that goes away is an error of write(2), after which the state is saved. */
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

static int run_command(const cli_command *command, int argc, char **argv)
{
	cli_args args;
	pythia_error error = PYTHIA_ERROR_INIT;
	int code;

	if (!cli_args_parse(command, argc, argv, &args, &error))
		code = cli_fail(&error);
	else if (args.help)
	{
		cli_print_help(command);
		code = CLI_DONE;
	}
	else
	{
		cli_json = cli_given(&args, "json");
		cli_quiet = cli_given(&args, "quiet");
		if (cli_given(&args, "no-color"))
			cli_no_colour();
		cli_words_of(&args);
		code = command->run(&args);
		cli_words_of(NULL);
	}
	cli_args_free(&args);
	return code;
}

int main(int argc, char **argv)
{
	int code;
	char **words = cli_scrub(argc, argv);

	cli_commands = commands;
	cli_scrub_environment();
	give_back_memory();
	occupy_closed_streams();
	handle_signals();
	if (argc < 2)
	{
		pythia_error error = PYTHIA_ERROR_INIT;

		pythia_fail(&error, PYTHIA_E_USAGE, "22023", "no command given");
		pythia_error_hint(&error, "\"pythia help\" lists the commands.");
		code = cli_fail(&error);
	}
	else if (strcmp(words[1], "--version") == 0 || strcmp(words[1], "-V") == 0)
	{
		cli_put_line(stdout, "pythia %s", PYTHIA_VERSION);
		code = CLI_DONE;
	}
	else if (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0)
		code = run_command(&cli_command_help, 0, NULL);
	else
	{
		const cli_command *command = cli_find_command(words[1]);

		code = command != NULL ? run_command(command, argc - 2, words + 2) : cli_unknown_command(words[1]);
	}
	cli_scrub_free(argc, words);
	return check_output(code);
}
