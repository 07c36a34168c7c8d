/* Capture from a SQLite file into a SQLite store. */
#include "capture_tests.h"

static int files;

static void open_rig(rig *r)
{
	char name[40];

	memset(r, 0, sizeof(*r));
	snprintf(name, sizeof(name), "source%d.db", ++files);
	r->source = open_file(name);
	r->writer = open_file(name);
	snprintf(name, sizeof(name), "store%d.db", files);
	r->store = open_file(name);
	must(r->writer, "CREATE TABLE t (id INTEGER PRIMARY KEY, v, updated_at TEXT DEFAULT CURRENT_TIMESTAMP);"
					"CREATE INDEX t_u ON t (updated_at)");
	r->table = "t";
	r->schema = "main";
	r->other = "t";
}

static void test_kinds_of_change(void **state)
{
	rig r;

	open_rig(&r);
	must(r.writer, "INSERT INTO t VALUES (1, 'old', '2020-01-01 00:00:00')");
	create(&r, "t", "updated_at", "{\"track\": \"keys\", \"delete_interval\": 0}");
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "INSERT INTO t VALUES (2, 'a', datetime('now')), (3, 1.5, datetime('now')), (4, x'00ff', "
				   "'9999-01-01 00:00:00')");
	must(r.writer, "UPDATE t SET v = NULL, updated_at = datetime('now') WHERE id = 1");
	poll_journal(&r);
	assert_int_equal(r.captured, 4);
	assert_non_null(strstr(r.log, "UPDATE {\"id\": 1} - {\"id\": 1, \"v\": null, \"updated_at\": \""));
	assert_non_null(strstr(r.log, "INSERT {\"id\": 2} - {\"id\": 2, \"v\": \"a\", "));
	assert_non_null(strstr(r.log, "INSERT {\"id\": 3} - {\"id\": 3, \"v\": 1.5, "));
	assert_non_null(strstr(r.log, "INSERT {\"id\": 4} - {\"id\": 4, \"v\": \"\\\\x00ff\", "));
	assert_string_equal(poll_journal(&r), "");
	/* within the same second */
	must(r.writer, "UPDATE t SET v = 'b', updated_at = datetime('now') WHERE id = 2");
	must(r.writer, "DELETE FROM t WHERE id = 3");
	poll_journal(&r);
	assert_int_equal(r.captured, 2);
	assert_non_null(strstr(r.log, "UPDATE {\"id\": 2} - "));
	assert_non_null(strstr(r.log, "DELETE {\"id\": 3} - -\n"));
	must(r.writer, "DELETE FROM t");
	assert_string_equal(poll_journal(&r), "TRUNCATE - - -\n");
	assert_string_equal(poll_journal(&r), "");
	close_rig(&r);
}

static void test_track_rows(void **state)
{
	rig r;

	open_rig(&r);
	must(r.writer, "INSERT INTO t VALUES (1, 'old', '2020-01-01 00:00:00'), (2, 'x', '2020-01-01 00:00:00')");
	create(&r, "t", "updated_at",
		   "{\"track\": \"rows\", \"delete_interval\": 0, \"exclude_columns\": [\"updated_at\"]}");
	/* touched, but nothing in the image changed */
	must(r.writer, "UPDATE t SET updated_at = datetime('now') WHERE id = 2");
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "UPDATE t SET v = 'new', updated_at = datetime('now') WHERE id = 1");
	assert_string_equal(poll_journal(&r),
						"UPDATE {\"id\": 1} {\"id\": 1, \"v\": \"old\"} {\"id\": 1, \"v\": \"new\"}\n");
	must(r.writer, "DELETE FROM t WHERE id = 1");
	assert_string_equal(poll_journal(&r), "DELETE {\"id\": 1} {\"id\": 1, \"v\": \"new\"} -\n");
	close_rig(&r);
}

