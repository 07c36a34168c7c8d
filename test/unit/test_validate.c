/* Validation between real databases: which rows are compared, and what is said of them. */
#include "validate_tests.h"

#include "between.h"

static void three_rows(pythia_db *db, const char *table)
{
	drop(db, table);
	run(db, table, "CREATE TABLE % (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40), amount DECIMAL(10,2))");
	run(db, table, "INSERT INTO % VALUES (1, 'one', 1.10), (2, NULL, 2.20), (3, 'three', NULL)");
}

/* --- every direction --------------------------------------------------------- */

static void test_every_direction(void **state)
{
	(void) state;
	for (int i = 0; i < ENGINES; i++)
	{
		three_rows(sources[i], "dir_source");
		for (int j = 0; j < ENGINES; j++)
		{
			static const char *const map = "{\"table_map\": {\"dir_source\": \"dir_target\"}}";
			static const char *const methods[] = {"checksum", "rows"};

			three_rows(targets[j], "dir_target");
			for (int m = 0; m < 2; m++)
			{
				char options[100];

				snprintf(options, sizeof(options), "{\"method\": \"%s\", \"recheck_after\": 0}", methods[m]);
				assert_lines(sources[i], targets[j], "dir_source", options, map, "");
				run(targets[j], "dir_target", "UPDATE % SET name = 'One' WHERE id = 1");
				run(targets[j], "dir_target", "DELETE FROM % WHERE id = 2");
				run(targets[j], "dir_target", "INSERT INTO % VALUES (4, '', 0)");
				assert_lines(sources[i], targets[j], "dir_source", options, map,
							 "differing {\"id\": 1} [name]\nmissing {\"id\": 2} []\nextra {\"id\": 4} []\n");
				three_rows(targets[j], "dir_target");
			}
		}
	}
}

static void test_what_a_difference_shows(void **state)
{
	pythia_node *tree = read_json("{\"recheck_after\": 0}");
	verdict v;

	(void) state;
	pythia_node_free(tree);
	three_rows(sources[0], "shown");
	three_rows(targets[1], "shown");
	run(targets[1], "shown", "UPDATE % SET name = NULL, amount = 7 WHERE id = 1");
	validate_with(sources[0], targets[1], "shown", NULL, NULL, NULL, &v);
	assert_true(v.ok);
	assert_false(v.result.is_valid);
	assert_int_equal(v.result.source_count, 3);
	assert_int_equal(v.result.target_count, 3);
	assert_int_equal(v.result.difference, 1);
	assert_int_equal(v.result.differing, 1);
	assert_int_equal(v.result.missing + v.result.extra, 0);
	assert_string_equal(v.result.method, "checksum");
	assert_string_equal(v.lines.data, "differing {\"id\": 1} [name,amount]\n");
	verdict_free(&v);
}

static bool take_rows(void *context, const pythia_difference *difference, pythia_error *error)
{
	(void) error;
	pythia_buffer_printf(context, "%s | %s\n", difference->source_row != NULL ? difference->source_row : "-",
						 difference->target_row != NULL ? difference->target_row : "-");
	return true;
}

static void test_both_rows(void **state)
{
	pythia_validate_options options;
	pythia_validate_result result;
	pythia_sync_config config;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_buffer rows = PYTHIA_BUFFER_INIT;
	pythia_sync_job job = {.source = sources[0], .target = targets[2], .table = "both", .config = &config};

	(void) state;
	three_rows(sources[0], "both");
	three_rows(targets[2], "both");
	run(targets[2], "both", "UPDATE % SET name = '\"quoted\"' WHERE id = 1");
	run(targets[2], "both", "DELETE FROM % WHERE id = 3");
	assert_true(pythia_sync_config_read(NULL, NULL, "both", &config, &error));
	assert_true(pythia_validate_options_read(NULL, &options, &error));
	options.recheck_after = 0;
	assert_true(pythia_validate_table(&job, &options, take_rows, &rows, &result, &error));
	assert_string_equal(rows.data, "{\"id\": 1, \"name\": \"one\", \"amount\": 1.10} | "
								   "{\"id\": 1, \"name\": \"\\\"quoted\\\"\", \"amount\": 1.10}\n"
								   "{\"id\": 3, \"name\": \"three\", \"amount\": null} | -\n");
	pythia_buffer_free(&rows);
	pythia_validate_result_free(&result);
}

