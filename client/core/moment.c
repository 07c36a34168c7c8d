#include "core/moment.h"

#include <string.h>

#include "core/calendar.h"
#include "core/text.h"

static inline int two_digits(const char *text)
{
	return pythia_is_digit(text[0]) && pythia_is_digit(text[1]) ? (text[0] - '0') * 10 + (text[1] - '0') : -1;
}

bool pythia_moment_date(const char *text, size_t length, pythia_moment *moment)
{
	int century, years;

	if (length != 10 || text[4] != '-' || text[7] != '-')
		return false;
	memset(moment, 0, sizeof(*moment));
	century = two_digits(text);
	years = two_digits(text + 2);
	moment->year = century * 100 + years;
	moment->month = two_digits(text + 5);
	moment->day = two_digits(text + 8);
	return century >= 0 && years >= 0 && moment->year > 0 && moment->month >= 1 && moment->month <= 12 &&
		   moment->day >= 1 && moment->day <= pythia_days_in_month(moment->year, moment->month);
}

bool pythia_moment_clock(const char *text, size_t length, pythia_moment *moment)
{
	static const int scale[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
	int fraction = 0;

	if (length < 8 || length == 9 || length > 15 || text[2] != ':' || text[5] != ':')
		return false;
	moment->hour = two_digits(text);
	moment->minute = two_digits(text + 3);
	moment->second = two_digits(text + 6);
	moment->digits = length > 9 ? (int) length - 9 : 0;
	if (moment->hour < 0 || moment->hour > 23 || moment->minute < 0 || moment->minute > 59 || moment->second < 0 ||
		moment->second > 59 || (length > 8 && text[8] != '.'))
		return false;
	for (size_t i = 9; i < length; i++)
	{
		if (!pythia_is_digit(text[i]))
			return false;
		fraction = fraction * 10 + (text[i] - '0');
	}
	moment->microsecond = fraction * scale[moment->digits];
	return true;
}

bool pythia_moment_stamp(const char *text, size_t length, pythia_moment *moment)
{
	return length >= 19 && text[10] == ' ' && pythia_moment_date(text, 10, moment) &&
		   pythia_moment_clock(text + 11, length - 11, moment);
}

int32_t pythia_moment_days(const pythia_moment *moment)
{
	return (int32_t) (pythia_days_of(moment->year, moment->month, moment->day) - pythia_days_of(2000, 1, 1));
}

int64_t pythia_moment_micros(const pythia_moment *moment)
{
	return ((moment->hour * 60 + moment->minute) * 60 + moment->second) * INT64_C(1000000) + moment->microsecond;
}
