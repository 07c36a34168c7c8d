/* The PostgreSQL driver, against the server of PG_URL. */
#include <sys/socket.h>
#include <unistd.h>

#include "capture/source/log.h"
#include "dialect/dialect.h"
#include "driver_tests.h"
#include "drivers/postgres/internal.h"
#include "small_servers.h"

static const char *url;

static pythia_db *enter(void)
{
	return open_url(url, NULL);
}

/* The URL with another user, password and query. */
static void make_url(pythia_buffer *out, const char *user, const char *rest)
{
	const char *at = strchr(url, '@');

	pythia_buffer_clear(out);
	pythia_buffer_printf(out, "postgresql://%s%s%s", user, at, rest);
}

/* Described together they are what they are one by one, in whatever order they are asked for. */
static void test_describe_many(void **state)
{
	static const char *const names[] = {
		"core_many.plain",    "core_many.Mixed", "core_many.\"Mixed\"", "core_many.nothing",
		"core_many.part",     "core_many.seen",  "no_schema.t",         "core_many.plain",
		"pg_temp.core_fleet", "core_bare",       "core_many..x",        "core_many.\"it's\"",
	};
	enum
	{
		COUNT = sizeof(names) / sizeof(names[0])
	};
	pythia_db *db = enter();
	pythia_descriptions *many;
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	must(
		db,
		"DROP SCHEMA IF EXISTS core_many CASCADE; CREATE SCHEMA core_many; DROP TABLE IF EXISTS public.core_bare;"
		"CREATE TYPE core_many.mood AS ENUM ('so', 'la''la');"
		"CREATE TABLE core_many.plain (b int NOT NULL, a numeric(7, 2) DEFAULT 1.5, m core_many.mood, PRIMARY KEY (b));"
		"CREATE UNIQUE INDEX ON core_many.plain (m, a); CREATE INDEX ON core_many.plain (abs(a));"
		"CREATE TABLE core_many.mixed (x int PRIMARY KEY); CREATE TABLE core_many.\"Mixed\" (y text PRIMARY KEY);"
		"CREATE TABLE core_many.part (k int PRIMARY KEY, v text COLLATE \"C\") PARTITION BY RANGE (k);"
		"CREATE VIEW core_many.seen AS SELECT b FROM core_many.plain; CREATE TABLE core_many.\"it's\" ();"
		"CREATE TEMP TABLE core_fleet (t int UNIQUE); CREATE TABLE public.core_bare (z int PRIMARY KEY)");
	for (int backwards = 0; backwards < 2; backwards++)
	{
		assert_true(pythia_describe_many(db, names, COUNT, &many, &error));
		for (int n = 0; n < COUNT; n++)
		{
			const char *name = names[backwards ? COUNT - 1 - n : n];
			pythia_error why = PYTHIA_ERROR_INIT;
			pythia_table one;
			pythia_table other;
			bool there = pythia_describe(db, name, &one, &error);

			assert_int_equal(there, pythia_describe_next(db, many, name, &other, &why));
			if (!there)
			{
				assert_string_equal(error.message, why.message);
				pythia_error_reset(&error);
				pythia_error_reset(&why);
				continue;
			}
			assert_string_equal(one.schema, other.schema);
			assert_string_equal(one.name, other.name);
			assert_int_equal(one.relation, other.relation);
			assert_int_equal(one.ncolumns, other.ncolumns);
			for (int i = 0; i < one.ncolumns; i++)
			{
				assert_string_equal(one.columns[i].name, other.columns[i].name);
				assert_int_equal(one.columns[i].type.kind, other.columns[i].type.kind);
				assert_int_equal(one.columns[i].type.scale, other.columns[i].type.scale);
				assert_int_equal(one.columns[i].nullable, other.columns[i].nullable);
				assert_int_equal(one.columns[i].value.kind, other.columns[i].value.kind);
			}
			assert_int_equal(one.nkey, other.nkey);
			for (int i = 0; i < one.nkey; i++)
				assert_int_equal(one.key[i], other.key[i]);
			assert_int_equal(one.nindexes, other.nindexes);
			for (int i = 0; i < one.nindexes; i++)
				assert_string_equal(one.indexes[i].name, other.indexes[i].name);
			pythia_table_free(&one);
			pythia_table_free(&other);
		}
		pythia_descriptions_free(many);
	}
	must(db, "DROP SCHEMA core_many CASCADE; DROP TABLE public.core_bare");
	pythia_db_close(db);
}

