/* Hostile values and conditions, in each engine's SQL as the engine itself reads it. */
#include "validate_tests.h"

#include "capture/internal.h"
#include "core/number.h"
#include "core/stamp.h"
#include "dialect/forms.h"
#include "dialect/tokens.h"

typedef struct hostile
{
	const char *text;
	size_t length;
} hostile;

#define TEXT(literal)                                                                                                  \
	{                                                                                                                  \
		literal, sizeof(literal) - 1                                                                                   \
	}

static const hostile values[] = {
	TEXT("9 OR 1"),
	TEXT("9 OR 1=1 --"),
	TEXT("1) OR (1=1"),
	TEXT("x'; DROP TABLE attack; --"),
	TEXT("'"),
	TEXT("''"),
	TEXT("' OR '1'='1"),
	TEXT("\\"),
	TEXT("\\' OR 1=1 -- "),
	TEXT("\\x' OR 1=1 -- "),
	TEXT("\\x3"),
	TEXT("\\x3g"),
	TEXT("\\x39' OR '1"),
	TEXT("101' OR b'1"),
	TEXT("102"),
	TEXT("9.9.9"),
	TEXT("9e"),
	TEXT("9e+"),
	TEXT("--9"),
	TEXT("0x9"),
	TEXT("9 "),
	TEXT(" 9"),
	TEXT("9;SELECT 1"),
	TEXT("9/*"),
	TEXT("now"),
	TEXT("today"),
	TEXT("epoch"),
	TEXT("allballs"),
	TEXT("2026-01-01 OR 1"),
	TEXT("2026-01-01' OR '1"),
	TEXT("2026-01-01 10:00:00 OR 1"),
	TEXT("2026-1-1"),
	TEXT("20260101"),
	TEXT("10:00:00 OR 1"),
	TEXT("10:0"),
	TEXT("NaN OR 1"),
	TEXT("true OR 1"),
	TEXT("\xc3' OR 1=1 -- "),
	TEXT("\xe3\x81' OR 1=1 -- "),
	TEXT("\xff"),
	TEXT("\xbf\\' OR 1=1 -- "),
	TEXT("9\0 OR 1"),
	TEXT("\0"),
	TEXT("${x}"),
	TEXT("$$ OR $$"),
	TEXT("%s%n"),
	TEXT(""),
};
#define NVALUES (sizeof(values) / sizeof(values[0]))

/* A column of each kind, and a value that it holds. */
static const struct
{
	const char *type[ENGINES]; /* NULL: the engine has none */
	const char *holds[ENGINES];
} kinds[] = {
	{{"bigint", "BIGINT", "INTEGER"}, {"9", "9", "9"}},
	{{"bigint", "BIGINT", "INTEGER"}, {"0", "0", "0"}}, /* MySQL's number of a text */
	{{NULL, "BIGINT UNSIGNED", "UNSIGNED"}, {NULL, "9", "9"}},
	{{"boolean", "TINYINT(1)", "BOOLEAN"}, {"true", "1", "1"}},
	{{"numeric(10,2)", "DECIMAL(10,2)", "DECIMAL(10,2)"}, {"9", "9", "9"}},
	{{"real", "FLOAT", "FLOAT"}, {"9", "9", "9"}},
	{{"double precision", "DOUBLE", "DOUBLE"}, {"9", "0", "9"}},
	{{"date", "DATE", "DATE"}, {"CURRENT_DATE", "CURRENT_DATE", "date('now')"}},
	{{"date", "DATE", "DATE"}, {"'2026-01-01'", "'2026-01-01'", "'2026-01-01'"}},
	{{"timestamp", "DATETIME(6)", "TIMESTAMP"}, {"'epoch'", "'2026-01-01'", "'2026-01-01 00:00:00'"}},
	{{"timestamptz", "TIMESTAMP(6)", "TIMESTAMPTZ"}, {"'epoch'", "'2026-01-01'", "'2026-01-01 00:00:00Z'"}},
	{{"time", "TIME(6)", "TIME"}, {"'00:00:00'", "'00:00:00'", "0"}},
	{{"bytea", "VARBINARY(20)", "BLOB"}, {"'\\x39'", "x'39'", "x'39'"}},
	{{"uuid", NULL, "UUID"},
	 {"'00000000-0000-0000-0000-000000000000'", NULL, "'00000000-0000-0000-0000-000000000000'"}},
	{{"bit(8)", "BIT(8)", "BIT(8)"}, {"'00000000'", "b'0'", "0"}},
	{{NULL, "YEAR", "YEAR"}, {NULL, "2009", "2009"}},
	{{"text", "LONGTEXT CHARACTER SET utf8mb4", "TEXT"}, {"'1'", "'1'", "'1'"}},
	{{"char(4)", "CHAR(4) CHARACTER SET latin1", "CHAR(4)"}, {"'1'", "'1'", "'1'"}},
	{{NULL, "ENUM('1','x')", "ENUM"}, {NULL, "'1'", "'1'"}},
};
#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Asks for two columns of one row, the second 7: what escaped its place would show. False for an error. */
static bool ask(pythia_db *db, const char *expression, char **first)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result = {0};
	bool ok;

	pythia_buffer_printf(&sql, "SELECT %s, 7", expression);
	ok = pythia_db_query(db, sql.data, "VT", &result, &error);
	*first = NULL;
	if (ok)
	{
		if (result.nrows != 1 || !pythia_result_optional(&result, 0, 1) ||
			strcmp(pythia_result_optional(&result, 0, 1), "7") != 0)
			fail_msg("%s", sql.data);
		*first = pythia_strdup(pythia_result_optional(&result, 0, 0));
	}
	else if (strncmp(error.sqlstate, "42", 2) == 0 && strcmp(error.sqlstate, "42883") != 0)
		fail_msg("%s: %s", sql.data, error.message); /* it was no value to the parser */
	pythia_error_reset(&error);
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	return ok;
}

