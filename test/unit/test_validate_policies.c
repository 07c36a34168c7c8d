/*
 * What a policy did on purpose is no difference, and costs nothing: the checksums themselves agree.
 * What it did not do is one.
 */
#include "validate_tests.h"

#define EVERY_POLICY "null", "clamp", "replace", "quarantine"

typedef struct policy_case
{
	int from;
	int to;
	const char *types;
	const char *target_types; /* NULL: made by the sync */
	const char *rows;         /* without their numbers, a line each; the last is an ordinary one */
	const char *options[3];   /* set to each of the policies below */
	const char *policies[5];
	const char *change; /* another value of a in the target */
} policy_case;

static const policy_case cases[] = {
	{1,
	 0,
	 "a date, b datetime, c datetime(3)",
	 NULL,
	 "'0000-00-00', '0000-00-00 00:00:00', '2020-00-10 01:02:03.456'\n'2020-02-00', NULL, '0000-01-01'\n"
	 "NULL, NULL, NULL\n'2020-01-01', '2020-01-01 01:01:01', '2020-01-01 01:01:01.5'",
	 {"zero_date"},
	 {EVERY_POLICY},
	 "'2020-01-02'"},
	{0,
	 1,
	 "a date, b timestamp(3), c timestamptz",
	 NULL,
	 "'infinity', '-infinity', 'infinity'\n'-infinity', 'infinity', '-infinity'\nNULL, NULL, NULL\n"
	 "'2020-01-01', '2020-01-01 01:01:01.25', '2020-01-01 01:01:01+02'",
	 {"infinity"},
	 {EVERY_POLICY},
	 "'2020-01-02'"},
	{0,
	 1,
	 "a date, b timestamp, c timestamptz",
	 "a date, b datetime(6), c timestamp(3) NULL",
	 "'0044-03-15 BC', '0044-03-15 BC', '1900-01-01Z'\n'12000-01-01', '12000-01-01', '2100-01-01Z'\n"
	 "NULL, NULL, '2038-01-19 03:14:07.999Z'\nNULL, NULL, '2038-01-19 03:14:08Z'\n"
	 "NULL, NULL, '1970-01-01 00:00:00Z'\nNULL, NULL, '1970-01-01 00:00:01Z'\n"
	 "'infinity', '-infinity', 'infinity'\n'2020-01-01', '2020-01-01', '2020-01-01Z'",
	 {"out_of_range", "infinity"},
	 {"null", "clamp", "quarantine"},
	 "'2020-01-02'"},
	{0,
	 1,
	 "a double precision, b real, c numeric",
	 "a double, b float, c decimal(20,4)",
	 "'NaN', 'NaN', 'NaN'\n7, 8, 1.2345\n1, 2, 3",
	 {"nan"},
	 {EVERY_POLICY},
	 "1.0000000000000002"},
	{0,
	 1,
	 "a double precision, b real, c double precision",
	 "a double, b float, c float",
	 "'Infinity', '-Infinity', 1e300\n'-Infinity', 'NaN', -1e39\n'NaN', 'Infinity', 0.1\n1, 2, 3",
	 {"out_of_range", "nan"},
	 {EVERY_POLICY},
	 "1.0000000000000002"},
	{0,
	 2,
	 "a double precision, b real",
	 NULL,
	 "'NaN', 'NaN'\n'Infinity', '-Infinity'\n1, 2",
	 {"nan"},
	 {EVERY_POLICY},
	 "1.0000000000000002"},
	{0,
	 1,
	 "a bigint, b integer, c numeric(12,0), d smallint",
	 "a int, b tinyint unsigned, c mediumint, d year",
	 "2147483648, 256, 8388608, 1900\n-2147483649, -1, -8388609, 3000\n9223372036854775807, 255, 8388607, 0\n"
	 "-2147483648, 0, -8388608, 1901\nNULL, NULL, NULL, NULL\n1, 2, 3, 2155",
	 {"out_of_range"},
	 {EVERY_POLICY},
	 "0"},
	{1,
	 0,
	 "a bigint unsigned, b tinyint(1), c int unsigned",
	 "a bigint, b boolean, c integer",
	 "18446744073709551615, 5, 4294967295\n9223372036854775808, -1, 2147483648\n9223372036854775807, 1, 2147483647\n"
	 "1, 0, 1",
	 {"out_of_range"},
	 {EVERY_POLICY},
	 "0"},
	{2,
	 1,
	 "a integer, b integer, c decimal(20,4)",
	 "a int, b bigint unsigned, c decimal(8,2)",
	 "2147483648, -1, 123456789\n-2147483649, 9223372036854775807, -999999.5\n1, 2, 3",
	 {"out_of_range"},
	 {EVERY_POLICY},
	 "0"},
	{0,
	 1,
	 "a numeric(20,4), b numeric, c integer",
	 "a decimal(8,2), b decimal(12,6), c decimal(5,2)",
	 "1000000, 1000000, 1000\n-1000000.0001, -123456789012.5, -1000\n999999.99, 999999.999999, 999\nNULL, NULL, NULL\n"
	 "1.5, 2.5, 3",
	 {"out_of_range"},
	 {EVERY_POLICY},
	 "0"},
	{0,
	 1,
	 "a text, b varchar(300), c char(10), d text",
	 "a varchar(5), b tinytext, c varchar(5), d varchar(4)",
	 "'abcdef', repeat('x', 254) || '\xc3\xa9', 'abcdefgh', repeat('\xf0\x9f\x98\x80', 5)\n"
	 "'abcde', repeat('x', 252) || '\xf0\x9f\x98\x80', 'abc', 'abcd'\n"
	 "'abcd  ef', repeat('x', 255), 'abcdef', ''\n'ab', 'b', 'c', NULL",
	 {"out_of_range"},
	 {EVERY_POLICY},
	 "'aB'"},
	{1,
	 0,
	 "a text, b varchar(300) CHARACTER SET latin1",
	 "a varchar(5), b varchar(6)",
	 "'abcdef', 'caf\xc3\xa9 cr\xc3\xa8me'\nREPEAT('\xf0\x9f\x98\x80', 6), NULL\n'abcde', 'abcdef'\n'ab', 'b'",
	 {"out_of_range"},
	 {EVERY_POLICY},
	 "'aB'"},
	{2,
	 0,
	 "a text, b text",
	 "a varchar(5), b varchar(6)",
	 "'abcdef', '\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9'\n'ab', 'b'",
	 {"out_of_range"},
	 {EVERY_POLICY},
	 "'aB'"},
	{1,
	 1,
	 "a text, b text",
	 "a varchar(5), b tinytext",
	 "'abcdef', CONCAT(REPEAT('x', 254), '\xc3\xa9')\n'abcde', REPEAT('\xc3\xa9', 128)\n'ab', 'b'",
	 {"out_of_range"},
	 {EVERY_POLICY},
	 "'aB'"},
	{0,
	 1,
	 "a bytea",
	 "a varbinary(4)",
	 "'\\x0102030405'\n'\\x01020304'\nNULL\n'\\x01'",
	 {"out_of_range"},
	 {EVERY_POLICY},
	 "x'02'"},
	{1,
	 0,
	 "a varchar(20), b text COLLATE utf8mb4_general_ci",
	 "a varchar(20), b varchar(4)",
	 "CONCAT('x', CHAR(0), 'y'), CONCAT(CHAR(0), 'ab', CHAR(0), 'cdefg')\nCHAR(0), 'abcdef'\n'a', 'b'",
	 {"nul_byte", "out_of_range"},
	 {EVERY_POLICY},
	 "'aB'"},
	{2,
	 0,
	 "a text, b text",
	 "a text, b varchar(4)",
	 "'x' || char(0) || 'y', char(0)\n'a', 'b'",
	 {"nul_byte"},
	 {EVERY_POLICY},
	 "'aB'"},
	{2,
	 0,
	 "a text, b text",
	 "a text, b varchar(4)",
	 "CAST(x'61ff62' AS TEXT), CAST(x'c3a9c3' AS TEXT)\nCAST(x'eda080' AS TEXT), 'abcdef'\n'a', 'b'",
	 {"bad_utf8", "out_of_range"},
	 {EVERY_POLICY},
	 "'aB'"},
	{2,
	 1,
	 "a text, b text",
	 "a text, b varchar(4)",
	 "CAST(x'61ff62' AS TEXT), CAST(x'c3a9c3' AS TEXT)\n'a', 'b'",
	 {"bad_utf8"},
	 {EVERY_POLICY},
	 "'aB'"},
	{1,
	 0,
	 "a time(3), b time",
	 "a time, b time",
	 "'-00:00:00.500', '30:00:00'\n'838:59:59', '-1:00:00'\n'23:59:59.999', '24:00:00'\n'01:00:00', '02:00:00'",
	 {"out_of_range"},
	 {EVERY_POLICY},
	 "'01:00:01'"},
	{0,
	 1,
	 "a interval, b interval",
	 "a time(6), b time",
	 "'900:00:00', '-900:00:00'\n'1 day 02:03:04.5', '-1 day -02:03:04'\n'838:59:59', '-838:59:59'\n'34 days', NULL\n"
	 "'01:00:00', '02:00:00'",
	 {"out_of_range"},
	 {EVERY_POLICY},
	 "'01:00:01'"},
	{2,
	 1,
	 "a date, b datetime",
	 "a date, b timestamp NULL",
	 "'infinity', '-infinity'\n'12000-01-01', '2100-01-01T00:00:00Z'\nNULL, '1900-01-01 00:00:00'\n"
	 "'2020-01-01', '2020-01-01 00:00:00'",
	 {"infinity", "out_of_range"},
	 {"null", "clamp", "quarantine"},
	 "'2020-01-02'"},
	{2,
	 0,
	 "a date, b datetime",
	 "a date, b timestamp",
	 "'0000-00-00', '0000-00-00 00:00:00'\n'2020-00-01', '2020-01-00T01:02:03Z'\n'2020-01-01', '2020-01-01 00:00:00'",
	 {"zero_date"},
	 {EVERY_POLICY},
	 "'2020-01-02'"},
};

