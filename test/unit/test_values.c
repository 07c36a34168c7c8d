/* Values and types without a server: what a column can hold, whether two texts are one value, what comes out of a
 * number that is written short and is long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/json_canonical.h"
#include "core/memory.h"
#include "sync/create/create.h"
#include "value/convert.h"
#include "value/equal.h"
#include "value/limits.h"

#define PG   PYTHIA_POSTGRESQL
#define MY   PYTHIA_MYSQL
#define LITE PYTHIA_SQLITE

static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
							"0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
							"000000000000000000000000";

/* --- decimals ---------------------------------------------------------------- */

typedef struct decimal
{
	pythia_engine engine;
	const char *type;
	const char *value; /* # stands for 197 zeros */
	const char *clamp; /* NULL: the value fits */
} decimal;

static const decimal decimals[] = {
	{PG, "numeric(3,200)", "0.#999", NULL},        {PG, "numeric(3,200)", "-0.#0012", NULL},
	{PG, "numeric(3,200)", "0.#9994", NULL},       {PG, "numeric(3,200)", "0", NULL},
	{PG, "numeric(3,200)", "-0.00", NULL},         {PG, "numeric(3,200)", "1", "0.#999"},
	{PG, "numeric(3,200)", "-0.5", "-0.#999"},     {PG, "numeric(3,200)", "0.#9995", "0.#999"},
	{PG, "numeric(3,200)", "0.01", "0.#999"},      {PG, "numeric(3,-5)", "99900000", NULL},
	{PG, "numeric(3,-5)", "12345", NULL},          {PG, "numeric(3,-5)", "99949999.5", NULL},
	{PG, "numeric(3,-5)", "99950000", "99900000"}, {PG, "numeric(3,-5)", "-123456789", "-99900000"},
	{PG, "numeric(3,3)", "0.9994", NULL},          {PG, "numeric(3,3)", "0.9995", "0.999"},
	{PG, "numeric(3,3)", "0.0999", NULL},          {PG, "numeric(3,1)", "99.94", NULL},
	{PG, "numeric(3,1)", "-99.95", "-99.9"},       {PG, "numeric(3,1)", "99.895", NULL},
	{PG, "numeric(5,2)", "1000", "999.99"},        {PG, "numeric(1000,0)", "12", NULL},
	{PG, "numeric(150,150)", "0.5", NULL},         {PG, "numeric", "1", NULL},
	{MY, "decimal(5,2)", "999.994", NULL},         {MY, "decimal(5,2)", "999.995", "999.99"},
	{MY, "decimal(30,30)", "0.05", NULL},          {LITE, "DECIMAL(5,2)", "-1000", "-999.99"},
};

static void put_value(pythia_buffer *out, const char *text)
{
	pythia_buffer_clear(out);
	for (; *text != '\0'; text++)
	{
		if (*text == '#')
			pythia_buffer_append(out, zeros, 197);
		else
			pythia_buffer_putc(out, *text);
	}
}

static pythia_value_verdict judge(const decimal *d, pythia_policy policy, pythia_buffer *value, pythia_buffer *out)
{
	pythia_type from = {.kind = PYTHIA_KIND_DECIMAL, .precision = -1};
	pythia_type to;
	pythia_transform t = {.from = &from, .to = &to, .from_engine = PG, .to_engine = d->engine};
	pythia_value_verdict verdict;
	pythia_bad_value bad;

	t.policies.out_of_range = policy;
	pythia_dialect_for(d->engine)->parse_type(d->type, &to);
	assert_int_equal(to.kind, PYTHIA_KIND_DECIMAL);
	put_value(value, d->value);
	pythia_buffer_clear(out);
	verdict = pythia_limits_check(&t, value->data, value->length, out, &bad);
	pythia_type_free(&to);
	return verdict;
}

