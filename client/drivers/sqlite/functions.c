/*
 * Canonical text and checksums inside SQLite, where a value's type is its own
 * and not the column's.
 */
#include "drivers/sqlite/functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef PYTHIA_SQLITE_LOADABLE
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
#else
#include <sqlite3.h>
#endif

#include "core/buffer.h"
#include "core/digest.h"
#include "core/epoch.h"
#include "core/json_canonical.h"
#include "core/number.h"
#include "core/reading.h"
#include "core/schema.h"
#include "core/stamp.h"
#include "core/utf8.h"
#include "drivers/driver.h"

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
static const char *value_bytes(sqlite3_value *value, size_t *length)
{
	const char *bytes =
		sqlite3_value_type(value) == SQLITE_BLOB ? sqlite3_value_blob(value) : (const char *) sqlite3_value_text(value);

	*length = bytes != NULL ? (size_t) sqlite3_value_bytes(value) : 0;
	return bytes != NULL ? bytes : "";
}

static void value_text(pythia_buffer *out, sqlite3_value *value)
{
	size_t length;
	const char *text = value_bytes(value, &length);

	pythia_buffer_append(out, text, length);
}

/* Behind the point: what numeric has at most, in PostgreSQL.  A view of the file may ask for more. */
#define MOST_DIGITS 16383

static void safe_value(pythia_buffer *out, sqlite3_value *value)
{
	size_t length;
	const char *text = value_bytes(value, &length);

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
		const char *text = value_bytes(value, &length);

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
	const char *bytes = value_bytes(value, &length);
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

/* What stops the work on a value. */
typedef struct stop
{
	const pythia_host *host;
	pythia_host own;
	bool wanted;
} stop;

static void stop_init(stop *s, sqlite3_context *context)
{
	const pythia_host *given = sqlite3_user_data(context);

	s->own = (pythia_host){.context = sqlite3_context_db_handle(context), .cancelled = pythia_sqlite_interrupted};
	s->host = given != NULL ? given : &s->own;
	s->wanted = false;
}

/* What is no JSON stands as it is. */
static void json(pythia_buffer *out, pythia_json_style style, sqlite3_value *value, stop *s)
{
	size_t length;
	const char *text = value_bytes(value, &length);

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
	const char *text = value_bytes(value, &length);
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

/* Appends the canonical text of a value that is not NULL, as far as nothing stops it. */
static void canonical(pythia_buffer *out, char letter, long size, sqlite3_value *value, stop *s)
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
			text = value_bytes(value, &length);
			if (!pythia_time_canonical(out, text, length, (int) size))
				moment_text(out, PYTHIA_KIND_TIME, pythia_time_canonical, text, length, (int) size);
			return;
		case 'Z':
			if (latest(out, value))
				return;
			/* fall through */
		case 'S':
			text = value_bytes(value, &length);
			if (!pythia_stamp_canonical(out, text, length, (int) size))
				moment_text(out, PYTHIA_KIND_TIMESTAMP, pythia_stamp_canonical, text, length, (int) size);
			return;
		case 'D':
			text = value_bytes(value, &length);
			/* a time behind it goes, nothing else */
			if (length > 10 && text[4] == '-' && pythia_read_as(PYTHIA_KIND_TIMESTAMP, text, length, &read))
				length = 10;
			kind_text(out, PYTHIA_KIND_DATE, text, length);
			pythia_buffer_free(&read);
			return;
		case 'o':
			text = value_bytes(value, &length);
			kind_text(out, PYTHIA_KIND_BOOL, text, length);
			return;
		default:
			value_text(out, value);
			return;
	}
}

/* Beyond the largest text that this connection takes. */
static bool too_long(sqlite3_context *context, const pythia_buffer *buffer)
{
	return buffer->length > (size_t) sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1);
}

static void result_buffer(sqlite3_context *context, pythia_buffer *buffer)
{
	if (too_long(context, buffer))
		sqlite3_result_error_toobig(context);
	else
		sqlite3_result_text(context, pythia_buffer_text(buffer), (int) buffer->length, SQLITE_TRANSIENT);
	pythia_buffer_free(buffer);
}

