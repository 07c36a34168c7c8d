/* What the dialects' type readers have in common, and how two types agree. */
#include "dialect/dialect_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

void pythia_lower(char *out, size_t size, const char *text)
{
	size_t i = 0;

	for (; text[i] != '\0' && i + 1 < size; i++)
		out[i] = (char) tolower((unsigned char) text[i]);
	out[i] = '\0';
}

bool pythia_word_in(const char *word, const char *const *list)
{
	for (; *list != NULL; list++)
	{
		if (strcmp(word, *list) == 0)
			return true;
	}
	return false;
}

static void trim(char *text)
{
	size_t length = strlen(text);
	size_t start = 0;

	while (length > 0 && isspace((unsigned char) text[length - 1]))
		text[--length] = '\0';
	while (isspace((unsigned char) text[start]))
		start++;
	memmove(text, text + start, length - start + 1);
}

void pythia_type_split(const char *native, pythia_type_words *words)
{
	char text[192];
	char *open;

	memset(words, 0, sizeof(*words));
	pythia_lower(text, sizeof(text), native);
	trim(text);
	if (strlen(text) > 2 && strcmp(text + strlen(text) - 2, "[]") == 0)
		words->array = true;
	open = strchr(text, '(');
	if (open != NULL)
	{
		char *close = strchr(open, ')');
		char *next = open + 1;

		*open = '\0';
		for (int i = 0; i < 2 && (isdigit((unsigned char) *next) || *next == '-' || *next == ' '); i++)
		{
			words->numbers[words->nnumbers++] = strtoll(next, &next, 10);
			while (*next == ' ')
				next++;
			if (*next != ',')
				break;
			next++;
			while (*next == ' ')
				next++;
		}
		if (close != NULL)
		{
			snprintf(words->rest, sizeof(words->rest), "%.90s", close + 1);
			trim(words->rest);
		}
	}
	trim(text);
	snprintf(words->base, sizeof(words->base), "%.90s", text);
}

void pythia_type_init(pythia_type *type, const char *native)
{
	memset(type, 0, sizeof(*type));
	type->kind = PYTHIA_KIND_OTHER;
	type->precision = -1;
	type->length = -1;
	type->native = pythia_strdup(native);
}

void pythia_put_quoted(pythia_buffer *out, const char *text, size_t length, char quote)
{
	pythia_buffer_putc(out, quote);
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] == quote)
			pythia_buffer_putc(out, quote);
		pythia_buffer_putc(out, text[i]);
	}
	pythia_buffer_putc(out, quote);
}

static bool is_texty(pythia_kind kind)
{
	return kind == PYTHIA_KIND_TEXT || kind == PYTHIA_KIND_CHAR || kind == PYTHIA_KIND_OTHER;
}

static bool is_integer(pythia_kind kind)
{
	return kind == PYTHIA_KIND_BOOL || kind == PYTHIA_KIND_INT || kind == PYTHIA_KIND_UINT || kind == PYTHIA_KIND_YEAR;
}

static bool is_float(pythia_kind kind)
{
	return kind == PYTHIA_KIND_FLOAT || kind == PYTHIA_KIND_DOUBLE;
}

static bool is_stamp(pythia_kind kind)
{
	return kind == PYTHIA_KIND_TIMESTAMP || kind == PYTHIA_KIND_TIMESTAMPTZ;
}

static int narrower(int a, int b)
{
	if (a < 0)
		return b;
	if (b < 0)
		return a;
	return a < b ? a : b;
}

static void agree_decimal(const pythia_type *a, const pythia_type *b, pythia_type *agreed)
{
	bool a_fixed = a->kind == PYTHIA_KIND_DECIMAL && a->precision > 0;
	bool b_fixed = b->kind == PYTHIA_KIND_DECIMAL && b->precision > 0;
	bool both_decimal = a->kind == PYTHIA_KIND_DECIMAL && b->kind == PYTHIA_KIND_DECIMAL;

	agreed->kind = PYTHIA_KIND_DECIMAL;
	agreed->precision = -1;
	agreed->scale = 0;
	/* An integer beside a decimal is compared as it is: rounding would hide a lost fraction. */
	if (!both_decimal || (!a_fixed && !b_fixed))
		return;
	agreed->precision = narrower(a_fixed ? a->precision : -1, b_fixed ? b->precision : -1);
	agreed->scale = narrower(a_fixed ? a->scale : -1, b_fixed ? b->scale : -1);
}

