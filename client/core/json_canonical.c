/* JSON read by RFC 8259 and written again in one spelling. */
#include "core/json_canonical.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "core/stamp.h"
#include "core/utf8.h"

/* Deeper nesting is not taken for JSON; MariaDB's own limit for the normal form. */
#define DEPTH_LIMIT      512
#define DEPTH_NORMALIZED 31

typedef struct parser
{
	const char *at;
	const char *end;
	pythia_json_style style;
	int depth; /* of arrays and objects */
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

/* Reads a string whose opening quote was taken: `name` gets what is between the quotes, decoded but for the
 * normal form, which keeps its escapes. */
static bool text_of(parser *p, pythia_buffer *name)
{
	const char *start = p->at;

	if (!pythia_json_unquote(&p->at, p->end, name))
		return false;
	if (p->style == PYTHIA_JSON_STYLE_NORMALIZED)
	{
		pythia_buffer_clear(name);
		pythia_buffer_append(name, start, (size_t) (p->at - 1 - start));
	}
	/* jsonb has no such character */
	if (p->style == PYTHIA_JSON_STYLE_JSONB && memchr(pythia_buffer_text(name), '\0', name->length) != NULL)
		return false;
	return pythia_utf8_valid(pythia_buffer_text(name), name->length);
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

/* A number in its parts: digits before and after the point, and the exponent. */
typedef struct parts
{
	const char *whole;
	const char *fraction;
	int nwhole;
	int nfraction;
	long exponent;
	bool negative;
} parts;

static int take_digits(parser *p)
{
	const char *start = p->at;

	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		p->at++;
	return (int) (p->at - start);
}

static bool read_parts(parser *p, parts *n)
{
	*n = (parts){0};
	if (p->at < p->end && *p->at == '-')
	{
		n->negative = true;
		p->at++;
	}
	n->whole = p->at;
	n->nwhole = take_digits(p);
	if (n->nwhole == 0 || (n->nwhole > 1 && *n->whole == '0'))
		return false;
	if (p->at < p->end && *p->at == '.')
	{
		n->fraction = ++p->at;
		n->nfraction = take_digits(p);
		if (n->nfraction == 0)
			return false;
	}
	if (p->at < p->end && (*p->at == 'e' || *p->at == 'E'))
	{
		bool minus = false;
		const char *digits;

		if (++p->at < p->end && (*p->at == '-' || *p->at == '+'))
			minus = *p->at++ == '-';
		digits = p->at;
		if (take_digits(p) == 0 || p->at - digits > 17)
			return false;
		for (; digits < p->at; digits++)
			n->exponent = 10 * n->exponent + (*digits - '0');
		n->exponent = minus ? -n->exponent : n->exponent;
	}
	return true;
}

static char digit_of(const parts *n, int i)
{
	return i < n->nwhole ? n->whole[i] : n->fraction[i - n->nwhole];
}

/* 1.234E-5: one digit before the point, no outer zeros. */
static void put_normalized(const parts *n, pythia_buffer *out)
{
	int last = n->nwhole + n->nfraction;
	int first = 0;

	while (first < last && digit_of(n, first) == '0')
		first++;
	while (last > first && digit_of(n, last - 1) == '0')
		last--;
	if (first == last)
	{
		pythia_buffer_puts(out, "0.0E0");
		return;
	}
	pythia_buffer_puts(out, n->negative ? "-" : "");
	pythia_buffer_putc(out, digit_of(n, first));
	pythia_buffer_putc(out, '.');
	if (last == first + 1)
		pythia_buffer_putc(out, '0');
	for (int i = first + 1; i < last; i++)
		pythia_buffer_putc(out, digit_of(n, i));
	pythia_buffer_printf(out, "E%ld", n->exponent + n->nwhole - 1 - first);
}

/* Plain digits with the scale that PostgreSQL's numeric gives them. */
static bool put_numeric(const parts *n, pythia_buffer *out)
{
	int ndigits = n->nwhole + n->nfraction;
	long point = n->nwhole + n->exponent; /* digits before the point */
	long scale = n->nfraction - n->exponent;
	bool zero = true;

	if (n->exponent > 100000 || n->exponent < -16000)
		return false;
	for (int i = 0; i < ndigits; i++)
		zero = zero && digit_of(n, i) == '0';
	if (n->negative && !zero)
		pythia_buffer_putc(out, '-');
	if (zero || point <= 0)
		pythia_buffer_putc(out, '0');
	else
	{
		long i = 0;

		while (i < point - 1 && i < ndigits && digit_of(n, (int) i) == '0')
			i++;
		for (; i < point; i++)
			pythia_buffer_putc(out, i < ndigits ? digit_of(n, (int) i) : '0');
	}
	if (scale > 0)
		pythia_buffer_putc(out, '.');
	for (long i = point; i < point + scale; i++)
		pythia_buffer_putc(out, i < 0 || i >= ndigits ? '0' : digit_of(n, (int) i));
	return true;
}

static bool number(parser *p, pythia_buffer *out)
{
	const char *start = p->at;
	parts n;

	if (!read_parts(p, &n))
		return false;
	switch (p->style)
	{
		case PYTHIA_JSON_STYLE_JSONB:
			return put_numeric(&n, out);
		case PYTHIA_JSON_STYLE_NORMALIZED:
			put_normalized(&n, out);
			return true;
		default:
			return pythia_decimal_text(out, start, (size_t) (p->at - start), -1);
	}
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

	if (take(p, '}'))
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
		if (!take(p, '"') || !text_of(p, &(*list)[*count - 1].name) || !take(p, ':') ||
			!value(p, &(*list)[*count - 1].value))
			return false;
	} while (take(p, ','));
	return take(p, '}');
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
	if (!take(p, ']'))
	{
		do
		{
			if (!first)
				pythia_buffer_puts(out, p->style == PYTHIA_JSON_STYLE_JSONB ? ", " : ",");
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

static bool nested(parser *p, pythia_buffer *out, bool (*read)(parser *, pythia_buffer *))
{
	bool ok;

	if (p->depth >= (p->style == PYTHIA_JSON_STYLE_NORMALIZED ? DEPTH_NORMALIZED : DEPTH_LIMIT))
		return false;
	p->at++;
	p->depth++;
	ok = read(p, out);
	p->depth--;
	return ok;
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

/* Appends one value in the wanted spelling. */
static bool value(parser *p, pythia_buffer *out)
{
	space(p);
	if (p->at == p->end)
		return false;
	switch (*p->at)
	{
		case '{':
			return nested(p, out, object);
		case '[':
			return nested(p, out, array);
		case '"':
			p->at++;
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

bool pythia_json_canonical(pythia_buffer *out, const char *text, size_t length, pythia_json_style style)
{
	parser p = {.at = text, .end = text + length, .style = style};
	size_t mark = out->length;

	if (value(&p, out))
	{
		space(&p);
		if (p.at == p.end)
			return true;
	}
	if (out->data != NULL)
	{
		out->length = mark;
		out->data[mark] = '\0';
	}
	return false;
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
