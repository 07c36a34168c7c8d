#include "core/json.h"

#include <string.h>

/*
 * Length of the well-formed UTF-8 sequence at `text`, or 0 (Unicode 15,
 * table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF).
 */
static int utf8_sequence(const unsigned char *text, size_t left)
{
	unsigned char c = text[0];
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	int length;

	if (c >= 0xc2 && c <= 0xdf)
		length = 2;
	else if (c >= 0xe0 && c <= 0xef)
		length = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		length = 4;
	else
		return 0;
	if ((size_t) length > left)
		return 0;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (int i = 2; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

/* 0: copied as it is; 1: needs an escape; 2: begins a sequence to check. */
static const unsigned char byte_class[256] = {
	[0 ... 31] = 1, ['"'] = 1, ['\\'] = 1, [127] = 0, [128 ... 255] = 2,
};

void pythia_json_string(pythia_buffer *out, const char *text, size_t length)
{
	const unsigned char *from = (const unsigned char *) text;
	size_t start = 0;
	size_t i = 0;

	pythia_buffer_reserve(out, length + 2);
	pythia_buffer_putc(out, '"');
	while (i < length)
	{
		unsigned char c = from[i];

		if (byte_class[c] == 0)
		{
			i++;
			continue;
		}
		if (byte_class[c] == 2)
		{
			int sequence = utf8_sequence(from + i, length - i);

			if (sequence)
			{
				i += (size_t) sequence;
				continue;
			}
		}
		pythia_buffer_append(out, from + start, i - start);
		switch (c)
		{
			case '"':
				pythia_buffer_append(out, "\\\"", 2);
				break;
			case '\\':
				pythia_buffer_append(out, "\\\\", 2);
				break;
			case '\n':
				pythia_buffer_append(out, "\\n", 2);
				break;
			case '\r':
				pythia_buffer_append(out, "\\r", 2);
				break;
			case '\t':
				pythia_buffer_append(out, "\\t", 2);
				break;
			case '\b':
				pythia_buffer_append(out, "\\b", 2);
				break;
			case '\f':
				pythia_buffer_append(out, "\\f", 2);
				break;
			default:
				/* a stray byte cannot be said in JSON: the replacement character */
				if (c >= 0x80)
					pythia_buffer_append(out, "\xef\xbf\xbd", 3);
				else
					pythia_buffer_printf(out, "\\u%04x", c);
				break;
		}
		start = ++i;
	}
	pythia_buffer_append(out, from + start, length - start);
	pythia_buffer_putc(out, '"');
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
			const char *name = child->name ? child->name : "";

			pythia_json_string(out, name, strlen(name));
			pythia_buffer_puts(out, ": ");
		}
		pythia_json_node(out, child);
	}
	pythia_buffer_putc(out, close);
}