/* SQLite's columns of numbers make one of such a text as it comes in. */
static bool is_number_there(const pythia_db *db, const hostile *value)
{
	return db->engine == PYTHIA_SQLITE && value->length > 0 && strspn(value->text, " 9") == strlen(value->text);
}

static void find_no_other_row(pythia_db *db, const pythia_column *column, const hostile *value)
{
	const pythia_dialect *dialect = pythia_dialect_of(db);
	pythia_buffer literal = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *count;

	if (is_number_there(db, value))
		return;
	if (dialect->value_literal(db, &literal, &column->type, value->text, value->length))
	{
		pythia_buffer_printf(&sql, "(SELECT count(*) FROM %s WHERE c = %s)", quoted(db, "attack"), literal.data);
		if (ask(db, sql.data, &count) && strcmp(count, "0") != 0)
			fail_msg("%s, column %s: %s", engine_names[db->engine], column->type.native, sql.data);
		pythia_free(count);
		/* and within the list of a lookup */
		pythia_buffer_clear(&sql);
		pythia_buffer_printf(&sql, "(SELECT count(*) FROM %s WHERE (c, 1) IN (%s(%s, 1), (%s, 2)))",
							 quoted(db, "attack"), db->engine == PYTHIA_SQLITE ? "VALUES " : "", literal.data,
							 literal.data);
		if (ask(db, sql.data, &count) && strcmp(count, "0") != 0)
			fail_msg("%s, column %s: %s", engine_names[db->engine], column->type.native, sql.data);
		pythia_free(count);
	}
	else
	{
		assert_int_equal(literal.length, 0);
		assert_int_not_equal(db->engine, PYTHIA_SQLITE);
	}
	pythia_buffer_free(&literal);
	pythia_buffer_free(&sql);
}

static void test_values_find_no_other_row(void **state)
{
	(void) state;
	for (int engine = 0; engine < ENGINES; engine++)
	{
		pythia_db *db = sources[engine];

		for (size_t k = 0; k < NKINDS; k++)
		{
			pythia_error error = PYTHIA_ERROR_INIT;
			pythia_table table;
			char sql[300];

			if (!kinds[k].type[engine])
				continue;
			drop(db, "attack");
			snprintf(sql, sizeof(sql), "CREATE TABLE %% (c %s)", kinds[k].type[engine]);
			run(db, "attack", sql);
			snprintf(sql, sizeof(sql), "INSERT INTO %% VALUES (%s)", kinds[k].holds[engine]);
			run(db, "attack", sql);
			assert_true(pythia_describe(db, "attack", &table, &error));
			for (size_t i = 0; i < NVALUES; i++)
				find_no_other_row(db, &table.columns[0], &values[i]);
			pythia_table_free(&table);
		}
		drop(db, "attack");
	}
}