/* Everything but the texts. */
static void agree(const pythia_type *a, const pythia_type *b, pythia_type *agreed)
{
	const pythia_type *wide;

	*agreed = (pythia_type){.kind = a->kind, .precision = -1, .length = -1};
	if (a->kind == b->kind)
	{
		switch (a->kind)
		{
			case PYTHIA_KIND_DECIMAL:
				agree_decimal(a, b, agreed);
				break;
			case PYTHIA_KIND_TIME:
			case PYTHIA_KIND_TIMESTAMP:
			case PYTHIA_KIND_TIMESTAMPTZ:
				agreed->precision = narrower(a->precision, b->precision);
				agreed->zone = a->zone && b->zone;
				break;
			case PYTHIA_KIND_BIT:
			case PYTHIA_KIND_BYTES:
				agreed->length = a->length > b->length ? a->length : b->length;
				break;
			default:
				break;
		}
		return;
	}

	/* Text on one side holds the other's values spelled out. */
	if (is_texty(a->kind) && is_texty(b->kind))
	{
		agreed->kind = a->kind == PYTHIA_KIND_CHAR || b->kind == PYTHIA_KIND_CHAR ? PYTHIA_KIND_CHAR : PYTHIA_KIND_TEXT;
		return;
	}
	if (is_texty(a->kind) || is_texty(b->kind))
	{
		wide = is_texty(a->kind) ? b : a;
		*agreed = (pythia_type){.kind = wide->kind,
								.size = wide->size,
								.precision = wide->precision,
								.scale = wide->scale,
								.length = wide->length,
								.zone = wide->zone};
		return;
	}

	if (is_float(a->kind) && is_float(b->kind))
		agreed->kind = PYTHIA_KIND_FLOAT;
	else if (is_float(a->kind) && b->kind == PYTHIA_KIND_DECIMAL && b->precision > 0)
	{
		/* rounded on its way */
		agreed->kind = PYTHIA_KIND_DECIMAL;
		agreed->precision = b->precision;
		agreed->scale = b->scale;
	}
	else if (is_float(a->kind) && (is_integer(b->kind) || b->kind == PYTHIA_KIND_DECIMAL))
		agreed->kind = a->kind;
	else if (is_float(b->kind) && (is_integer(a->kind) || a->kind == PYTHIA_KIND_DECIMAL))
		agreed->kind = b->kind;
	else if (is_integer(a->kind) && is_integer(b->kind))
		agreed->kind = PYTHIA_KIND_INT;
	else if ((is_integer(a->kind) || a->kind == PYTHIA_KIND_DECIMAL) &&
			 (is_integer(b->kind) || b->kind == PYTHIA_KIND_DECIMAL))
		agree_decimal(a, b, agreed);
	else if (is_stamp(a->kind) && is_stamp(b->kind))
	{
		agreed->kind = PYTHIA_KIND_TIMESTAMPTZ;
		agreed->precision = narrower(a->precision, b->precision);
	}
	else if ((a->kind == PYTHIA_KIND_DATE && is_stamp(b->kind)) || (b->kind == PYTHIA_KIND_DATE && is_stamp(a->kind)))
		agreed->kind = PYTHIA_KIND_DATE;
	else if ((a->kind == PYTHIA_KIND_TIME && b->kind == PYTHIA_KIND_INTERVAL) ||
			 (b->kind == PYTHIA_KIND_TIME && a->kind == PYTHIA_KIND_INTERVAL))
	{
		agreed->kind = PYTHIA_KIND_TIME;
		agreed->precision = narrower(a->precision, b->precision);
	}
	/* SQLite keeps a time as microseconds, bits as an integer. */
	else if ((is_integer(a->kind) && b->kind == PYTHIA_KIND_TIME) ||
			 (is_integer(b->kind) && a->kind == PYTHIA_KIND_TIME))
	{
		agreed->kind = PYTHIA_KIND_TIME;
		agreed->precision = a->kind == PYTHIA_KIND_TIME ? a->precision : b->precision;
	}
	else if (a->kind == PYTHIA_KIND_BIT || b->kind == PYTHIA_KIND_BIT)
	{
		agreed->kind = PYTHIA_KIND_BIT;
		agreed->length = a->kind == PYTHIA_KIND_BIT ? a->length : b->length;
	}
	else if ((a->kind == PYTHIA_KIND_UUID && b->kind == PYTHIA_KIND_BYTES) ||
			 (b->kind == PYTHIA_KIND_UUID && a->kind == PYTHIA_KIND_BYTES))
		agreed->kind = PYTHIA_KIND_UUID;
	else if ((a->kind == PYTHIA_KIND_GEOMETRY && b->kind == PYTHIA_KIND_BYTES) ||
			 (b->kind == PYTHIA_KIND_GEOMETRY && a->kind == PYTHIA_KIND_BYTES))
		agreed->kind = PYTHIA_KIND_GEOMETRY;
	else if ((a->kind == PYTHIA_KIND_SET && b->kind == PYTHIA_KIND_ARRAY) ||
			 (b->kind == PYTHIA_KIND_SET && a->kind == PYTHIA_KIND_ARRAY))
		agreed->kind = PYTHIA_KIND_SET;
	else if (a->kind == PYTHIA_KIND_JSON || b->kind == PYTHIA_KIND_JSON)
		agreed->kind = PYTHIA_KIND_JSON; /* also where an array became one */
	else if (a->kind == PYTHIA_KIND_ARRAY || b->kind == PYTHIA_KIND_ARRAY)
		agreed->kind = PYTHIA_KIND_ARRAY;
	else if (a->kind == PYTHIA_KIND_SET || b->kind == PYTHIA_KIND_SET)
		agreed->kind = PYTHIA_KIND_SET;
	else
		agreed->kind = PYTHIA_KIND_TEXT;
}

void pythia_type_agree(const pythia_type *a, const pythia_type *b, pythia_type *agreed)
{
	agree(a, b, agreed);
	agreed->size = a->size > 0 && b->size > 0 ? narrower(a->size, b->size) : 0;
	agreed->native = pythia_strdup(pythia_kind_name(agreed->kind));
	agreed->labels = pythia_strdup(a->labels != NULL ? a->labels : b->labels);
}
