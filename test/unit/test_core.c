/* Buffers, errors, numbers, JSON, options, names, back-off: the leaves. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/host.h"
#include "core/json.h"
#include "core/json_read.h"
#include "core/json_scan.h"
#include "core/memory.h"
#include "core/node.h"
#include "core/moment.h"
#include "core/number.h"
#include "core/references.h"
#include "core/retry.h"
#include "core/schema.h"
#include "core/stamp.h"
#include "core/suggest.h"
#include "dialect/short_name.h"

static uint64_t seed;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void test_buffer(void **state)
{
	pythia_buffer buffer = PYTHIA_BUFFER_INIT;
	char *text;

	(void) state;
	assert_string_equal(pythia_buffer_text(&buffer), "");
	text = pythia_buffer_take(&buffer);
	assert_string_equal(text, "");
	pythia_free(text);
	for (int i = 0; i < 1000; i++)
	{
		pythia_buffer_putc(&buffer, 'a');
		pythia_buffer_printf(&buffer, "%d,", i);
		assert_int_equal(buffer.data[buffer.length], 0);
		assert_true(buffer.length < buffer.capacity);
	}
	assert_memory_equal(buffer.data, "a0,a1,", 6);
	pythia_buffer_clear(&buffer);
	assert_string_equal(pythia_buffer_text(&buffer), "");
	pythia_buffer_hex(&buffer, "\x00\x0f\xff", 3);
	pythia_buffer_append(&buffer, "a\0b", 3);
	assert_int_equal(buffer.length, 9);
	assert_memory_equal(buffer.data, "000fffa\0b", 10);
	text = pythia_buffer_take(&buffer);
	assert_null(buffer.data);
	pythia_free(text);
	pythia_buffer_printf(&buffer, "%0200d", 7);
	assert_int_equal(buffer.length, 200);
	pythia_buffer_free(&buffer);
	assert_null(buffer.data);
}

static void test_error(void **state)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_error other = PYTHIA_ERROR_INIT;

	(void) state;
	/* what a server says may be no text, meant for a terminal, without end, or a success */
	pythia_fail(&error, PYTHIA_E_DATABASE, "00000",
				"a\x1b]0;t\x07\xff\xc2\x9b"
				"b\n\tc");
	assert_string_equal(error.message, "a\\x1b]0;t\\x07\\xff\\u009bb\n\tc");
	assert_string_equal(error.sqlstate, "XX000");
	pythia_fail(&error, PYTHIA_E_DATABASE, "4\n201", "%0*d", 1000000, 1);
	assert_true(strlen(error.message) < 70000);
	assert_string_equal(error.sqlstate, "XX000");
	assert_false(pythia_fail(&error, PYTHIA_E_DATA, "22003", "value %d", 7));
	assert_false(pythia_error_hint(&error, "Do %s.", "this"));
	assert_false(pythia_error_detail(&error, "A detail."));
	assert_false(pythia_error_context(&error, "in %s", "here"));
	assert_string_equal(error.message, "value 7");
	assert_string_equal(error.hint, "Do this.");
	assert_false(pythia_error_context(&error, "in %s", "there"));
	assert_string_equal(error.context, "in here\nin there");
	/* an argument may be one of the error's own texts */
	assert_false(pythia_error_hint(&error, "%s  And that.", error.hint));
	assert_string_equal(error.hint, "Do this.  And that.");
	assert_false(pythia_fail(&error, PYTHIA_E_DATABASE, "bad", "again: %s", error.message));
	assert_string_equal(error.message, "again: value 7");
	assert_string_equal(error.sqlstate, "XX000");
	assert_null(error.hint);
	assert_false(pythia_error_move(&other, &error));
	assert_null(error.message);
	assert_int_equal(error.error_class, PYTHIA_E_NONE);
	assert_string_equal(other.message, "again: value 7");
	assert_false(pythia_fail(NULL, PYTHIA_E_DATA, "22003", "nobody listens"));
	assert_false(pythia_error_hint(NULL, "or here"));
	assert_false(pythia_error_move(NULL, &other));
	assert_null(other.message);
	pythia_error_reset(&other);
	pythia_error_reset(NULL);
}

/* --- numbers ----------------------------------------------------------------- */

