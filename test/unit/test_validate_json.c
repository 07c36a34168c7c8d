/*
 * JSON spelled differently is equal, and by the sums alone wherever the engines can spell it alike; our
 * spelling is theirs, to the byte.
 */
#include "validate_tests.h"

#include "core/json_canonical.h"

/* A database with our extension, whose function spells JSON as MariaDB does. */
static pythia_db *extended;

static int open_all(void **state)
{
	const char *slash;
	char url[300];

	open_engines(state);
	/* these cannot run beside an open transaction: each its own */
	must(sources[0], "DROP DATABASE IF EXISTS validate_json");
	must(sources[0], "CREATE DATABASE validate_json");
	for (int i = 0; i < 2; i++)
	{
		const char *base = getenv(i == 0 ? "PG_SUPERUSER_URL" : "PG_URL");

		slash = strrchr(base, '/');
		snprintf(url, sizeof(url), "%.*s/validate_json", (int) (slash - base), base);
		extended = open_url(url, NULL);
		if (i == 0)
		{
			must(extended, "CREATE EXTENSION pythia_db; GRANT USAGE ON SCHEMA pythia TO pythia;"
						   "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pythia TO pythia;"
						   /* the extension's schema has the role's name */
						   "ALTER DATABASE validate_json SET search_path = public");
			pythia_db_close(extended);
		}
	}
	return 0;
}

static int close_all(void **state)
{
	pythia_db_close(extended);
	must(sources[0], "DROP DATABASE validate_json");
	return close_engines(state);
}

/* Appends a random document, spelled at random. */
static void random_json(pythia_buffer *out, int depth)
{
	static const char *const strings[] = {
		"\"\"",         "\"a\"",        "\"A\"",      "\"aa\"",   "\"b b\"",
		"\"a, b: {}\"", "\"\xc3\xa9\"", "\"\\n\\t\"", "\"\\\"\"", "\"\xf0\x9f\x98\x80\"",
		"\"1\"",        "\"\\\\\""};
	static const char *const numbers[] = {"0",
										  "-0",
										  "0.0",
										  "1",
										  "1.0",
										  "100",
										  "1e2",
										  "1E+2",
										  "0.1",
										  "-12.50",
										  "1e-3",
										  "0.10000000000000001",
										  "12345678901234567890",
										  "1.5e10",
										  "0.00120",
										  "-7",
										  "0e5",
										  "120e-1"};
	static const char *const spaces[] = {"", "", " ", "\n\t "};
	int n;

#define SPACE pythia_buffer_puts(out, spaces[random_below(4)])
	SPACE;
	switch (random_below(depth > 0 ? 7 : 4))
	{
		case 0:
			pythia_buffer_puts(out, strings[random_below(12)]);
			break;
		case 1:
		case 2:
			pythia_buffer_puts(out, numbers[random_below(18)]);
			break;
		case 3:
			pythia_buffer_puts(out, random_below(3) == 0 ? "true" : random_below(2) ? "false" : "null");
			break;
		case 4:
			pythia_buffer_putc(out, '[');
			n = random_below(4);
			for (int i = 0; i < n; i++)
			{
				pythia_buffer_puts(out, i > 0 ? "," : "");
				random_json(out, depth - 1);
			}
			SPACE;
			pythia_buffer_putc(out, ']');
			break;
		default:
		{
			int first = random_below(12);

			pythia_buffer_putc(out, '{');
			n = random_below(5);
			/* 5 and 12 have no common divisor: no name twice */
			for (int i = 0; i < n; i++)
			{
				pythia_buffer_puts(out, i > 0 ? "," : "");
				SPACE;
				pythia_buffer_puts(out, strings[(first + 5 * i) % 12]);
				SPACE;
				pythia_buffer_putc(out, ':');
				random_json(out, depth - 1);
			}
			SPACE;
			pythia_buffer_putc(out, '}');
			break;
		}
	}
	SPACE;
#undef SPACE
}

