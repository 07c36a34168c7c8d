/* The rules of a sync, one by one, on every engine as the target: conflicts, deletes, mapping, policies, growth. */
#include "sync/order.h"
#include "sync_tests.h"

static const char *const stamp_types[ENGINES] = {"timestamp", "DATETIME", "datetime(6)"};

static void make_items(pythia_db *db, int engine)
{
	char sql[300];

	drop(db, "items");
	snprintf(sql, sizeof(sql),
			 "CREATE TABLE items (id integer PRIMARY KEY, name varchar(40), code varchar(20) UNIQUE,"
			 " updated_at %s)",
			 stamp_types[engine]);
	must(db, sql);
}

static void fill(pythia_db *db, const char *values)
{
	char sql[2000];

	snprintf(sql, sizeof(sql), "INSERT INTO items VALUES %s", values);
	must(db, sql);
}

static const char *names(pythia_db *db)
{
	return value_of(db,
					db->engine == PYTHIA_MYSQL
						? "SELECT COALESCE(GROUP_CONCAT(CONCAT(id, COALESCE(name, '-')) ORDER BY id), '') FROM items"
					: db->engine == PYTHIA_SQLITE
						? "SELECT coalesce(group_concat(id || coalesce(name, '-')), '') FROM (SELECT * FROM items"
						  " ORDER BY id)"
						: "SELECT coalesce(string_agg(id || coalesce(name, '-'), ',' ORDER BY id), '') FROM items");
}

#define SOURCE_ROWS                                                                                                    \
	"(1, 's1', 'a', '2024-01-01 00:00:00'), (2, 's2', 'b', '2024-01-03 00:00:00'), (3, 's3', 'c', '2024-01-02 "        \
	"00:00:00'), (4, 's4', 'd', NULL),"                                                                                \
	"(5, 's5', 'e', '2024-01-01 00:00:00'), (6, 'same', 'f', '2024-01-01 00:00:00'), (7, 's7', 'g', '2024-01-01 "      \
	"00:00:00')"
/* 1: newer there, 2: older there, 3: a tie, 4: no stamp here, 5: no stamp there, 6: equal, 7: missing there */
#define TARGET_ROWS                                                                                                    \
	"(1, 't1', 'a', '2024-01-02 00:00:00'), (2, 't2', 'b', '2024-01-01 00:00:00'), (3, 't3', 'c', '2024-01-02 "        \
	"00:00:00'),"                                                                                                      \
	"(4, 't4', 'd', '2024-01-01 00:00:00'), (5, 't5', 'e', NULL), (6, 'same', 'f', '2024-01-01 00:00:00'), (8, 't8', " \
	"'h', '2024-01-01 00:00:00')"

static void one_rule(pythia_db *source, pythia_db *target, int engine, const char *rule, const char *expected,
					 int64_t updated, int64_t skipped)
{
	pythia_sync_result result;
	char json[200];

	make_items(target, engine);
	fill(target, TARGET_ROWS);
	snprintf(json, sizeof(json), "{\"mode\": \"full\", \"conflict_resolution\": \"%s\", \"dry_run\": true}", rule);
	must_sync(source, target, "items", json, NULL, &result);
	assert_counts(&result, 1, updated, 0, skipped);
	assert_string_equal(names(target), "1t1,2t2,3t3,4t4,5t5,6same,8t8");
	pythia_sync_result_free(&result);
	snprintf(json, sizeof(json), "{\"mode\": \"full\", \"conflict_resolution\": \"%s\"}", rule);
	must_sync(source, target, "items", json, NULL, &result);
	assert_counts(&result, 1, updated, 0, skipped);
	assert_int_equal(result.rows_synced, 7 - skipped);
	assert_string_equal(names(target), expected);
	pythia_sync_result_free(&result);
}