/* Any bytes as a text: themselves, or an error; under settings that read quotes and backslashes otherwise, too. */
static void test_texts(void **state)
{
	static const char *const settings[ENGINES][3] = {
		{"SET standard_conforming_strings = on", "SET standard_conforming_strings = off", NULL},
		{"SET sql_mode = ''", "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'", "SET NAMES gbk"},
		{"SELECT 1", NULL, NULL}};
	static const char *const hex[ENGINES] = {"pg_catalog.encode(pg_catalog.convert_to(%s, 'UTF8'), 'hex')",
											 "LOWER(HEX(CONVERT(%s USING utf8mb4)))", "lower(hex(%s))"};
	pythia_buffer big = PYTHIA_BUFFER_INIT;

	(void) state;
	for (int i = 0; i < 100000; i++)
		pythia_buffer_puts(&big, i % 2 ? "'\\" : "\"`");
	for (int engine = 0; engine < ENGINES; engine++)
	{
		for (int s = 0; s < 3 && settings[engine][s]; s++)
		{
			pythia_db *db = sources[engine];

			/* 19 knows no others */
			if (engine == PYTHIA_POSTGRESQL && s == 1 && db->version >= 190000)
				continue;
			must(db, settings[engine][s]);
			for (size_t i = 0; i <= NVALUES; i++)
			{
				hostile value = i < NVALUES ? values[i] : (hostile){big.data, big.length};
				pythia_buffer literal = PYTHIA_BUFFER_INIT;
				pythia_buffer expression = PYTHIA_BUFFER_INIT;
				pythia_buffer expected = PYTHIA_BUFFER_INIT;
				char *text;

				pythia_dialect_of(db)->literal(&literal, value.text, value.length);
				pythia_buffer_printf(&expression, hex[engine], literal.data);
				pythia_buffer_hex(&expected, value.text, value.length);
				if (ask(db, expression.data, &text))
					assert_string_equal(text, pythia_buffer_text(&expected));
				else
					assert_int_not_equal(engine, PYTHIA_SQLITE);
				pythia_free(text);
				pythia_buffer_free(&literal);
				pythia_buffer_free(&expression);
				pythia_buffer_free(&expected);
			}
		}
	}
	must(sources[PYTHIA_POSTGRESQL], "SET standard_conforming_strings = on");
	must(sources[PYTHIA_MYSQL], "SET NAMES utf8mb4");
	must(sources[PYTHIA_MYSQL], "SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'");
	pythia_buffer_free(&big);
}

