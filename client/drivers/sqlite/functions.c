/* Our functions as SQLite calls them: canonical text, checksums, readings. */
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
#include "core/reading.h"
#include "core/schema.h"
#include "core/text.h"
#include "core/utf8.h"
#include "drivers/driver.h"
#include "drivers/sqlite/canonical.h"

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

static void result_unless_stopped(sqlite3_context *context, pythia_buffer *buffer, const pythia_sqlite_stop *s)
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
	pythia_sqlite_stop s;

	(void) nvalues;
	if (spec == NULL || sqlite3_value_type(values[1]) == SQLITE_NULL)
		return;
	pythia_sqlite_stop_init(&s, context);
	size = spec[0] != '\0' ? strtol(spec + 1, NULL, 10) : 0;
	pythia_sqlite_canonical(&out, spec[0], size, values[1], &s);
	result_unless_stopped(context, &out, &s);
}

static void encode_function(sqlite3_context *context, int nvalues, sqlite3_value **values)
{
	const char *spec = nvalues > 0 ? (const char *) sqlite3_value_text(values[0]) : NULL;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_buffer scratch = PYTHIA_BUFFER_INIT;
	pythia_sqlite_stop s;

	pythia_sqlite_stop_init(&s, context);
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
			pythia_sqlite_canonical(&out, letter, size, values[i], &s);
		else
		{
			pythia_buffer_clear(&scratch);
			pythia_sqlite_canonical(&scratch, letter, size, values[i], &s);
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
	data = pythia_sqlite_value_bytes(values[0], &length);
	if (sqlite3_user_data(context) != NULL)
		pythia_sha256(data, length, hex);
	else
		pythia_md5(data, length, hex);
	sqlite3_result_text(context, hex, -1, SQLITE_TRANSIENT);
}

static bool read_pads(const char *hex, unsigned char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		int high = pythia_hex_value(hex[2 * i]);
		int low = high < 0 ? -1 : pythia_hex_value(hex[2 * i + 1]);

		if (low < 0)
			return false;
		bytes[i] = (unsigned char) (high * 16 + low);
	}
	return true;
}

/* Both pads, in hex behind their mark, and a value's text. */
static void hmac_function(sqlite3_context *context, int nvalues, sqlite3_value **values)
{
	unsigned char pads[2 * PYTHIA_HMAC_BLOCK];
	const char *key = (const char *) sqlite3_value_text(values[0]);
	const char *data;
	size_t length;
	char hex[65];

	(void) nvalues;
	if (key == NULL || strncmp(key, PYTHIA_MASK_MARK, strlen(PYTHIA_MASK_MARK)) != 0 ||
		!read_pads(key + strlen(PYTHIA_MASK_MARK), pads, sizeof(pads)))
	{
		sqlite3_result_error(context, "pythia_hmac: no key", -1);
		return;
	}
	if (sqlite3_value_type(values[1]) == SQLITE_NULL)
		return;
	data = pythia_sqlite_value_bytes(values[1], &length);
	pythia_hmac(pads, pads + PYTHIA_HMAC_BLOCK, data, length, hex);
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
	data = pythia_sqlite_value_bytes(values[0], &length);
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
		{"pythia_hmac", 2, NULL, hmac_function, NULL, NULL},
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
