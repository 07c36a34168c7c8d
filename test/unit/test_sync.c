/* Copying between real PostgreSQL, MariaDB and SQLite, in all nine directions. */
#include "sync_tests.h"

static const char *stamp_type(int engine)
{
	return engine == PG ? "timestamptz" : engine == MY ? "timestamp(6) NULL" : "TIMESTAMPTZ";
}

static void make_users(pythia_db *db, int engine)
{
	char sql[400];

	drop(db, "users");
	snprintf(sql, sizeof(sql),
			 "CREATE TABLE users (id integer PRIMARY KEY, name varchar(50) NOT NULL, note varchar(200), updated_at %s)",
			 stamp_type(engine));
	must(db, sql);
	must(db, engine == LITE ? "INSERT INTO users VALUES (1, 'Ada', 'a\tb\\c', '2024-01-01 10:00:00.123456Z'),"
							  "(2, 'Bob', NULL, '2024-01-01 11:00:00Z'), (3, 'Cléo', '', '2024-01-01 12:00:00Z')"
			 : engine == MY ? "INSERT INTO users VALUES (1, 'Ada', 'a\tb\\\\c', '2024-01-01 10:00:00.123456'),"
							  "(2, 'Bob', NULL, '2024-01-01 11:00:00'), (3, 'Cléo', '', '2024-01-01 12:00:00')"
							: "INSERT INTO users VALUES (1, 'Ada', E'a\tb\\\\c', '2024-01-01 10:00:00.123456Z'),"
							  "(2, 'Bob', NULL, '2024-01-01 11:00:00Z'), (3, 'Cléo', '', '2024-01-01 12:00:00Z')");
}

/* Full into nothing, again without work, then changes in steps. */
static void one_direction(int from, int to)
{
	pythia_db *source = open_engine(from, 0);
	pythia_db *target = open_engine(to, 1);
	pythia_sync_result result;
	char *watermark;

	print_message("%s to %s\n", engine_names[from], engine_names[to]);
	make_users(source, from);
	drop(target, "users");
	must_sync(source, target, "users", "{\"mode\": \"full\"}", NULL, &result);
	assert_counts(&result, 3, 0, 0, 0);
	assert_int_equal(result.rows_synced, 3);
	assert_int_equal(result.source_count, 3);
	assert_string_equal(value_of(target, "SELECT count(*) FROM users"), "3");
	assert_string_equal(value_of(target, "SELECT note FROM users WHERE id = 1"), "a\tb\\c");
	assert_string_equal(value_of(target, "SELECT note FROM users WHERE id = 2"), "(null)");
	assert_string_equal(value_of(target, "SELECT note FROM users WHERE id = 3"), "");
	assert_string_equal(value_of(target, "SELECT name FROM users WHERE id = 3"), "Cléo");
	pythia_sync_result_free(&result);

	must_sync(source, target, "users", "{\"mode\": \"full\"}", NULL, &result);
	assert_counts(&result, 0, 0, 0, 0);
	assert_int_equal(result.rows_synced, 3);
	assert_non_null(result.watermark);
	watermark = result.watermark;
	result.watermark = NULL;
	pythia_sync_result_free(&result);

	must(source, from == LITE ? "UPDATE users SET name = 'Bobby', updated_at = '2030-01-01 00:00:00Z' WHERE id = 2"
				 : from == MY ? "UPDATE users SET name = 'Bobby', updated_at = '2030-01-01 00:00:00' WHERE id = 2"
							  : "UPDATE users SET name = 'Bobby', updated_at = '2030-01-01 00:00:00Z' WHERE id = 2");
	must(source, from == LITE ? "INSERT INTO users VALUES (4, 'Dora', 'x', '2030-01-01 00:00:00Z')"
				 : from == MY ? "INSERT INTO users VALUES (4, 'Dora', 'x', '2030-01-01 00:00:00')"
							  : "INSERT INTO users VALUES (4, 'Dora', 'x', '2030-01-01 00:00:00Z')");
	must_sync(source, target, "users", "{}", watermark, &result);
	assert_counts(&result, 1, 1, 0, 0);
	assert_true(result.source_count <= 4);
	assert_string_equal(value_of(target, "SELECT name FROM users WHERE id = 2"), "Bobby");
	assert_string_equal(value_of(target, "SELECT count(*) FROM users"), "4");
	pythia_sync_result_free(&result);
	pythia_free(watermark);
	close_both(source, target);
}