/* Which logs are empty is known without reading each of them; where one is not to be had it is not known. */
static void test_logs_empty(void **state)
{
	pythia_log_place logs[] = {{"core_logs", "l1"}, {"core_logs", "l2"}, {"core_logs", "l3"}};
	bool empty[3] = {false, true, false};
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	must(db,
		 "DROP SCHEMA IF EXISTS core_logs CASCADE; CREATE SCHEMA core_logs; CREATE TABLE core_logs.l1 (i int);"
		 "CREATE TABLE core_logs.l2 (i int); CREATE TABLE core_logs.l3 (i int); INSERT INTO core_logs.l2 VALUES (1)");
	assert_true(pythia_logs_empty(db, logs, 3, empty, &error));
	assert_true(empty[0] && !empty[1] && empty[2]);
	must(db, "DROP TABLE core_logs.l3");
	assert_true(pythia_logs_empty(db, logs, 3, empty, &error));
	assert_false(empty[0] || empty[1] || empty[2]);
	must(db, "DROP SCHEMA core_logs CASCADE");
	pythia_db_close(db);
}

static void test_open(void **state)
{
	pythia_db *db = enter();

	(void) state;
	assert_int_equal(db->engine, PYTHIA_POSTGRESQL);
	assert_true(db->version >= 130000);
	assert_non_null(strstr(db->version_text, "PostgreSQL 1"));
	assert_string_equal(db->default_schema, "public");
	assert_false(db->encrypted);
	assert_count(db, "SELECT (current_setting('timezone') = 'UTC')::int", 1);
	assert_count(db, "SELECT (current_setting('search_path') = 'pg_catalog')::int", 1);
	assert_count(db, "SELECT (current_setting('application_name') = 'pythia')::int", 1);
	pythia_db_close(db);
}

static void test_pinned_whatever_the_role_says(void **state)
{
	pythia_db *db = open_url(getenv("PG_SUPERUSER_URL"), NULL);
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;

	(void) state;
	must(db, "DROP ROLE IF EXISTS core_odd; CREATE ROLE core_odd LOGIN; ALTER ROLE core_odd SET timezone = "
			 "'America/New_York'; ALTER ROLE core_odd SET datestyle = 'SQL, DMY'; ALTER ROLE core_odd SET "
			 "bytea_output = 'escape'; ALTER ROLE core_odd SET extra_float_digits = -15; ALTER ROLE core_odd SET "
			 "client_encoding = 'LATIN1'; ALTER ROLE core_odd SET search_path = information_schema, public");
	/* 19 knows no others */
	if (db->version < 190000)
		must(db, "ALTER ROLE core_odd SET standard_conforming_strings = off");
	make_url(&text, "core_odd", "");
	pythia_db_close(db);
	db = open_url(text.data, NULL);
	assert_string_equal(db->default_schema, "information_schema");
	assert_true(pythia_db_query(db,
								"SELECT timestamptz '2024-01-02 03:04:05+00', '\\x00ff'::bytea, 0.1::float8 + "
								"0.2::float8, 'a\\b', '\xc3\xa4', interval '1 day'",
								"V*", &result, &error));
	assert_string_equal(pythia_result_optional(&result, 0, 0), "2024-01-02 03:04:05+00");
	assert_string_equal(pythia_result_optional(&result, 0, 1), "\\x00ff");
	assert_string_equal(pythia_result_optional(&result, 0, 2), "0.30000000000000004");
	assert_string_equal(pythia_result_optional(&result, 0, 3), "a\\b");
	assert_string_equal(pythia_result_optional(&result, 0, 4), "\xc3\xa4");
	assert_string_equal(pythia_result_optional(&result, 0, 5), "1 day");
	pythia_result_free(&result);
	pythia_db_close(db);
	db = open_url(getenv("PG_SUPERUSER_URL"), NULL);
	must(db, "DROP ROLE core_odd");
	pythia_db_close(db);
	pythia_buffer_free(&text);
}

