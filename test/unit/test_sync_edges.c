/* Options that must not do more than they say: conditions with deletes, keys with NULL, servers that are read only. */
#include "sync_tests.h"

#include "validate/validate.h"

static void make_items(pythia_db *db, int rows)
{
	drop(db, "edges");
	must(db, "CREATE TABLE edges (id integer PRIMARY KEY, region varchar(10), updated_at timestamp NULL)");
	for (int i = 1; i <= rows; i++)
	{
		char sql[200];

		snprintf(sql, sizeof(sql), "INSERT INTO edges VALUES (%d, '%s', '2024-01-01 00:00:00')", i,
				 i % 2 == 0 ? "eu" : "us");
		must(db, sql);
	}
}

/* Rows beyond the condition are not this run's to delete. */
static void test_deletes_with_condition(void **state)
{
	(void) state;
	for (int to = 0; to < ENGINES; to++)
	{
		int from = (to + 1) % ENGINES;
		pythia_db *source = open_engine(from, 0);
		pythia_db *target = open_engine(to, 1);
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;
		char config[300];

		make_items(source, 6);
		make_items(target, 10);
		must_sync(source, target, "edges", "{\"mode\": \"full\", \"deletes\": \"hard\", \"where\": \"region = 'eu'\"}",
				  NULL, &result);
		assert_counts(&result, 0, 0, 2, 0);
		assert_string_equal(value_of(target, "SELECT count(*) FROM edges WHERE region = 'us'"), "5");
		assert_string_equal(value_of(target, "SELECT count(*) FROM edges WHERE region = 'eu'"), "3");
		pythia_sync_result_free(&result);
		/* in other names */
		drop(target, "edges");
		must(target, "CREATE TABLE edges (id integer PRIMARY KEY, area varchar(10), updated_at timestamp NULL,"
					 " deleted_at timestamp NULL)");
		must(target, "INSERT INTO edges (id, area) VALUES (8, 'eu'), (9, 'us')");
		snprintf(config, sizeof(config),
				 "{\"mode\": \"full\", \"deletes\": \"hard\", \"where\": \"region %s 'eu'\","
				 " \"column_map\": {\"region\": \"area\"}}",
				 from == LITE ? "GLOB"
				 : from == PG ? "~"
							  : "REGEXP");
		assert_false(try_sync(source, target, "edges", config, NULL, &result, &error));
		assert_non_null(strstr(error.hint, "target_where"));
		assert_string_equal(value_of(target, "SELECT count(*) FROM edges WHERE id IN (8, 9)"), "2");
		pythia_error_reset(&error);
		for (int soft = 0; soft < 2; soft++)
		{
			must_sync(source, target, "edges",
					  soft ? "{\"mode\": \"full\", \"deletes\": \"soft\", \"where\": \"region = 'us'\","
							 " \"target_where\": \"area = 'us'\", \"column_map\": {\"region\": \"area\"}}"
						   : "{\"mode\": \"full\", \"deletes\": \"hard\", \"where\": \"region = 'eu'\","
							 " \"column_map\": {\"region\": \"area\"}}",
					  NULL, &result);
			assert_int_equal(result.rows_deleted, 1);
			pythia_sync_result_free(&result);
		}
		assert_string_equal(value_of(target, "SELECT count(*) FROM edges WHERE area = 'eu' AND deleted_at IS NULL"),
							"3");
		assert_string_equal(value_of(target, "SELECT count(*) FROM edges WHERE area = 'us' AND deleted_at IS NULL"),
							"3");
		assert_string_equal(value_of(target, "SELECT id FROM edges WHERE deleted_at IS NOT NULL"), "9");
		close_both(source, target);
	}
}

static int quarantined;

static bool take_row(void *context, const char *table, const char *row_json, const char *column, const char *reason,
					 pythia_error *error)
{
	(void) context;
	(void) table;
	(void) row_json;
	(void) error;
	assert_string_equal(column, "k");
	assert_string_equal(reason, "NULL in the key");
	quarantined++;
	return true;
}