/* A version that comes back within the second is a change too. */
static void test_back_and_forth(void **state)
{
	rig r;

	open_rig(&r);
	create(&r, "t", "updated_at", "{\"track\": \"none\"}");
	must(r.writer, "INSERT INTO t VALUES (1, 'a', '9000-01-01 00:00:00')");
	assert_string_equal(poll_direct(&r),
						"INSERT {\"id\": 1} - {\"id\": 1, \"v\": \"a\", \"updated_at\": \"9000-01-01 00:00:00\"}\n");
	must(r.writer, "UPDATE t SET v = 'b'");
	assert_non_null(strstr(poll_direct(&r), "UPDATE {\"id\": 1} - {\"id\": 1, \"v\": \"b\""));
	must(r.writer, "UPDATE t SET v = 'a'");
	assert_non_null(strstr(poll_direct(&r), "UPDATE {\"id\": 1} - {\"id\": 1, \"v\": \"a\""));
	assert_string_equal(poll_direct(&r), "");
	close_rig(&r);
}

/* What the callback refuses is told again. */
static void test_refused_flush(void **state)
{
	rig r;
	pythia_error error = PYTHIA_ERROR_INIT;

	open_rig(&r);
	must(r.writer, "INSERT INTO t VALUES (1, 'a', '2020-01-01 00:00:00')");
	create(&r, "t", "updated_at", "{\"start_from\": \"beginning\"}");
	r.refuse = true;
	assert_false(pythia_capture_run(r.capture, log_change, count_flush, &r, NULL, &error));
	assert_string_equal(error.message, "refused");
	pythia_error_reset(&error);
	r.refuse = false;
	assert_non_null(strstr(poll_direct(&r), "INSERT {\"id\": 1}"));
	assert_int_equal(r.flushes, 1);
	assert_string_equal(poll_direct(&r), "");
	close_rig(&r);
}

/* A writer stamps, another connection polls, the writer commits much later. */
static void test_late_commit(void **state)
{
	rig r;

	open_rig(&r);
	must(r.writer, "PRAGMA journal_mode = WAL");
	create(&r, "t", "updated_at", "{\"lookback\": 0}");
	must(r.writer, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1, 'late', datetime('now'))");
	assert_string_equal(poll_journal(&r), "");
	/* the clock goes on: a poller that followed it would pass the stamp */
	{
		pythia_result result;
		pythia_error error = PYTHIA_ERROR_INIT;
		bool later = false;

		while (!later)
		{
			assert_true(pythia_db_query(r.writer, "SELECT datetime('now', '-1 second') > updated_at FROM t", "V*",
										&result, &error));
			later = pythia_result_optional(&result, 0, 0)[0] == '1';
			pythia_result_free(&result);
		}
	}
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "COMMIT");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 1} - {\"id\": 1, \"v\": \"late\""));
	close_rig(&r);
}

static void test_integer_stamps(void **state)
{
	rig r;

	open_rig(&r);
	must(r.writer, "CREATE TABLE s (a TEXT, b INTEGER, seq INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID;"
				   "INSERT INTO s VALUES ('x', 1, 7)");
	create(&r, "s", "seq", "{}");
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "INSERT INTO s VALUES ('x', 2, 7), ('y\"', 2, 8)");
	assert_string_equal(poll_journal(&r),
						"INSERT {\"a\": \"x\", \"b\": 2} - {\"a\": \"x\", \"b\": 2, \"seq\": 7}\n"
						"INSERT {\"a\": \"y\\\"\", \"b\": 2} - {\"a\": \"y\\\"\", \"b\": 2, \"seq\": 8}\n");
	must(r.writer, "UPDATE s SET seq = 9 WHERE b = 1");
	assert_string_equal(poll_journal(&r), "UPDATE {\"a\": \"x\", \"b\": 1} - {\"a\": \"x\", \"b\": 1, \"seq\": 9}\n");
	close_rig(&r);
}

/* A row from a clock that is ahead hides none that is stamped behind it. */
static void test_numbers_ahead(void **state)
{
	rig r;

	(void) state;
	open_rig(&r);
	must(r.writer, "CREATE TABLE s (id INTEGER PRIMARY KEY, u INTEGER);"
				   "INSERT INTO s VALUES (1, strftime('%s', 'now') + 3600)");
	create(&r, "s", "u", "{\"lookback\": 0}");
	assert_string_equal(poll_journal(&r), "");
	/* its number was read before any writer who is still at work began */
	must(r.store, "UPDATE pythia_cdc_table SET mark_time = mark_time - 10000000");
	reopen(&r);
	must(r.writer, "INSERT INTO s VALUES (2, strftime('%s', 'now') + 3599)");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 2}"));
	must(r.writer, "INSERT INTO s VALUES (3, strftime('%s', 'now'))");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 3}"));
	assert_string_equal(poll_journal(&r), "");
	close_rig(&r);
}

