/* The rules of capture, each a table of situations: what a change is, whose fault an error is, when to try again. */
#include "capture_tests.h"

#include "between.h"
#include "capture/classify.h"
#include "capture/fault.h"
#include "capture/internal.h"
#include "core/epoch.h"
#include "core/json_scan.h"
#include "core/retry.h"
#include "low_water/mark.h"

/* Short, for the table. */
#define NONE      PYTHIA_TRACK_NONE
#define KEYS      PYTHIA_TRACK_KEYS
#define ROWS      PYTHIA_TRACK_ROWS
#define NEW       PYTHIA_VERSION_UNKNOWN
#define OTHER     PYTHIA_VERSION_OTHER
#define SAME      PYTHIA_VERSION_SAME
#define UNKNOWN   PYTHIA_IMAGE_UNKNOWN
#define EQUAL     PYTHIA_IMAGE_EQUAL
#define RESTAMPED PYTHIA_IMAGE_RESTAMPED
#define DIFFERENT PYTHIA_IMAGE_DIFFERENT

static void test_classify(void **state)
{
	static const struct
	{
		const char *name;
		pythia_situation is;
		pythia_verdict verdict;
		bool compares;
	} table[] = {
		{"a version read again", {KEYS, SAME, true, false, false, false, UNKNOWN}, PYTHIA_ROW_KNOWN, false},
		{"also while starting", {ROWS, SAME, true, true, true, true, DIFFERENT}, PYTHIA_ROW_KNOWN, false},
		{"there when it starts", {KEYS, NEW, false, true, false, false, UNKNOWN}, PYTHIA_ROW_REMEMBER, false},
		{"there when it starts, with images",
		 {ROWS, NEW, true, true, false, true, UNKNOWN},
		 PYTHIA_ROW_REMEMBER,
		 false},
		{"before the clock was set back",
		 {ROWS, OTHER, true, false, true, false, DIFFERENT},
		 PYTHIA_ROW_REMEMBER,
		 false},
		{"a new key", {KEYS, NEW, false, false, false, true, UNKNOWN}, PYTHIA_ROW_INSERT, false},
		{"a new key, with images", {ROWS, NEW, false, false, false, true, UNKNOWN}, PYTHIA_ROW_INSERT, false},
		{"a key that was deleted, and came again",
		 {KEYS, OTHER, false, false, false, false, UNKNOWN},
		 PYTHIA_ROW_INSERT,
		 false},
		{"a known key", {KEYS, NEW, true, false, false, false, UNKNOWN}, PYTHIA_ROW_UPDATE, false},
		{"a known key, only restamped", {KEYS, OTHER, true, false, false, false, RESTAMPED}, PYTHIA_ROW_UPDATE, false},
		{"another image", {ROWS, OTHER, true, false, false, false, DIFFERENT}, PYTHIA_ROW_UPDATE, true},
		{"only restamped", {ROWS, OTHER, true, false, false, false, RESTAMPED}, PYTHIA_ROW_REMEMBER, true},
		{"only restamped, long ago", {ROWS, NEW, true, false, false, false, RESTAMPED}, PYTHIA_ROW_REMEMBER, true},
		{"written as it was", {ROWS, OTHER, true, false, false, false, EQUAL}, PYTHIA_ROW_REMEMBER, true},
		{"no image to compare with", {ROWS, OTHER, true, false, false, false, UNKNOWN}, PYTHIA_ROW_UPDATE, true},
		{"nothing kept: as the row tells", {NONE, NEW, false, false, false, false, UNKNOWN}, PYTHIA_ROW_INSERT, false},
		{"nothing kept: made before it was stamped",
		 {NONE, NEW, false, false, false, true, UNKNOWN},
		 PYTHIA_ROW_UPDATE,
		 false},
		{"nothing kept: another version was told",
		 {NONE, OTHER, false, false, false, false, UNKNOWN},
		 PYTHIA_ROW_UPDATE,
		 false},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		if (pythia_classify(&table[i].is) != table[i].verdict)
			fail_msg("%s: verdict %d, not %d", table[i].name, pythia_classify(&table[i].is), table[i].verdict);
		if (pythia_classify_compares(&table[i].is) != table[i].compares)
			fail_msg("%s: images are %scompared", table[i].name, table[i].compares ? "not " : "");
	}
	assert_false(pythia_classify_logged(PYTHIA_TRACK_KEYS, PYTHIA_IMAGE_EQUAL));
	assert_true(pythia_classify_logged(PYTHIA_TRACK_KEYS, PYTHIA_IMAGE_RESTAMPED));
	assert_true(pythia_classify_logged(PYTHIA_TRACK_ROWS, PYTHIA_IMAGE_DIFFERENT));
	assert_true(pythia_classify_logged(PYTHIA_TRACK_ROWS, PYTHIA_IMAGE_UNKNOWN));
	assert_false(pythia_classify_logged(PYTHIA_TRACK_ROWS, PYTHIA_IMAGE_RESTAMPED));
}