/* What a column can hold is still found. */
static void test_innocent_values(void **state)
{
	static const struct
	{
		int engine;
		const char *type, *holds, *text;
	} cases[] = {
		{PYTHIA_POSTGRESQL, "integer", "-2147483648", "-2147483648"},
		{PYTHIA_POSTGRESQL, "integer", "5", "5.00"},
		{PYTHIA_POSTGRESQL, "oid", "4294967295", "4294967295"},
		{PYTHIA_POSTGRESQL, "boolean", "true", "1"},
		{PYTHIA_POSTGRESQL, "money", "1.5", "1.50"},
		{PYTHIA_POSTGRESQL, "numeric", "'NaN'", "NaN"},
		{PYTHIA_POSTGRESQL, "double precision", "'-Infinity'", "-Infinity"},
		{PYTHIA_POSTGRESQL, "date", "'infinity'", "infinity"},
		{PYTHIA_POSTGRESQL, "date", "'0044-03-15 BC'", "0044-03-15 BC"},
		{PYTHIA_POSTGRESQL, "timestamp", "'12026-01-02 03:04:05.5'", "12026-01-02 03:04:05.5"},
		{PYTHIA_POSTGRESQL, "timestamptz", "'2026-01-02 03:04:05+00'", "2026-01-02 03:04:05"},
		{PYTHIA_POSTGRESQL, "timetz", "'12:00:00.5-03:30'", "12:00:00.5-03:30"},
		{PYTHIA_POSTGRESQL, "time", "'24:00:00'", "24:00:00"},
		{PYTHIA_POSTGRESQL, "bytea", "'\\x'", "\\x"},
		{PYTHIA_POSTGRESQL, "uuid", "'a0000000-0000-0000-0000-00000000000F'", "A0000000-0000-0000-0000-00000000000f"},
		{PYTHIA_POSTGRESQL, "interval", "'1 day 02:00:00'", "1 day 02:00:00"},
		{PYTHIA_POSTGRESQL, "text", "E'it''s \\\\ \\u00e4'", "it's \\ \xc3\xa4"},
		{PYTHIA_MYSQL, "BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"},
		{PYTHIA_MYSQL, "DECIMAL(65,30)", "-1.000000000000000000000000000001", "-1.000000000000000000000000000001"},
		{PYTHIA_MYSQL, "DOUBLE", "1e300", "1e300"},
		{PYTHIA_MYSQL, "DATE", "'2026-01-01'", "2026-01-01"},
		{PYTHIA_MYSQL, "DATETIME(6)", "'2026-01-02 03:04:05.5'", "2026-01-02 03:04:05.500000"},
		{PYTHIA_MYSQL, "TIME(6)", "'-838:59:58.5'", "-838:59:58.500000"},
		{PYTHIA_MYSQL, "BIT(64)", "b'1'", "0000000000000000000000000000000000000000000000000000000000000001"},
		{PYTHIA_MYSQL, "VARBINARY(9)", "x'0027ff'", "\\x0027ff"},
		{PYTHIA_MYSQL, "YEAR", "0", "0"},
		{PYTHIA_MYSQL, "TEXT CHARACTER SET utf8mb4", "_utf8mb4 x'5c27c3a4'", "\\'\xc3\xa4"},
		{PYTHIA_SQLITE, "INTEGER", "-9223372036854775808", "-9223372036854775808"},
		{PYTHIA_SQLITE, "UNSIGNED", "'9 OR 1'", "9 OR 1"},
		{PYTHIA_SQLITE, "TEXT", "'18446744073709551615'", "18446744073709551615"},
		{PYTHIA_SQLITE, "TIME", "-3600000000", "-01:00:00"},
		{PYTHIA_SQLITE, "TIMESTAMPTZ", "'2026-01-01 00:00:00Z'", "2026-01-01 00:00:00"},
		{PYTHIA_SQLITE, "TIMESTAMPTZ", "'9 OR 1'", "9 OR 1"},
		{PYTHIA_SQLITE, "BIT(8)", "9", "00001001"},
		{PYTHIA_SQLITE, "BIT(8)", "'1 OR 1'", "1 OR 1"},
		{PYTHIA_SQLITE, "BLOB", "x'00ff27'", "\\x00ff27"},
		{PYTHIA_SQLITE, "TIME", "'10:OR'", "10:OR"},
		{PYTHIA_SQLITE, "DOUBLE", "0.1", "0.1"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pythia_db *db = sources[cases[i].engine];
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		pythia_buffer literal = PYTHIA_BUFFER_INIT;
		pythia_error error = PYTHIA_ERROR_INIT;
		pythia_table table;
		char statement[300];
		char *count;

		drop(db, "attack");
		snprintf(statement, sizeof(statement), "CREATE TABLE %% (c %s)", cases[i].type);
		run(db, "attack", statement);
		snprintf(statement, sizeof(statement), "INSERT INTO %% VALUES (%s)", cases[i].holds);
		run(db, "attack", statement);
		assert_true(pythia_describe(db, "attack", &table, &error));
		if (!pythia_dialect_of(db)->value_literal(db, &literal, &table.columns[0].type, cases[i].text,
												  strlen(cases[i].text)))
			fail_msg("%s: %s is refused", cases[i].type, cases[i].text);
		pythia_buffer_printf(&sql, "(SELECT count(*) FROM %s WHERE c = %s)", quoted(db, "attack"), literal.data);
		assert_true(ask(db, sql.data, &count));
		if (strcmp(count, "1") != 0)
			fail_msg("%s: %s is not found", cases[i].type, literal.data);
		pythia_free(count);
		pythia_table_free(&table);
		pythia_buffer_free(&sql);
		pythia_buffer_free(&literal);
		drop(db, "attack");
	}
}

/* --- conditions ---------------------------------------------------------------------- */

/* An accepted condition between two that are false selects nothing, if the engine takes it at all. */
static bool stays_inside(pythia_db *db, const char *condition)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result = {0};
	bool ok;

	pythia_buffer_puts(&sql, "SELECT 1 FROM (SELECT 1 AS a, 'x' AS v) t WHERE 1 = 0 AND ");
	pythia_condition_put(&sql, condition);
	pythia_buffer_puts(&sql, " AND 1 = 0");
	ok = !pythia_db_query(db, sql.data, "T", &result, &error) || result.nrows == 0;
	pythia_error_reset(&error);
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	return ok;
}

