#include "core/utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

size_t pythia_utf8_length(const unsigned char *at, const unsigned char *end)
{
	size_t left = (size_t) (end - at);

	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xC2 && at[0] <= 0xDF)
		return left >= 2 && (at[1] & 0xC0) == 0x80 ? 2 : 0;
	if ((at[0] & 0xF0) == 0xE0)
	{
		if (left < 3 || (at[1] & 0xC0) != 0x80 || (at[2] & 0xC0) != 0x80)
			return 0;
		/* neither longer than needed nor a surrogate */
		return (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) ? 0 : 3;
	}
	if (at[0] >= 0xF0 && at[0] <= 0xF4)
	{
		if (left < 4 || (at[1] & 0xC0) != 0x80 || (at[2] & 0xC0) != 0x80 || (at[3] & 0xC0) != 0x80)
			return 0;
		return (at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F) ? 0 : 4;
	}
	return 0;
}

void pythia_utf8_rewrite(const char *value, size_t length, bool cut, bool nul_goes, pythia_buffer *out)
{
	const unsigned char *at = (const unsigned char *) value;
	const unsigned char *end = at + length;

	pythia_buffer_clear(out);
	while (at < end)
	{
		size_t size = pythia_utf8_length(at, end);

		if (size > 0 && !(nul_goes && *at == 0))
		{
			pythia_buffer_append(out, at, size);
			at += size;
			continue;
		}
		if (cut)
			return;
		pythia_buffer_puts(out, REPLACEMENT);
		at++;
	}
}

bool pythia_utf8_valid(const char *value, size_t length)
{
	const unsigned char *at = (const unsigned char *) value;
	const unsigned char *end = at + length;

	while (at < end)
	{
		size_t size = pythia_utf8_length(at, end);

		if (size == 0)
			return false;
		at += size;
	}
	return true;
}

void pythia_utf8_put(pythia_buffer *out, unsigned code)
{
	if (code < 0x80)
		pythia_buffer_putc(out, (char) code);
	else if (code < 0x800)
	{
		pythia_buffer_putc(out, (char) (0xC0 | code >> 6));
		pythia_buffer_putc(out, (char) (0x80 | (code & 0x3F)));
	}
	else if (code < 0x10000)
	{
		pythia_buffer_putc(out, (char) (0xE0 | code >> 12));
		pythia_buffer_putc(out, (char) (0x80 | (code >> 6 & 0x3F)));
		pythia_buffer_putc(out, (char) (0x80 | (code & 0x3F)));
	}
	else
	{
		pythia_buffer_putc(out, (char) (0xF0 | code >> 18));
		pythia_buffer_putc(out, (char) (0x80 | (code >> 12 & 0x3F)));
		pythia_buffer_putc(out, (char) (0x80 | (code >> 6 & 0x3F)));
		pythia_buffer_putc(out, (char) (0x80 | (code & 0x3F)));
	}
}
