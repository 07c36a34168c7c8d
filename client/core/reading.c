#include "core/reading.h"

#include <string.h>
#include <strings.h>

#include "core/json_canonical.h"
#include "core/stamp.h"
#include "core/text.h"

static bool is_word(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

static bool in_words(const char *text, size_t length, const char *const *words)
{
	for (; *words != NULL; words++)
	{
		if (is_word(text, length, *words))
			return true;
	}
	return false;
}

/* Takes off the fraction's zeros; one of other digits is a fraction. */
static bool read_whole(const char *text, size_t length, pythia_buffer *out)
{
	size_t before = out->length;

	if (!pythia_decimal_text(out, text, length, -1))
		return false;
	if (memchr(out->data + before, '.', out->length - before) == NULL)
		return true;
	out->length = before;
	out->data[before] = '\0';
	return false;
}

static bool read_bool(const char *text, size_t length, pythia_buffer *out)
{
	static const char *const yes[] = {"t", "true", "y", "yes", "on", NULL};
	static const char *const no[] = {"f", "false", "n", "no", "off", NULL};

	if (in_words(text, length, yes))
		pythia_buffer_putc(out, '1');
	else if (in_words(text, length, no))
		pythia_buffer_putc(out, '0');
	else
		return read_whole(text, length, out);
	return true;
}

static bool read_special(const char *text, size_t length, pythia_buffer *out)
{
	size_t sign = length > 0 && (text[0] == '-' || text[0] == '+');
	bool infinite = is_word(text + sign, length - sign, "inf") || is_word(text + sign, length - sign, "infinity");

	if (is_word(text, length, "nan"))
		pythia_buffer_puts(out, "NaN");
	else if (infinite)
		pythia_buffer_puts(out, text[0] == '-' ? "-Infinity" : "Infinity");
	else
		return false;
	return true;
}

/* A number keeps its digits and its exponent: it is only looked through. */
static bool read_number(const char *text, size_t length, pythia_buffer *out)
{
	size_t at = length > 0 && (text[0] == '-' || text[0] == '+');
	size_t digits = 0;

	if (read_special(text, length, out))
		return true;
	for (; at < length && pythia_is_digit(text[at]); at++)
		digits++;
	if (at < length && text[at] == '.')
	{
		for (at++; at < length && pythia_is_digit(text[at]); at++)
			digits++;
	}
	if (digits == 0)
		return false;
	if (at < length && (text[at] == 'e' || text[at] == 'E'))
	{
		at++;
		at += at < length && (text[at] == '-' || text[at] == '+');
		if (at == length)
			return false;
		while (at < length && pythia_is_digit(text[at]))
			at++;
	}
	if (at != length)
		return false;
	pythia_buffer_append(out, text, length);
	return true;
}

/* Infinity, years that count backwards, and those of more than four digits, as PostgreSQL writes them. */
static bool read_odd_date(const char *text, size_t length, pythia_buffer *out)
{
	pythia_buffer stamp = PYTHIA_BUFFER_INIT;
	bool before = length > 3 && memcmp(text + length - 3, " BC", 3) == 0;
	size_t whole = before ? length - 3 : length;
	size_t digits = 0;
	bool is = is_word(text, length, "infinity") || is_word(text, length, "-infinity");

	while (digits < whole && pythia_is_digit(text[digits]))
		digits++;
	/* the last four say which days a month has */
	if ((before || digits > 4) && digits >= 4 && digits <= 7)
		is = pythia_stamp_canonical(&stamp, text + digits - 4, whole - (digits - 4), 6);
	pythia_buffer_free(&stamp);
	if (is)
		pythia_buffer_append(out, text, length);
	return is;
}

static bool read_stamp(const char *text, size_t length, pythia_buffer *out)
{
	return read_odd_date(text, length, out) || pythia_stamp_canonical(out, text, length, 6);
}

/* The day alone; a time of the day behind it stays, for whoever has a use for it. */
static bool read_date(const char *text, size_t length, pythia_buffer *out)
{
	size_t before = out->length;
	size_t day;

	if (read_odd_date(text, length, out))
		return true;
	/* an offset would move the day */
	for (day = 0; day < length && text[day] != ' ' && text[day] != 'T';)
		day++;
	if (!pythia_stamp_canonical(out, text, day, 6))
		return false;
	out->length -= strlen(" 00:00:00");
	if (day < length)
	{
		pythia_buffer rest = PYTHIA_BUFFER_INIT;
		bool is = pythia_stamp_canonical(&rest, text, length, 6);
		bool midnight = is && rest.length > 8 && strcmp(rest.data + rest.length - 8, "00:00:00") == 0;

		pythia_buffer_free(&rest);
		if (!is)
		{
			out->length = before;
			out->data[before] = '\0';
			return false;
		}
		if (!midnight)
			pythia_buffer_append(out, text + day, length - day);
	}
	out->data[out->length] = '\0';
	return true;
}

static bool read_uuid(const char *text, size_t length, pythia_buffer *out)
{
	size_t before = out->length;
	int digits = 0;

	if (length > 1 && text[0] == '{' && text[length - 1] == '}')
	{
		text++;
		length -= 2;
	}
	for (size_t i = 0; i < length && digits <= 32; i++)
	{
		if (text[i] == '-' && digits > 0 && digits % 4 == 0 && i + 1 < length && text[i - 1] != '-')
			continue;
		if (pythia_hex_value(text[i]) < 0)
		{
			digits = 0;
			break;
		}
		if (digits == 8 || digits == 12 || digits == 16 || digits == 20)
			pythia_buffer_putc(out, '-');
		pythia_buffer_putc(out, pythia_lower_char(text[i]));
		digits++;
	}
	if (digits == 32)
		return true;
	if (out->length > before)
		out->data[before] = '\0';
	out->length = before;
	return false;
}

static bool read_json(const char *text, size_t length, pythia_buffer *out)
{
	if (!pythia_json_has_spelling(text, length))
		return false;
	pythia_buffer_append(out, text, length);
	return true;
}

bool pythia_read_as(pythia_kind kind, const char *text, size_t length, pythia_buffer *out)
{
	const char *given = text;
	size_t whole = length;

	while (length > 0 && pythia_is_blank(text[length - 1]))
		length--;
	while (length > 0 && pythia_is_blank(text[0]))
	{
		text++;
		length--;
	}
	switch (kind)
	{
		case PYTHIA_KIND_BOOL:
			return read_bool(text, length, out);
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
			return read_whole(text, length, out);
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			return read_number(text, length, out);
		case PYTHIA_KIND_DATE:
			return read_date(text, length, out);
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			return read_stamp(text, length, out);
		case PYTHIA_KIND_TIME:
			return pythia_time_canonical(out, text, length, 6);
		case PYTHIA_KIND_UUID:
			return read_uuid(text, length, out);
		case PYTHIA_KIND_JSON:
			return read_json(given, whole, out);
		default:
			pythia_buffer_append(out, given, whole);
			return true;
	}
}