/* Words as the URL gives them, and what libpq has of its environment, as "name=value" until NULL. */
static bool may_show(const char *const *given, PQconninfoOption *environment)
{
	const char *names[8];
	const char *values[8];
	char text[8][100];
	pythia_postgres_words words = {names, values, 0};

	for (; *given; given++, words.count++)
	{
		snprintf(text[words.count], sizeof(text[0]), "%s", *given);
		names[words.count] = strtok(text[words.count], "=");
		values[words.count] = strtok(NULL, "=");
	}
	return pythia_postgres_may_show_password(&words, environment);
}
#define MAY_SHOW(environment, ...) may_show((const char *const[]){__VA_ARGS__, NULL}, environment)

static void test_may_show_password(void **state)
{
	PQconninfoOption nothing[] = {{.keyword = NULL}};
	PQconninfoOption verifying[] = {{.keyword = "sslmode", .val = "verify-full"}, {.keyword = NULL}};
	PQconninfoOption elsewhere[] = {{.keyword = "hostaddr", .val = "127.0.0.1"}, {.keyword = NULL}};
	PQconninfoOption named[] = {{.keyword = "host", .val = "/s,example.com"}, {.keyword = NULL}};

	(void) state;
	assert_true(MAY_SHOW(nothing, "sslmode=verify-full", "host=example.com"));
	assert_true(MAY_SHOW(verifying, "host=example.com"));
	assert_true(MAY_SHOW(nothing, "user=u"));
	assert_true(MAY_SHOW(nothing, "host=/run/postgresql"));
	assert_true(MAY_SHOW(nothing, "host=@abstract"));
	assert_true(MAY_SHOW(nothing, "host=/a,,@b,/c"));
	assert_false(MAY_SHOW(nothing, "host=example.com"));
	assert_false(MAY_SHOW(nothing, "sslmode=require", "host=example.com"));
	/* one that is refused is followed by the next */
	assert_false(MAY_SHOW(nothing, "host=/nonexistent,127.0.0.1"));
	assert_false(MAY_SHOW(nothing, "host=,127.0.0.1"));
	assert_false(MAY_SHOW(nothing, "host=/a,/b,c"));
	assert_false(MAY_SHOW(nothing, "host=/a, /b"));
	assert_false(MAY_SHOW(nothing, "host=/s", "hostaddr=127.0.0.1"));
	/* a service may name any host, and turn TLS off */
	assert_false(MAY_SHOW(nothing, "service=x"));
	assert_false(MAY_SHOW(nothing, "service=x", "host=/s"));
	assert_false(MAY_SHOW(verifying, "service=x"));
	assert_true(MAY_SHOW(nothing, "service=x", "sslmode=verify-full"));
	/* the environment's, a service that it names included */
	assert_false(MAY_SHOW(elsewhere, "host=/s"));
	assert_false(MAY_SHOW(named, "user=u"));
	assert_true(MAY_SHOW(named, "host=/s"));
}