static void test_decimals(void **state)
{
	pythia_buffer value = PYTHIA_BUFFER_INIT;
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	(void) state;
	for (size_t i = 0; i < sizeof(decimals) / sizeof(decimals[0]); i++)
	{
		const decimal *d = &decimals[i];
		pythia_value_verdict null = judge(d, PYTHIA_POLICY_NULL, &value, &out);
		pythia_value_verdict error = judge(d, PYTHIA_POLICY_ERROR, &value, &out);
		pythia_value_verdict clamp = judge(d, PYTHIA_POLICY_CLAMP, &value, &out);
		bool fits = null == PYTHIA_VALUE_KEEP || null == PYTHIA_VALUE_CHANGED;

		if (fits != (d->clamp == NULL) || (fits && (error != null || clamp != null)))
			fail_msg("%s in %s: judged %d, %d, %d", d->value, d->type, null, error, clamp);
		if (fits)
			continue;
		assert_int_equal(null, PYTHIA_VALUE_NULL);
		assert_int_equal(error, PYTHIA_VALUE_BAD);
		assert_int_equal(clamp, PYTHIA_VALUE_CHANGED);
		put_value(&value, d->clamp);
		assert_string_equal(out.data, value.data);
	}
	pythia_buffer_free(&value);
	pythia_buffer_free(&out);
}

/* Digits that no server has are no type of it. */
static void test_decimal_types(void **state)
{
	static const decimal types[] = {
		{MY, "decimal(10,2000000000)", NULL, NULL}, {MY, "decimal(66,0)", NULL, NULL},
		{MY, "decimal(65,39)", NULL, NULL},         {MY, "decimal(2000000000,2)", NULL, NULL},
		{PG, "numeric(3,1001)", NULL, NULL},        {PG, "numeric(3,-1001)", NULL, NULL},
		{PG, "numeric(1001,0)", NULL, NULL},        {PG, "numeric(0,0)", NULL, NULL},
		{PG, "numeric(3,2000000000)", NULL, NULL},  {MY, "decimal(65,38)", "", NULL},
		{PG, "numeric(1000,1000)", "", NULL},       {PG, "numeric(1,-1000)", "", NULL},
		{MY, "decimal(20,4) unsigned", "", NULL},
	};
	pythia_type type;

	(void) state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		pythia_dialect_for(types[i].engine)->parse_type(types[i].type, &type);
		if ((type.kind == PYTHIA_KIND_DECIMAL) != (types[i].value != NULL) ||
			(type.native != NULL) != (types[i].value != NULL))
			fail_msg("%s is of kind %d", types[i].type, type.kind);
		pythia_type_free(&type);
	}
	/* to SQLite they are what somebody wrote */
	pythia_dialect_for(LITE)->parse_type("DECIMAL(10,2000000000)", &type);
	assert_int_equal(type.precision, -1);
	assert_int_equal(type.scale, 0);
	pythia_type_free(&type);
}

/* --- equality ---------------------------------------------------------------- */

typedef struct pair
{
	pythia_kind kind;
	const char *a;
	const char *b;
	bool equal;
} pair;

static const pair pairs[] = {
	{PYTHIA_KIND_DATE, "2024-01-01", "2024-01-01 00:00:00", true},
	{PYTHIA_KIND_DATE, "2024-01-01T10:00", "2024-01-01", true},
	{PYTHIA_KIND_DATE, "12020-01-01", "12020-01-01 00:00:00", true},
	{PYTHIA_KIND_DATE, "12020-01-01", "12020-01-09", false},
	{PYTHIA_KIND_DATE, "212020-01-01", "212020-01-19", false},
	{PYTHIA_KIND_DATE, "2024-01-01", "2024-01-011", false},
	{PYTHIA_KIND_DATE, "0044-03-15", "0044-03-15 BC", false},
	{PYTHIA_KIND_TIMESTAMP, "12020-01-01 00:00:01", "12020-01-01T00:00:01.0", true},
	{PYTHIA_KIND_TIMESTAMP, "12020-01-01 00:00:01", "12020-01-09 00:00:01", false},
	{PYTHIA_KIND_TIMESTAMP, "0044-03-15 00:00:00", "0044-03-15 00:00:00 BC", false},
	{PYTHIA_KIND_BOOL, "t", "1", true},
	{PYTHIA_KIND_BOOL, "f", "0", true},
	{PYTHIA_KIND_BOOL, "t", "0", false},
	{PYTHIA_KIND_JSON, "[1e99999, 12]", "[10e99998, 1.2E1]", true},
	{PYTHIA_KIND_JSON, "1e400000", "10e399999", true},
	{PYTHIA_KIND_JSON, "1e400000", "1e400001", false},
	{PYTHIA_KIND_JSON, "1e99999999999999999999", "1e99999999999999999998", false},
	{PYTHIA_KIND_JSON, "-0.0e7", "0", true},
	{PYTHIA_KIND_JSON, "-1.50e1", "-15", true},
};