/* Many tables take no more room than they have references. */
static void test_many_tables_wait(void **state)
{
	enum
	{
		MANY = 70000
	};
	static char *list[MANY];
	pythia_references waits;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_db *db = open_engine(LITE, 0);

	(void) state;
	must(db,
		 "CREATE TABLE t5 (id INTEGER PRIMARY KEY); CREATE TABLE t69999 (id INTEGER PRIMARY KEY REFERENCES t5 (id))");
	for (int i = 0; i < MANY; i++)
	{
		char name[20];

		snprintf(name, sizeof(name), "t%d", i);
		list[i] = pythia_strdup(name);
	}
	assert_true(pythia_tables_waits(db, db, NULL, list, MANY, &waits, &error));
	assert_int_equal(waits.first[MANY - 1], 0);
	assert_true(waits.first[MANY] >= 1);
	assert_int_equal(waits.to[0], 5);
	pythia_references_free(&waits);
	/* the other way round it comes after what refers to it, and is moved */
	pythia_free(list[0]);
	list[0] = list[MANY - 1];
	list[MANY - 1] = pythia_strdup("t70000");
	assert_true(pythia_tables_order(db, db, NULL, list, MANY, &error));
	assert_string_equal(list[0], "t1");
	assert_string_equal(list[4], "t5");
	assert_string_equal(list[5], "t69999");
	for (int i = 0; i < MANY; i++)
		pythia_free(list[i]);
	must(db, "DROP TABLE t69999; DROP TABLE t5");
	pythia_db_close(db);
}

static void test_conflicts(void **state)
{
	pythia_db *source = open_engine(PG, 0);

	(void) state;
	make_items(source, PG);
	fill(source, SOURCE_ROWS);
	for (int engine = 0; engine < ENGINES; engine++)
	{
		pythia_db *target = open_engine(engine, 1);
		pythia_error error = PYTHIA_ERROR_INIT;
		pythia_sync_result result;

		one_rule(source, target, engine, "source_wins", "1s1,2s2,3s3,4s4,5s5,6same,7s7,8t8", 5, 0);
		one_rule(source, target, engine, "target_wins", "1t1,2t2,3t3,4t4,5t5,6same,7s7,8t8", 0, 5);
		one_rule(source, target, engine, "skip", "1t1,2t2,3t3,4t4,5t5,6same,7s7,8t8", 0, 5);
		one_rule(source, target, engine, "newest_wins", "1t1,2s2,3s3,4t4,5s5,6same,7s7,8t8", 3, 2);
		one_rule(source, target, engine, "oldest_wins", "1s1,2t2,3s3,4t4,5s5,6same,7s7,8t8", 3, 2);
		make_items(target, engine);
		fill(target, TARGET_ROWS);
		assert_false(try_sync(source, target, "items", "{\"mode\": \"full\", \"conflict_resolution\": \"error\"}", NULL,
							  &result, &error));
		assert_string_equal(error.sqlstate, "23505");
		assert_non_null(strstr(error.message, "5 rows"));
		assert_string_equal(names(target), "1t1,2t2,3t3,4t4,5t5,6same,8t8");
		pythia_error_reset(&error);
		pythia_db_close(target);
	}
	pythia_db_close(source);
}

/* A second unique key that belongs to another row: said, and that row untouched. */
static void test_strangers(void **state)
{
	pythia_db *source = open_engine(PG, 0);

	(void) state;
	make_items(source, PG);
	fill(source, "(1, 'one', 'x', '2024-01-01'), (2, 'two', 'y', '2024-01-01')");
	for (int engine = 0; engine < ENGINES; engine++)
	{
		pythia_db *target = open_engine(engine, 1);
		pythia_error error = PYTHIA_ERROR_INIT;
		pythia_sync_result result;

		make_items(target, engine);
		fill(target, "(9, 'stranger', 'x', '2024-01-01')");
		assert_false(try_sync(source, target, "items", "{\"mode\": \"full\"}", NULL, &result, &error));
		assert_true(strcmp(error.sqlstate, "23505") == 0 || strncmp(error.sqlstate, "23", 2) == 0);
		assert_non_null(error.hint);
		assert_string_equal(names(target), "9stranger");
		pythia_error_reset(&error);
		must_sync(source, target, "items", "{\"mode\": \"full\", \"on_bad_row\": \"quarantine\"}", NULL, &result);
		assert_int_equal(result.rows_quarantined, 1);
		assert_counts(&result, 1, 0, 0, 0);
		assert_string_equal(names(target), "2two,9stranger");
		pythia_sync_result_free(&result);
		pythia_db_close(target);
	}
	pythia_db_close(source);
}

