#include "core/epoch.h"

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