static void test_equal(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		const pair *p = &pairs[i];
		const pythia_type agreed = {.kind = p->kind, .precision = -1, .length = -1};

		if (pythia_value_equal(&agreed, p->a, strlen(p->a), p->b, strlen(p->b), NULL) != p->equal ||
			pythia_value_equal(&agreed, p->b, strlen(p->b), p->a, strlen(p->a), NULL) != p->equal)
			fail_msg("%s and %s of kind %d: should be %d", p->a, p->b, p->kind, p->equal);
	}
}

/* A text of one NUL, which SQLite can hold. */
static void test_nul_is_no_truth(void **state)
{
	static const char *const truths[] = {"1", "t", "true", "0", "f", "false"};
	const pythia_type agreed = {.kind = PYTHIA_KIND_BOOL, .precision = -1, .length = -1};

	(void) state;
	for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++)
		assert_false(pythia_value_equal(&agreed, "", 1, truths[i], strlen(truths[i]), NULL));
}

/* --- short numbers of many digits ----------------------------------------------- */

/* A hundred thousand numbers of a hundred thousand digits each. */
static void test_json_numbers(void **state)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	(void) state;
	pythia_buffer_putc(&text, '[');
	for (int i = 0; i < 100000; i++)
		pythia_buffer_puts(&text, "1e99999,");
	pythia_buffer_puts(&text, "1]");
	assert_true(pythia_json_canonical(&out, text.data, text.length, PYTHIA_JSON_STYLE_VALUE));
	assert_true(out.length < 3 * text.length && out.capacity < 8 * text.length);
	pythia_buffer_free(&out);
	assert_true(pythia_json_canonical(&out, text.data, text.length, PYTHIA_JSON_STYLE_NORMALIZED));
	assert_true(out.length < 3 * text.length && out.capacity < 8 * text.length);
	pythia_buffer_free(&out);
	pythia_buffer_puts(&out, "before");
	assert_false(pythia_json_canonical(&out, text.data, text.length, PYTHIA_JSON_STYLE_JSONB));
	assert_string_equal(out.data, "before");
	assert_true(out.capacity < 64 * 1024 * 1024);
	pythia_buffer_free(&out);
	assert_true(pythia_json_equal(text.data, text.length, text.data, text.length, NULL));
	/* a hundred of them are what jsonb has */
	pythia_buffer_clear(&text);
	pythia_buffer_puts(&text, "{\"a\":[1");
	for (int i = 0; i < 100; i++)
		pythia_buffer_puts(&text, ",1e99999");
	pythia_buffer_puts(&text, "]}");
	assert_true(pythia_json_canonical(&out, text.data, text.length, PYTHIA_JSON_STYLE_JSONB));
	assert_int_equal(out.length, 10 + 100 * 100002);
	pythia_buffer_free(&text);
	pythia_buffer_free(&out);
}

static bool third_look(void *context)
{
	return ++*(int *) context == 3;
}

/* A long document is given up where the host says so. */
static void test_json_cancelled(void **state)
{
	int looks = 0;
	pythia_host host = {.context = &looks, .cancelled = third_look};
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	bool cancelled = false;

	(void) state;
	pythia_buffer_putc(&text, '[');
	for (int i = 0; i < 100000; i++)
		pythia_buffer_puts(&text, "{\"a\":1},");
	pythia_buffer_puts(&text, "1]");
	pythia_buffer_puts(&out, "before");
	assert_false(
		pythia_json_canonical_until(&out, text.data, text.length, PYTHIA_JSON_STYLE_NORMALIZED, &host, &cancelled));
	assert_true(cancelled);
	assert_int_equal(looks, 3);
	assert_string_equal(out.data, "before");
	/* nobody stops it any more */
	assert_true(
		pythia_json_canonical_until(&out, text.data, text.length, PYTHIA_JSON_STYLE_NORMALIZED, &host, &cancelled));
	pythia_buffer_free(&text);
	pythia_buffer_free(&out);
}

/* --- defaults ---------------------------------------------------------------- */

