/*
 * What a target's column can hold, and the policies for what it cannot.
 *
 * Most targets refuse such values themselves; these checks run where a policy wants something
 * else than an error, where bad rows go to quarantine, and where the target would not refuse but
 * quietly keep something else (SQLite).
 */
#include "value/limits.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/calendar.h"
#include "core/number.h"
#include "core/stamp.h"
#include "value/text_limits.h"

#define FLOAT_END  "3.4028234e38"
#define DOUBLE_END "1.7976931348623157e308"

static bool dated(pythia_kind kind)
{
	return kind == PYTHIA_KIND_DATE || kind == PYTHIA_KIND_TIMESTAMP || kind == PYTHIA_KIND_TIMESTAMPTZ;
}

static bool floating(pythia_kind kind)
{
	return kind == PYTHIA_KIND_FLOAT || kind == PYTHIA_KIND_DOUBLE;
}

static bool whole(pythia_kind kind)
{
	return kind == PYTHIA_KIND_INT || kind == PYTHIA_KIND_UINT || kind == PYTHIA_KIND_BOOL || kind == PYTHIA_KIND_YEAR;
}

/* MySQL rounds them as well, but LOAD DATA tells it as it tells a loss. */
static bool loses_digits(const pythia_transform *t)
{
	if (t->from->kind == PYTHIA_KIND_DECIMAL)
		return t->from_engine == PYTHIA_SQLITE || t->from->precision < 0 || t->from->scale > t->to->scale;
	return !whole(t->from->kind);
}

/* A column of SQLite's makes a double of a decimal that is no integer of its, and a double keeps fifteen digits. */
static bool makes_doubles(const pythia_transform *t)
{
	return t->to_engine == PYTHIA_SQLITE && strchr("NRI", pythia_sqlite_affinity(t->to)) != NULL;
}

/* SQLite keeps a number that is too large for its column as a rounded one, and MySQL takes the year 1 for 2001,
 * without a word. */
static bool quietly_changed(const pythia_transform *t)
{
	if (t->to_engine == PYTHIA_MYSQL && t->to->kind == PYTHIA_KIND_DECIMAL)
		return loses_digits(t);
	if (t->to_engine == PYTHIA_MYSQL)
		return t->to->kind == PYTHIA_KIND_YEAR && (t->from->kind != PYTHIA_KIND_YEAR || t->from_engine != PYTHIA_MYSQL);
	if (t->to_engine != PYTHIA_SQLITE)
		return false;
	if (t->to->kind == PYTHIA_KIND_INT)
		return t->from->kind != PYTHIA_KIND_INT && t->from->kind != PYTHIA_KIND_BOOL &&
			   t->from->kind != PYTHIA_KIND_YEAR;
	if (t->to->kind == PYTHIA_KIND_DECIMAL && makes_doubles(t) && (t->to->precision <= 0 || t->to->precision > 15))
		return t->from->kind != PYTHIA_KIND_DECIMAL || t->from->precision < 0 || t->from->precision > 15;
	if (t->to->kind == PYTHIA_KIND_DECIMAL && t->to->precision > 0 && t->to->precision <= 15)
		return t->from->kind != PYTHIA_KIND_DECIMAL || t->from->precision < 0 ||
			   t->from->precision > t->to->precision || t->from->scale > t->to->scale;
	return false;
}

bool pythia_limits_apply(const pythia_transform *t, bool careful)
{
	if (quietly_changed(t))
		return true;
	return careful && (t->to_engine != PYTHIA_SQLITE || floating(t->to->kind) || t->to->kind == PYTHIA_KIND_DECIMAL ||
					   t->to->kind == PYTHIA_KIND_INT);
}

/* --- dates ------------------------------------------------------------------ */

static bool zero_date(const char *value, size_t length)
{
	return length >= 10 && value[4] == '-' && value[7] == '-' &&
		   (memcmp(value, "0000", 4) == 0 || memcmp(value + 5, "00", 2) == 0 || memcmp(value + 8, "00", 2) == 0);
}