/* A table with the rows numbered; returns how many there are. */
static int make_table(pythia_db *db, const char *table, const char *types, const char *rows)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int n = 0;

	drop(db, table);
	pythia_buffer_printf(&sql, "CREATE TABLE %s (id INTEGER NOT NULL PRIMARY KEY, %s)", quoted(db, table), types);
	must(db, sql.data);
	while (rows != NULL && *rows != '\0')
	{
		const char *end = strchr(rows, '\n');

		pythia_buffer_clear(&sql);
		pythia_buffer_printf(&sql, "INSERT INTO %s VALUES (%d, %.*s)", quoted(db, table), ++n,
							 (int) (end != NULL ? end - rows : (long) strlen(rows)), rows);
		must(db, sql.data);
		rows = end != NULL ? end + 1 : NULL;
	}
	pythia_buffer_free(&sql);
	return n;
}

/* Valid, and by the sums alone. */
static void assert_sums_agree(pythia_db *source, pythia_db *target, const char *table, const char *config)
{
	verdict v;

	validate_with(source, target, table, NULL, config, NULL, &v);
	if (!v.ok)
		fail_msg("%s to %s, %s: %s (%s)", engine_names[source->engine], engine_names[target->engine], doing,
				 v.error.message, v.error.detail != NULL ? v.error.detail : "");
	if (!v.result.is_valid || v.result.suspected != 0)
		fail_msg("%s to %s, %s: %d rows suspected, %d differ\n%s", engine_names[source->engine],
				 engine_names[target->engine], doing, (int) v.result.suspected, (int) v.result.difference,
				 pythia_buffer_text(&v.lines));
	assert_int_equal(v.result.source_count, v.result.target_count);
	verdict_free(&v);
}

