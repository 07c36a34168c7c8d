#include "core/json.h"
#include "core/text.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/utf8.h"

/* What JSON wants escaped, and what begins a sequence that must be looked at. */
static inline bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Copies bytes up to the next that is not plain; up to 15 more may be written after them. */
static inline size_t copy_plain(char *to, const unsigned char *from, size_t length)
{
	size_t done = 0;

#ifdef __SSE2__
	const __m128i space = _mm_set1_epi8(0x20);
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i backslash = _mm_set1_epi8('\\');

	while (done + 16 <= length)
	{
		__m128i bytes = _mm_loadu_si128((const __m128i *) (from + done));
		/* signed: bytes from 0x80 on are less than a space as well */
		__m128i other = _mm_or_si128(_mm_cmplt_epi8(bytes, space),
									 _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
		int mask = _mm_movemask_epi8(other);

		_mm_storeu_si128((__m128i *) (to + done), bytes);
		if (mask)
			return done + (size_t) __builtin_ctz((unsigned) mask);
		done += 16;
	}
#endif
	while (done < length && is_plain(from[done]))
	{
		to[done] = (char) from[done];
		done++;
	}
	return done;
}

/* Writes the escape of one byte, six bytes at most; returns its end. */
static char *put_escape(char *to, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

	if (c >= 0x80) /* a stray byte cannot be said in JSON: the replacement character */
	{
		memcpy(to, "\xef\xbf\xbd", 3);
		return to + 3;
	}
	*to++ = '\\';
	if (c >= 0x20)
		*to++ = (char) c;
	else if (letters[c])
		*to++ = letters[c];
	else
	{
		memcpy(to, "u00", 3);
		to[3] = hex[c >> 4];
		to[4] = hex[c & 15];
		to += 5;
	}
	return to;
}

void pythia_json_string(pythia_buffer *out, const char *text, size_t length)
{
	const unsigned char *from = (const unsigned char *) text;
	size_t i = 0;
	char *to;

	/* room for what is left as it is, a quote at each end and 15 bytes of rubbish */
	pythia_buffer_reserve(out, length + 24);
	to = out->data + out->length;
	*to++ = '"';
	for (;;)
	{
		size_t plain = copy_plain(to, from + i, length - i);
		size_t sequence;

		to += plain;
		i += plain;
		while (i < length && from[i] >= 0x80 && (sequence = pythia_utf8_length(from + i, from + length)) > 0)
		{
			for (size_t k = 0; k < sequence; k++)
				*to++ = (char) from[i++];
		}
		if (i == length)
			break;
		if (is_plain(from[i]))
			continue;
		out->length = (size_t) (to - out->data);
		pythia_buffer_reserve(out, length - i + 32);
		to = put_escape(out->data + out->length, from[i++]);
	}
	*to++ = '"';
	*to = '\0';
	out->length = (size_t) (to - out->data);
}

void pythia_json_node(pythia_buffer *out, const pythia_node *node)
{
	char close = ']';

	if (!node)
	{
		pythia_buffer_puts(out, "null");
		return;
	}
	switch (node->type)
	{
		case PYTHIA_NODE_NULL:
			pythia_buffer_puts(out, "null");
			return;
		case PYTHIA_NODE_BOOL:
		case PYTHIA_NODE_NUMBER:
			pythia_buffer_puts(out, node->text ? node->text : "null");
			return;
		case PYTHIA_NODE_STRING:
			pythia_json_string(out, node->text ? node->text : "", node->text ? strlen(node->text) : 0);
			return;
		case PYTHIA_NODE_ARRAY:
			pythia_buffer_putc(out, '[');
			break;
		case PYTHIA_NODE_OBJECT:
			pythia_buffer_putc(out, '{');
			close = '}';
			break;
	}
	for (const pythia_node *child = node->children; child; child = child->next)
	{
		if (child != node->children)
			pythia_buffer_puts(out, ", ");
		if (node->type == PYTHIA_NODE_OBJECT)
		{
			pythia_json_string(out, child->name, strlen(child->name));
			pythia_buffer_puts(out, ": ");
		}
		pythia_json_node(out, child);
	}
	pythia_buffer_putc(out, close);
}

/* The four digits after \u. */
static bool read_code(const char *at, const char *end, unsigned *code)
{
	*code = 0;
	if (end - at < 4)
		return false;
	for (int i = 0; i < 4; i++)
	{
		int digit = pythia_hex_value(at[i]);

		if (digit < 0)
			return false;
		*code = *code << 4 | (unsigned) digit;
	}
	return true;
}

/* Reads what follows a backslash. */
static bool read_escape(const char **cursor, const char *end, pythia_buffer *out)
{
	static const char named[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	const char *at = *cursor;
	const char *which;
	unsigned code;
	unsigned low;

	if (at == end)
		return false;
	if (*at == 'u')
	{
		if (!read_code(at + 1, end, &code))
			return false;
		at += 5;
		if (code >= 0xD800 && code < 0xDC00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u' &&
			read_code(at + 2, end, &low) && low >= 0xDC00 && low < 0xE000)
		{
			code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
			at += 6;
		}
		pythia_utf8_put(out, code);
		*cursor = at;
		return true;
	}
	which = memchr(named, *at, sizeof(named) - 1);
	if (which == NULL)
		return false;
	pythia_buffer_putc(out, meant[which - named]);
	*cursor = at + 1;
	return true;
}

bool pythia_json_unquote(const char **at, const char *end, pythia_buffer *out)
{
	pythia_buffer_clear(out);
	while (*at < end)
	{
		const char *plain = *at;

		while (*at < end && (unsigned char) **at >= 0x20 && **at != '"' && **at != '\\')
			(*at)++;
		pythia_buffer_append(out, plain, (size_t) (*at - plain));
		if (*at == end || (unsigned char) **at < 0x20)
			return false;
		if (*(*at)++ == '"')
			return true;
		if (!read_escape(at, end, out))
			return false;
	}
	return false;
}