/* --- keys -------------------------------------------------------------------- */

static void fill_keys(pythia_db *db, const char *table, const char *type, const char *const *keys)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	drop(db, table);
	pythia_buffer_printf(&sql, "CREATE TABLE %s (k %s NOT NULL PRIMARY KEY, v INTEGER)", quoted(db, table), type);
	must(db, sql.data);
	for (int i = 0; keys[i] != NULL; i++)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_printf(&sql, "INSERT INTO %s VALUES (%s, %d)", quoted(db, table), keys[i], i);
		must(db, sql.data);
	}
	pythia_buffer_free(&sql);
}

static void test_text_keys_under_any_collation(void **state)
{
	static const char *const keys[] = {
		"'a'", "'A'", "'Z'",  "'b'", "'\xc3\xa4'", "'az'",    "'a b'", "'ab'", "'\xf0\x9f\x98\x80'",
		"''",  "'_'", "'10'", "'9'", "'a-b'",      "'it''s'", NULL};
	static const char *const types[ENGINES] = {"text", "varchar(20) COLLATE utf8mb4_bin", "text"};

	(void) state;
	for (int i = 0; i < ENGINES; i++)
	{
		fill_keys(sources[i], "text_keys", types[i], keys);
		assert_equal(sources[i], targets[i], "text_keys");
		for (int j = 0; j < ENGINES; j++)
		{
			fill_keys(targets[j], "text_keys", types[j], keys);
			assert_equal(sources[i], targets[j], "text_keys");
			if (i == j)
				continue;
			run(targets[j], "text_keys", "UPDATE % SET v = 77 WHERE k = 'it''s'");
			run(targets[j], "text_keys", "DELETE FROM % WHERE k = 'A'");
			assert_lines(sources[i], targets[j], "text_keys", NULL, NULL,
						 "missing {\"k\": \"A\"} []\ndiffering {\"k\": \"it's\"} [v]\n");
		}
	}
	/* a target whose collation takes a and A for one key: each key still finds its own row */
	for (int j = 0; j < 1; j++)
	{
		static const char *const some[] = {"'a'", "'b'", NULL};
		static const char *const other[] = {"'A'", "'b'", NULL};

		fill_keys(sources[0], "ci_keys", "text", some);
		fill_keys(targets[1], "ci_keys", "varchar(20) COLLATE utf8mb4_general_ci", other);
		assert_lines(sources[0], targets[1], "ci_keys", NULL, NULL,
					 "missing {\"k\": \"a\"} []\nextra {\"k\": \"A\"} []\n");
	}
}

/* A key that is another only under the other side's collation: looked up, it brings its neighbour along. */
static void test_keys_alike_under_a_collation(void **state)
{
	static const char *const loose[] = {"varchar(20) COLLATE utf8mb4_general_ci", "text COLLATE NOCASE"};

	(void) state;
	for (int i = 0; i < 2; i++)
	{
		static const char *const some[] = {"'A'", "'b '", NULL};
		static const char *const more[] = {"'A'", "'b '", "'a'", "'B '", NULL};
		pythia_db *source = sources[1 + i];

		fill_keys(source, "alike", loose[i], some);
		fill_keys(targets[0], "alike", "text", more);
		assert_lines(source, targets[0], "alike", NULL, NULL, "extra {\"k\": \"a\"} []\nextra {\"k\": \"B \"} []\n");
		assert_lines(source, targets[0], "alike", "{\"recheck_after\": 0.001}", NULL,
					 "extra {\"k\": \"a\"} []\nextra {\"k\": \"B \"} []\n");
		assert_lines(targets[0], source, "alike", NULL, NULL,
					 "missing {\"k\": \"a\"} []\nmissing {\"k\": \"B \"} []\n");
	}
}

