/* Values of unique keys that move from row to row of the source: on every engine as the target. */
#include "sync_tests.h"

#define ROWS "(1, 'a', 10, 'one'), (2, 'b', 20, 'two'), (3, 'c', 30, 'three'), (4, 'd', 40, 'four')"

static void make(pythia_db *db, const char *more)
{
	char sql[500];

	drop(db, "child");
	drop(db, "moving");
	snprintf(
		sql, sizeof(sql),
		"CREATE TABLE moving (id integer PRIMARY KEY, code varchar(20) NOT NULL UNIQUE, place integer NOT NULL UNIQUE,"
		" name varchar(20)%s)",
		more);
	must(db, sql);
	must(db, "INSERT INTO moving (id, code, place, name) VALUES " ROWS);
}

static const char *rows_of(pythia_db *db)
{
	return value_of(db, db->engine == PYTHIA_MYSQL
							? "SELECT GROUP_CONCAT(CONCAT(id, code, place) ORDER BY id) FROM moving"
						: db->engine == PYTHIA_SQLITE
							? "SELECT group_concat(id || code || place) FROM (SELECT * FROM moving ORDER BY id)"
							: "SELECT string_agg(id || code || place, ',' ORDER BY id) FROM moving");
}

/* What the source comes to, in one run: a swap, a ring of three, a chain whose end is a new row. */
static const struct
{
	const char *source;
	int inserted;
	int updated;
} moves[] = {
	{"(1, 'b', 10, 'one'), (2, 'a', 20, 'two'), (3, 'c', 30, 'three'), (4, 'd', 40, 'four')", 0, 2},
	{"(1, 'b', 20, 'one'), (2, 'c', 30, 'two'), (3, 'a', 10, 'three'), (4, 'd', 40, 'four')", 0, 3},
	{"(1, 'b', 10, 'one'), (2, 'c', 20, 'two'), (3, 'd', 30, 'three'), (4, 'e', 40, 'x'), (5, 'a', 50, 'new')", 1, 4},
	{"(1, 'a', 40, 'one'), (2, 'b', 20, 'two'), (3, 'c', 30, 'three'), (4, 'd', 10, 'four')", 0, 2},
};

static void refill(pythia_db *db, const char *rows)
{
	char sql[500];

	must(db, "DELETE FROM moving");
	snprintf(sql, sizeof(sql), "INSERT INTO moving (id, code, place, name) VALUES %s", rows);
	must(db, sql);
}

static void test_moves(void **state)
{
	static const char *const configs[] = {"{\"mode\": \"full\"}",
										  "{\"mode\": \"full\", \"on_bad_row\": \"quarantine\"}",
										  "{\"mode\": \"full\", \"deletes\": \"hard\"}"};

	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		pythia_db *source = open_engine(from, 0);

		make(source, "");
		for (int to = 0; to < ENGINES; to++)
		{
			pythia_db *target = open_engine(to, 1);

			for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
				for (size_t c = 0; c < sizeof(configs) / sizeof(configs[0]); c++)
				{
					pythia_sync_result result;

					print_message("%s to %s, case %zu, %s\n", engine_names[from], engine_names[to], i, configs[c]);
					/* a column and a generated one that only the target has */
					make(target,
						 ", own varchar(20) DEFAULT 'new', twice integer GENERATED ALWAYS AS (place * 2) STORED");
					must(target, "UPDATE moving SET own = 'kept'");
					refill(source, moves[i].source);
					must_sync(source, target, "moving", configs[c], NULL, &result);
					assert_counts(&result, moves[i].inserted, moves[i].updated, 0, 0);
					assert_int_equal(result.rows_quarantined, 0);
					pythia_sync_result_free(&result);
					assert_string_equal(rows_of(target), rows_of(source));
					assert_string_equal(value_of(target, "SELECT count(*) FROM moving WHERE own = 'kept'"), "4");
					assert_string_equal(value_of(target, "SELECT sum(twice) = 2 * sum(place) FROM moving"),
										to == PG ? "t" : "1");
					must_sync(source, target, "moving", configs[c], NULL, &result);
					assert_counts(&result, 0, 0, 0, 0);
					pythia_sync_result_free(&result);
				}
			pythia_db_close(target);
		}
		pythia_db_close(source);
	}
}

