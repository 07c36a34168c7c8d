/* Rows into PostgreSQL's binary COPY: the same as by its text, to the last bit. */
#include "driver_tests.h"

#include "drivers/postgres/internal.h"

static pythia_db *enter(void)
{
	const char *url = getenv("PG_URL");

	if (!url)
		fail_msg("PG_URL is not set: run this by test/run or test/with-servers");
	return open_url(url, NULL);
}

static const struct
{
	const char *name;
	const char *type; /* as format_type spells it */
	pythia_kind kind;
	int size;
	const char *random; /* an expression over i and x, a random number from 0 to 1 */
} columns[] = {
	{"a", "integer", PYTHIA_KIND_INT, 4, "i"},
	{"flag", "boolean", PYTHIA_KIND_BOOL, 0, "i % 2 = 0"},
	{"small", "smallint", PYTHIA_KIND_INT, 2, "x * 65535 - 32768"},
	{"big", "bigint", PYTHIA_KIND_INT, 8, "(x - 0.5) * 2 * 9e18"},
	{"free", "numeric", PYTHIA_KIND_DECIMAL, 0,
	 "round((x::numeric - 0.5) * 10::numeric ^ (i % 60 - 20), (i % 45)) * CASE WHEN i % 11 = 0 THEN 0 ELSE 1 END"},
	{"tight", "numeric(12,2)", PYTHIA_KIND_DECIMAL, 0, "(x - 0.5) * 1e10"},
	{"real8", "double precision", PYTHIA_KIND_DOUBLE, 0, "(x - 0.5) * 10 ^ (i % 600 - 300)"},
	{"t", "text", PYTHIA_KIND_TEXT, 0, "CASE i % 3 WHEN 0 THEN '' WHEN 1 THEN E'tab\\tline\\n\\\\' ELSE 'ä😀' || x END"},
	{"v", "character varying(20)", PYTHIA_KIND_TEXT, 0, "left(md5(x::text), i % 21)"},
	{"c", "character(5)", PYTHIA_KIND_CHAR, 0, "left(md5(x::text), i % 6)"},
	{"b", "bytea", PYTHIA_KIND_BYTES, 0, "decode(left(md5(x::text), i % 17 * 2), 'hex')"},
	{"d", "date", PYTHIA_KIND_DATE, 0, "date '0001-01-01' + (x * 3652058)::int"},
	{"clock", "time without time zone", PYTHIA_KIND_TIME, 0, "time '00:00' + x * interval '86399.999999 s'"},
	{"ts", "timestamp without time zone", PYTHIA_KIND_TIMESTAMP, 0,
	 "timestamp '0001-01-01' + x * interval '3652058 days'"},
	{"ts3", "timestamp(3) without time zone", PYTHIA_KIND_TIMESTAMP, 0,
	 "timestamp '1990-01-01' + x * interval '30000 days'"},
	{"tz", "timestamp with time zone", PYTHIA_KIND_TIMESTAMPTZ, 0,
	 "timestamptz '1900-01-01 UTC' + x * interval '80000 days'"},
	{"u", "uuid", PYTHIA_KIND_UUID, 0, "md5(x::text)::uuid"},
	{"j", "json", PYTHIA_KIND_JSON, 0, "json_build_object('i', i, 'x', x)"},
	{"jb", "jsonb", PYTHIA_KIND_JSON, 0, "jsonb_build_array(i, x, NULL, 'ä')"},
};

#define NCOLUMNS ((int) (sizeof(columns) / sizeof(columns[0])))

/* A load of all columns into a table. */
typedef struct wide_load
{
	pythia_load load;
	pythia_type types[NCOLUMNS];
	const pythia_type *pointers[NCOLUMNS];
	const char *names[NCOLUMNS];
	pythia_buffer sql;
	pythia_buffer binary_sql;
} wide_load;

static void make_wide(wide_load *wide, const char *table)
{
	memset(wide, 0, sizeof(*wide));
	pythia_buffer_printf(&wide->sql, "COPY %s (", table);
	for (int i = 0; i < NCOLUMNS; i++)
	{
		wide->types[i].kind = columns[i].kind;
		wide->types[i].size = columns[i].size;
		wide->types[i].native = (char *) columns[i].type;
		wide->pointers[i] = &wide->types[i];
		wide->names[i] = columns[i].name;
		pythia_buffer_printf(&wide->sql, "%s%s", i ? ", " : "", columns[i].name);
	}
	pythia_buffer_puts(&wide->sql, ") FROM STDIN");
	pythia_buffer_printf(&wide->binary_sql, "%s (FORMAT binary)", wide->sql.data);
	wide->load = (pythia_load){.table = table,
							   .ncolumns = NCOLUMNS,
							   .columns = wide->names,
							   .types = wide->pointers,
							   .sql = wide->sql.data,
							   .binary_sql = wide->binary_sql.data};
}

static void free_wide(wide_load *wide)
{
	pythia_buffer_free(&wide->sql);
	pythia_buffer_free(&wide->binary_sql);
}