static void test_connect_errors(void **state)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_open_options options = {.require_password = true};

	(void) state;
	assert_null(try_open("postgresql://u:topsecret@127.0.0.1:1/db", NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_CONNECT);
	assert_string_equal(error.sqlstate, "08001");
	assert_non_null(strstr(error.message, "127.0.0.1"));
	assert_non_null(strstr(error.message, ":1/"));
	assert_non_null(strstr(error.message, "Connection refused"));
	assert_null(strstr(error.message, "topsecret"));
	assert_non_null(strstr(error.hint, "running"));
	make_url(&text, "nobody_at_all", "");
	assert_null(try_open(text.data, NULL, &error));
	assert_string_equal(error.sqlstate, "28000");
	assert_non_null(strstr(error.message, "role \"nobody_at_all\" does not exist"));
	make_url(&text, "postgres", "_absent");
	assert_null(try_open(text.data, NULL, &error));
	assert_string_equal(error.sqlstate, "3D000");
	make_url(&text, "postgres", "?sslmod=require");
	assert_null(try_open(text.data, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_USAGE);
	assert_non_null(strstr(error.hint, "sslmode"));
	/* the server's own identity is not for everybody */
	make_url(&text, "postgres", "");
	assert_null(try_open(text.data, &options, &error));
	assert_string_equal(error.sqlstate, "2F003");
	make_url(&text, "postgres:unused", "");
	assert_null(try_open(text.data, &options, &error));
	assert_string_equal(error.sqlstate, "2F003");
	make_url(&text, "postgres:unused", "?passfile=/etc/passwd");
	assert_null(try_open(text.data, &options, &error));
	assert_string_equal(error.sqlstate, "42501");
	pythia_error_reset(&error);
	pythia_buffer_free(&text);
}

static void test_silent_server(void **state)
{
	(void) state;
	check_silent_server("postgresql");
}

static void test_statements(void **state)
{
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;
	int64_t affected = -1;

	(void) state;
	must(db, "CREATE TEMP TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, '')");
	assert_true(pythia_db_exec(db, "UPDATE t SET b = b || 'y'", &affected, &error));
	assert_int_equal(affected, 3);
	assert_true(pythia_db_query(db, "SELECT * FROM t ORDER BY a", "V*", &result, &error));
	assert_int_equal(result.nrows, 3);
	assert_int_equal(result.ncolumns, 2);
	assert_string_equal(pythia_result_optional(&result, 0, 1), "xy");
	assert_null(pythia_result_optional(&result, 1, 1));
	assert_string_equal(pythia_result_optional(&result, 2, 1), "y");
	pythia_result_free(&result);
	must_fail(db, "SELECT 1; DELETE FROM t", PYTHIA_E_DATABASE, "42601");
	assert_count(db, "SELECT count(*) FROM t", 3);
	must_fail(db, "SELECT absent FROM t", PYTHIA_E_DATABASE, "42703");
	must_fail(db, "SELECT 1 FROM absent", PYTHIA_E_DATABASE, "42P01");
	must_fail(db, "SELECT 1/0", PYTHIA_E_DATA, "22012");
	must_fail(db, "COPY t TO STDOUT", PYTHIA_E_INTERNAL, "08P01");
	assert_true(db->broken);
	assert_false(pythia_db_exec(db, "SELECT 1", NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_LOST);
	pythia_error_reset(&error);
	pythia_db_close(db);
}

static void test_remote_error_is_kept(void **state)
{
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	assert_false(pythia_db_exec(db,
								"DO $$ BEGIN RAISE EXCEPTION 'no such luck' USING ERRCODE = 'ZZ123', DETAIL = "
								"'The detail.', HINT = 'The hint.'; END $$",
								NULL, &error));
	assert_string_equal(error.sqlstate, "ZZ123");
	assert_string_equal(error.message, "no such luck");
	assert_string_equal(error.detail, "The detail.");
	assert_string_equal(error.hint, "The hint.");
	assert_non_null(strstr(error.context, "PL/pgSQL"));
	assert_non_null(strstr(error.context, "statement: DO"));
	pythia_error_reset(&error);
	pythia_db_close(db);
}

static void test_two_servers_at_once(void **state)
{
	(void) state;
	check_two_at_once(enter(), enter(), "SELECT pg_advisory_lock(19)", "SELECT 1 FROM pg_advisory_lock(19)",
					  "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 19 AND NOT granted",
					  "SELECT pg_advisory_unlock(19)");
}

static void test_transactions(void **state)
{
	pythia_db *db = enter();
	pythia_db *other = enter();
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	must(db, "DROP TABLE IF EXISTS public.core_tx; CREATE TABLE public.core_tx (a int)");
	assert_true(other->driver->begin(other, PYTHIA_BEGIN_SNAPSHOT, &error));
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
	must(db, "INSERT INTO public.core_tx VALUES (1)");
	assert_true(db->driver->commit(db, &error));
	assert_count(other, "SELECT count(*) FROM public.core_tx", 0);
	assert_true(other->driver->commit(other, &error));
	assert_count(other, "SELECT count(*) FROM public.core_tx", 1);
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
	must_fail(db, "SELECT 1/0", PYTHIA_E_DATA, "22012");
	assert_false(db->driver->commit(db, &error));
	assert_string_equal(error.sqlstate, "25P02");
	assert_true(db->driver->rollback(db, &error));
	must(db, "DROP TABLE public.core_tx");
	pythia_error_reset(&error);
	pythia_db_close(db);
	pythia_db_close(other);
}

static void test_load_and_stream(void **state)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT, PYTHIA_KIND_DOUBLE, PYTHIA_KIND_BYTES};
	pythia_db *db = enter();

	(void) state;
	must(db, "CREATE TEMP TABLE t (a int PRIMARY KEY, b text, c float8, d bytea)");
	check_load_and_stream(db, "COPY t (a, b, c, d) FROM STDIN", "SELECT a, b, c, d FROM t ORDER BY a", kinds);
	assert_count(db, "SELECT count(*) FROM t", 1000);
	pythia_db_close(db);
}

