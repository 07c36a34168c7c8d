#include "low_water/mark.h"

#include <string.h>

#include "core/epoch.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/stamp.h"

/* Seconds: a stamp is taken a little before its transaction shows among the open ones. */
#define LOOKBACK       1.0
#define LOOKBACK_MYSQL 2.0
/* Where open transactions cannot be seen. */
#define LOOKBACK_BLIND 60.0

#define MINUTE (60 * PYTHIA_SECOND)
#define HOUR   (60 * MINUTE)

double pythia_lookback(pythia_engine engine, double configured, bool blind)
{
	if (configured >= 0)
		return configured;
	if (blind)
		return LOOKBACK_BLIND;
	return engine == PYTHIA_MYSQL ? LOOKBACK_MYSQL : LOOKBACK;
}

int64_t pythia_seen_until(pythia_engine engine, const pythia_clock *clock, double configured)
{
	bool blind = clock->boundary == PYTHIA_OPEN_UNKNOWN;
	int64_t until = blind ? pythia_subtract(clock->now, clock->lag) : clock->boundary;

	if (until == PYTHIA_OPEN_HELD)
		return until;
	return pythia_subtract(until, (int64_t) (pythia_lookback(engine, configured, blind) * (double) PYTHIA_SECOND));
}

char *pythia_number_bound(const char *greatest, int64_t read_at, double lookback)
{
	char text[24];
	int64_t value;

	if (!greatest || !pythia_int64_read(greatest, strlen(greatest), &value))
		return pythia_strdup(greatest);
	pythia_int64_text(text, pythia_epoch_seen(value, read_at, lookback));
	return pythia_strdup(text);
}

/* What is no whole number of 64 bits is before all of them. */
static int64_t number_of(const char *text)
{
	int64_t number;

	return pythia_int64_read(text, strlen(text), &number) ? number : INT64_MIN;
}

char *pythia_number_mark(const char *low, const char *greatest, int64_t read_at, int64_t seen_until, double lookback)
{
	char *bound;

	if (!greatest || read_at > seen_until)
		return pythia_strdup(low);
	bound = pythia_number_bound(greatest, read_at, lookback);
	if (!low || number_of(bound) > number_of(low))
		return bound;
	pythia_free(bound);
	return pythia_strdup(low);
}

int64_t pythia_unnoticed(int64_t since_poll)
{
	if (since_poll < 0 || since_poll > HOUR)
		return HOUR;
	return since_poll < MINUTE ? MINUTE : since_poll;
}
