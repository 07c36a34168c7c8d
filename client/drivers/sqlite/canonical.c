/*
 * Canonical text inside SQLite, where a value's type is its own and not the
 * column's.
 */
#include "drivers/sqlite/canonical.h"

#include <string.h>

#ifdef PYTHIA_SQLITE_LOADABLE
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
#else
#include <sqlite3.h>
#endif

#include "core/digest.h"
#include "core/epoch.h"
#include "core/json_canonical.h"
#include "core/number.h"
#include "core/reading.h"
#include "core/schema.h"
#include "core/stamp.h"
#include "drivers/driver.h"

/*
 * While a statement of the caller runs no other can then be prepared, or its first step fails.  (The function that tells
 * it plainly came with SQLite 3.41.)
 */
bool pythia_sqlite_interrupted(void *sqlite3_handle)
{
	sqlite3_stmt *probe = NULL;
	int code = sqlite3_prepare_v2(sqlite3_handle, "SELECT 1", -1, &probe, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(probe);
	sqlite3_finalize(probe);
	return code == SQLITE_INTERRUPT;
}

void pythia_sqlite_stop_init(pythia_sqlite_stop *s, sqlite3_context *context)
{
	const pythia_host *given = sqlite3_user_data(context);

	s->own = (pythia_host){.context = sqlite3_context_db_handle(context), .cancelled = pythia_sqlite_interrupted};
	s->host = given != NULL ? given : &s->own;
	s->wanted = false;
}

/* A text that can neither hold ';' nor be taken for NULL's N stands as it is, any other as ?digest. */
static void safe_text(pythia_buffer *out, const char *text, size_t length)
{
	if (memchr(text, ';', length) != NULL || (length == 1 && text[0] == 'N') || (length > 0 && text[0] == '?'))
	{
		char hex[33];

		pythia_md5(text, length, hex);
		pythia_buffer_putc(out, '?');
		pythia_buffer_puts(out, hex);
		return;
	}
	pythia_buffer_append(out, text, length);
}

/* A value as bytes: a text's in UTF-8, whatever the encoding of its database, which a BLOB does not have. */
const char *pythia_sqlite_value_bytes(sqlite3_value *value, size_t *length)
{
	const char *bytes =
		sqlite3_value_type(value) == SQLITE_BLOB ? sqlite3_value_blob(value) : (const char *) sqlite3_value_text(value);

	*length = bytes != NULL ? (size_t) sqlite3_value_bytes(value) : 0;
	return bytes != NULL ? bytes : "";
}

static void value_text(pythia_buffer *out, sqlite3_value *value)
{
	size_t length;
	const char *text = pythia_sqlite_value_bytes(value, &length);

	pythia_buffer_append(out, text, length);
}

/* Behind the point: what numeric has at most, in PostgreSQL.  A view of the file may ask for more. */
#define MOST_DIGITS 16383

static void safe_value(pythia_buffer *out, sqlite3_value *value)
{
	size_t length;
	const char *text = pythia_sqlite_value_bytes(value, &length);

	safe_text(out, text, length);
}

/* A number with blanks around it is one, any other text stands for itself. */
static void number_text(pythia_buffer *out, const char *text, size_t length, int scale)
{
	pythia_buffer read = PYTHIA_BUFFER_INIT;

	if (!pythia_read_as(PYTHIA_KIND_DECIMAL, text, length, &read) ||
		!pythia_decimal_text(out, read.data, read.length, scale))
		safe_text(out, text, length);
	pythia_buffer_free(&read);
}

/* Reads a text as its column's kind, or has it stand for itself. */
static void kind_text(pythia_buffer *out, pythia_kind kind, const char *text, size_t length)
{
	pythia_buffer read = PYTHIA_BUFFER_INIT;

	if (pythia_read_as(kind, text, length, &read))
		safe_text(out, read.data, read.length);
	else
		safe_text(out, text, length);
	pythia_buffer_free(&read);
}

static void number(pythia_buffer *out, sqlite3_value *value, int scale)
{
	char digits[PYTHIA_DOUBLE_TEXT];
	const char *text;
	size_t length;

	if (sqlite3_value_type(value) == SQLITE_FLOAT)
	{
		length = (size_t) pythia_double_text(digits, sqlite3_value_double(value));
		text = digits;
	}
	else
	{
		text = (const char *) sqlite3_value_text(value);
		length = text != NULL ? (size_t) sqlite3_value_bytes(value) : 0;
	}
	if (text != NULL && !pythia_decimal_text(out, text, length, scale))
		number_text(out, text, length, scale);
}

static void ieee(pythia_buffer *out, sqlite3_value *value, int single)
{
	double number_value;
	uint64_t bits;

	if (sqlite3_value_type(value) == SQLITE_TEXT || sqlite3_value_type(value) == SQLITE_BLOB)
	{
		size_t length;
		const char *text = pythia_sqlite_value_bytes(value, &length);

		if (!pythia_double_read(text, length, &number_value))
		{
			safe_text(out, text, length);
			return;
		}
	}
	else
		number_value = sqlite3_value_double(value);
	if (single)
		number_value = (double) (float) number_value;
	number_value += 0.0; /* SQLite cannot keep the sign of a zero */
	memcpy(&bits, &number_value, sizeof(bits));
	pythia_buffer_printf(out, "%016llx", (unsigned long long) bits);
}

static void uuid(pythia_buffer *out, sqlite3_value *value)
{
	if (sqlite3_value_type(value) == SQLITE_BLOB && sqlite3_value_bytes(value) == 16)
	{
		const unsigned char *bytes = sqlite3_value_blob(value);

		for (int i = 0; i < 16; i++)
			pythia_buffer_printf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
		return;
	}
	{
		const char *text = (const char *) sqlite3_value_text(value);

		kind_text(out, PYTHIA_KIND_UUID, text != NULL ? text : "",
				  text != NULL ? (size_t) sqlite3_value_bytes(value) : 0);
	}
}

static void bits(pythia_buffer *out, sqlite3_value *value, long length)
{
	uint64_t number_value = (uint64_t) sqlite3_value_int64(value);

	/* one that has more bits is another number */
	if (sqlite3_value_type(value) == SQLITE_INTEGER && length > 0 && length <= 64 &&
		(length == 64 || number_value >> length == 0))
	{
		for (long i = length - 1; i >= 0; i--)
			pythia_buffer_putc(out, number_value >> i & 1 ? '1' : '0');
		return;
	}
	safe_value(out, value);
}

/* A moment that is spelled in another way, rounded. */
static void moment_text(pythia_buffer *out, pythia_kind kind, bool (*round)(pythia_buffer *, const char *, size_t, int),
						const char *text, size_t length, int precision)
{
	pythia_buffer read = PYTHIA_BUFFER_INIT;

	if (!pythia_read_as(kind, text, length, &read) || !round(out, read.data, read.length, precision))
		safe_text(out, text, length);
	pythia_buffer_free(&read);
}

static void bytes_digest(pythia_buffer *out, sqlite3_value *value, bool sha256)
{
	size_t length;
	const char *bytes = pythia_sqlite_value_bytes(value, &length);
	char hex[65];

	if (sha256)
		pythia_sha256(bytes, length, hex);
	else
		pythia_md5(bytes, length, hex);
	pythia_buffer_puts(out, hex);
}

/* A value and its storage class. */
static void stored(pythia_buffer *out, sqlite3_value *value, bool sha256)
{
	switch (sqlite3_value_type(value))
	{
		case SQLITE_INTEGER:
			pythia_buffer_putc(out, 'i');
			value_text(out, value);
			break;
		case SQLITE_FLOAT:
			pythia_buffer_putc(out, 'r');
			ieee(out, value, 0);
			break;
		case SQLITE_TEXT:
			pythia_buffer_putc(out, 't');
			value_text(out, value);
			break;
		default:
			pythia_buffer_putc(out, 'b');
			bytes_digest(out, value, sha256);
			break;
	}
}

/* What is no JSON stands as it is. */
static void json(pythia_buffer *out, pythia_json_style style, sqlite3_value *value, pythia_sqlite_stop *s)
{
	size_t length;
	const char *text = pythia_sqlite_value_bytes(value, &length);

	if (!pythia_json_canonical_until(out, text, length, style, s->host, &s->wanted) && !s->wanted)
		pythia_buffer_append(out, text, length);
}

/* Of YYYY-MM-DD HH:MM. */
#define MINUTES       16
#define MINUTES_COLON 13

/* When a stamp may have been given at the latest: a minute alone until it ends; of numbers see core/epoch.h.  False, with
 * nothing appended, where it says that itself. */
static bool latest(pythia_buffer *out, sqlite3_value *value)
{
	size_t length;
	const char *text = pythia_sqlite_value_bytes(value, &length);
	char instant[PYTHIA_INSTANT_SIZE];
	pythia_buffer minute = PYTHIA_BUFFER_INIT;
	bool is_minute;
	int64_t at;

	if (sqlite3_value_type(value) != SQLITE_INTEGER && pythia_number_instant(text, length, &at))
	{
		pythia_instant_write(instant, at);
		return pythia_stamp_canonical(out, instant, strlen(instant), 6);
	}
	is_minute = length >= MINUTES && text[MINUTES_COLON] == ':' && (length == MINUTES || text[MINUTES] != ':') &&
				pythia_stamp_canonical(&minute, text, length, 6) && pythia_instant_read(minute.data, &at);
	pythia_buffer_free(&minute);
	if (is_minute)
		pythia_instant_write(instant, at + 60 * PYTHIA_SECOND - 1);
	return is_minute && pythia_stamp_canonical(out, instant, strlen(instant), 6);
}

void pythia_sqlite_canonical(pythia_buffer *out, char letter, long size, sqlite3_value *value, pythia_sqlite_stop *s)
{
	pythia_buffer read = PYTHIA_BUFFER_INIT;
	const char *text;
	size_t length;

	size = size > MOST_DIGITS ? MOST_DIGITS : size < -1 ? -1 : size;
	switch (letter)
	{
		case 'i':
			number(out, value, -1);
			return;
		case 'n':
			number(out, value, (int) size);
			return;
		case 'd':
		case 'f':
			ieee(out, value, letter == 'f');
			return;
		case 'b':
			bytes_digest(out, value, size == 256);
			return;
		case 'v':
			stored(out, value, size == 256);
			return;
		case 'u':
			uuid(out, value);
			return;
		case 'B':
			bits(out, value, size);
			return;
		case 'c':
			value_text(out, value);
			while (out->length > 0 && out->data[out->length - 1] == ' ')
				out->data[--out->length] = '\0';
			return;
		case 'j':
		case 'J':
			json(out, letter == 'j' ? PYTHIA_JSON_STYLE_JSONB : PYTHIA_JSON_STYLE_NORMALIZED, value, s);
			return;
		case 'T':
			if (sqlite3_value_type(value) == SQLITE_INTEGER)
			{
				pythia_time_text(out, sqlite3_value_int64(value), (int) size);
				return;
			}
			text = pythia_sqlite_value_bytes(value, &length);
			if (!pythia_time_canonical(out, text, length, (int) size))
				moment_text(out, PYTHIA_KIND_TIME, pythia_time_canonical, text, length, (int) size);
			return;
		case 'Z':
			if (latest(out, value))
				return;
			/* fall through */
		case 'S':
			text = pythia_sqlite_value_bytes(value, &length);
			if (!pythia_stamp_canonical(out, text, length, (int) size))
				moment_text(out, PYTHIA_KIND_TIMESTAMP, pythia_stamp_canonical, text, length, (int) size);
			return;
		case 'D':
			text = pythia_sqlite_value_bytes(value, &length);
			/* a time behind it goes, nothing else */
			if (length > 10 && text[4] == '-' && pythia_read_as(PYTHIA_KIND_TIMESTAMP, text, length, &read))
				length = 10;
			kind_text(out, PYTHIA_KIND_DATE, text, length);
			pythia_buffer_free(&read);
			return;
		case 'o':
			text = pythia_sqlite_value_bytes(value, &length);
			kind_text(out, PYTHIA_KIND_BOOL, text, length);
			return;
		default:
			value_text(out, value);
			return;
	}
}
