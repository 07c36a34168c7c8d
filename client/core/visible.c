#include "core/visible.h"

#include <stdint.h>
#include <string.h>

#include "core/utf8.h"

/* Bytes of a word in a message. */
#define SHORT 80

static bool unseen(unsigned code)
{
	return code < ' ' || (code >= 0x7f && code <= 0x9f) /* C0, DEL, C1 */
		   || code == 0xad || code == 0x61c || code == 0x180e || (code >= 0x200b && code <= 0x200f) ||
		   (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
		   (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe0fff);
}

/* The number of a well-formed character of so many bytes. */
static unsigned code_of(const unsigned char *at, size_t length)
{
	unsigned code = length == 1 ? *at : *at & (0xff >> (length + 1));

	for (size_t i = 1; i < length; i++)
		code = code << 6 | (at[i] & 0x3f);
	return code;
}

/* Appends what stands for one character of n bytes (0: no UTF-8) that is not written as it is. */
static void put_escaped(pythia_buffer *out, unsigned code, size_t n)
{
	if (n == 1 && (code == '\n' || code == '\t' || code == '\r'))
		pythia_buffer_printf(out, "\\%c", code == '\n' ? 'n' : code == '\t' ? 't' : 'r');
	else if (n <= 1)
		pythia_buffer_printf(out, "\\x%02x", code);
	else
		pythia_buffer_printf(out, code > 0xffff ? "\\U%08x" : "\\u%04x", code);
}

void pythia_visible_part(pythia_buffer *out, const char *text, size_t length, size_t most, pythia_visible_kept kept)
{
	const unsigned char *at = (const unsigned char *) text;
	const unsigned char *end = at + length;
	size_t before = out->length;

	while (at < end && out->length - before < most)
	{
		size_t n = pythia_utf8_length(at, end);
		unsigned code = n > 0 ? code_of(at, n) : *at;
		bool layout = kept == PYTHIA_VISIBLE_LINES && (code == '\n' || code == '\t');

		if (n == 0 || (unseen(code) && !layout) || (n > 1 && kept == PYTHIA_VISIBLE_ASCII))
			put_escaped(out, code, n);
		else
			pythia_buffer_append(out, at, n);
		at += n > 0 ? n : 1;
	}
	if (at < end)
		pythia_buffer_puts(out, " ...");
}

void pythia_visible(pythia_buffer *out, const char *text, size_t length)
{
	pythia_visible_part(out, text, length, SIZE_MAX, PYTHIA_VISIBLE_LINE);
}

char *pythia_visible_format(size_t most, const char *format, va_list list)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_buffer shown = PYTHIA_BUFFER_INIT;

	pythia_buffer_vprintf(&text, format, list);
	pythia_visible_part(&shown, pythia_buffer_text(&text), text.length, most, PYTHIA_VISIBLE_LINES);
	pythia_buffer_free(&text);
	return pythia_buffer_take(&shown);
}

char *pythia_visible_short(const char *text)
{
	pythia_buffer shown = PYTHIA_BUFFER_INIT;

	pythia_visible_part(&shown, text, strlen(text), SHORT, PYTHIA_VISIBLE_LINE);
	return pythia_buffer_take(&shown);
}

/* Of JSON: the first character that must be written otherwise, from `at` on; *code is its number. */
static const unsigned char *next_unseen(const unsigned char *at, const unsigned char *end, unsigned *code, size_t *n)
{
	for (; at < end; at += *n)
	{
		*n = 1;
		/* what is below 0x20 stands between JSON's parts only */
		if (*at < 0x7f)
			continue;
		*n = pythia_utf8_length(at, end);
		*code = *n > 0 ? code_of(at, *n) : 0xfffd;
		if (*n == 0)
			*n = 1;
		if (*code == 0xfffd && *n == 1)
			return at;
		if (unseen(*code))
			return at;
	}
	return NULL;
}

void pythia_visible_json(pythia_buffer *json)
{
	const unsigned char *at = (const unsigned char *) json->data;
	const unsigned char *end = at + json->length;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	unsigned code;
	size_t n;
	const unsigned char *next;

	if (json->length == 0 || !next_unseen(at, end, &code, &n))
		return;
	while ((next = next_unseen(at, end, &code, &n)))
	{
		pythia_buffer_append(&out, (const char *) at, (size_t) (next - at));
		if (code > 0xffff)
			pythia_buffer_printf(&out, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10), 0xdc00 + (code & 0x3ff));
		else
			pythia_buffer_printf(&out, "\\u%04x", code);
		at = next + n;
	}
	pythia_buffer_append(&out, (const char *) at, (size_t) (end - at));
	pythia_buffer_free(json);
	*json = out;
}