/* Makes table `made`, with random rows. */
static void make_tables(pythia_db *db)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql, "CREATE TEMP TABLE made (");
	for (int i = 0; i < NCOLUMNS; i++)
		pythia_buffer_printf(&sql, "%s%s %s", i ? ", " : "", columns[i].name, columns[i].type);
	pythia_buffer_puts(&sql, ", PRIMARY KEY (a));"
							 "SELECT setseed(0.5); INSERT INTO made SELECT ");
	for (int i = 0; i < NCOLUMNS; i++)
		if (i == 0)
			pythia_buffer_puts(&sql, columns[i].random);
		else
			pythia_buffer_printf(&sql, ", CASE WHEN (i + %d) %% 13 <> 0 THEN (%s) END", i, columns[i].random);
	pythia_buffer_puts(&sql, " FROM (SELECT i, random() AS x FROM generate_series(1, 6000) AS i OFFSET 0) AS r");
	must(db, sql.data);
	pythia_buffer_free(&sql);
}

static void test_same_as_text(void **state)
{
	pythia_db *from = enter();
	pythia_db *to = enter();
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_stream *stream;
	pythia_rows rows;
	uint64_t stored;
	wide_load wide;

	(void) state;
	make_tables(from);
	must(from, "DROP TABLE IF EXISTS public.binary_got; CREATE TABLE public.binary_got (LIKE made INCLUDING ALL)");
	make_wide(&wide, "public.binary_got");
	pythia_buffer_puts(&sql, "SELECT ");
	for (int i = 0; i < NCOLUMNS; i++)
	{
		bool zone = columns[i].kind == PYTHIA_KIND_TIMESTAMPTZ;

		pythia_buffer_printf(&sql, "%s%s%s", i ? ", " : "", columns[i].name, zone ? " AT TIME ZONE 'UTC'" : "");
	}
	pythia_buffer_puts(&sql, " FROM made");
	assert_true(to->driver->begin(to, PYTHIA_BEGIN_WRITE, &error));
	assert_true(from->driver->stream_open(from, sql.data, NCOLUMNS, NULL, &stream, &error));
	assert_true(to->driver->load_begin(to, &wide.load, &error));
	assert_non_null(pythia_postgres_of(to)->binary);
	for (;;)
	{
		assert_true(from->driver->stream_next(stream, &rows, &error));
		if (rows.count == 0)
			break;
		if (!to->driver->load_put(to, &rows, &error))
			fail_msg("%s", error.message);
		assert_non_null(pythia_postgres_of(to)->binary);
	}
	from->driver->stream_close(stream);
	if (!to->driver->load_end(to, &stored, &error))
		fail_msg("%s (%s)", error.message, error.context ? error.context : "");
	assert_int_equal(stored, 6000);
	assert_true(to->driver->commit(to, &error));
	assert_count(
		from,
		"SELECT count(*) FROM (SELECT m::text FROM made AS m EXCEPT SELECT g::text FROM public.binary_got AS g) AS x",
		0);
	assert_count(from, "SELECT count(*) FROM public.binary_got", 6000);
	must(from, "DROP TABLE public.binary_got");
	pythia_buffer_free(&sql);
	free_wide(&wide);
	pythia_db_close(from);
	pythia_db_close(to);
}

/* Loads rows of (a, b) in a transaction; true where all was stored. */
static bool load_pairs(pythia_db *db, const char *type, pythia_kind kind, int size, const char *const *values,
					   int count, bool *text, pythia_error *error)
{
	static const char *const names[] = {"a", "b"};
	pythia_type types[2] = {{.kind = PYTHIA_KIND_INT, .size = 4, .native = (char *) "integer"},
							{.kind = kind, .size = size, .native = (char *) type}};
	const pythia_type *pointers[2] = {&types[0], &types[1]};
	pythia_load load = {.table = "odd",
						.ncolumns = 2,
						.columns = names,
						.types = pointers,
						.sql = "COPY odd (a, b) FROM STDIN",
						.binary_sql = "COPY odd (a, b) FROM STDIN (FORMAT binary)"};
	pythia_rows_writer writer = {0};
	pythia_rows view;
	bool ok;

	for (int i = 0; i < count; i++)
	{
		char number[16];

		pythia_rows_text(&writer, number, (size_t) snprintf(number, sizeof(number), "%d", i));
		pythia_rows_text(&writer, values[i], strlen(values[i]));
		pythia_rows_end(&writer);
	}
	view = pythia_rows_view(&writer);
	ok = db->driver->load_begin(db, &load, error);
	assert_true(ok && pythia_postgres_of(db)->binary != NULL);
	ok = db->driver->load_put(db, &view, error);
	*text = pythia_postgres_of(db)->binary == NULL;
	ok = ok && db->driver->load_put(db, &(pythia_rows){"9\t\\N\n", 5, 1}, error) &&
		 db->driver->load_end(db, NULL, error);
	if (!ok)
		db->driver->load_abandon(db);
	pythia_rows_free(&writer);
	return ok;
}