static const char *stamp_end(const pythia_transform *t)
{
	return t->to_2106 ? "2106-02-07 06:28:15" : "2038-01-19 03:14:07";
}

/* February's 30th, or a thirteenth month: MySQL keeps the former where it is let.  *last gets the last day of the month,
 * where there is such a month. */
static bool no_day(const char *value, size_t length, char last[11])
{
	static const char day_texts[4][3] = {"28", "29", "30", "31"};
	int64_t year;
	int64_t month;
	int64_t day;

	last[0] = '\0';
	if (length < 10 || value[4] != '-' || value[7] != '-' || zero_date(value, length) ||
		!pythia_int64_read(value, 4, &year) || !pythia_int64_read(value + 5, 2, &month) ||
		!pythia_int64_read(value + 8, 2, &day) || month < 1 || day < 1)
		return false;
	if (month > 12)
		return true;
	memcpy(last, value, 8);
	memcpy(last + 8, day_texts[pythia_days_in_month(year, month) - 28], 3);
	return day > pythia_days_in_month(year, month);
}

static const char *date_bound(const pythia_transform *t, bool high)
{
	static const char *const highest[] = {
		"9999-12-31 23:59:59",      "9999-12-31 23:59:59.9",     "9999-12-31 23:59:59.99",    "9999-12-31 23:59:59.999",
		"9999-12-31 23:59:59.9999", "9999-12-31 23:59:59.99999", "9999-12-31 23:59:59.999999"};
	bool narrow = t->to_engine == PYTHIA_MYSQL && t->to->kind == PYTHIA_KIND_TIMESTAMPTZ;

	if (t->to->kind == PYTHIA_KIND_DATE)
		return high ? "9999-12-31" : "0001-01-01";
	if (narrow)
		return high ? stamp_end(t) : "1970-01-01 00:00:01";
	if (!high)
		return "0001-01-01 00:00:00";
	/* no more digits than the column has: it would round them up, into the year 10000 */
	return highest[t->to->precision >= 0 && t->to->precision < 6 ? t->to->precision : 6];
}

static pythia_value_verdict check_mysql_date(const pythia_transform *t, const char *value, size_t length,
											 pythia_buffer *out, pythia_bad_value *bad)
{
	bool narrow = t->to->kind == PYTHIA_KIND_TIMESTAMPTZ;
	const char *dash = memchr(value, '-', length);
	bool early = length > 3 && strcmp(value + length - 2, "BC") == 0;
	bool late = dash != NULL && dash - value > 4 && value[0] != '-';

	if (strcmp(value, "infinity") == 0 || strcmp(value, "-infinity") == 0)
		return pythia_policy_decide(t->policies.infinity, "infinity", date_bound(t, value[0] != '-'),
									"an infinite date", out, bad);
	if (narrow && !early && !late && !zero_date(value, length))
	{
		early = strcmp(value, "1970-01-01 00:00:01") < 0;
		late = strncmp(value, stamp_end(t), 19) > 0;
	}
	if (early || late)
		return pythia_policy_decide(t->policies.out_of_range, "out_of_range", date_bound(t, late),
									"a date out of range", out, bad);
	return PYTHIA_VALUE_KEEP;
}

/* Its DATE and DATETIME hold days up to 31 in any month, as our sessions let them; its TIMESTAMP does not. */
static bool keeps_days(const pythia_transform *t, const char *value)
{
	return t->to->kind != PYTHIA_KIND_TIMESTAMPTZ && memcmp(value + 5, "12", 2) <= 0 && memcmp(value + 8, "31", 2) <= 0;
}

