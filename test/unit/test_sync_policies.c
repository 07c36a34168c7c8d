/*
 * Values that the target cannot hold: an error unless told otherwise, and then each word of each policy, in each
 * engine that cannot.  Nothing is changed that the target can hold.
 */
#include "sync_tests.h"

typedef struct policy_case
{
	int from;
	const char *type;
	const char *value;
	int to;
	const char *target_type;
	const char *policy;
	const char *clamp; /* what is stored by these words; "error" where the word has no meaning */
	const char *replace;
} policy_case;

#define MARK          "\xEF\xBF\xBD"
#define TIMESTAMP_END "the last of TIMESTAMP" /* which depends on the server */

static const policy_case cases[] = {
	{MY, "date", "'0000-00-00'", PG, "date", "zero_date", "0001-01-01", "1970-01-01"},
	{MY, "date", "'2024-02-00'", PG, "date", "zero_date", "0001-01-01", "1970-01-01"},
	{MY, "datetime", "'2024-00-10 00:00:00'", PG, "timestamp", "zero_date", "0001-01-01 00:00:00",
	 "1970-01-01 00:00:00"},
	{MY, "timestamp NULL", "'0000-00-00 00:00:00'", PG, "timestamp", "zero_date", "0001-01-01 00:00:00",
	 "1970-01-01 00:00:00"},
	{PG, "date", "'infinity'", MY, "date", "infinity", "9999-12-31", "9999-12-31"},
	{PG, "date", "'-infinity'", MY, "date", "infinity", "0001-01-01", "0001-01-01"},
	{PG, "timestamp", "'infinity'", MY, "datetime(6)", "infinity", "9999-12-31 23:59:59.999999",
	 "9999-12-31 23:59:59.999999"},
	{PG, "timestamp", "'infinity'", MY, "datetime(2)", "infinity", "9999-12-31 23:59:59.99", "9999-12-31 23:59:59.99"},
	{PG, "timestamptz", "'-infinity'", MY, "timestamp NULL", "infinity", "1970-01-01 00:00:01", "1970-01-01 00:00:01"},
	{PG, "float8", "'NaN'", MY, "double", "nan", "0", "0"},
	{PG, "numeric", "'NaN'", MY, "decimal(10,2)", "nan", "0.00", "0.00"},
	{PG, "float8", "'NaN'", LITE, "DOUBLE", "nan", "0", "0"},
	{MY, "text", "'a\\0b'", PG, "text", "nul_byte", "a", "a" MARK "b"},
	{LITE, "TEXT", "CAST(x'610062' AS TEXT)", PG, "varchar(5)", "nul_byte", "a", "a" MARK "b"},
	{LITE, "TEXT", "CAST(x'61ff62' AS TEXT)", PG, "text", "bad_utf8", "a", "a" MARK "b"},
	{LITE, "TEXT", "CAST(x'61ff62' AS TEXT)", MY, "varchar(20)", "bad_utf8", "a", "a" MARK "b"},
	/* both at once: one policy is given beside the one that varies */
	{LITE, "TEXT", "CAST(x'61ff0062' AS TEXT)", PG, "varchar(4)", "nul_byte\": \"replace\", \"bad_utf8", "a",
	 "a" MARK MARK "b"},
	{LITE, "TEXT", "CAST(x'61ff0062' AS TEXT)", PG, "text", "bad_utf8\": \"replace\", \"nul_byte", "a" MARK,
	 "a" MARK MARK "b"},
	{PG, "integer", "300", MY, "tinyint", "out_of_range", "127", "127"},
	{PG, "integer", "-5", MY, "int unsigned", "out_of_range", "0", "0"},
	{PG, "bigint", "-3000000000", PG, "integer", "out_of_range", "-2147483648", "-2147483648"},
	{MY, "bigint unsigned", "18446744073709551615", PG, "bigint", "out_of_range", "9223372036854775807",
	 "9223372036854775807"},
	{MY, "bigint unsigned", "18446744073709551615", LITE, "INTEGER", "out_of_range", "9223372036854775807",
	 "9223372036854775807"},
	{PG, "integer", "1", MY, "year", "out_of_range", "1901", "1901"},
	{PG, "text", "repeat('\xc3\xa4', 30)", MY, "varchar(3)", "out_of_range", "\xc3\xa4\xc3\xa4\xc3\xa4",
	 "\xc3\xa4\xc3\xa4\xc3\xa4"},
	{PG, "text", "'a' || repeat('\xc3\xa4', 200)", MY, "tinytext", "out_of_range", NULL, NULL},
	{PG, "bytea", "'\\x00ff10'", MY, "varbinary(2)", "out_of_range", NULL, NULL},
	{PG, "numeric", "12345.678", PG, "numeric(5,2)", "out_of_range", "999.99", "999.99"},
	{PG, "numeric", "-12345.678", MY, "decimal(5,2)", "out_of_range", "-999.99", "-999.99"},
	{PG, "numeric(70,0)", "10::numeric ^ 68", MY, "decimal(65,0)", "out_of_range", NULL, NULL},
	{PG, "float8", "'-Infinity'", MY, "double", "out_of_range", "-1.7976931348623157e308", "-1.7976931348623157e308"},
	{MY, "time", "'-01:00:00'", PG, "time", "out_of_range", "00:00:00", "00:00:00"},
	{MY, "time", "'100:00:00'", PG, "time", "out_of_range", "24:00:00", "24:00:00"},
	{PG, "interval", "'900:00:00'", MY, "time", "out_of_range", "838:59:59", "838:59:59"},
	{PG, "interval", "'1 month'", MY, "time", "out_of_range", "error", "error"},
	{PG, "text", "'not a uuid'", PG, "uuid", NULL, NULL, NULL},
	{PG, "float8", "1e300", PG, "float4", "out_of_range", "3.4028235e+38", "3.4028235e+38"},
	{PG, "numeric", "1e309", LITE, "DOUBLE", "out_of_range", "1.7976931348623157e+308", "1.7976931348623157e+308"},
	{PG, "numeric", "('-1' || repeat('0', 500))::numeric", LITE, "DOUBLE", "out_of_range", "-1.7976931348623157e+308",
	 "-1.7976931348623157e+308"},
	{PG, "numeric", "1e309", LITE, "FLOAT", "out_of_range", NULL, NULL},
	{PG, "numeric", "1e309", MY, "double", "out_of_range", "1.7976931348623157e308", "1.7976931348623157e308"},
	{PG, "numeric", "-1e309", PG, "float8", "out_of_range", "-1.7976931348623157e+308", "-1.7976931348623157e+308"},
	{PG, "numeric", "1e39", PG, "float4", "out_of_range", "3.4028235e+38", "3.4028235e+38"},
	{LITE, "TEXT", "'1e309'", LITE, "DOUBLE", "out_of_range", NULL, NULL},
	/* whole numbers as bits, and what is none */
	{LITE, "INTEGER", "'abc'", PG, "bit(8)", "out_of_range", "error", "error"},
	{LITE, "INTEGER", "2.5", PG, "bit(8)", "out_of_range", "error", "error"},
	{LITE, "INTEGER", "1e20", PG, "bit(8)", "out_of_range", "11111111", "11111111"},
	{LITE, "INTEGER", "256", PG, "bit(8)", "out_of_range", "11111111", "11111111"},
	{LITE, "INTEGER", "-1", PG, "bit(8)", "out_of_range", "00000000", "00000000"},
	{LITE, "DECIMAL(30,1)", "2.5", PG, "bit(8)", "out_of_range", "error", "error"},
	{LITE, "INTEGER", "'abc'", MY, "bit(8)", "out_of_range", "error", "error"},
	{LITE, "INTEGER", "2.5", MY, "bit(8)", "out_of_range", "error", "error"},
	{LITE, "TEXT", "'abc'", MY, "bit(8)", "out_of_range", "error", "error"},
	{PG, "text", "'abc'", MY, "bit(8)", "out_of_range", "error", "error"},
	{PG, "bigint", "256", MY, "bit(8)", "out_of_range", NULL, NULL},
	{LITE, "INTEGER", "'abc'", LITE, "BIT(8)", "out_of_range", "error", "error"},
	{LITE, "INTEGER", "256", LITE, "BIT(8)", "out_of_range", "255", "255"},
	/* no bits, but digits that look like them */
	{LITE, "BIT(8)", "10000000", PG, "bit(8)", "out_of_range", "error", "error"},
	{LITE, "BIT(8)", "10000000", PG, "integer", "out_of_range", "error", "error"},
	{LITE, "BIT(1)", "11", MY, "bit(8)", "out_of_range", "error", "error"},
	{PG, "date", "'10000-01-01'", MY, "date", "out_of_range", "9999-12-31", "9999-12-31"},
	{PG, "date", "'0044-03-15 BC'", MY, "date", "out_of_range", "0001-01-01", "0001-01-01"},
	{PG, "timestamptz", "'2110-01-01Z'", MY, "timestamp NULL", "out_of_range", TIMESTAMP_END, TIMESTAMP_END},
};