static void test_null_keys(void **state)
{
	pythia_sync_callbacks callbacks = {.quarantine = take_row};

	(void) state;
	for (int to = 0; to < ENGINES; to++)
	{
		pythia_db *source = open_anew(LITE, 0, "nulls");
		pythia_db *target = open_anew(to, 1, "nulls");
		pythia_sync_job job = {.source = source, .target = target, .callbacks = &callbacks};
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;

		must(source, "CREATE TABLE nulls (k TEXT, n INTEGER, v TEXT, PRIMARY KEY (k, n))");
		must(source, "INSERT INTO nulls VALUES ('a', 1, 'x'), (NULL, 2, 'y'), ('c', 3, 'z')");
		assert_false(try_sync_with(&job, "nulls", "{\"mode\": \"full\"}", &result, &error));
		assert_non_null(strstr(error.message, "NULL in the key"));
		assert_non_null(strstr(error.hint, "on_bad_row"));
		pythia_error_reset(&error);
		quarantined = 0;
		for (int again = 0; again < 2; again++)
		{
			if (!try_sync_with(&job, "nulls",
							   "{\"mode\": \"full\", \"on_bad_row\": \"quarantine\", \"deletes\": \"hard\"}", &result,
							   &error))
				fail_msg("%s", error.message);
			assert_int_equal(result.rows_inserted, again ? 0 : 2);
			assert_int_equal(result.rows_quarantined, 1);
			assert_int_equal(result.rows_deleted, 0);
			pythia_sync_result_free(&result);
		}
		assert_int_equal(quarantined, 2);
		must_sync(source, target, "nulls", "{\"mode\": \"full\", \"where\": \"k IS NOT NULL\", \"deletes\": \"hard\"}",
				  NULL, &result);
		assert_counts(&result, 0, 0, 0, 0);
		pythia_sync_result_free(&result);
		close_both(source, target);
	}
}

/* Who keeps a role from writing keeps us from it, too. */
static void test_read_only(void **state)
{
	pythia_db *admin = open_engine(PG, 1);
	pythia_db *source = open_engine(LITE, 0);
	pythia_db *target;
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;
	char sql[200];

	(void) state;
	make_items(source, 3);
	make_items(admin, 1);
	snprintf(sql, sizeof(sql), "ALTER DATABASE synctest1_%d SET default_transaction_read_only = on", (int) getpid());
	must(admin, sql);
	target = open_engine(PG, 1);
	assert_false(try_sync(source, target, "edges", "{\"mode\": \"full\"}", NULL, &result, &error));
	assert_string_equal(error.sqlstate, "25006");
	assert_non_null(strstr(error.hint, "default_transaction_read_only"));
	pythia_error_reset(&error);
	pythia_db_close(target);
	snprintf(sql, sizeof(sql), "ALTER DATABASE synctest1_%d RESET default_transaction_read_only", (int) getpid());
	must(admin, sql);
	assert_string_equal(value_of(admin, "SELECT count(*) FROM edges"), "1");
	pythia_db_close(admin);
	pythia_db_close(source);
}

static void test_words(void **state)
{
	pythia_db *source = open_engine(LITE, 0);
	pythia_db *target = open_engine(PG, 1);
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	make_items(source, 3);
	make_items(target, 5);
	assert_false(try_sync(source, target, "edges", "{\"truncate_target\": true}", NULL, &result, &error));
	assert_string_equal(error.sqlstate, "22023");
	assert_non_null(strstr(error.message, "truncate_target"));
	pythia_error_reset(&error);
	must_sync(source, target, "edges", "{\"truncate_target\": true, \"tables\": {\"edges\": {\"mode\": \"full\"}}}",
			  NULL, &result);
	assert_int_equal(result.rows_deleted, 5);
	pythia_sync_result_free(&result);
	assert_false(try_sync(source, target, "edges", "{\"columns\": []}", NULL, &result, &error));
	assert_string_equal(error.sqlstate, "22023");
	pythia_error_reset(&error);
	/* the target's own words for a value, and ours for what to do about it */
	pythia_db_close(source);
	source = open_engine(MY, 0);
	drop(source, "zero");
	drop(target, "zero");
	must(source, "SET SESSION sql_mode = ''");
	must(source, "CREATE TABLE zero (id int PRIMARY KEY, d date)");
	must(source, "INSERT INTO zero VALUES (1, '0000-00-00')");
	assert_false(try_sync(source, target, "zero", "{\"mode\": \"full\"}", NULL, &result, &error));
	assert_non_null(strstr(error.hint, "zero_date"));
	pythia_error_reset(&error);
	close_both(source, target);
}

/* Runs it into each engine, from another one, without tables of that name. */
static void into_each(const char *table, void (*between)(pythia_db *source, pythia_db *target, int to))
{
	for (int to = 0; to < ENGINES; to++)
	{
		pythia_db *source = open_anew((to + 1) % ENGINES, 0, table);
		pythia_db *target = open_anew(to, 1, table);

		between(source, target, to);
		close_both(source, target);
	}
}