static pythia_value_verdict check_date(const pythia_transform *t, const char *value, size_t length, pythia_buffer *out,
									   pythia_bad_value *bad)
{
	char last[11];

	if (no_day(value, length, last) && !(t->to_engine == PYTHIA_MYSQL && keeps_days(t, value)))
		return pythia_policy_decide(t->policies.out_of_range, "out_of_range", last[0] != '\0' ? last : NULL,
									"a day that no calendar has", out, bad);
	if (t->to_engine == PYTHIA_MYSQL)
		return check_mysql_date(t, value, length, out, bad);
	if (t->to_engine == PYTHIA_POSTGRESQL && zero_date(value, length))
	{
		bool replace = t->policies.zero_date == PYTHIA_POLICY_REPLACE;
		const char *date = t->to->kind == PYTHIA_KIND_DATE ? (replace ? "1970-01-01" : "0001-01-01")
														   : (replace ? "1970-01-01 00:00:00" : "0001-01-01 00:00:00");

		return pythia_policy_decide(t->policies.zero_date, "zero_date", date, "a zero date", out, bad);
	}
	return PYTHIA_VALUE_KEEP;
}

static pythia_value_verdict check_time(const pythia_transform *t, const char *value, size_t length, pythia_buffer *out,
									   pythia_bad_value *bad)
{
	long long hours = strtoll(value + (value[0] == '-'), NULL, 10);
	bool negative = length > 0 && value[0] == '-';
	const char *stand_in;

	if (t->to->zone || t->to_engine == PYTHIA_SQLITE)
		return PYTHIA_VALUE_KEEP;
	if (t->to_engine == PYTHIA_POSTGRESQL)
	{
		if (!negative && (hours < 24 || strncmp(value, "24:00:00", 8) == 0))
			return PYTHIA_VALUE_KEEP;
		stand_in = negative ? "00:00:00" : "24:00:00";
	}
	else
	{
		if (hours <= 838)
			return PYTHIA_VALUE_KEEP;
		stand_in = negative ? "-838:59:59" : "838:59:59";
	}
	return pythia_policy_decide(t->policies.out_of_range, "out_of_range", stand_in, "a time out of range", out, bad);
}

/* --- numbers ---------------------------------------------------------------- */

/* The end of a kind of doubles on that side; NULL of others. */
static const char *end_of(pythia_kind kind, bool negative)
{
	if (kind == PYTHIA_KIND_FLOAT)
		return negative ? "-" FLOAT_END : FLOAT_END;
	if (kind == PYTHIA_KIND_DOUBLE)
		return negative ? "-" DOUBLE_END : DOUBLE_END;
	return NULL;
}

static pythia_value_verdict check_special(const pythia_transform *t, const char *value, pythia_buffer *out,
										  pythia_bad_value *bad)
{
	const char *bound = end_of(t->to->kind, value[0] == '-');

	if (strcasecmp(value, "nan") == 0)
	{
		/* SQLite has no NaN among its numbers; a decimal kept as text holds the word */
		if (t->to_engine == PYTHIA_MYSQL || (t->to_engine == PYTHIA_SQLITE && floating(t->to->kind)))
			return pythia_policy_decide(t->policies.nan, "nan", "0", "not a number", out, bad);
		return PYTHIA_VALUE_KEEP;
	}
	if (t->to_engine == PYTHIA_MYSQL)
		return pythia_policy_decide(t->policies.out_of_range, "out_of_range", bound, "an infinite number", out, bad);
	return PYTHIA_VALUE_KEEP;
}

static bool special(const char *value)
{
	if (*value == '-' || *value == '+')
		value++;
	return isalpha((unsigned char) *value);
}

static pythia_value_verdict check_float(const pythia_transform *t, const char *value, size_t length, pythia_buffer *out,
										pythia_bad_value *bad)
{
	if (special(value))
		return check_special(t, value, out, bad);
	/* a text with the digits that tell a float apart may be a little beyond the greatest, and is read as that */
	if (t->to->kind == PYTHIA_KIND_FLOAT ? !isinf(strtof(value, NULL)) : !pythia_double_beyond(value, length))
		return PYTHIA_VALUE_KEEP;
	return pythia_policy_decide(t->policies.out_of_range, "out_of_range", end_of(t->to->kind, value[0] == '-'),
								"a number out of range", out, bad);
}

/* Digits before and after the point, without outer zeros: 0.0012 has -2 and 4, zero has none after it and no more than
 * none before.  False where it is written with an exponent. */
