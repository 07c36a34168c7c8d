/*
 * Keys that are texts, several columns, or alike under a collation: every row finds its own counterpart, what is
 * gone is told from what is there, a run that is resumed goes on where the source's order says, and keys that are
 * one in the target are an error before a row of it is touched.
 */
#include "sync_tests.h"

#include "between.h"
#include "validate/validate.h"

static const char *const stamps[ENGINES] = {"timestamp", "DATETIME", "datetime(6)"};

/* Column definitions that a key of texts may have. The last of each tells case and accents less apart. */
typedef struct text_key
{
	int engine;
	const char *type;
	bool insensitive;
} text_key;

static text_key text_keys[] = {
	{PG, "varchar(40)", false},
	{PG, "varchar(40) COLLATE \"und-x-icu\"", false},
	{LITE, "VARCHAR(40)", false},
	{MY, "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin", false},
	{MY, "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", true},
	{LITE, "VARCHAR(40) COLLATE NOCASE", true},
};
#define EXACT_MARIADB 3
#define LOOSE_MARIADB 4
#define LOOSE_SQLITE  5
#define TEXT_KEYS     ((int) (sizeof(text_keys) / sizeof(text_keys[0])))

/* all of them apart under any collation that has to hold them; those of the first row under exact ones only */
#define EXACT_WORDS "('a', 1, 'x', NULL), ('A', 1, 'x', NULL), ('a ', 1, 'x', NULL), ('\xc3\xa4', 1, 'x', NULL), "
#define ALL_WORDS                                                                                                      \
	"('', 1, 'x', NULL), ('b', 1, 'x', NULL), ('b', 2, 'x', NULL), ('b', -1, 'x', NULL), ('Zoe', 1, 'x', NULL),"       \
	" ('zebra', 1, 'x', NULL), ('o''clock', 1, 'x', NULL), ('c d', 1, 'x', NULL), ('10', 1, 'x', NULL),"               \
	" ('9', 1, 'x', NULL), ('\xe6\xbc\xa2', 1, 'x', NULL), ('\xf0\x9f\x98\x80', 1, 'x', NULL), ('_', 1, 'x', NULL),"   \
	" ('%', 1, 'x', NULL), ('\xc3\xb1', 1, 'x', NULL)"
#define EXACT_COUNT 4
#define ALL_COUNT   15

static void make_keyed(pythia_db *db, int engine, const char *type, const char *rows)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	drop(db, "keyed");
	pythia_buffer_printf(
		&sql, "CREATE TABLE keyed (a %s NOT NULL, b integer, v varchar(20), updated_at %s%s, PRIMARY KEY (a, b))", type,
		stamps[engine], engine == MY ? " NULL" : "");
	must(db, sql.data);
	if (rows != NULL)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_printf(&sql, "INSERT INTO keyed VALUES %s", rows);
		must(db, sql.data);
	}
	pythia_buffer_free(&sql);
}

static const char *state_of(pythia_db *db)
{
	return value_of(db,
					db->engine == PYTHIA_MYSQL
						? "SELECT SHA2(GROUP_CONCAT(CONCAT(HEX(a), '/', b, '/', v) ORDER BY HEX(a), b), 256) FROM keyed"
					: db->engine == PYTHIA_SQLITE
						? "SELECT group_concat(hex(a) || '/' || b || '/' || v) FROM (SELECT * FROM keyed"
						  " ORDER BY hex(a), b)"
						: "SELECT encode(sha256(convert_to(string_agg(upper(encode(convert_to(a, 'UTF8'), 'hex')) || "
						  "'/' || b || '/' ||"
						  " v, ',' ORDER BY upper(encode(convert_to(a, 'UTF8'), 'hex')) COLLATE \"C\", b), 'UTF8')), "
						  "'hex') FROM keyed");
}

