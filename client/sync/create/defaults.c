/* Column defaults that mean the same in another engine: numbers, texts, truth values, bits, bytes, days and stamps, the
 * current time. */
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/moment.h"
#include "core/stamp.h"
#include "core/text.h"
#include "dialect/forms.h"
#include "sync/create/create.h"

static bool is_text(const pythia_type *type)
{
	return type->kind == PYTHIA_KIND_TEXT || type->kind == PYTHIA_KIND_CHAR || type->kind == PYTHIA_KIND_ENUM;
}

static bool is_label(const pythia_type *type, const char *text)
{
	for (int i = 0; i < type->nlabels; i++)
	{
		if (strcmp(type->labels[i], text) == 0)
			return true;
	}
	return type->nlabels == 0;
}

/* MySQL refuses a default that the column has no room for, where others refuse a row that needs it. */
static bool has_room(const pythia_type *type, const char *text)
{
	int64_t characters = 0;

	for (; *text != '\0'; text++)
		characters += ((unsigned char) *text & 0xC0) != 0x80;
	return type->length <= 0 || characters <= type->length;
}

/* MySQL gives no literal default to its TEXTs, BLOBs and JSONs, but an expression that is one. */
static bool takes_literal(const pythia_db *target, const pythia_type *type)
{
	if (target->engine != PYTHIA_MYSQL || target->is_mariadb || type->native == NULL)
		return true;
	if (type->kind == PYTHIA_KIND_JSON || type->kind == PYTHIA_KIND_GEOMETRY)
		return false;
	if (type->kind == PYTHIA_KIND_BYTES)
		return strncasecmp(type->native, "binary", 6) == 0 || strncasecmp(type->native, "varbinary", 9) == 0;
	return type->kind != PYTHIA_KIND_TEXT || strncasecmp(type->native, "varchar", 7) == 0;
}

/* Sign, digits and at most one point. */
static bool is_number(const char *text)
{
	size_t whole;
	size_t fraction = 0;

	text += *text == '-' || *text == '+';
	whole = strspn(text, "0123456789");
	text += whole;
	if (*text == '.')
	{
		fraction = strspn(text + 1, "0123456789");
		text += 1 + fraction;
	}
	return *text == '\0' && whole + fraction > 0;
}

static bool put_number(const pythia_default *value, pythia_buffer *out)
{
	bool good = value->kind == PYTHIA_DEFAULT_TEXT && is_number(value->text);

	if (value->kind == PYTHIA_DEFAULT_NUMBER || value->kind == PYTHIA_DEFAULT_BOOL)
		good = pythia_numeric_text(value->text, strlen(value->text));
	if (good)
		pythia_buffer_puts(out, value->text);
	return good;
}

static bool put_bool(const pythia_default *value, const pythia_db *target, pythia_buffer *out)
{
	bool yes = strcasecmp(value->text, "true") == 0 || strcmp(value->text, "1") == 0;

	if (value->kind == PYTHIA_DEFAULT_BYTES ||
		(!yes && strcasecmp(value->text, "false") != 0 && strcmp(value->text, "0") != 0))
		return false;
	if (target->engine == PYTHIA_POSTGRESQL)
		pythia_buffer_puts(out, yes ? "true" : "false");
	else
		pythia_buffer_puts(out, yes ? "1" : "0");
	return true;
}

static bool put_now(const pythia_db *target, const pythia_type *type, pythia_buffer *out)
{
	if (type->kind != PYTHIA_KIND_TIMESTAMP && type->kind != PYTHIA_KIND_TIMESTAMPTZ)
		return false;
	pythia_buffer_puts(out, "CURRENT_TIMESTAMP");
	if (target->engine == PYTHIA_MYSQL && type->precision > 0)
		pythia_buffer_printf(out, "(%d)", type->precision);
	return true;
}

/* The day of a stamp is one that every engine has. */
static bool has_day(const char *text, const char *first, const char *last)
{
	pythia_moment moment;

	return strlen(text) >= 10 && pythia_moment_date(text, 10, &moment) && strncmp(text, first, 4) >= 0 &&
		   strncmp(text, last, 4) <= 0;
}

/* A day, or a stamp, in UTC where it tells its zone. */
static bool put_stamp(const pythia_default *value, const pythia_db *target, const pythia_type *type, pythia_buffer *out)
{
	bool zoned = type->kind == PYTHIA_KIND_TIMESTAMPTZ;
	bool short_lived = zoned && target->engine == PYTHIA_MYSQL;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok = value->kind == PYTHIA_DEFAULT_TEXT &&
			  has_day(value->text, short_lived ? "1971" : "0001", short_lived ? "2037" : "9998");

	if (type->kind == PYTHIA_KIND_DATE)
	{
		ok = ok && strlen(value->text) == 10;
		pythia_buffer_puts(&text, value->text);
	}
	else
		ok = ok && pythia_stamp_canonical(&text, value->text, strlen(value->text),
										  type->precision >= 0 && type->precision < 6 ? type->precision : 6);
	if (zoned && target->engine != PYTHIA_MYSQL)
		pythia_buffer_puts(&text, target->engine == PYTHIA_SQLITE ? "Z" : "+00");
	if (ok)
		pythia_dialect_of(target)->plain_string(out, text.data);
	pythia_buffer_free(&text);
	return ok;
}

