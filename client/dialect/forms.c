#include "dialect/forms.h"

#include <string.h>

#include "core/text.h"
#include "core/utf8.h"

static size_t digits_at(const char *value, size_t length, size_t at)
{
	size_t first = at;

	while (at < length && pythia_is_digit(value[at]))
		at++;
	return at - first;
}

static size_t sign_at(const char *value, size_t length)
{
	return length > 0 && (value[0] == '-' || value[0] == '+');
}

bool pythia_integer_text(const char *value, size_t length)
{
	size_t sign = sign_at(value, length);

	return length > sign && sign + digits_at(value, length, sign) == length;
}

bool pythia_numeric_text(const char *value, size_t length)
{
	size_t at = sign_at(value, length);
	size_t digits = digits_at(value, length, at);
	size_t more;

	at += digits;
	if (at < length && value[at] == '.')
	{
		more = digits_at(value, length, ++at);
		digits += more;
		at += more;
	}
	if (digits == 0)
		return false;
	if (at < length && (value[at] == 'e' || value[at] == 'E'))
	{
		at++;
		at += sign_at(value + at, length - at);
		more = digits_at(value, length, at);
		if (more == 0)
			return false;
		at += more;
	}
	return at == length;
}

bool pythia_hex_text(const char *value, size_t length)
{
	if (length < 2 || length % 2 != 0 || value[0] != '\\' || value[1] != 'x')
		return false;
	for (size_t i = 2; i < length; i++)
	{
		if (pythia_hex_value(value[i]) < 0)
			return false;
	}
	return true;
}

bool pythia_bits_text(const char *value, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		if (value[i] != '0' && value[i] != '1')
			return false;
	}
	return length > 0;
}

/* HH:MM[:SS[.f…]] up to the end. */
static bool is_clock(const char *value, size_t length, size_t at, size_t most_hours)
{
	size_t hours = digits_at(value, length, at);

	if (hours < 1 || hours > most_hours)
		return false;
	at += hours;
	for (int part = 0; part < 2; part++)
	{
		if (at == length && part > 0)
			return true;
		if (at == length || value[at] != ':' || digits_at(value, length, at + 1) != 2)
			return false;
		at += 3;
	}
	if (at < length && value[at] == '.')
		at += 1 + digits_at(value, length, at + 1);
	return at == length && value[length - 1] != '.';
}

bool pythia_time_of_day_text(const char *value, size_t length)
{
	return is_clock(value, length, length > 0 && value[0] == '-', 9);
}

bool pythia_stamp_text(const char *value, size_t length)
{
	size_t at = digits_at(value, length, 0);

	if (at < 4 || at > 6 || length < at + 6 || value[at] != '-' || digits_at(value, length, at + 1) != 2 ||
		value[at + 3] != '-' || digits_at(value, length, at + 4) != 2)
		return false;
	at += 6;
	return at == length || ((value[at] == ' ' || value[at] == 'T') && is_clock(value, length, at + 1, 2));
}

/* Eight, four, four, four and twelve digits; PostgreSQL reads them with braces and without hyphens, too. */
static bool is_uuid(const char *value, size_t length)
{
	size_t digits = 0;

	for (size_t i = 0; i < length; i++)
	{
		if (pythia_hex_value(value[i]) >= 0)
			digits++;
		else if (strchr("-{}", value[i]) == NULL || value[i] == '\0')
			return false;
	}
	return digits == 32;
}

static bool is_word(const char *value, size_t length, const char *const *words)
{
	for (; *words != NULL; words++)
	{
		if (strlen(*words) == length && memcmp(value, *words, length) == 0)
			return true;
	}
	return false;
}

/* PostgreSQL's dates go on for ever, and begin before year 1. */
static bool is_postgres_date(const char *value, size_t length)
{
	static const char *const ends[] = {"infinity", "-infinity", NULL};

	if (is_word(value, length, ends))
		return true;
	if (length > 3 && memcmp(value + length - 3, " BC", 3) == 0)
		length -= 3;
	return pythia_stamp_text(value, length);
}

/* Without the offset of PostgreSQL's time with time zone: +HH[:MM[:SS]]. */
static size_t without_offset(const char *value, size_t length)
{
	for (size_t at = length; at > 1; at--)
	{
		char c = value[at - 1];

		if (c == '+' || c == '-')
			return at - 1;
		if (!pythia_is_digit(c) && c != ':')
			break;
	}
	return length;
}

static bool is_number(pythia_engine engine, const pythia_type *type, const char *value, size_t length)
{
	static const char *const words[] = {"NaN", "Infinity", "-Infinity", NULL};

	if (pythia_numeric_text(value, length))
		return true;
	return engine == PYTHIA_POSTGRESQL &&
		   (type->kind == PYTHIA_KIND_DECIMAL || type->kind == PYTHIA_KIND_FLOAT || type->kind == PYTHIA_KIND_DOUBLE) &&
		   is_word(value, length, words);
}

bool pythia_value_has_form(pythia_engine engine, const pythia_type *type, const char *value, size_t length)
{
	static const char *const truths[] = {"0", "1", "t", "f", "true", "false", NULL};

	switch (type->kind)
	{
		case PYTHIA_KIND_BOOL:
			return engine == PYTHIA_POSTGRESQL ? is_word(value, length, truths) : pythia_numeric_text(value, length);
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			return is_number(engine, type, value, length);
		case PYTHIA_KIND_BYTES:
		case PYTHIA_KIND_GEOMETRY:
			return pythia_hex_text(value, length);
		case PYTHIA_KIND_BIT:
			return pythia_bits_text(value, length);
		case PYTHIA_KIND_DATE:
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			return engine == PYTHIA_POSTGRESQL ? is_postgres_date(value, length) : pythia_stamp_text(value, length);
		case PYTHIA_KIND_TIME:
			return pythia_time_of_day_text(value, type->zone ? without_offset(value, length) : length);
		case PYTHIA_KIND_UUID:
			return is_uuid(value, length);
		default:
			/* texts of any characters, but for what the engine's texts cannot hold */
			return engine == PYTHIA_SQLITE || (pythia_utf8_valid(value, length) &&
											   (engine != PYTHIA_POSTGRESQL || memchr(value, '\0', length) == NULL));
	}
}
