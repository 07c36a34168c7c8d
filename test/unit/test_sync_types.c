/*
 * Every type's edge values, copied there and back in all nine directions and found equal, byte
 * for byte, in the engine that they came from; where a target cannot hold a value, that is an
 * error and not another value.
 */
#include "sync_tests.h"

#define NOT_PG   (1 << PG)
#define NOT_LITE (1 << LITE)
#define NOT_MY   (1 << MY)
/* MariaDB and SQLite have no zero with a sign: it comes back equal, but without it. */
#define SIGN_LOST (1 << 8)

typedef struct edge
{
	int engine;
	const char *type;
	int refused; /* engines that cannot hold these values: an error there */
	const char *values[16];
} edge;

#define BEYOND_DOUBLES "'12345678901234567890.123'"

static const edge edges[] = {
	/* PostgreSQL */
	{PG, "boolean", 0, {"true", "false"}},
	{PG, "smallint", 0, {"-32768", "32767", "0"}},
	{PG, "integer", 0, {"-2147483648", "2147483647"}},
	{PG, "bigint", 0, {"-9223372036854775808", "9223372036854775807"}},
	{PG, "numeric(10,2)", 0, {"0", "-99999999.99", "0.01", "99999999.99", "1.10"}},
	{PG, "numeric(15,0)", 0, {"999999999999999", "-1"}},
	{PG,
	 "numeric(65,30)",
	 0,
	 {"99999999999999999999999999999999999.999999999999999999999999999999", "-0.000000000000000000000000000001", "0"}},
	{PG, "numeric(38,10)", 0, {"1234567890123456789012345678.0123456789", "-1"}},
	{PG, "numeric(20,4)", NOT_MY, {"'NaN'"}},
	{PG, "numeric", NOT_MY, {"'NaN'", "'Infinity'"}},
	{PG, "real", 0, {"0.1", "3.4028235e38", "1e-45", "16777216", "1.17549435e-38", "123456.7"}},
	{PG, "real", NOT_MY | NOT_LITE, {"'NaN'"}},
	{PG, "real", NOT_MY, {"'Infinity'", "'-Infinity'"}},
	{PG,
	 "double precision",
	 0,
	 {"0.1", "0.30000000000000004", "1.7976931348623157e308", "5e-324", "2.2250738585072014e-308", "9007199254740993",
	  "123456789.12345679", "1e23", "-1.5", "1e22"}},
	{PG, "double precision", NOT_MY | NOT_LITE, {"'NaN'"}},
	{PG, "double precision", SIGN_LOST, {"'-0'"}},
	{PG, "double precision", NOT_MY, {"'Infinity'", "'-Infinity'"}},
	{PG,
	 "text",
	 0,
	 {"''", "' '", "'a '", "E'\\t\\n\\r\\b\\f\\v\\\\'", "'😀 é ß 漢'", "'NULL'", "E'\\\\N'", "E'\\\\.'",
	  "repeat('x', 100000)", "'A'", "'a'", "E'\\x01\\x1f\\x7f'", "'quote '' \" `'"}},
	{PG, "varchar(20)", 0, {"''", "'ab  '", "'äöü'"}},
	{PG, "char(5)", 0, {"'ab'", "''", "'abcde'"}},
	{PG,
	 "bytea",
	 0,
	 {"''", "decode('00', 'hex')",
	  "(SELECT string_agg(set_byte('\\x00'::bytea, 0, i), '' ORDER BY i) FROM generate_series(0, 255) i)",
	  "convert_to(repeat('y', 70000), 'UTF8')"}},
	{PG, "date", 0, {"'0001-01-01'", "'9999-12-31'", "'2024-02-29'", "'1970-01-01'"}},
	{PG, "date", NOT_MY, {"'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'"}},
	{PG, "time", 0, {"'00:00:00'", "'23:59:59.999999'", "'24:00:00'", "'12:34:56.1'"}},
	{PG, "time(3)", 0, {"'00:00:00.001'", "'23:59:59.999'"}},
	{PG, "timetz", 0, {"'12:00:00+05:30'", "'23:59:59.999999-12'"}},
	{PG, "timestamp", 0, {"'0001-01-01'", "'9999-12-31 23:59:59.999999'", "'2024-06-30 12:00:00.000001'"}},
	{PG, "timestamp", NOT_MY, {"'infinity'", "'-infinity'", "'294276-12-31 23:59:59.999999'", "'4713-01-01 BC'"}},
	{PG, "timestamp(0)", 0, {"'2024-06-30 12:00:00'"}},
	{PG, "timestamptz", 0, {"'2024-03-10 12:34:56.123456+02'", "'1970-01-01 00:00:01Z'", "'2038-01-19 03:14:07Z'"}},
	{PG, "timestamptz", 0, {"'9999-12-31 23:59:59.999999Z'", "'0001-01-01 00:00:00Z'"}},
	{PG, "timestamptz", NOT_MY, {"'infinity'", "'-infinity'"}},
	{PG, "interval", 0, {"'1 year 2 mons 3 days 04:05:06.789'", "'-1 day'", "'838:59:59'", "'0'", "'-00:00:01.5'"}},
	{PG, "uuid", 0, {"'00000000-0000-0000-0000-000000000000'", "'FFFFFFFF-ffff-4fff-8fff-ffffffffffff'"}},
	{PG, "bit(1)", 0, {"B'0'", "B'1'"}},
	{PG, "bit(8)", 0, {"B'10100101'", "B'00000000'", "B'11111111'"}},
	{PG, "bit(64)", 0, {"repeat('1', 64)::bit(64)", "repeat('0', 64)::bit(64)", "1::bit(64)"}},
	{PG, "bit(100)", 0, {"repeat('10', 50)::bit(100)"}},
	{PG, "varbit(10)", 0, {"B'101'", "B'0000000001'"}},
	{PG, "mood", 0, {"'happy'", "'so, so'", "'it''s'"}},
	{PG, "jsonb", 0, {"'{\"a\": [1, 2.5, null, \"x\\u00e9\"], \"b\": {}}'", "'null'", "'\"text\"'", "'[]'"}},
	{PG, "jsonb", 0, {BEYOND_DOUBLES, "'[2.50]'"}},
	{PG, "json", 0, {"'{\"b\" : 1,  \"a\":2}'", "'[1,2]'"}},
	{PG, "integer[]", 0, {"'{1,2,NULL}'", "'{}'", "'{{1,2},{3,4}}'"}},
	{PG, "text[]", 0, {"'{\"a,b\",\"q\\\"uote\",\"back\\\\slash\",NULL,\"NULL\",\"\",\"ä\"}'", "'{}'", "'{x}'"}},
	{PG, "boolean[]", 0, {"'{t,f,NULL}'"}},
	{PG, "inet", 0, {"'192.168.0.1/24'", "'::1'"}},
	{PG, "cidr", 0, {"'10.0.0.0/8'"}},
	{PG, "macaddr", 0, {"'08:00:2b:01:02:03'"}},
	{PG, "int4range", 0, {"'[1,10)'", "'empty'", "'(,)'"}},
	{PG, "tstzrange", 0, {"'[2024-01-01 00:00:00+00,)'"}},
	{PG, "point", 0, {"'(0.1,-2)'"}},
	{PG, "xml", 0, {"'<a b=\"c\">d</a>'"}},
	{PG, "tsvector", 0, {"'fat:2 rat:3'"}},
	{PG, "money", 0, {"'12.34'", "'-1000.00'"}},
	{PG, "small_number", 0, {"1", "99"}},
	{PG, "pair", 0, {"'(1,\"a b\")'"}},
	/* MariaDB */
	{MY, "tinyint", 0, {"-128", "127"}},
	{MY, "tinyint(1)", 0, {"0", "1"}},
	{MY, "tinyint(1)", 0, {"0", "1", "5", "-3"}},
	{MY, "tinyint unsigned", 0, {"0", "255"}},
	{MY, "smallint", 0, {"-32768", "32767"}},
	{MY, "smallint unsigned", 0, {"65535"}},
	{MY, "mediumint", 0, {"-8388608", "8388607"}},
	{MY, "mediumint unsigned", 0, {"16777215"}},
	{MY, "int", 0, {"-2147483648", "2147483647"}},
	{MY, "int unsigned", 0, {"4294967295"}},
	{MY, "bigint", 0, {"-9223372036854775808", "9223372036854775807"}},
	{MY, "bigint unsigned", 0, {"0", "18446744073709551615", "9223372036854775808", "9223372036854775807"}},
	{MY, "decimal(10,2)", 0, {"0.00", "-99999999.99", "0.01"}},
	{MY,
	 "decimal(65,30)",
	 0,
	 {"99999999999999999999999999999999999.999999999999999999999999999999", "-0.000000000000000000000000000001"}},
	{MY, "float", 0, {"0.1", "3.40282e38", "1e-38", "16777216", "123456.7"}},
	{MY,
	 "double",
	 0,
	 {"0.1", "0.30000000000000004", "1.7976931348623157e308", "2.2250738585072014e-308", "9007199254740993", "1e23",
	  "-1.5"}},
	{MY, "char(5)", 0, {"'ab'", "''", "'abcde'"}},
	{MY, "varchar(20)", 0, {"''", "'ab  '", "'äöü😀'"}},
	{MY, "text", 0, {"''", "'a\\t\\n\\r\\\\ \\b'", "repeat('x', 65535)", "'\\\\N'", "'NULL'"}},
	{MY, "longtext", 0, {"repeat('é', 100000)"}},
	{MY, "text", NOT_PG, {"'a\\0b'"}},
	{MY, "binary(4)", 0, {"x'00010203'", "x'61'"}},
	{MY, "varbinary(20)", 0, {"''", "x'00ff'"}},
	{MY, "blob", 0, {"''", "x'000102090a0d5c7f80ff'", "repeat(x'ff', 60000)"}},
	{MY, "date", 0, {"'0001-01-01'", "'9999-12-31'", "'2024-02-29'"}},
	{MY, "date", NOT_PG, {"'0000-00-00'"}},
	{MY, "date", NOT_PG, {"'2024-00-10'"}},
	{MY, "time", 0, {"'00:00:00'", "'23:59:59'"}},
	{MY, "time(6)", 0, {"'-838:59:59'", "'838:59:59.000000'", "'00:00:00.000001'", "'-00:00:01.500000'"}},
	{MY, "datetime", 0, {"'0001-01-01 00:00:00'", "'9999-12-31 23:59:59'"}},
	{MY, "datetime(6)", 0, {"'2024-06-30 12:00:00.000001'", "'9999-12-31 23:59:59.999999'"}},
	{MY, "datetime", NOT_PG, {"'0000-00-00 00:00:00'"}},
	{MY, "timestamp(6) NULL", 0, {"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999999'"}},
	{MY, "year", 0, {"1901", "2155", "0"}},
	{MY, "bit(1)", 0, {"b'0'", "b'1'"}},
	{MY, "bit(10)", 0, {"b'1000000001'", "b'0'"}},
	{MY, "bit(64)", 0, {"18446744073709551615", "1"}},
	{MY, "enum('a','b,c','it''s')", 0, {"'a'", "'b,c'", "'it''s'"}},
	{MY, "set('x','y','z z')", 0, {"''", "'x,z z'", "'y'"}},
	{MY, "json", 0, {"'{\"a\": [1, 2.50, null]}'", "'null'", "'\"t\"'"}},
	{MY, "uuid", 0, {"'123e4567-e89b-12d3-a456-426614174000'"}},
	{MY, "inet6", 0, {"'::1'"}},
	{MY, "geometry", 0, {"ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0,1.5 1,2 3)')"}},
	/* SQLite */
	{LITE, "INTEGER", 0, {"-9223372036854775808", "9223372036854775807", "0"}},
	{LITE, "REAL", 0, {"0.1", "0.30000000000000004", "1.7976931348623157e308", "5e-324", "1e23"}},
	{LITE, "REAL", NOT_MY, {"9e999", "-9e999"}},
	{LITE, "TEXT", 0, {"''", "' a '", "'😀' || char(9, 10, 13, 92)", "'NULL'"}},
	{LITE, "TEXT", NOT_PG, {"CAST(x'610062' AS TEXT)"}},
	{LITE, "TEXT", NOT_PG | NOT_MY, {"CAST(x'61ff62' AS TEXT)"}},
	{LITE, "VARCHAR(10)", 0, {"'abc'", "''"}},
	{LITE, "VARCHAR(3)", NOT_PG | NOT_MY, {"'abcd'"}},
	{LITE, "BLOB", 0, {"x''", "x'000102090a0d5c7f80ff'", "zeroblob(70000)"}},
	{LITE, "BOOLEAN", 0, {"0", "1"}},
	{LITE, "NUMERIC(10,2)", 0, {"0.99", "-1.5", "12345678.91", "3"}},
	{LITE, "DECIMAL(12,4)", 0, {"0.0001", "99999999.9999"}},
	{LITE, "DATE", 0, {"'2024-02-29'", "'0001-01-01'"}},
	{LITE, "DATETIME", 0, {"'2024-02-29 12:00:00'"}},
	{LITE, "TIMESTAMP", 0, {"'2024-02-29 12:00:00.123456'"}},
	{LITE, "TIMESTAMPTZ", 0, {"'2024-02-29 12:00:00.123456Z'"}},
	{LITE, "TIME", 0, {"0", "86399999999", "43200000000"}},
	{LITE, "UUID TEXT", 0, {"'123e4567-e89b-12d3-a456-426614174000'"}},
	{LITE, "JSON TEXT", 0, {"'{\"a\": 1}'"}},
	{LITE, "BIT(10)", 0, {"0", "1023", "513"}},
	{LITE, "UNSIGNED BLOB", 0, {"0", "9223372036854775807", "'18446744073709551615'"}},
};