/* In each database the same rows make one text; SQLite's has no digest of its own. */
static void assert_same(pythia_db *source, pythia_db *target)
{
	if ((source->engine == PYTHIA_SQLITE) == (target->engine == PYTHIA_SQLITE))
		assert_string_equal(state_of(source), state_of(target));
	else
	{
		pythia_db *lite = source->engine == PYTHIA_SQLITE ? source : target;
		pythia_db *other = lite == source ? target : source;
		char sql[4200];

		snprintf(sql, sizeof(sql),
				 other->engine == PYTHIA_MYSQL ? "SELECT SHA2('%s', 256)" : "SELECT encode(sha256('%s'), 'hex')",
				 state_of(lite));
		assert_string_equal(value_of(other, sql), state_of(other));
	}
}

static void one_pair(const text_key *from, const text_key *to)
{
	bool exact = !from->insensitive && (to == NULL || !to->insensitive);
	int target_engine = to != NULL ? to->engine : -1;
	pythia_db *source = open_engine(from->engine, 0);
	pythia_sync_result result;
	int count = ALL_COUNT + (exact ? EXACT_COUNT : 0);

	make_keyed(source, from->engine, from->type, exact ? EXACT_WORDS ALL_WORDS : ALL_WORDS);
	for (int engine = to != NULL ? target_engine : 0; engine <= (to != NULL ? target_engine : ENGINES - 1); engine++)
	{
		pythia_db *target = open_engine(engine, 1);

		print_message("%s %s to %s %s\n", engine_names[from->engine], from->type, engine_names[engine],
					  to != NULL ? to->type : "as it is made");
		if (to != NULL)
			make_keyed(target, engine, to->type, NULL);
		else
			drop(target, "keyed");
		must_sync(source, target, "keyed", "{\"mode\": \"full\", \"deletes\": \"hard\"}", NULL, &result);
		assert_counts(&result, count, 0, 0, 0);
		pythia_sync_result_free(&result);
		assert_same(source, target);
		/* one changed, one gone, one more than there should be */
		must(target, "UPDATE keyed SET v = 'other' WHERE a = 'Zoe'");
		must(target, "DELETE FROM keyed WHERE a = '9'");
		must(target, "INSERT INTO keyed VALUES ('more', 1, 'x', NULL), ('b', 3, 'x', NULL)");
		must_sync(source, target, "keyed", "{\"mode\": \"full\", \"deletes\": \"hard\"}", NULL, &result);
		assert_counts(&result, 1, 1, 2, 0);
		pythia_sync_result_free(&result);
		assert_same(source, target);
		pythia_db_close(target);
	}
	pythia_db_close(source);
}

static void test_texts(void **state)
{
	pythia_db *db = open_engine(PG, 0);
	bool icu = strcmp(value_of(db, "SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'"), "0") != 0;

	(void) state;
	pythia_db_close(db);
	if (!icu)
		print_message("this PostgreSQL has no collations of ICU: those are left out\n");
	for (int from = 0; from < TEXT_KEYS; from++)
	{
		if (!icu && strstr(text_keys[from].type, "icu") != NULL)
			continue;
		one_pair(&text_keys[from], NULL);
		/* one that orders them in another way than any of those that are made */
		one_pair(&text_keys[from], &text_keys[from % 2 == 0 ? LOOSE_MARIADB : LOOSE_SQLITE]);
	}
}