typedef struct kept
{
	int count;
	char row[500];
} kept;

static bool keep_row(void *context, const char *table, const char *row_json, const char *column, const char *reason,
					 pythia_error *error)
{
	kept *k = context;

	(void) table, (void) column, (void) error;
	assert_true(reason != NULL && reason[0] != '\0');
	k->count++;
	snprintf(k->row, sizeof(k->row), "%s", row_json);
	return true;
}

typedef struct trial
{
	const policy_case *c;
	pythia_db *source;
	pythia_db *target;
	kept kept;
	pythia_sync_result result;
} trial;

static const char *stored_here(const trial *t, const char *expected)
{
	if (strcmp(expected, TIMESTAMP_END) != 0)
		return expected;
	return pythia_mysql_to_2106(t->target) ? "2106-02-07 06:28:15" : "2038-01-19 03:14:07";
}

static bool run(trial *t, const char *json, pythia_error *error)
{
	pythia_sync_callbacks callbacks = {.context = &t->kept, .quarantine = keep_row};
	pythia_sync_job job = {.source = t->source, .target = t->target, .callbacks = &callbacks};
	bool ok;

	must(t->target, "DELETE FROM policy");
	t->kept.count = 0;
	ok = try_sync_with(&job, "policy", json, &t->result, error);
	pythia_sync_result_free(&t->result);
	return ok;
}

