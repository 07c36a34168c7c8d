/* Capture from a PostgreSQL server (PG_URL) into a SQLite store. */
#include "capture_tests.h"

static bool have_server(void)
{
	return is_named("PG_URL");
}

static void open_rig(rig *r)
{
	open_server_rig(r, "PG_URL");
	must(r->writer, "DROP SCHEMA IF EXISTS cap CASCADE; CREATE SCHEMA cap;"
					"CREATE TABLE cap.t (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());"
					"CREATE INDEX ON cap.t (updated_at)");
	r->table = "cap.t";
	r->schema = "cap";
	r->other = "cap.t";
	r->wait = "SELECT pg_sleep(1.1)";
}

static void test_values(void **state)
{
	rig r;

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "CREATE TABLE cap.\"All \"\"Kinds\" (id bigint, \"K\" text, n numeric, d float8, b boolean, y bytea,"
				   " j json, jb jsonb, a text[], r int4range, ts timestamp, dt date, u uuid, e text,"
				   " updated_at timestamptz, PRIMARY KEY (id, \"K\"))");
	create(&r, "cap.\"All \"\"Kinds\"", "updated_at", "{\"lookback\": \"36000 days\"}");
	must(r.writer,
		 "INSERT INTO cap.\"All \"\"Kinds\" VALUES (9007199254740993, E'k\\t\\\\\"', 'NaN', 0.1, true, '\\x00ff', "
		 "E'{\"a\":\\n 1}', '{\"b\": [1, 2]}', '{x,NULL}', '[1,3)', '2026-02-03 04:05:06.5', '2026-02-03',"
		 " '00000000-0000-0000-0000-00000000000A', '\xf0\x9f\x98\x80', '2026-02-03 04:05:06+02')");
	assert_string_equal(poll_direct(&r),
						"INSERT {\"id\": 9007199254740993, \"K\": \"k\\t\\\\\\\"\"} - {\"id\": 9007199254740993,"
						" \"K\": \"k\\t\\\\\\\"\", \"n\": \"NaN\", \"d\": 0.1, \"b\": true, \"y\": \"\\\\x00ff\","
						" \"j\": {\"a\":  1}, \"jb\": {\"b\": [1, 2]}, \"a\": [\"x\", null], \"r\": \"[1,3)\","
						" \"ts\": \"2026-02-03T04:05:06.5\", \"dt\": \"2026-02-03\","
						" \"u\": \"00000000-0000-0000-0000-00000000000a\", \"e\": \"\xf0\x9f\x98\x80\","
						" \"updated_at\": \"2026-02-03T02:05:06+00:00\"}\n");
	close_rig(&r);
}

/* Many rows of one stamp, over several batches; the same again finds nothing. */
static void test_many(void **state)
{
	rig r;

	if (!have_server())
		skip();
	open_rig(&r);
	create(&r, "cap.t", "updated_at", "{\"start_from\": \"beginning\", \"delete_interval\": 0}");
	must(r.writer, "INSERT INTO cap.t SELECT g, repeat('x', g % 50) FROM generate_series(1, 20000) g");
	poll_journal(&r);
	assert_int_equal(r.captured, 20000);
	assert_count(r.store, "SELECT count(DISTINCT primary_key) FROM pythia_journal_1 WHERE change_type = 'INSERT'",
				 20000);
	poll_journal(&r);
	assert_int_equal(r.captured, 0);
	must(r.writer, "UPDATE cap.t SET updated_at = now() WHERE id % 2 = 0; DELETE FROM cap.t WHERE id % 4 = 1");
	poll_journal(&r);
	assert_int_equal(r.captured, 15000);
	assert_count(r.store, "SELECT count(*) FROM pythia_journal_1 WHERE change_type = 'UPDATE'", 10000);
	assert_count(r.store, "SELECT count(*) FROM pythia_journal_1 WHERE change_type = 'DELETE'", 5000);
	must(r.writer, "TRUNCATE cap.t");
	assert_string_equal(poll_journal(&r) + strlen(r.log) - 15, "TRUNCATE - - -\n");
	close_rig(&r);
}

