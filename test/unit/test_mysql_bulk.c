/* Rows into MariaDB as arrays of values: the same as by LOAD DATA, to the last bit. */
#include "driver_tests.h"

#include "drivers/mysql/internal.h"

#define ROWS 3000

static pythia_db *enter(void)
{
	const char *url = getenv("MYSQL_URL");

	if (!url)
		fail_msg("MYSQL_URL is not set: run this by test/run or test/with-servers");
	return open_url(url, NULL);
}

#define COLUMNS "a, flag, small, big, huge, f, d, m, s, c, e, j, b, day, clock, ts, local, coarse"

static const pythia_kind kinds[] = {
	PYTHIA_KIND_INT,       PYTHIA_KIND_BOOL,      PYTHIA_KIND_INT,         PYTHIA_KIND_INT,  PYTHIA_KIND_UINT,
	PYTHIA_KIND_FLOAT,     PYTHIA_KIND_DOUBLE,    PYTHIA_KIND_DECIMAL,     PYTHIA_KIND_TEXT, PYTHIA_KIND_CHAR,
	PYTHIA_KIND_ENUM,      PYTHIA_KIND_JSON,      PYTHIA_KIND_BYTES,       PYTHIA_KIND_DATE, PYTHIA_KIND_TIME,
	PYTHIA_KIND_TIMESTAMP, PYTHIA_KIND_TIMESTAMP, PYTHIA_KIND_TIMESTAMPTZ,
};

#define NCOLUMNS ((int) (sizeof(kinds) / sizeof(kinds[0])))

static const char *const names[] = {"a", "flag", "small", "big", "huge", "f",     "d",  "m",     "s",
									"c", "e",    "j",     "b",   "day",  "clock", "ts", "local", "coarse"};

/* Values taken in turn, a different number a column, so that they meet in all combinations. */
static const char *const values[][8] = {
	{NULL},
	{"0", "1", NULL},
	{"-32768", "32767", "0", "-1", NULL},
	{"-9223372036854775808", "9223372036854775807", "0", "42", NULL},
	{"0", "9223372036854775807", "7", NULL},
	{"0.1", "-3.4e38", "1.17549e-38", "16777217", NULL},
	{"0.30000000000000004", "1.7976931348623157e308", "4.9e-324", "-0", "123456789.12345678", "1e22", NULL},
	{"12345678901234567890123456789012345.123456789012345678901234567891", "-0.000000000000000000000000000001", "0",
	 NULL},
	{"", "plain", "tab\tnew\nline\rback\\slash", "\xf0\x9f\x98\x80 \xc3\xa4", "\\N", "NULL", " spaces ", NULL},
	{"ab", "", "\xc3\xa4\xc3\xb6\xc3\xbc", NULL},
	{"new", "sent", NULL},
	{"{\"a\": [1, null, \"x\\\\y\"]}", "[]", NULL},
	{"\\x", "\\x00ff0d0a5c09", "\\xDEADBEEF", NULL},
	{"2024-02-29", "0001-01-01", "9999-12-31", NULL},
	{"-838:59:59.999999", "838:59:59", "00:00:00.000001", NULL},
	{"2024-02-29 23:59:59.999999", "1000-01-01 00:00:00", "9999-12-31 23:59:59.5", NULL},
	{"2024-03-31 02:30:00", "2024-10-27 02:30:00.123", NULL},
	{"1970-01-01 00:00:01", "2038-01-19 03:14:07", NULL},
};

static void write_values(pythia_rows_writer *writer, int row)
{
	char number[16];

	pythia_rows_text(writer, number, (size_t) snprintf(number, sizeof(number), "%d", row));
	for (int i = 1; i < NCOLUMNS; i++)
	{
		int count = 0;
		const char *value;

		while (values[i][count])
			count++;
		value = values[i][row / (i % 3 + 1) % (count + 1)]; /* the last one is NULL */
		if (value)
			pythia_rows_text(writer, value, strlen(value));
		else
			pythia_rows_null(writer);
	}
	pythia_rows_end(writer);
}

static const char create[] =
	"(a int PRIMARY KEY, flag tinyint(1), small smallint, big bigint, huge bigint unsigned, f float, d double, "
	"m decimal(65,30), s text CHARACTER SET utf8mb4, c char(3) CHARACTER SET utf8mb4, e enum('new','sent'), j json, "
	"b blob, day date, clock time(6), ts datetime(6), local datetime(3), coarse timestamp NULL)";