static void assert_spelled(pythia_db *db, const char *format, const char *document, pythia_json_style style)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer literal = PYTHIA_BUFFER_INIT;
	pythia_buffer ours = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};
	pythia_error error = PYTHIA_ERROR_INIT;
	static const char *const styles[] = {"value", "jsonb", "normal form"};

	pythia_dialect_of(db)->literal(&literal, document, strlen(document));
	pythia_buffer_printf(&sql, "SELECT ");
	pythia_buffer_printf(&sql, format, literal.data);
	if (!pythia_db_query(db, sql.data, "V*", &result, &error))
		fail_msg("%s: %s", document, error.message);
	if (!pythia_json_canonical(&ours, document, strlen(document), style))
		fail_msg("no %s of %s", styles[style], document);
	if (strcmp(ours.data, pythia_result_optional(&result, 0, 0)) != 0)
		fail_msg("%s\nis spelled %s\nand by us  %s", document, pythia_result_optional(&result, 0, 0), ours.data);
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	pythia_buffer_free(&literal);
	pythia_buffer_free(&ours);
}

static void test_our_spelling_is_theirs(void **state)
{
	pythia_buffer document = PYTHIA_BUFFER_INIT;

	(void) state;
	for (int i = 0; i < 1500; i++)
	{
		pythia_buffer_clear(&document);
		random_json(&document, 4);
		assert_spelled(sources[0], "(%s)::jsonb::text", document.data, PYTHIA_JSON_STYLE_JSONB);
		if (sources[1]->is_mariadb)
			assert_spelled(sources[1], "JSON_NORMALIZE(%s)", document.data, PYTHIA_JSON_STYLE_NORMALIZED);
		assert_spelled(extended, "pythia._json_normalized(%s)", document.data, PYTHIA_JSON_STYLE_NORMALIZED);
		assert_spelled(sources[2], "pythia_canonical('J', %s)", document.data, PYTHIA_JSON_STYLE_NORMALIZED);
	}
	pythia_buffer_free(&document);
}

/* What none of them should take for JSON stands as it is. */
static void test_what_is_no_json(void **state)
{
	static const char *const documents[] = {"",    "{",   "[1,]",   "{\"a\" 1}", "01",          "+1", "nul",
											"\"a", "'a'", "[1] 2",  "{\"a\":}",  "\"\\x\"",     ".5", "1.",
											"-",   "1e",  "\"\t\"", "\"\xff\"",  "\"\\ud800\"", "[[", "{a:1}"};

	(void) state;
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
	{
		for (int style = 0; style < 3; style++)
		{
			pythia_buffer out = PYTHIA_BUFFER_INIT;

			pythia_buffer_puts(&out, "before");
			if (pythia_json_canonical(&out, documents[i], strlen(documents[i]), style) && style != 2)
				fail_msg("%s was taken for JSON: %s", documents[i], out.data);
			if (style != 2)
				assert_string_equal(out.data, "before");
			pythia_buffer_free(&out);
		}
		assert_false(pythia_json_equal(documents[i], strlen(documents[i]), "1", 1, NULL));
	}
}

/* A zero is a zero, whatever its exponent. */
static void test_zeros(void **state)
{
	static const char *const zeros[] = {"0", "-0", "0e5", "0E-5", "0.00e3", "-0.0"};

	(void) state;
	for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++)
		assert_true(pythia_json_equal(zeros[i], strlen(zeros[i]), "0", 1, NULL));
	assert_false(pythia_json_equal("1e5", 3, "0", 1, NULL));
}

/* Two spellings of each document, and one that is another document. */
static const char *const spellings[][3] = {
	{"{\"a\": 1, \"b\": [1, 2]}", "{ \"b\" :[1,2],\"a\":1 }", "{\"b\":[2,1],\"a\":1}"},
	{"{\"zz\": {\"y\": 1, \"x\": 2}, \"a\": null}", "{\"a\":null,\"zz\":{\"x\":2,\"y\":1}}",
	 "{\"a\":null,\"zz\":{\"x\":2,\"Y\":1}}"},
	{"[true, \"a, b\"]", "[ true,\"a, b\"]", "[ true,\"a,b\"]"},
	{"{\"n\": 12345678901234567890}", " {\"n\":12345678901234567890} ", "{\"n\": 12345678901234567891}"},
	{"{\"a\": \"\xc3\xa9\"}", "{\"a\":\"\xc3\xa9\"}", "{\"a\":\"e\xcc\x81\"}"},
	{"[1e2, 0.5]", "[100,5e-1]", "[100,0.50000000000000001]"},
};