/* A column that may hold anything, and had nothing at first, gets numbers. */
static void test_numbers_come_later(void **state)
{
	rig r;

	(void) state;
	open_rig(&r);
	must(r.writer, "CREATE TABLE s (id INTEGER PRIMARY KEY, u)");
	create(&r, "s", "u", "{}");
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "INSERT INTO s VALUES (1, 5)");
	reopen(&r);
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 1}"));
	must(r.writer, "INSERT INTO s VALUES (2, 6)");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 2}"));
	assert_string_equal(poll_journal(&r), "");
	close_rig(&r);
}

/* What a clock that was set back gives once more is read; what lies ahead of it by more than a minute was told before. */
static void test_set_back(void **state)
{
	rig r;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_capture_config config;
	pythia_capture_table table;
	pythia_capture_window window;
	pythia_clock clock;
	pythia_capture_position position = {.low = (char *) "2026-11-30 12:00:00", .age = 1000000};

	(void) state;
	open_rig(&r);
	assert_true(pythia_capture_config_read(NULL, "t", &config, &error));
	assert_true(pythia_capture_table_open(r.source, NULL, "t", "updated_at", &config, &table, &error));
	/* 11:50 */
	clock = (pythia_clock){.now = INT64_C(1796039400000000), .boundary = INT64_C(1796039400000000)};
	assert_true(pythia_capture_window_make(&table, &clock, &position, &window, &error));
	assert_string_equal(window.known_after, "2026-11-30 11:51:00");
	assert_string_equal(window.known_before, "2026-11-30 12:00:00");
	/* a second of lookback, and the minute in which nobody may have noticed */
	assert_string_equal(window.from, "2026-11-30 11:48:59");
	assert_string_equal(window.next.low, "2026-11-30 11:49:59");
	pythia_capture_window_free(&window);
	/* it goes on: not set back */
	clock.now = clock.boundary = INT64_C(1796040001000000);
	assert_true(pythia_capture_window_make(&table, &clock, &position, &window, &error));
	assert_null(window.known_after);
	assert_string_equal(window.from, "2026-11-30 12:00:00");
	assert_string_equal(window.next.low, "2026-11-30 12:00:00");
	pythia_capture_window_free(&window);
	pythia_capture_table_close(&table);
	close_rig(&r);
}

/* What a poll reads it finds by ranges of the index: of a large table it does not look at the other rows. */
static void test_reads_by_index(void **state)
{
	static const char *const types[] = {"TEXT", "DATETIME", "", "varchar(30)"};
	rig r;

	(void) state;
	open_rig(&r);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		pythia_error error = PYTHIA_ERROR_INIT;
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		pythia_table table;
		pythia_result plan;

		pythia_buffer_printf(&sql, "CREATE TABLE i%zu (id INTEGER PRIMARY KEY, u %s); CREATE INDEX i%zu_u ON i%zu (u)",
							 i, types[i], i, i);
		must(r.writer, sql.data);
		pythia_buffer_clear(&sql);
		pythia_buffer_printf(&sql, "i%zu", i);
		assert_true(pythia_describe(r.source, sql.data, &table, &error));
		pythia_buffer_clear(&sql);
		pythia_buffer_printf(&sql, "EXPLAIN QUERY PLAN SELECT * FROM i%zu WHERE ", i);
		pythia_sqlite_since(&sql, &table.columns[1], "2026-11-30 10:00:00", false);
		pythia_buffer_puts(&sql, " ORDER BY u, id");
		assert_true(pythia_db_query(r.source, sql.data, "cccv", &plan, &error));
		assert_true(plan.nrows > 4);
		for (int row = 0; row < plan.nrows; row++)
		{
			assert_null(strstr(pythia_result_text(&plan, row, 3), "SCAN"));
			if (strstr(pythia_result_text(&plan, row, 3), "SEARCH"))
				assert_non_null(strstr(pythia_result_text(&plan, row, 3), "(u"));
		}
		pythia_result_free(&plan);
		pythia_table_free(&table);
		pythia_buffer_free(&sql);
	}
	close_rig(&r);
}