/* Loads rows into a table, the row `odd` with a zero date; tells whether the last statement was a bulk one. */
static bool load_into(pythia_db *db, const char *table, const char *insert, int odd, bool *bulk, pythia_error *error)
{
	static const char sql[] =
		"LOAD DATA LOCAL INFILE 'pythia' INTO TABLE %s CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY "
		"'\\\\' "
		"LINES TERMINATED BY '\\n' (a, flag, small, big, huge, f, d, m, s, c, e, j, @b, day, clock, ts, local, coarse) "
		"SET b = UNHEX(SUBSTR(@b, 3))";
	pythia_rows_writer writer = {0};
	pythia_type types[NCOLUMNS] = {0};
	const pythia_type *pointers[NCOLUMNS];
	pythia_rows view;
	uint64_t stored = 0;
	char statement[600];
	pythia_load load = {.table = table,
						.ncolumns = NCOLUMNS,
						.columns = names,
						.types = pointers,
						.sql = statement,
						.binary_sql = insert};
	bool ok;

	snprintf(statement, sizeof(statement), sql, table);
	for (int i = 0; i < NCOLUMNS; i++)
	{
		types[i].kind = kinds[i];
		types[i].precision = i == NCOLUMNS - 1 ? 0 : i == NCOLUMNS - 2 ? 3 : 6;
		pointers[i] = &types[i];
	}
	for (int i = 0; i < ROWS; i++)
		write_values(&writer, i == odd ? i - 1 : i);
	view = pythia_rows_view(&writer);
	ok = db->driver->load_begin(db, &load, error) && db->driver->load_put(db, &view, error) &&
		 db->driver->load_end(db, &stored, error);
	if (!ok)
		db->driver->load_abandon(db);
	else
		assert_int_equal(stored, ROWS);
	*bulk = pythia_mysql_of(db)->load.in_bulk;
	pythia_rows_free(&writer);
	return ok;
}

static void test_same_as_load_data(void **state)
{
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;
	char sql[1000];
	bool bulk;

	(void) state;
	for (int i = 0; i < 2; i++)
	{
		snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS bulk_%d; CREATE TABLE bulk_%d %s", i, i, create);
		must(db, sql);
	}
	if (!load_into(db, "bulk_0", NULL, -1, &bulk, &error))
		fail_msg("%s", error.message);
	assert_false(bulk);
	snprintf(sql, sizeof(sql), "INSERT INTO bulk_1 (" COLUMNS ") VALUES (?%s)",
			 ", ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?");
	if (!load_into(db, "bulk_1", sql, -1, &bulk, &error))
		fail_msg("%s", error.message);
	assert_true(bulk);
	assert_count(db, "SELECT count(*) FROM bulk_1", ROWS);
	assert_count(db,
				 "SELECT count(*) FROM (SELECT a, HEX(CONCAT_WS('|', IFNULL(flag, '-'), IFNULL(small, '-'), "
				 "IFNULL(big, '-'), IFNULL(huge, '-'), "
				 "IFNULL(f + 0E0, '-'), IFNULL(d, '-'), IFNULL(m, '-'), IFNULL(s, '-'), IFNULL(c, '-'), IFNULL(e, "
				 "'-'), IFNULL(j, '-'), "
				 "IFNULL(HEX(b), '-'), IFNULL(day, '-'), IFNULL(clock, '-'), IFNULL(ts, '-'), IFNULL(local, '-'), "
				 "IFNULL(coarse, '-'))) AS h FROM bulk_0) AS x "
				 "JOIN (SELECT a, HEX(CONCAT_WS('|', IFNULL(flag, '-'), IFNULL(small, '-'), IFNULL(big, '-'), "
				 "IFNULL(huge, '-'), "
				 "IFNULL(f + 0E0, '-'), IFNULL(d, '-'), IFNULL(m, '-'), IFNULL(s, '-'), IFNULL(c, '-'), IFNULL(e, "
				 "'-'), IFNULL(j, '-'), "
				 "IFNULL(HEX(b), '-'), IFNULL(day, '-'), IFNULL(clock, '-'), IFNULL(ts, '-'), IFNULL(local, '-'), "
				 "IFNULL(coarse, '-'))) AS h FROM bulk_1) AS y "
				 "ON x.a = y.a AND x.h = y.h",
				 ROWS);
	/* a second row of a key: nothing stays, and the connection goes on */
	must(db, "TRUNCATE bulk_1");
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
	assert_false(load_into(db, "bulk_1", sql, 2000, &bulk, &error));
	assert_string_equal(error.sqlstate, "23505");
	pythia_error_reset(&error);
	assert_true(db->driver->rollback(db, &error));
	assert_count(db, "SELECT count(*) FROM bulk_1", 0);
	if (!load_into(db, "bulk_1", sql, -1, &bulk, &error))
		fail_msg("%s", error.message);
	must(db, "DROP TABLE bulk_0, bulk_1");
	pythia_db_close(db);
}

