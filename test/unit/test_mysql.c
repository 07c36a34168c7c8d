/* The MySQL and MariaDB driver, against the server of MYSQL_URL. */
#include <sys/socket.h>
#include <unistd.h>

#include "driver_tests.h"
#include "drivers/mysql/internal.h"
#include "small_servers.h"

static const char *url;

static pythia_db *enter(void)
{
	return open_url(url, NULL);
}

/* The URL with another user and password, and something after it. */
static void make_url(pythia_buffer *out, const char *user, const char *rest)
{
	pythia_buffer_clear(out);
	pythia_buffer_printf(out, "mysql://%s%s%s", user, strchr(url, '@'), rest);
}

static void test_open(void **state)
{
	pythia_db *db = enter();

	(void) state;
	assert_int_equal(db->engine, PYTHIA_MYSQL);
	assert_true(db->version >= 50700);
	assert_int_equal(db->is_mariadb, strstr(db->version_text, "MariaDB") != NULL);
	assert_string_equal(db->default_schema, strrchr(getenv("MYSQL_URL"), '/') + 1);
	assert_count(db,
				 "SELECT @@time_zone = '+00:00' AND @@sql_mode LIKE '%STRICT_ALL_TABLES%' AND "
				 "@@sql_mode LIKE '%NO_AUTO_VALUE_ON_ZERO%' AND @@character_set_client = 'utf8mb4' AND "
				 "@@character_set_results = 'utf8mb4'",
				 1);
	pythia_db_close(db);
}

