#include "core/retry.h"

/* splitmix64: https://prng.di.unimi.it/splitmix64.c describes the sequence */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

pythia_retry pythia_retry_growing(int64_t base_ms, uint64_t seed)
{
	return (pythia_retry){.base_ms = base_ms, .cap_ms = PYTHIA_RETRY_CAP_MS, .seed = seed};
}

int64_t pythia_retry_next(pythia_retry *retry)
{
	int64_t bound = retry->base_ms > 0 ? retry->base_ms : 1;
	int64_t cap = retry->cap_ms > 0 ? retry->cap_ms : bound;
	int64_t half;

	if (retry->max_attempts > 0 && retry->attempt >= retry->max_attempts)
		return -1;
	for (int i = 0; i < retry->attempt && bound < cap; i++)
		bound = bound > cap / 2 ? cap : bound * 2;
	if (bound > cap)
		bound = cap;
	retry->attempt++;
	half = bound / 2;
	return half + (int64_t) (next_random(&retry->seed) % (uint64_t) (bound - half + 1));
}

void pythia_retry_reset(pythia_retry *retry)
{
	retry->attempt = 0;
}