/* Keys that the source tells apart and the target does not. */
static void test_collisions(void **state)
{
	static const struct
	{
		int engine;
		const char *type;
		const char *rows;
	} cases[] = {
		{MY, "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
		 "('a', 1, 'x', NULL), ('A', 1, 'y', NULL), ('b', 1, 'z', NULL)"},
		{MY, "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
		 "('a', 1, 'x', NULL), ('a ', 1, 'y', NULL), ('b', 1, 'z', NULL)"},
		{MY, "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
		 "('a', 1, 'x', NULL), ('\xc3\xa4', 1, 'y', NULL), ('b', 1, 'z', NULL)"},
		{LITE, "VARCHAR(40) COLLATE NOCASE", "('a', 1, 'x', NULL), ('A', 1, 'y', NULL), ('b', 1, 'z', NULL)"},
		{LITE, "VARCHAR(40) COLLATE RTRIM", "('a', 1, 'x', NULL), ('a ', 1, 'y', NULL), ('b', 1, 'z', NULL)"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		for (int filled = 0; filled < 3; filled++)
		{
			int from = (int) (i + (size_t) filled) % ENGINES;
			pythia_db *source = open_engine(from, 0);
			pythia_db *target = open_engine(cases[i].engine, 1);
			pythia_sync_result result;
			pythia_error error = PYTHIA_ERROR_INIT;

			print_message("%s to %s, %s\n", engine_names[from], cases[i].type,
						  filled == 2   ? "replaced"
						  : filled == 1 ? "with rows"
										: "empty");
			make_keyed(source, from, from == MY ? text_keys[EXACT_MARIADB].type : "varchar(40)", cases[i].rows);
			make_keyed(target, cases[i].engine, cases[i].type, filled > 0 ? "('c', 1, 'old', NULL)" : NULL);
			assert_false(
				try_sync(source, target, "keyed",
						 filled == 2 ? "{\"mode\": \"full\", \"truncate_target\": true}" : "{\"mode\": \"full\"}", NULL,
						 &result, &error));
			assert_string_equal(error.sqlstate, "23505");
			assert_non_null(error.hint);
			assert_string_equal(value_of(target, "SELECT count(*) FROM keyed"), filled > 0 ? "1" : "0");
			pythia_error_reset(&error);
			close_both(source, target);
		}
	}
}

typedef struct stopper
{
	int count;
	char checkpoint[300];
} stopper;

static bool stop_once(void *context, const char *checkpoint, pythia_error *error)
{
	stopper *s = context;

	snprintf(s->checkpoint, sizeof(s->checkpoint), "%s", checkpoint);
	if (++s->count > 1)
		return true;
	return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "stopped by the test");
}

/* The order in which a source hands out its keys is its own; a resumed run goes on in that. */
static void test_resume(void **state)
{
	static const struct
	{
		int engine;
		const char *ddl;
		const char *rows;
	} cases[] = {
		{PG, "CREATE TABLE many (a varchar(40) COLLATE \"und-x-icu\", b numeric(10,2), v text, PRIMARY KEY (a, b))",
		 "INSERT INTO many SELECT CASE i % 3 WHEN 0 THEN upper(md5(i::text)) WHEN 1 THEN md5(i::text) || ' ' ELSE"
		 " '\xc3\xa4' || md5(i::text) END, i * 1.5, repeat('v', 8000) FROM generate_series(1, 4000) i"},
		{MY,
		 "CREATE TABLE many (a varchar(40) COLLATE utf8mb4_general_ci, b decimal(10,2), v mediumtext,"
		 " PRIMARY KEY (a, b)) CHARACTER SET utf8mb4",
		 "INSERT INTO many SELECT CASE seq % 3 WHEN 0 THEN UPPER(LEFT(SHA2(seq, 256), 32)) WHEN 1 THEN "
		 "CONCAT(LEFT(SHA2(seq, 256), 32), ' ') ELSE"
		 " CONCAT('\xc3\xa4', LEFT(SHA2(seq, 256), 32)) END, seq * 1.5, REPEAT('v', 8000) FROM " SEQ_TO("4000")},
		{LITE, "CREATE TABLE many (a VARCHAR(40) COLLATE NOCASE, b DECIMAL(10,2), v TEXT, PRIMARY KEY (a, b))",
		 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) INSERT INTO many SELECT"
		 " CASE i % 3 WHEN 0 THEN 'KEY ' ELSE 'key ' END || (i * 7919 % 4001), i * 1.5, hex(zeroblob(4000)) FROM n"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pythia_db *source = open_engine(cases[i].engine, 0);
		pythia_db *target = open_engine(cases[i].engine == LITE ? PG : LITE, 1);
		stopper s = {0};
		pythia_sync_callbacks callbacks = {.context = &s, .checkpoint = stop_once};
		pythia_sync_job job = {.source = source, .target = target, .callbacks = &callbacks};
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;

		if (cases[i].engine == PG &&
			strcmp(value_of(source, "SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'"), "0") == 0)
		{
			print_message("this PostgreSQL has no collations of ICU\n");
			continue;
		}
		print_message("%s\n", engine_names[cases[i].engine]);
		drop(source, "many");
		drop(target, "many");
		must(source, cases[i].ddl);
		must(source, cases[i].rows);
		assert_false(try_sync_with(&job, "many", "{\"mode\": \"full\"}", &result, &error));
		assert_string_equal(error.sqlstate, "57014");
		pythia_error_reset(&error);
		assert_int_equal(s.count, 1);
		job.checkpoint = s.checkpoint;
		if (!try_sync_with(&job, "many", "{\"mode\": \"full\"}", &result, &error))
			fail_msg("%s", error.message);
		assert_between(result.source_count, 1, 3000);
		assert_string_equal(value_of(target, "SELECT count(*) FROM many"), "4000");
		assert_string_equal(value_of(target, "SELECT count(*) FROM many WHERE length(v) = 8000"), "4000");
		pythia_sync_result_free(&result);
		drop(source, "many");
		close_both(source, target);
	}
}