static void test_connect_errors(void **state)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_open_options options = {.require_password = true};

	(void) state;
	assert_null(try_open("mysql://u:topsecret@127.0.0.1:1/db", NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_CONNECT);
	assert_string_equal(error.sqlstate, "08001");
	assert_non_null(strstr(error.message, "127.0.0.1:1/"));
	assert_null(strstr(error.message, "topsecret"));
	assert_non_null(strstr(error.hint, "running"));
	make_url(&text, "pythia:topsecret", "");
	assert_null(try_open(text.data, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_CONNECT);
	assert_string_equal(error.sqlstate, "28000");
	assert_null(strstr(error.message, "topsecret"));
	assert_non_null(strstr(error.hint, "password"));
	make_url(&text, "pythia:secret", "_absent");
	assert_null(try_open(text.data, NULL, &error));
	assert_string_equal(error.sqlstate, "3D000");
	make_url(&text, "pythia:secret", "?ssl_mod=required");
	assert_null(try_open(text.data, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_USAGE);
	assert_non_null(strstr(error.hint, "ssl_mode"));
	make_url(&text, "pythia:secret", "?ssl_mode=maybe");
	assert_null(try_open(text.data, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_USAGE);
	assert_null(try_open("mysql://u:p@127.0.0.1/db?unix_socket=/nonexistent", NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_USAGE);
	assert_string_equal(error.sqlstate, "22023");
	assert_non_null(strstr(error.hint, "localhost"));
	for (int i = 0; i < 4; i++)
	{
		static const char *const parameters[] = {"ssl", "ssl_verify_cert", "ssl_verify_identity", "compress"};
		char wrong[100];

		snprintf(wrong, sizeof(wrong), "?%s=maybe", parameters[i]);
		make_url(&text, "pythia:secret", wrong);
		assert_null(try_open(text.data, NULL, &error));
		assert_int_equal(error.error_class, PYTHIA_E_USAGE);
		snprintf(wrong, sizeof(wrong), "\"%s\": \"maybe\"", parameters[i]);
		assert_non_null(strstr(error.message, wrong));
		assert_non_null(strstr(error.hint, "true"));
	}
	/* nobody's password is not the environment's */
	setenv("MYSQL_PWD", "secret", 1);
	make_url(&text, "pythia", "");
	assert_null(try_open(text.data, NULL, &error));
	assert_string_equal(error.sqlstate, "28000");
	options.require_password = false;
	options.client_defaults = true;
	pythia_db_close(open_url(text.data, &options));
	options.require_password = true;
	assert_null(try_open(text.data, &options, &error));
	assert_string_equal(error.sqlstate, "2F003");
	unsetenv("MYSQL_PWD");
	make_url(&text, "pythia:secret", "?unix_socket=/tmp/mysql.sock");
	assert_null(try_open(text.data, &options, &error));
	assert_string_equal(error.sqlstate, "42501");
	pythia_error_reset(&error);
	pythia_buffer_free(&text);
}

static void test_silent_server(void **state)
{
	(void) state;
	check_silent_server("mysql");
}

static void test_statements(void **state)
{
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;
	int64_t affected = -1;

	(void) state;
	must(db, "CREATE TEMPORARY TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, '')");
	assert_true(pythia_db_exec(db, "UPDATE t SET b = 'y'", &affected, &error));
	assert_int_equal(affected, 3);
	must_fail(db, "SELECT 1; DELETE FROM t", PYTHIA_E_DATABASE, "42601");
	assert_true(pythia_db_exec(db, "DELETE FROM t WHERE a = 3", &affected, &error));
	assert_int_equal(affected, 1);
	must(db, "UPDATE t SET b = NULL WHERE a = 2");
	assert_true(pythia_db_query(db, "SELECT * FROM t ORDER BY a", "V*", &result, &error));
	assert_int_equal(result.nrows, 2);
	assert_int_equal(result.ncolumns, 2);
	assert_string_equal(pythia_result_optional(&result, 0, 1), "y");
	assert_null(pythia_result_optional(&result, 1, 1));
	pythia_result_free(&result);
	assert_true(pythia_db_query(db, "SELECT 1 WHERE 0", "V*", &result, &error));
	assert_int_equal(result.nrows, 0);
	pythia_result_free(&result);
	must_fail(db, "SELECT absent FROM t", PYTHIA_E_DATABASE, "42703");
	must_fail(db, "SELECT 1 FROM absent", PYTHIA_E_DATABASE, "42P01");
	must_fail(db, "SELEC 1", PYTHIA_E_DATABASE, "42601");
	must_fail(db, "INSERT INTO t VALUES (1, 'x')", PYTHIA_E_DATABASE, "23505");
	must_fail(db, "INSERT INTO t VALUES ('many', 'x')", PYTHIA_E_DATA, "22P02");
	assert_count(db, "SELECT 1", 1);
	pythia_db_close(db);
}

static void test_two_servers_at_once(void **state)
{
	(void) state;
	check_two_at_once(enter(), enter(), "DO GET_LOCK('core', 1)", "SELECT GET_LOCK('core', 600)",
					  "SELECT count(*) FROM information_schema.processlist WHERE state = 'User lock'",
					  "DO RELEASE_LOCK('core')");
}

static void test_transactions(void **state)
{
	pythia_db *db = enter();
	pythia_db *other = enter();
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	must(db, "DROP TABLE IF EXISTS core_tx; CREATE TABLE core_tx (a int)");
	assert_true(other->driver->begin(other, PYTHIA_BEGIN_SNAPSHOT, &error));
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
	must(db, "INSERT INTO core_tx VALUES (1)");
	assert_true(db->driver->commit(db, &error));
	assert_count(other, "SELECT count(*) FROM core_tx", 0);
	must_fail(other, "INSERT INTO core_tx VALUES (2)", PYTHIA_E_DATABASE, "25006");
	assert_true(other->driver->rollback(other, &error));
	assert_count(other, "SELECT count(*) FROM core_tx", 1);
	/* a deadlock or a lock that is not given is worth another try */
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
	must(db, "UPDATE core_tx SET a = 2");
	must(other, "SET innodb_lock_wait_timeout = 1");
	must_fail(other, "UPDATE core_tx SET a = 3", PYTHIA_E_TRANSIENT, "55P03");
	assert_true(db->driver->rollback(db, &error));
	must(db, "DROP TABLE core_tx");
	pythia_db_close(db);
	pythia_db_close(other);
}

#define LOAD_T                                                                                                         \
	"LOAD DATA LOCAL INFILE 'pythia' INTO TABLE t CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' " \
	"LINES TERMINATED BY '\\n' "

static void test_load_and_stream(void **state)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT, PYTHIA_KIND_DOUBLE, PYTHIA_KIND_BYTES};
	pythia_db *db = enter();

	(void) state;
	must(db, "CREATE TEMPORARY TABLE t (a int PRIMARY KEY, b longtext CHARACTER SET utf8mb4, c double, d longblob)");
	check_load_and_stream(db, LOAD_T "(a, b, c, @d) SET d = UNHEX(SUBSTR(@d, 3))",
						  "SELECT a, b, c, d FROM t ORDER BY a", kinds);
	assert_count(db, "SELECT count(*) FROM t", 1000);
	pythia_db_close(db);
}

/* 60,000 rows of half a kilobyte: several statements' worth, the buffers swapped under way. */
static bool put_many(pythia_db *db, int nconnections, bool bulk, int same, pythia_error *error)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT};
	pythia_rows_writer writer = {0};
	pythia_load load;
	load_columns columns;
	char text[512];
	uint64_t rows = 0;
	bool good;

	memset(text, 'x', sizeof(text));
	make_load(&load, &columns, "t", 2, kinds, LOAD_T "(a, b)");
	load.connections = nconnections;
	load.binary_sql = bulk ? "INSERT INTO t (a, b) VALUES (?, ?)" : NULL;
	good = db->driver->load_begin(db, &load, error);
	for (int i = 0; good && i < 60000; i++)
	{
		char number[16];

		pythia_rows_text(&writer, number, (size_t) snprintf(number, sizeof(number), "%d", i == same ? i - 1 : i));
		pythia_rows_text(&writer, text, sizeof(text));
		pythia_rows_end(&writer);
		if (i % 500 == 499)
		{
			pythia_rows view = pythia_rows_view(&writer);

			good = db->driver->load_put(db, &view, error);
			pythia_rows_clear(&writer);
		}
	}
	pythia_rows_free(&writer);
	if (good)
		good = db->driver->load_end(db, &rows, error);
	else
		db->driver->load_abandon(db);
	if (good)
		assert_int_equal(rows, 60000);
	return good;
}