static void test_load_errors(void **state)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT};
	pythia_db *db = enter();
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_load load;
	load_columns columns;

	(void) state;
	must(db, "CREATE TEMP TABLE t (a int PRIMARY KEY)");
	make_load(&load, &columns, "t", 1, kinds, "COPY t (a) FROM STDIN");
	assert_true(db->driver->load_begin(db, &load, &error));
	must_put(db, "1\n2\n1\n", 3);
	assert_false(db->driver->load_end(db, NULL, &error));
	assert_string_equal(error.sqlstate, "23505");
	assert_non_null(strstr(error.context, "COPY t, line 3"));
	assert_true(db->driver->load_begin(db, &load, &error));
	must_put(db, "1\n2\nx\n", 3);
	assert_false(db->driver->load_end(db, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_DATA);
	assert_true(db->driver->load_begin(db, &load, &error));
	must_put(db, "1\n2\n", 2);
	db->driver->load_abandon(db);
	assert_count(db, "SELECT count(*) FROM t", 0);
	/* rows that do not arrive are noticed */
	must(db, "CREATE FUNCTION pg_temp.drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
			 "CREATE TRIGGER d BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION pg_temp.drop_row()");
	assert_true(db->driver->load_begin(db, &load, &error));
	must_put(db, "1\n2\n", 2);
	assert_false(db->driver->load_end(db, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_DATA);
	make_load(&load, &columns, "absent", 1, kinds, "COPY absent (a) FROM STDIN");
	assert_false(db->driver->load_begin(db, &load, &error));
	assert_string_equal(error.sqlstate, "42P01");
	make_load(&load, &columns, "t", 1, kinds, "SELECT 1");
	assert_false(db->driver->load_begin(db, &load, &error));
	assert_int_equal(error.error_class, PYTHIA_E_INTERNAL);
	assert_count(db, "SELECT 1", 1);
	pythia_error_reset(&error);
	pythia_db_close(db);
}

#define ENDLESS "SELECT s.i, repeat('x', 100) FROM (SELECT generate_series(1, 100000000) AS i) AS s"

static void test_stream_closed_midway(void **state)
{
	(void) state;
	check_stream_closed_midway(enter(), ENDLESS);
}

static void test_server_gone_midway(void **state)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	for (int way = 0; way < 2; way++)
	{
		pythia_db *db = enter();
		pythia_db *killer = enter();
		pythia_stream *stream;
		pythia_rows rows;
		char sql[100];

		assert_true(db->driver->stream_open(db, ENDLESS, 2, NULL, &stream, &error));
		assert_true(db->driver->stream_next(stream, &rows, &error));
		if (way == 0)
		{
			snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d)::int",
					 PQbackendPID(pythia_postgres_of(db)->conn));
			assert_count(killer, sql, 1);
		}
		else
			shutdown(PQsocket(pythia_postgres_of(db)->conn), SHUT_RDWR);
		read_to_error(db, stream, &error);
		assert_true(db->broken);
		assert_int_equal(error.error_class, PYTHIA_E_LOST);
		pythia_error_reset(&error);
		pythia_db_close(killer);
		pythia_db_close(db);
	}
}