static void check_double(double value)
{
	char text[PYTHIA_DOUBLE_TEXT];
	char other[PYTHIA_DOUBLE_TEXT];
	int length = pythia_double_text(text, value);
	double back;

	assert_int_equal(length, strlen(text));
	assert_true(pythia_double_read(text, (size_t) length, &back));
	assert_memory_equal(&back, &value, sizeof(value));
	if (!isfinite(value))
		return;
	/* no decimal of fewer digits reads back */
	for (int digits = 1; digits <= 17; digits++)
	{
		int given = 0;
		const char *p = text;
		const char *last = NULL;

		snprintf(other, sizeof(other), "%.*e", digits - 1, value);
		if (strtod(other, NULL) != value)
			continue;
		while (*p == '-' || *p == '0' || *p == '.')
			p++;
		for (; *p && *p != 'e'; p++)
			if (*p != '.')
			{
				given++;
				if (*p != '0')
					last = p;
			}
		for (p = last; last && *p && *p != 'e'; p++)
			given -= *p == '0';
		if (value != 0)
		{
			if (given != digits)
				fail_msg("%s has %d digits, and %d would do: %s", text, given, digits, other);
		}
		break;
	}
}

static void test_doubles(void **state)
{
	static const double edges[] = {0.0,
								   -0.0,
								   0.1,
								   0.1 + 0.2,
								   1e15,
								   1e16,
								   123456789012345680.0,
								   5e-324,
								   1e-310,
								   1.7976931348623157e308,
								   2.2250738585072014e-308,
								   1e22,
								   1e23,
								   0.0001,
								   0.00001,
								   99999999.99999999,
								   1.0 / 3,
								   999999999999999.0,
								   4503599627370497.5};
	char text[PYTHIA_DOUBLE_TEXT];
	double value;

	(void) state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
	{
		check_double(edges[i]);
		check_double(-edges[i]);
		check_double(nextafter(edges[i], INFINITY));
	}
	for (int i = 0; i < 200000; i++)
	{
		uint64_t bits = draw();

		memcpy(&value, &bits, sizeof(value));
		if (isfinite(value))
			check_double(value);
		/* money, and measurements */
		check_double((double) (int64_t) (draw() % 2000000000) / 100);
		check_double((double) (int64_t) (draw() % 2000000000) / 1000000);
	}
	pythia_double_text(text, 12.5);
	assert_string_equal(text, "12.5");
	pythia_double_text(text, 3);
	assert_string_equal(text, "3");
	pythia_double_text(text, -0.0);
	assert_string_equal(text, "-0");
	pythia_double_text(text, NAN);
	assert_string_equal(text, "NaN");
	pythia_double_text(text, -INFINITY);
	assert_string_equal(text, "-Infinity");
	assert_true(pythia_double_read("NaN", 3, &value));
	assert_true(isnan(value));
	assert_true(pythia_double_read("-Infinity", 9, &value));
	assert_true(value < 0 && isinf(value));
	assert_false(pythia_double_read("", 0, &value));
	assert_false(pythia_double_read("-Infinit", 8, &value));
	assert_false(pythia_double_read("0x10", 4, &value));
	assert_false(pythia_double_read(" 1", 2, &value));
	assert_false(pythia_double_read("1\0", 2, &value));
	assert_false(pythia_double_read("1e", 2, &value));
}

/* An instant as text, and back: what was before 1970, too. */
static void test_instants(void **state)
{
	static const struct
	{
		const char *text;
		const char *written; /* NULL: no instant */
		int64_t microseconds;
	} cases[] = {
		{"1970-01-01 00:00:00.000000", "1970-01-01 00:00:00.000000", 0},
		{"1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999", -1},
		{"2026-01-31T23:59:59.5Z", "2026-01-31 23:59:59.500000", INT64_C(1769903999500000)},
		{"2026-01-31", "2026-01-31 00:00:00.000000", INT64_C(1769817600000000)},
		{"2024-02-29 7:05", "2024-02-29 07:05:00.000000", INT64_C(1709190300000000)},
		{"0001-01-01 00:00:00", "0001-01-01 00:00:00.000000", INT64_C(-62135596800000000)},
		{"99999-12-31 24:00:00", "100000-01-01 00:00:00.000000", INT64_C(3093527980800000000)},
		{"0000-01-01 00:00:00", NULL, 0},
		{"2026-13-01", NULL, 0},
		{"2026-00-01", NULL, 0},
		{"2026-01-32", NULL, 0},
		{"2026-01-01 25:01", NULL, 0},
		{"2026-01-01 noon", NULL, 0},
		{"-1", NULL, 0},
		{"", NULL, 0},
		{NULL, NULL, 0},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char text[PYTHIA_INSTANT_SIZE];
		int64_t microseconds = 0;
		bool is = pythia_instant_read(cases[i].text, &microseconds);

		if (is != (cases[i].written != NULL) || (is && microseconds != cases[i].microseconds))
			fail_msg("%s was read as %lld", cases[i].text, (long long) microseconds);
		if (is)
			assert_string_equal(pythia_instant_write(text, microseconds), cases[i].written);
	}
}