/* As many as the type has: a shorter literal is filled up in front, as MySQL does. */
static bool put_bits(const pythia_default *value, const pythia_db *target, const pythia_type *type, pythia_buffer *out)
{
	pythia_buffer bits = PYTHIA_BUFFER_INIT;
	size_t length = strlen(value->text);
	bool fits = type->length <= PYTHIA_DEFAULT_MOST_BITS && (type->length <= 0 || length <= (size_t) type->length);

	for (int64_t i = (int64_t) length; fits && i < type->length; i++)
		pythia_buffer_putc(&bits, '0');
	pythia_buffer_puts(&bits, value->text);
	fits =
		fits && bits.length > 0 && pythia_dialect_of(target)->value_literal(target, out, type, bits.data, bits.length);
	pythia_buffer_free(&bits);
	return fits;
}

/* What every engine spells alike, or is spelled anew for the target. */
static bool put_literal(const pythia_default *value, const pythia_db *target, const pythia_type *type,
						pythia_buffer *out)
{
	switch (type->kind)
	{
		case PYTHIA_KIND_BOOL:
			return put_bool(value, target, out);
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
		case PYTHIA_KIND_YEAR:
			return put_number(value, out);
		case PYTHIA_KIND_DATE:
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			return put_stamp(value, target, type, out);
		case PYTHIA_KIND_BIT:
			return value->kind == PYTHIA_DEFAULT_BITS && put_bits(value, target, type, out);
		case PYTHIA_KIND_BYTES:
			return value->kind == PYTHIA_DEFAULT_BYTES &&
				   (type->length <= 0 || strlen(value->text) <= 2 + 2 * (size_t) type->length) &&
				   pythia_dialect_of(target)->value_literal(target, out, type, value->text, strlen(value->text));
		default:
			if (!is_text(type) || value->kind != PYTHIA_DEFAULT_TEXT || !is_label(type, value->text) ||
				!has_room(type, value->text))
				return false;
			pythia_dialect_of(target)->plain_string(out, value->text);
			return true;
	}
}

/* An engine reads what it has spelled itself (times, JSON, addresses, days of 0000), but for words that stand for the
 * present, and for texts that the column as it is made has no room for. */
static bool is_as_good(const pythia_default *value, const pythia_db *target, const pythia_type *type)
{
	const char *text = value->text;

	if (value->engine != target->engine || value->kind != PYTHIA_DEFAULT_TEXT || type->unread != NULL || is_text(type))
		return false;
	if (type->kind == PYTHIA_KIND_DATE || type->kind == PYTHIA_KIND_TIME || type->kind == PYTHIA_KIND_TIMESTAMP ||
		type->kind == PYTHIA_KIND_TIMESTAMPTZ)
		return pythia_is_digit(text[*text == '-']) || strcmp(text, "infinity") == 0 || strcmp(text, "-infinity") == 0;
	return true;
}

static bool put_value(const pythia_default *value, const pythia_db *target, const pythia_type *type, pythia_buffer *out)
{
	if (put_literal(value, target, type, out))
		return true;
	if (!is_as_good(value, target, type))
		return false;
	pythia_dialect_of(target)->plain_string(out, value->text);
	return true;
}

bool pythia_default_ddl(const pythia_default *value, const pythia_db *target, const pythia_type *type,
						pythia_buffer *out)
{
	bool literal = takes_literal(target, type);
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok;

	if (value->kind == PYTHIA_DEFAULT_NOW)
		return put_now(target, type, out);
	if (value->kind == PYTHIA_DEFAULT_EXPRESSION && value->engine == target->engine && type->unread == NULL)
	{
		pythia_buffer_printf(out, "(%s)", value->text);
		return true;
	}
	if (value->kind == PYTHIA_DEFAULT_NONE || value->kind == PYTHIA_DEFAULT_EXPRESSION ||
		value->kind == PYTHIA_DEFAULT_UNREAD || (!literal && target->version < 80013))
		return false;
	ok = put_value(value, target, type, &text);
	if (ok)
		pythia_buffer_printf(out, literal ? "%s" : "(%s)", text.data);
	pythia_buffer_free(&text);
	return ok;
}