static void test_tables_come_and_go(void **state)
{
	rig r;

	open_rig(&r);
	must(r.writer, "CREATE TABLE u (id INTEGER PRIMARY KEY, updated_at TEXT)");
	create(&r, "t,u,main.t", "updated_at", "{}");
	assert_count(r.store, "SELECT count(*) FROM pythia_cdc_table WHERE \"schema\" = 'main' AND \"table\" IN ('t', 'u')",
				 2);
	must(r.writer, "DROP TABLE t; INSERT INTO u VALUES (1, datetime('now'))");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 1}"));
	assert_count(r.store, "SELECT count(*) FROM pythia_cdc_table WHERE name = 't' AND state = 'failed'", 1);
	must(r.writer, "CREATE TABLE t (id INTEGER PRIMARY KEY, w TEXT, updated_at TEXT);"
				   "INSERT INTO t VALUES (5, 'w', datetime('now'))");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 5} - {\"id\": 5, \"w\": \"w\", "));
	must(r.writer, "ALTER TABLE t ADD COLUMN z DEFAULT 1; INSERT INTO t VALUES (6, 'w', datetime('now'), 2)");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 6} - {\"id\": 6, \"w\": \"w\", "));
	assert_non_null(strstr(r.log, "\"z\": 2}"));
	assert_count(r.store, "SELECT count(*) FROM pythia_cdc_table WHERE state = 'running'", 2);
	close_rig(&r);
}

static void test_bad_words(void **state)
{
	static const struct
	{
		const char *tables;
		const char *stamp;
		const char *options;
		const char *message;
	} cases[] = {
		{"nothere", "updated_at", "{}", "table \"nothere\" does not exist"},
		{"t", "changed", "{}", "table \"main.t\" has no timestamp column \"changed\""},
		{"k", "updated_at", "{}", "table \"main.k\" has no primary key"},
		{"k", "updated_at", "{\"key\": [\"idd\"]}", "column \"idd\" of table \"main.k\" does not exist"},
		{"t", "updated_at", "{\"columns\": [\"x\"]}", "column \"x\" of table \"main.t\" does not exist"},
		{"t", "updated_at", "{\"start_from\": \"soon\"}", "invalid value for option \"start_from\": \"soon\""},
		{"t", "updated_at", "{\"tracks\": \"rows\"}", "unknown option \"tracks\""},
		{"t", "updated_at", "{\"where\": \"nope > 1\"}", "no such column: nope"},
	};
	rig r;

	open_rig(&r);
	must(r.writer, "CREATE TABLE k (id INT, updated_at TEXT)");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pythia_error error = PYTHIA_ERROR_INIT;

		if (try_create(&r, cases[i].tables, cases[i].stamp, cases[i].options, &error))
			fail_msg("%s %s: no error", cases[i].tables, cases[i].options);
		assert_string_equal(error.message, cases[i].message);
		pythia_error_reset(&error);
		/* nothing is left behind */
		assert_count(r.store, "SELECT count(*) FROM pythia_cdc_worker", 0);
		assert_count(r.store, "SELECT count(*) FROM sqlite_master WHERE name GLOB 'pythia_journal_*'", 0);
	}
	create(&r, "k", "updated_at", "{\"key\": [\"id\"]}");
	close_rig(&r);
}