/* From a value without a plain binary form on, the server reads text; it takes what it always took. */
static void test_odd_values(void **state)
{
	static const struct
	{
		const char *type;
		pythia_kind kind;
		int size;
		const char *values[4];
		const char *stored; /* NULL: refused, with sqlstate */
		const char *sqlstate;
	} cases[] = {
		{"numeric", PYTHIA_KIND_DECIMAL, 0, {"1.50", "NaN", "2"}, "1.50,NaN,2", NULL},
		{"numeric", PYTHIA_KIND_DECIMAL, 0, {"1", "1e5", ".5"}, "1,100000,0.5", NULL},
		{"numeric", PYTHIA_KIND_DECIMAL, 0, {"1", "1.2.3", "2"}, NULL, "22P02"},
		{"numeric(4,2)", PYTHIA_KIND_DECIMAL, 0, {"1.005", "99.994", "-0.00"}, "1.01,99.99,0.00", NULL},
		{"numeric(4,2)", PYTHIA_KIND_DECIMAL, 0, {"1", "100", "2"}, NULL, "22003"},
		{"double precision", PYTHIA_KIND_DOUBLE, 0, {"-0", "Infinity", "NaN"}, "-0,Infinity,NaN", NULL},
		{"double precision", PYTHIA_KIND_DOUBLE, 0, {"1", "1e999", "2"}, NULL, "22003"},
		{"integer", PYTHIA_KIND_INT, 4, {"1", " 2 ", "+3"}, "1,2,3", NULL},
		{"smallint", PYTHIA_KIND_INT, 2, {"1", "40000", "2"}, NULL, "22003"},
		{"timestamp without time zone",
		 PYTHIA_KIND_TIMESTAMP,
		 0,
		 {"2024-01-01 00:00:00", "infinity", "0044-03-15 00:00:00 BC"},
		 "2024-01-01 00:00:00,infinity,0044-03-15 00:00:00 BC",
		 NULL},
		{"timestamp(0) without time zone",
		 PYTHIA_KIND_TIMESTAMP,
		 0,
		 {"2024-01-01 00:00:00.5", "2024-01-01 00:00:00.499999", "2024-12-31 23:59:59.9"},
		 "2024-01-01 00:00:01,2024-01-01 00:00:00,2025-01-01 00:00:00",
		 NULL},
		{"date", PYTHIA_KIND_DATE, 0, {"2024-02-29", "2024-02-30", "2024-03-01"}, NULL, "22008"},
		{"time without time zone",
		 PYTHIA_KIND_TIME,
		 0,
		 {"23:59:59.999999", "24:00:00", "00:00:00"},
		 "23:59:59.999999,24:00:00,00:00:00",
		 NULL},
		{"uuid",
		 PYTHIA_KIND_UUID,
		 0,
		 {"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
		  "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		 "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,a0eebc99-9c0b-4ef8-bb6d-"
		 "6bb9bd380a11",
		 NULL},
		{"character varying(3)", PYTHIA_KIND_TEXT, 0, {"abc", "abc  ", "äöü"}, "abc,abc,äöü", NULL},
		{"character varying(3)", PYTHIA_KIND_TEXT, 0, {"abc", "abcd", ""}, NULL, "22001"},
		{"text", PYTHIA_KIND_TEXT, 0, {"a", "b\xff", "c"}, NULL, "22021"},
		{"jsonb", PYTHIA_KIND_JSON, 0, {"{}", "{", "[]"}, NULL, "22P02"},
	};
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;
	char sql[400];
	bool text;

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		bool ok;

		snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS odd; CREATE TEMP TABLE odd (a int PRIMARY KEY, b %s)",
				 cases[i].type);
		must(db, sql);
		assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
		ok = load_pairs(db, cases[i].type, cases[i].kind, cases[i].size, cases[i].values, 3, &text, &error);
		if (ok != (cases[i].stored != NULL))
			fail_msg("%s %s: %s", cases[i].type, cases[i].values[1], ok ? "it was stored" : error.message);
		if (!ok)
		{
			assert_string_equal(error.sqlstate, cases[i].sqlstate);
			assert_true(db->driver->rollback(db, &error));
		}
		else
		{
			assert_true(db->driver->commit(db, &error));
			snprintf(
				sql, sizeof(sql),
				"SELECT count(*) FROM (SELECT string_agg(b::text, ',' ORDER BY a) AS b FROM odd) AS s WHERE b = '%s'",
				cases[i].stored);
			assert_count(db, sql, 1);
			assert_count(db, "SELECT count(*) FROM odd", 4);
		}
		pythia_error_reset(&error);
		assert_false(db->broken);
	}
	/* a row of a key that was there before the format changed */
	must(db, "DROP TABLE odd; CREATE TEMP TABLE odd (a int PRIMARY KEY, b numeric); INSERT INTO odd VALUES (2, 0)");
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
	assert_false(
		load_pairs(db, "numeric", PYTHIA_KIND_DECIMAL, 0, (const char *const[]){"1", "NaN", "3"}, 3, &text, &error));
	assert_true(text);
	assert_string_equal(error.sqlstate, "23505");
	assert_true(db->driver->rollback(db, &error));
	assert_count(db, "SELECT count(*) FROM odd", 1);
	pythia_error_reset(&error);
	pythia_db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_text),
		cmocka_unit_test(test_odd_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
