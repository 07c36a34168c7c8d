/* Whole numbers that are times: since 1970, in seconds or in milli-, micro- or nanoseconds. */
#ifndef PYTHIA_EPOCH_H
#define PYTHIA_EPOCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `now` is in microseconds since 1970.  True where the value is a time within a year of it: *unit is then how many make a
 * second, *shown the number that a clock shows now. */
bool pythia_epoch_read(int64_t value, int64_t now, int64_t *unit, int64_t *shown);

/* The greatest number of a column as far as it bounds those to come: a time that is ahead of the clock is the clock's, as
 * others come behind it. */
int64_t pythia_epoch_now(int64_t value, int64_t now);

/* That, and where it is a time so many seconds less: who stamps by a clock commits later, so that such a number may come
 * after a greater one though no two transactions were open at once. */
int64_t pythia_epoch_seen(int64_t value, int64_t now, double lookback);

/*
 * A number as SQLite's own functions take it ('auto'): days since noon of 4714-11-24 before our era, or else what is since
 * 1970: seconds, milliseconds, microseconds, with a fraction or without.  To the millisecond where there is one: days have
 * no more.  False where it is no number, or a time before that.
 */
bool pythia_number_instant(const char *text, size_t length, int64_t *instant);
/* The days, the other way round. */
double pythia_julian_day(int64_t instant);

/* Numbers below are days; seconds; milliseconds: of years up to 9999, and 5138. */
#define PYTHIA_JULIAN_FIRST 1721425.5
#define PYTHIA_JULIAN_DAYS  5373484.5
#define PYTHIA_SECONDS_END  INT64_C(100000000000)
#define PYTHIA_MILLIS_END   (PYTHIA_SECONDS_END * 1000)

#endif
