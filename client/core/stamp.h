/* Decimals, times and stamps as text: rounding and one spelling for each. */
#ifndef PYTHIA_STAMP_H
#define PYTHIA_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"

#define PYTHIA_INSTANT_SIZE 48 /* of any 64 bits */

#define PYTHIA_SECOND INT64_C(1000000) /* of the microseconds that instants are */
/* No local time is further from UTC. */
#define PYTHIA_FARTHEST_ZONE (14 * 3600 * PYTHIA_SECOND)

/* Appends a decimal (an exponent is allowed) in plain digits: rounded half away from zero to exactly
 * `scale` digits after the point, or, with scale -1, as it is without trailing zeros.  -0 becomes 0.
 * False, with nothing appended, where text is no decimal or its exponent is absurd. */
bool pythia_decimal_text(pythia_buffer *out, const char *text, size_t length, int scale);

/* Appends [-]HH:MM:SS[.f…] of microseconds, rounded to `precision` digits, without trailing zeros. */
void pythia_time_text(pythia_buffer *out, int64_t microseconds, int precision);
/* The same from a text; false, with nothing appended, where it is none. */
bool pythia_time_canonical(pythia_buffer *out, const char *text, size_t length, int precision);
/* Appends YYYY-MM-DD HH:MM:SS[.f…] of a stamp in ISO 8601 (a T, a Z, an offset are allowed, the offset is
 * taken off), rounded to `precision` digits, without trailing zeros; false where it is none. */
bool pythia_stamp_canonical(pythia_buffer *out, const char *text, size_t length, int precision);

/* Microseconds since 1970 of YYYY-MM-DD[( |T)HH:MM[:SS[.f…]]] in UTC; what follows that is not looked at.  False where text is
 * NULL or says no such time; *microseconds may have changed then. */
bool pythia_instant_read(const char *text, int64_t *microseconds);
/* YYYY-MM-DD HH:MM:SS.ffffff, the other way round; returns out. */
char *pythia_instant_write(char out[PYTHIA_INSTANT_SIZE], int64_t microseconds);

#endif
