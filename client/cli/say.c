#include "cli/say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

bool cli_quiet;
bool cli_json;
void (*cli_before_line)(void);

static bool colour_unwanted;

void cli_output_lock(void)
{
	flockfile(stderr);
}

void cli_output_unlock(void)
{
	funlockfile(stderr);
}

void cli_no_colour(void)
{
	colour_unwanted = true;
}

static bool coloured(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (colour_unwanted || (no_color != NULL && *no_color != '\0') || (term != NULL && strcmp(term, "dumb") == 0))
		return false;
	return isatty(fileno(stream)) == 1;
}

const char *cli_colour_on(FILE *stream, cli_colour colour)
{
	static const char *const codes[] = {"", "\033[1m", "\033[31m", "\033[32m", "\033[33m", "\033[2m"};

	return coloured(stream) ? codes[colour] : "";
}

const char *cli_colour_off(FILE *stream)
{
	return coloured(stream) ? "\033[0m" : "";
}

static void before_line(void)
{
	if (cli_before_line != NULL)
		cli_before_line();
}

void cli_say(const char *format, ...)
{
	va_list list;

	if (cli_quiet)
		return;
	cli_output_lock();
	before_line();
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	cli_output_unlock();
}

void cli_warn(const char *format, ...)
{
	va_list list;

	cli_output_lock();
	before_line();
	fprintf(stderr, "pythia: %swarning:%s ", cli_colour_on(stderr, CLI_YELLOW), cli_colour_off(stderr));
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	cli_output_unlock();
}

void cli_say_error(const char *about, const pythia_error *error)
{
	cli_output_lock();
	before_line();
	fprintf(stderr, "pythia: %serror:%s ", cli_colour_on(stderr, CLI_RED), cli_colour_off(stderr));
	if (about != NULL)
		fprintf(stderr, "%s: ", about);
	fprintf(stderr, "%s\n", error->message != NULL ? error->message : "unknown error");
	if (error->detail != NULL)
		fprintf(stderr, "  detail: %s\n", error->detail);
	for (const char *line = error->context; line != NULL && *line != '\0'; line += strspn(line, "\n"))
	{
		int length = (int) strcspn(line, "\n");

		fprintf(stderr, "  context: %.*s\n", length, line);
		line += length;
	}
	if (error->hint != NULL)
		fprintf(stderr, "  hint: %s\n", error->hint);
	cli_output_unlock();
}

int cli_exit_code(const pythia_error *error)
{
	switch (error->error_class)
	{
		case PYTHIA_E_USAGE:
			return CLI_USAGE;
		case PYTHIA_E_CONNECT:
			return CLI_CONNECT;
		case PYTHIA_E_CANCELLED:
			return CLI_INTERRUPTED;
		default:
			return CLI_DIFFERENCE;
	}
}

int cli_fail(pythia_error *error)
{
	int code = cli_exit_code(error);

	cli_say_error(NULL, error);
	pythia_error_reset(error);
	return code;
}