static void test_deletes(void **state)
{
	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		pythia_db *source = open_engine(from, 0);

		for (int engine = 0; engine < ENGINES; engine++)
		{
			pythia_db *target = open_engine(engine, 1);
			pythia_sync_result result;
			char sql[100];

			make_items(source, from);
			fill(source, "(1, 'a', 'a', '2024-01-01'), (2, 'b', 'b', '2024-01-01'), (3, 'c', 'c', '2024-01-01')");
			make_items(target, engine);
			must_sync(source, target, "items", "{\"deletes\": \"hard\"}", NULL, &result);
			assert_counts(&result, 3, 0, 0, 0);
			pythia_sync_result_free(&result);
			must(source, "DELETE FROM items WHERE id = 2");
			must_sync(source, target, "items", "{\"deletes\": \"ignore\"}", NULL, &result);
			assert_counts(&result, 0, 0, 0, 0);
			pythia_sync_result_free(&result);
			must_sync(source, target, "items", "{\"deletes\": \"hard\", \"dry_run\": true}", "2025-01-01", &result);
			assert_counts(&result, 0, 0, 1, 0);
			pythia_sync_result_free(&result);
			assert_string_equal(names(target), "1a,2b,3c");
			/* nothing is new after that mark, but what is gone is found by its key */
			must_sync(source, target, "items", "{\"deletes\": \"hard\"}", "2025-01-01", &result);
			assert_counts(&result, 0, 0, 1, 0);
			pythia_sync_result_free(&result);
			assert_string_equal(names(target), "1a,3c");
			snprintf(sql, sizeof(sql), "ALTER TABLE items ADD COLUMN deleted_at %s", stamp_types[engine]);
			must(target, sql);
			must(source, "DELETE FROM items WHERE id = 3");
			must_sync(source, target, "items", "{\"deletes\": \"soft\"}", NULL, &result);
			assert_counts(&result, 0, 0, 1, 0);
			pythia_sync_result_free(&result);
			assert_string_equal(value_of(target, "SELECT count(*) FROM items WHERE deleted_at IS NOT NULL AND id = 3"),
								"1");
			fill(source, "(3, 'c', 'c', '2024-01-01')");
			must_sync(source, target, "items", "{\"deletes\": \"soft\"}", NULL, &result);
			assert_counts(&result, 0, 1, 0, 0);
			pythia_sync_result_free(&result);
			assert_string_equal(value_of(target, "SELECT count(*) FROM items WHERE deleted_at IS NULL"), "2");
			pythia_db_close(target);
		}
		pythia_db_close(source);
	}
}

static void test_truncate(void **state)
{
	pythia_db *source = open_engine(PG, 0);

	(void) state;
	make_items(source, PG);
	fill(source, "(1, 'one', 'x', '2024-01-01'), (2, 'two', 'y', '2024-01-01')");
	for (int engine = 0; engine < ENGINES; engine++)
	{
		pythia_db *target = open_engine(engine, 1);
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;

		make_items(target, engine);
		fill(target, "(1, 'old', 'o', '2024-01-01'), (9, 'stranger', 'x', '2024-01-01')");
		must_sync(source, target, "items", "{\"mode\": \"full\", \"truncate_target\": true}", NULL, &result);
		assert_counts(&result, 2, 0, 2, 0);
		assert_string_equal(names(target), "1one,2two");
		pythia_sync_result_free(&result);
		/* what fails leaves the old rows */
		must(target, "DELETE FROM items");
		fill(target, "(5, 'old', 'o', '2024-01-01')");
		must(source, "ALTER TABLE items ALTER name TYPE text");
		if (engine != LITE)
		{
			must(source, "UPDATE items SET name = repeat('x', 50) WHERE id = 2");
			assert_false(try_sync(source, target, "items", "{\"mode\": \"full\", \"truncate_target\": true}", NULL,
								  &result, &error));
			assert_int_equal(error.error_class == PYTHIA_E_DATA || error.error_class == PYTHIA_E_DATABASE, 1);
			assert_string_equal(names(target), "5old");
			must(source, "UPDATE items SET name = 'two' WHERE id = 2");
		}
		pythia_error_reset(&error);
		pythia_db_close(target);
	}
	pythia_db_close(source);
}

