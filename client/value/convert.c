/* Texts of one kind turned into texts of another. */
#include "value/convert.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/json_scan.h"
#include "core/memory.h"
#include "core/reading.h"
#include "core/rows.h"
#include "core/text.h"
#include "dialect/forms.h"

typedef bool (*converter)(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out);

static bool texty(pythia_kind kind)
{
	return kind == PYTHIA_KIND_TEXT || kind == PYTHIA_KIND_CHAR || kind == PYTHIA_KIND_OTHER;
}

static bool uuid_to_bytes(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	int digits = 0;

	(void) transform;
	pythia_buffer_puts(out, "\\x");
	for (size_t i = 0; i < length; i++)
	{
		if (value[i] == '-')
			continue;
		if (pythia_hex_value(value[i]) < 0)
			return false;
		pythia_buffer_putc(out, (char) tolower((unsigned char) value[i]));
		digits++;
	}
	return digits == 32;
}

static bool bytes_to_uuid(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	(void) transform;
	if (length != 34)
		return false;
	for (int i = 0; i < 32; i++)
	{
		if (i == 8 || i == 12 || i == 16 || i == 20)
			pythia_buffer_putc(out, '-');
		pythia_buffer_putc(out, value[2 + i]);
	}
	return true;
}

static bool bytes_to_text(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	(void) transform;
	return pythia_rows_unhex(&(pythia_field){.value = value, .length = length}, out);
}

static bool text_to_bytes(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	(void) transform;
	pythia_buffer_puts(out, "\\x");
	pythia_buffer_hex(out, value, length);
	return true;
}

static bool bits_to_integer(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	(void) transform;
	if (length > 64 || !pythia_bits_text(value, length))
		return false;
	pythia_buffer_printf(out, "%llu", strtoull(value, NULL, 2));
	return true;
}

/* Of a whole number in digits, without a sign: false where it needs more bits. */
static bool read_bits(const char *digits, int width, uint64_t *bits)
{
	char *end;

	errno = 0;
	*bits = strtoull(digits, &end, 10);
	return pythia_is_digit(*digits) && *end == '\0' && errno == 0 && (width == 64 || *bits >> width == 0);
}

static bool integer_to_bits(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	int64_t width = transform->to->length > 0 ? transform->to->length : 1;
	bool clamp = transform->policies.out_of_range == PYTHIA_POLICY_CLAMP ||
				 transform->policies.out_of_range == PYTHIA_POLICY_REPLACE;
	pythia_buffer whole = PYTHIA_BUFFER_INIT;
	uint64_t bits = 0;
	bool ok =
		width <= 64 && pythia_read_as(transform->from->kind == PYTHIA_KIND_BOOL ? PYTHIA_KIND_BOOL : PYTHIA_KIND_INT,
									  value, length, &whole);

	if (ok && !read_bits(whole.data, (int) width, &bits))
	{
		/* the nearest that the column holds */
		ok = clamp;
		bits = whole.data[0] == '-' ? 0 : UINT64_MAX;
	}
	pythia_buffer_free(&whole);
	if (!ok)
		return false;
	for (int64_t i = width - 1; i >= 0; i--)
		pythia_buffer_putc(out, bits >> i & 1 ? '1' : '0');
	return true;
}

/* --- arrays, sets, JSON ----------------------------------------------------- */

/* Elements that JSON writes bare: numbers and truth values. */
static bool bare_elements(const pythia_type *array)
{
	static const char *const numeric[] = {"smallint", "integer",          "bigint", "numeric",
										  "real",     "double precision", "oid",    NULL};

	for (const char *const *name = numeric; array->native != NULL && *name != NULL; name++)
	{
		if (strncmp(array->native, *name, strlen(*name)) == 0)
			return true;
	}
	return false;
}

/* Reads one element of PostgreSQL's array literal into `element`; *quoted tells NULL from "NULL". */
static const char *array_element(const char *at, const char *end, pythia_buffer *element, bool *quoted)
{
	pythia_buffer_clear(element);
	*quoted = at < end && *at == '"';
	if (*quoted)
	{
		for (at++; at < end && *at != '"'; at++)
		{
			if (*at == '\\' && at + 1 < end)
				at++;
			pythia_buffer_putc(element, *at);
		}
		return at < end ? at + 1 : NULL;
	}
	for (; at < end && *at != ',' && *at != '}'; at++)
	{
		if (*at == '\\' && at + 1 < end)
			at++;
		pythia_buffer_putc(element, *at);
	}
	return at;
}

