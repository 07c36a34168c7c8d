/* Source and store are one SQLite database, in its owner's transaction: what the loadable extension does. */
#include "capture_tests.h"

#include <sqlite3.h>

static sqlite3 *handle;

static void open_rig(rig *r, const char *name)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	char path[400];

	memset(r, 0, sizeof(*r));
	snprintf(path, sizeof(path), "%s/%s", group_folder(), name);
	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	assert_true(pythia_sqlite_wrap(handle, NULL, &r->store, &error));
	assert_true(pythia_sqlite_wrap(handle, NULL, &r->source, &error));
	assert_true(pythia_sqlite_wrap(handle, NULL, &r->writer, &error));
	must(r->writer, "CREATE TABLE t (id INTEGER PRIMARY KEY, v, updated_at TEXT)");
}

static void close_local(rig *r)
{
	close_rig(r);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void test_poll(void **state)
{
	rig r;

	open_rig(&r, "poll.db");
	must(r.writer, "INSERT INTO t VALUES (1, 'a', datetime('now'))");
	create(&r, "t", "updated_at", "{\"delete_interval\": 0, \"track\": \"rows\", \"columns\": [\"v\"]}");
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "INSERT INTO t VALUES (2, 'b', datetime('now')); UPDATE t SET v = 'c', updated_at = datetime('now')"
				   " WHERE id = 1");
	assert_string_equal(poll_journal(&r), "UPDATE {\"id\": 1} {\"v\": \"a\"} {\"v\": \"c\"}\n"
										  "INSERT {\"id\": 2} - {\"v\": \"b\"}\n");
	/* the caller's transaction: captured within it, undone with it, captured again */
	must(r.writer, "BEGIN; DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (3, 'd', datetime('now'))");
	assert_string_equal(poll_journal(&r), "INSERT {\"id\": 3} - {\"v\": \"d\"}\nDELETE {\"id\": 1} {\"v\": \"c\"} -\n");
	must(r.writer, "ROLLBACK");
	pythia_capture_close(r.capture);
	{
		pythia_error error = PYTHIA_ERROR_INIT;

		assert_true(pythia_capture_open(r.store, r.source, "w", r.options, &r.capture, &error));
	}
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "DELETE FROM t WHERE id = 1");
	assert_string_equal(poll_journal(&r), "DELETE {\"id\": 1} {\"v\": \"c\"} -\n");
	close_local(&r);
}

static void test_many(void **state)
{
	rig r;

	open_rig(&r, "many.db");
	create(&r, "t", "updated_at", "{\"start_from\": \"beginning\"}");
	must(r.writer, "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 30000)"
				   " INSERT INTO t SELECT n, 'many', datetime('now') FROM g");
	poll_journal(&r);
	assert_int_equal(r.captured, 30000);
	assert_count(r.store, "SELECT count(DISTINCT primary_key) FROM pythia_journal_1", 30000);
	assert_string_equal(poll_journal(&r), "");
	close_local(&r);
}

static void test_triggers(void **state)
{
	rig r;
	pythia_error error = PYTHIA_ERROR_INIT;

	open_rig(&r, "trigger.db");
	create(&r, "t", NULL, "{\"capture\": \"trigger\", \"columns\": [\"v\"]}");
	must(r.writer, "INSERT INTO t VALUES (1, 'a', NULL); UPDATE t SET v = 'b'; DELETE FROM t");
	assert_string_equal(poll_journal(&r),
						"INSERT {\"id\": 1} - {\"v\": \"a\"}\nUPDATE {\"id\": 1} {\"v\": \"a\"} {\"v\": \"b\"}\n"
						"DELETE {\"id\": 1} {\"v\": \"b\"} -\n");
	must(r.writer, "BEGIN; INSERT INTO t VALUES (2, 'x', NULL)");
	assert_string_equal(poll_journal(&r), "INSERT {\"id\": 2} - {\"v\": \"x\"}\n");
	must(r.writer, "ROLLBACK");
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "BEGIN");
	assert_true(pythia_capture_drop(r.store, r.source, "w", &error));
	must(r.writer, "COMMIT");
	assert_count(r.store, "SELECT count(*) FROM sqlite_master WHERE name GLOB 'pythia_log*'", 0);
	close_local(&r);
}

/* A failed creation in the caller's transaction leaves the rest of it alone. */
static void test_failed_creation(void **state)
{
	rig r;
	pythia_error error = PYTHIA_ERROR_INIT;

	open_rig(&r, "failed.db");
	must(r.writer, "CREATE TABLE nokey (a)");
	must(r.writer, "BEGIN; INSERT INTO t VALUES (1, 'a', NULL)");
	assert_false(try_create(&r, "t,nokey", "updated_at", "{\"capture\": \"trigger\"}", &error));
	pythia_error_reset(&error);
	must(r.writer, "COMMIT");
	assert_count(r.store, "SELECT count(*) FROM t", 1);
	assert_count(r.store, "SELECT count(*) FROM sqlite_master WHERE name GLOB 'pythia_log*'", 0);
	assert_count(r.store, "SELECT count(*) FROM pythia_cdc_worker", 0);
	close_local(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poll),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_triggers),
		cmocka_unit_test(test_failed_creation),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