static void test_mapping(void **state)
{
	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		for (int to = 0; to < ENGINES; to++)
		{
			pythia_db *source = open_engine(from, 0);
			pythia_db *target = open_engine(to, 1);
			bool quoted = to == PG;
			pythia_sync_result result;

			drop(source, "invoice_line");
			drop(target, quoted ? "\"InvoiceLine\"" : "InvoiceLine");
			drop(target, "line_items");
			must(source, "CREATE TABLE invoice_line (invoice_line_id integer PRIMARY KEY, unit_price numeric(10,2),"
						 " secret varchar(10), quantity integer)");
			must(source, "INSERT INTO invoice_line VALUES (1, 0.99, 's', 1), (2, 1.99, 's', 2), (3, 2.99, 's', 3)");
			must(target, quoted ? "CREATE TABLE \"InvoiceLine\" (\"InvoiceLineId\" integer PRIMARY KEY,"
								  " \"UnitPrice\" numeric(10,2), \"Quantity\" integer)"
								: "CREATE TABLE InvoiceLine (InvoiceLineId integer PRIMARY KEY,"
								  " UnitPrice numeric(10,2), Quantity integer)");
			must_sync(source, target, "invoice_line",
					  "{\"mode\": \"full\", \"exclude_columns\": [\"secret\"], \"where\": \"quantity < 3\"}", NULL,
					  &result);
			assert_counts(&result, 2, 0, 0, 0);
			pythia_sync_result_free(&result);
			assert_string_equal(value_of(target, quoted ? "SELECT \"UnitPrice\" FROM \"InvoiceLine\""
														  " WHERE \"InvoiceLineId\" = 2"
														: "SELECT UnitPrice FROM InvoiceLine WHERE InvoiceLineId = 2"),
								"1.99");
			must_sync(
				source, target, "invoice_line",
				"{\"mode\": \"full\", \"table_map\": {\"invoice_line\": \"line_items\"},"
				" \"columns\": [\"quantity\"], \"column_map\": {\"invoice_line_id\": \"id\", \"quantity\": \"n\"}}",
				NULL, &result);
			assert_counts(&result, 3, 0, 0, 0);
			pythia_sync_result_free(&result);
			assert_string_equal(value_of(target, "SELECT n FROM line_items WHERE id = 3"), "3");
			drop(target, quoted ? "\"InvoiceLine\"" : "InvoiceLine");
			close_both(source, target);
		}
	}
}

static void test_growth(void **state)
{
	pythia_db *source = open_engine(PG, 0);

	(void) state;
	for (int engine = 0; engine < ENGINES; engine++)
	{
		pythia_db *target = open_engine(engine, 1);
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;

		make_items(source, PG);
		fill(source, "(1, 'one', 'x', '2024-01-01')");
		drop(target, "items");
		must_sync(source, target, "items", "{\"mode\": \"full\"}", NULL, &result);
		pythia_sync_result_free(&result);
		must(source, "ALTER TABLE items ADD COLUMN price numeric(8,2)");
		must(source, "UPDATE items SET price = 9.5");
		assert_false(try_sync(source, target, "items", "{\"mode\": \"full\", \"new_columns\": \"error\"}", NULL,
							  &result, &error));
		assert_non_null(strstr(error.message, "price"));
		pythia_error_reset(&error);
		must_sync(source, target, "items", "{\"mode\": \"full\", \"new_columns\": \"ignore\"}", NULL, &result);
		assert_counts(&result, 0, 0, 0, 0);
		pythia_sync_result_free(&result);
		must_sync(source, target, "items", "{\"mode\": \"full\"}", NULL, &result);
		assert_counts(&result, 0, 1, 0, 0);
		pythia_sync_result_free(&result);
		assert_string_equal(value_of(target, "SELECT count(*) FROM items WHERE price = 9.5"), "1");
		pythia_db_close(target);
	}
	pythia_db_close(source);
}

/* Odd names, and a table of two hundred columns. */
static void test_names_and_width(void **state)
{
	static const char *const odd = "we\"ird `na'me";

	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		for (int to = 0; to < ENGINES; to++)
		{
			pythia_db *source = open_engine(from, 0);
			pythia_db *target = open_engine(to, 1);
			const pythia_dialect *dialect = pythia_dialect_of(source);
			pythia_buffer sql = PYTHIA_BUFFER_INIT;
			pythia_buffer table = PYTHIA_BUFFER_INIT;
			pythia_sync_result result;

			dialect->identifier(&table, odd);
			drop(source, table.data);
			pythia_buffer_puts(&sql, "CREATE TABLE ");
			pythia_buffer_puts(&sql, table.data);
			pythia_buffer_puts(&sql, " (");
			dialect->identifier(&sql, "Select");
			pythia_buffer_puts(&sql, " integer PRIMARY KEY, ");
			dialect->identifier(&sql, "a \"b` c");
			pythia_buffer_puts(&sql, " varchar(20)");
			for (int i = 0; i < 200; i++)
				pythia_buffer_printf(&sql, ", c%d %s", i, i % 4 == 3 ? "varchar(30)" : "integer");
			pythia_buffer_puts(&sql, ")");
			must(source, sql.data);
			pythia_buffer_clear(&sql);
			pythia_buffer_printf(&sql, "INSERT INTO %s (", table.data);
			dialect->identifier(&sql, "Select");
			pythia_buffer_puts(&sql, ", ");
			dialect->identifier(&sql, "a \"b` c");
			pythia_buffer_puts(&sql, ", c199) VALUES (1, 'x', 'last')");
			must(source, sql.data);
			pythia_buffer_clear(&table);
			pythia_dialect_of(target)->identifier(&table, odd);
			drop(target, table.data);
			for (int round = 0; round < 2; round++)
			{
				must_sync(source, target, "\"we\"\"ird `na'me\"", "{\"mode\": \"full\", \"deletes\": \"hard\"}", NULL,
						  &result);
				assert_counts(&result, round == 0, 0, 0, 0);
				pythia_sync_result_free(&result);
			}
			pythia_buffer_clear(&sql);
			pythia_buffer_printf(&sql, "SELECT c199 FROM %s", table.data);
			assert_string_equal(value_of(target, sql.data), "last");
			pythia_buffer_free(&sql);
			pythia_buffer_free(&table);
			close_both(source, target);
		}
	}
}