static void test_large_load(void **state)
{
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	must(db, "CREATE TEMPORARY TABLE t (a int PRIMARY KEY, b text)");
	if (!put_many(db, 0, false, -1, &error))
		fail_msg("%s", error.message);
	assert_count(db, "SELECT count(*) FROM t WHERE length(b) = 512", 60000);
	pythia_db_close(db);
}

static void test_connections(void **state)
{
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	must(db, "DROP TABLE IF EXISTS t; CREATE TABLE t (a int PRIMARY KEY, b text)");
	for (int nconnections = 2; nconnections <= 4; nconnections++)
	{
		must(db, "TRUNCATE t");
		if (!put_many(db, nconnections, nconnections != 2, -1, &error))
			fail_msg("%s", error.message);
		assert_count(db, "SELECT count(*) FROM t WHERE length(b) = 512", 60000);
	}
	/* what came over all of them ends with the transaction of the first */
	must(db, "TRUNCATE t; BEGIN");
	assert_true(put_many(db, 4, true, -1, &error));
	assert_true(db->driver->rollback(db, &error));
	assert_count(db, "SELECT count(*) FROM t", 0);
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
	assert_true(put_many(db, 4, true, -1, &error));
	assert_true(db->driver->commit(db, &error));
	assert_count(db, "SELECT count(*) FROM t", 60000);
	/* the others are kept, and are as our own */
	assert_int_equal(pythia_mysql_of(db)->load.nconnections, 4);
	assert_count(&pythia_mysql_of(db)->load.connections[3]->base, "SELECT @@time_zone = '+00:00'", 1);
	/* a bad row in any of them fails the whole */
	for (int same = 5000; same < 60000; same += 16000)
	{
		must(db, "TRUNCATE t");
		assert_false(put_many(db, 3, same % 3 == 0, same, &error));
		/* one waits for the other's commit, where not both came the same way */
		if (strcmp(error.sqlstate, "23505") != 0 && error.error_class != PYTHIA_E_TRANSIENT)
			fail_msg("%s: %s", error.sqlstate, error.message);
		pythia_error_reset(&error);
		assert_false(db->broken);
	}
	/* and so does the end of one of the connections */
	must(db, "TRUNCATE t");
	for (int bulk = 0; bulk < 2; bulk++)
	{
		if (!put_many(db, 2, bulk, -1, &error))
			fail_msg("%s", error.message);
		shutdown(pythia_mysql_socket(&pythia_mysql_of(db)->load.connections[1]->mysql), SHUT_RDWR);
		must(db, "TRUNCATE t");
		assert_false(put_many(db, 2, bulk, -1, &error));
		assert_int_equal(error.error_class, PYTHIA_E_LOST);
		pythia_error_reset(&error);
		pythia_db_close(db);
		db = enter();
		must(db, "TRUNCATE t");
	}
	must(db, "DROP TABLE t");
	pythia_db_close(db);
}