/* A value of a second unique key that a deleted row had is free for another row, in one run. */
static void freed_between(pythia_db *source, pythia_db *target, int to)
{
	pythia_sync_result result;

	(void) to;
	for (int side = 0; side < 2; side++)
		must(side ? target : source,
			 "CREATE TABLE freed (id integer PRIMARY KEY, email varchar(20) UNIQUE, updated_at timestamp NULL)");
	must(source, "INSERT INTO freed VALUES (2, 'a', NULL), (3, 'b', NULL)");
	must(target, "INSERT INTO freed VALUES (1, 'a', NULL), (2, 'c', NULL)");
	must_sync(source, target, "freed", "{\"mode\": \"full\", \"deletes\": \"hard\"}", NULL, &result);
	assert_counts(&result, 1, 1, 1, 0);
	assert_string_equal(value_of(target, "SELECT count(*) FROM freed WHERE email IN ('a', 'b')"), "2");
	pythia_sync_result_free(&result);
}

static void test_freed_value(void **state)
{
	(void) state;
	into_each("freed", freed_between);
}

/* Comments with everything in them that ends or escapes a string. */
static void test_comments(void **state)
{
	pythia_db *source = open_anew(PG, 0, "spoken");
	pythia_db *target = open_anew(MY, 1, "spoken");
	pythia_sync_result result;

	(void) state;
	must(source, "CREATE TABLE spoken (id integer PRIMARY KEY, v text)");
	must(source, "COMMENT ON TABLE spoken IS E'it''s a \\\\ and a \"'; COMMENT ON COLUMN spoken.v IS E'\\\\\\'ü'");
	must_sync(source, target, "spoken", "{\"mode\": \"full\"}", NULL, &result);
	pythia_sync_result_free(&result);
	assert_string_equal(value_of(target, "SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_NAME ="
										 " 'spoken' AND TABLE_SCHEMA = DATABASE()"),
						"it's a \\ and a \"");
	assert_string_equal(value_of(target, "SELECT COLUMN_COMMENT FROM information_schema.COLUMNS WHERE TABLE_NAME ="
										 " 'spoken' AND COLUMN_NAME = 'v' AND TABLE_SCHEMA = DATABASE()"),
						"\\'ü");
	close_both(source, target);
}

static void assert_valid(pythia_db *source, pythia_db *target, const char *table, const char *json)
{
	pythia_sync_config config;
	pythia_sync_job job = {.source = source, .target = target, .table = table, .config = &config};
	pythia_validate_options options;
	pythia_validate_result equal;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_node *tree;

	assert_true(pythia_json_read("sync_config", json, &tree, &error));
	assert_true(pythia_sync_config_read(tree, NULL, table, &config, &error));
	assert_true(pythia_validate_options_read(NULL, &options, &error));
	if (!pythia_validate_table(&job, &options, NULL, NULL, &equal, &error))
		fail_msg("%s", error.message);
	assert_true(equal.is_valid);
	pythia_validate_result_free(&equal);
	pythia_node_free(tree);
}

/* Policies over a type that has neither NaN nor a cast from it: the validation asks the same way. */
static void test_money(void **state)
{
	static const char *const json = "{\"mode\": \"full\", \"nan\": \"null\"}";
	pythia_db *source = open_anew(PG, 0, "purse");
	pythia_db *target = open_anew(MY, 1, "purse");
	pythia_sync_result result;

	(void) state;
	must(source, "CREATE TABLE purse (id integer PRIMARY KEY, m money, n numeric)");
	must(source, "INSERT INTO purse VALUES (1, '1234.5', 'NaN'), (2, NULL, 7)");
	must_sync(source, target, "purse", json, NULL, &result);
	pythia_sync_result_free(&result);
	assert_string_equal(value_of(target, "SELECT m FROM purse WHERE id = 1 AND n IS NULL"), "1234.50");
	assert_valid(source, target, "purse", json);
	close_both(source, target);
}