static void test_sweeps(void **state)
{
	assert_int_equal(pythia_classify_sweep(0, false, false), PYTHIA_SWEEP_NOTHING);
	assert_int_equal(pythia_classify_sweep(5, false, false), PYTHIA_SWEEP_NOTHING);
	assert_int_equal(pythia_classify_sweep(0, true, false), PYTHIA_SWEEP_TRUNCATE);
	assert_int_equal(pythia_classify_sweep(0, true, true), PYTHIA_SWEEP_DELETES);
	assert_int_equal(pythia_classify_sweep(1, true, false), PYTHIA_SWEEP_DELETES);
}

static void test_images(void **state)
{
	static const struct
	{
		const char *old_image, *new_image, *stamp;
		pythia_likeness likeness;
	} table[] = {
		{"{\"a\": 1, \"at\": 2}", "{\"a\": 1, \"at\": 2}", "at", PYTHIA_IMAGE_EQUAL},
		{"{\"a\": 1, \"at\": 2}", "{\"a\": 1, \"at\": 33}", "at", PYTHIA_IMAGE_RESTAMPED},
		{"{\"at\": \"x, }\\\"\", \"a\": 1}", "{\"at\": null, \"a\": 1}", "at", PYTHIA_IMAGE_RESTAMPED},
		{"{\"a\": 1, \"at\": 2}", "{\"a\": 2, \"at\": 2}", "at", PYTHIA_IMAGE_DIFFERENT},
		{"{\"a\": 1, \"at\": 2}", "{\"a\": 2, \"at\": 3}", "at", PYTHIA_IMAGE_DIFFERENT},
		{"{\"a\": 1, \"at\": 2}", "{\"a\": 1, \"at\": 3, \"b\": 1}", "at", PYTHIA_IMAGE_DIFFERENT},
		/* a value that looks like the member is none, nor is one of a name within */
		{"{\"a\": \"\\\"at\\\": 1\", \"b\": 1}", "{\"a\": \"\\\"at\\\": 2\", \"b\": 1}", "at", PYTHIA_IMAGE_DIFFERENT},
		{"{\"a\": {\"at\": 1}}", "{\"a\": {\"at\": 2}}", "at", PYTHIA_IMAGE_DIFFERENT},
		{"{\"a\": {\"b\": [1, \"}\"]}, \"at\": [1]}", "{\"a\": {\"b\": [1, \"}\"]}, \"at\": [2]}", "at",
		 PYTHIA_IMAGE_RESTAMPED},
		{"{\"at2\": 1}", "{\"at2\": 2}", "at", PYTHIA_IMAGE_DIFFERENT},
		{"{\"a\\\"t\": 1}", "{\"a\\\"t\": 2}", "a\"t", PYTHIA_IMAGE_RESTAMPED},
		{"{\"a\": 1}", "{\"a\": 2}", NULL, PYTHIA_IMAGE_DIFFERENT},
		{NULL, "{\"a\": 2}", "a", PYTHIA_IMAGE_UNKNOWN},
		/* what a damaged store may hold */
		{"", "{\"at\": 1}", "at", PYTHIA_IMAGE_DIFFERENT},
		{"{\"at\": \"", "{\"at\": 1}", "at", PYTHIA_IMAGE_DIFFERENT},
		{"{\"a\": \"\\", "{\"at\": 1}", "at", PYTHIA_IMAGE_DIFFERENT},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		pythia_likeness is = pythia_image_likeness(table[i].old_image, table[i].new_image, table[i].stamp);

		if (is != table[i].likeness)
			fail_msg("%s and %s: %d, not %d", table[i].old_image, table[i].new_image, is, table[i].likeness);
	}
}