/* Stops after each chunk, and notes where. */
static bool stop_each(void *context, const char *checkpoint, pythia_error *error)
{
	stopper *s = context;

	s->count++;
	snprintf(s->checkpoint, sizeof(s->checkpoint), "%s", checkpoint);
	return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "stopped by the test");
}

#define CASE_ROWS   40
#define CASE_LETTER "CASE WHEN i % 2 = 0 THEN 'key ' ELSE 'KEY ' END"

/* Keys whose text does not tell where they stand in the order that they are read in, or whose columns' equality is looser
 * than what tells rows apart: wherever a run is interrupted, the next one reads each row that is left, once. */
static void test_order_resumed(void **state)
{
	static const struct
	{
		int engine;
		const char *what;
		const char *ddl;
		const char *rows; /* the columns before v, over n(i) */
		const char *target;
		const char *options;
	} cases[] = {
		{LITE, "a key of any class", "CREATE TABLE odd (k PRIMARY KEY NOT NULL, v TEXT)",
		 "CASE i % 4 WHEN 0 THEN i WHEN 1 THEN i + 0.5 WHEN 2 THEN 'text ' || i ELSE CAST('bytes ' || i AS BLOB) END",
		 "CREATE TABLE odd (k text PRIMARY KEY, v text)", ""},
		{LITE, "bytes, texts and numbers of one spelling",
		 "CREATE TABLE odd (k BLOB NOT NULL, n INT NOT NULL, v TEXT, PRIMARY KEY (k, n))",
		 "CASE i % 3 WHEN 0 THEN 1 WHEN 1 THEN '1' ELSE x'31' END, i",
		 "CREATE TABLE odd (k text, n int, v text, PRIMARY KEY (k, n))", ""},
		{LITE, "texts and bytes", "CREATE TABLE odd (k TEXT NOT NULL, v TEXT, PRIMARY KEY (k))",
		 "CASE i % 2 WHEN 0 THEN 'k' || i ELSE CAST('k' || i AS BLOB) END",
		 "CREATE TABLE odd (k text PRIMARY KEY, v text)", ""},
		{LITE, "an index of bytes over a column without case",
		 "CREATE TABLE odd (k TEXT COLLATE NOCASE NOT NULL, v TEXT, PRIMARY KEY (k COLLATE BINARY))",
		 CASE_LETTER " || (i / 2)", "CREATE TABLE odd (k text PRIMARY KEY, v text)", ""},
		{LITE, "a named key without case", "CREATE TABLE odd (k TEXT COLLATE NOCASE NOT NULL, n INT NOT NULL, v TEXT)",
		 CASE_LETTER " || (i / 2), 1", "CREATE TABLE odd (k text, n int, v text, PRIMARY KEY (k, n))",
		 ", \"key\": [\"k\", \"n\"]"},
		{MY, "an enumeration",
		 "CREATE TABLE odd (e enum('z', 'm', 'a', '') NOT NULL, s set('y', 'b') NOT NULL, n int NOT NULL, v longtext,"
		 " PRIMARY KEY (e, s, n))",
		 "i * 7 % 4 + 1, i * 5 % 4, i", "CREATE TABLE odd (e text, s text, n int, v text, PRIMARY KEY (e, s, n))", ""},
		{MY, "a named key without case",
		 "CREATE TABLE odd (k varchar(40) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL, v longtext)",
		 "CONCAT(" CASE_LETTER ", i DIV 2, '\xc3\xa4')", "CREATE TABLE odd (k text PRIMARY KEY, v text)",
		 ", \"key\": \"k\""},
		{PG, "a named key without case",
		 "CREATE COLLATION IF NOT EXISTS without_case (provider = icu, locale = 'und-u-ks-level2', deterministic = "
		 "false);"
		 "CREATE TABLE odd (k text COLLATE without_case NOT NULL, v text)",
		 CASE_LETTER " || (i / 2)", "CREATE TABLE odd (k text COLLATE BINARY PRIMARY KEY, v text)", ", \"key\": \"k\""},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		static const char *const large[ENGINES] = {"repeat('v', 2000000)", "hex(zeroblob(1000000))",
												   "REPEAT('v', 2000000)"};
		pythia_db *source = open_engine(cases[i].engine, 0);
		pythia_db *target = open_engine(cases[i].engine == PG ? LITE : PG, 1);
		stopper s = {0};
		pythia_sync_callbacks callbacks = {.context = &s, .checkpoint = stop_each};
		pythia_sync_job job = {.source = source, .target = target, .callbacks = &callbacks};
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;
		char sql[600];
		int64_t read = 0;
		int stops = 0;

		if (cases[i].engine == PG &&
			strcmp(value_of(source, "SELECT count(*) FROM pg_collation WHERE collprovider = 'i'"), "0") == 0)
		{
			print_message("this PostgreSQL has no collations of ICU\n");
			close_both(source, target);
			continue;
		}
		print_message("%s, %s\n", engine_names[cases[i].engine], cases[i].what);
		drop(source, "odd");
		drop(target, "odd");
		must(source, cases[i].ddl);
		must(target, cases[i].target);
		snprintf(sql, sizeof(sql),
				 "INSERT INTO odd WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
				 " SELECT %s, %s FROM n",
				 CASE_ROWS, cases[i].rows, large[cases[i].engine]);
		must(source, sql);
		snprintf(sql, sizeof(sql), "{\"mode\": \"full\"%s}", cases[i].options);
		while (!try_sync_with(&job, "odd", sql, &result, &error))
		{
			if (strcmp(error.sqlstate, "57014") != 0)
				fail_msg("%s; %s", error.message, error.detail != NULL ? error.detail : "-");
			pythia_error_reset(&error);
			read += result.source_count;
			assert_int_equal(s.count, ++stops);
			job.checkpoint = s.checkpoint;
		}
		assert_true(stops > 2);
		assert_string_equal(value_of(target, "SELECT count(*) FROM odd"), "40");
		assert_int_equal(read + result.source_count, CASE_ROWS);
		pythia_sync_result_free(&result);
		drop(source, "odd");
		drop(target, "odd");
		close_both(source, target);
	}
}

