#include "core/json_scan.h"

#include <ctype.h>
#include <string.h>

#include "core/json.h"
#include "core/utf8.h"

char pythia_json_next(pythia_json_scan *scan)
{
	while (scan->at < scan->end && *scan->at != '\0' && strchr(" \t\n\r", *scan->at))
		scan->at++;
	return scan->at < scan->end ? *scan->at : '\0';
}

bool pythia_json_take(pythia_json_scan *scan, char c)
{
	if (pythia_json_next(scan) != c || scan->at == scan->end)
		return false;
	scan->at++;
	return true;
}

bool pythia_json_word(pythia_json_scan *scan, const char *word)
{
	size_t length = strlen(word);

	if ((size_t) (scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
		return false;
	scan->at += length;
	return true;
}

bool pythia_json_text(pythia_json_scan *scan, pythia_buffer *text)
{
	return pythia_json_unquote(&scan->at, scan->end, text) && pythia_utf8_valid(pythia_buffer_text(text), text->length);
}

/* --- numbers ------------------------------------------------------------------ */

static int take_digits(pythia_json_scan *scan)
{
	const char *start = scan->at;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return (int) (scan->at - start);
}

bool pythia_json_read_number(pythia_json_scan *scan, pythia_json_number *n)
{
	*n = (pythia_json_number){0};
	if (scan->at < scan->end && *scan->at == '-')
	{
		n->negative = true;
		scan->at++;
	}
	n->whole = scan->at;
	n->nwhole = take_digits(scan);
	if (n->nwhole == 0 || (n->nwhole > 1 && *n->whole == '0'))
		return false;
	if (scan->at < scan->end && *scan->at == '.')
	{
		n->fraction = ++scan->at;
		n->nfraction = take_digits(scan);
		if (n->nfraction == 0)
			return false;
	}
	if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E'))
	{
		bool minus = false;
		const char *digits;

		if (++scan->at < scan->end && (*scan->at == '-' || *scan->at == '+'))
			minus = *scan->at++ == '-';
		digits = scan->at;
		if (take_digits(scan) == 0)
			return false;
		for (; digits < scan->at; digits++)
			if (n->exponent < PYTHIA_JSON_EXPONENTS)
				n->exponent = 10 * n->exponent + (*digits - '0');
		n->exponent = minus ? -n->exponent : n->exponent;
	}
	return true;
}

bool pythia_json_is_number(const char *text, size_t length)
{
	pythia_json_scan scan = {text, text + length};
	pythia_json_number number;

	return pythia_json_read_number(&scan, &number) && scan.at == scan.end;
}

char pythia_json_digit(const pythia_json_number *n, int i)
{
	return i < n->nwhole ? n->whole[i] : n->fraction[i - n->nwhole];
}

bool pythia_json_numeric(const pythia_json_number *n, pythia_buffer *out)
{
	int ndigits = n->nwhole + n->nfraction;
	long point = n->nwhole + n->exponent; /* digits before the point */
	long scale = n->nfraction - n->exponent;
	bool zero = true;

	if (n->exponent > 100000 || n->exponent < -16000)
		return false;
	for (int i = 0; i < ndigits; i++)
		zero = zero && pythia_json_digit(n, i) == '0';
	if (n->negative && !zero)
		pythia_buffer_putc(out, '-');
	if (zero || point <= 0)
		pythia_buffer_putc(out, '0');
	else
	{
		long i = 0;

		while (i < point - 1 && i < ndigits && pythia_json_digit(n, (int) i) == '0')
			i++;
		for (; i < point; i++)
			pythia_buffer_putc(out, i < ndigits ? pythia_json_digit(n, (int) i) : '0');
	}
	if (scale > 0)
		pythia_buffer_putc(out, '.');
	for (long i = point; i < point + scale; i++)
		pythia_buffer_putc(out, i < 0 || i >= ndigits ? '0' : pythia_json_digit(n, (int) i));
	return true;
}

/* --- whole values ------------------------------------------------------------- */

/* A string whose opening quote was taken. */
static bool skip_string(pythia_json_scan *scan)
{
	while (scan->at < scan->end && (unsigned char) *scan->at >= ' ')
	{
		char c = *scan->at++;

		if (c == '"')
			return true;
		if (c != '\\')
			continue;
		if (scan->at == scan->end || !strchr("\"\\/bfnrtu", *scan->at) || *scan->at == '\0')
			return false;
		if (*scan->at++ != 'u')
			continue;
		for (int i = 0; i < 4; i++, scan->at++)
			if (scan->at == scan->end || !isxdigit((unsigned char) *scan->at))
				return false;
	}
	return false;
}

static bool skip_scalar(pythia_json_scan *scan)
{
	pythia_json_number ignored;

	switch (pythia_json_next(scan))
	{
		case '"':
			scan->at++;
			return skip_string(scan);
		case 't':
			return pythia_json_word(scan, "true");
		case 'f':
			return pythia_json_word(scan, "false");
		case 'n':
			return pythia_json_word(scan, "null");
		default:
			return pythia_json_read_number(scan, &ignored);
	}
}

static bool skip_name(pythia_json_scan *scan)
{
	return pythia_json_take(scan, '"') && skip_string(scan) && pythia_json_take(scan, ':');
}

/* Where a value may stand: opens what holds others, to the first scalar or what is empty. */
static bool skip_into(pythia_json_scan *scan, pythia_buffer *open)
{
	for (;;)
	{
		char c = pythia_json_next(scan);

		if (c != '{' && c != '[')
			return skip_scalar(scan);
		scan->at++;
		if (pythia_json_take(scan, c == '{' ? '}' : ']'))
			return true;
		pythia_buffer_putc(open, c);
		if (c == '{' && !skip_name(scan))
			return false;
	}
}

/* Behind a value: closes what ends there; *more where another value follows. */
static bool skip_behind(pythia_json_scan *scan, pythia_buffer *open, bool *more)
{
	*more = false;
	while (open->length > 0)
	{
		bool object = open->data[open->length - 1] == '{';

		if (pythia_json_take(scan, ','))
		{
			*more = true;
			return !object || skip_name(scan);
		}
		if (!pythia_json_take(scan, object ? '}' : ']'))
			return false;
		open->length--;
	}
	return pythia_json_next(scan) == '\0' && scan->at == scan->end;
}

bool pythia_json_valid(const char *text, size_t length)
{
	pythia_json_scan scan = {.at = text, .end = text + length};
	pythia_buffer open = PYTHIA_BUFFER_INIT; /* the brackets, innermost last */
	bool more = true;
	bool ok = true;

	while (ok && more)
		ok = skip_into(&scan, &open) && skip_behind(&scan, &open, &more);
	pythia_buffer_free(&open);
	return ok;
}

/*
 * JSON text may be spread over lines; what it is put into is one line.  Within strings JSON has no bare newline.  What
 * its maker calls JSON and is none is a string: nothing else of the line is its.
 */
void pythia_json_foreign(pythia_buffer *out, const char *text, size_t length)
{
	size_t from = out->length;

	if (!pythia_json_valid(text, length))
	{
		pythia_json_string(out, text, length);
		return;
	}
	pythia_buffer_append(out, text, length);
	for (char *at = out->data + from; (at = strpbrk(at, "\n\r\t")) != NULL; at++)
		*at = ' ';
}