static void test_consumers(void **state)
{
	rig r;
	pythia_error error = PYTHIA_ERROR_INIT;

	open_rig(&r);
	create(&r, "t", "updated_at", "{\"start_from\": \"beginning\"}");
	must(r.writer, "INSERT INTO t VALUES (1, 'a', datetime('now'))");
	poll_journal(&r);
	assert_true(pythia_capture_consumer_create(r.store, "w", "second", "now", &error));
	assert_false(pythia_capture_consumer_create(r.store, "w", "second", "now", &error));
	assert_string_equal(error.sqlstate, "42710");
	must(r.writer, "INSERT INTO t VALUES (2, 'b', datetime('now')), (3, 'c', datetime('now'))");
	poll_journal(&r);
	r.log[0] = '\0';
	assert_true(pythia_capture_consume(r.store, "w", "second", 1, log_change, &r, &error));
	assert_non_null(strstr(r.log, "INSERT {\"id\": 2}"));
	assert_null(strstr(r.log, "INSERT {\"id\": 3}"));
	assert_true(pythia_capture_seek(r.store, "w", "second", "beginning", &error));
	r.log[0] = '\0';
	assert_true(pythia_capture_consume(r.store, "w", "second", 9, log_change, &r, &error));
	assert_non_null(strstr(r.log, "INSERT {\"id\": 1}"));
	assert_false(pythia_capture_ack(r.store, "w", "second", 99, &error));
	assert_string_equal(error.message, "there is no change 99 yet");
	assert_false(pythia_capture_seek(r.store, "w", "second", "soon", &error));
	assert_string_equal(error.sqlstate, "22023");
	assert_true(pythia_capture_seek(r.store, "w", "second", "2", &error));
	r.log[0] = '\0';
	assert_true(pythia_capture_consume(r.store, "w", "second", 9, log_change, &r, &error));
	assert_non_null(strstr(r.log, "INSERT {\"id\": 3}"));
	assert_null(strstr(r.log, "INSERT {\"id\": 2}"));
	assert_true(pythia_capture_consumer_drop(r.store, "w", "second", &error));
	assert_false(pythia_capture_consume(r.store, "w", "second", 9, log_change, &r, &error));
	assert_string_equal(error.message, "consumer \"second\" does not exist");
	assert_false(pythia_capture_consume(r.store, "v", "second", 9, log_change, &r, &error));
	assert_string_equal(error.message, "CDC worker \"v\" does not exist");
	pythia_error_reset(&error);
	assert_true(pythia_capture_drop(r.store, r.source, "w", &error));
	assert_count(r.store, "SELECT count(*) FROM pythia_seen", 0);
	assert_count(r.store, "SELECT count(*) FROM sqlite_master WHERE name GLOB 'pythia_journal_*'", 0);
	close_rig(&r);
}

static void test_retention(void **state)
{
	rig r;
	pythia_error error = PYTHIA_ERROR_INIT;

	open_rig(&r);
	create(&r, "t", "updated_at", "{\"start_from\": \"beginning\", \"retention\": 100}");
	must(r.writer, "INSERT INTO t VALUES (1, 'a', datetime('now')), (2, 'b', datetime('now'))");
	poll_journal(&r);
	assert_true(pythia_capture_consumer_create(r.store, "w", "slow", "beginning", &error));
	must(r.store, "UPDATE pythia_journal_1 SET captured_at = datetime('now', '-200 seconds')");
	must(r.writer, "INSERT INTO t VALUES (3, 'c', datetime('now'))");
	poll_journal(&r);
	/* old enough, but not read by all */
	assert_count(r.store, "SELECT count(*) FROM pythia_journal_1", 3);
	assert_true(pythia_capture_ack(r.store, "w", "slow", 1, &error));
	must(r.writer, "UPDATE t SET v = 'd', updated_at = datetime('now') WHERE id = 3");
	poll_journal(&r);
	assert_count(r.store, "SELECT min(change_id) FROM pythia_journal_1", 2);
	/* beyond the cap: the slow one has lost a change, and is told */
	must(r.store, "UPDATE pythia_journal_1 SET captured_at = datetime('now', '-5000 seconds') WHERE change_id = 2");
	must(r.writer, "UPDATE t SET v = 'e', updated_at = datetime('now') WHERE id = 3");
	poll_journal(&r);
	assert_count(r.store, "SELECT min(change_id) FROM pythia_journal_1", 3);
	assert_false(pythia_capture_consume(r.store, "w", "slow", 9, log_change, &r, &error));
	assert_string_equal(error.message, "consumer \"slow\" has lost changes");
	pythia_error_reset(&error);
	assert_true(pythia_capture_seek(r.store, "w", "slow", "beginning", &error));
	assert_true(pythia_capture_consume(r.store, "w", "slow", 9, log_change, &r, &error));
	/* what was before the first change that is left is nothing to lose */
	assert_true(pythia_capture_seek(r.store, "w", "slow", "beginning", &error));
	must(r.store, "UPDATE pythia_journal_1 SET captured_at = datetime('now', '-200 seconds')");
	must(r.writer, "UPDATE t SET v = 'f', updated_at = datetime('now') WHERE id = 3");
	poll_journal(&r);
	assert_count(r.store, "SELECT min(change_id) FROM pythia_journal_1", 3);
	assert_count(r.store, "SELECT count(*) FROM pythia_consumer WHERE lost", 0);
	close_rig(&r);
}