static const char *const float_types[2][ENGINES] = {{"real", "FLOAT4", "float"},
													{"double precision", "DOUBLE", "double"}};

static void make_floats(pythia_db *db, int engine, int wide, bool large)
{
	/* the greatest float, as each engine takes it; what is exact in none of them; the least normal one */
	static const char *const greatest[ENGINES] = {"3.4028235e38", "3.4028235e38", "3.4028234663852886e38"};
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	drop(db, "floats");
	pythia_buffer_printf(&sql, "CREATE TABLE floats (k %s NOT NULL PRIMARY KEY, v %s)", float_types[wide][engine],
						 engine == MY ? "longtext" : "text");
	must(db, sql.data);
	for (int i = -7; i <= 7; i++)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_printf(&sql, "INSERT INTO floats VALUES (%s0.%de%d, ", i < 0 ? "-" : "", abs(i), i);
		if (!large)
			pythia_buffer_puts(&sql, "'x')");
		else if (engine == LITE)
			pythia_buffer_puts(&sql, "hex(zeroblob(1500000)))");
		else
			pythia_buffer_puts(&sql, "repeat('x', 3000000))");
		must(db, sql.data);
	}
	pythia_buffer_clear(&sql);
	pythia_buffer_printf(&sql, "INSERT INTO floats VALUES (%s, 'greatest'), (-%s, 'least'), (1.1754944e-38, 'small')",
						 wide ? "1.7976931348623157e308" : greatest[engine],
						 wide ? "1.7976931348623157e308" : greatest[engine]);
	must(db, sql.data);
	pythia_buffer_free(&sql);
}

