#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/buffer.h"
#include "core/memory.h"
#include "core/visible.h"

/* Bytes of a text; a server may say more. */
#define LONGEST (64 * 1024)

/* A state that a server gives may be none, or that of success. */
static bool is_state(const char *sqlstate)
{
	return sqlstate && strlen(sqlstate) == 5 && strspn(sqlstate, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
		   strncmp(sqlstate, "00", 2) != 0;
}

void pythia_error_reset(pythia_error *error)
{
	if (!error)
		return;
	pythia_free(error->message);
	pythia_free(error->detail);
	pythia_free(error->hint);
	pythia_free(error->context);
	memset(error, 0, sizeof(*error));
}

bool pythia_fail(pythia_error *error, pythia_error_class error_class, const char *sqlstate, const char *format, ...)
{
	va_list args;
	char *message;

	if (!error)
		return false;
	/* formatted first: an argument may be one of the error's own old texts */
	va_start(args, format);
	message = pythia_visible_format(LONGEST, format, args);
	va_end(args);
	pythia_error_reset(error);
	error->error_class = error_class;
	snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", is_state(sqlstate) ? sqlstate : "XX000");
	error->message = message;
	return false;
}

static bool set_text(pythia_error *error, char **field, const char *format, va_list args)
{
	if (error)
	{
		char *text = pythia_visible_format(LONGEST, format, args);

		pythia_free(*field);
		*field = text;
	}
	return false;
}

bool pythia_error_detail(pythia_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_text(error, error ? &error->detail : NULL, format, args);
	va_end(args);
	return false;
}

bool pythia_error_hint(pythia_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_text(error, error ? &error->hint : NULL, format, args);
	va_end(args);
	return false;
}

bool pythia_error_context(pythia_error *error, const char *format, ...)
{
	char *inner = error ? error->context : NULL;
	va_list args;

	if (error)
		error->context = NULL;
	va_start(args, format);
	set_text(error, error ? &error->context : NULL, format, args);
	va_end(args);
	if (inner)
	{
		pythia_buffer both = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(&both, "%s\n%s", inner, error->context);
		pythia_free(inner);
		pythia_free(error->context);
		error->context = pythia_buffer_take(&both);
	}
	return false;
}

bool pythia_error_move(pythia_error *to, pythia_error *from)
{
	if (to == from)
		return false;
	if (!to)
	{
		pythia_error_reset(from);
		return false;
	}
	pythia_error_reset(to);
	*to = *from;
	memset(from, 0, sizeof(*from));
	return false;
}