static void test_a_column_that_the_target_lacks(void **state)
{
	verdict v;

	(void) state;
	three_rows(sources[0], "lacking");
	three_rows(targets[1], "lacking");
	run(sources[0], "lacking", "ALTER TABLE % ADD COLUMN \"odd \"\"one\" integer");
	validate_with(sources[0], targets[1], "lacking", NULL, NULL, NULL, &v);
	assert_false(v.ok);
	assert_string_equal(v.error.message, "target table \"lacking\" has no column for \"odd \"one\"");
	assert_non_null(v.error.hint);
	verdict_free(&v);
	assert_lines(sources[0], targets[1], "lacking", NULL, "{\"new_columns\": \"ignore\"}", "");
	assert_lines(sources[0], targets[1], "lacking", NULL, "{\"exclude_columns\": [\"odd \\\"one\"]}", "");
	/* the other way round it is a column of the target's own */
	assert_lines(targets[1], sources[0], "lacking", NULL, NULL, "");
}

/* Rows larger than what MariaDB hashes at once, and names that want quoting. */
static void test_large_rows_and_odd_names(void **state)
{
	(void) state;
	for (int side = 0; side < 2; side++)
	{
		pythia_db *db = side == 0 ? sources[0] : targets[1];
		const char *table = "large; \"it's\"";

		drop(db, table);
		run(db, table,
			side == 0 ? "CREATE TABLE % (\"select\" INTEGER NOT NULL PRIMARY KEY, \"a \"\"b\" text, \"`c`\" text)"
					  : "CREATE TABLE % (`select` INTEGER NOT NULL PRIMARY KEY, `a \"b` longtext, ```c``` longtext)");
		run(db, table,
			"INSERT INTO % VALUES (1, REPEAT('0123456789', 900000), REPEAT('abcdefghij', 900000)), (2, 'small', 'x')");
	}
	assert_lines(sources[0], targets[1], "\"large; \"\"it's\"\"\"", NULL, NULL, "");
	run(targets[1], "large; \"it's\"", "UPDATE % SET ```c``` = CONCAT(LEFT(```c```, 8999999), '1') WHERE `select` = 1");
	assert_lines(sources[0], targets[1], "\"large; \"\"it's\"\"\"", NULL, NULL, "differing {\"select\": 1} [`c`]\n");
	drop(sources[0], "large; \"it's\"");
	drop(targets[1], "large; \"it's\"");
}

static void test_integer_keys_far_apart(void **state)
{
	static const char *const keys[] = {
		"-9223372036854775808", "-1", "0", "1", "2", "3", "1000000", "9223372036854775806",
		"9223372036854775807",  NULL};

	(void) state;
	for (int i = 0; i < ENGINES; i++)
	{
		fill_keys(sources[i], "far_keys", sources[i]->engine == PYTHIA_SQLITE ? "INTEGER" : "BIGINT", keys);
		for (int j = 0; j < ENGINES; j++)
		{
			static const char *const small = "{\"segment_rows\": 1, \"recheck_after\": 0}";

			fill_keys(targets[j], "far_keys", targets[j]->engine == PYTHIA_SQLITE ? "INTEGER" : "BIGINT", keys);
			assert_lines(sources[i], targets[j], "far_keys", small, NULL, "");
			if (i == j)
				continue;
			run(targets[j], "far_keys", "UPDATE % SET v = -1 WHERE k IN (-9223372036854775808, 9223372036854775807)");
			run(targets[j], "far_keys", "DELETE FROM % WHERE k = 1000000");
			assert_lines(sources[i], targets[j], "far_keys", small, NULL,
						 "differing {\"k\": -9223372036854775808} [v]\nmissing {\"k\": 1000000} []\n"
						 "differing {\"k\": 9223372036854775807} [v]\n");
		}
	}
}

static void fill_composite(pythia_db *db, const char *table)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	drop(db, table);
	run(db, table, "CREATE TABLE % (a INTEGER NOT NULL, b VARCHAR(10) NOT NULL, v INTEGER, PRIMARY KEY (a, b))");
	pythia_buffer_printf(&sql, "INSERT INTO %s VALUES ", quoted(db, table));
	for (int i = 0; i < 600; i++)
		pythia_buffer_printf(&sql, "%s(%d, '%c%d', %d)", i > 0 ? ", " : "", i / 200, 'a' + i % 3, i, i);
	must(db, sql.data);
	pythia_buffer_free(&sql);
}