/* A file that nobody writes to any more is looked through all the same when it is time. */
static void test_quiet_delete(void **state)
{
	rig r;
	time_t until = time(NULL) + 60;

	open_rig(&r);
	must(r.writer, "INSERT INTO t VALUES (1, 'old', '2020-01-01 00:00:00')");
	create(&r, "t", "updated_at", "{\"track\": \"keys\", \"delete_interval\": 2}");
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "DELETE FROM t WHERE id = 1");
	while (poll_journal(&r)[0] == '\0' && time(NULL) < until)
		usleep(50000);
	assert_string_equal(r.log, "TRUNCATE - - -\n");
	close_rig(&r);
}

static void test_triggers(void **state)
{
	rig r;
	pythia_error error = PYTHIA_ERROR_INIT;

	open_rig(&r);
	must(r.writer, "CREATE TABLE \"odd \"\"n\" (a TEXT, b REAL UNIQUE, c BLOB, j JSON, PRIMARY KEY (a))");
	create(&r, "\"odd \"\"n\",t", "nosuch", "{\"capture\": \"trigger\"}");
	must(r.writer, "INSERT INTO t VALUES (1, 0.1, NULL); UPDATE t SET v = 'x'; UPDATE t SET v = 'x'; "
				   "UPDATE t SET id = 2; DELETE FROM t");
	assert_string_equal(poll_journal(&r),
						"INSERT {\"id\": 1} - {\"id\": 1, \"v\": 0.1, \"updated_at\": null}\n"
						"UPDATE {\"id\": 1} {\"id\": 1, \"v\": 0.1, \"updated_at\": null} {\"id\": 1, \"v\": \"x\", "
						"\"updated_at\": null}\n"
						"DELETE {\"id\": 1} {\"id\": 1, \"v\": \"x\", \"updated_at\": null} -\n"
						"INSERT {\"id\": 2} - {\"id\": 2, \"v\": \"x\", \"updated_at\": null}\n"
						"DELETE {\"id\": 2} {\"id\": 2, \"v\": \"x\", \"updated_at\": null} -\n");
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "INSERT INTO \"odd \"\"n\" VALUES ('k', 1, x'01', '{\"x\": [1]}'), ('l', 2, NULL, 'no json')");
	poll_journal(&r);
	assert_string_equal(r.log, "INSERT {\"a\": \"k\"} - {\"a\": \"k\", \"b\": 1, \"c\": \"\\\\x01\", \"j\": "
							   "{\"x\": [1]}}\nINSERT {\"a\": \"l\"} - {\"a\": \"l\", \"b\": 2, \"c\": null, \"j\": "
							   "\"no json\"}\n");
	/* ignored, upserted, replaced by key and by another unique column */
	must(r.writer, "INSERT OR IGNORE INTO \"odd \"\"n\" VALUES ('m', 2, NULL, NULL), ('n', 3, NULL, NULL)");
	assert_string_equal(poll_journal(&r),
						"INSERT {\"a\": \"n\"} - {\"a\": \"n\", \"b\": 3, \"c\": null, \"j\": null}\n");
	must(r.writer, "INSERT INTO \"odd \"\"n\" VALUES ('n', 9, NULL, NULL) ON CONFLICT (a) DO UPDATE SET b = 4");
	assert_string_equal(poll_journal(&r), "UPDATE {\"a\": \"n\"} {\"a\": \"n\", \"b\": 3, \"c\": null, \"j\": null} "
										  "{\"a\": \"n\", \"b\": 4, \"c\": null, \"j\": null}\n");
	must(r.writer, "REPLACE INTO \"odd \"\"n\" VALUES ('n', 1, NULL, NULL)");
	assert_string_equal(poll_journal(&r), "DELETE {\"a\": \"k\"} {\"a\": \"k\", \"b\": 1, \"c\": \"\\\\x01\", "
										  "\"j\": {\"x\": [1]}} -\n"
										  "UPDATE {\"a\": \"n\"} {\"a\": \"n\", \"b\": 4, \"c\": null, \"j\": null} "
										  "{\"a\": \"n\", \"b\": 1, \"c\": null, \"j\": null}\n");
	must(r.writer, "BEGIN; DELETE FROM \"odd \"\"n\"; ROLLBACK");
	assert_string_equal(poll_journal(&r), "");
	assert_true(pythia_capture_drop(r.store, r.source, "w", &error));
	assert_count(r.writer, "SELECT count(*) FROM sqlite_master WHERE name GLOB 'pythia_*'", 0);
	must(r.writer, "DELETE FROM \"odd \"\"n\"");
	close_rig(&r);
}

