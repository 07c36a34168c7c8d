/* Capture from a MySQL or MariaDB server (MYSQL_URL) into a SQLite store. */
#include "capture_tests.h"

static bool have_server(void)
{
	return is_named("MYSQL_URL");
}

static void open_rig(rig *r)
{
	open_server_rig(r, "MYSQL_URL");
	must(r->writer, "DROP TABLE IF EXISTS cap_t");
	must(r->writer, "CREATE TABLE cap_t (id int PRIMARY KEY, v varchar(50), updated_at datetime NOT NULL DEFAULT "
					"CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY (updated_at)) ENGINE=InnoDB");
	r->table = "cap_t";
	r->wait = "DO SLEEP(2.1)";
	must(r->writer, "CREATE DATABASE IF NOT EXISTS cap_all");
	must(r->writer, "DROP TABLE IF EXISTS cap_all.first; CREATE TABLE cap_all.first (id int PRIMARY KEY, v text, "
					"updated_at timestamp "
					"DEFAULT CURRENT_TIMESTAMP)");
	r->schema = "cap_all";
	r->other = "cap_all.first";
}

static void test_values(void **state)
{
	rig r;

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "DROP TABLE IF EXISTS `cap \"odd`` t`");
	must(r.writer,
		 "CREATE TABLE `cap \"odd`` t` (id bigint unsigned, `K` varchar(10), n decimal(20,5), d double, f float, "
		 "b tinyint(1), y varbinary(10), dt date, tm time(3), yr year, bi bit(4), e enum('x','y'), s set('p','q'),"
		 " z int(5) zerofill, updated_at timestamp(6) NULL, PRIMARY KEY (id, `K`))");
	create(&r, "\"cap \"\"odd` t\"", "updated_at", "{\"lookback\": \"36000 days\"}");
	must(r.writer, "INSERT INTO `cap \"odd`` t` VALUES (18446744073709551615, 'k\\t\"', 1.5, 0.1, 0.1, 1, x'00ff',"
				   " '2026-02-03', '-30:00:01.5', 2026, b'0101', 'y', 'p,q', 42, '2026-02-03 04:05:06.5')");
	assert_string_equal(poll_direct(&r),
						"INSERT {\"id\": 18446744073709551615, \"K\": \"k\\t\\\"\"} - {\"id\": 18446744073709551615,"
						" \"K\": \"k\\t\\\"\", \"n\": 1.50000, \"d\": 0.1, \"f\": 0.10000000149011612, \"b\": true,"
						" \"y\": \"\\\\x00ff\", \"dt\": \"2026-02-03\", \"tm\": \"-30:00:01.500\", \"yr\": 2026,"
						" \"bi\": \"0101\", \"e\": \"y\", \"s\": \"p,q\", \"z\": 42,"
						" \"updated_at\": \"2026-02-03T04:05:06.500000+00:00\"}\n");
	close_rig(&r);
}

static void test_start_beside_lesser_number(void **state)
{
	rig r;

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "DROP TABLE IF EXISTS cap_n; CREATE TABLE cap_n (id int PRIMARY KEY) ENGINE=InnoDB");
	start_beside_lesser_number(&r, "cap_n");
	close_rig(&r);
}

static void test_kinds_of_change(void **state)
{
	rig r;

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "INSERT INTO cap_t (id, v) VALUES (1, 'a'), (2, 'b'), (3, 'c')");
	create(&r, "cap_t", "updated_at",
		   "{\"track\": \"rows\", \"exclude_columns\": [\"updated_at\"], "
		   "\"delete_interval\": 0}");
	assert_string_equal(poll_journal(&r), "");
	/* key update and several versions within one second */
	must(r.writer, "UPDATE cap_t SET id = 5, v = 'moved' WHERE id = 3");
	assert_string_equal(poll_journal(&r), "INSERT {\"id\": 5} - {\"id\": 5, \"v\": \"moved\"}\n"
										  "DELETE {\"id\": 3} {\"id\": 3, \"v\": \"c\"} -\n");
	must(r.writer, "UPDATE cap_t SET v = 'x' WHERE id = 1");
	assert_string_equal(poll_journal(&r), "UPDATE {\"id\": 1} {\"id\": 1, \"v\": \"a\"} {\"id\": 1, \"v\": \"x\"}\n");
	must(r.writer, "UPDATE cap_t SET v = 'a' WHERE id = 1");
	assert_string_equal(poll_journal(&r), "UPDATE {\"id\": 1} {\"id\": 1, \"v\": \"x\"} {\"id\": 1, \"v\": \"a\"}\n");
	must(r.writer, "UPDATE cap_t SET updated_at = now() WHERE id = 1");
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "TRUNCATE cap_t");
	assert_string_equal(poll_journal(&r), "TRUNCATE - - -\n");
	close_rig(&r);
}