static void test_composite_keys(void **state)
{
	(void) state;
	for (int i = 0; i < ENGINES; i++)
	{
		fill_composite(sources[i], "composite_source");
		for (int j = 0; j < ENGINES; j++)
		{
			static const char *const map = "{\"table_map\": {\"composite_source\": \"composite_target\"}}";
			static const char *const small = "{\"segment_rows\": 50, \"recheck_after\": 0}";
			fill_composite(targets[j], "composite_target");
			assert_lines(sources[i], targets[j], "composite_source", small, map, "");
			run(targets[j], "composite_target", "DELETE FROM % WHERE a = 1 AND b = 'c299'");
			run(targets[j], "composite_target", "UPDATE % SET v = v + 1000 WHERE v IN (0, 599)");
			assert_lines(sources[i], targets[j], "composite_source", small, map,
						 "differing {\"a\": 0, \"b\": \"a0\"} [v]\nmissing {\"a\": 1, \"b\": \"c299\"} []\n"
						 "differing {\"a\": 2, \"b\": \"c599\"} [v]\n");
		}
	}
}

static void fill_bag(pythia_db *db, const char *table, const char *rows)
{
	drop(db, table);
	run(db, table, "CREATE TABLE % (a INTEGER, b VARCHAR(10))");
	if (rows[0] != '\0')
	{
		pythia_buffer sql = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(&sql, "INSERT INTO %s VALUES %s", quoted(db, table), rows);
		must(db, sql.data);
		pythia_buffer_free(&sql);
	}
}

/* Without a key, and with rows that are there twice: an XOR of digests would not see them. */
static void test_bags_of_rows(void **state)
{
	(void) state;
	for (int i = 0; i < ENGINES; i++)
	{
		int j = (i + 1) % ENGINES;

		fill_bag(sources[i], "bag", "(1, 'a'), (1, 'a'), (2, NULL), (NULL, NULL)");
		fill_bag(targets[j], "bag", "(NULL, NULL), (1, 'a'), (2, NULL), (1, 'a')");
		assert_equal(sources[i], targets[j], "bag");
		fill_bag(targets[j], "bag", "(NULL, NULL), (2, NULL)");
		assert_lines(sources[i], targets[j], "bag", NULL, NULL,
					 "missing {\"a\": 1, \"b\": \"a\"} []\nmissing {\"a\": 1, \"b\": \"a\"} []\n");
		fill_bag(targets[j], "bag", "(NULL, NULL), (2, NULL), (2, NULL), (1, 'a')");
		{
			verdict v;

			validate_with(sources[i], targets[j], "bag", NULL, NULL, NULL, &v);
			assert_true(v.ok);
			assert_int_equal(v.result.missing, 1);
			assert_int_equal(v.result.extra, 1);
			verdict_free(&v);
		}
		fill_bag(sources[i], "bag", "");
		fill_bag(targets[j], "bag", "");
		assert_equal(sources[i], targets[j], "bag");
	}
}

/* --- which rows --------------------------------------------------------------- */

/* MySQL shows leading zeros, which are none of the value: of the key in the order of both sides neither. */
static void test_zerofill(void **state)
{
	static const char *const keys[] = {"PRIMARY KEY (id)", "PRIMARY KEY (id, n)", "PRIMARY KEY (n, id)"};

	(void) state;
	for (int i = 0; i < ENGINES * 3 * 2; i++)
	{
		int other = i % ENGINES;
		bool from = i / ENGINES % 2 == 0;
		pythia_db *source = sources[from ? 1 : other];
		pythia_db *target = targets[from ? other : 1];
		char sql[200];

		/* one database for both */
		if (other == 1)
			continue;
		drop(source, "some");
		drop(target, "some");
		for (int side = 0; side < 2; side++)
		{
			bool padded = side == (from ? 0 : 1);

			snprintf(sql, sizeof(sql), "CREATE TABLE %% (id %s NOT NULL, n %s NOT NULL, v %s, %s)",
					 padded ? "int(6) zerofill" : "bigint", padded ? "decimal(8,2) zerofill" : "decimal(8,2)",
					 padded ? "double zerofill" : "double precision", keys[i / ENGINES / 2]);
			run(side == 0 ? source : target, "some", sql);
			run(side == 0 ? source : target, "some",
				"INSERT INTO % VALUES (7, 1.5, 2.5), (12, 3.25, 4), (1234567, 5.75, 6)");
		}
		assert_lines(source, target, "some", "{\"recheck_after\": 0}", NULL, "");
		assert_lines(source, target, "some", "{\"recheck_after\": 0, \"method\": \"rows\"}", NULL, "");
		run(target, "some", "UPDATE % SET v = 9 WHERE id = 12");
		run(target, "some", "DELETE FROM % WHERE id = 7");
		snprintf(sql, sizeof(sql), "missing %s []\ndiffering %s [v]\n",
				 i / ENGINES / 2 == 0   ? "{\"id\": 7}"
				 : i / ENGINES / 2 == 1 ? "{\"id\": 7, \"n\": 1.50}"
										: "{\"n\": 1.50, \"id\": 7}",
				 i / ENGINES / 2 == 0   ? "{\"id\": 12}"
				 : i / ENGINES / 2 == 1 ? "{\"id\": 12, \"n\": 3.25}"
										: "{\"n\": 3.25, \"id\": 12}");
		assert_lines(source, target, "some", "{\"recheck_after\": 0}", NULL, sql);
		assert_lines(source, target, "some", "{\"recheck_after\": 0, \"method\": \"rows\"}", NULL, sql);
	}
}