static void test_faults(void **state)
{
	static const struct
	{
		pythia_error_class class;
		const char *sqlstate;
		pythia_fault engine, server; /* of an error of the engine; of a server's error by its SQLSTATE alone */
	} table[] = {
		{PYTHIA_E_DATABASE, "42P01", PYTHIA_FAULT_TABLE, PYTHIA_FAULT_TABLE},
		{PYTHIA_E_USAGE, "42804", PYTHIA_FAULT_TABLE, PYTHIA_FAULT_TABLE},
		{PYTHIA_E_DATABASE, "42501", PYTHIA_FAULT_TABLE, PYTHIA_FAULT_TABLE},
		{PYTHIA_E_DATA, "22007", PYTHIA_FAULT_TABLE, PYTHIA_FAULT_TABLE},
		{PYTHIA_E_DATABASE, "23502", PYTHIA_FAULT_TABLE, PYTHIA_FAULT_TABLE},
		{PYTHIA_E_DATABASE, "0A000", PYTHIA_FAULT_TABLE, PYTHIA_FAULT_TABLE},
		{PYTHIA_E_DATABASE, "54000", PYTHIA_FAULT_TABLE, PYTHIA_FAULT_TABLE},
		{PYTHIA_E_DATABASE, "P0001", PYTHIA_FAULT_TABLE, PYTHIA_FAULT_TABLE},
		{PYTHIA_E_DATABASE, "XX001", PYTHIA_FAULT_TABLE, PYTHIA_FAULT_TABLE},
		{PYTHIA_E_DATABASE, "53100", PYTHIA_FAULT_SOURCE, PYTHIA_FAULT_SOURCE},
		{PYTHIA_E_DATABASE, "53200", PYTHIA_FAULT_SOURCE, PYTHIA_FAULT_SOURCE},
		{PYTHIA_E_CONNECT, "53300", PYTHIA_FAULT_SOURCE, PYTHIA_FAULT_SOURCE},
		{PYTHIA_E_LOST, "08006", PYTHIA_FAULT_SOURCE, PYTHIA_FAULT_SOURCE},
		{PYTHIA_E_LOST, "57P01", PYTHIA_FAULT_SOURCE, PYTHIA_FAULT_SOURCE},
		{PYTHIA_E_CONNECT, "57P03", PYTHIA_FAULT_SOURCE, PYTHIA_FAULT_SOURCE},
		{PYTHIA_E_DATABASE, "25006", PYTHIA_FAULT_SOURCE, PYTHIA_FAULT_SOURCE},
		{PYTHIA_E_TRANSIENT, "40001", PYTHIA_FAULT_SOURCE, PYTHIA_FAULT_SOURCE},
		{PYTHIA_E_TRANSIENT, "40P01", PYTHIA_FAULT_SOURCE, PYTHIA_FAULT_SOURCE},
		{PYTHIA_E_TRANSIENT, "55P03", PYTHIA_FAULT_SOURCE, PYTHIA_FAULT_SOURCE},
		{PYTHIA_E_DATABASE, "HV00L", PYTHIA_FAULT_SOURCE, PYTHIA_FAULT_SOURCE},
		{PYTHIA_E_CANCELLED, "57014", PYTHIA_FAULT_CANCEL, PYTHIA_FAULT_CANCEL},
		/* ended by the server it was sent to, as too slow */
		{PYTHIA_E_DATABASE, "57014", PYTHIA_FAULT_TABLE, PYTHIA_FAULT_CANCEL},
		{PYTHIA_E_DATABASE, "58030", PYTHIA_FAULT_OURS, PYTHIA_FAULT_OURS},
		{PYTHIA_E_INTERNAL, "XX000", PYTHIA_FAULT_OURS, PYTHIA_FAULT_OURS},
		/* engines that say no more of a statement's error */
		{PYTHIA_E_DATABASE, "HY000", PYTHIA_FAULT_TABLE, PYTHIA_FAULT_OURS},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		pythia_error error = PYTHIA_ERROR_INIT;

		pythia_fail(&error, table[i].class, table[i].sqlstate, "x");
		if (pythia_fault_of(&error) != table[i].engine)
			fail_msg("%s of the engine: %d, not %d", table[i].sqlstate, pythia_fault_of(&error), table[i].engine);
		if (pythia_fault_of_state(table[i].sqlstate) != table[i].server)
			fail_msg("%s: %d, not %d", table[i].sqlstate, pythia_fault_of_state(table[i].sqlstate), table[i].server);
		pythia_error_reset(&error);
	}
}

