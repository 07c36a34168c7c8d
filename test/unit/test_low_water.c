/* The rules of the low-water mark: how far everything has been seen, and which numbers may be believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/stamp.h"
#include "low_water/mark.h"
#include "low_water/zone.h"

#define NOW INT64_C(1796000000000000)

static void test_seen_until(void **state)
{
	static const struct
	{
		const char *name;
		pythia_engine engine;
		pythia_clock clock;
		double lookback;
		int64_t until;
	} table[] = {
		{"nobody's transaction is open", PYTHIA_POSTGRESQL, {NOW, NOW, 0, false}, -1, NOW - PYTHIA_SECOND},
		{"in whole seconds", PYTHIA_MYSQL, {NOW, NOW, 0, false}, -1, NOW - 2 * PYTHIA_SECOND},
		{"one is open", PYTHIA_SQLITE, {NOW, NOW - 9 * PYTHIA_SECOND, 0, false}, -1, NOW - 10 * PYTHIA_SECOND},
		{"as configured", PYTHIA_MYSQL, {NOW, NOW, 0, false}, 0.5, NOW - PYTHIA_SECOND / 2},
		{"of unknown age", PYTHIA_MYSQL, {NOW, PYTHIA_OPEN_HELD, 0, false}, 5, PYTHIA_OPEN_HELD},
		{"unseen", PYTHIA_POSTGRESQL, {NOW, PYTHIA_OPEN_UNKNOWN, 0, false}, -1, NOW - 60 * PYTHIA_SECOND},
		{"unseen, configured", PYTHIA_POSTGRESQL, {NOW, PYTHIA_OPEN_UNKNOWN, 0, false}, 0, NOW},
		{"of a replica that lags",
		 PYTHIA_MYSQL,
		 {NOW, PYTHIA_OPEN_UNKNOWN, 7 * PYTHIA_SECOND, false},
		 -1,
		 NOW - 67 * PYTHIA_SECOND},
		{"a lookback without end", PYTHIA_POSTGRESQL, {INT64_MIN + 5, INT64_MIN + 5, 0, false}, 100, INT64_MIN},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (pythia_seen_until(table[i].engine, &table[i].clock, table[i].lookback) != table[i].until)
			fail_msg("%s: %lld", table[i].name,
					 (long long) pythia_seen_until(table[i].engine, &table[i].clock, table[i].lookback));
}

static void test_number_mark(void **state)
{
	static const struct
	{
		const char *name;
		const char *low;
		const char *greatest;
		int64_t read_at;
		int64_t until;
		const char *mark;
	} table[] = {
		{"nothing yet", NULL, NULL, 0, NOW, NULL},
		{"an empty table later", "7", NULL, 0, NOW, "7"},
		{"the first that may be believed", NULL, "5", NOW - 1, NOW, "5"},
		{"those of its time have not ended", "3", "5", NOW + 1, NOW, "3"},
		{"they have", "3", "5", NOW, NOW, "5"},
		{"one of unknown age is open", "3", "5", NOW - 1, PYTHIA_OPEN_HELD, "3"},
		{"rows were deleted", "9", "5", NOW - 1, NOW, "9"},
		{"seconds of the clock", "3", "1795999999", NOW - 1, NOW, "1795999997"},
		{"of a clock ahead of the server's", "3", "1796000500", NOW - PYTHIA_SECOND, NOW, "1795999997"},
		{"beyond 64 bits", NULL, "18446744073709551615", NOW - 1, NOW, "18446744073709551615"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		char *mark = pythia_number_mark(table[i].low, table[i].greatest, table[i].read_at, table[i].until, 2);

		if ((mark == NULL) != (table[i].mark == NULL) || (mark != NULL && strcmp(mark, table[i].mark) != 0))
			fail_msg("%s: %s", table[i].name, mark != NULL ? mark : "none");
		pythia_free(mark);
	}
}

/* Clocks that are put back by an hour, and by two, half past the instant. */
static void test_zone(void **state)
{
	int64_t offsets[PYTHIA_ZONE_STEPS];
	int64_t hour = 4 * PYTHIA_ZONE_STEP;
	int64_t start = 100 * PYTHIA_ZONE_STEP;

	(void) state;
	assert_int_equal(pythia_zone_start(start + 5), start);
	assert_int_equal(pythia_zone_start(-5), -PYTHIA_ZONE_STEP);
	for (int back = 0; back <= 2; back++)
	{
		for (int i = 0; i < PYTHIA_ZONE_STEPS; i++)
			offsets[i] = i < 2 ? 2 * hour : (2 - back) * hour;
		assert_int_equal(pythia_zone_least(start + 5, offsets),
						 back == 0 ? start + 5 + 2 * hour : start + hour / 2 + (2 - back) * hour);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_seen_until), cmocka_unit_test(test_number_mark),
									   cmocka_unit_test(test_zone)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
