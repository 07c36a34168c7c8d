#include "core/epoch.h"

#include <math.h>

#include "core/number.h"
#include "core/stamp.h"

#define NANOSECONDS INT64_C(1000000000)
#define A_YEAR      (INT64_C(366) * 86400) /* seconds */

bool pythia_epoch_read(int64_t value, int64_t now, int64_t *unit, int64_t *shown)
{
	for (*unit = 1; *unit <= NANOSECONDS; *unit *= 1000)
	{
		int64_t distance;

		if (*unit <= PYTHIA_SECOND)
			*shown = now / (PYTHIA_SECOND / *unit);
		else if (__builtin_mul_overflow(now, 1000, shown))
			return false;
		distance = pythia_subtract(value, *shown);
		if (distance < A_YEAR * *unit && distance > -A_YEAR * *unit)
			return true;
	}
	return false;
}

int64_t pythia_epoch_now(int64_t value, int64_t now)
{
	int64_t unit;
	int64_t shown;

	return pythia_epoch_read(value, now, &unit, &shown) && shown < value ? shown : value;
}

int64_t pythia_epoch_seen(int64_t value, int64_t now, double lookback)
{
	int64_t unit;
	int64_t shown;

	if (!pythia_epoch_read(value, now, &unit, &shown))
		return value;
	return pythia_subtract(shown < value ? shown : value, (int64_t) (lookback * (double) unit + 0.5));
}

#define EPOCH_DAY 2440587.5 /* 1970 began then */

double pythia_julian_day(int64_t instant)
{
	return EPOCH_DAY + (double) instant / (86400 * (double) PYTHIA_SECOND);
}

/* Whole milliseconds of a number of seconds. */
static int64_t rounded(double seconds)
{
	return llround(seconds * 1000) * (PYTHIA_SECOND / 1000);
}

bool pythia_number_instant(const char *text, size_t length, int64_t *instant)
{
	double value;
	int64_t number;

	if (!pythia_double_read(text, length, &value) || !(value >= 0) || value > (double) INT64_MAX / 2)
		return false;
	if (value >= PYTHIA_JULIAN_FIRST && value < PYTHIA_JULIAN_DAYS)
		*instant = rounded((value - EPOCH_DAY) * 86400);
	else if (pythia_int64_read(text, length, &number))
		*instant = number < PYTHIA_SECONDS_END  ? number * PYTHIA_SECOND
				   : number < PYTHIA_MILLIS_END ? number * (PYTHIA_SECOND / 1000)
												: number;
	else
		*instant = value < (double) PYTHIA_SECONDS_END  ? rounded(value)
				   : value < (double) PYTHIA_MILLIS_END ? rounded(value / 1000)
														: llround(value);
	return true;
}