static void test_triggers_from_the_beginning(void **state)
{
	rig r;

	open_rig(&r);
	must(r.writer, "INSERT INTO t VALUES (1, 'a', NULL)");
	create(&r, "t", "updated_at", "{\"capture\": \"trigger\", \"start_from\": \"beginning\", \"columns\": [\"v\"]}");
	must(r.writer, "INSERT INTO t VALUES (2, 'b', NULL); UPDATE t SET v = 'c' WHERE id = 1");
	/* refused: told again */
	{
		pythia_error error = PYTHIA_ERROR_INIT;

		r.refuse = true;
		assert_false(pythia_capture_run(r.capture, log_change, count_flush, &r, NULL, &error));
		pythia_error_reset(&error);
		r.refuse = false;
		pythia_capture_close(r.capture);
		assert_true(pythia_capture_open(r.store, r.source, "w", r.options, &r.capture, &error));
	}
	assert_string_equal(poll_direct(&r), "INSERT {\"id\": 1} - {\"v\": \"c\"}\nINSERT {\"id\": 2} - {\"v\": \"b\"}\n");
	must(r.writer, "UPDATE t SET v = 'd' WHERE id = 2");
	assert_string_equal(poll_direct(&r), "UPDATE {\"id\": 2} {\"v\": \"b\"} {\"v\": \"d\"}\n");
	must(r.writer, "WITH RECURSIVE g(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM g WHERE n < 25009)"
				   " INSERT INTO t SELECT n, 'many', NULL FROM g");
	poll_journal(&r);
	assert_int_equal(r.captured, 25000);
	assert_count(r.store, "SELECT count(DISTINCT primary_key) FROM pythia_journal_1", 25000);
	assert_string_equal(poll_journal(&r), "");
	close_rig(&r);
}

/* ---- what holds for every engine ---- */

static bool have_server(void)
{
	return true;
}

SHARED(baseline)
SHARED(new_columns)
SHARED(where)
SHARED(new_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_baseline),       cmocka_unit_test(test_kinds_of_change),
		cmocka_unit_test(test_track_rows),     cmocka_unit_test(test_back_and_forth),
		cmocka_unit_test(test_refused_flush),  cmocka_unit_test(test_late_commit),
		cmocka_unit_test(test_integer_stamps), cmocka_unit_test(test_reads_by_index),
		cmocka_unit_test(test_numbers_ahead),  cmocka_unit_test(test_numbers_come_later),
		cmocka_unit_test(test_set_back),       cmocka_unit_test(test_tables_come_and_go),
		cmocka_unit_test(test_bad_words),      cmocka_unit_test(test_consumers),
		cmocka_unit_test(test_retention),      cmocka_unit_test(test_quiet_delete),
		cmocka_unit_test(test_triggers),       cmocka_unit_test(test_triggers_from_the_beginning),
		cmocka_unit_test(test_new_columns),    cmocka_unit_test(test_where),
		cmocka_unit_test(test_new_table),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