/* Keys that are one to the target though they are two to the source: no row is taken for another one. */
static void test_loose_keys(void **state)
{
	static const char *const key_types[ENGINES] = {"text COLLATE loose", "text COLLATE NOCASE",
												   "varchar(20) COLLATE utf8mb4_general_ci"};
	static const char *const content = "SELECT count(*) FROM loose WHERE k = 'Bob' AND v = 1";

	(void) state;
	for (int to = 0; to < ENGINES; to++)
	{
		pythia_db *source = open_anew(to == PG ? LITE : PG, 0, "loose");
		pythia_db *target = open_anew(to, 1, "loose");
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;
		char sql[200];

		must(source, "CREATE TABLE loose (k text PRIMARY KEY, v integer, updated_at timestamp)");
		if (to == PG)
			must(target, "CREATE COLLATION IF NOT EXISTS loose (provider = icu, locale = 'und-u-ks-level2',"
						 " deterministic = false)");
		snprintf(sql, sizeof(sql), "CREATE TABLE loose (k %s PRIMARY KEY, v integer, updated_at timestamp NULL)",
				 key_types[to]);
		must(target, sql);
		must(target, "INSERT INTO loose VALUES ('Bob', 1, NULL)");
		must(source, "INSERT INTO loose VALUES ('bob', 2, NULL)");
		/* to the target, its own row has this key */
		assert_false(try_sync(source, target, "loose", "{\"mode\": \"full\"}", NULL, &result, &error));
		assert_int_equal(error.sqlstate[0] * 10 + error.sqlstate[1], '2' * 10 + '3');
		pythia_error_reset(&error);
		pythia_sync_result_free(&result);
		must_sync(source, target, "loose", "{\"mode\": \"full\", \"on_bad_row\": \"quarantine\"}", NULL, &result);
		assert_counts(&result, 0, 0, 0, 0);
		assert_int_equal(result.rows_quarantined, 1);
		assert_string_equal(value_of(target, content), "1");
		pythia_sync_result_free(&result);
		/* where that one is gone from the source, its key is free */
		must_sync(source, target, "loose", "{\"mode\": \"full\", \"deletes\": \"hard\"}", NULL, &result);
		assert_counts(&result, 1, 0, 1, 0);
		assert_string_equal(value_of(target, "SELECT count(*) FROM loose WHERE k = 'bob' AND v = 2"), "1");
		pythia_sync_result_free(&result);
		close_both(source, target);
	}
}

/* PostgreSQL: a column that takes two spellings for one has the source's all the same, as has one of such a domain. */
static void test_respelt_values(void **state)
{
	pythia_db *source = open_anew(LITE, 0, "respelt");
	pythia_db *target = open_anew(PG, 1, "respelt");
	pythia_sync_result result;

	(void) state;
	must(source, "CREATE TABLE respelt (k text PRIMARY KEY, a text, b text, c varchar(9))");
	must(source, "INSERT INTO respelt VALUES ('k', 'bob', 'x', 'x'), ('l', 'x', 'bob', 'x'), ('m', 'x', 'x', 'bob'), "
				 "('n', 'x', 'x', 'x'), ('o', 'x', 'x', 'x')");
	must(target,
		 "CREATE COLLATION IF NOT EXISTS loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
	must(target, "DROP DOMAIN IF EXISTS respelling");
	must(target, "CREATE DOMAIN respelling AS text COLLATE loose");
	must(target, "CREATE TABLE respelt (k respelling PRIMARY KEY, a text COLLATE loose, b respelling, c varchar(9) "
				 "COLLATE loose)");
	must(target, "INSERT INTO respelt VALUES ('k', 'Bob', 'x', 'x'), ('l', 'x', 'Bob', 'x'), ('m', 'x', 'x', 'Bob'), "
				 "('n', 'x', 'x', 'x'), ('O', 'x', 'x', 'x')");
	must_sync(source, target, "respelt", "{\"mode\": \"full\", \"deletes\": \"hard\"}", NULL, &result);
	/* a key is a row's own, byte for byte */
	assert_counts(&result, 1, 3, 1, 0);
	assert_string_equal(
		value_of(target, "SELECT string_agg(concat(k, a, b, c), ' ' ORDER BY k COLLATE \"C\") FROM respelt"),
		"kbobxx lxbobx mxxbob nxxx oxxx");
	pythia_sync_result_free(&result);
	drop(target, "respelt");
	must(target, "DROP DOMAIN respelling");
	close_both(source, target);
}

/* Where both sides take the same texts for one, a key's new spelling is a change of the row. */
static void test_respelt_key(void **state)
{
	pythia_db *source = open_engine(MY, 0);
	pythia_db *target = open_engine(MY, 1);
	pythia_sync_result result;

	(void) state;
	for (int side = 0; side < 2; side++)
	{
		pythia_db *db = side == 0 ? source : target;

		drop(db, "respelt");
		must(db, "CREATE TABLE respelt (k varchar(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v integer)");
		must(db, side == 0 ? "INSERT INTO respelt VALUES ('BOB', 1)" : "INSERT INTO respelt VALUES ('Bob', 1)");
	}
	must_sync(source, target, "respelt", "{\"mode\": \"full\"}", NULL, &result);
	assert_counts(&result, 0, 1, 0, 0);
	assert_string_equal(value_of(target, "SELECT k FROM respelt"), "BOB");
	pythia_sync_result_free(&result);
	close_both(source, target);
}

/* A key that somebody names need not be one: of two rows that have it, none is chosen in silence. */
static void named_between(pythia_db *source, pythia_db *target, int to)
{
	static const char *const json = "{\"mode\": \"full\", \"key\": [\"id\"]}";
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) to;
	must(source, "CREATE TABLE named (id integer NOT NULL, v integer)");
	must(source, "INSERT INTO named VALUES (1, 1), (2, 2)");
	must_sync(source, target, "named", json, NULL, &result);
	pythia_sync_result_free(&result);
	must(source, "UPDATE named SET v = 5 WHERE id = 2");
	must_sync(source, target, "named", json, NULL, &result);
	assert_counts(&result, 0, 1, 0, 0);
	pythia_sync_result_free(&result);
	must(source, "INSERT INTO named VALUES (1, 100)");
	assert_false(try_sync(source, target, "named", json, NULL, &result, &error));
	assert_string_equal(error.sqlstate, "23505");
	assert_non_null(error.hint);
	assert_string_equal(value_of(target, "SELECT sum(v) FROM named"), "6");
	pythia_error_reset(&error);
	pythia_sync_result_free(&result);
}

