#include "core/number.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Digits of a non-negative integer; returns their count. */
static int put_digits(char *out, uint64_t value)
{
	char digits[20];
	int n = 0;

	do
		digits[n++] = (char) ('0' + value % 10);
	while (value /= 10);
	for (int i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	return n;
}

/*
 * Most doubles people store are short decimals.  Where `units`, the value times
 * 10^decimals rounded, divides back to the value, its digits are a decimal of at
 * most 15 digits that reads back to it, and no other decimal that short does.
 */
static int short_decimal(char *out, double value)
{
	static const double powers[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
	double size = fabs(value);
	char *to = out;

	if (size >= 1e15 || (size < 1e-4 && size != 0))
		return 0;
	for (int decimals = 0; decimals <= 8; decimals++)
	{
		double units = rint(size * powers[decimals]);
		uint64_t whole, part, scale;

		if (units >= 1e15)
			return 0;
		if (units / powers[decimals] != size)
			continue;
		scale = (uint64_t) powers[decimals];
		whole = (uint64_t) units / scale;
		part = (uint64_t) units % scale;
		if (signbit(value))
			*to++ = '-';
		to += put_digits(to, whole);
		if (decimals > 0)
		{
			*to++ = '.';
			for (uint64_t digit = scale / 10; digit > 0; digit /= 10)
				*to++ = (char) ('0' + part / digit % 10);
		}
		*to = '\0';
		return (int) (to - out);
	}
	return 0;
}

int pythia_double_text(char *out, double value)
{
	int length;

	if (isnan(value))
		return snprintf(out, PYTHIA_DOUBLE_TEXT, "NaN");
	if (isinf(value))
		return snprintf(out, PYTHIA_DOUBLE_TEXT, value < 0 ? "-Infinity" : "Infinity");
	length = short_decimal(out, value);
	/* any decimal of 15 digits survives a normal double, but not a subnormal one */
	for (int digits = isnormal(value) ? 15 : 1; length == 0 && digits <= 17; digits++)
	{
		length = snprintf(out, PYTHIA_DOUBLE_TEXT, "%.*g", digits, value);
		/* a program may have set a locale with a decimal comma */
		for (char *p = out; *p; p++)
			if (*p == ',')
				*p = '.';
		if (digits < 17)
		{
			double back;

			if (!pythia_double_read(out, (size_t) length, &back) || back != value)
				length = 0;
		}
	}
	return length;
}

bool pythia_int64_read(const char *text, size_t length, int64_t *value)
{
	bool negative = length > 0 && text[0] == '-';
	size_t at = negative || (length > 0 && text[0] == '+');
	uint64_t limit = negative ? (uint64_t) INT64_MAX + 1 : (uint64_t) INT64_MAX;
	uint64_t sum = 0;

	if (at == length)
		return false;
	for (; at < length; at++)
	{
		unsigned digit = (unsigned char) text[at] - '0';

		if (digit > 9 || sum > (limit - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*value = (int64_t) (negative ? 0 - sum : sum);
	return true;
}

bool pythia_double_read(const char *text, size_t length, double *value)
{
	char copy[400];
	char *end;

	if (length == 0 || length >= sizeof(copy))
		return false;
	if (length == 3 && strncasecmp(text, "nan", 3) == 0)
	{
		*value = NAN;
		return true;
	}
	if ((length == 8 && memcmp(text, "Infinity", 8) == 0) || (length == 9 && memcmp(text, "-Infinity", 9) == 0))
	{
		*value = text[0] == '-' ? -HUGE_VAL : HUGE_VAL;
		return true;
	}
	for (size_t i = 0; i < length; i++)
		if (!isdigit((unsigned char) text[i]) && !strchr("+-.eE", text[i]))
			return false; /* neither hexadecimal nor spaces nor a NUL */
	memcpy(copy, text, length);
	copy[length] = '\0';
	*value = strtod(copy, &end);
	if (end == copy + length)
		return true;
	/* stopped at the point: the locale wants a comma */
	if (*end == '.')
	{
		*end = ',';
		*value = strtod(copy, &end);
	}
	return end == copy + length;
}