/* What is no number is never written bare, and no engine is handed bits without end. */
static void test_defaults(void **state)
{
	static const char *const bare[] = {"1; x", "0x1F", "1 OR 1", "--1", "1e", ""};
	static pythia_db server = {.engine = PYTHIA_POSTGRESQL};
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_default value = {.kind = PYTHIA_DEFAULT_NUMBER, .engine = PYTHIA_SQLITE};
	pythia_type number = {.kind = PYTHIA_KIND_DECIMAL, .precision = -1, .length = -1};
	pythia_type bits = {.kind = PYTHIA_KIND_BIT, .precision = -1, .length = 100000000};

	(void) state;
	for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++)
	{
		value.text = (char *) bare[i];
		if (pythia_default_ddl(&value, &server, &number, &out))
			fail_msg("%s was written as %s", bare[i], out.data);
	}
	value.text = (char *) "-1.5e3";
	assert_true(pythia_default_ddl(&value, &server, &number, &out));
	assert_string_equal(out.data, "-1.5e3");
	value = (pythia_default){.kind = PYTHIA_DEFAULT_BITS, .engine = PYTHIA_POSTGRESQL, .text = (char *) "1"};
	pythia_buffer_clear(&out);
	assert_false(pythia_default_ddl(&value, &server, &bits, &out));
	bits.length = 4096;
	assert_true(pythia_default_ddl(&value, &server, &bits, &out));
	assert_true(out.length > 4096 && out.length < 4200);
	pythia_buffer_free(&out);
}

/* --- texts that are read -------------------------------------------------------- */

static bool as_bool(const char *text, pythia_buffer *out)
{
	static const pythia_type from = {.kind = PYTHIA_KIND_TEXT};
	static const pythia_type to = {.kind = PYTHIA_KIND_BOOL};
	pythia_transform t = {.from = &from, .to = &to, .from_engine = PG, .to_engine = MY};
	pythia_bad_value bad = {0};

	pythia_buffer_clear(out);
	return pythia_convert_value(&t, text, strlen(text), out, &bad);
}

/* A word is read as a whole, not by its first letter. */
static void test_truth_of_texts(void **state)
{
	static const char *const read[][2] = {{"true", "1"}, {"t", "1"}, {"YES", "1"}, {"off", "0"},
										  {"no", "0"},   {"0", "0"}, {"15", "15"}, {"-1", "-1"}};
	static const char *const refused[] = {"Toronto", "none", "0.5", "yesterday", ""};
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	(void) state;
	for (size_t i = 0; i < sizeof(read) / sizeof(read[0]); i++)
	{
		if (!as_bool(read[i][0], &out))
			fail_msg("\"%s\" is no truth value", read[i][0]);
		assert_string_equal(pythia_buffer_text(&out), read[i][1]);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (as_bool(refused[i], &out))
			fail_msg("\"%s\" is read as %s", refused[i], out.data);
	pythia_buffer_free(&out);
}

/* The greatest real as PostgreSQL writes it is a little more than it. */
static void test_greatest_float(void **state)
{
	static const pythia_type real = {.kind = PYTHIA_KIND_FLOAT, .size = 4};
	pythia_transform t = {.from = &real, .to = &real, .from_engine = PG, .to_engine = PG};
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_bad_value bad;

	(void) state;
	t.policies.out_of_range = PYTHIA_POLICY_NULL;
	assert_int_equal(pythia_limits_check(&t, "3.4028235e+38", 13, &out, &bad), PYTHIA_VALUE_KEEP);
	assert_int_equal(pythia_limits_check(&t, "-3.4028235e+38", 14, &out, &bad), PYTHIA_VALUE_KEEP);
	assert_int_equal(pythia_limits_check(&t, "3.4028236e+38", 13, &out, &bad), PYTHIA_VALUE_NULL);
	pythia_buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_decimals),       cmocka_unit_test(test_decimal_types),
									   cmocka_unit_test(test_equal),          cmocka_unit_test(test_nul_is_no_truth),
									   cmocka_unit_test(test_json_numbers),   cmocka_unit_test(test_defaults),
									   cmocka_unit_test(test_json_cancelled), cmocka_unit_test(test_truth_of_texts),
									   cmocka_unit_test(test_greatest_float)};

	return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
