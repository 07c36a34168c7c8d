/* The rules of capture, each a table of situations: what a change is, whose fault an error is, when to try again. */
#include "capture_tests.h"

#include "between.h"
#include "capture/classify.h"
#include "capture/fault.h"
#include "core/retry.h"

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

	assert_int_equal(pythia_capture_unnoticed(0), 60 * second);
	assert_int_equal(pythia_capture_unnoticed(5 * second), 60 * second);
	assert_int_equal(pythia_capture_unnoticed(600 * second), 600 * second);
	assert_int_equal(pythia_capture_unnoticed(86400 * second), 3600 * second);
	assert_int_equal(pythia_capture_unnoticed(-1), 3600 * second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_classify), cmocka_unit_test(test_sweeps),
									   cmocka_unit_test(test_images),   cmocka_unit_test(test_faults),
									   cmocka_unit_test(test_retry),    cmocka_unit_test(test_clock_set_back)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
