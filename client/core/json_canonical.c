#include "core/json_canonical.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/json_scan.h"
#include "core/memory.h"

/* Deeper nesting is not taken for JSON; MariaDB's own limit for the normal form. */
#define DEPTH_LIMIT      512
#define DEPTH_NORMALIZED 31
/* 1e99999 is a hundred thousand digits to jsonb: the numbers of a document may come to as many bytes more than it has. */
#define DIGITS_ROOM ((size_t) 16 * 1024 * 1024)
/* Values between two looks whether to stop. */
#define VALUES_A_LOOK 4096

typedef struct parser
{
	pythia_json_scan scan;
	pythia_json_style style;
	int depth;               /* of arrays and objects */
	size_t room;             /* for the digits of jsonb's numbers */
	const pythia_host *host; /* NULL: nobody stops it */
	unsigned values;
	bool cancelled;
} parser;

static bool value(parser *p, pythia_buffer *out);

/* Reads a string whose opening quote was taken: `name` gets what is between the quotes, decoded but for the
 * normal form, which keeps its escapes. */
static bool text_of(parser *p, pythia_buffer *name)
{
	const char *start = p->scan.at;

	if (!pythia_json_text(&p->scan, name))
		return false;
	if (p->style == PYTHIA_JSON_STYLE_NORMALIZED)
	{
		pythia_buffer_clear(name);
		pythia_buffer_append(name, start, (size_t) (p->scan.at - 1 - start));
	}
	/* jsonb has no such character */
	return p->style != PYTHIA_JSON_STYLE_JSONB || memchr(pythia_buffer_text(name), '\0', name->length) == NULL;
}

static void put_text(const parser *p, const pythia_buffer *text, pythia_buffer *out)
{
	if (p->style != PYTHIA_JSON_STYLE_NORMALIZED)
	{
		pythia_json_string(out, pythia_buffer_text(text), text->length);
		return;
	}
	pythia_buffer_putc(out, '"');
	pythia_buffer_append(out, pythia_buffer_text(text), text->length);
	pythia_buffer_putc(out, '"');
}

static bool quoted(parser *p, pythia_buffer *out)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	bool ok = text_of(p, &text);

	if (ok)
		put_text(p, &text, out);
	pythia_buffer_free(&text);
	return ok;
}

/* 1.234E-5: one digit before the point, no outer zeros. */
static void put_normalized(const pythia_json_number *n, pythia_buffer *out)
{
	int last = n->nwhole + n->nfraction;
	int first = 0;

	while (first < last && pythia_json_digit(n, first) == '0')
		first++;
	while (last > first && pythia_json_digit(n, last - 1) == '0')
		last--;
	if (first == last)
	{
		pythia_buffer_puts(out, "0.0E0");
		return;
	}
	pythia_buffer_puts(out, n->negative ? "-" : "");
	pythia_buffer_putc(out, pythia_json_digit(n, first));
	pythia_buffer_putc(out, '.');
	if (last == first + 1)
		pythia_buffer_putc(out, '0');
	for (int i = first + 1; i < last; i++)
		pythia_buffer_putc(out, pythia_json_digit(n, i));
	pythia_buffer_printf(out, "E%ld", n->exponent + n->nwhole - 1 - first);
}

static bool jsonb_number(parser *p, const pythia_json_number *n, pythia_buffer *out)
{
	size_t mark = out->length;

	if (!pythia_json_numeric(n, out) || out->length - mark > p->room)
		return false;
	p->room -= out->length - mark;
	return true;
}

static bool number(parser *p, pythia_buffer *out)
{
	pythia_json_number n;

	if (!pythia_json_read_number(&p->scan, &n) || labs(n.exponent) >= PYTHIA_JSON_EXPONENTS)
		return false;
	if (p->style == PYTHIA_JSON_STYLE_JSONB)
		return jsonb_number(p, &n, out);
	put_normalized(&n, out);
	return true;
}

typedef struct member
{
	pythia_buffer name;
	pythia_buffer value;
	int place;
} member;

static int by_bytes(const pythia_buffer *a, const pythia_buffer *b)
{
	size_t least = a->length < b->length ? a->length : b->length;
	int order = memcmp(pythia_buffer_text(a), pythia_buffer_text(b), least);

	return order != 0 || a->length == b->length ? order : a->length < b->length ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
	const member *x = a;
	const member *y = b;
	int order = by_bytes(&x->name, &y->name);

	return order != 0 ? order : x->place - y->place;
}

/* jsonb's order: the shorter name first. */
static int by_length(const void *a, const void *b)
{
	const member *x = a;
	const member *y = b;

	if (x->name.length != y->name.length)
		return x->name.length < y->name.length ? -1 : 1;
	return by_name(a, b);
}