static void test_triggers(void **state)
{
	rig r;
	pythia_db *superuser;
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!have_server())
		skip();
	open_rig(&r);
	create(&r, "cap.t", "nosuch", "{\"capture\": \"trigger\", \"exclude_columns\": [\"updated_at\"]}");
	must(r.writer, "INSERT INTO cap.t VALUES (1, 'a'); UPDATE cap.t SET v = 'b'; UPDATE cap.t SET updated_at = NULL;"
				   "UPDATE cap.t SET id = 2; ALTER TABLE cap.t ADD w int DEFAULT 5; DELETE FROM cap.t; TRUNCATE cap.t");
	assert_string_equal(poll_journal(&r), "INSERT {\"id\": 1} - {\"v\": \"a\", \"id\": 1}\n"
										  "UPDATE {\"id\": 1} {\"v\": \"a\", \"id\": 1} {\"v\": \"b\", \"id\": 1}\n"
										  "DELETE {\"id\": 1} {\"v\": \"b\", \"id\": 1} -\n"
										  "INSERT {\"id\": 2} - {\"v\": \"b\", \"id\": 2}\n"
										  "DELETE {\"id\": 2} {\"v\": \"b\", \"w\": 5, \"id\": 2} -\n"
										  "TRUNCATE - - -\n");
	superuser = open_url(getenv("PG_SUPERUSER_URL"), NULL);
	must(superuser, "CREATE ROLE cap_writer; GRANT USAGE ON SCHEMA cap TO cap_writer; GRANT ALL ON cap.t TO cap_writer;"
					"SET session_replication_role = replica; SET ROLE cap_writer");
	must(superuser, "INSERT INTO cap.t VALUES (12, 'by another')");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 12}"));
	must(superuser, "RESET ROLE; DROP OWNED BY cap_writer; DROP ROLE cap_writer");
	pythia_db_close(superuser);
	assert_true(pythia_capture_drop(r.store, r.source, "w", &error));
	assert_count(r.writer, "SELECT count(*) FROM pg_class WHERE relname LIKE 'pythia_log%'", 0);
	must(r.writer, "DELETE FROM cap.t");
	close_rig(&r);
}

/* Where a poll may go when the boundary is so many seconds after 2026-10-25 00:00 UTC, the night of winter time. */
static void check_low(rig *r, int seconds, const char *expected)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_capture_config config;
	pythia_capture_table table;
	pythia_capture_window window;
	pythia_capture_position position = {.low = (char *) "2026-10-24 00:00:00"};
	pythia_clock clock = {.now = (INT64_C(1792886400) + seconds) * 1000000};

	clock.boundary = clock.now;
	assert_true(pythia_capture_config_read(r->options, "cap.z", &config, &error));
	assert_true(pythia_capture_table_open(r->source, NULL, "cap.z", "updated_at", &config, &table, &error));
	if (!pythia_capture_window_make(&table, &clock, &position, &window, &error))
		fail_msg("%s", error.message);
	assert_string_equal(window.next.low, expected);
	pythia_capture_window_free(&window);
	pythia_capture_table_close(&table);
}

/* The hour from 2 to 3 comes twice: while it does, low waits at its beginning. */
static void test_winter_time(void **state)
{
	rig r;

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "CREATE TABLE cap.z (id int PRIMARY KEY, updated_at timestamp)");
	r.options = read_options(r.store, "{\"time_zone\": \"Europe/Berlin\", \"lookback\": 0}");
	check_low(&r, -3600, "2026-10-25 01:00:00");
	check_low(&r, 30, "2026-10-25 02:00:00");
	check_low(&r, 1830, "2026-10-25 02:00:00");
	check_low(&r, 3630, "2026-10-25 02:00:30");
	check_low(&r, 7230, "2026-10-25 03:00:30");
	/* two hours come twice */
	pythia_node_free(r.options);
	r.options = read_options(r.store, "{\"time_zone\": \"Antarctica/Troll\", \"lookback\": 0}");
	check_low(&r, -3600, "2026-10-25 01:00:00");
	check_low(&r, 1830, "2026-10-25 01:00:00");
	check_low(&r, 7230, "2026-10-25 02:00:30");
	close_rig(&r);
}

static void test_start_beside_lesser_number(void **state)
{
	rig r;

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "CREATE TABLE cap.n (id int PRIMARY KEY)");
	start_beside_lesser_number(&r, "cap.n");
	close_rig(&r);
}

/* Without the option it is the zone that writers have by default; ours stays UTC. */
static void test_own_zone(void **state)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result zone;
	char url[300];
	rig r;

	if (!have_server())
		skip();
	open_rig(&r);
	must(r.writer, "CREATE TABLE cap.z (id int PRIMARY KEY, updated_at timestamp)");
	pythia_db_close(r.source);
	snprintf(url, sizeof(url), "%s?options=-c%%20timezone%%3DEurope/Berlin", getenv("PG_URL"));
	r.source = open_url(url, NULL);
	r.options = read_options(r.store, "{\"lookback\": 0}");
	check_low(&r, -3600, "2026-10-25 01:00:00");
	check_low(&r, 7230, "2026-10-25 03:00:30");
	assert_true(pythia_db_query(r.source, "SELECT pg_catalog.current_setting('timezone')", "V*", &zone, &error));
	assert_string_equal(pythia_result_optional(&zone, 0, 0), "UTC");
	pythia_result_free(&zone);
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
		cmocka_unit_test(test_winter_time),
		cmocka_unit_test(test_start_beside_lesser_number),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_late_commit),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_triggers),
		cmocka_unit_test(test_late_log),
		cmocka_unit_test(test_new_columns),
		cmocka_unit_test(test_where),
		cmocka_unit_test(test_new_table),
		cmocka_unit_test(test_own_zone),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