static void test_cancel(void **state)
{
	pythia_db *db = enter();
	pythia_db *watcher = enter();
	char sql[200];
	int pid = PQbackendPID(pythia_postgres_of(db)->conn);

	(void) state;
	check_cancel(db, "SELECT pg_sleep(600)");
	assert_true(db->broken);
	/* the server has stopped as well */
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND state = 'active'", pid);
	wait_for_count(watcher, sql, 0);
	pythia_db_close(db);
	/* before a stream's first row, and in the middle of one */
	for (int first = 0; first < 2; first++)
	{
		db = enter();
		snprintf(sql, sizeof(sql), "SELECT i, repeat('x', 300), pg_sleep(i / %d) FROM generate_series(1, 1000) AS i",
				 first ? 1 : 600);
		assert_int_equal(check_cancel_stream(db, sql), !first);
		pythia_db_close(db);
	}
	pythia_db_close(watcher);
}

static void test_wrong_password(void **state)
{
	small_server server;
	pthread_t thread = start_small_server(&server, refusing_postgres, 0);
	pythia_error error = PYTHIA_ERROR_INIT;
	char text[200];

	(void) state;
	snprintf(text, sizeof(text), "postgresql://somebody:topsecret@127.0.0.1:%d/shop?sslmode=disable&gssencmode=disable",
			 server.port);
	assert_null(try_open(text, NULL, &error));
	pthread_join(thread, NULL);
	assert_int_equal(error.error_class, PYTHIA_E_CONNECT);
	assert_string_equal(error.sqlstate, "28P01");
	assert_non_null(strstr(error.message, "password authentication failed for user \"somebody\""));
	assert_null(strstr(error.message, "topsecret"));
	assert_non_null(strstr(error.hint, "password"));
	pythia_error_reset(&error);
}

/* Nobody hears the request to cancel; the caller is free all the same. */
static void test_cancel_unheard(void **state)
{
	small_server server;
	const char *colon = strrchr(url, ':');
	pthread_t thread = start_small_server(&server, deaf_proxy, atoi(colon + 1));
	char text[200];
	pythia_db *db;

	(void) state;
	snprintf(text, sizeof(text), "%.*s:%d%s", (int) (colon - url), url, server.port, strchr(colon, '/'));
	db = open_url(text, NULL);
	check_cancel(db, "SELECT pg_sleep(600)");
	pythia_db_close(db);
	close(server.listener);
	pthread_join(thread, NULL);
}

static void test_transient(void **state)
{
	pythia_db *a = enter();
	pythia_db *b = enter();

	(void) state;
	must(a, "DROP TABLE IF EXISTS public.core_lock; CREATE TABLE public.core_lock (a int)");
	must(a, "BEGIN; LOCK public.core_lock");
	must(b, "SET lock_timeout = '10ms'");
	must_fail(b, "SELECT 1 FROM public.core_lock", PYTHIA_E_TRANSIENT, "55P03");
	must(a, "DROP TABLE public.core_lock; COMMIT");
	pythia_db_close(a);
	pythia_db_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_pinned_whatever_the_role_says),
		cmocka_unit_test(test_may_show_password),
		cmocka_unit_test(test_connect_errors),
		cmocka_unit_test(test_silent_server),
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_remote_error_is_kept),
		cmocka_unit_test(test_two_servers_at_once),
		cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_load_and_stream),
		cmocka_unit_test(test_load_errors),
		cmocka_unit_test(test_stream_closed_midway),
		cmocka_unit_test(test_describe_many),
		cmocka_unit_test(test_logs_empty),
		cmocka_unit_test(test_server_gone_midway),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_wrong_password),
		cmocka_unit_test(test_cancel_unheard),
		cmocka_unit_test(test_transient),
	};

	url = getenv("PG_URL");
	if (!url)
	{
		puts("1..0 # SKIP PG_URL names no server");
		return 0;
	}
	return cmocka_run_group_tests_name("postgres", tests, NULL, NULL);
}