/* Read as the C library does, whatever the digits: random ones, and those midway between two doubles. */
static void test_reading_doubles(void **state)
{
	uint64_t bits = 88172645463325252U;

	(void) state;
	for (int i = 0; i < 300000; i++)
	{
		char text[64];
		double given, wanted;
		int length;

		bits ^= bits << 13;
		bits ^= bits >> 7;
		bits ^= bits << 17;
		switch (i % 4)
		{
			case 0:
				length = snprintf(text, sizeof(text), "%.17g", (double) (bits % 1000000000000U) / 999983.0);
				break;
			case 1:
				length = snprintf(text, sizeof(text), "-%u.%0*u", (unsigned) (bits % 1000), 1 + (int) (bits >> 60),
								  (unsigned) (bits >> 40) % 1000);
				break;
			case 2:
				length = snprintf(text, sizeof(text), "%llu", (unsigned long long) (bits >> bits % 20));
				break;
			default: /* 2^53 + m + 1/2 */
				length = snprintf(text, sizeof(text), "%llu",
								  (unsigned long long) ((((uint64_t) 1 << 53) + (bits >> 12)) * 2 + 1));
				break;
		}
		wanted = strtod(text, NULL);
		assert_true(pythia_double_read(text, (size_t) length, &given));
		if (memcmp(&given, &wanted, sizeof(given)) != 0)
			fail_msg("%s was read as %.17g", text, given);
	}
}

static void test_moments(void **state)
{
	static const char *const bad[] = {"2023-02-29 00:00:00",   "2024-02-30 00:00:00",  "1900-02-29 00:00:00",
									  "0000-01-01 00:00:00",   "2024-00-01 00:00:00",  "2024-13-01 00:00:00",
									  "2024-01-00 00:00:00",   "2024-01-01 24:00:00",  "2024-01-01 00:60:00",
									  "2024-01-01 00:00:60",   "2024-01-01T00:00:00",  "2024-01-01 00:00:00.",
									  "2024-01-01 00:00:00Z",  "2024-01-01",           "infinity",
									  "-024-01-01 00:00:00",   "10000-01-01 00:00:00", "2024-01-01 00:00:00.1234567",
									  "2024-01-01 00:00:00.1a"};
	pythia_moment moment;

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pythia_moment_stamp(bad[i], strlen(bad[i]), &moment));
	assert_true(pythia_moment_stamp("2024-02-29 23:59:58.0625", 24, &moment));
	assert_int_equal(pythia_moment_days(&moment), 8825);
	assert_int_equal(pythia_moment_micros(&moment), INT64_C(86398062500));
	assert_int_equal(moment.digits, 4);
	assert_true(pythia_moment_date("0001-01-01", 10, &moment));
	assert_int_equal(pythia_moment_days(&moment), -730119);
	assert_int_equal(pythia_moment_micros(&moment), 0);
	assert_true(pythia_moment_date("9999-12-31", 10, &moment));
	assert_int_equal(pythia_moment_days(&moment), 2921939);
}

static void test_integers(void **state)
{
	static const char *const bad[] = {
		"",   "-", "+", "1 ", " 1", "9223372036854775808", "-9223372036854775809", "1e3", "99999999999999999999999",
		"0x1"};
	int64_t value;

	(void) state;
	assert_true(pythia_int64_read("-9223372036854775808", 20, &value));
	assert_true(value == INT64_MIN);
	assert_true(pythia_int64_read("9223372036854775807", 19, &value));
	assert_true(value == INT64_MAX);
	assert_true(pythia_int64_read("+0012", 5, &value));
	assert_int_equal(value, 12);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pythia_int64_read(bad[i], strlen(bad[i]), &value));
	for (int i = 0; i < 10000; i++)
	{
		int64_t given = (int64_t) draw() >> (draw() % 64);
		char text[32];
		char own[32];
		int length = snprintf(text, sizeof(text), "%lld", (long long) given);

		assert_true(pythia_int64_read(text, (size_t) length, &value));
		assert_true(value == given);
		assert_int_equal(pythia_int64_text(own, given), length);
		assert_string_equal(own, text);
	}
}