/* A statement that waits for a table's lock has its NOW() already, and no transaction yet. */
static void test_waiting_statement(void **state)
{
	rig r;
	pythia_db *locker;
	pythia_result result;
	pythia_error error = PYTHIA_ERROR_INIT;
	bool waits = false;

	if (!have_server())
		skip();
	open_rig(&r);
	locker = open_url(getenv("MYSQL_URL"), NULL);
	create(&r, "cap_t", "updated_at", "{\"lookback\": 0, \"track\": \"none\"}");
	must(locker, "LOCK TABLES cap_t READ");
	assert_true(r.writer->driver->send(r.writer, "INSERT INTO cap_t (id, v) VALUES (1, 'waited')", &error));
	while (!waits)
	{
		assert_true(pythia_db_query(locker,
									"SELECT count(*) FROM information_schema.PROCESSLIST WHERE TIME >= 2 AND STATE "
									"LIKE 'Waiting for%lock%'",
									"V*", &result, &error));
		waits = pythia_result_optional(&result, 0, 0)[0] == '1';
		pythia_result_free(&result);
	}
	assert_string_equal(poll_direct(&r), "");
	must(locker, "UNLOCK TABLES");
	assert_true(r.writer->driver->receive(r.writer, &result, &error));
	pythia_result_free(&result);
	assert_non_null(strstr(poll_direct(&r), "INSERT {\"id\": 1} - {\"id\": 1, \"v\": \"waited\""));
	pythia_db_close(locker);
	close_rig(&r);
}

static void warn(void *context, pythia_log_level level, const char *message)
{
	if (level == PYTHIA_LOG_WARNING)
		snprintf(context, 400, "%s", message);
}

static void test_no_privilege(void **state)
{
	rig r;
	pythia_url url;
	pythia_host host = *pythia_default_host();
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_db *root;
	char said[400] = "";
	char root_url[300];
	char grant[200];

	if (!have_server())
		skip();
	open_rig(&r);
	snprintf(root_url, sizeof(root_url), "mysql://root@localhost/mysql?unix_socket=%s", getenv("MYSQL_SOCKET"));
	root = open_url(root_url, NULL);
	must(root, "DROP USER IF EXISTS 'cap_small'@'%'; CREATE USER 'cap_small'@'%' IDENTIFIED BY 'x'");
	snprintf(grant, sizeof(grant), "GRANT SELECT ON %s.cap_t TO 'cap_small'@'%%'", r.writer->default_schema);
	must(root, grant);
	pythia_db_close(r.source);
	assert_true(pythia_url_parse(getenv("MYSQL_URL"), &url, &error));
	pythia_free(url.user);
	pythia_free(url.password);
	url.user = pythia_strdup("cap_small");
	url.password = pythia_strdup("x");
	host.log = warn;
	host.context = said;
	if (!pythia_db_open(&url, &host, NULL, &r.source, &error))
		fail_msg("%s", error.message);
	create(&r, "cap_t", "updated_at", "{}");
	must(r.writer, "INSERT INTO cap_t (id, v) VALUES (1, 'a')");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 1}"));
	assert_non_null(strstr(said, "grant PROCESS"));
	said[0] = '\0';
	must(r.writer, "UPDATE cap_t SET v = 'b'");
	assert_non_null(strstr(poll_journal(&r), "UPDATE {\"id\": 1}"));
	assert_string_equal(said, "");
	must(root, "DROP USER 'cap_small'@'%'");
	pythia_db_close(root);
	pythia_url_free(&url);
	close_rig(&r);
}