static void check_policy(const policy_case *c, const char *policy)
{
	pythia_db *source = sources[c->from];
	pythia_db *target = targets[c->to];
	pythia_buffer config = PYTHIA_BUFFER_INIT;
	char change[200];
	char expected[100];
	int rows;

	if (c->from == 1)
		must(source, "SET sql_mode = ''");
	rows = make_table(source, "policy", c->types, c->rows);
	if (c->target_types != NULL)
		make_table(target, "policy_copy", c->target_types, NULL);
	else
		drop(target, "policy_copy");
	pythia_buffer_puts(&config, "{\"mode\": \"full\", \"table_map\": {\"policy\": \"policy_copy\"}");
	for (int i = 0; i < 3 && c->options[i] != NULL; i++)
		pythia_buffer_printf(&config, ", \"%s\": \"%s\"", c->options[i], policy);
	pythia_buffer_puts(&config, "}");
	snprintf(doing, sizeof(doing), "(%s) %.100s with %s", c->types, c->rows, config.data);
	copy(source, target, "policy", config.data);
	assert_sums_agree(source, target, "policy", config.data);
	assert_lines(source, target, "policy", "{\"method\": \"rows\", \"recheck_after\": 0}", config.data, "");
	snprintf(change, sizeof(change), "UPDATE %% SET a = %s WHERE id = %d", c->change, rows);
	run(target, "policy_copy", change);
	snprintf(expected, sizeof(expected), "differing {\"id\": %d} [a]\n", rows);
	assert_lines(source, target, "policy", NULL, config.data, expected);
	/* and what the policy did is looked at: the first row's value, spoilt */
	if (strcmp(policy, "quarantine") != 0)
	{
		snprintf(change, sizeof(change), "UPDATE %% SET a = %s WHERE id = 1", c->change);
		run(target, "policy_copy", change);
		snprintf(expected, sizeof(expected), "differing {\"id\": 1} [a]\ndiffering {\"id\": %d} [a]\n", rows);
		assert_lines(source, target, "policy", NULL, config.data, expected);
	}
	if (c->from == 1)
		must(source, "SET sql_mode = 'STRICT_ALL_TABLES'");
	pythia_buffer_free(&config);
}

