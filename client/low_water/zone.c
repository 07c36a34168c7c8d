#include "low_water/zone.h"

int64_t pythia_zone_start(int64_t instant)
{
	int64_t rest = instant % PYTHIA_ZONE_STEP;

	return instant - (rest < 0 ? rest + PYTHIA_ZONE_STEP : rest);
}

int64_t pythia_zone_least(int64_t instant, const int64_t offsets[PYTHIA_ZONE_STEPS])
{
	int64_t start = pythia_zone_start(instant);
	int64_t least = instant + offsets[0];

	for (int i = 1; i < PYTHIA_ZONE_STEPS; i++)
	{
		int64_t local = start + i * PYTHIA_ZONE_STEP + offsets[i];

		if (local < least)
			least = local;
	}
	return least;
}