static bool accepted(pythia_engine engine, const char *condition)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	bool ok = pythia_condition_check(engine, "where", condition, &error);

	if (!ok)
		assert_string_equal(error.sqlstate, "42601");
	pythia_error_reset(&error);
	return ok;
}

static void test_conditions(void **state)
{
#define P 1
#define M 2
#define S 4
	/* by which engines it is taken */
	static const struct
	{
		const char *condition;
		int by;
	} cases[] = {
		{"a = 1", P | M | S},
		{"a = 1 AND (v = 'x' OR v IN ('y', 'z'))", P | M | S},
		{"v = 'it''s'", P | M | S},
		{"v = ';'", P | M | S},
		{"v = ')' OR v = '('", P | M | S},
		{"a = 1 -- one", P | M | S},
		{"a = 1 -- one\n OR a = 2", P | M | S},
		{"a = 1 /* ) */", P | M | S},
		{"\"a\" = 1", P | M | S},
		{"a=1--1", P | M | S},
		{"a = 1 # )", M},
		{"`a` = 1", M | S},
		{"`a)` = 1 OR `a` = 1", M | S},
		{"[a)] = 1", S},
		{"a = (ARRAY[1,2])[1]", P | M},
		{"v = $$)'$$ OR v = $q$ $$ ) $q$", P},
		{"v = E'\\')'", P},
		{"a = 1::int", P | M},
		{"v = U&'d\\0061t' AND v LIKE '%\\_' ", P},
		{"v = 'a\\'b'", M},
		{"v = '\\'", P | S},
		{"v = '\\\\'", P | M | S},
		{"v = \"it's\"", P | M | S},
		{"/* /* */ 1 = 1", M | S},
		{"/* /* */ */ 1 = 1", P},
		{"v = x'41'", P | M | S},
		{"", 0},
		{"  ", 0},
		{"-- all", 0},
		{"/* all */", 0},
		{")", 0},
		{"(", 0},
		{"1 = 1) OR (1 = 1", 0},
		{"(1 = 1", 0},
		{"1 = 1)", 0},
		{"a = 1; DELETE FROM t", 0},
		{"a = 1;", 0},
		{"v = 'open", 0},
		{"v = \"open", 0},
		{"a = 1 /* open", 0},
		{"a = 1 /*", 0},
		{"a = 1 /*! OR 1 = 1 */", P | S},
		{"a = 1 /*!) OR (1 = 1 */", P | S},
		{"a = 1 /*M! ) OR (1 = 1 */", P | S},
		{"a = 1) -- ", 0},
		{"a = 1) #", 0},
		{"a = ?", 0},
		{"a = ?1", 0},
		{"a = :a", P | M},
		{"a = @a", P | M},
		{"a = $1", M},
		{"a = 1 ]", 0},
		{"(a = 1 ]", 0},
		{"a = [1)", 0},
		{"v = 1e'\\' OR 1=1) --'", 0},
		{"v = E'a'\n'\\' OR 1=1) --'", M},
		{"v = E'a' -- c\n '\\' ) -- '", 0},
		{"v = $x$ open", 0},
		{"v = a$x$ ) $x$", 0},
		{"v = 1$x$ ) $x$", 0},
		{"a = 1 \x01", 0},
	};
	static const int bits[ENGINES] = {P, M, S};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		for (int engine = 0; engine < ENGINES; engine++)
		{
			bool taken = accepted((pythia_engine) engine, cases[i].condition);
			bool wanted = (cases[i].by & bits[engine]) != 0 || (cases[i].by == (P | M) && engine == PYTHIA_MYSQL);

			/* what is only a syntax error elsewhere may be taken, if it stays inside */
			if (wanted && !taken)
				fail_msg("%s refuses <%s>", engine_names[engine], cases[i].condition);
			if (cases[i].by == 0 && taken && !strpbrk(cases[i].condition, "]?#[\\$"))
				fail_msg("%s takes <%s>", engine_names[engine], cases[i].condition);
			if (taken && !stays_inside(sources[engine], cases[i].condition))
				fail_msg("%s: <%s> is not inside", engine_names[engine], cases[i].condition);
		}
	}