/* A table that refers to itself, children before parents; and the order of tables. */
static void test_foreign_keys(void **state)
{
	pythia_db *source = open_engine(PG, 0);

	(void) state;
	drop(source, "staff");
	must(source, "CREATE TABLE staff (id integer PRIMARY KEY, boss integer)");
	must(source, "INSERT INTO staff VALUES (1, 3), (2, 1), (3, NULL)");
	for (int engine = 0; engine < ENGINES; engine++)
	{
		pythia_db *target = open_engine(engine, 1);
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;
		char **names;
		int count;
		int child = -1;
		int parent = -1;

		drop(target, "a_child");
		drop(target, "z_parent");
		drop(target, "staff");
		must(target,
			 "CREATE TABLE staff (id integer PRIMARY KEY, boss integer, FOREIGN KEY (boss) REFERENCES staff (id))");
		must(target, "CREATE TABLE z_parent (id integer PRIMARY KEY)");
		must(target,
			 "CREATE TABLE a_child (id integer PRIMARY KEY, p integer, FOREIGN KEY (p) REFERENCES z_parent (id))");
		if (engine == LITE)
			must(target, "PRAGMA foreign_keys = ON");
		must_sync(source, target, "staff", "{\"mode\": \"full\"}", NULL, &result);
		assert_counts(&result, 3, 0, 0, 0);
		pythia_sync_result_free(&result);
		/* a row that is there comes to refer to one that is new */
		must(source, "INSERT INTO staff VALUES (7, 2)");
		must(source, "UPDATE staff SET boss = 7 WHERE id = 1");
		must_sync(source, target, "staff", "{\"mode\": \"full\"}", NULL, &result);
		assert_counts(&result, 1, 1, 0, 0);
		pythia_sync_result_free(&result);
		/* and one that is gone is no longer referred to */
		must(source, "UPDATE staff SET boss = 3 WHERE id = 1");
		must(source, "DELETE FROM staff WHERE id = 7");
		must_sync(source, target, "staff", "{\"mode\": \"full\", \"deletes\": \"hard\"}", NULL, &result);
		assert_counts(&result, 0, 1, 1, 0);
		pythia_sync_result_free(&result);
		must(source, "INSERT INTO staff VALUES (4, 99)");
		assert_false(try_sync(source, target, "staff", "{\"mode\": \"full\"}", NULL, &result, &error));
		assert_true(strncmp(error.sqlstate, "23", 2) == 0);
		assert_string_equal(value_of(target, "SELECT count(*) FROM staff"), "3");
		pythia_error_reset(&error);
		must(source, "DELETE FROM staff WHERE id = 4");
		assert_true(pythia_list_tables(target, NULL, &names, &count, &error));
		for (int i = 0; i < count; i++)
		{
			child = strstr(names[i], "a_child") != NULL ? i : child;
			parent = strstr(names[i], "z_parent") != NULL ? i : parent;
			pythia_free(names[i]);
		}
		pythia_free(names);
		assert_true(parent >= 0 && parent < child);
		pythia_db_close(target);
	}
	pythia_db_close(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_tables_wait), cmocka_unit_test(test_many_tables_wait),
		cmocka_unit_test(test_conflicts),        cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_deletes),          cmocka_unit_test(test_truncate),
		cmocka_unit_test(test_mapping),          cmocka_unit_test(test_growth),
		cmocka_unit_test(test_foreign_keys),     cmocka_unit_test(test_names_and_width),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