/* SQLite's texts say offsets: the instants are compared with "since", as the other side does. */
static void test_since_of_offsets(void **state)
{
	(void) state;
	for (int side = 0; side < 2; side++)
	{
		pythia_db *db = side == 0 ? sources[2] : targets[0];

		drop(db, "some");
		run(db, "some",
			side == 0 ? "CREATE TABLE % (id INTEGER NOT NULL PRIMARY KEY, updated_at TIMESTAMPTZ)"
					  : "CREATE TABLE % (id bigint NOT NULL PRIMARY KEY, updated_at timestamptz)");
		run(db, "some",
			"INSERT INTO % VALUES (1, '2026-01-01 10:00:00-05:00'), (2, '2026-01-01T16:00:00+05:00'),"
			" (3, '2026-01-01 14:00:00Z'), (4, '2026-01-01 09:00:00Z')");
	}
	run(targets[0], "some", "DELETE FROM %");
	assert_lines(sources[2], targets[0], "some", "{\"since\": \"2026-01-01 12:00:00\", \"recheck_after\": 0}", NULL,
				 "missing {\"id\": 1} []\nmissing {\"id\": 3} []\n");
}

static void test_where_since_and_soft_deletes(void **state)
{
	(void) state;
	for (int side = 0; side < 2; side++)
	{
		pythia_db *db = side == 0 ? sources[0] : targets[1];

		drop(db, "some");
		run(db, "some",
			"CREATE TABLE % (id INTEGER NOT NULL PRIMARY KEY, kind VARCHAR(10), updated_at TIMESTAMP(3) NULL, "
			"deleted_at TIMESTAMP(3) NULL)");
		run(db, "some",
			"INSERT INTO % VALUES (1, 'a', '2026-01-01 00:00:00', NULL), (2, 'b', '2026-01-02 00:00:00', NULL), "
			"(3, 'a', '2026-01-03 00:00:00', NULL)");
	}
	run(targets[1], "some", "UPDATE % SET kind = 'x', updated_at = updated_at WHERE id IN (1, 2)");
	assert_lines(sources[0], targets[1], "some", "{\"where\": \"id > 1\", \"recheck_after\": 0}", NULL,
				 "differing {\"id\": 2} [kind]\n");
	assert_lines(sources[0], targets[1], "some",
				 "{\"where\": \"kind = 'b'\", \"target_where\": \"id = 2\", \"recheck_after\": 0}", NULL,
				 "differing {\"id\": 2} [kind]\n");
	/* the target's row no longer fits the condition, and is still found by its key */
	assert_lines(sources[0], targets[1], "some", "{\"where\": \"kind = 'b'\", \"recheck_after\": 0}", NULL,
				 "differing {\"id\": 2} [kind]\n");
	assert_lines(sources[0], targets[1], "some", "{\"since\": \"2026-01-01 12:00:00\", \"recheck_after\": 0}", NULL,
				 "differing {\"id\": 2} [kind]\n");
	assert_lines(sources[0], targets[1], "some", "{\"since\": \"2026-01-02T00:00:00.001Z\", \"recheck_after\": 0}",
				 NULL, "");
	run(targets[1], "some", "UPDATE % SET kind = 'a', deleted_at = NULL WHERE id = 1");
	run(targets[1], "some", "UPDATE % SET kind = 'b' WHERE id = 2");
	run(targets[1], "some", "INSERT INTO % VALUES (9, 'gone', NULL, '2026-01-04')");
	assert_lines(sources[0], targets[1], "some", NULL, "{\"exclude_columns\": [\"updated_at\", \"deleted_at\"]}",
				 "extra {\"id\": 9} []\n");
	assert_lines(sources[0], targets[1], "some", NULL,
				 "{\"deletes\": \"soft\", \"exclude_columns\": [\"updated_at\", \"deleted_at\"]}", "");
}