static void fill(pythia_db *db, const char *table, const char *type, int spelling)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	drop(db, table);
	pythia_buffer_printf(&sql, "CREATE TABLE %s (id INTEGER NOT NULL PRIMARY KEY, j %s)", quoted(db, table), type);
	must(db, sql.data);
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_printf(&sql, "INSERT INTO %s VALUES (%d, ", quoted(db, table), (int) i + 1);
		pythia_dialect_of(db)->literal(&sql, spellings[i][spelling], strlen(spellings[i][spelling]));
		pythia_buffer_putc(&sql, ')');
		must(db, sql.data);
	}
	pythia_buffer_free(&sql);
}

static bool is_mysql_proper(const pythia_db *db)
{
	return db->engine == PYTHIA_MYSQL && !db->is_mariadb;
}

static void check_pair(pythia_db *source, const char *source_type, pythia_db *target, const char *target_type,
					   bool by_sums)
{
	static const char *const map = "{\"table_map\": {\"spelled\": \"spelled_copy\"}}";
	verdict v;
	/* MySQL's own json writes numbers as doubles */
	bool to_mysql = is_mysql_proper(target) && strcmp(target_type, "json") == 0;

	fill(source, "spelled", source_type, 0);
	fill(target, "spelled_copy", target_type, 1);
	snprintf(doing, sizeof(doing), "(%s, %s)", source_type, target_type);
	assert_lines(source, target, "spelled", NULL, map, "");
	validate_with(source, target, "spelled", NULL, map, NULL, &v);
	assert_true(v.ok && v.result.is_valid);
	/* and has no JSON_NORMALIZE */
	if (by_sums && !is_mysql_proper(source) && !is_mysql_proper(target) && v.result.suspected != 0)
		fail_msg("%s %s: %d rows suspected", engine_names[source->engine], doing, (int) v.result.suspected);
	verdict_free(&v);
	fill(target, "spelled_copy", target_type, 2);
	assert_lines(source, target, "spelled", NULL, map,
				 to_mysql ? "differing {\"id\": 1} [j]\ndiffering {\"id\": 2} [j]\ndiffering {\"id\": 3} [j]\n"
							"differing {\"id\": 4} [j]\ndiffering {\"id\": 5} [j]\n"
						  : "differing {\"id\": 1} [j]\ndiffering {\"id\": 2} [j]\ndiffering {\"id\": 3} [j]\n"
							"differing {\"id\": 4} [j]\ndiffering {\"id\": 5} [j]\ndiffering {\"id\": 6} [j]\n");
	doing[0] = '\0';
}

static void test_spellings(void **state)
{
	static const char *const types[2] = {"jsonb", "json"};

	(void) state;
	for (int i = 0; i < 2; i++)
	{
		/* 0.5 and 5e-1: jsonb writes both alike; 1.0 and 1 it does not */
		check_pair(sources[0], types[i], targets[0], types[1 - i], true);
		check_pair(sources[0], types[i], targets[2], "json", true);
		check_pair(sources[2], "json", targets[0], types[i], true);
		check_pair(extended, types[i], targets[1], "json", true);
		check_pair(sources[1], "json", extended, types[i], true);
		check_pair(extended, types[i], targets[2], "json", true);
		/* nothing there that writes as MariaDB does: rows are looked at */
		check_pair(sources[0], types[i], targets[1], "json", false);
		check_pair(sources[1], "json", targets[0], types[i], false);
	}
	check_pair(extended, "jsonb", targets[1], "longtext", true);
	check_pair(sources[1], "json", targets[1], "json", true);
	check_pair(sources[1], "json", targets[2], "json", true);
	check_pair(sources[2], "json", targets[1], "json", true);
	/* from one file of SQLite to another texts are carried as they are, and so they are compared */
	fill(sources[2], "spelled", "json", 0);
	fill(targets[2], "spelled_copy", "json", 1);
	assert_lines(sources[2], targets[2], "spelled", NULL, "{\"table_map\": {\"spelled\": \"spelled_copy\"}}",
				 "differing {\"id\": 1} [j]\ndiffering {\"id\": 2} [j]\ndiffering {\"id\": 3} [j]\n"
				 "differing {\"id\": 4} [j]\ndiffering {\"id\": 5} [j]\ndiffering {\"id\": 6} [j]\n");
}