#undef P
#undef M
#undef S
}

/* The engines' own readings of thousands of what leads out of strings, comments and parentheses. */
static void test_many_conditions(void **state)
{
	static const char *const words[] = {
		"'",   "''",  "'",   "\\", "\\'",     "\"",    "`",   "[",      "]",    "(",        ")",     ")",
		"--",  "-- ", "\n",  "#",  "/*",      "*/",    "/*!", "$$",     "$a$",  "$1",       "E'",    "e'",
		"1e'", "x'",  "U&'", "N'", "q'",      "1",     "a",   "v",      " = ",  " OR ",     " AND ", " ",
		"\r",  "/",   "*",   "-",  " OR 1=1", " IN (", "::t", "_utf8'", "\xc3", "\xc3\xa4", "--\r"};
	uint64_t seed = 88172645463325252;
	int taken[ENGINES] = {0};

	(void) state;
	for (int i = 0; i < 20000; i++)
	{
		pythia_buffer condition = PYTHIA_BUFFER_INIT;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		for (uint64_t draw = seed | 1ULL << 60; draw > 1 << 8; draw >>= 6)
			pythia_buffer_puts(&condition, words[draw % (sizeof(words) / sizeof(words[0]))]);
		for (int engine = 0; engine < ENGINES; engine++)
		{
			if (!accepted((pythia_engine) engine, condition.data))
				continue;
			taken[engine]++;
			if (!stays_inside(sources[engine], condition.data))
				fail_msg("%s: <%s> is not inside", engine_names[engine], condition.data);
		}
		pythia_buffer_free(&condition);
	}
	for (int engine = 0; engine < ENGINES; engine++)
		assert_true(taken[engine] > 100);
}

/* --- numbers beyond their range -------------------------------------------------------- */

static void test_numbers(void **state)
{
	static const char *const stamps[] = {"999999-12-31 23:59:59.999999",
										 "294276-12-31 23:59:59",
										 "0000-00-00 00:00:00",
										 "999999-99-99 99:99:99.9999999",
										 "2026-01-01 999999999:59:59",
										 "2026-01-01 00:00:00-99:99",
										 "99999999999-1-1",
										 "-2147483648-01-01 00:00:00",
										 "2147483647-2147483647-2147483647 2147483647:2147483647:2147483647"};
	double seconds;

	(void) state;
	for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++)
	{
		pythia_buffer out = PYTHIA_BUFFER_INIT;
		int64_t microseconds;
		char text[PYTHIA_INSTANT_SIZE];

		pythia_stamp_canonical(&out, stamps[i], strlen(stamps[i]), 3);
		if (pythia_instant_read(stamps[i], &microseconds))
			assert_true(strlen(pythia_instant_write(text, microseconds)) < sizeof(text));
		pythia_buffer_free(&out);
	}
	{
		pythia_buffer out = PYTHIA_BUFFER_INIT;

		assert_true(pythia_stamp_canonical(&out, "294276-12-31 23:59:59.9999996", 29, 6));
		assert_string_equal(out.data, "294277-01-01 00:00:00");
		pythia_buffer_free(&out);
	}
	assert_true(pythia_add(INT64_MAX, 1) == INT64_MAX && pythia_add(INT64_MIN, -1) == INT64_MIN);
	assert_true(pythia_subtract(INT64_MIN, 1) == INT64_MIN && pythia_subtract(1, INT64_MIN) == INT64_MAX);
	assert_true(pythia_multiply(INT64_MIN, -1) == INT64_MAX && pythia_multiply(INT64_MIN, 2) == INT64_MIN);
	assert_true(pythia_add(-3, 5) == 2 && pythia_subtract(-3, 5) == -8 && pythia_multiply(-3, 5) == -15);
	assert_false(pythia_seconds_read("1e300", &seconds));
	assert_false(pythia_seconds_read("99999999999999 days", &seconds));
	assert_true(pythia_seconds_read("9999 days", &seconds));
}