static void test_retry(void **state)
{
	pythia_retry retry = pythia_retry_growing(500, 1);
	int64_t bound = 500;

	for (int i = 0; i<40; i++, bound = bound * 2> PYTHIA_RETRY_CAP_MS ? PYTHIA_RETRY_CAP_MS : bound * 2)
		assert_between(pythia_retry_next(&retry), bound / 2, bound);
	assert_int_equal(bound, 300000);
}

static void test_clock_set_back(void **state)
{
	const int64_t second = 1000000;

	assert_int_equal(pythia_unnoticed(0), 60 * second);
	assert_int_equal(pythia_unnoticed(5 * second), 60 * second);
	assert_int_equal(pythia_unnoticed(600 * second), 600 * second);
	assert_int_equal(pythia_unnoticed(86400 * second), 3600 * second);
	assert_int_equal(pythia_unnoticed(-1), 3600 * second);
}

/* Of numbers that are times those to come are no less than the clock; of others they are greater than the greatest. */
static void test_numbers_now(void **state)
{
	const int64_t now = INT64_C(1796000000123456);
	const int64_t hour = INT64_C(3600);

	(void) state;
	assert_int_equal(pythia_epoch_now(now / 1000000 + hour, now), now / 1000000);
	assert_int_equal(pythia_epoch_now(now / 1000 + hour * 1000, now), now / 1000);
	assert_int_equal(pythia_epoch_now(now + hour * 1000000, now), now);
	assert_int_equal(pythia_epoch_now(now * 1000 + hour * 1000000000, now), now * 1000);
	for (int64_t unit = 1; unit <= 1000000; unit *= 1000)
	{
		int64_t past = now / (1000000 / unit) - hour * unit;

		assert_int_equal(pythia_epoch_now(past, now), past);
		past += 2 * 366 * 86400 * unit;
		assert_int_equal(pythia_epoch_now(past, now), past);
	}
	assert_int_equal(pythia_epoch_now(7, now), 7);
	assert_int_equal(pythia_epoch_now(INT64_MIN, now), INT64_MIN);
	assert_int_equal(pythia_epoch_now(INT64_MAX, now), INT64_MAX);
	assert_int_equal(pythia_epoch_now(INT64_MAX, INT64_C(253402300799999999)), INT64_MAX);
}