static void make_edge(pythia_db *db, const edge *e, const char *name, bool filled)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	drop(db, name);
	pythia_buffer_printf(&sql, "CREATE TABLE %s (id integer PRIMARY KEY, v %s)", name, e->type);
	must(db, sql.data);
	for (int i = 0; filled && e->values[i] != NULL; i++)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_printf(&sql, "INSERT INTO %s VALUES (%d, %s)", name, i + 1, e->values[i]);
		must(db, sql.data);
	}
	if (filled)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_printf(&sql, "INSERT INTO %s VALUES (99, NULL)", name);
		must(db, sql.data);
	}
	pythia_buffer_free(&sql);
}

static const char *differences(pythia_db *db, int engine)
{
	static const char *const sql[ENGINES] = {
		[PG] = "SELECT coalesce(string_agg(format('%s: %s is %s', id, left(a.v::text, 60), left(b.v::text, 60)), '; '),"
			   " '') FROM edge a FULL JOIN edge_back b USING (id) WHERE a.v::text IS DISTINCT FROM b.v::text",
		[MY] = "SELECT COALESCE(GROUP_CONCAT(a.id, ': ', LEFT(HEX(a.v), 60), ' is ', LEFT(HEX(b.v), 60)), '')"
			   " FROM edge a LEFT JOIN edge_back b ON a.id = b.id"
			   " WHERE b.id IS NULL OR NOT (a.v <=> b.v) OR NOT (BINARY a.v <=> BINARY b.v)",
		[LITE] = "SELECT coalesce(group_concat(a.id || ': ' || quote(a.v) || ' is ' || quote(b.v)), '')"
				 " FROM edge a LEFT JOIN edge_back b ON a.id = b.id"
				 " WHERE b.id IS NULL OR quote(a.v) <> quote(b.v)",
	};

	return value_of(db, sql[engine]);
}