/* Keys at both ends of the range, a row a segment. */
static void test_key_ranges(void **state)
{
	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		for (int to = 0; to < ENGINES; to++)
		{
			for (int side = 0; side < 2; side++)
			{
				pythia_db *db = side == 0 ? sources[from] : targets[to];
				const char *table = side == 0 ? "range_source" : "range_target";

				drop(db, table);
				run(db, table,
					db->engine == PYTHIA_SQLITE ? "CREATE TABLE % (id INTEGER PRIMARY KEY, v INTEGER)"
												: "CREATE TABLE % (id BIGINT NOT NULL PRIMARY KEY, v INTEGER)");
				run(db, table,
					"INSERT INTO % VALUES (-9223372036854775808, 1), (-9223372036854775807, 2), (0, 3),"
					" (9223372036854775806, 4), (9223372036854775807, 5)");
			}
			run(targets[to], "range_target",
				"UPDATE % SET v = 0 WHERE id IN (-9223372036854775808, 9223372036854775807)");
			assert_lines(sources[from], targets[to], "range_source", "{\"segment_rows\": 1, \"recheck_after\": 0}",
						 "{\"table_map\": {\"range_source\": \"range_target\"}}",
						 "differing {\"id\": -9223372036854775808} [v]\ndiffering {\"id\": 9223372036854775807} [v]\n");
		}
	}
}

/* A worker's clock, marks and spans at the ends of their ranges. */
static void test_windows(void **state)
{
	static const char *const marks[] = {"-9223372036854775808", "9223372036854775807", "-9223372036854775809",
										"99999999999999999999", "1700000000"};
	static const int64_t moments[] = {0, 1700000000000000, INT64_C(253402300799000000)};
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_capture_config config;
	pythia_capture_table table;
	pythia_db *db = sources[PYTHIA_SQLITE];
	pythia_node *options = read_json("{\"lookback\": \"10000 days\"}");

	(void) state;
	drop(db, "window");
	run(db, "window", "CREATE TABLE % (id INTEGER PRIMARY KEY, stamp INTEGER)");
	run(db, "window", "INSERT INTO % VALUES (1, -9223372036854775808), (2, '9 OR 1')");
	assert_true(pythia_capture_config_read(options, "window", &config, &error));
	assert_true(pythia_capture_table_open(db, NULL, "window", "stamp", &config, &table, &error));
	assert_true(table.numeric);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		for (size_t j = 0; j < sizeof(moments) / sizeof(moments[0]); j++)
			for (size_t k = 0; k < sizeof(marks) / sizeof(marks[0]); k++)
			{
				pythia_clock clock = {.now = moments[j], .boundary = moments[j]};
				pythia_capture_position position = {
					.low = (char *) marks[k], .mark = (char *) marks[i], .mark_time = INT64_MIN};
				pythia_capture_window window;

				assert_true(pythia_capture_window_make(&table, &clock, &position, &window, &error));
				assert_true(pythia_integer_text(window.next.low, strlen(window.next.low)));
				assert_string_equal(window.next.mark, "-9223372036854775808");
				pythia_capture_window_free(&window);
			}
	for (size_t i = 0; i < NVALUES; i++)
	{
		pythia_clock clock = {.now = moments[1], .boundary = moments[1]};
		pythia_capture_position position = {.low = (char *) values[i].text};
		pythia_capture_window window;

		/* those that are integers */
		if (pythia_integer_text(values[i].text, strlen(values[i].text)))
			continue;
		for (int mark = 0; mark < 2; mark++)
		{
			assert_false(pythia_capture_window_make(&table, &clock, &position, &window, &error));
			assert_string_equal(error.sqlstate, "22P02");
			pythia_error_reset(&error);
			position = (pythia_capture_position){.low = NULL, .mark = (char *) values[i].text};
		}
	}
	pythia_capture_table_close(&table);
	pythia_node_free(options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_find_no_other_row),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_innocent_values),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_many_conditions),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_key_ranges),
		cmocka_unit_test(test_windows),
	};

	return cmocka_run_group_tests_name("attack_values", tests, open_engines, close_engines);
}