/* --- JSON ----------------------------------------------------------------------- */

static void test_json(void **state)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_node *object = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);
	pythia_node *list = pythia_node_new(PYTHIA_NODE_ARRAY, "list", NULL);

	(void) state;
	pythia_json_string(&out, "a\"\\\n\r\t\b\f\x01\x7f/\xc3\xa4\xf0\x9f\x98\x80\0z", 19);
	assert_string_equal(out.data, "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\x7f/\xc3\xa4\xf0\x9f\x98\x80\\u0000z\"");
	/* what is not UTF-8 becomes the replacement character */
	pythia_buffer_clear(&out);
	pythia_json_string(&out,
					   "\xff"
					   "a\xc3\xe2\x82\xed\xa0\x80\xc0\x80\xf4\x90\x80\x80",
					   14);
	assert_int_equal(out.length, 2 + 1 + 13 * 3);
	assert_memory_equal(out.data,
						"\"\xef\xbf\xbd"
						"a\xef\xbf\xbd\xef\xbf\xbd",
						11);
	pythia_buffer_clear(&out);
	pythia_node_add(object, pythia_node_new(PYTHIA_NODE_NUMBER, "n", "1.50"));
	pythia_node_add(object, list);
	pythia_node_add(list, pythia_node_new(PYTHIA_NODE_STRING, NULL, "x\"y"));
	pythia_node_add(list, pythia_node_new(PYTHIA_NODE_NULL, NULL, NULL));
	pythia_node_add(list, pythia_node_new(PYTHIA_NODE_BOOL, NULL, "true"));
	pythia_node_add(object, pythia_node_new(PYTHIA_NODE_OBJECT, "empty", NULL));
	pythia_json_node(&out, object);
	assert_string_equal(out.data, "{\"n\": 1.50, \"list\": [\"x\\\"y\", null, true], \"empty\": {}}");
	pythia_node_free(object);
	pythia_buffer_free(&out);
}

static void test_json_number(void **state)
{
	static const char *const numbers[] = {"0", "-0", "7", "-12.50", "1e5", "1.5E-07", "0.0", "10"};
	static const char *const none[] = {"",   "-",   "007", "+1",  "1-2", "1.", ".5",  "1.2.3",
									   "1e", "1e+", "NaN", "1 2", " 1",  "1 ", "1\n", "Infinity"};

	(void) state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!pythia_json_is_number(numbers[i], strlen(numbers[i])))
			fail_msg("%s", numbers[i]);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (pythia_json_is_number(none[i], strlen(none[i])))
			fail_msg("%s", none[i]);
	assert_false(pythia_json_is_number("1\0", 2));
}

static void check_foreign(const char *json, const char *expected)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&out, "\n");
	pythia_json_foreign(&out, json, strlen(json));
	assert_string_equal(out.data + 1, expected);
	/* what was there before is not its */
	assert_int_equal(out.data[0], '\n');
	pythia_buffer_free(&out);
}

static void check_read(const char *json, const char *twice)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_node *node;
	char expected[100];

	if (pythia_json_read("options", json, &node, &error) == (twice != NULL))
		fail_msg("%s", json);
	if (twice)
	{
		snprintf(expected, sizeof(expected), "options holds \"%s\" twice", twice);
		assert_null(node);
		assert_int_equal(error.error_class, PYTHIA_E_USAGE);
		assert_string_equal(error.sqlstate, "22023");
		assert_string_equal(error.message, expected);
		assert_non_null(error.hint);
	}
	pythia_error_reset(&error);
	pythia_node_free(node);
}

static void test_json_names(void **state)
{
	(void) state;
	check_read("{\"a\": 1, \"b\": {\"a\": 1}, \"A\": [\"a\", \"a\"], \"\": {}}", NULL);
	check_read("{\"a\": 1, \"b\": 2, \"a\": 1}", "a");
	check_read("{\"a\": 1, \"\\u0061\": 2}", "a");
	check_read("[{\"x\": {\"c\": null, \"c\": null}}]", "c");
}

