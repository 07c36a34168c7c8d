/*
 * JSON compared as JSON: white space, the order of names and the spelling of strings
 * and numbers do not count; of a repeated name the last counts, as in jsonb; numbers
 * are compared exactly, not as doubles.  RFC 8259.
 */
#include "sync/validate_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "core/stamp.h"

/* Deeper nesting is not taken for JSON (and so compared as text). */
#define DEPTH_LIMIT 512

typedef struct parser
{
	const char *at;
	const char *end;
	int depth;
} parser;

static bool value(parser *p, pythia_buffer *out);

static void space(parser *p)
{
	while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
		p->at++;
}

static bool take(parser *p, char c)
{
	space(p);
	if (p->at == p->end || *p->at != c)
		return false;
	p->at++;
	return true;
}

static bool hex4(parser *p, unsigned *code)
{
	*code = 0;
	if (p->end - p->at < 4)
		return false;
	for (int i = 0; i < 4; i++, p->at++)
	{
		char c = *p->at;

		*code <<= 4;
		if (c >= '0' && c <= '9')
			*code |= (unsigned) (c - '0');
		else if (c >= 'a' && c <= 'f')
			*code |= (unsigned) (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			*code |= (unsigned) (c - 'A' + 10);
		else
			return false;
	}
	return true;
}

static void put_utf8(pythia_buffer *out, unsigned code)
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

static bool escape(parser *p, pythia_buffer *out)
{
	unsigned code, low;

	if (p->at == p->end)
		return false;
	switch (*p->at++)
	{
		case '"':
			pythia_buffer_putc(out, '"');
			return true;
		case '\\':
			pythia_buffer_putc(out, '\\');
			return true;
		case '/':
			pythia_buffer_putc(out, '/');
			return true;
		case 'b':
			pythia_buffer_putc(out, '\b');
			return true;
		case 'f':
			pythia_buffer_putc(out, '\f');
			return true;
		case 'n':
			pythia_buffer_putc(out, '\n');
			return true;
		case 'r':
			pythia_buffer_putc(out, '\r');
			return true;
		case 't':
			pythia_buffer_putc(out, '\t');
			return true;
		case 'u':
			if (!hex4(p, &code))
				return false;
			if (code >= 0xD800 && code < 0xDC00 && p->end - p->at >= 6 && p->at[0] == '\\' && p->at[1] == 'u')
			{
				parser rest = *p;

				rest.at += 2;
				if (hex4(&rest, &low) && low >= 0xDC00 && low < 0xE000)
				{
					code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
					p->at = rest.at;
				}
			}
			put_utf8(out, code);
			return true;
		default:
			return false;
	}
}

/* Appends the decoded text; the opening quote was taken. */
static bool string(parser *p, pythia_buffer *out)
{
	while (p->at < p->end)
	{
		unsigned char c = (unsigned char) *p->at++;

		if (c == '"')
			return true;
		if (c < 0x20)
			return false;
		if (c != '\\')
			pythia_buffer_putc(out, (char) c);
		else if (!escape(p, out))
			return false;
	}
	return false;
}

static bool quoted(parser *p, pythia_buffer *out)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok = string(p, &text);

	if (ok)
		pythia_json_string(out, pythia_buffer_text(&text), text.length);
	pythia_buffer_free(&text);
	return ok;
}

static bool number(parser *p, pythia_buffer *out)
{
	const char *start = p->at;
	const char *digits;

	if (p->at < p->end && *p->at == '-')
		p->at++;
	digits = p->at;
	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		p->at++;
	if (p->at == digits || (*digits == '0' && p->at - digits > 1))
		return false;
	while (p->at < p->end && (strchr("+-.eE", *p->at) != NULL || (*p->at >= '0' && *p->at <= '9')) && *p->at != '\0')
		p->at++;
	return pythia_decimal_text(out, start, (size_t) (p->at - start), -1);
}

typedef struct member
{
	char *name;
	pythia_buffer value;
	int place;
} member;

