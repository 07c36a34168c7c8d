#include "core/number.h"
#include "core/memory.h"
#include "core/text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* More characters than the longest number of PostgreSQL's numeric. */
#define MOST_DIGITS 200000

/* of ten, as far as they fit */
static const uint64_t powers[] = {1U,
								  10U,
								  100U,
								  1000U,
								  10000U,
								  100000U,
								  1000000U,
								  10000000U,
								  100000000U,
								  1000000000U,
								  10000000000U,
								  100000000000U,
								  1000000000000U,
								  10000000000000U,
								  100000000000000U,
								  1000000000000000U,
								  10000000000000000U,
								  100000000000000000U,
								  1000000000000000000U,
								  10000000000000000000U};

/* Digits of a non-negative integer (20 at most); returns their count. */
static int put_digits(char *out, uint64_t value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
								"40414243444546474849505152535455565758596061626364656667686970717273747576777879"
								"8081828384858687888990919293949596979899";
	char digits[20];
	int at = sizeof(digits);

	while (value >= 100)
	{
		at -= 2;
		memcpy(digits + at, pairs + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10)
	{
		at -= 2;
		memcpy(digits + at, pairs + value * 2, 2);
	}
	else
		digits[--at] = (char) ('0' + value);
	memcpy(out, digits + at, sizeof(digits) - (size_t) at);
	return (int) sizeof(digits) - at;
}

/*
 * The shortest decimal of a double from 1e-5 to 1e15, in exact arithmetic: there 2m * 10^n fits 128
 * bits, where the value is m * 2^-k and n scales it to 17 digits.  Every decimal strictly between
 * the middles to its neighbours reads back to it; digits are dropped as long as one is left between.
 */
static int ordinary_decimal(char *out, double value)
{
	double size = fabs(value);
	uint64_t bits, mantissa, low, high, middle, digits, rest;
	unsigned __int128 scale, twice;
	int k, whole, n, count, dropped = 0;
	char text[20];
	char *to = out;

	if (!(size >= 1e-5 && size < 1e15))
		return 0;
	memcpy(&bits, &size, sizeof(bits));
	mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
	if (mantissa == UINT64_C(1) << 52)
		return 0; /* a power of two has a nearer neighbour below */
	k = 1075 - (int) (bits >> 52);
	for (whole = 0; whole < 16 && size >= (double) powers[whole]; whole++)
		;
	n = 17 - whole;
	if (whole == 0) /* zeros after the point count for nothing */
		for (double small = size * 10; small < 1; small *= 10)
			n++;
	scale = n <= 19 ? powers[n] : (unsigned __int128) powers[19] * powers[n - 19];
	twice = scale * (mantissa * 2);
	low = (uint64_t) ((twice - scale) >> (k + 1));
	high = (uint64_t) ((twice + scale - 1) >> (k + 1));
	middle = (uint64_t) (twice >> (k + 1));
	while (high / 10 > low / 10)
	{
		low /= 10;
		high /= 10;
		dropped++;
	}
	/* of those left the one nearest to the value; half a unit up is far enough to tell */
	digits = middle / powers[dropped];
	rest = middle % powers[dropped];
	if (dropped > 0 ? rest >= powers[dropped] / 2 : (uint64_t) (twice >> k) & 1)
		digits++;
	if (digits <= low)
		digits = low + 1;
	if (digits > high)
		digits = high;
	n -= dropped;
	if (signbit(value))
		*to++ = '-';
	count = put_digits(text, digits);
	if (n <= 0)
	{
		memcpy(to, text, (size_t) count);
		to += count;
		for (; n < 0; n++)
			*to++ = '0';
	}
	else if (count > n)
	{
		memcpy(to, text, (size_t) (count - n));
		to += count - n;
		*to++ = '.';
		memcpy(to, text + count - n, (size_t) n);
		to += n;
	}
	else
	{
		*to++ = '0';
		*to++ = '.';
		for (int i = count; i < n; i++)
			*to++ = '0';
		memcpy(to, text, (size_t) count);
		to += count;
	}
	*to = '\0';
	return (int) (to - out);
}

int pythia_double_text(char *out, double value)
{
	int length;

	if (isnan(value))
		return snprintf(out, PYTHIA_DOUBLE_TEXT, "NaN");
	if (isinf(value))
		return snprintf(out, PYTHIA_DOUBLE_TEXT, value < 0 ? "-Infinity" : "Infinity");
	if (value == 0)
		return snprintf(out, PYTHIA_DOUBLE_TEXT, signbit(value) ? "-0" : "0");
	length = ordinary_decimal(out, value);
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

int pythia_int64_text(char *out, int64_t value)
{
	int sign = value < 0;
	int length;

	if (sign)
		*out = '-';
	length = sign + put_digits(out + sign, sign ? 0 - (uint64_t) value : (uint64_t) value);
	out[length] = '\0';
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

bool pythia_whole_number(const char *text, int64_t most, int64_t *value)
{
	return pythia_is_digit(text[0]) && pythia_int64_read(text, strlen(text), value) && *value <= most;
}

/*
 * A number of at most 19 digits without an exponent, not 0, in exact arithmetic: with D the digits
 * and n of them after the point, the quotient of D by 10^n to 62 bits or more, and whether there
 * was a rest, tell how to round it to 53.
 */
static bool ordinary_double(const char *text, size_t length, double *value)
{
	bool negative = length > 0 && text[0] == '-';
	const char *at = text + negative;
	const char *end = text + length;
	uint64_t digits = 0, mantissa;
	unsigned __int128 quotient, below;
	int count = 0, n = 0, left, drop;
	bool rest;
	double result;

	for (bool point = false; at < end; at++)
	{
		if (*at == '.' && !point && count > 0)
			point = true;
		else if (*at >= '0' && *at <= '9' && count < 19)
		{
			digits = digits * 10 + (uint64_t) (*at - '0');
			count += digits != 0 || count == 0;
			n += point;
		}
		else
			return false;
	}
	if (digits == 0 || n > 19)
		return false;
	if (digits < UINT64_C(1) << 53 && n <= 22)
		result = (double) digits / (double) powers[n]; /* both exact: rounded once */
	else
	{
		left = __builtin_clzll(digits) + 63;
		quotient = ((unsigned __int128) digits << left) / powers[n];
		rest = ((unsigned __int128) digits << left) % powers[n] != 0;
		drop = (quotient >> 64 ? 64 - __builtin_clzll((uint64_t) (quotient >> 64))
							   : -__builtin_clzll((uint64_t) quotient)) +
			   64 - 53;
		mantissa = (uint64_t) (quotient >> drop);
		below = quotient & (((unsigned __int128) 1 << drop) - 1);
		if (below > (unsigned __int128) 1 << (drop - 1) ||
			(below == (unsigned __int128) 1 << (drop - 1) && (rest || mantissa & 1)))
			mantissa++;
		result = ldexp((double) mantissa, drop - left);
	}
	*value = negative ? -result : result;
	return true;
}

/* All of a number in digits; `copy` is written to. */
static bool read_digits(char *copy, double *value)
{
	char *end;

	*value = strtod(copy, &end);
	/* stopped at the point: the locale wants a comma */
	if (*end == '.')
	{
		*end = ',';
		*value = strtod(copy, &end);
	}
	return *end == '\0';
}

bool pythia_double_read(const char *text, size_t length, double *value)
{
	char small[400];
	char *copy = small;
	bool ok;

	if (ordinary_double(text, length, value))
		return true;
	if (length == 0 || length > MOST_DIGITS)
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
		if (!isdigit((unsigned char) text[i]) && (text[i] == '\0' || !strchr("+-.eE", text[i])))
			return false; /* neither hexadecimal nor spaces nor a NUL */
	if (length >= sizeof(small))
		copy = pythia_malloc(length + 1);
	memcpy(copy, text, length);
	copy[length] = '\0';
	ok = read_digits(copy, value);
	if (copy != small)
		pythia_free(copy);
	return ok;
}

bool pythia_double_beyond(const char *text, size_t length)
{
	double value;

	return length > 0 && text[length - 1] != 'y' && pythia_double_read(text, length, &value) && isinf(value);
}