static void test_bool(void **state)
{
	bool value = false;

	(void) state;
	assert_true(pythia_bool_read("Yes", &value) && value);
	assert_true(pythia_bool_read("on", &value) && value);
	assert_true(pythia_bool_read("1", &value) && value);
	assert_true(pythia_bool_read("TRUE", &value) && value);
	assert_true(pythia_bool_read("off", &value) && !value);
	assert_true(pythia_bool_read("no", &value) && !value);
	assert_true(pythia_bool_read("0", &value) && !value);
	assert_true(pythia_bool_read("false", &value) && !value);
	assert_false(pythia_bool_read("", &value) || value);
	assert_false(pythia_bool_read("2", &value) || value);
	assert_false(pythia_bool_read("y", &value) || value);
}

static void test_json_foreign(void **state)
{
	(void) state;
	check_foreign("[1,\n{\"forged\":\t1}\r\n,2]", "[1, {\"forged\": 1}  ,2]");
	check_foreign("{\"a\": \"b\\nc\"}", "{\"a\": \"b\\nc\"}");
	check_foreign("1} \n{", "\"1} \\n{\"");
	check_foreign("", "\"\"");
}

/* --- options --------------------------------------------------------------------- */

static pythia_node *options(const char *name, pythia_node_type type, const char *text)
{
	pythia_node *object = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);

	pythia_node_add(object, pythia_node_new(type, name, text));
	return object;
}

static void check_seconds(const char *text, double expected)
{
	pythia_node *object = options("t", PYTHIA_NODE_STRING, text);
	pythia_error error = PYTHIA_ERROR_INIT;
	double value = -1;
	bool good = pythia_node_seconds(object, "t", &value, &error);

	if (expected < 0)
	{
		if (good)
			fail_msg("\"%s\" was taken as %g seconds", text, value);
		assert_string_equal(error.sqlstate, "22023");
		assert_non_null(strstr(error.message, "\"t\""));
		assert_non_null(error.hint);
	}
	else
	{
		if (!good)
			fail_msg("%s", error.message);
		assert_true(fabs(value - expected) < 1e-9);
	}
	pythia_error_reset(&error);
	pythia_node_free(object);
}

static void test_seconds(void **state)
{
	(void) state;
	check_seconds("5", 5);
	check_seconds("0.25", 0.25);
	check_seconds("500 ms", 0.5);
	check_seconds("2s", 2);
	check_seconds("5 min", 300);
	check_seconds("1 h", 3600);
	check_seconds("1 day", 86400);
	check_seconds("1 day 02:03:04.5", 86400 + 7384.5);
	check_seconds("00:00:05", 5);
	check_seconds("1 hour 30 minutes", 5400);
	check_seconds("1e-06", 1e-6);
	check_seconds("1.5e+2 ms", 0.15);
	check_seconds("2E1", 20);
	check_seconds("1 e", -1);
	check_seconds("1e", -1);
	check_seconds("1e-", -1);
	check_seconds("", -1);
	check_seconds("soon", -1);
	check_seconds("-1 s", -1);
	check_seconds("5 parsecs", -1);
	check_seconds("1 2", -1);
	check_seconds("00:61", -1);
	check_seconds("5 s later", -1);
}