static bool count_digits(const char *value, int *before, int *after)
{
	const char *at = *value == '-' || *value == '+' ? value + 1 : value;
	int zeros = 0;

	*before = *after = 0;
	while (*at == '0')
		at++;
	for (; isdigit((unsigned char) *at); at++)
		(*before)++;
	if (*at == '.')
	{
		for (at++; isdigit((unsigned char) *at); at++)
		{
			if (*at == '0' && *before <= 0 && *after + *before == 0)
				(*before)--;
			(*after)++;
			zeros = *at == '0' ? zeros + 1 : 0;
		}
	}
	*after -= zeros;
	return *at == '\0';
}

/* One nine for each digit that the column has, and more than half behind them: rounded, it has a digit more. */
static bool rounds_up_beyond(const char *value, int precision)
{
	const char *at = value + strspn(value, "+-0.");

	for (int nines = 0; nines < precision; at++)
	{
		if (*at != '9' && *at != '.')
			return false;
		nines += *at == '9';
	}
	at += *at == '.';
	return *at >= '5' && *at <= '9';
}

/* The greatest number of the type: PostgreSQL's digits may all stand far before the point, or far behind it. */
static void put_greatest(const pythia_type *type, bool negative, pythia_buffer *out)
{
	int room = type->precision - type->scale;

	pythia_buffer_puts(out, negative ? "-" : "");
	for (int i = 0; i < room; i++)
		pythia_buffer_putc(out, i < type->precision ? '9' : '0');
	pythia_buffer_puts(out, room <= 0 ? "0" : "");
	pythia_buffer_puts(out, type->scale > 0 ? "." : "");
	for (int i = 0; i < type->scale; i++)
		pythia_buffer_putc(out, i < -room ? '0' : '9');
}

static pythia_value_verdict check_decimal(const pythia_transform *t, const char *value, pythia_buffer *out,
										  pythia_bad_value *bad)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_value_verdict verdict;
	bool beyond;
	bool plain;
	int before;
	int after;
	int room = t->to->precision - t->to->scale;

	if (special(value))
		return check_special(t, value, out, bad);
	if (t->to->precision <= 0 && !makes_doubles(t))
		return PYTHIA_VALUE_KEEP;
	plain = count_digits(value, &before, &after);
	if (t->to_engine == PYTHIA_MYSQL && (!plain || after > t->to->scale) &&
		pythia_decimal_text(&text, value, strlen(value), t->to->scale))
	{
		verdict = check_decimal(t, text.data, out, bad);
		if (verdict == PYTHIA_VALUE_KEEP)
			pythia_buffer_append(out, text.data, text.length);
		pythia_buffer_free(&text);
		return verdict == PYTHIA_VALUE_KEEP ? PYTHIA_VALUE_CHANGED : verdict;
	}
	if (!plain || (before <= 0 && after == 0))
		return PYTHIA_VALUE_KEEP;
	/* an engine with real decimals rounds the fraction, as the column asks; SQLite would keep a double */
	beyond = t->to->precision > 0 && (before > room || (before == room && t->to_engine == PYTHIA_POSTGRESQL &&
														rounds_up_beyond(value, t->to->precision)));
	/* eighteen digits are an integer, which is exact */
	if (!beyond && (!makes_doubles(t) || (before > 0 ? before : 0) + after <= (after > 0 ? 15 : 18)))
		return PYTHIA_VALUE_KEEP;
	if (beyond)
		put_greatest(t->to, value[0] == '-', &text);
	verdict = pythia_policy_decide(t->policies.out_of_range, "out_of_range", beyond ? text.data : NULL,
								   beyond ? "a number out of range" : "a number with too many digits", out, bad);
	pythia_buffer_free(&text);
	return verdict;
}