/* The source's session has a clock of its own: SET timestamp. */
static void test_clock_set_back(void **state)
{
	rig r;

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "INSERT INTO cap_t VALUES (1, 'before', FROM_UNIXTIME(1999999000)), (2, 'while', "
				   "FROM_UNIXTIME(1999999500))");
	must(r.source, "SET timestamp = 2000000000");
	create(&r, "cap_t", "updated_at", "{\"start_from\": \"beginning\", \"lookback\": 0, \"track\": \"none\"}");
	poll_journal(&r);
	/* nobody else must hold low back: the boundary is the least start of other transactions, which is now */
	must(r.store, "UPDATE pythia_cdc_table SET low = '2033-05-18 03:33:20'");
	must(r.store, "DELETE FROM pythia_seen");
	pythia_capture_close(r.capture);
	{
		pythia_error error = PYTHIA_ERROR_INIT;

		assert_true(pythia_capture_open(r.store, r.source, "w", r.options, &r.capture, &error));
	}
	/* the poll that notices comes a little later than what was stamped first */
	must(r.source, "SET timestamp = 1999999430");
	must(r.writer, "INSERT INTO cap_t VALUES (3, 'after', FROM_UNIXTIME(1999999400))");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 3}"));
	/* not told again: 2 was stamped later than the clock shows */
	assert_int_equal(r.captured, 1);
	/* and when the clock comes by a second time */
	must(r.source, "SET timestamp = 1999999600");
	must(r.writer, "INSERT INTO cap_t VALUES (4, 'later', FROM_UNIXTIME(1999999600))");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 4}"));
	assert_int_equal(r.captured, 1);
	close_rig(&r);
}

static void test_local_stamps(void **state)
{
	rig r;

	if (!have_server())
		skip();
	open_rig(&r);
	/* writers whose clocks show another zone than the server's */
	create(&r, "cap_t", "updated_at", "{\"time_zone\": \"-05:00\", \"lookback\": 0}");
	must(r.writer, "SET time_zone = '-05:00'");
	must(r.writer, "INSERT INTO cap_t (id, v) VALUES (1, 'a')");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 1}"));
	assert_count(r.store,
				 "SELECT count(*) FROM pythia_cdc_table WHERE low BETWEEN datetime('now', '-5 hours', '-1 minute') "
				 "AND datetime('now', '-5 hours', '1 minute')",
				 1);
	close_rig(&r);
	open_rig(&r);
	{
		pythia_error error = PYTHIA_ERROR_INIT;

		assert_false(try_create(&r, "cap_t", "updated_at", "{\"time_zone\": \"Mars/Base\"}", &error));
		assert_non_null(strstr(error.message, "time zone \"Mars/Base\" is not known"));
		pythia_error_reset(&error);
	}
	close_rig(&r);
}

static void test_null_stamps(void **state)
{
	rig r;

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "ALTER TABLE cap_t MODIFY updated_at datetime(6) NULL");
	create(&r, "cap_t", "updated_at", "{\"delete_interval\": 0}");
	must(r.writer, "INSERT INTO cap_t VALUES (1, 'a', NULL), (2, 'b', now(6))");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 2}"));
	assert_int_equal(r.captured, 1);
	assert_count(r.store, "SELECT null_stamps FROM pythia_cdc_table", 1);
	close_rig(&r);
}

/* The connection is killed between polls and in the middle of one: an error, never an end of data. */
static void test_killed_source(void **state)
{
	rig r;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;
	char sql[80];

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "INSERT INTO cap_t (id, v) VALUES (1, 'a')");
	create(&r, "cap_t", "updated_at", "{\"delete_interval\": 0}");
	assert_true(pythia_db_query(r.source, "SELECT CONNECTION_ID()", "V*", &result, &error));
	snprintf(sql, sizeof(sql), "KILL %s", pythia_result_optional(&result, 0, 0));
	pythia_result_free(&result);
	must(r.writer, sql);
	assert_false(pythia_capture_run(r.capture, NULL, NULL, NULL, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_LOST);
	pythia_error_reset(&error);
	assert_count(r.store, "SELECT count(*) FROM pythia_journal_1", 0);
	assert_count(r.store, "SELECT count(*) FROM pythia_tracked", 1);
	pythia_capture_close(r.capture);
	pythia_db_close(r.source);
	r.source = open_url(getenv("MYSQL_URL"), NULL);
	assert_true(pythia_capture_open(r.store, r.source, "w", r.options, &r.capture, &error));
	must(r.writer, "INSERT INTO cap_t (id, v) VALUES (2, 'b')");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 2}"));
	close_rig(&r);
}