static bool members(parser *p, member **list, int *count)
{
	int capacity = 0;

	if (pythia_json_take(&p->scan, '}'))
		return true;
	do
	{
		if (*count == capacity)
		{
			capacity = capacity > 0 ? 2 * capacity : 8;
			*list = pythia_realloc(*list, (size_t) capacity * sizeof(member));
		}
		(*list)[*count] = (member){.place = *count};
		(*count)++;
		if (!pythia_json_take(&p->scan, '"') || !text_of(p, &(*list)[*count - 1].name) ||
			!pythia_json_take(&p->scan, ':') || !value(p, &(*list)[*count - 1].value))
			return false;
	} while (pythia_json_take(&p->scan, ','));
	return pythia_json_take(&p->scan, '}');
}

/* Of a repeated name the last counts. */
static void put_members(const parser *p, const member *list, int count, pythia_buffer *out)
{
	bool jsonb = p->style == PYTHIA_JSON_STYLE_JSONB;
	bool first = true;

	pythia_buffer_putc(out, '{');
	for (int i = 0; i < count; i++)
	{
		if (i + 1 < count && by_bytes(&list[i].name, &list[i + 1].name) == 0)
			continue;
		if (!first)
			pythia_buffer_puts(out, jsonb ? ", " : ",");
		first = false;
		put_text(p, &list[i].name, out);
		pythia_buffer_puts(out, jsonb ? ": " : ":");
		pythia_buffer_append(out, list[i].value.data, list[i].value.length);
	}
	pythia_buffer_putc(out, '}');
}

static bool object(parser *p, pythia_buffer *out)
{
	member *list = NULL;
	int count = 0;
	bool ok = members(p, &list, &count);

	if (ok)
	{
		if (count > 1)
			qsort(list, (size_t) count, sizeof(member), p->style == PYTHIA_JSON_STYLE_JSONB ? by_length : by_name);
		put_members(p, list, count, out);
	}
	for (int i = 0; i < count; i++)
	{
		pythia_buffer_free(&list[i].name);
		pythia_buffer_free(&list[i].value);
	}
	pythia_free(list);
	return ok;
}

static bool array(parser *p, pythia_buffer *out)
{
	bool first = true;

	pythia_buffer_putc(out, '[');
	if (!pythia_json_take(&p->scan, ']'))
	{
		do
		{
			if (!first)
				pythia_buffer_puts(out, p->style == PYTHIA_JSON_STYLE_JSONB ? ", " : ",");
			first = false;
			if (!value(p, out))
				return false;
		} while (pythia_json_take(&p->scan, ','));
		if (!pythia_json_take(&p->scan, ']'))
			return false;
	}
	pythia_buffer_putc(out, ']');
	return true;
}

static bool nested(parser *p, pythia_buffer *out, bool (*read)(parser *, pythia_buffer *))
{
	bool ok;

	if (p->depth >= (p->style == PYTHIA_JSON_STYLE_NORMALIZED ? DEPTH_NORMALIZED : DEPTH_LIMIT))
		return false;
	p->scan.at++;
	p->depth++;
	ok = read(p, out);
	p->depth--;
	return ok;
}

static bool word(parser *p, pythia_buffer *out, const char *text)
{
	pythia_buffer_puts(out, text);
	return pythia_json_word(&p->scan, text);
}

/* Appends one value in the wanted spelling. */
static bool value(parser *p, pythia_buffer *out)
{
	if (p->host != NULL && ++p->values % VALUES_A_LOOK == 0 && pythia_host_cancelled(p->host))
	{
		p->cancelled = true;
		return false;
	}
	switch (pythia_json_next(&p->scan))
	{
		case '{':
			return nested(p, out, object);
		case '[':
			return nested(p, out, array);
		case '"':
			p->scan.at++;
			return quoted(p, out);
		case 't':
			return word(p, out, "true");
		case 'f':
			return word(p, out, "false");
		case 'n':
			return word(p, out, "null");
		default:
			return number(p, out);
	}
}

bool pythia_json_canonical_until(pythia_buffer *out, const char *text, size_t length, pythia_json_style style,
								 const pythia_host *host, bool *cancelled)
{
	parser p = {.scan = {text, text + length}, .style = style, .room = length + DIGITS_ROOM, .host = host};
	size_t mark = out->length;

	if (value(&p, out) && pythia_json_next(&p.scan) == '\0' && p.scan.at == p.scan.end)
		return true;
	if (out->data != NULL)
	{
		out->length = mark;
		out->data[mark] = '\0';
	}
	*cancelled = p.cancelled;
	return false;
}

bool pythia_json_canonical(pythia_buffer *out, const char *text, size_t length, pythia_json_style style)
{
	bool cancelled;

	return pythia_json_canonical_until(out, text, length, style, NULL, &cancelled);
}

bool pythia_json_equal(const char *a, size_t a_length, const char *b, size_t b_length)
{
	pythia_buffer x = PYTHIA_BUFFER_INIT;
	pythia_buffer y = PYTHIA_BUFFER_INIT;
	bool same = pythia_json_canonical(&x, a, a_length, PYTHIA_JSON_STYLE_VALUE) &&
				pythia_json_canonical(&y, b, b_length, PYTHIA_JSON_STYLE_VALUE) && x.length == y.length &&
				memcmp(x.data, y.data, x.length) == 0;

	pythia_buffer_free(&x);
	pythia_buffer_free(&y);
	return same;
}
