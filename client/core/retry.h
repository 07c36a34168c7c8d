/* Back-off with full jitter: each delay is random between half and all of an
 * exponentially growing bound. */
#ifndef PYTHIA_RETRY_H
#define PYTHIA_RETRY_H

#include <stdint.h>

typedef struct pythia_retry
{
	int attempt;      /* tries so far */
	int max_attempts; /* 0: no limit */
	int64_t base_ms;  /* first bound */
	int64_t cap_ms;   /* largest bound */
	uint64_t seed;    /* state of the random sequence; seed it for a repeatable test */
} pythia_retry;

/*
 * What is tried again for as long as it takes (a worker, a process, a follower, a change whose handler failed):
 * soon at first, later and later up to five minutes, which is said here alone.  What is tried a few times within
 * one call has bounds of its own.
 */
#define PYTHIA_RETRY_CAP_MS INT64_C(300000)

/* The seed keeps those that failed together from coming back together. */
pythia_retry pythia_retry_growing(int64_t base_ms, uint64_t seed);

/* Milliseconds to wait before the next try, or -1 where the attempts are used up. */
int64_t pythia_retry_next(pythia_retry *retry);
void pythia_retry_reset(pythia_retry *retry);

#endif