static void test_named_key(void **state)
{
	(void) state;
	into_each("named", named_between);
}

/* The column that marks deleted rows: made with the table, a flag as well as a stamp, and nobody else's. */
static void soft_between(pythia_db *source, pythia_db *target, int to)
{
	static const char *const soft = "{\"mode\": \"full\", \"deletes\": \"soft\"}";
	static const char *const refused[] = {soft, "{\"mode\": \"full\", \"deletes\": \"soft\", \"exclude_columns\":"
												" [\"deleted_at\", \"name\"], \"soft_delete_column\": \"name\"}"};
	static const char *const flagged = "{\"mode\": \"full\", \"deletes\": \"soft\", \"soft_delete_column\": \"gone\"}";
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;

	must(source, "CREATE TABLE soft (id integer PRIMARY KEY, name integer)");
	must(source, "INSERT INTO soft VALUES (1, 1), (2, 2)");
	must_sync(source, target, "soft", soft, NULL, &result);
	pythia_sync_result_free(&result);
	must(source, "DELETE FROM soft WHERE id = 2");
	must_sync(source, target, "soft", soft, NULL, &result);
	assert_counts(&result, 0, 0, 1, 0);
	pythia_sync_result_free(&result);
	assert_string_equal(value_of(target, "SELECT count(*) FROM soft WHERE id = 2 AND deleted_at > '2020-01-01'"), "1");
	assert_valid(source, target, "soft", soft);

	must(target, "ALTER TABLE soft ADD COLUMN gone boolean DEFAULT false NOT NULL");
	must_sync(source, target, "soft", flagged, NULL, &result);
	assert_counts(&result, 0, 0, 1, 0);
	pythia_sync_result_free(&result);
	assert_valid(source, target, "soft", flagged);

	/* the source has one of that name: its values would be lost */
	drop(source, "soft");
	must(source, "CREATE TABLE soft (id integer PRIMARY KEY, name varchar(9), deleted_at timestamp NULL)");
	must(source, "INSERT INTO soft VALUES (1, 'a', '2020-01-01 00:00:00')");
	drop(target, "soft");
	must(target, "CREATE TABLE soft (id integer PRIMARY KEY, name varchar(9) NOT NULL, deleted_at timestamp NULL)");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]) - (to == LITE); i++)
	{
		assert_false(try_sync(source, target, "soft", refused[i], NULL, &result, &error));
		assert_string_equal(error.sqlstate, i == 0 ? "42701" : "42804");
		pythia_error_reset(&error);
		pythia_sync_result_free(&result);
	}
}

static void test_soft_column(void **state)
{
	(void) state;
	into_each("soft", soft_between);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_deletes_with_condition),
									   cmocka_unit_test(test_null_keys),
									   cmocka_unit_test(test_read_only),
									   cmocka_unit_test(test_words),
									   cmocka_unit_test(test_freed_value),
									   cmocka_unit_test(test_comments),
									   cmocka_unit_test(test_money),
									   cmocka_unit_test(test_loose_keys),
									   cmocka_unit_test(test_respelt_values),
									   cmocka_unit_test(test_respelt_key),
									   cmocka_unit_test(test_soft_column),
									   cmocka_unit_test(test_named_key)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