static bool array_to_json(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	const char *at = value;
	const char *end = value + length;
	bool bare = bare_elements(transform->from);
	bool boolean = transform->from->native != NULL && strncmp(transform->from->native, "boolean", 7) == 0;
	pythia_buffer element = PYTHIA_BUFFER_INIT;
	bool ok = at < end && *at == '{'; /* bounds other than 1, written before it, have no place in JSON */
	int depth = 0;

	while (ok && at < end)
	{
		bool quoted;

		if (*at == '{' || *at == '}')
		{
			depth += *at == '{' ? 1 : -1;
			pythia_buffer_putc(out, *at == '{' ? '[' : ']');
			at++;
		}
		else if (*at == ',')
		{
			pythia_buffer_puts(out, ", ");
			at++;
		}
		else
		{
			const char *text;

			at = array_element(at, end, &element, &quoted);
			ok = at != NULL;
			text = pythia_buffer_text(&element);
			if (!quoted && strcmp(text, "NULL") == 0)
				pythia_buffer_puts(out, "null");
			else if (boolean)
				pythia_buffer_puts(out, text[0] == 't' ? "true" : "false");
			else if (bare && pythia_json_is_number(text, element.length))
				pythia_buffer_puts(out, text);
			else
				pythia_json_string(out, text, element.length);
		}
	}
	pythia_buffer_free(&element);
	return ok && depth == 0;
}

static void put_array_text(pythia_buffer *out, const char *text, size_t length)
{
	pythia_buffer_putc(out, '"');
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] == '"' || text[i] == '\\')
			pythia_buffer_putc(out, '\\');
		pythia_buffer_putc(out, text[i]);
	}
	pythia_buffer_putc(out, '"');
}

static bool json_to_array(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	const char *at = value;
	const char *end = value + length;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok = true;
	int depth = 0;

	(void) transform;
	while (ok && at < end)
	{
		if (isspace((unsigned char) *at))
			at++;
		else if (*at == '[' || *at == ']')
		{
			depth += *at == '[' ? 1 : -1;
			pythia_buffer_putc(out, *at == '[' ? '{' : '}');
			at++;
		}
		else if (*at == ',')
		{
			pythia_buffer_putc(out, ',');
			at++;
		}
		else if (*at == '"')
		{
			at++;
			ok = depth > 0 && pythia_json_unquote(&at, end, &text);
			put_array_text(out, pythia_buffer_text(&text), text.length);
		}
		else
		{
			const char *start = at;

			while (at < end && strchr(",] \t\r\n", *at) == NULL)
				at++;
			ok = depth > 0 && *start != '{' && at > start;
			if (at - start == 4 && strncmp(start, "null", 4) == 0)
				pythia_buffer_puts(out, "NULL");
			else
				pythia_buffer_append(out, start, (size_t) (at - start));
		}
	}
	pythia_buffer_free(&text);
	return ok && depth == 0 && out->length > 0 && out->data[0] == '{';
}

static bool set_to_array(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	const char *end = value + length;

	(void) transform;
	pythia_buffer_putc(out, '{');
	while (value < end)
	{
		const char *comma = memchr(value, ',', (size_t) (end - value));
		const char *stop = comma != NULL ? comma : end;

		put_array_text(out, value, (size_t) (stop - value));
		if (comma == NULL)
			break;
		pythia_buffer_putc(out, ',');
		value = comma + 1;
	}
	pythia_buffer_putc(out, '}');
	return true;
}

static bool array_to_set(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	const char *at = value + 1;
	const char *end = value + length;
	pythia_buffer element = PYTHIA_BUFFER_INIT;
	bool ok = length >= 2 && value[0] == '{';
	bool first = true;

	(void) transform;
	while (ok && at < end && *at != '}')
	{
		bool quoted;

		if (*at == ',')
			at++;
		ok = at < end && *at != '{';
		if (!ok)
			break;
		at = array_element(at, end, &element, &quoted);
		ok = at != NULL && memchr(pythia_buffer_text(&element), ',', element.length) == NULL;
		if (!first)
			pythia_buffer_putc(out, ',');
		pythia_buffer_append(out, pythia_buffer_text(&element), element.length);
		first = false;
	}
	pythia_buffer_free(&element);
	return ok;
}