static int failures;

static void report(const edge *e, int to, const char *stage, const pythia_error *error)
{
	failures++;
	print_error("%s %s via %s: %s: %s (%s)\n", engine_names[e->engine], e->type, engine_names[to], stage,
				error->message != NULL ? error->message : "", error->detail != NULL ? error->detail : "");
}

/* MySQL lacks types that MariaDB has, and its json is no text: it writes values its own way, and numbers as doubles. */
static bool is_not_for_mysql(const edge *e, int to, const pythia_db *home, const pythia_db *away)
{
	if (e->engine == MY && !home->is_mariadb)
		return strcmp(e->type, "uuid") == 0 || strcmp(e->type, "inet6") == 0;
	return e->engine == PG && to == MY && !away->is_mariadb &&
		   (strcmp(e->type, "json") == 0 ||
			(strcmp(e->type, "jsonb") == 0 && strcmp(e->values[0], BEYOND_DOUBLES) == 0));
}

static void there_and_back(const edge *e, int to)
{
	pythia_db *home = open_engine(e->engine, 0);
	pythia_db *away = open_engine(to, 1);
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_sync_result result;
	bool refused = (e->refused >> to & 1) != 0;

	if (is_not_for_mysql(e, to, home, away))
	{
		print_message("skipped: %s in MySQL\n", e->type);
		pythia_db_close(home);
		pythia_db_close(away);
		return;
	}
	if (e->engine == MY)
		must(home, "SET sql_mode = 'STRICT_ALL_TABLES'"); /* zero dates are what we want here */
	make_edge(home, e, "edge", true);
	make_edge(home, e, "edge_back", false);
	drop(away, "edge");
	if (!try_sync(home, away, "edge", "{\"mode\": \"full\"}", NULL, &result, &error))
	{
		if (!refused)
			report(e, to, "there", &error);
	}
	else if (refused)
	{
		error.message = pythia_strdup("no error where one is due");
		report(e, to, "there", &error);
	}
	else
	{
		pythia_sync_result_free(&result);
		if (!try_sync(away, home, "edge", "{\"mode\": \"full\", \"table_map\": {\"edge\": \"edge_back\"}}", NULL,
					  &result, &error))
			report(e, to, "back", &error);
		/* the text of it, which MySQL gets, keeps it */
		else if (e->refused == SIGN_LOST && (to == LITE || (to == MY && away->is_mariadb)))
			assert_string_equal(differences(home, e->engine), "1: -0 is 0");
		else if (differences(home, e->engine)[0] != '\0')
		{
			failures++;
			print_error("%s %s via %s: %s\n", engine_names[e->engine], e->type, engine_names[to],
						differences(home, e->engine));
		}
		else
		{
			/* through the stage too: all are equal, so nothing is written */
			pythia_sync_result_free(&result);
			if (!try_sync(home, away, "edge", "{\"mode\": \"full\"}", NULL, &result, &error))
				report(e, to, "again", &error);
			else if (result.rows_updated != 0 || result.rows_inserted != 0)
			{
				failures++;
				print_error("%s %s via %s: equal rows were written again: %d\n", engine_names[e->engine], e->type,
							engine_names[to], (int) result.rows_updated);
			}
		}
	}
	pythia_sync_result_free(&result);
	pythia_error_reset(&error);
	pythia_db_close(home);
	pythia_db_close(away);
}

static void run_engine(int engine)
{
	failures = 0;
	if (engine == PG)
	{
		pythia_db *db = open_engine(PG, 0);

		must(db, "CREATE TYPE mood AS ENUM ('happy', 'so, so', 'it''s')");
		must(db, "CREATE DOMAIN small_number AS integer CHECK (VALUE < 100)");
		must(db, "CREATE TYPE pair AS (a integer, b text)");
		pythia_db_close(db);
	}
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
	{
		if (edges[i].engine != engine)
			continue;
		for (int to = 0; to < ENGINES; to++)
			there_and_back(&edges[i], to);
	}
	assert_int_equal(failures, 0);
}

static void test_from_postgres(void **state)
{
	(void) state;
	run_engine(PG);
}

static void test_from_mariadb(void **state)
{
	(void) state;
	run_engine(MY);
}

static void test_from_sqlite(void **state)
{
	(void) state;
	run_engine(LITE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_postgres),
		cmocka_unit_test(test_from_mariadb),
		cmocka_unit_test(test_from_sqlite),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