static void fill_many(pythia_db *db, const char *table, int rows)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	drop(db, table);
	run(db, table, "CREATE TABLE % (id INTEGER NOT NULL PRIMARY KEY, v INTEGER NOT NULL)");
	for (int i = 0; i < rows; i++)
	{
		if (i % 1000 == 0)
		{
			if (i > 0)
				must(db, sql.data);
			pythia_buffer_clear(&sql);
			pythia_buffer_printf(&sql, "INSERT INTO %s VALUES ", quoted(db, table));
		}
		pythia_buffer_printf(&sql, "%s(%d, %d)", i % 1000 > 0 ? ", " : "", i + 1, i * 7);
	}
	must(db, sql.data);
	pythia_buffer_free(&sql);
}

static void test_sample(void **state)
{
	verdict v;

	(void) state;
	fill_many(sources[0], "sampled", 5000);
	fill_many(targets[1], "sampled", 5000);
	fill_many(targets[2], "sampled", 5000);
	for (int j = 1; j < ENGINES; j++)
	{
		int64_t taken;

		validate_with(sources[0], targets[j], "sampled", "{\"sample\": 0.2, \"recheck_after\": 0}", NULL, NULL, &v);
		assert_true(v.ok);
		assert_true(v.result.is_valid);
		taken = v.result.source_count;
		assert_between(taken, 850, 1150);
		assert_int_equal(v.result.target_count, taken);
		assert_true(v.result.sample == 0.2 && v.result.confidence == 0.95);
		/* the rule of three */
		assert_true(v.result.max_difference > 2.9 / (double) taken && v.result.max_difference < 3.1 / (double) taken);
		verdict_free(&v);
		run(targets[j], "sampled", "UPDATE % SET v = v + 1 WHERE id > 2500");
		validate_with(sources[0], targets[j], "sampled", "{\"sample\": 0.2, \"seed\": 5, \"recheck_after\": 0}", NULL,
					  NULL, &v);
		assert_true(v.ok);
		assert_between(v.result.differing, taken * 4 / 10, taken * 6 / 10);
		assert_true(v.result.max_difference > 0.5 && v.result.max_difference < 0.6);
		verdict_free(&v);
	}
}

static void test_count_and_checks(void **state)
{
	verdict v;

	(void) state;
	three_rows(sources[0], "counted");
	three_rows(targets[1], "counted");
	run(targets[1], "counted", "DELETE FROM % WHERE id = 1");
	validate_with(sources[0], targets[1], "counted",
				  "{\"method\": \"count\", \"checks\": {\"positive\": \"amount >= 0\", \"id\": \"id > 2\"}}", NULL,
				  NULL, &v);
	assert_true(v.ok);
	assert_int_equal(v.result.source_count, 3);
	assert_int_equal(v.result.target_count, 2);
	assert_int_equal(v.result.difference, 1);
	assert_string_equal(v.result.method, "count");
	/* an amount that is not there is not known to be positive */
	assert_string_equal(v.result.checks, "{\"positive\": 1, \"id\": 1}");
	assert_int_equal(v.result.failed_checks, 2);
	assert_false(v.result.is_valid);
	verdict_free(&v);
	validate_with(sources[0], targets[1], "counted", "{\"checks\": [\"no_such_column > 1\"]}", NULL, NULL, &v);
	assert_false(v.ok);
	assert_non_null(strstr(v.error.message, "no_such_column"));
	verdict_free(&v);
}