static void assert_equal_by_rows(pythia_db *source, pythia_db *target, bool equal)
{
	static const char *const methods[] = {"checksum", "rows"};

	for (int i = 0; i < 2; i++)
	{
		pythia_validate_options options;
		pythia_validate_result result;
		pythia_sync_config config;
		pythia_error error = PYTHIA_ERROR_INIT;
		pythia_sync_job job = {.source = source, .target = target, .table = "floats", .config = &config};

		assert_true(pythia_sync_config_read(NULL, NULL, "floats", &config, &error));
		assert_true(pythia_validate_options_read(NULL, &options, &error));
		options.method = i == 0 ? PYTHIA_VALIDATE_CHECKSUM : PYTHIA_VALIDATE_ROWS;
		if (!pythia_validate_table(&job, &options, NULL, NULL, &result, &error))
			fail_msg("%s: %s", methods[i], error.message);
		if (result.is_valid != equal)
			fail_msg("%s: %d missing, %d extra, %d differing", methods[i], (int) result.missing, (int) result.extra,
					 (int) result.differing);
		pythia_validate_result_free(&result);
	}
}

/* A key of floats is the same one in every engine, to the last bit and to the ends of its range. */
static void test_floats(void **state)
{
	static const char gone[] = "{\"mode\": \"full\", \"deletes\": \"hard\"}";

	(void) state;
	for (int i = 0; i < ENGINES * ENGINES * 2; i++)
	{
		int from = i / ENGINES % ENGINES;
		int to = i % ENGINES;
		int wide = i / ENGINES / ENGINES;
		pythia_db *source = open_engine(from, 0);
		pythia_db *target = open_engine(to, 1);
		pythia_sync_result result;

		print_message("%s to %s, %s\n", engine_names[from], engine_names[to], float_types[wide][from]);
		make_floats(source, from, wide, false);
		drop(target, "floats");
		for (int made = 0; made < 2; made++)
		{
			must_sync(source, target, "floats", gone, NULL, &result);
			assert_counts(&result, made == 0 ? 18 : 0, 0, 0, 0);
			pythia_sync_result_free(&result);
		}
		assert_equal_by_rows(source, target, true);
		must(source, "DELETE FROM floats WHERE v = 'greatest'");
		must(source, "UPDATE floats SET v = 'y' WHERE v = 'least'");
		assert_equal_by_rows(source, target, false);
		must_sync(source, target, "floats", gone, NULL, &result);
		assert_counts(&result, 0, 1, 1, 0);
		pythia_sync_result_free(&result);
		assert_equal_by_rows(source, target, true);
		pythia_db_close(source);
		pythia_db_close(target);
	}
}

