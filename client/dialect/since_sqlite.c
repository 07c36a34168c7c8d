/*
 * Which stamps of a SQLite column are of a time or later.  It holds what it is given: of one column some may be written
 * with a blank and some with a T, with a zone or without, as a day alone, as text or as a number.  Each of them is found
 * by a range of an index, and the planner is told that few rows are in it: else it reads all of them in order.
 */
#include <string.h>

#include "core/epoch.h"
#include "core/number.h"
#include "core/stamp.h"
#include "dialect/dialect_internal.h"

/* Of a day; more than what rounding may take off. */
#define A_MOMENT 0.0000001

static void put_range(pythia_buffer *out, const char *column, long long from, const char *to)
{
	pythia_buffer_printf(out, " OR (likelihood(%s >= %lld, 0.0001) AND %s %s)", column, from, column, to);
}

void pythia_sqlite_since(pythia_buffer *out, const pythia_column *column, const char *low, bool local)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	char at[PYTHIA_INSTANT_SIZE];
	char early[PYTHIA_INSTANT_SIZE];
	int64_t instant;
	int64_t seconds;

	pythia_dialect_for(PYTHIA_SQLITE)->identifier(&name, column->name);
	/* years before 1 and of five digits are not told apart by it: all of them are read */
	if (!pythia_instant_read(low, &instant) || low[4] != '-')
		instant = -62135596800 * PYTHIA_SECOND;
	pythia_instant_write(at, instant)[19] = '\0';
	/* within the day blanks come before letters, a day alone is as late as its end */
	at[10] = ' ';
	pythia_buffer_printf(out, "((likelihood(%s >= '%s', 0.0001) AND %s < '%.10sT')", name.data, at, name.data, at);
	pythia_buffer_printf(out, " OR %s = '%.10s'", name.data, at);
	/* a minute alone likewise, whatever its zone */
	for (const char *between = " T"; *between; between++)
		pythia_buffer_printf(out, " OR (likelihood(%s >= '%.10s%c%.5s', 0.0001) AND %s < '%.10s%c%.5s:')", name.data,
							 at, *between, at + 11, name.data, at, *between, at + 11);
	at[10] = 'T';
	pythia_buffer_printf(out, " OR likelihood(%s >= '%s', 0.0001)", name.data, at);
	/* one written west of Greenwich reads less than it is; what says its zone may do so where others are local */
	pythia_instant_write(early, pythia_subtract(instant, (local ? 2 : 1) * PYTHIA_FARTHEST_ZONE))[10] = '\0';
	pythia_buffer_printf(out, " OR (likelihood(%s >= '%s', 0.0001) AND %s < '%s' AND substr(%s, 17) GLOB '*[%s]*')",
						 name.data, early, name.data, at, name.data, local ? "-+Z" : "-");
	/* numbers are of UTC, and `low` may be of another zone */
	seconds = pythia_subtract(instant, local ? PYTHIA_FARTHEST_ZONE : 0);
	seconds = seconds < 0 ? 0 : seconds / PYTHIA_SECOND;
	/* a column of texts would compare the numbers as texts, which are less than any day */
	if (pythia_sqlite_affinity(&column->type) != 'T')
	{
		pythia_buffer_printf(out, " OR (likelihood(%s >= %.8f, 0.0001) AND %s < %.1f)", name.data,
							 pythia_julian_day(seconds * PYTHIA_SECOND) - A_MOMENT, name.data, PYTHIA_JULIAN_DAYS);
		put_range(out, name.data, seconds, "< 100000000000");
		put_range(out, name.data, seconds * 1000, "< 100000000000000");
		put_range(out, name.data, seconds * PYTHIA_SECOND, "<= 9223372036854775807");
	}
	/* numbers in a column of texts */
	pythia_buffer_printf(out, " OR (likelihood(%s >= '%lld', 0.0001) AND %s < '2'))", name.data, (long long) seconds,
						 name.data);
	pythia_buffer_free(&name);
}
