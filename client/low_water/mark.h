/* The rules of the low-water mark that take no query. */
#ifndef PYTHIA_MARK_H
#define PYTHIA_MARK_H

#include "core/url.h"
#include "low_water/clock.h"

/* So many seconds before the boundary are read again.  `configured` is the option, negative where it is not set;
 * `blind` says that open transactions cannot be seen. */
double pythia_lookback(pythia_engine engine, double configured, bool blind);

/* The instant before which everything committed has been seen once what is there now was read, less the lookback;
 * PYTHIA_OPEN_HELD where a transaction of unknown age is open. */
int64_t pythia_seen_until(pythia_engine engine, const pythia_clock *clock, double configured);

/*
 * The mark of a column of ever-growing numbers, as text, the caller's to free; NULL: none yet.
 * A transaction that began after `greatest` was read (at `read_at`) gets greater numbers; so the mark moves to it once
 * all that were open then have ended, which `seen_until` tells.  Numbers that are times come a lookback later.
 */
char *pythia_number_mark(const char *low, const char *greatest, int64_t read_at, int64_t seen_until, double lookback);
/* The greatest number that was read at that time, as one that numbers yet to be committed are not below. */
char *pythia_number_bound(const char *greatest, int64_t read_at, double lookback);

/*
 * A clock was set back, and rows were stamped by it before a poll noticed: for how long at most, in microseconds, given
 * the time since the last poll (negative: not known).  A minute at least, for idle polls leave no trace; an hour at
 * most, for what is read again may be delivered again.
 */
int64_t pythia_unnoticed(int64_t since_poll);

#endif