/* SQLite: a row beside those that move, whose key is one with another's to the column but not to its index. */
static void test_other_collation(void **state)
{
	pythia_db *source = open_engine(PG, 0);
	pythia_db *target = open_engine(LITE, 1);
	pythia_sync_result result;

	(void) state;
	drop(source, "told");
	drop(target, "told");
	must(source, "CREATE TABLE told (k text, n integer, v integer NOT NULL UNIQUE, PRIMARY KEY (k, n))");
	must(source, "INSERT INTO told VALUES ('a', 1, 2), ('b', 1, 1), ('A', 1, 9)");
	must(target, "CREATE TABLE told (k TEXT COLLATE NOCASE NOT NULL, n INTEGER NOT NULL, v INTEGER NOT NULL UNIQUE,"
				 " PRIMARY KEY (k COLLATE BINARY, n))");
	must(target, "INSERT INTO told VALUES ('a', 1, 1), ('b', 1, 2), ('A', 1, 9)");
	must_sync(source, target, "told", "{\"mode\": \"full\"}", NULL, &result);
	assert_counts(&result, 0, 2, 0, 0);
	pythia_sync_result_free(&result);
	assert_string_equal(value_of(target, "SELECT group_concat(k || v) FROM (SELECT * FROM told ORDER BY v)"),
						"b1,a2,A9");
	pythia_db_close(target);
	pythia_db_close(source);
}

/* A value that a stranger holds, or a row that the rule leaves as it is: a conflict, and nothing has changed. */
static void test_in_the_way(void **state)
{
	pythia_db *source = open_engine(PG, 0);

	(void) state;
	make(source, ", updated_at timestamp");
	for (int to = 0; to < ENGINES; to++)
	{
		pythia_db *target = open_engine(to, 1);
		pythia_error error = PYTHIA_ERROR_INIT;
		pythia_sync_result result;

		make(target, ", updated_at timestamp NULL");
		must(target, "INSERT INTO moving (id, code, place, name) VALUES (9, 'z', 90, 'stranger')");
		refill(source, "(1, 'b', 10, 'one'), (2, 'a', 20, 'two'), (3, 'z', 30, 'three')");
		assert_false(try_sync(source, target, "moving", "{\"mode\": \"full\"}", NULL, &result, &error));
		assert_string_equal(error.sqlstate, "23505");
		assert_non_null(strstr(error.hint, "another key holds this value"));
		pythia_error_reset(&error);
		assert_string_equal(rows_of(target), "1a10,2b20,3c30,4d40,9z90");
		must_sync(source, target, "moving", "{\"mode\": \"full\", \"deletes\": \"hard\"}", NULL, &result);
		assert_counts(&result, 0, 3, 2, 0);
		pythia_sync_result_free(&result);
		assert_string_equal(rows_of(target), "1b10,2a20,3z30");
		/* row 1 is newer there and stays, so its value is taken */
		refill(source, "(1, 'a', 10, 'one'), (2, 'b', 20, 'two'), (3, 'z', 30, 'three')");
		must(target, "UPDATE moving SET updated_at = '2024-01-02 00:00:00'");
		must(source, "UPDATE moving SET updated_at = CASE id WHEN 1 THEN timestamp '2024-01-01' ELSE timestamp"
					 " '2024-01-03' END");
		assert_false(try_sync(source, target, "moving",
							  "{\"mode\": \"full\", \"conflict_resolution\": \"newest_wins\"}", NULL, &result, &error));
		assert_string_equal(error.sqlstate, "23505");
		pythia_error_reset(&error);
		assert_string_equal(rows_of(target), "1b10,2a20,3z30");
		must(source, "UPDATE moving SET updated_at = '2024-01-03'");
		must_sync(source, target, "moving", "{\"mode\": \"full\", \"conflict_resolution\": \"newest_wins\"}", NULL,
				  &result);
		assert_counts(&result, 0, 3, 0, 0);
		pythia_sync_result_free(&result);
		assert_string_equal(rows_of(target), "1a10,2b20,3z30");
		pythia_db_close(target);
	}
	pythia_db_close(source);
}

