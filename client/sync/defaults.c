/* Column defaults that mean the same in another engine: numbers, texts, truth values, the current time. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "sync/create.h"

/* Takes off outer parentheses and PostgreSQL's casts: ('x'::text) is 'x'. */
static char *bare_expression(const char *expression)
{
	char *text = pythia_strdup(expression);
	size_t length = strlen(text);

	for (;;)
	{
		bool changed = false;
		char *cast = strstr(text, "::");

		while (length > 0 && isspace((unsigned char) text[length - 1]))
			text[--length] = '\0';
		if (length > 1 && text[0] == '(' && text[length - 1] == ')' && strchr(text + 1, '(') == NULL)
		{
			memmove(text, text + 1, length - 2);
			length -= 2;
			text[length] = '\0';
			changed = true;
		}
		/* a cast is the last thing, after the literal's closing quote or the number */
		else if (cast != NULL && strchr(cast, '\'') == NULL)
		{
			*cast = '\0';
			length = strlen(text);
			changed = true;
		}
		if (!changed)
			return text;
	}
}

static bool is_number(const char *text)
{
	bool digits = false;

	if (*text == '-' || *text == '+')
		text++;
	for (; *text != '\0'; text++)
	{
		if (!isdigit((unsigned char) *text) && *text != '.')
			return false;
		digits = digits || *text != '.';
	}
	return digits;
}

static bool is_now(const char *text)
{
	static const char *const words[] = {"now()", "current_timestamp", "localtimestamp", "transaction_timestamp()"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		size_t length = strlen(words[i]);

		if (strncasecmp(text, words[i], length) == 0 && (text[length] == '\0' || text[length] == '('))
			return true;
	}
	return false;
}

/* A plain quoted literal, without backslashes, which engines read differently. */
static bool is_quoted(const char *text)
{
	size_t length = strlen(text);

	if (length < 2 || text[0] != '\'' || text[length - 1] != '\'' || strchr(text, '\\') != NULL)
		return false;
	for (size_t i = 1; i + 1 < length; i++)
	{
		if (text[i] == '\'' && text[++i] != '\'')
			return false;
	}
	return true;
}

static bool numeric_kind(pythia_kind kind)
{
	return kind == PYTHIA_KIND_INT || kind == PYTHIA_KIND_UINT || kind == PYTHIA_KIND_DECIMAL ||
		   kind == PYTHIA_KIND_FLOAT || kind == PYTHIA_KIND_DOUBLE || kind == PYTHIA_KIND_YEAR;
}

static bool text_kind(pythia_kind kind)
{
	return kind == PYTHIA_KIND_TEXT || kind == PYTHIA_KIND_CHAR || kind == PYTHIA_KIND_ENUM;
}

static bool translate_bool(const char *text, const pythia_db *target, pythia_buffer *out)
{
	bool yes = strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0 || strcmp(text, "'1'") == 0;
	bool no = strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0 || strcmp(text, "'0'") == 0;

	if (!yes && !no)
		return false;
	if (target->engine == PYTHIA_POSTGRESQL)
		pythia_buffer_puts(out, yes ? "true" : "false");
	else
		pythia_buffer_puts(out, yes ? "1" : "0");
	return true;
}

static bool translate_now(const pythia_db *target, const pythia_type *type, pythia_buffer *out)
{
	if (type->kind != PYTHIA_KIND_TIMESTAMP && type->kind != PYTHIA_KIND_TIMESTAMPTZ)
		return false;
	pythia_buffer_puts(out, "CURRENT_TIMESTAMP");
	if (target->engine == PYTHIA_MYSQL && type->precision > 0)
		pythia_buffer_printf(out, "(%d)", type->precision);
	return true;
}

bool pythia_default_translate(const char *expression, const pythia_db *target, const pythia_type *type,
							  pythia_buffer *out)
{
	char *text;
	bool ok = false;

	if (expression == NULL)
		return false;
	text = bare_expression(expression);
	if (type->kind == PYTHIA_KIND_BOOL)
		ok = translate_bool(text, target, out);
	else if (is_now(text))
		ok = translate_now(target, type, out);
	else if (numeric_kind(type->kind))
	{
		size_t length = strlen(text);

		if (length > 2 && text[0] == '\'' && text[length - 1] == '\'')
		{
			text[length - 1] = '\0';
			memmove(text, text + 1, length - 1);
		}
		ok = is_number(text);
		if (ok)
			pythia_buffer_puts(out, text);
	}
	else if (text_kind(type->kind) && is_quoted(text))
	{
		/* MySQL gives no literal default to a TEXT */
		ok = target->engine != PYTHIA_MYSQL || target->is_mariadb ||
			 (type->native != NULL && strstr(type->native, "TEXT") == NULL);
		if (ok)
			pythia_buffer_puts(out, text);
	}
	pythia_free(text);
	return ok;
}