static int wrong;

static void told(const trial *t, const char *word, const char *what)
{
	wrong++;
	print_error("%s %s %s to %s %s, %s: %s\n", engine_names[t->c->from], t->c->type, t->c->value,
				engine_names[t->c->to], t->c->target_type, word, what);
}

static void one_word(trial *t, const char *word, const char *wanted)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	char json[100];
	bool ok;

	snprintf(json, sizeof(json), "{\"mode\": \"full\", \"%s\": \"%s\"}", t->c->policy, word);
	ok = run(t, json, &error);
	if (strcmp(wanted, "error") == 0 && ok)
		told(t, word, "no error");
	else if (strcmp(wanted, "error") != 0 && !ok)
		told(t, word, error.message);
	else if (ok && strcmp(value_of(t->target, "SELECT v FROM policy WHERE id = 2"), wanted) != 0)
		told(t, word, value_of(t->target, "SELECT v FROM policy WHERE id = 2"));
	else if (ok && (strcmp(value_of(t->target, "SELECT count(*) FROM policy WHERE id = 1 AND v IS NULL"), "1") != 0 ||
					t->kept.count != 0))
		told(t, word, "the other row");
	pythia_error_reset(&error);
}

static void to_quarantine(trial *t, const char *json)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!run(t, json, &error))
		told(t, json, error.message);
	else if (t->kept.count != 1 || strstr(t->kept.row, "\"id\": 2") == NULL)
		told(t, json, t->kept.row);
	else if (strcmp(value_of(t->target, "SELECT sum(id) FROM policy"), "1") != 0)
		told(t, json, "the rows that are there");
	pythia_error_reset(&error);
}

static void test_every_word(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const policy_case *c = &cases[i];
		trial t = {.c = c, .source = open_engine(c->from, 0), .target = open_engine(c->to, 1)};
		pythia_error error = PYTHIA_ERROR_INIT;
		char sql[300];

		if (c->from == MY)
			must(t.source, "SET sql_mode = 'STRICT_ALL_TABLES'");
		drop(t.source, "policy");
		drop(t.target, "policy");
		snprintf(sql, sizeof(sql), "CREATE TABLE policy (id integer PRIMARY KEY, v %s)", c->type);
		must(t.source, sql);
		snprintf(sql, sizeof(sql), "CREATE TABLE policy (id integer PRIMARY KEY, v %s)", c->target_type);
		must(t.target, sql);
		snprintf(sql, sizeof(sql), "INSERT INTO policy VALUES (1, NULL), (2, %s)", c->value);
		must(t.source, sql);
		if (run(&t, "{\"mode\": \"full\"}", &error))
			told(&t, "by default", "no error");
		else if (error.hint == NULL)
			told(&t, "by default", "no hint");
		if (strcmp(value_of(t.target, "SELECT count(*) FROM policy"), "0") != 0)
			told(&t, "by default", "rows are there");
		pythia_error_reset(&error);
		to_quarantine(&t, "{\"mode\": \"full\", \"on_bad_row\": \"quarantine\"}");
		if (c->policy != NULL)
		{
			one_word(&t, "error", "error");
			one_word(&t, "null", "(null)");
			if (c->clamp != NULL)
			{
				one_word(&t, "clamp", stored_here(&t, c->clamp));
				one_word(&t, "replace", stored_here(&t, c->replace));
			}
			snprintf(sql, sizeof(sql), "{\"mode\": \"full\", \"%s\": \"quarantine\"}", c->policy);
			to_quarantine(&t, sql);
		}
		pythia_db_close(t.source);
		pythia_db_close(t.target);
	}
	assert_int_equal(wrong, 0);
}

/* A message shows the value, and nothing of the columns behind it. */
static void test_what_is_shown(void **state)
{
	pythia_db *source = open_engine(LITE, 0);
	pythia_db *target = open_engine(LITE, 1);
	pythia_sync_job job = {.source = source, .target = target};
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	drop(source, "shown");
	drop(target, "shown");
	must(source, "CREATE TABLE shown (id TEXT PRIMARY KEY, b INTEGER, secret TEXT)");
	must(source, "INSERT INTO shown VALUES ('k1', 'abc', 'hidden')");
	must(target, "CREATE TABLE shown (id TEXT PRIMARY KEY, b BIT(8), secret TEXT)");
	assert_false(try_sync_with(&job, "shown", "{\"mode\": \"full\"}", &result, &error));
	assert_non_null(strstr(error.detail, "The value is \"abc\", the row's key ("));
	assert_non_null(strstr(error.detail, "k1)."));
	assert_null(strstr(error.detail, "hidden"));
	pythia_error_reset(&error);
	pythia_sync_result_free(&result);
	pythia_db_close(source);
	pythia_db_close(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_word), cmocka_unit_test(test_what_is_shown)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