static void check_refused(pythia_db *db, const char *sql, const pythia_kind *kinds, const char *rows, uint64_t count,
						  pythia_error_class error_class, const char *sqlstate, const char *says)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_load load;
	load_columns columns;

	make_load(&load, &columns, "t", 2, kinds, sql);
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
	assert_true(db->driver->load_begin(db, &load, &error));
	must_put(db, rows, count);
	assert_false(db->driver->load_end(db, NULL, &error));
	assert_string_equal(error.sqlstate, sqlstate);
	assert_int_equal(error.error_class, error_class);
	if (!strstr(error.message, says))
		fail_msg("%s", error.message);
	assert_true(db->driver->rollback(db, &error));
	assert_count(db, "SELECT count(*) FROM t", 0);
	pythia_error_reset(&error);
}

static void test_load_errors(void **state)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT};
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_load load;
	load_columns columns;

	(void) state;
	must(db, "CREATE TEMPORARY TABLE t (a tinyint PRIMARY KEY, b varchar(5) NOT NULL) ENGINE = InnoDB");
	check_refused(db, LOAD_T "(a, b)", kinds, "1\tx\n2\tx\n1\tx\n", 3, PYTHIA_E_DATABASE, "23505", "Duplicate entry");
	check_refused(db, LOAD_T "(a, b)", kinds, "1\tx\n300\tx\n", 2, PYTHIA_E_DATA, "22003", "Out of range");
	check_refused(db, LOAD_T "(a, b)", kinds, "1\ttoo long\n", 1, PYTHIA_E_DATA, "22001", "truncated");
	check_refused(db, LOAD_T "(a, b)", kinds, "1\t\\N\n", 1, PYTHIA_E_DATABASE, "23502", "NULL");
	check_refused(db, LOAD_T "(a, b)", kinds, "x\tx\n", 1, PYTHIA_E_DATA, "22P02", "Incorrect");
	check_refused(db, LOAD_T "(a, absent)", kinds, "1\tx\n", 1, PYTHIA_E_DATABASE, "42703", "absent");
	make_load(&load, &columns, "t", 2, kinds, LOAD_T "(a, b)");
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
	assert_true(db->driver->load_begin(db, &load, &error));
	must_put(db, "1\tx\n", 1);
	db->driver->load_abandon(db);
	assert_true(db->driver->rollback(db, &error));
	assert_count(db, "SELECT count(*) FROM t", 0);
	pythia_db_close(db);
}

static void test_files_are_never_served(void **state)
{
	pythia_db *db = enter();

	(void) state;
	must(db, "CREATE TEMPORARY TABLE t (a text)");
	assert_false(pythia_db_exec(db, "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t (a)", NULL, NULL));
	pythia_db_close(db);
	db = enter();
	must(db, "CREATE TEMPORARY TABLE t (a text)");
	assert_count(db, "SELECT count(*) FROM t", 0);
	pythia_db_close(db);
}

/* More rows than any test reads; the engine makes them as they are wanted. */
#define ENDLESS                                                                                                        \
	"WITH RECURSIVE d AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM d WHERE i < 99) "                                  \
	"SELECT a.i + 100 * b.i, REPEAT('x', 100) FROM d AS a, d AS b, d AS c, d AS e"

static void test_stream_closed_midway(void **state)
{
	(void) state;
	check_stream_closed_midway(enter(), ENDLESS);
}

static void test_server_gone_midway(void **state)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	for (int way = 0; way < 3; way++)
	{
		pythia_db *db = enter();
		pythia_db *killer = enter();
		pythia_stream *stream;
		pythia_rows rows;
		char sql[100];

		assert_true(db->driver->stream_open(db, ENDLESS, 2, NULL, &stream, &error));
		assert_true(db->driver->stream_next(stream, &rows, &error));
		snprintf(sql, sizeof(sql), way == 0 ? "KILL %lu" : "KILL QUERY %lu", pythia_mysql_of(db)->thread_id);
		if (way < 2)
			must(killer, sql);
		else
			shutdown(pythia_mysql_socket(&pythia_mysql_of(db)->mysql), SHUT_RDWR);
		read_to_error(db, stream, &error);
		if (way != 1)
			assert_int_equal(error.error_class, PYTHIA_E_LOST);
		else
			assert_string_equal(error.sqlstate, "57014");
		pythia_error_reset(&error);
		pythia_db_close(killer);
		pythia_db_close(db);
	}
}