static void test_limits_and_wrong_options(void **state)
{
	static const char *const wrong[][2] = {{"{\"methods\": \"count\"}", "methods"},
										   {"{\"method\": \"guess\"}", "method"},
										   {"{\"sample\": 2}", "sample"},
										   {"{\"sample\": \"x\"}", "sample"},
										   {"{\"since\": \"yesterday\"}", "since"},
										   {"{\"checks\": 1}", "checks"},
										   {"{\"checks\": {\"a\": 1}}", "checks"},
										   {"{\"segment_rows\": 0}", "segment_rows"},
										   {"{\"max_changes\": \"many\"}", "max_changes"},
										   {"{\"digest\": \"crc\"}", "digest"},
										   {"[]", "object"},
										   {"{\"recheck_after\": \"soon\"}", "recheck_after"}};
	verdict v;

	(void) state;
	drop(sources[0], "limits");
	run(sources[0], "limits", "CREATE TABLE % (id INTEGER NOT NULL PRIMARY KEY, v INTEGER, updated_at TIMESTAMP)");
	run(sources[0], "limits", "INSERT INTO % VALUES (1, 1, NULL), (2, 2, NULL), (3, 3, NULL)");
	drop(targets[1], "limits");
	run(targets[1], "limits", "CREATE TABLE % (id INTEGER NOT NULL PRIMARY KEY, v INTEGER, updated_at DATETIME)");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		validate_with(sources[0], targets[1], "limits", wrong[i][0], NULL, NULL, &v);
		if (v.ok || strstr(v.error.message, wrong[i][1]) == NULL)
			fail_msg("%s: %s", wrong[i][0], v.ok ? "taken" : v.error.message);
		assert_int_equal(v.error.error_class, PYTHIA_E_USAGE);
		assert_non_null(v.error.hint);
		verdict_free(&v);
	}
	/* naming stops, counting does not */
	validate_with(sources[0], targets[1], "limits", "{\"max_differences\": 2, \"recheck_after\": 0}", NULL, NULL, &v);
	assert_true(v.ok);
	assert_int_equal(v.result.missing, 3);
	assert_string_equal(v.lines.data, "missing {\"id\": 1} []\nmissing {\"id\": 2} []\n");
	verdict_free(&v);
	validate_with(sources[0], targets[1], "no_such_table", NULL, NULL, NULL, &v);
	assert_false(v.ok);
	assert_string_equal(v.error.sqlstate, "42P01");
	verdict_free(&v);
	validate_with(sources[0], targets[2], "limits", NULL, NULL, NULL, &v);
	assert_false(v.ok);
	assert_string_equal(v.error.sqlstate, "42P01");
	verdict_free(&v);
}

/* Twenty differences more than are held at once, in tables that differ everywhere. */
static void test_everything_differs(void **state)
{
	verdict v;
	static const char *const methods[] = {"checksum", "rows"};

	(void) state;
	fill_many(sources[0], "all_differ", 20500);
	fill_many(targets[1], "all_differ", 20500);
	run(targets[1], "all_differ", "UPDATE % SET v = v + 1");
	for (int m = 0; m < 2; m++)
	{
		char options[100];

		snprintf(options, sizeof(options), "{\"method\": \"%s\", \"recheck_after\": 0.01, \"max_differences\": 1}",
				 methods[m]);
		validate_with(sources[0], targets[1], "all_differ", options, NULL, NULL, &v);
		assert_true(v.ok);
		assert_int_equal(v.result.differing, 20500);
		assert_int_equal(v.result.difference, 20500);
		verdict_free(&v);
	}
}

/* --- rows in flight, and reads that break -------------------------------------- */

static pythia_wait_result late_wait(void *context, int fd, int events, long timeout_ms)
{
	(void) context;
	(void) fd;
	(void) events;
	(void) timeout_ms;
	run(targets[1], "flight", "UPDATE % SET name = 'one' WHERE id = 1");
	return PYTHIA_WAIT_TIMEOUT;
}

