#include "cli/say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/words.h"
#include "core/memory.h"
#include "core/text.h"
#include "core/visible.h"

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

/* The one place where the command writes what others have given it. */
static void put(FILE *stream, const char *format, va_list list)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_buffer shown = PYTHIA_BUFFER_INIT;

	pythia_buffer_vprintf(&text, format, list);
	pythia_visible(&shown, pythia_buffer_text(&text), text.length);
	fwrite(pythia_buffer_text(&shown), 1, shown.length, stream);
	pythia_buffer_free(&text);
	pythia_buffer_free(&shown);
}

void cli_put(FILE *stream, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	put(stream, format, list);
	va_end(list);
}

void cli_put_line(FILE *stream, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	put(stream, format, list);
	va_end(list);
	fputc('\n', stream);
}

void cli_put_coloured(FILE *stream, cli_colour colour, const char *format, ...)
{
	static const char *const codes[] = {"", "\033[1m", "\033[31m", "\033[32m", "\033[33m", "\033[2m"};
	bool painted = colour != CLI_PLAIN && coloured(stream);
	va_list list;

	if (painted)
		fputs(codes[colour], stream);
	va_start(list, format);
	put(stream, format, list);
	va_end(list);
	if (painted)
		fputs("\033[0m", stream);
}

void cli_json_line(pythia_buffer *json)
{
	pythia_visible_json(json);
	/* it may only stand between JSON's parts, and would begin a line of somebody else's */
	for (size_t i = 0; i < json->length; i++)
		if (json->data[i] >= '\0' && json->data[i] < ' ')
			json->data[i] = ' ';
	pythia_buffer_putc(json, '\n');
	fwrite(json->data, 1, json->length, stdout);
	pythia_buffer_free(json);
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
	put(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	cli_output_unlock();
}

static void complain(const char *what, cli_colour colour, const char *format, va_list list)
{
	cli_output_lock();
	before_line();
	cli_put(stderr, "pythia: ");
	cli_put_coloured(stderr, colour, "%s:", what);
	fputc(' ', stderr);
	put(stderr, format, list);
	fputc('\n', stderr);
	cli_output_unlock();
}

void cli_complain(const char *what, cli_colour colour, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	complain(what, colour, format, list);
	va_end(list);
}

void cli_warn(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	complain("warning", CLI_YELLOW, format, list);
	va_end(list);
}

void cli_say_error(const char *about, const pythia_error *error)
{
	char *message = cli_in_flags(error->message != NULL ? error->message : "unknown error", false);

	cli_output_lock();
	cli_complain("error", CLI_RED, "%s%s%s", about != NULL ? about : "", about != NULL ? ": " : "", message);
	pythia_free(message);
	if (error->detail != NULL)
		cli_put_line(stderr, "  detail: %s", error->detail);
	for (const char *line = error->context; line != NULL && *line != '\0'; line += strspn(line, "\n"))
	{
		int length = (int) strcspn(line, "\n");

		cli_put_line(stderr, "  context: %.*s", length, line);
		line += length;
	}
	if (error->hint != NULL)
	{
		char *hint = cli_in_flags(error->hint, true);

		cli_put_line(stderr, "  hint: %s", hint);
		pythia_free(hint);
	}
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
