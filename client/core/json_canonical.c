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
/* Values, and bytes that are put in another order, between two looks whether to stop. */
#define VALUES_A_LOOK 4096
#define BYTES_A_LOOK  ((size_t) 4 * 1024 * 1024)

typedef struct parser
{
	pythia_json_scan scan;
	pythia_json_style style;
	int depth;               /* of arrays and objects */
	size_t room;             /* for the digits of jsonb's numbers */
	bool unordered;          /* members stay where they are: for who only wants to know whether it is JSON */
	const pythia_host *host; /* NULL: nobody stops it */
	unsigned values;
	size_t moved; /* since the last look */
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

/* Where it stands in what is written. */
typedef struct member
{
	pythia_buffer name;
	size_t from, to;
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

static const char *separator(const parser *p)
{
	return p->style == PYTHIA_JSON_STYLE_JSONB ? ", " : ",";
}

/* Writes them as they come. */
static bool members(parser *p, member **list, int *count, pythia_buffer *out)
{
	int capacity = 0;

	if (pythia_json_take(&p->scan, '}'))
		return true;
	do
	{
		member *m;

		if (*count == capacity)
		{
			capacity = capacity > 0 ? 2 * capacity : 8;
			*list = pythia_realloc(*list, (size_t) capacity * sizeof(member));
		}
		pythia_buffer_puts(out, *count > 0 ? separator(p) : "");
		m = &(*list)[*count];
		*m = (member){.place = (*count)++, .from = out->length};
		if (!pythia_json_take(&p->scan, '"') || !text_of(p, &m->name) || !pythia_json_take(&p->scan, ':'))
			return false;
		put_text(p, &m->name, out);
		pythia_buffer_puts(out, p->style == PYTHIA_JSON_STYLE_JSONB ? ": " : ":");
		if (!value(p, out))
			return false;
		m->to = out->length;
	} while (pythia_json_take(&p->scan, ','));
	return pythia_json_take(&p->scan, '}');
}

/* Of a repeated name the last counts. */
static void put_in_order(const parser *p, const member *list, int count, size_t start, pythia_buffer *out)
{
	pythia_buffer ordered = PYTHIA_BUFFER_INIT;

	for (int i = 0; i < count; i++)
	{
		if (i + 1 < count && by_bytes(&list[i].name, &list[i + 1].name) == 0)
			continue;
		pythia_buffer_puts(&ordered, ordered.length > 0 ? separator(p) : "");
		pythia_buffer_append(&ordered, out->data + list[i].from, list[i].to - list[i].from);
	}
	out->length = start;
	pythia_buffer_append(out, ordered.data, ordered.length);
	pythia_buffer_free(&ordered);
}

static bool stopped(parser *p)
{
	p->moved = 0;
	p->cancelled = p->host != NULL && pythia_host_cancelled(p->host);
	return p->cancelled;
}

/* They are only moved where they are not in order: those that hold others would be copied once for each level. */
static bool order_members(parser *p, member *list, int count, size_t start, pythia_buffer *out)
{
	int (*order)(const void *, const void *) = p->style == PYTHIA_JSON_STYLE_JSONB ? by_length : by_name;
	bool ordered = true;

	for (int i = 1; i < count && ordered; i++)
		ordered = order(&list[i - 1], &list[i]) < 0 && by_bytes(&list[i - 1].name, &list[i].name) != 0;
	if (ordered)
		return true;
	p->moved += out->length - start;
	if (p->moved > BYTES_A_LOOK && stopped(p))
		return false;
	qsort(list, (size_t) count, sizeof(member), order);
	put_in_order(p, list, count, start, out);
	return true;
}

static bool object(parser *p, pythia_buffer *out)
{
	member *list = NULL;
	int count = 0;
	size_t start;
	bool ok;

	pythia_buffer_putc(out, '{');
	start = out->length;
	ok = members(p, &list, &count, out) && (p->unordered || order_members(p, list, count, start, out));
	pythia_buffer_putc(out, '}');
	for (int i = 0; i < count; i++)
		pythia_buffer_free(&list[i].name);
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
				pythia_buffer_puts(out, separator(p));
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
	if (++p->values % VALUES_A_LOOK == 0 && stopped(p))
		return false;
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

static bool read_all(parser *p, pythia_buffer *out)
{
	return value(p, out) && pythia_json_next(&p->scan) == '\0' && p->scan.at == p->scan.end;
}

bool pythia_json_canonical_until(pythia_buffer *out, const char *text, size_t length, pythia_json_style style,
								 const pythia_host *host, bool *cancelled)
{
	parser p = {.scan = {text, text + length}, .style = style, .room = length + DIGITS_ROOM, .host = host};
	size_t mark = out->length;

	if (read_all(&p, out))
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

bool pythia_json_has_spelling(const char *text, size_t length)
{
	parser p = {.scan = {text, text + length}, .style = PYTHIA_JSON_STYLE_VALUE, .unordered = true};
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	bool valid = read_all(&p, &out);

	pythia_buffer_free(&out);
	return valid;
}

bool pythia_json_equal(const char *a, size_t a_length, const char *b, size_t b_length, const pythia_host *host)
{
	pythia_buffer x = PYTHIA_BUFFER_INIT;
	pythia_buffer y = PYTHIA_BUFFER_INIT;
	bool cancelled;
	bool same = pythia_json_canonical_until(&x, a, a_length, PYTHIA_JSON_STYLE_VALUE, host, &cancelled) &&
				pythia_json_canonical_until(&y, b, b_length, PYTHIA_JSON_STYLE_VALUE, host, &cancelled) &&
				x.length == y.length && memcmp(x.data, y.data, x.length) == 0;

	pythia_buffer_free(&x);
	pythia_buffer_free(&y);
	return same;
}