/* Compares whole numbers written in digits. */
int pythia_whole_compare(const char *a, const char *b)
{
	bool minus_a = *a == '-';
	bool minus_b = *b == '-';
	size_t length_a;
	size_t length_b;
	int order;

	if (minus_a != minus_b)
		return minus_a ? -1 : 1;
	a += minus_a || *a == '+';
	b += minus_b || *b == '+';
	while (*a == '0' && a[1] != '\0')
		a++;
	while (*b == '0' && b[1] != '\0')
		b++;
	length_a = strlen(a);
	length_b = strlen(b);
	order = length_a != length_b ? (length_a < length_b ? -1 : 1) : strcmp(a, b);
	return minus_a ? -order : order;
}

void pythia_whole_bounds(const pythia_type *type, pythia_engine engine, const char **low, const char **high)
{
	static const char *const lows[] = {"-128", "-32768", "-8388608", "-2147483648", "-9223372036854775808"};
	static const char *const highs[] = {"127", "32767", "8388607", "2147483647", "9223372036854775807"};
	static const char *const unsigned_highs[] = {"255", "65535", "16777215", "4294967295", "18446744073709551615"};
	int size = type->size;
	int row = size == 1 ? 0 : size == 2 ? 1 : size == 3 ? 2 : size == 4 ? 3 : 4;

	*low = lows[row];
	*high = highs[row];
	if (type->kind == PYTHIA_KIND_YEAR)
	{
		*low = engine == PYTHIA_MYSQL ? "1901" : "-9223372036854775808";
		*high = engine == PYTHIA_MYSQL ? "2155" : "9223372036854775807";
	}
	else if (type->kind == PYTHIA_KIND_UINT)
	{
		*low = "0";
		*high = unsigned_highs[row];
	}
	else if (type->kind == PYTHIA_KIND_BOOL)
	{
		*low = engine == PYTHIA_POSTGRESQL ? "0" : "-128";
		*high = engine == PYTHIA_POSTGRESQL ? "1" : "127";
	}
}

static pythia_value_verdict check_whole(const pythia_transform *t, const char *value, size_t length, pythia_buffer *out,
										pythia_bad_value *bad)
{
	const char *low;
	const char *high;
	size_t start = length > 0 && (value[0] == '-' || value[0] == '+');

	for (size_t i = start; i < length; i++)
	{
		if (!isdigit((unsigned char) value[i]))
			return PYTHIA_VALUE_KEEP; /* a fraction or a word: the target's own rules */
	}
	pythia_whole_bounds(t->to, t->to_engine, &low, &high);
	if (t->to->kind == PYTHIA_KIND_YEAR && strcmp(value, "0") == 0)
		return PYTHIA_VALUE_KEEP;
	if (pythia_whole_compare(value, low) < 0)
		return pythia_policy_decide(t->policies.out_of_range, "out_of_range", low, "a number out of range", out, bad);
	if (pythia_whole_compare(value, high) > 0)
		return pythia_policy_decide(t->policies.out_of_range, "out_of_range", high, "a number out of range", out, bad);
	return PYTHIA_VALUE_KEEP;
}

bool pythia_no_label(const pythia_transform *t, size_t length)
{
	if (length > 0 || t->to->kind != PYTHIA_KIND_ENUM || t->to_engine != PYTHIA_MYSQL || t->to->labels == NULL)
		return false;
	for (int i = 0; i < t->to->nlabels; i++)
		if (t->to->labels[i][0] == '\0')
			return false;
	return true;
}

pythia_value_verdict pythia_limits_check(const pythia_transform *t, const char *value, size_t length,
										 pythia_buffer *out, pythia_bad_value *bad)
{
	if (dated(t->to->kind))
		return check_date(t, value, length, out, bad);
	if (floating(t->to->kind))
		return check_float(t, value, length, out, bad);
	if (whole(t->to->kind))
		return check_whole(t, value, length, out, bad);
	if (t->to->kind == PYTHIA_KIND_DECIMAL)
		return check_decimal(t, value, out, bad);
	if (t->to->kind == PYTHIA_KIND_TIME)
		return check_time(t, value, length, out, bad);
	if (pythia_no_label(t, length))
		return pythia_policy_decide(t->policies.out_of_range, "out_of_range", NULL, "a text that is none of the labels",
									out, bad);
	return pythia_text_check(t, value, length, out, bad);
}