/* PostgreSQL's interval text as [-]HH:MM:SS; months have no fixed length. */
static bool interval_to_time(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	long long days = 0;
	long long hours = 0;
	bool negative = false;
	const char *clock = NULL;
	char *rest;
	const char *at = value;

	(void) transform;
	(void) length;
	while (*at != '\0')
	{
		long long number = strtoll(at, &rest, 10);

		/* more hours than an interval of PostgreSQL holds */
		if (rest == at || number > INT64_C(10000000000) || number < -INT64_C(10000000000))
			return false;
		if (*rest == ':')
		{
			negative = *at == '-';
			hours = number < 0 ? -number : number;
			clock = rest;
			break;
		}
		while (*rest == ' ')
			rest++;
		if (strncmp(rest, "day", 3) != 0)
			return false;
		days = number;
		at = rest + strcspn(rest, " ");
		while (*at == ' ')
			at++;
	}
	if (days != 0 && clock != NULL && (days < 0) != negative)
		return false;
	negative = negative || days < 0;
	hours += 24 * (days < 0 ? -days : days);
	pythia_buffer_printf(out, "%s%02lld%s", negative ? "-" : "", hours, clock != NULL ? clock : ":00:00");
	return true;
}

static bool bool_word(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	(void) transform;
	return pythia_read_as(PYTHIA_KIND_BOOL, value, length, out);
}

/* MySQL writes every digit of its fraction, the others only what is needed; where it stays text, that shows. */
static bool trim_fraction(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out)
{
	(void) transform;
	if (memchr(value, '.', length) != NULL)
	{
		while (value[length - 1] == '0')
			length--;
		if (value[length - 1] == '.')
			length--;
	}
	pythia_buffer_append(out, value, length);
	return true;
}

static bool sixteen_bytes(const pythia_type *type)
{
	return type->kind == PYTHIA_KIND_BYTES && type->length == 16;
}

static converter find_converter(const pythia_type *from, pythia_engine from_engine, const pythia_type *to,
								pythia_engine to_engine)
{
	pythia_kind a = from->kind;
	pythia_kind b = to->kind;

	if (from_engine == PYTHIA_MYSQL && to_engine == PYTHIA_SQLITE &&
		(a == PYTHIA_KIND_TIMESTAMP || a == PYTHIA_KIND_TIMESTAMPTZ) && b != PYTHIA_KIND_DATE && from->precision > 0)
		return trim_fraction;
	if (a == b)
		return NULL;
	if (a == PYTHIA_KIND_UUID && b == PYTHIA_KIND_BYTES)
		return uuid_to_bytes;
	if (sixteen_bytes(from) && b == PYTHIA_KIND_UUID)
		return bytes_to_uuid;
	if (a == PYTHIA_KIND_ARRAY && b == PYTHIA_KIND_JSON)
		return array_to_json;
	if (a == PYTHIA_KIND_JSON && b == PYTHIA_KIND_ARRAY)
		return json_to_array;
	if (a == PYTHIA_KIND_SET && b == PYTHIA_KIND_ARRAY)
		return set_to_array;
	if (a == PYTHIA_KIND_ARRAY && b == PYTHIA_KIND_SET)
		return array_to_set;
	if (a == PYTHIA_KIND_INTERVAL && b == PYTHIA_KIND_TIME)
		return interval_to_time;
	if (a == PYTHIA_KIND_BYTES && (texty(b) || b == PYTHIA_KIND_JSON))
		return bytes_to_text;
	if (texty(a) && (b == PYTHIA_KIND_BYTES))
		return text_to_bytes;
	if (a == PYTHIA_KIND_BIT && (b == PYTHIA_KIND_INT || b == PYTHIA_KIND_UINT || b == PYTHIA_KIND_DECIMAL))
		return bits_to_integer;
	if (pythia_kind_is_number(a) && b == PYTHIA_KIND_BIT)
		return integer_to_bits;
	/* SQLite's are read as what they are by the form */
	if (texty(a) && b == PYTHIA_KIND_BOOL && to_engine != PYTHIA_POSTGRESQL && from_engine != PYTHIA_SQLITE)
		return bool_word;
	return NULL;
}

bool pythia_convert_needed(const pythia_type *from, pythia_engine from_engine, const pythia_type *to,
						   pythia_engine to_engine)
{
	return find_converter(from, from_engine, to, to_engine) != NULL;
}

bool pythia_convert_value(const pythia_transform *transform, const char *value, size_t length, pythia_buffer *out,
						  pythia_bad_value *bad)
{
	converter convert = find_converter(transform->from, transform->from_engine, transform->to, transform->to_engine);

	if (convert(transform, value, length, out))
		return true;
	bad->policy = "out_of_range";
	bad->bounded = false;
	bad->quarantine = transform->policies.out_of_range == PYTHIA_POLICY_QUARANTINE;
	snprintf(bad->reason, sizeof(bad->reason), "a value of type %s cannot be said as %s",
			 pythia_kind_name(transform->from->kind), pythia_kind_name(transform->to->kind));
	return false;
}
