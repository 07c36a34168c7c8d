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

bool pythia_numeric_text(const char *value, size_t length)
{
	size_t i = 0;
	size_t digits = 0;

	if (i < length && (value[i] == '-' || value[i] == '+'))
		i++;
	for (; i < length && (isdigit((unsigned char) value[i]) || value[i] == '.'); i++)
		digits += value[i] != '.';
	if (digits == 0)
		return false;
	if (i < length && (value[i] == 'e' || value[i] == 'E'))
	{
		i++;
		if (i < length && (value[i] == '-' || value[i] == '+'))
			i++;
		if (i == length)
			return false;
		while (i < length && isdigit((unsigned char) value[i]))
			i++;
	}
	return i == length;
}

static bool is_integer(pythia_kind kind)
{
	return kind == PYTHIA_KIND_INT || kind == PYTHIA_KIND_UINT || kind == PYTHIA_KIND_BOOL || kind == PYTHIA_KIND_YEAR;
}

static bool is_text(pythia_kind kind)
{
	return kind == PYTHIA_KIND_TEXT || kind == PYTHIA_KIND_ENUM || kind == PYTHIA_KIND_OTHER;
}

static int narrower(int a, int b)
{
	if (a < 0)
		return b;
	if (b < 0)
		return a;
	return a < b ? a : b;
}

/* Which kind two columns are compared in; OTHER means as text. */
static pythia_kind agree_kind(const pythia_type *a, const pythia_type *b)
{
	pythia_kind x = a->kind;
	pythia_kind y = b->kind;

	if (x == y)
		return x;
	if (is_integer(x) && is_integer(y))
		return PYTHIA_KIND_INT;
	if ((is_integer(x) && y == PYTHIA_KIND_DECIMAL) || (is_integer(y) && x == PYTHIA_KIND_DECIMAL))
		return PYTHIA_KIND_DECIMAL;
	if (x == PYTHIA_KIND_FLOAT || y == PYTHIA_KIND_FLOAT)
	{
		pythia_kind other = x == PYTHIA_KIND_FLOAT ? y : x;

		if (other == PYTHIA_KIND_DOUBLE || other == PYTHIA_KIND_DECIMAL || is_integer(other))
			return PYTHIA_KIND_FLOAT;
	}
	if (x == PYTHIA_KIND_DOUBLE || y == PYTHIA_KIND_DOUBLE)
	{
		pythia_kind other = x == PYTHIA_KIND_DOUBLE ? y : x;

		if (other == PYTHIA_KIND_DECIMAL || is_integer(other))
			return PYTHIA_KIND_DOUBLE;
	}
	if ((x == PYTHIA_KIND_TIMESTAMP && y == PYTHIA_KIND_TIMESTAMPTZ) ||
		(y == PYTHIA_KIND_TIMESTAMP && x == PYTHIA_KIND_TIMESTAMPTZ))
		return PYTHIA_KIND_TIMESTAMPTZ;
	if ((x == PYTHIA_KIND_TIME && y == PYTHIA_KIND_INTERVAL) || (y == PYTHIA_KIND_TIME && x == PYTHIA_KIND_INTERVAL))
		return PYTHIA_KIND_INTERVAL;
	if (x == PYTHIA_KIND_CHAR || y == PYTHIA_KIND_CHAR)
	{
		pythia_kind other = x == PYTHIA_KIND_CHAR ? y : x;

		if (is_text(other))
			return PYTHIA_KIND_CHAR;
	}
	if (x == PYTHIA_KIND_SET || y == PYTHIA_KIND_SET)
		return PYTHIA_KIND_SET;
	/* A column made for text in an engine that lacks the other's type takes the richer kind. */
	if (x == PYTHIA_KIND_JSON || y == PYTHIA_KIND_JSON)
		return (x == PYTHIA_KIND_ARRAY || y == PYTHIA_KIND_ARRAY) ? PYTHIA_KIND_ARRAY : PYTHIA_KIND_JSON;
	if (x == PYTHIA_KIND_UUID || y == PYTHIA_KIND_UUID)
		return PYTHIA_KIND_UUID;
	if ((x == PYTHIA_KIND_GEOMETRY && y == PYTHIA_KIND_BYTES) || (y == PYTHIA_KIND_GEOMETRY && x == PYTHIA_KIND_BYTES))
		return PYTHIA_KIND_GEOMETRY;
	if (is_text(x) || is_text(y) || x == PYTHIA_KIND_CHAR || y == PYTHIA_KIND_CHAR)
	{
		pythia_kind other = is_text(x) || x == PYTHIA_KIND_CHAR ? y : x;

		return is_text(other) || other == PYTHIA_KIND_CHAR ? PYTHIA_KIND_TEXT : other;
	}
	return PYTHIA_KIND_OTHER;
}

void pythia_type_agree(const pythia_type *a, const pythia_type *b, pythia_type *agreed)
{
	memset(agreed, 0, sizeof(*agreed));
	agreed->kind = agree_kind(a, b);
	agreed->size = a->size > 0 && b->size > 0 ? (a->size < b->size ? a->size : b->size) : 0;
	agreed->precision = narrower(a->precision, b->precision);
	agreed->scale = agreed->kind == PYTHIA_KIND_DECIMAL
						? narrower(a->precision < 0 ? -1 : a->scale, b->precision < 0 ? -1 : b->scale)
						: 0;
	agreed->length = a->length < 0 || b->length < 0 ? -1 : (a->length < b->length ? a->length : b->length);
	if (agreed->kind == PYTHIA_KIND_BIT)
		agreed->length = a->length > b->length ? a->length : b->length;
	agreed->is_unsigned = a->is_unsigned && b->is_unsigned;
	agreed->zone = a->zone || b->zone;
	agreed->native = pythia_strdup(pythia_kind_name(agreed->kind));
	agreed->labels = pythia_strdup(a->labels != NULL ? a->labels : b->labels);
}
