/* Local times: which of them may still come. */
#ifndef PYTHIA_ZONE_H
#define PYTHIA_ZONE_H

#include <stdint.h>

#define PYTHIA_ZONE_MINUTE INT64_C(60000000)           /* microseconds */
#define PYTHIA_ZONE_STEP   (15 * PYTHIA_ZONE_MINUTE)   /* zones change their offset on quarters of an hour */
#define PYTHIA_ZONE_STEPS  13                          /* three hours: clocks are put back by less */
#define PYTHIA_ZONE_WEST   (-720 * PYTHIA_ZONE_MINUTE) /* no zone is further behind UTC, */
#define PYTHIA_ZONE_EAST   (840 * PYTHIA_ZONE_MINUTE)  /* or ahead of it */

/* The quarter of an hour that an instant is in: the first of the steps whose offsets are asked for. */
int64_t pythia_zone_start(int64_t instant);

/*
 * The least local time that a clock can still show at `instant` or later, in microseconds, given its offsets from UTC at
 * pythia_zone_start(instant) and the steps that follow: where it is about to be put back, an hour comes twice.
 */
int64_t pythia_zone_least(int64_t instant, const int64_t offsets[PYTHIA_ZONE_STEPS]);

#endif