static void test_connection_lost_in_a_load(void **state)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT};
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_load load;
	load_columns columns;

	(void) state;
	must(db, "CREATE TEMPORARY TABLE t (a int, b text)");
	make_load(&load, &columns, "t", 2, kinds, LOAD_T "(a, b)");
	assert_true(db->driver->load_begin(db, &load, &error));
	must_put(db, "1\tx\n", 1);
	shutdown(pythia_mysql_socket(&pythia_mysql_of(db)->mysql), SHUT_RDWR);
	assert_false(db->driver->load_end(db, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_LOST);
	assert_true(db->broken);
	pythia_error_reset(&error);
	pythia_db_close(db);
}

static void test_cancel(void **state)
{
	pythia_db *db = enter();
	pythia_db *watcher = enter();
	char sql[200];

	(void) state;
	snprintf(sql, sizeof(sql),
			 "SELECT count(*) FROM information_schema.processlist WHERE id = %lu AND command = "
			 "'Query'",
			 pythia_mysql_of(db)->thread_id);
	check_cancel(db, "SELECT SLEEP(600)");
	assert_true(db->broken);
	/* the server has stopped as well */
	wait_for_count(watcher, sql, 0);
	pythia_db_close(db);
	for (int first = 0; first < 2; first++)
	{
		db = enter();
		snprintf(sql, sizeof(sql),
				 "WITH RECURSIVE d AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM d WHERE i < 900) "
				 "SELECT i, REPEAT('x', 300), IF(i < %d, 0, SLEEP(600)) FROM d",
				 first ? 0 : 800);
		check_cancel_stream(db, sql);
		pythia_db_close(db);
	}
	pythia_db_close(watcher);
}

/* Nobody hears the request to kill; the caller is free all the same. */
static void test_cancel_unheard(void **state)
{
	small_server server;
	const char *colon = strrchr(url, ':');
	pthread_t thread = start_small_server(&server, deaf_proxy, atoi(colon + 1));
	pythia_db *watcher = enter();
	pythia_db *db;
	char text[200];

	(void) state;
	snprintf(text, sizeof(text), "%.*s:%d%s", (int) (colon - url), url, server.port, strchr(colon, '/'));
	db = open_url(text, NULL);
	snprintf(text, sizeof(text), "KILL %lu", pythia_mysql_of(db)->thread_id);
	check_cancel(db, "SELECT SLEEP(600)");
	pythia_db_close(db);
	must(watcher, text);
	close(server.listener);
	pthread_join(thread, NULL);
	pythia_db_close(watcher);
}

static void test_closed_in_the_middle(void **state)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_stream *stream;
	pythia_rows rows;
	pythia_db *db = enter();

	(void) state;
	assert_true(db->driver->send(db, "SELECT SLEEP(600)", &error));
	pythia_db_close(db);
	db = enter();
	assert_true(db->driver->stream_open(db, ENDLESS, 2, NULL, &stream, &error));
	assert_true(db->driver->stream_next(stream, &rows, &error));
	pythia_db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_connect_errors),
		cmocka_unit_test(test_silent_server),
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_two_servers_at_once),
		cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_load_and_stream),
		cmocka_unit_test(test_large_load),
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_load_errors),
		cmocka_unit_test(test_files_are_never_served),
		cmocka_unit_test(test_stream_closed_midway),
		cmocka_unit_test(test_server_gone_midway),
		cmocka_unit_test(test_connection_lost_in_a_load),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_unheard),
		cmocka_unit_test(test_closed_in_the_middle),
	};

	url = getenv("MYSQL_URL");
	if (!url)
	{
		puts("1..0 # SKIP MYSQL_URL names no server");
		return 0;
	}
	return cmocka_run_group_tests_name("mysql", tests, NULL, NULL);
}
