/* Whether two texts spell one value. */
#include "value/equal.h"

#include <math.h>
#include <string.h>

#include "core/json_canonical.h"
#include "core/number.h"
#include "core/stamp.h"
#include "core/text.h"
#include "dialect/forms.h"

static bool same_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
	return a_length == b_length && memcmp(a, b, a_length) == 0;
}

static bool same_decimal(const pythia_type *agreed, const char *a, size_t a_length, const char *b, size_t b_length)
{
	pythia_buffer x = PYTHIA_BUFFER_INIT;
	pythia_buffer y = PYTHIA_BUFFER_INIT;
	int scale = agreed->kind == PYTHIA_KIND_DECIMAL && agreed->precision > 0 ? agreed->scale : -1;
	bool same = pythia_decimal_text(&x, a, a_length, scale) && pythia_decimal_text(&y, b, b_length, scale) &&
				same_bytes(x.data, x.length, y.data, y.length);

	pythia_buffer_free(&x);
	pythia_buffer_free(&y);
	return same;
}

static bool same_double(const pythia_type *agreed, const char *a, size_t a_length, const char *b, size_t b_length)
{
	double x, y;

	if (!pythia_double_read(a, a_length, &x) || !pythia_double_read(b, b_length, &y))
		return false;
	if (agreed->kind == PYTHIA_KIND_FLOAT)
	{
		x = (double) (float) x;
		y = (double) (float) y;
	}
	if (isnan(x) || isnan(y))
		return isnan(x) && isnan(y);
	return x == y && (agreed->is_unsigned || signbit(x) == signbit(y));
}

/* By a canonical spelling, where both have one. */
static bool same_spelling(bool (*spell)(pythia_buffer *, const char *, size_t, int), int precision, const char *a,
						  size_t a_length, const char *b, size_t b_length)
{
	pythia_buffer x = PYTHIA_BUFFER_INIT;
	pythia_buffer y = PYTHIA_BUFFER_INIT;
	bool same = spell(&x, a, a_length, precision >= 0 ? precision : 6) &&
				spell(&y, b, b_length, precision >= 0 ? precision : 6) &&
				same_bytes(x.data, x.length, y.data, y.length);

	pythia_buffer_free(&x);
	pythia_buffer_free(&y);
	return same;
}

/* The hex digits of a UUID or of \x bytes, lower-case, without hyphens. */
static bool same_hex(const char *a, size_t a_length, const char *b, size_t b_length)
{
	const char *ends[2] = {a + a_length, b + b_length};
	const char *at[2] = {a, b};

	for (int i = 0; i < 2; i++)
	{
		if (ends[i] - at[i] >= 2 && at[i][0] == '\\' && at[i][1] == 'x')
			at[i] += 2;
	}
	for (;;)
	{
		char c[2] = {0, 0};

		for (int i = 0; i < 2; i++)
		{
			while (at[i] < ends[i] && *at[i] == '-')
				at[i]++;
			if (at[i] < ends[i])
				c[i] = *at[i]++;
			if (c[i] >= 'A' && c[i] <= 'F')
				c[i] = (char) (c[i] - 'A' + 'a');
			/* any other texts are equal to the letter or not at all */
			if (c[i] != 0 && pythia_hex_value(c[i]) < 0)
				return false;
		}
		if (c[0] != c[1])
			return false;
		if (c[0] == 0)
			return at[0] == ends[0] && at[1] == ends[1];
	}
}

static size_t without_blanks(const char *text, size_t length)
{
	while (length > 0 && text[length - 1] == ' ')
		length--;
	return length;
}

/* Without the time of day behind it. */
static size_t date_length(const char *text, size_t length)
{
	size_t date = 0;

	while (date < length && text[date] != ' ' && text[date] != 'T')
		date++;
	return date;
}

/* Years may have more than four digits. */
static bool same_date(const char *a, size_t a_length, const char *b, size_t b_length)
{
	return pythia_stamp_text(a, a_length) && pythia_stamp_text(b, b_length) &&
		   same_bytes(a, date_length(a, a_length), b, date_length(b, b_length));
}