static void test_every_policy(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		for (int p = 0; p < 5 && cases[i].policies[p] != NULL; p++)
			check_policy(&cases[i], cases[i].policies[p]);
	}
	doing[0] = '\0';
}

/* A row that went to quarantine is no difference; one that is merely missing is. */
static void test_quarantined_rows(void **state)
{
	static const char *const types[ENGINES] = {"a date", NULL, NULL};
	static const char *const config = "{\"mode\": \"full\", \"on_bad_row\": \"quarantine\"}";
	static const char *const methods[] = {"checksum", "rows", "count"};

	(void) state;
	drop(targets[1], "kept_back");
	one_row(0, false, "kept_back", types, "'infinity'");
	run(sources[0], "kept_back", "INSERT INTO % VALUES (2, '2026-01-01'), (3, '2026-01-01')");
	copy(sources[0], targets[1], "kept_back", config);
	for (int m = 0; m < 3; m++)
	{
		char options[100];

		snprintf(options, sizeof(options), "{\"method\": \"%s\", \"recheck_after\": 0}", methods[m]);
		assert_lines(sources[0], targets[1], "kept_back", options, config, "");
	}
	assert_sums_agree(sources[0], targets[1], "kept_back", config);
	/* an older copy of it is still there */
	run(targets[1], "kept_back", "INSERT INTO % VALUES (1, '2026-01-01')");
	assert_lines(sources[0], targets[1], "kept_back", NULL, config, "differing {\"id\": 1} [a]\n");
	run(targets[1], "kept_back", "DELETE FROM % WHERE id IN (1, 3)");
	assert_lines(sources[0], targets[1], "kept_back", NULL, config, "missing {\"id\": 3} []\n");
}