/* What a failed statement has done stays in their tables, and goes from a log. */
static void test_engines(void **state)
{
	static const char *const engines[] = {"MyISAM", "Aria", "MEMORY", "ARCHIVE", "CSV", "BLACKHOLE", NULL};
	rig r;
	pythia_error error = PYTHIA_ERROR_INIT;
	char query[200];
	int64_t there;

	if (!have_server())
		skip();
	open_rig(&r);
	for (int i = 0; engines[i]; i++)
	{
		char sql[200];

		snprintf(
			sql, sizeof(sql),
			"DROP TABLE IF EXISTS cap_other; CREATE TABLE cap_other (id int NOT NULL, v int NOT NULL%s) ENGINE = %s",
			strcmp(engines[i], "CSV") == 0 || strcmp(engines[i], "ARCHIVE") == 0 ? "" : ", PRIMARY KEY (id)",
			engines[i]);
		snprintf(
			query, sizeof(query),
			"SELECT count(*) FROM information_schema.ENGINES WHERE ENGINE = '%s' AND SUPPORT IN ('YES', 'DEFAULT')",
			engines[i]);
		assert_true(pythia_db_count(r.writer, query, &there, &error));
		if (there == 0)
		{
			print_message("this server does not have the engine %s\n", engines[i]);
			continue;
		}
		must(r.writer, sql);
		assert_false(
			try_create(&r, "cap_other", "updated_at", "{\"capture\": \"trigger\", \"key\": [\"id\"]}", &error));
		assert_string_equal(error.sqlstate, "0A000");
		snprintf(sql, sizeof(sql), "whose engine is %s", engines[i]);
		assert_non_null(strstr(error.message, sql));
		pythia_error_reset(&error);
	}
	must(r.writer, "DROP TABLE cap_other");
	close_rig(&r);
}

static void test_triggers(void **state)
{
	rig r;
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "ALTER TABLE cap_t ADD ts timestamp(3) NULL, ADD b varbinary(9), ADD d double, ADD UNIQUE (v)");
	create(&r, "cap_t", "nosuch", "{\"capture\": \"trigger\", \"exclude_columns\": [\"updated_at\"]}");
	must(r.writer, "SET time_zone = '+05:00'");
	must(r.writer, "INSERT INTO cap_t (id, v, ts, b, d) VALUES (1, 'a', '2026-01-01 05:00:00.5', x'00', 0.1)");
	must(r.writer, "UPDATE cap_t SET v = 'b', d = NULL");
	must(r.writer, "UPDATE cap_t SET v = 'b'");
	must(r.writer, "INSERT INTO cap_t (id, v) VALUES (1, 'c') ON DUPLICATE KEY UPDATE v = 'c'");
	must(r.writer, "UPDATE cap_t SET id = 2");
	assert_string_equal(
		poll_journal(&r),
		"INSERT {\"id\": 1} - {\"id\": 1, \"v\": \"a\", \"ts\": \"2026-01-01T00:00:00.500+00:00\", \"b\": \"\\\\x00\", "
		"\"d\": 0.1}\n"
		"UPDATE {\"id\": 1} {\"id\": 1, \"v\": \"a\", \"ts\": \"2026-01-01T00:00:00.500+00:00\", \"b\": \"\\\\x00\", "
		"\"d\": 0.1} {\"id\": 1, \"v\": \"b\", \"ts\": \"2026-01-01T00:00:00.500+00:00\", \"b\": \"\\\\x00\", "
		"\"d\": null}\n"
		"UPDATE {\"id\": 1} {\"id\": 1, \"v\": \"b\", \"ts\": \"2026-01-01T00:00:00.500+00:00\", \"b\": \"\\\\x00\", "
		"\"d\": null} {\"id\": 1, \"v\": \"c\", \"ts\": \"2026-01-01T00:00:00.500+00:00\", \"b\": \"\\\\x00\", "
		"\"d\": null}\n"
		"DELETE {\"id\": 1} {\"id\": 1, \"v\": \"c\", \"ts\": \"2026-01-01T00:00:00.500+00:00\", \"b\": \"\\\\x00\", "
		"\"d\": null} -\n"
		"INSERT {\"id\": 2} - {\"id\": 2, \"v\": \"c\", \"ts\": \"2026-01-01T00:00:00.500+00:00\", \"b\": \"\\\\x00\", "
		"\"d\": null}\n");
	must(r.writer, "DROP TABLE IF EXISTS cap_child; CREATE TABLE cap_child (id int PRIMARY KEY, p int REFERENCES "
				   "cap_t(id) ON DELETE CASCADE)");
	assert_true(pythia_capture_drop(r.store, r.source, "w", &error));
	assert_count(r.writer,
				 "SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME "
				 "LIKE 'pythia%'",
				 0);
	assert_count(r.writer,
				 "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE "
				 "'pythia_log%'",
				 0);
	assert_false(try_create(&r, "cap_t,cap_child", "updated_at", "{\"capture\": \"trigger\"}", &error));
	assert_non_null(strstr(error.message, "triggers would miss what the foreign key"));
	pythia_error_reset(&error);
	/* what was installed before the failure is gone */
	assert_count(r.writer,
				 "SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME "
				 "LIKE 'pythia%'",
				 0);
	assert_count(r.writer,
				 "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE "
				 "'pythia_log%'",
				 0);
	must(r.writer, "DROP TABLE cap_child");
	close_rig(&r);
}

