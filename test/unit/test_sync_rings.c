/* Tables that refer to one another: no order of them is right, and each is a transaction of its own. */
#include "sync_tests.h"

static const char *const more[ENGINES] = {
	[PG] = " DEFERRABLE INITIALLY DEFERRED", [LITE] = " DEFERRABLE INITIALLY DEFERRED", [MY] = ""};

static void make_ring(pythia_db *db, int engine, bool keys)
{
	char sql[300];

	if (engine == MY)
		must(db, "SET foreign_key_checks = 0");
	must(db, engine == PG ? "DROP TABLE IF EXISTS ring_a, ring_b CASCADE" : "DROP TABLE IF EXISTS ring_a");
	if (engine != PG)
		must(db, "DROP TABLE IF EXISTS ring_b");
	for (int i = 0; i < 2; i++)
	{
		snprintf(sql, sizeof(sql), "CREATE TABLE ring_%c (id integer PRIMARY KEY, other integer%s%s)", "ab"[i],
				 keys && engine == LITE ? ", FOREIGN KEY (other) REFERENCES ring_" : "",
				 !keys || engine != LITE ? ""
				 : i == 0                ? "b (id) DEFERRABLE INITIALLY DEFERRED"
										 : "a (id) DEFERRABLE INITIALLY DEFERRED");
		must(db, sql);
	}
	for (int i = 0; keys && engine != LITE && i < 2; i++)
	{
		snprintf(sql, sizeof(sql), "ALTER TABLE ring_%c ADD FOREIGN KEY (other) REFERENCES ring_%c (id)%s", "ab"[i],
				 "ba"[i], more[engine]);
		must(db, sql);
	}
	if (engine == MY)
		must(db, "SET foreign_key_checks = 1");
}

static const char *ring_of(pythia_db *db)
{
	return value_of(
		db, "SELECT count(*) FROM ring_a JOIN ring_b ON ring_a.other = ring_b.id AND ring_b.other <> ring_a.id");
}

static void test_rings(void **state)
{
	static const char full[] = "{\"mode\": \"full\"}";
	static const int targets[] = {PG, MY, LITE};

	(void) state;
	for (int i = 0; i < 3; i++)
	{
		int to = targets[i];
		pythia_db *source = open_engine(LITE, 0);
		pythia_db *target = open_engine(to, 1);
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;

		print_message("%s\n", engine_names[to]);
		make_ring(source, LITE, false);
		must(source, "INSERT INTO ring_a VALUES (1, 1), (2, 2)");
		must(source, "INSERT INTO ring_b VALUES (1, 2), (2, 1)");
		make_ring(target, to, true);
		if (to == LITE)
			must(target, "PRAGMA foreign_keys = on");
		for (int table = 0; table < 2; table++)
		{
			assert_false(try_sync(source, target, table == 0 ? "ring_a" : "ring_b", full, NULL, &result, &error));
			if (to != LITE)
				assert_string_equal(error.sqlstate, "23503");
			assert_int_equal(error.sqlstate[0] * 10 + error.sqlstate[1], '2' * 10 + '3');
			assert_non_null(error.hint);
			assert_string_equal(
				value_of(target, table == 0 ? "SELECT count(*) FROM ring_a" : "SELECT count(*) FROM ring_b"), "0");
			pythia_error_reset(&error);
		}
		/* what the hint says */
		must_sync(source, target, "ring_a", "{\"mode\": \"full\", \"exclude_columns\": \"other\"}", NULL, &result);
		assert_counts(&result, 2, 0, 0, 0);
		pythia_sync_result_free(&result);
		must_sync(source, target, "ring_b", full, NULL, &result);
		assert_counts(&result, 2, 0, 0, 0);
		pythia_sync_result_free(&result);
		must_sync(source, target, "ring_a", full, NULL, &result);
		assert_counts(&result, 0, 2, 0, 0);
		pythia_sync_result_free(&result);
		assert_string_equal(ring_of(target), "2");
		/* from then on rows that come together and refer to ones that are there */
		must(source, "INSERT INTO ring_a VALUES (3, 1)");
		must_sync(source, target, "ring_a", "{\"mode\": \"full\", \"deletes\": \"hard\"}", NULL, &result);
		assert_counts(&result, 1, 0, 0, 0);
		pythia_sync_result_free(&result);
		if (to == LITE)
			must(target, "PRAGMA foreign_keys = off");
		make_ring(target, to, false);
		pythia_db_close(source);
		pythia_db_close(target);
	}
}

static bool take_checkpoint(void *context, const char *checkpoint, pythia_error *error)
{
	(void) context, (void) checkpoint, (void) error;
	return true;
}

/* A table that refers to itself: rows of the first chunk to rows of the last, and the other way round. */
static void test_far_parents(void **state)
{
	static const int targets[] = {PG, MY};

	(void) state;
	for (int i = 0; i < 6; i++)
	{
		int to = targets[i % 2];
		pythia_db *source = open_engine(LITE, 0);
		pythia_db *target = open_engine(to, 1);
		pythia_sync_callbacks callbacks = {.checkpoint = i / 2 == 2 ? take_checkpoint : NULL};
		pythia_sync_job job = {.source = source, .target = target, .callbacks = &callbacks};
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;

		print_message("%s, %s\n", engine_names[to], i / 2 == 0 ? "empty" : i / 2 == 1 ? "with rows" : "checkpoints");
		drop(source, "far");
		must(source, "CREATE TABLE far (id integer PRIMARY KEY, parent integer, v text)");
		must(source,
			 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 24) INSERT INTO far SELECT"
			 " i, 25 - i, hex(zeroblob(1500000)) FROM n");
		drop(target, "far");
		must(target, to == PG ? "CREATE TABLE far (id integer PRIMARY KEY, parent integer REFERENCES far (id), v text)"
							  : "CREATE TABLE far (id integer PRIMARY KEY, parent integer, v longtext, FOREIGN KEY"
								" (parent) REFERENCES far (id))");
		if (i / 2 > 0)
			must(target, "INSERT INTO far VALUES (12, 12, 'old'), (100, 12, 'own')");
		if (!try_sync_with(&job, "far", "{\"mode\": \"full\", \"deletes\": \"hard\"}", &result, &error))
			fail_msg("%s: %s", error.sqlstate, error.message);
		assert_counts(&result, i / 2 > 0 ? 23 : 24, i / 2 > 0, i / 2 > 0, 0);
		assert_string_equal(
			value_of(target, "SELECT count(*) FROM far c JOIN far p ON p.id = c.parent AND p.parent = c.id"), "24");
		pythia_sync_result_free(&result);
		drop(source, "far");
		drop(target, "far");
		pythia_db_close(source);
		pythia_db_close(target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rings), cmocka_unit_test(test_far_parents)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