static void result_unless_stopped(sqlite3_context *context, pythia_buffer *buffer, const stop *s)
{
	if (!s->wanted)
	{
		result_buffer(context, buffer);
		return;
	}
	sqlite3_result_error_code(context, SQLITE_INTERRUPT);
	pythia_buffer_free(buffer);
}

static void canonical_function(sqlite3_context *context, int nvalues, sqlite3_value **values)
{
	const char *spec = (const char *) sqlite3_value_text(values[0]);
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	long size;
	stop s;

	(void) nvalues;
	if (spec == NULL || sqlite3_value_type(values[1]) == SQLITE_NULL)
		return;
	stop_init(&s, context);
	size = spec[0] != '\0' ? strtol(spec + 1, NULL, 10) : 0;
	canonical(&out, spec[0], size, values[1], &s);
	result_unless_stopped(context, &out, &s);
}

static void encode_function(sqlite3_context *context, int nvalues, sqlite3_value **values)
{
	const char *spec = nvalues > 0 ? (const char *) sqlite3_value_text(values[0]) : NULL;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_buffer scratch = PYTHIA_BUFFER_INIT;
	stop s;

	stop_init(&s, context);
	for (int i = 1; i < nvalues && !s.wanted && !too_long(context, &out); i++)
	{
		char mark, letter;
		char *next;
		long size;

		if (spec == NULL || spec[0] == '\0' || spec[1] == '\0')
		{
			sqlite3_result_error(context, "pythia_encode: a value has no spec", -1);
			pythia_buffer_free(&out);
			pythia_buffer_free(&scratch);
			return;
		}
		mark = spec[0];
		letter = spec[1];
		size = strtol(spec + 2, &next, 10);
		spec = next;
		if (i > 1)
			pythia_buffer_putc(&out, ';');
		if (sqlite3_value_type(values[i]) == SQLITE_NULL)
			pythia_buffer_putc(&out, 'N');
		else if (mark == '.')
			canonical(&out, letter, size, values[i], &s);
		else
		{
			pythia_buffer_clear(&scratch);
			canonical(&scratch, letter, size, values[i], &s);
			pythia_buffer_printf(&out, "%zu;", scratch.length);
			pythia_buffer_append(&out, pythia_buffer_text(&scratch), scratch.length);
		}
	}
	pythia_buffer_free(&scratch);
	result_unless_stopped(context, &out, &s);
}

static void digest_function(sqlite3_context *context, int nvalues, sqlite3_value **values)
{
	const char *data;
	size_t length;
	char hex[65];

	(void) nvalues;
	if (sqlite3_value_type(values[0]) == SQLITE_NULL)
		return;
	data = value_bytes(values[0], &length);
	if (sqlite3_user_data(context) != NULL)
		pythia_sha256(data, length, hex);
	else
		pythia_md5(data, length, hex);
	sqlite3_result_text(context, hex, -1, SQLITE_TRANSIENT);
}

/* A text without the bytes that are no UTF-8 (and NULs): cut before the first, or U+FFFD for each. */
static void utf8_function(sqlite3_context *context, int nvalues, sqlite3_value **values)
{
	const char *text = (const char *) sqlite3_value_text(values[0]);
	size_t length = (size_t) sqlite3_value_bytes(values[0]);
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	bool nul_goes = sqlite3_value_int(values[2]) != 0;

	(void) nvalues;
	if (text == NULL || (pythia_utf8_valid(text, length) && !(nul_goes && memchr(text, 0, length) != NULL)))
	{
		sqlite3_result_value(context, values[0]);
		return;
	}
	pythia_utf8_rewrite(text, length, sqlite3_value_int(values[1]) != 0, nul_goes, &out);
	result_buffer(context, &out);
}

