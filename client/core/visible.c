#include "core/visible.h"

#include <string.h>

#include "core/utf8.h"

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

void pythia_visible(pythia_buffer *out, const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *) text;
	const unsigned char *end = at + length;

	while (at < end)
	{
		size_t n = pythia_utf8_length(at, end);
		unsigned code = n > 0 ? code_of(at, n) : *at;

		if (n == 0 || (code < 0x80 && unseen(code)))
		{
			if (code == '\n' || code == '\t' || code == '\r')
				pythia_buffer_printf(out, "\\%c", code == '\n' ? 'n' : code == '\t' ? 't' : 'r');
			else
				pythia_buffer_printf(out, "\\x%02x", code);
		}
		else if (unseen(code))
			pythia_buffer_printf(out, code > 0xffff ? "\\U%08x" : "\\u%04x", code);
		else
			pythia_buffer_append(out, (const char *) at, n);
		at += n > 0 ? n : 1;
	}
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