static void test_directions(void **state)
{
	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		for (int to = 0; to < ENGINES; to++)
			one_direction(from, to);
	}
}

static void expect(pythia_db *source, pythia_db *target, const char *table, const char *json, const char *sqlstate,
				   const char *text)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_sync_result result;

	if (try_sync(source, target, table, json, NULL, &result, &error))
		fail_msg("no error: %s", json);
	assert_string_equal(error.sqlstate, sqlstate);
	if (strstr(error.message, text) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", error.message, text);
	assert_non_null(error.hint);
	pythia_error_reset(&error);
	pythia_sync_result_free(&result);
}

static void test_mistakes(void **state)
{
	(void) state;
	for (int engine = 0; engine < ENGINES; engine++)
	{
		pythia_db *source = open_engine(engine, 0);
		pythia_db *target = open_engine(LITE, 1);

		make_users(source, engine);
		drop(target, "users");
		drop(source, "keyless");
		must(source, "CREATE TABLE keyless (a integer, updated_at timestamp)");
		expect(source, target, "user", "{}", "42P01", "\"user\"");
		expect(source, target, "users", "{\"timestamp_column\": \"updated\"}", "42703", "\"updated\"");
		expect(source, target, "users", "{\"columns\": [\"id\", \"nam\"]}", "42703", "\"nam\"");
		expect(source, target, "users", "{\"column_map\": {\"nix\": \"x\"}}", "42703", "\"nix\"");
		expect(source, target, "keyless", "{}", "42P16", "no primary key");
		expect(source, target, "users", "{\"create_target\": false}", "42P01", "users");
		expect(source, target, "users", "{\"modus\": \"full\"}", "22023", "modus");
		expect(source, target, "users", "{\"mode\": \"fully\"}", "22023", "fully");
		if (engine != LITE)
			expect(source, target, "users", "{\"timestamp_column\": \"name\"}", "42804", "no timestamp");
		close_both(source, target);
	}
}

static void expect_index(const pythia_table *table, const char *columns, bool unique)
{
	for (int i = 0; i < table->nindexes; i++)
	{
		char text[200] = "";

		for (int k = 0; k < table->indexes[i].ncolumns; k++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", k > 0 ? ", " : "",
					 table->columns[table->indexes[i].columns[k]].name);
		if (strcmp(text, columns) == 0 && table->indexes[i].unique == unique)
			return;
	}
	fail_msg("%s has no %sindex over (%s)", table->name, unique ? "unique " : "", columns);
}

/* A target that is made gets the source's indexes, under names that collide with none. */
static void test_indexes(void **state)
{
	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		for (int to = 0; to < ENGINES; to++)
		{
			pythia_db *source = open_engine(from, 0);
			/* one server: in the same database, where the source's own indexes are */
			pythia_db *target = open_engine(to, from == to && to != LITE ? 0 : 1);
			pythia_error error = PYTHIA_ERROR_INIT;
			pythia_sync_result result;
			pythia_table table;
			char sql[300];

			print_message("%s to %s\n", engine_names[from], engine_names[to]);
			drop(source, "customers");
			drop(target, "c");
			snprintf(
				sql, sizeof(sql),
				"CREATE TABLE customers (id integer PRIMARY KEY, name varchar(50), place varchar(50), updated_at %s,"
				" UNIQUE (place, name))",
				stamp_type(from));
			must(source, sql);
			must(source, "CREATE INDEX customers_updated_at ON customers (updated_at)");
			must(source,
				 "CREATE INDEX c_a_name_as_long_as_a_name_of_an_index_may_be_in_all_of_them_1 ON customers (name)");
			must(source, "INSERT INTO customers VALUES (1, 'a', 'b', '2024-01-01 00:00:00'), (2, 'b', 'b', NULL)");
			must_sync(source, target, "customers", "{\"mode\": \"full\", \"table_map\": {\"customers\": \"c\"}}", NULL,
					  &result);
			pythia_sync_result_free(&result);
			if (!pythia_describe(target, "c", &table, &error))
				fail_msg("%s", error.message);
			assert_int_equal(table.nindexes, 3);
			expect_index(&table, "updated_at", false);
			expect_index(&table, "place, name", true);
			expect_index(&table, "name", false);
			pythia_table_free(&table);
			drop(source, "customers");
			drop(target, "c");
			close_both(source, target);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_indexes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