static void test_options(void **state)
{
	static const char *const known[] = {"batch_size", "mode", NULL};
	static const char *const modes[] = {"incremental", "full", NULL};
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_node *object;
	const char *text = "before";
	int64_t number = 7;
	bool flag = true;
	int choice = -1;

	(void) state;
	/* absent and null leave the default */
	object = options("mode", PYTHIA_NODE_NULL, NULL);
	assert_true(pythia_node_text(object, "mode", &text, &error));
	assert_true(pythia_node_text(NULL, "mode", &text, &error));
	assert_true(pythia_node_choice(object, "other", modes, &choice, &error));
	assert_string_equal(text, "before");
	assert_int_equal(choice, -1);
	pythia_node_free(object);

	object = options("mode", PYTHIA_NODE_STRING, "fulll");
	assert_false(pythia_node_choice(object, "mode", modes, &choice, &error));
	assert_non_null(strstr(error.message, "\"fulll\""));
	assert_string_equal(error.hint, "It takes \"incremental\" or \"full\".");
	assert_true(pythia_node_only(object, known, "sync_config option", &error));
	pythia_node_free(object);

	object = options("batchsize", PYTHIA_NODE_NUMBER, "10");
	assert_false(pythia_node_only(object, known, "sync_config option", &error));
	assert_int_equal(error.error_class, PYTHIA_E_USAGE);
	assert_string_equal(error.sqlstate, "22023");
	assert_string_equal(error.message, "unknown sync_config option \"batchsize\"");
	assert_string_equal(error.hint, "Perhaps you meant \"batch_size\".");
	assert_true(pythia_node_int(object, "batchsize", 1, 100, &number, &error));
	assert_int_equal(number, 10);
	assert_false(pythia_node_int(object, "batchsize", 11, 100, &number, &error));
	assert_string_equal(error.hint, "It takes a whole number from 11 to 100.");
	assert_false(pythia_node_text(object, "batchsize", &text, &error));
	assert_false(pythia_node_bool(object, "batchsize", &flag, &error));
	pythia_node_free(object);

	object = options("x", PYTHIA_NODE_NUMBER, "1.5");
	assert_false(pythia_node_int(object, "x", 0, INT64_MAX, &number, &error));
	assert_false(pythia_node_only(object, known, "sync_config option", &error));
	assert_string_equal(error.hint, "Known options are: batch_size, mode.");
	pythia_node_free(object);

	object = options("f", PYTHIA_NODE_BOOL, "false");
	assert_true(pythia_node_bool(object, "f", &flag, &error));
	assert_false(flag);
	pythia_node_free(object);

	object = pythia_node_new(PYTHIA_NODE_STRING, NULL, "not an object");
	assert_false(pythia_node_only(object, known, "sync_config option", &error));
	pythia_node_free(object);
	pythia_error_reset(&error);
}

static void test_suggest(void **state)
{
	static const char *const words[] = {"orders", "order_items", "users", "products"};

	(void) state;
	assert_string_equal(pythia_suggest("order", words, 4), "orders");
	assert_string_equal(pythia_suggest("USRES", words, 4), "users");
	assert_string_equal(pythia_suggest("order_item", words, 4), "order_items");
	assert_null(pythia_suggest("customers", words, 4));
	assert_null(pythia_suggest("x", words, 0));
}

/* --- the rest --------------------------------------------------------------------- */

static void test_retry(void **state)
{
	pythia_retry retry = {0, 5, 100, 1000, 42};
	pythia_retry same = retry;
	int64_t bound = 100;

	(void) state;
	for (int i = 0; i < 5; i++)
	{
		int64_t delay = pythia_retry_next(&retry);

		assert_true(delay >= bound / 2 && delay <= bound);
		assert_int_equal(delay, pythia_retry_next(&same));
		bound = bound * 2 > 1000 ? 1000 : bound * 2;
	}
	assert_int_equal(pythia_retry_next(&retry), -1);
	pythia_retry_reset(&retry);
	assert_true(pythia_retry_next(&retry) <= 100);
	retry.max_attempts = 0;
	for (int i = 0; i < 1000; i++)
	{
		int64_t delay = pythia_retry_next(&retry);

		assert_true(delay >= 50 && delay <= 1000);
	}
}

static void test_schema(void **state)
{
	pythia_column columns[] = {{.name = "id"}, {.name = "Name"}, {.name = "NAME"}};
	pythia_table table = {.columns = columns, .ncolumns = 3};
	pythia_type type = {.kind = PYTHIA_KIND_ENUM, .native = pythia_strdup("enum('a','it''s')")};
	pythia_type copy;

	(void) state;
	pythia_type_add_label(&type, "a");
	pythia_type_add_label(&type, "it's");
	assert_int_equal(pythia_table_column(&table, "id"), 0);
	assert_int_equal(pythia_table_column(&table, "ID"), 0);
	assert_int_equal(pythia_table_column(&table, "NAME"), 2);
	assert_int_equal(pythia_table_column(&table, "name"), -1);
	assert_int_equal(pythia_table_column(&table, "other"), -1);
	pythia_type_copy(&copy, &type);
	pythia_type_free(&type);
	assert_int_equal(copy.nlabels, 2);
	assert_string_equal(copy.labels[1], "it's");
	pythia_type_free(&copy);
	for (int kind = 0; kind < PYTHIA_KIND_OTHER; kind++)
		assert_string_not_equal(pythia_kind_name((pythia_kind) kind), "other");
}