/* A run that goes on after a float reads neither that row again nor leaves the next out. */
static void test_floats_resumed(void **state)
{
	(void) state;
	for (int i = 0; i < ENGINES * 2; i++)
	{
		int from = i % ENGINES;
		pythia_db *source = open_engine(from, 0);
		pythia_db *target = open_engine(from == LITE ? PG : LITE, 1);
		stopper s = {0};
		pythia_sync_callbacks callbacks = {.context = &s, .checkpoint = stop_once};
		pythia_sync_job job = {.source = source, .target = target, .callbacks = &callbacks};
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;
		int64_t first;

		print_message("%s, %s\n", engine_names[from], float_types[i / ENGINES][from]);
		make_floats(source, from, i / ENGINES, true);
		drop(target, "floats");
		assert_false(try_sync_with(&job, "floats", "{\"mode\": \"full\"}", &result, &error));
		assert_string_equal(error.sqlstate, "57014");
		pythia_error_reset(&error);
		first = strtoll(value_of(target, "SELECT count(*) FROM floats"), NULL, 10);
		assert_between(first, 1, 17);
		job.checkpoint = s.checkpoint;
		if (!try_sync_with(&job, "floats", "{\"mode\": \"full\"}", &result, &error))
			fail_msg("%s", error.message);
		assert_int_equal(result.source_count, 18 - first);
		assert_string_equal(value_of(target, "SELECT count(*) FROM floats"), "18");
		pythia_sync_result_free(&result);
		drop(source, "floats");
		drop(target, "floats");
		pythia_db_close(source);
		pythia_db_close(target);
	}
}

static int quarantined;

static bool take_row(void *context, const char *table, const char *row_json, const char *column, const char *reason,
					 pythia_error *error)
{
	(void) context, (void) table, (void) column, (void) reason, (void) error;
	assert_non_null(strstr(row_json, "\"abc\""));
	quarantined++;
	return true;
}

/* A key that the target cannot hold goes to quarantine, and takes none of the target's rows with it. */
static void test_bad_keys(void **state)
{
	(void) state;
	for (int to = 0; to < ENGINES; to++)
	{
		pythia_db *source = open_engine(LITE, 0);
		pythia_db *target = open_engine(to, 1);
		pythia_sync_callbacks callbacks = {.quarantine = take_row};
		pythia_sync_job job = {.source = source, .target = target, .callbacks = &callbacks};
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;

		if (to == LITE)
		{
			print_message("SQLite holds any value as a key\n");
			close_both(source, target);
			continue;
		}
		drop(source, "odd");
		drop(target, "odd");
		must(source, "CREATE TABLE odd (id INT PRIMARY KEY, v VARCHAR(20))");
		must(source, "INSERT INTO odd VALUES (1, 'a'), ('abc', 'b'), (3, 'c')");
		must(target, "CREATE TABLE odd (id bigint PRIMARY KEY, v varchar(20))");
		must(target, "INSERT INTO odd VALUES (1, 'a'), (2, 'gone'), (0, 'gone')");
		assert_false(try_sync_with(&job, "odd", "{\"mode\": \"full\", \"deletes\": \"hard\"}", &result, &error));
		assert_string_equal(value_of(target, "SELECT count(*) FROM odd WHERE v <> 'c'"), "3");
		pythia_error_reset(&error);
		must(target, "DELETE FROM odd WHERE v = 'c'");
		quarantined = 0;
		if (!try_sync_with(&job, "odd", "{\"mode\": \"full\", \"deletes\": \"hard\", \"on_bad_row\": \"quarantine\"}",
						   &result, &error))
			fail_msg("%s: %s", engine_names[to], error.message);
		assert_counts(&result, 1, 0, 2, 0);
		assert_int_equal(result.rows_quarantined, 1);
		assert_int_equal(quarantined, 1);
		assert_string_equal(value_of(target, "SELECT sum(id) FROM odd"), "4");
		pythia_sync_result_free(&result);
		close_both(source, target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts),   cmocka_unit_test(test_collisions),
									   cmocka_unit_test(test_resume),  cmocka_unit_test(test_order_resumed),
									   cmocka_unit_test(test_floats),  cmocka_unit_test(test_floats_resumed),
									   cmocka_unit_test(test_bad_keys)};
	return cmocka_run_group_tests(tests, setup, teardown);
}