static bool bool_text(const char *text, size_t length, char *value)
{
	if (length == 1 && (text[0] == '1' || text[0] == 't'))
		*value = '1';
	else if (length == 1 && (text[0] == '0' || text[0] == 'f'))
		*value = '0';
	else if (same_bytes(text, length, "true", 4))
		*value = '1';
	else if (same_bytes(text, length, "false", 5))
		*value = '0';
	else
		return false;
	return true;
}

/* PostgreSQL's array literal with each element quoted, so that only NULL is not. */
static bool array_spelling(pythia_buffer *out, const char *text, size_t length, int unused)
{
	const char *at = text;
	const char *end = text + length;

	(void) unused;
	if (length < 2 || *at != '{')
		return false;
	while (at < end)
	{
		bool quoted = *at == '"';
		const char *start = at;

		if (*at == '{' || *at == '}' || *at == ',')
		{
			pythia_buffer_putc(out, *at++);
			continue;
		}
		at += quoted;
		pythia_buffer_putc(out, '"');
		while (at < end && (quoted ? *at != '"' : *at != ',' && *at != '}'))
		{
			if (*at == '\\' && at + 1 < end)
				pythia_buffer_putc(out, *at++);
			else if (*at == '"' || *at == '\\')
				pythia_buffer_putc(out, '\\');
			pythia_buffer_putc(out, *at++);
		}
		if (!quoted && at - start == 4 && memcmp(start, "NULL", 4) == 0)
		{
			out->length -= 5;
			pythia_buffer_puts(out, "NULL");
			continue;
		}
		pythia_buffer_putc(out, '"');
		at += quoted && at < end;
	}
	return true;
}

static bool has_member(const char *set, size_t length, const char *member, size_t size)
{
	for (const char *at = set, *end = set + length; at <= end;)
	{
		const char *comma = memchr(at, ',', (size_t) (end - at));
		size_t here = (size_t) ((comma != NULL ? comma : end) - at);

		if (same_bytes(at, here, member, size))
			return true;
		if (comma == NULL)
			break;
		at = comma + 1;
	}
	return false;
}

/* A SET tells its members in the order that they have in its own definition. */
static bool has_members(const char *set, size_t length, const char *members, size_t size)
{
	const char *end = members + size;
	const char *comma;

	for (; (comma = memchr(members, ',', (size_t) (end - members))) != NULL; members = comma + 1)
		if (!has_member(set, length, members, (size_t) (comma - members)))
			return false;
	return has_member(set, length, members, (size_t) (end - members));
}

bool pythia_value_equal(const pythia_type *agreed, const char *a, size_t a_length, const char *b, size_t b_length,
						const pythia_host *host)
{
	char x, y;

	if (same_bytes(a, a_length, b, b_length))
		return true;
	switch (agreed->kind)
	{
		case PYTHIA_KIND_BOOL:
			if (bool_text(a, a_length, &x) && bool_text(b, b_length, &y))
				return x == y;
			/* fall through */
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
		case PYTHIA_KIND_DECIMAL:
			return same_decimal(agreed, a, a_length, b, b_length);
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			return same_double(agreed, a, a_length, b, b_length);
		case PYTHIA_KIND_CHAR:
			return same_bytes(a, without_blanks(a, a_length), b, without_blanks(b, b_length));
		case PYTHIA_KIND_TIME:
			return same_spelling(pythia_time_canonical, agreed->precision, a, a_length, b, b_length);
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			return same_spelling(pythia_stamp_canonical, agreed->precision, a, a_length, b, b_length);
		case PYTHIA_KIND_DATE:
			return same_date(a, a_length, b, b_length);
		case PYTHIA_KIND_UUID:
		case PYTHIA_KIND_BYTES:
		case PYTHIA_KIND_GEOMETRY:
			return same_hex(a, a_length, b, b_length);
		case PYTHIA_KIND_SET:
			if (a_length == b_length && has_members(a, a_length, b, b_length) && has_members(b, b_length, a, a_length))
				return true;
			/* fall through */
		case PYTHIA_KIND_ARRAY:
			return same_spelling(array_spelling, 0, a, a_length, b, b_length);
		case PYTHIA_KIND_JSON:
			return pythia_json_equal(a, a_length, b, b_length, host);
		default:
			return false;
	}
}