/* The narrower column's precision: what it cannot hold is no difference, what it can is one. */
static void test_precision(void **state)
{
	static const struct
	{
		int from, to;
		const char *types, *target_types, *rows, *change;
	} narrow[] = {
		{0, 1, "a timestamp, b time", "a datetime, b time(3)",
		 "'2020-01-01 01:02:03.5', '01:02:03.0005'\n'2020-01-01 23:59:59.499999', '23:59:59.9994'\n"
		 "'1999-12-31 23:59:59.999999', '01:02:03.123456'",
		 "'2020-01-01 01:02:05'"},
		{1, 0, "a datetime(6), b time(6), c decimal(20,6)", "a timestamp(0), b time(3), c numeric(12,2)",
		 "'2020-01-01 01:02:03.5', '01:02:03.0005', 1.005\n'2020-01-01 23:59:59.499999', '23:59:59.9994', -1.005\n"
		 "'1999-12-31 23:59:59.999999', '01:02:03.123456', 1.004",
		 "'2020-01-01 01:02:05'"},
		{1, 0, "a double, b float", "a numeric(12,2), b numeric(12,3)", "0.125, 0.1\n-1234.5678, 2.5\n1e-9, 3", "0.01"},
		{0, 0, "a double precision, b real", "a numeric(12,2), b numeric(12,3)", "0.125, 0.1\n-1234.5678, 2.5\n1e-9, 3",
		 "0.01"},
		{0, 1, "a double precision, b text", "a float, b text", "0.1, 'x'\n1e-40, 'y'\n16777217, 'z'", "16777218"},
		{2, 1, "a double, b text", "a float, b text", "0.1, 'x'\n16777217, 'z'", "16777218"},
		{1, 2, "a year, b time(3)", NULL, "0, '-12:00:00.5'\n2155, '838:59:59'\n2020, '00:00:00'", "2021"},
		{1, 0, "a year, b time(3)", "a smallint, b interval", "0, '-12:00:00.5'\n2155, '838:59:59'\n2020, '00:00:00'",
		 "2021"},
		{1, 0, "a set('a','b','c'), b enum('x','y')", "a text[], b text", "'a,c', 'x'\n'', NULL\nNULL, 'y'\n'b', 'x'",
		 "'{a}'"},
		{1, 0, "a json, b json", "a text[], b int[]",
		 "'[\"k\", null, \"NULL\"]', '[1, null]'\n'[\"\xc3\xa9\", \"a b\", \"q\\\\\"\"]', '[[1, 2], [3, "
		 "4]]'\n'[\"\"]', NULL",
		 "'{k}'"},
		{2, 0, "a json, b json", "a text[], b int[]",
		 "'[\"k\", null, \"NULL\"]', '[1,null]'\n'[]', '[]'\n'[\"x\"]', NULL", "'{y}'"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++)
	{
		pythia_db *source = sources[narrow[i].from];
		pythia_db *target = targets[narrow[i].to];
		static const char *const config = "{\"mode\": \"full\", \"table_map\": {\"wide\": \"narrow\"}}";
		int rows = make_table(source, "wide", narrow[i].types, narrow[i].rows);
		char text[200];

		if (narrow[i].target_types != NULL)
			make_table(target, "narrow", narrow[i].target_types, NULL);
		else
			drop(target, "narrow");
		snprintf(doing, sizeof(doing), "(%s)", narrow[i].types);
		copy(source, target, "wide", config);
		assert_sums_agree(source, target, "wide", config);
		assert_lines(source, target, "wide", "{\"method\": \"rows\", \"recheck_after\": 0}", config, "");
		snprintf(text, sizeof(text), "UPDATE %% SET a = %s WHERE id = %d", narrow[i].change, rows);
		run(target, "narrow", text);
		snprintf(text, sizeof(text), "differing {\"id\": %d} [a]\n", rows);
		assert_lines(source, target, "wide", NULL, config, text);
	}
	doing[0] = '\0';
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_policy),
		cmocka_unit_test(test_quarantined_rows),
		cmocka_unit_test(test_precision),
	};

	return cmocka_run_group_tests(tests, open_engines, close_engines);
}