/* Whatever a source says that a value is: it stays within its place, and its line. */
static void test_values_that_are_none(void **state)
{
	static const struct
	{
		pythia_kind kind;
		char storage;
		bool whole;
		const char *value;
		const char *json;
	} table[] = {
		{PYTHIA_KIND_INT, 0, false, "-17", "-17"},
		{PYTHIA_KIND_INT, 0, false, "007", "7"},
		{PYTHIA_KIND_UINT, 0, false, "18446744073709551615", "18446744073709551615"},
		{PYTHIA_KIND_INT, 0, false, "7}}\n{\"table\":\"pay\"", "\"7}}\\n{\\\"table\\\":\\\"pay\\\"\""},
		{PYTHIA_KIND_UINT, 0, false, "x", "\"x\""},
		{PYTHIA_KIND_BOOL, 0, false, "1},", "\"1},\""},
		{PYTHIA_KIND_DOUBLE, 0, false, "NaN", "\"NaN\""},
		{PYTHIA_KIND_INT, 'i', false, "1},", "\"1},\""},
		{PYTHIA_KIND_TIMESTAMP, 0, false, "2026-01-01 00:00:00\"}", "\"2026-01-01 00:00:00\\\"}\""},
		{PYTHIA_KIND_JSON, 0, true, "{\"a\":\n[1, {}]}", "{\"a\": [1, {}]}"},
		{PYTHIA_KIND_JSON, 0, true, "{}},\"table\":{", "\"{}},\\\"table\\\":{\""},
		{PYTHIA_KIND_JSON, 'j', false, "1, 2", "\"1, 2\""},
		{PYTHIA_KIND_JSON, 'j', false, "", "\"\""},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
	{
		pythia_capture_column column = {.whole = table[i].whole};
		pythia_type type = {.kind = table[i].kind};
		pythia_field field = {(char *) table[i].value, strlen(table[i].value)};
		pythia_buffer out = PYTHIA_BUFFER_INIT;

		pythia_capture_json_field(&out, &column, &type, table[i].storage, &field);
		if (strcmp(pythia_buffer_text(&out), table[i].json) != 0)
			fail_msg("%s gives %s, not %s", table[i].value, pythia_buffer_text(&out), table[i].json);
		assert_true(pythia_json_valid(out.data, out.length));
		pythia_buffer_free(&out);
	}
}

static void test_json_that_is_none(void **state)
{
	static const char *const some[] = {"0",
									   "-1.5e+3",
									   " [ ] ",
									   "{}",
									   "\"\\u00e9\\\"\"",
									   "{\"a\":[1,{\"b\":null}],\"c\":true}",
									   "[[[]],[false]]",
									   "[\n1\t,\r2]"};
	static const char *const none[] = {"",          " ",          "01",         "+1",          "1.",    ".5",
									   "1e",        "nul",        "truex",      "[1,]",        "[,1]",  "[1 2]",
									   "{\"a\"}",   "{\"a\":}",   "{\"a\":1,}", "{1:2}",       "{a:1}", "[1}",
									   "{\"a\":1]", "1 2",        "[] []",      "[",           "{",     "\"",
									   "\"\n\"",    "\"\\x\"",    "\"\\u12\"",  "\"\\u12g4\"", "]",     "\"a\"b",
									   "[1],",      "{\"a\":1}}", "NaN",        "'a'"};
	pythia_buffer deep = PYTHIA_BUFFER_INIT;

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		if (!pythia_json_valid(some[i], strlen(some[i])))
			fail_msg("%s", some[i]);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (pythia_json_valid(none[i], strlen(none[i])))
			fail_msg("%s", none[i]);
	assert_false(pythia_json_valid("1\0", 2));
	assert_false(pythia_json_valid("\"a\0b\"", 5));
	for (int i = 0; i < 1000000; i++)
		pythia_buffer_putc(&deep, '[');
	assert_false(pythia_json_valid(deep.data, deep.length));
	for (int i = 0; i < 1000000; i++)
		pythia_buffer_putc(&deep, ']');
	assert_true(pythia_json_valid(deep.data, deep.length));
	pythia_buffer_free(&deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_classify),
									   cmocka_unit_test(test_sweeps),
									   cmocka_unit_test(test_images),
									   cmocka_unit_test(test_faults),
									   cmocka_unit_test(test_retry),
									   cmocka_unit_test(test_clock_set_back),
									   cmocka_unit_test(test_numbers_now),
									   cmocka_unit_test(test_values_that_are_none),
									   cmocka_unit_test(test_json_that_is_none)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
