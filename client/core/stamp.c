#include "core/stamp.h"
#include "core/calendar.h"
#include "core/text.h"

#include <stdio.h>
#include <string.h>

bool pythia_decimal_text(pythia_buffer *out, const char *text, size_t length, int scale)
{
	size_t at = 0, digits_start = 0;
	long point = 0, exponent = 0; /* value = 0.d1d2d3… * 10^point */
	bool negative = false, seen_digit = false, seen_point = false, up = false;
	pythia_buffer digits = PYTHIA_BUFFER_INIT;
	long keep;

	if (at < length && (text[at] == '-' || text[at] == '+'))
		negative = text[at++] == '-';
	for (; at < length; at++)
	{
		if (pythia_is_digit(text[at]))
		{
			seen_digit = true;
			pythia_buffer_putc(&digits, text[at]);
			if (!seen_point)
				point++;
		}
		else if (text[at] == '.' && !seen_point)
			seen_point = true;
		else
			break;
	}
	if (seen_digit && at < length && (text[at] == 'e' || text[at] == 'E'))
	{
		bool minus = false;

		at++;
		if (at < length && (text[at] == '-' || text[at] == '+'))
			minus = text[at++] == '-';
		seen_digit = false;
		for (; at < length && pythia_is_digit(text[at]) && exponent < 100000; at++)
		{
			seen_digit = true;
			exponent = exponent * 10 + (text[at] - '0');
		}
		point += minus ? -exponent : exponent;
	}
	if (!seen_digit || at != length || exponent >= 100000)
	{
		pythia_buffer_free(&digits);
		return false;
	}

	while (digits_start < digits.length && digits.data[digits_start] == '0')
	{
		digits_start++;
		point--;
	}
	/* zero has no digits, whatever its exponent */
	if (digits_start == digits.length && point > 0)
		point = 0;
	/* how many digits stay */
	keep = (long) (digits.length - digits_start);
	if (scale >= 0 && point + scale < keep)
	{
		keep = point + scale;
		up = keep >= 0 && digits.data[digits_start + (size_t) keep] >= '5';
		if (keep < 0)
			keep = 0;
		if (up)
		{
			long i = keep - 1;

			while (i >= 0 && digits.data[digits_start + (size_t) i] == '9')
				digits.data[digits_start + (size_t) i--] = '0';
			if (i >= 0)
				digits.data[digits_start + (size_t) i]++;
		}
		/* a carry out of the first digit is put before it below */
		if (up)
		{
			bool carried = true;

			for (long i = 0; i < keep; i++)
				carried = carried && digits.data[digits_start + (size_t) i] == '0';
			up = carried;
		}
	}
	else
		up = false;
	{
		const char *kept = pythia_buffer_text(&digits) + digits_start;
		bool zero = !up;
		long fraction;

		for (long i = 0; i < keep && zero; i++)
			zero = kept[i] == '0';
		if (negative && !zero)
			pythia_buffer_putc(out, '-');
		/* whole part: the carry, then `point` digits */
		if (up && point >= 0)
			pythia_buffer_putc(out, '1');
		for (long i = 0; i < point; i++)
			pythia_buffer_putc(out, i < keep ? kept[i] : '0');
		if (point <= 0 && !(up && point >= 0))
			pythia_buffer_putc(out, '0');
		fraction = keep - point;
		if (scale < 0)
		{
			while (fraction > 0 && (point + fraction <= 0 || kept[point + fraction - 1] == '0'))
				fraction--;
		}
		else
			fraction = scale;
		if (fraction > 0)
		{
			pythia_buffer_putc(out, '.');
			for (long i = point; i < point + fraction; i++)
			{
				if (i < 0)
					pythia_buffer_putc(out, up && i == -1 ? '1' : '0');
				else
					pythia_buffer_putc(out, i < keep ? kept[i] : '0');
			}
		}
	}
	pythia_buffer_free(&digits);
	return true;
}

/* Appends .ffffff without trailing zeros. */
static void fraction_text(pythia_buffer *out, int64_t microseconds)
{
	char digits[8];
	int n = 6;

	if (microseconds == 0)
		return;
	digits[0] = '.';
	for (int i = 6; i > 0; i--, microseconds /= 10)
		digits[i] = (char) ('0' + microseconds % 10);
	while (digits[n] == '0')
		n--;
	pythia_buffer_append(out, digits, (size_t) n + 1);
}

static int64_t unit_of(int precision)
{
	int64_t unit = 1;

	for (int i = precision; i >= 0 && i < 6; i++)
		unit *= 10;
	return unit;
}

void pythia_time_text(pythia_buffer *out, int64_t microseconds, int precision)
{
	int64_t unit = unit_of(precision);
	uint64_t size = microseconds < 0 ? -(uint64_t) microseconds : (uint64_t) microseconds;

	size = (size + (uint64_t) unit / 2) / (uint64_t) unit * (uint64_t) unit;
	pythia_buffer_printf(out, "%s%02llu:%02llu:%02llu", microseconds < 0 && size > 0 ? "-" : "",
						 (unsigned long long) (size / (3600 * PYTHIA_SECOND)),
						 (unsigned long long) (size / (60 * PYTHIA_SECOND) % 60),
						 (unsigned long long) (size / PYTHIA_SECOND % 60));
	fraction_text(out, (int64_t) (size % PYTHIA_SECOND));
}

/* Reads at most `max` digits; false where there are none. */
static bool read_number(const char **at, const char *end, int max, int64_t *value)
{
	const char *start = *at;

	*value = 0;
	while (*at < end && *at - start < max && pythia_is_digit(**at))
		*value = *value * 10 + (*(*at)++ - '0');
	return *at > start;
}