/* json may hold what jsonb refuses; that breaks no checksum. */
static void test_what_jsonb_refuses(void **state)
{
	static const char *const map = "{\"table_map\": {\"refused\": \"refused_copy\"}}";

	(void) state;
	for (int side = 0; side < 2; side++)
	{
		pythia_db *db = side == 0 ? sources[0] : targets[0];
		const char *table = side == 0 ? "refused" : "refused_copy";

		drop(db, table);
		run(db, table, "CREATE TABLE % (id INTEGER NOT NULL PRIMARY KEY, j json)");
		run(db, table,
			"INSERT INTO % VALUES (1, '{\"a\": \"\\u0000\"}'), (2, '1e400000'), (3, '\"\\ud83d\\ude00\"'), (4, "
			"'1e-99999')");
	}
	assert_lines(sources[0], targets[0], "refused", NULL, map, "");
	run(targets[0], "refused_copy", "UPDATE % SET j = '{\"a\": \"\\u0001\"}' WHERE id = 1");
	assert_lines(sources[0], targets[0], "refused", NULL, map, "differing {\"id\": 1} [j]\n");
}

/* Names in order, names that are not, and repeated ones, on every level. */
static void test_members_in_order(void **state)
{
	static const char *const documents[][2] = {
		{"{\"b\":{\"z\":1,\"y\":[{\"b\":1,\"a\":2}]},\"a\":3}",
		 "{\"a\": 3, \"b\": {\"y\": [{\"a\": 2, \"b\": 1}], \"z\": 1}}"},
		{"{\"a\":{\"a\":1,\"a\":{\"b\":1,\"a\":2}},\"a\":{\"a\":[],\"a\":{}}}", "{\"a\": {\"a\": {}}}"},
		{"{\"a\":1,\"b\":2,\"aa\":3}", "{\"a\": 1, \"b\": 2, \"aa\": 3}"},
		{"{\"aa\":1,\"b\":2,\"b\":3,\"aa\":{}}", "{\"b\": 3, \"aa\": {}}"},
		{"{}", "{}"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
	{
		pythia_buffer out = PYTHIA_BUFFER_INIT;

		pythia_buffer_puts(&out, "before ");
		assert_true(pythia_json_canonical(&out, documents[i][0], strlen(documents[i][0]), PYTHIA_JSON_STYLE_JSONB));
		assert_string_equal(out.data + 7, documents[i][1]);
		pythia_buffer_free(&out);
	}
}

static bool stop_at_once(void *context)
{
	++*(int *) context;
	return true;
}

/* A large text within objects of objects is moved only where their names are not in order, and not without a look whether
 * to stop. */
static void test_nested_members(void **state)
{
	int asked = 0;
	const pythia_host host = {.context = &asked, .cancelled = stop_at_once};
	pythia_buffer document = PYTHIA_BUFFER_INIT;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	bool cancelled = false;

	(void) state;
	for (int ordered = 0; ordered < 2; ordered++)
	{
		pythia_buffer_clear(&document);
		for (int i = 0; i < 100; i++)
			pythia_buffer_puts(&document, "{\"b\":");
		pythia_buffer_putc(&document, '"');
		for (int i = 0; i < 200000; i++)
			pythia_buffer_putc(&document, 'x');
		pythia_buffer_putc(&document, '"');
		for (int i = 0; i < 100; i++)
			pythia_buffer_puts(&document, ordered ? ",\"c\":1}" : ",\"a\":1}");
		pythia_buffer_clear(&out);
		assert_int_equal(pythia_json_canonical_until(&out, document.data, document.length, PYTHIA_JSON_STYLE_JSONB,
													 &host, &cancelled),
						 ordered);
		assert_int_equal(cancelled, !ordered);
		cancelled = false;
		assert_int_equal(asked, 1);
	}
	pythia_buffer_free(&document);
	pythia_buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_our_spelling_is_theirs),
		cmocka_unit_test(test_what_is_no_json),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_what_jsonb_refuses),
		cmocka_unit_test(test_members_in_order),
		cmocka_unit_test(test_nested_members),
	};

	if (getenv("PYTHIA_OTHER_POSTGRES"))
	{
		puts("1..0 # SKIP there is no pythia_db in this PostgreSQL");
		return 0;
	}
	return cmocka_run_group_tests(tests, open_all, close_all);
}
