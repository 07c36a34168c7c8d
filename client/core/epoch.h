/* Whole numbers that are times: since 1970, in seconds or in milli-, micro- or nanoseconds. */
#ifndef PYTHIA_EPOCH_H
#define PYTHIA_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

/* `now` is in microseconds since 1970.  True where the value is a time within a year of it: *unit is then how many make a
 * second, *shown the number that a clock shows now. */
bool pythia_epoch_read(int64_t value, int64_t now, int64_t *unit, int64_t *shown);

/* The greatest number of a column as far as it bounds those to come: a time that is ahead of the clock is the clock's, as
 * others come behind it. */
int64_t pythia_epoch_now(int64_t value, int64_t now);

#endif