/* Against the rule itself, taken literally. */
static void test_parents_first(void **state)
{
	enum
	{
		MOST = 12
	};

	(void) state;
	seed = 20261129;
	for (int round = 0; round < 2000; round++)
	{
		pythia_reference references[MOST * 3];
		int order[MOST] = {0};
		bool placed[MOST] = {false};
		int count = 1 + (int) (draw() >> 33) % MOST;
		int n = (int) (draw() >> 33) % (MOST * 3);

		for (int k = 0; k < n; k++)
		{
			references[k].from = (int) (draw() >> 33) % count;
			references[k].to = (int) (draw() >> 33) % count;
		}
		pythia_parents_first(count, references, n, order);
		for (int at = 0; at < count; at++)
		{
			int wanted = -1;
			int left = -1;

			for (int i = count - 1; i >= 0; i--)
			{
				bool is_free = !placed[i];

				for (int k = 0; k < n; k++)
					is_free = is_free && (references[k].from != i || references[k].to == i || placed[references[k].to]);
				wanted = is_free ? i : wanted;
				left = !placed[i] ? i : left;
			}
			assert_int_equal(order[at], wanted >= 0 ? wanted : left);
			placed[order[at]] = true;
		}
	}
}

static void test_host(void **state)
{
	const pythia_host *host = pythia_default_host();
	int fds[2];
	int64_t start = pythia_host_now(host);

	(void) state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pythia_host_wait(host, fds[0], PYTHIA_WAIT_READ, 20), PYTHIA_WAIT_TIMEOUT);
	assert_true(pythia_host_now(NULL) - start >= 19000);
	assert_int_equal(pythia_host_wait(host, fds[1], PYTHIA_WAIT_WRITE, -1), PYTHIA_WAIT_READY);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(pythia_host_wait(NULL, fds[0], PYTHIA_WAIT_READ, -1), PYTHIA_WAIT_READY);
	assert_int_equal(pythia_host_wait(host, -1, 0, 1), PYTHIA_WAIT_TIMEOUT);
	pythia_cancel_requested = 1;
	assert_true(pythia_host_cancelled(host));
	assert_int_equal(pythia_host_wait(host, fds[0], PYTHIA_WAIT_READ, -1), PYTHIA_WAIT_CANCELLED);
	pythia_cancel_requested = 0;
	assert_false(pythia_host_cancelled(NULL));
	close(fds[0]);
	close(fds[1]);
}

static void test_whole_number(void **state)
{
	static const char *const none[] = {"", "-1", "+1", " 1", "1 ", "1x", "0x1", "101", "9223372036854775808", "1.0"};
	int64_t number;

	(void) state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(pythia_whole_number(none[i], 100, &number));
	assert_true(pythia_whole_number("0100", 100, &number));
	assert_int_equal(number, 100);
}

/* In a message that quotes it. */
static void test_name_shown(void **state)
{
	static const char *const names[][2] = {{"users", "users"},           {"app.users", "app.users"},
										   {"\"S\".\"la b\"", "S.la b"}, {"`x`.y", "x.y"},
										   {"\"a\"\"b\"", "a\"b"},       {"\"unclosed", "\"unclosed"}};
	char room[PYTHIA_NAME_ROOM];

	(void) state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(pythia_name_shown(names[i][0], room), names[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffer),      cmocka_unit_test(test_whole_number), cmocka_unit_test(test_error),
		cmocka_unit_test(test_doubles),     cmocka_unit_test(test_instants),     cmocka_unit_test(test_reading_doubles),
		cmocka_unit_test(test_moments),     cmocka_unit_test(test_integers),     cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_number), cmocka_unit_test(test_json_foreign), cmocka_unit_test(test_json_names),
		cmocka_unit_test(test_bool),        cmocka_unit_test(test_seconds),      cmocka_unit_test(test_options),
		cmocka_unit_test(test_suggest),     cmocka_unit_test(test_retry),        cmocka_unit_test(test_schema),
		cmocka_unit_test(test_host),        cmocka_unit_test(test_name_shown),   cmocka_unit_test(test_parents_first),
	};
	const char *given = getenv("PYTHIA_TEST_SEED");

	seed = given ? strtoull(given, NULL, 10) : 88172645463325252;
	return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