/* While a difference is waited for before a second look, the row arrives. */
static void test_row_in_flight(void **state)
{
	pythia_host host = *pythia_default_host();
	pythia_db *target = open_url(getenv("MYSQL_URL"), NULL);
	verdict v;

	(void) state;
	three_rows(sources[2], "flight");
	three_rows(targets[1], "flight");
	run(targets[1], "flight", "UPDATE % SET name = 'late' WHERE id = 1");
	run(targets[1], "flight", "UPDATE % SET name = 'wrong' WHERE id = 3");
	host.wait = late_wait;
	validate_with(sources[2], target, "flight", "{\"recheck_after\": 0.001}", NULL, &host, &v);
	assert_true(v.ok);
	assert_string_equal(v.lines.data, "differing {\"id\": 3} [name]\n");
	assert_int_equal(v.result.difference, 1);
	verdict_free(&v);
	pythia_db_close(target);
}

static const pythia_driver *whole;
static int calls_left;

static bool breaks(pythia_error *error)
{
	if (--calls_left != 0)
		return false;
	pythia_fail(error, PYTHIA_E_LOST, "08006", "the connection broke");
	return true;
}

static bool broken_receive(pythia_db *db, pythia_result *result, pythia_error *error)
{
	pythia_result dropped;
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (!breaks(error))
		return whole->receive(db, result, error);
	if (whole->receive(db, &dropped, &ignored))
		pythia_result_free(&dropped);
	pythia_error_reset(&ignored);
	return false;
}

static bool broken_next(pythia_stream *stream, pythia_rows *chunk, pythia_error *error)
{
	return !breaks(error) && whole->stream_next(stream, chunk, error);
}

static bool broken_open(pythia_db *db, const char *sql, int ncolumns, const pythia_kind *kinds, pythia_stream **stream,
						pythia_error *error)
{
	return !breaks(error) && whole->stream_open(db, sql, ncolumns, kinds, stream, error);
}

/* Whichever read breaks, on either side: an error, never a verdict. */
static void test_a_broken_read_is_an_error(void **state)
{
	static const char *const methods[] = {"checksum", "rows", "count"};

	(void) state;
	three_rows(sources[0], "broken");
	three_rows(targets[1], "broken");
	for (int m = 0; m < 3; m++)
	{
		for (int side = 0; side < 2; side++)
		{
			pythia_db *db = side == 0 ? sources[0] : targets[1];
			pythia_driver cut;
			int breaks_seen = 0;

			/* differing rows make every kind of read happen */
			run(targets[1], "broken", "UPDATE % SET name = 'else' WHERE id = 1");
			whole = db->driver;
			cut = *whole;
			cut.receive = broken_receive;
			cut.stream_next = broken_next;
			cut.stream_open = broken_open;
			for (int n = 1; n < 100; n++)
			{
				char options[100];
				verdict v;
				bool broke;

				snprintf(options, sizeof(options), "{\"method\": \"%s\", \"recheck_after\": 0.001}", methods[m]);
				calls_left = n;
				db->driver = &cut;
				validate_with(sources[0], targets[1], "broken", options, NULL, NULL, &v);
				db->driver = whole;
				broke = calls_left <= 0;
				if (broke)
				{
					assert_false(v.ok);
					assert_false(v.result.is_valid);
					assert_string_equal(v.error.sqlstate, "08006");
					breaks_seen++;
				}
				else
				{
					assert_true(v.ok);
					assert_int_equal(v.result.is_valid, m == 2);
				}
				verdict_free(&v);
				if (!broke)
					break;
			}
			assert_true(breaks_seen >= (m == 2 ? 1 : 6));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_direction),
		cmocka_unit_test(test_what_a_difference_shows),
		cmocka_unit_test(test_both_rows),
		cmocka_unit_test(test_text_keys_under_any_collation),
		cmocka_unit_test(test_keys_alike_under_a_collation),
		cmocka_unit_test(test_a_column_that_the_target_lacks),
		cmocka_unit_test(test_large_rows_and_odd_names),
		cmocka_unit_test(test_integer_keys_far_apart),
		cmocka_unit_test(test_composite_keys),
		cmocka_unit_test(test_bags_of_rows),
		cmocka_unit_test(test_where_since_and_soft_deletes),
		cmocka_unit_test(test_since_of_offsets),
		cmocka_unit_test(test_zerofill),
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_count_and_checks),
		cmocka_unit_test(test_limits_and_wrong_options),
		cmocka_unit_test(test_everything_differs),
		cmocka_unit_test(test_row_in_flight),
		cmocka_unit_test(test_a_broken_read_is_an_error),
	};

	return cmocka_run_group_tests(tests, open_engines, close_engines);
}