/* Reads HH:MM[:SS[.f…]] as microseconds; digits beyond the sixth round. */
static bool read_clock(const char **at, const char *end, int64_t *microseconds)
{
	int64_t hours, minutes, seconds = 0, fraction = 0;

	if (!read_number(at, end, 9, &hours) || *at == end || **at != ':')
		return false;
	(*at)++;
	if (!read_number(at, end, 2, &minutes))
		return false;
	if (*at < end && **at == ':')
	{
		(*at)++;
		if (!read_number(at, end, 2, &seconds))
			return false;
		if (*at < end && **at == '.')
		{
			int n = 0;

			for ((*at)++; *at < end && pythia_is_digit(**at); (*at)++, n++)
			{
				if (n < 6)
					fraction = fraction * 10 + (**at - '0');
				else if (n == 6 && **at >= '5')
					fraction++;
			}
			for (; n < 6; n++)
				fraction *= 10;
		}
	}
	*microseconds = ((hours * 60 + minutes) * 60 + seconds) * PYTHIA_SECOND + fraction;
	return true;
}

bool pythia_time_canonical(pythia_buffer *out, const char *text, size_t length, int precision)
{
	const char *at = text;
	const char *end = text + length;
	bool negative = at < end && *at == '-';
	int64_t microseconds;

	if (negative)
		at++;
	if (!read_clock(&at, end, &microseconds) || at != end)
		return false;
	pythia_time_text(out, negative ? -microseconds : microseconds, precision);
	return true;
}

static void date_text(pythia_buffer *out, int64_t days)
{
	int64_t year;
	int month, day;

	pythia_date_of(days, &year, &month, &day);
	pythia_buffer_printf(out, "%04lld-%02d-%02d", (long long) year, month, day);
}

bool pythia_stamp_canonical(pythia_buffer *out, const char *text, size_t length, int precision)
{
	const char *at = text;
	const char *end = text + length;
	int64_t year, month, day, clock = 0, unit = unit_of(precision), days;

	if (!read_number(&at, end, 6, &year) || at - text < 4 || at == end || *at++ != '-' ||
		!read_number(&at, end, 2, &month) || at == end || *at++ != '-' || !read_number(&at, end, 2, &day))
		return false;
	if (at < end && (*at == ' ' || *at == 'T'))
	{
		at++;
		if (!read_clock(&at, end, &clock))
			return false;
		if (at < end && *at == 'Z')
			at++;
		else if (at < end && (*at == '+' || *at == '-'))
		{
			int64_t sign = *at++ == '-' ? -1 : 1;
			int64_t hours, minutes = 0;

			if (!read_number(&at, end, 2, &hours))
				return false;
			if (at < end && *at == ':')
				at++;
			if (at < end && !read_number(&at, end, 2, &minutes))
				return false;
			clock -= sign * (hours * 60 + minutes) * 60 * PYTHIA_SECOND;
		}
	}
	if (at != end)
		return false;
	/* A zero date and February's 30th are no days of any calendar: they stay as they are. */
	if (month < 1 || month > 12 || day < 1 || day > pythia_days_in_month(year, month))
	{
		pythia_buffer_printf(out, "%04lld-%02lld-%02lld ", (long long) year, (long long) month, (long long) day);
		pythia_time_text(out, clock, precision);
		return true;
	}
	/* half up, also before midnight: floor division; apart from the days, whose microseconds may be too many */
	clock += unit / 2;
	clock -= ((clock % unit) + unit) % unit;
	days = clock / (86400 * PYTHIA_SECOND);
	if (clock % (86400 * PYTHIA_SECOND) < 0)
		days--;
	date_text(out, pythia_days_of(year, month, day) + days);
	pythia_buffer_putc(out, ' ');
	pythia_time_text(out, clock - days * 86400 * PYTHIA_SECOND, 6);
	return true;
}

bool pythia_instant_read(const char *text, int64_t *microseconds)
{
	const char *at = text;
	const char *end = text != NULL ? text + strlen(text) : NULL;
	int64_t year, month, day, clock = 0;

	if (text == NULL || !read_number(&at, end, 5, &year) || at == end || *at++ != '-' ||
		!read_number(&at, end, 2, &month) || at == end || *at++ != '-' || !read_number(&at, end, 2, &day))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	if (at < end && (*at == ' ' || *at == 'T'))
	{
		at++;
		if (!read_clock(&at, end, &clock) || clock > 25 * 3600 * PYTHIA_SECOND)
			return false;
	}
	*microseconds = pythia_days_of(year, month, day) * 86400 * PYTHIA_SECOND + clock;
	return true;
}

char *pythia_instant_write(char out[PYTHIA_INSTANT_SIZE], int64_t microseconds)
{
	int64_t days = microseconds / (86400 * PYTHIA_SECOND);
	int64_t clock = microseconds % (86400 * PYTHIA_SECOND);
	int64_t year;
	int month, day;

	if (clock < 0)
	{
		days--;
		clock += 86400 * PYTHIA_SECOND;
	}
	pythia_date_of(days, &year, &month, &day);
	snprintf(out, PYTHIA_INSTANT_SIZE, "%04lld-%02u-%02u %02u:%02u:%02u.%06u", (long long) year, (unsigned) month % 100,
			 (unsigned) day % 100, (unsigned) (clock / (3600 * PYTHIA_SECOND)) % 24,
			 (unsigned) (clock / (60 * PYTHIA_SECOND) % 60), (unsigned) (clock / PYTHIA_SECOND % 60),
			 (unsigned) (clock % PYTHIA_SECOND));
	return out;
}