/* 1 where a value is none of the kind; a kind is told by its name. */
static void misread_function(sqlite3_context *context, int nvalues, sqlite3_value **values)
{
	const char *name = (const char *) sqlite3_value_text(values[0]);
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_kind kind = PYTHIA_KIND_BOOL;
	const char *text;

	(void) nvalues;
	while (name != NULL && kind < PYTHIA_KIND_OTHER && strcmp(pythia_kind_name(kind), name) != 0)
		kind++;
	/* microseconds are a time */
	if (sqlite3_value_type(values[1]) == SQLITE_NULL ||
		(kind == PYTHIA_KIND_TIME && sqlite3_value_type(values[1]) == SQLITE_INTEGER))
	{
		sqlite3_result_int(context, 0);
		return;
	}
	text = (const char *) sqlite3_value_text(values[1]);
	sqlite3_result_int(context,
					   text != NULL && !pythia_read_as(kind, text, (size_t) sqlite3_value_bytes(values[1]), &out));
	pythia_buffer_free(&out);
}

/* SQLite aligns an aggregate's memory to 8 bytes, __int128 would want 16. */
typedef struct __attribute__((packed, aligned(8))) sums
{
	uint64_t count;
	unsigned __int128 slice[2];
} sums;

static uint64_t hex_slice(const char *hex)
{
	char digits[16];

	memcpy(digits, hex, 15);
	digits[15] = '\0';
	return strtoull(digits, NULL, 16);
}

static void sums_step(sqlite3_context *context, int nvalues, sqlite3_value **values)
{
	sums *state = sqlite3_aggregate_context(context, sizeof(sums));
	const char *data;
	size_t length;

	(void) nvalues;
	if (state == NULL)
	{
		sqlite3_result_error_nomem(context);
		return;
	}
	if (sqlite3_value_type(values[0]) == SQLITE_NULL)
		return;
	data = value_bytes(values[0], &length);
	state->count++;
	if (sqlite3_value_int(values[1]) == 256)
	{
		char hex[65];

		pythia_sha256(data, length, hex);
		state->slice[0] += hex_slice(hex);
		state->slice[1] += hex_slice(hex + 15);
	}
	else
	{
		uint64_t slices[2];

		pythia_md5_slices(data, length, slices);
		state->slice[0] += slices[0];
		state->slice[1] += slices[1];
	}
}

static void forty_digits(char *out, unsigned __int128 value)
{
	for (int i = 39; i >= 0; i--)
	{
		out[i] = (char) ('0' + (int) (value % 10));
		value /= 10;
	}
}

static void sums_final(sqlite3_context *context)
{
	static sums none;
	sums *state = sqlite3_aggregate_context(context, 0);
	char out[101];

	if (state == NULL)
		state = &none;
	snprintf(out, sizeof(out), "%020llu", (unsigned long long) state->count);
	forty_digits(out + 20, state->slice[0]);
	forty_digits(out + 60, state->slice[1]);
	sqlite3_result_text(context, out, 100, SQLITE_TRANSIENT);
}

int pythia_sqlite_register_functions(void *sqlite3_handle, const pythia_host *host)
{
	static int sha256;
	const struct
	{
		const char *name;
		int nvalues;
		void *data;
		void (*function)(sqlite3_context *, int, sqlite3_value **);
		void (*step)(sqlite3_context *, int, sqlite3_value **);
		void (*final)(sqlite3_context *);
	} functions[] = {
		{"pythia_canonical", 2, (void *) host, canonical_function, NULL, NULL},
		{"pythia_encode", -1, (void *) host, encode_function, NULL, NULL},
		{"pythia_md5", 1, NULL, digest_function, NULL, NULL},
		{"pythia_sha256", 1, &sha256, digest_function, NULL, NULL},
		{"pythia_utf8", 3, NULL, utf8_function, NULL, NULL},
		{"pythia_misread", 2, NULL, misread_function, NULL, NULL},
		{"pythia_sums", 2, NULL, NULL, sums_step, sums_final},
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
	{
		int code = sqlite3_create_function_v2(sqlite3_handle, functions[i].name, functions[i].nvalues,
											  SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, functions[i].data,
											  functions[i].function, functions[i].step, functions[i].final, NULL);

		/* busy: they are there already, and a statement is running */
		if (code == SQLITE_BUSY)
			return SQLITE_OK;
		if (code != SQLITE_OK)
			return code;
	}
	return SQLITE_OK;
}