/* Rows of other tables that refer to these are neither lost nor changed. */
static void test_children(void **state)
{
	static const char *const actions[] = {"", " ON DELETE CASCADE", " ON DELETE SET NULL"};
	pythia_db *source = open_engine(PG, 0);

	(void) state;
	make(source, "");
	refill(source, moves[0].source);
	for (int to = 0; to < ENGINES; to++)
		for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		{
			pythia_db *target = open_engine(to, 1);
			/* MySQL's keys are not looked at for that moment; elsewhere the action would take place */
			bool possible = to == MY || i == 0;
			pythia_error error = PYTHIA_ERROR_INIT;
			pythia_sync_result result;
			char sql[300];
			bool ok;

			if (to == LITE)
				must(target, "PRAGMA foreign_keys = ON");
			make(target, "");
			snprintf(
				sql, sizeof(sql),
				"CREATE TABLE child (id integer PRIMARY KEY, parent integer, FOREIGN KEY (parent) REFERENCES moving"
				" (id)%s)",
				actions[i]);
			must(target, sql);
			must(target, "INSERT INTO child VALUES (1, 1), (2, 2), (3, 3)");
			ok = try_sync(source, target, "moving", "{\"mode\": \"full\"}", NULL, &result, &error);
			print_message("%s,%s: %s\n", engine_names[to], actions[i], ok ? "swapped" : error.message);
			assert_int_equal(ok, possible);
			if (!ok)
			{
				assert_string_equal(error.sqlstate, "23505");
				assert_non_null(strstr(error.hint, "rows of other tables"));
			}
			assert_string_equal(rows_of(target), possible ? "1b10,2a20,3c30,4d40" : "1a10,2b20,3c30,4d40");
			assert_string_equal(value_of(target, "SELECT sum(parent) FROM child"), "6");
			if (to == MY)
				assert_string_equal(value_of(target, "SELECT @@foreign_key_checks"), "1");
			pythia_error_reset(&error);
			pythia_sync_result_free(&result);
			drop(target, "child");
			pythia_db_close(target);
		}
	pythia_db_close(source);
}

/* Unique indexes that no description lists, and a primary key that is not what rows are told by. */
static void test_other_keys(void **state)
{
	static const char *const indexes[] = {"(name) WHERE place > 0", "(lower(name))"};
	pythia_db *source = open_engine(PG, 0);
	pythia_sync_result result;

	(void) state;
	make(source, "");
	must(source, "UPDATE moving SET name = CASE id WHEN 1 THEN 'two' WHEN 2 THEN 'one' ELSE name END");
	for (int to = 0; to < ENGINES; to++)
	{
		pythia_db *target = open_engine(to, 1);

		for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]) && to != MY; i++)
		{
			char sql[200];

			make(target, "");
			snprintf(sql, sizeof(sql), "CREATE UNIQUE INDEX other ON moving %s", indexes[i]);
			must(target, sql);
			must_sync(source, target, "moving", "{\"mode\": \"full\"}", NULL, &result);
			assert_counts(&result, 0, 2, 0, 0);
			pythia_sync_result_free(&result);
			assert_string_equal(value_of(target, "SELECT name FROM moving WHERE id = 1"), "two");
		}
		drop(target, "moving");
		must(target, "CREATE TABLE moving (id integer PRIMARY KEY, code varchar(20) NOT NULL, place integer, name"
					 " varchar(20))");
		must(target,
			 "INSERT INTO moving VALUES (2, 'a', 10, 'two'), (1, 'b', 20, 'one'), (3, 'c', 30, 'three'), (4, 'd',"
			 " 40, 'four')");
		must_sync(source, target, "moving", "{\"mode\": \"full\", \"key\": [\"code\"]}", NULL, &result);
		assert_counts(&result, 0, 2, 0, 0);
		pythia_sync_result_free(&result);
		assert_string_equal(rows_of(target), "1a10,2b20,3c30,4d40");
		pythia_db_close(target);
	}
	pythia_db_close(source);
}

/* Of a key that no index holds, rows that only the target's collation takes for one are strangers. */
static void test_stranger_of_another_case(void **state)
{
	pythia_db *source = open_engine(LITE, 0);
	pythia_db *target = open_engine(MY, 1);
	pythia_sync_result result;

	(void) state;
	drop(source, "cased");
	drop(target, "cased");
	must(source, "CREATE TABLE cased (k VARCHAR(20) NOT NULL, u INT)");
	must(source, "INSERT INTO cased VALUES ('a', 2), ('b', 1)");
	must(target, "CREATE TABLE cased (k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, u int,"
				 " UNIQUE (u))");
	must(target, "INSERT INTO cased VALUES ('a', 1), ('b', 2), ('A', 3)");
	must_sync(source, target, "cased", "{\"mode\": \"full\", \"key\": \"k\"}", NULL, &result);
	assert_string_equal(value_of(target, "SELECT GROUP_CONCAT(k, u ORDER BY u) FROM cased"), "b1,a2,A3");
	pythia_sync_result_free(&result);
	drop(source, "cased");
	drop(target, "cased");
	close_both(source, target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_stranger_of_another_case),
									   cmocka_unit_test(test_moves),
									   cmocka_unit_test(test_other_collation),
									   cmocka_unit_test(test_in_the_way),
									   cmocka_unit_test(test_children),
									   cmocka_unit_test(test_other_keys)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