static int by_name(const void *a, const void *b)
{
	const member *x = a;
	const member *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : x->place - y->place;
}

static bool members(parser *p, member **list, int *count)
{
	int capacity = 0;

	if (take(p, '}'))
		return true;
	do
	{
		member *m;
		pythia_buffer name = PYTHIA_BUFFER_INIT;

		if (*count == capacity)
		{
			capacity = capacity > 0 ? 2 * capacity : 8;
			*list = pythia_realloc(*list, (size_t) capacity * sizeof(member));
		}
		m = &(*list)[*count];
		*m = (member){.place = *count};
		if (!take(p, '"') || !quoted(p, &name))
		{
			pythia_buffer_free(&name);
			return false;
		}
		m->name = pythia_buffer_take(&name);
		(*count)++;
		if (!take(p, ':') || !value(p, &m->value))
			return false;
	} while (take(p, ','));
	return take(p, '}');
}

static bool object(parser *p, pythia_buffer *out)
{
	member *list = NULL;
	int count = 0;
	bool ok = members(p, &list, &count);

	if (ok)
	{
		bool first = true;

		if (count > 1)
			qsort(list, (size_t) count, sizeof(member), by_name);
		pythia_buffer_putc(out, '{');
		for (int i = 0; i < count; i++)
		{
			if (i + 1 < count && strcmp(list[i].name, list[i + 1].name) == 0)
				continue;
			pythia_buffer_printf(out, "%s%s:", first ? "" : ",", list[i].name);
			pythia_buffer_append(out, list[i].value.data, list[i].value.length);
			first = false;
		}
		pythia_buffer_putc(out, '}');
	}
	for (int i = 0; i < count; i++)
	{
		pythia_free(list[i].name);
		pythia_buffer_free(&list[i].value);
	}
	pythia_free(list);
	return ok;
}

static bool array(parser *p, pythia_buffer *out)
{
	bool first = true;

	pythia_buffer_putc(out, '[');
	if (!take(p, ']'))
	{
		do
		{
			if (!first)
				pythia_buffer_putc(out, ',');
			first = false;
			if (!value(p, out))
				return false;
		} while (take(p, ','));
		if (!take(p, ']'))
			return false;
	}
	pythia_buffer_putc(out, ']');
	return true;
}

static bool word(parser *p, pythia_buffer *out, const char *text)
{
	size_t length = strlen(text);

	if ((size_t) (p->end - p->at) < length || memcmp(p->at, text, length) != 0)
		return false;
	p->at += length;
	pythia_buffer_puts(out, text);
	return true;
}

/* Appends one value in a canonical spelling. */
static bool value(parser *p, pythia_buffer *out)
{
	bool ok;

	space(p);
	if (p->at == p->end || p->depth >= DEPTH_LIMIT)
		return false;
	p->depth++;
	switch (*p->at)
	{
		case '{':
			p->at++;
			ok = object(p, out);
			break;
		case '[':
			p->at++;
			ok = array(p, out);
			break;
		case '"':
			p->at++;
			ok = quoted(p, out);
			break;
		case 't':
			ok = word(p, out, "true");
			break;
		case 'f':
			ok = word(p, out, "false");
			break;
		case 'n':
			ok = word(p, out, "null");
			break;
		default:
			ok = number(p, out);
			break;
	}
	p->depth--;
	return ok;
}

static bool canonical(pythia_buffer *out, const char *text, size_t length)
{
	parser p = {.at = text, .end = text + length};

	if (!value(&p, out))
		return false;
	space(&p);
	return p.at == p.end;
}

bool pythia_json_equal(const char *a, size_t a_length, const char *b, size_t b_length)
{
	pythia_buffer x = PYTHIA_BUFFER_INIT;
	pythia_buffer y = PYTHIA_BUFFER_INIT;
	bool same = canonical(&x, a, a_length) && canonical(&y, b, b_length) && x.length == y.length &&
				memcmp(x.data, y.data, x.length) == 0;

	pythia_buffer_free(&x);
	pythia_buffer_free(&y);
	return same;
}