/* Loads 1000 rows of (a, b) where row 500 is `odd`, by bulk where it can be. */
static bool load_odd(pythia_db *db, pythia_kind kind, int precision, const char *odd, bool *bulk, pythia_error *error)
{
	static const char *const columns[] = {"a", "b"};
	pythia_type types[2] = {{.kind = PYTHIA_KIND_INT}, {.kind = kind, .precision = precision}};
	const pythia_type *pointers[2] = {&types[0], &types[1]};
	pythia_load load = {
		.table = "bulk_odd",
		.ncolumns = 2,
		.columns = columns,
		.types = pointers,
		.sql = "LOAD DATA LOCAL INFILE 'pythia' INTO TABLE bulk_odd CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' "
			   "ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' (a, b)",
		.binary_sql = "INSERT INTO bulk_odd (a, b) VALUES (?, ?)"};
	pythia_rows_writer writer = {0};
	pythia_rows view;
	bool ok;

	for (int i = 0; i < 1000; i++)
	{
		char number[16];

		pythia_rows_text(&writer, number, (size_t) snprintf(number, sizeof(number), "%d", i));
		if (i == 500)
			pythia_rows_text(&writer, odd, strlen(odd));
		else
			pythia_rows_null(&writer);
		pythia_rows_end(&writer);
	}
	view = pythia_rows_view(&writer);
	ok = db->driver->load_begin(db, &load, error) && db->driver->load_put(db, &view, error) &&
		 db->driver->load_end(db, NULL, error);
	if (!ok)
		db->driver->load_abandon(db);
	*bulk = pythia_mysql_of(db)->load.in_bulk;
	pythia_rows_free(&writer);
	return ok;
}

/* Values without a plain binary form go by LOAD DATA, which knows what to do with them. */
static void test_odd_values(void **state)
{
	static const struct
	{
		const char *type;
		pythia_kind kind;
		int precision;
		const char *value;
		const char *stored; /* NULL: refused */
	} cases[] = {
		{"bigint unsigned", PYTHIA_KIND_UINT, 0, "18446744073709551615", "18446744073709551615"},
		{"datetime(3)", PYTHIA_KIND_TIMESTAMP, 3, "2024-01-01 00:00:00.1235", "2024-01-01 00:00:00.124"},
		/* another MySQL may hold such a day */
		{"datetime", PYTHIA_KIND_TIMESTAMP, 0, "2024-02-30 00:00:00", "2024-02-30 00:00:00"},
		{"datetime", PYTHIA_KIND_TIMESTAMP, 0, "2024-02-32 00:00:00", NULL},
		{"datetime", PYTHIA_KIND_TIMESTAMP, 0, "0000-00-00 00:00:00", "0000-00-00 00:00:00"},
		{"int", PYTHIA_KIND_INT, 0, "abc", NULL},
		{"double", PYTHIA_KIND_DOUBLE, 0, "NaN", NULL},
		{"double", PYTHIA_KIND_DOUBLE, 0, "1e999", NULL},
	};
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;
	char sql[200];
	bool bulk;

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS bulk_odd; CREATE TABLE bulk_odd (a int PRIMARY KEY, b %s)",
				 cases[i].type);
		must(db, sql);
		if (load_odd(db, cases[i].kind, cases[i].precision, cases[i].value, &bulk, &error) != (cases[i].stored != NULL))
			fail_msg("%s: %s", cases[i].value, error.message ? error.message : "it was stored");
		assert_false(bulk);
		pythia_error_reset(&error);
		if (!cases[i].stored)
			continue;
		snprintf(sql, sizeof(sql), "SELECT count(*) FROM bulk_odd WHERE a = 500 AND b = '%s'", cases[i].stored);
		assert_count(db, sql, 1);
	}
	/* what fits no column is refused in bulk, too */
	must(db, "DROP TABLE bulk_odd; CREATE TABLE bulk_odd (a int PRIMARY KEY, b tinyint)");
	assert_false(load_odd(db, PYTHIA_KIND_INT, 0, "300", &bulk, &error));
	assert_true(bulk);
	assert_string_equal(error.sqlstate, "22003");
	pythia_error_reset(&error);
	must(db, "DROP TABLE bulk_odd; CREATE TABLE bulk_odd (a int PRIMARY KEY, b varchar(3))");
	assert_false(load_odd(db, PYTHIA_KIND_TEXT, 0, "four", &bulk, &error));
	assert_true(bulk);
	assert_string_equal(error.sqlstate, "22001");
	pythia_error_reset(&error);
	must(db, "DROP TABLE bulk_odd");
	pythia_db_close(db);
}

/* More than the server takes at once goes by LOAD DATA. */
static void test_packets(void **state)
{
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;
	size_t length = 17 << 20;
	char *large = pythia_malloc(length + 1);
	bool bulk;

	(void) state;
	memset(large, 'x', length);
	large[length] = '\0';
	must(db, "DROP TABLE IF EXISTS bulk_odd; CREATE TABLE bulk_odd (a int PRIMARY KEY, b longtext)");
	if (!load_odd(db, PYTHIA_KIND_TEXT, 0, large, &bulk, &error))
		fail_msg("%s", error.message);
	assert_false(bulk);
	assert_count(db, "SELECT length(b) FROM bulk_odd WHERE a = 500", (int64_t) length);
	must(db, "DROP TABLE bulk_odd");
	pythia_free(large);
	pythia_db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_load_data),
		cmocka_unit_test(test_odd_values),
		cmocka_unit_test(test_packets),
	};

	pythia_db *db = enter();
	bool has_arrays = db->is_mariadb && pythia_mysql_serves_files;

	pythia_db_close(db);
	if (!has_arrays)
	{
		puts("1..0 # SKIP arrays of values take a MariaDB and its Connector/C");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