/* Columns that get wider, or another type, under the triggers: no writer may fail for it. */
static void test_widened(void **state)
{
	rig r;
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "ALTER TABLE cap_t ADD n int, ADD e enum('a','b'), ADD d decimal(5,2), DROP COLUMN updated_at");
	create(&r, "cap_t", NULL, "{\"capture\": \"trigger\"}");
	must(r.writer, "ALTER TABLE cap_t MODIFY v varchar(500), MODIFY n bigint, MODIFY e enum('a','b','c')");
	must(r.writer, "INSERT INTO cap_t VALUES (1, REPEAT('x', 60), 5000000000, 'c', 1.5)");
	assert_string_equal(poll_journal(&r), "INSERT {\"id\": 1} - {\"id\": 1, \"v\": "
										  "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\","
										  " \"n\": 5000000000, \"e\": \"c\", \"d\": 1.50}\n");
	/* what the log cannot hold already is mended by the next poll */
	must(r.writer, "ALTER TABLE cap_t MODIFY n varchar(30), MODIFY d decimal(20,4)");
	reopen(&r);
	assert_string_equal(poll_journal(&r), "");
	must(r.writer, "UPDATE cap_t SET v = '', n = 'words', d = 123456789.1234");
	poll_journal(&r);
	assert_non_null(strstr(r.log, "\"n\": \"words\", \"e\": \"c\", \"d\": 123456789.1234}\n"));
	assert_true(pythia_capture_drop(r.store, r.source, "w", &error));
	close_rig(&r);
}

/* ---- what holds for every engine ---- */

SHARED(baseline)
SHARED(late_commit)
SHARED(late_log)
SHARED(new_columns)
SHARED(where)
SHARED(new_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_baseline),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_start_beside_lesser_number),
		cmocka_unit_test(test_kinds_of_change),
		cmocka_unit_test(test_late_commit),
		cmocka_unit_test(test_waiting_statement),
		cmocka_unit_test(test_no_privilege),
		cmocka_unit_test(test_clock_set_back),
		cmocka_unit_test(test_local_stamps),
		cmocka_unit_test(test_null_stamps),
		cmocka_unit_test(test_killed_source),
		cmocka_unit_test(test_widened),
		cmocka_unit_test(test_triggers),
		cmocka_unit_test(test_engines),
		cmocka_unit_test(test_late_log),
		cmocka_unit_test(test_new_columns),
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_new_table),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
