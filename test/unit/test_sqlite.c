/* The SQLite driver, against real files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "core/memory.h"
#include "core/number.h"
#include "driver_tests.h"
#include "drivers/driver.h"
#include "folder.h"

static void file_url(char *url, size_t size, const char *name)
{
	snprintf(url, size, "sqlite:///%s/%s", group_folder(), name);
}

static pythia_db *open_file(const char *name, const pythia_open_options *options)
{
	char url[200];

	file_url(url, sizeof(url), name);
	return open_url(url, options);
}

static const pythia_open_options create = {.create = true};

static void test_missing_file(void **state)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	char url[200];

	(void) state;
	file_url(url, sizeof(url), "absent.db");
	assert_null(try_open(url, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_CONNECT);
	assert_non_null(strstr(error.message, "absent.db"));
	assert_non_null(strstr(error.message, "No such file"));
	assert_non_null(error.hint);
	pythia_error_reset(&error);
	snprintf(url, sizeof(url), "sqlite:///%s", group_folder());
	assert_null(try_open(url, &create, &error));
	assert_int_equal(error.error_class, PYTHIA_E_CONNECT);
	pythia_error_reset(&error);
}

static bool is_there(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", group_folder(), name);
	return access(path, F_OK) == 0;
}

/* A file that was made for nothing goes when it is closed, and nobody writes into one that has gone. */
static void test_made_for_nothing(void **state)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_db *one;
	pythia_db *other;

	(void) state;
	one = open_file("nothing.db", &create);
	assert_true(is_there("nothing.db"));
	pythia_db_close(one);
	assert_false(is_there("nothing.db"));
	/* with what was dropped again */
	one = open_file("nothing.db", &create);
	must(one, "CREATE TABLE t (id integer)");
	must(one, "DROP TABLE t");
	pythia_db_close(one);
	assert_false(is_there("nothing.db"));
	one = open_file("something.db", &create);
	must(one, "CREATE TABLE t (id integer)");
	pythia_db_close(one);
	assert_true(is_there("something.db"));
	/* whoever did not make it leaves it */
	one = open_file("something.db", &create);
	must(one, "DROP TABLE t");
	pythia_db_close(one);
	assert_true(is_there("something.db"));
	/* another one is at it: before it writes it finds out, while it writes the file stays */
	one = open_file("nothing.db", &create);
	other = open_file("nothing.db", &create);
	pythia_db_close(one);
	assert_false(is_there("nothing.db"));
	assert_false(pythia_db_exec(other, "CREATE TABLE t (id integer)", NULL, &error));
	assert_string_equal(error.sqlstate, "08006");
	assert_non_null(strstr(error.message, "taken away"));
	pythia_error_reset(&error);
	pythia_db_close(other);
	one = open_file("nothing.db", &create);
	other = open_file("nothing.db", &create);
	must(other, "BEGIN IMMEDIATE");
	must(other, "CREATE TABLE t (id integer)");
	pythia_db_close(one);
	must(other, "COMMIT");
	pythia_db_close(other);
	assert_true(is_there("nothing.db"));
}

static void test_not_a_database(void **state)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	char path[200];
	char url[200];
	FILE *file;

	(void) state;
	snprintf(path, sizeof(path), "%s/text.db", group_folder());
	file = fopen(path, "w");
	assert_non_null(file);
	for (int i = 0; i < 100; i++)
		fputs("this is a text file and not a database\n", file);
	fclose(file);
	file_url(url, sizeof(url), "text.db");
	assert_null(try_open(url, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_CONNECT);
	assert_string_equal(error.sqlstate, "XX001");
	pythia_error_reset(&error);
}

static void test_parameters(void **state)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	assert_null(try_open("sqlite:///:memory:?mod=ro", NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_USAGE);
	assert_non_null(strstr(error.message, "\"mod\""));
	assert_null(try_open("sqlite:///:memory:?mode=write", NULL, &error));
	assert_non_null(strstr(error.message, "\"write\""));
	assert_null(try_open("sqlite:///:memory:?timeout=soon", NULL, &error));
	assert_non_null(strstr(error.message, "\"soon\""));
	pythia_error_reset(&error);
}

static void test_statements(void **state)
{
	pythia_db *db = open_file("statements.db", &create);
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;
	int64_t affected = -1;

	(void) state;
	assert_int_equal(db->engine, PYTHIA_SQLITE);
	assert_true(db->version >= 30000);
	assert_non_null(strstr(db->version_text, "SQLite 3."));
	assert_string_equal(db->default_schema, "main");
	must(db, "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, NULL)");
	must_fail(db, "SELECT 1; DELETE FROM t", PYTHIA_E_DATABASE, "42601");
	must_fail(db, "SELECT 1; -- and nothing else", PYTHIA_E_DATABASE, "42601");
	must_fail(db, " ", PYTHIA_E_DATABASE, "42601");
	assert_true(pythia_db_exec(db, "UPDATE t SET b = 'y'", &affected, &error));
	assert_int_equal(affected, 2);
	assert_true(pythia_db_exec(db, "CREATE INDEX i ON t (b)", &affected, &error));
	assert_int_equal(affected, 0);
	assert_true(pythia_db_query(db, "SELECT a, b, 0.1 + 0.2, NULL, x'00ff' FROM t ORDER BY a", "V*", &result, &error));
	assert_int_equal(result.nrows, 2);
	assert_int_equal(result.ncolumns, 5);
	assert_string_equal(pythia_result_optional(&result, 1, 0), "2");
	assert_string_equal(pythia_result_optional(&result, 0, 2), "0.30000000000000004");
	assert_null(pythia_result_optional(&result, 0, 3));
	assert_int_equal(result.lengths[4], 2);
	assert_memory_equal(pythia_result_optional(&result, 0, 4), "\x00\xff", 2);
	pythia_result_free(&result);
	must_fail(db, "SELECT absent FROM t", PYTHIA_E_DATABASE, "42703");
	must_fail(db, "SELECT \"absent\" FROM t", PYTHIA_E_DATABASE, "42703");
	must_fail(db, "SELECT 1 FROM nowhere", PYTHIA_E_DATABASE, "42P01");
	must_fail(db, "SELEC 1", PYTHIA_E_DATABASE, "42601");
	must_fail(db, "INSERT INTO t VALUES (1, 'again')", PYTHIA_E_DATABASE, "23505");
	must_fail(db, "CREATE TABLE t (a)", PYTHIA_E_DATABASE, "42P07");
	pythia_db_close(db);
}

static void test_read_only(void **state)
{
	pythia_open_options options = {.read_only = true};
	pythia_db *db;

	(void) state;
	db = open_file("readonly.db", &create);
	must(db, "CREATE TABLE t (a)");
	pythia_db_close(db);
	db = open_file("readonly.db", &options);
	assert_true(db->read_only);
	must_fail(db, "INSERT INTO t VALUES (1)", PYTHIA_E_DATABASE, "25006");
	pythia_db_close(db);
}

static void test_transactions(void **state)
{
	pythia_db *db = open_file("transactions.db", &create);
	pythia_db *other;
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	must(db, "PRAGMA journal_mode = wal; CREATE TABLE t (a)");
	other = open_url_in(group_folder(), "transactions.db?timeout=0");
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_IMMEDIATE, &error));
	must(db, "INSERT INTO t VALUES (1)");
	assert_false(other->driver->begin(other, PYTHIA_BEGIN_IMMEDIATE, &error));
	assert_int_equal(error.error_class, PYTHIA_E_TRANSIENT);
	assert_string_equal(error.sqlstate, "55P03");
	pythia_error_reset(&error);
	assert_true(db->driver->rollback(db, &error));
	assert_true(other->driver->begin(other, PYTHIA_BEGIN_SNAPSHOT, &error));
	must(db, "INSERT INTO t VALUES (2)");
	assert_count(other, "SELECT count(*) FROM t", 0);
	assert_true(other->driver->commit(other, &error));
	assert_count(other, "SELECT count(*) FROM t", 1);
	pythia_db_close(other);
	pythia_db_close(db);
}

static void test_load_and_stream(void **state)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT, PYTHIA_KIND_DOUBLE, PYTHIA_KIND_BYTES};
	pythia_db *db = open_file("load.db", &create);

	(void) state;
	must(db, "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c REAL, d BLOB)");
	check_load_and_stream(db, "INSERT INTO t (a, b, c, d) VALUES (?1, ?2, ?3, ?4)",
						  "SELECT a, b, c, d FROM t ORDER BY a", kinds);
	assert_count(db, "SELECT count(*) FROM t WHERE typeof(a) = 'integer' AND typeof(d) IN ('blob', 'null')", 1000);
	pythia_db_close(db);
}

static void test_load_kinds(void **state)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_UINT, PYTHIA_KIND_BIT, PYTHIA_KIND_DOUBLE, PYTHIA_KIND_BOOL};
	pythia_db *db = open_file("kinds.db", &create);
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_load load;
	load_columns columns;

	(void) state;
	must(db, "CREATE TABLE t (a, b, c, d)");
	make_load(&load, &columns, "t", 4, kinds, "INSERT INTO t VALUES (?1, ?2, ?3, ?4)");
	assert_true(db->driver->load_begin(db, &load, &error));
	must_put(db, "18446744073709551615\t101\tInfinity\t1\n9223372036854775807\t\\N\t1e308\t0\n", 2);
	assert_true(db->driver->load_end(db, NULL, &error));
	assert_count(db,
				 "SELECT count(*) FROM t WHERE typeof(a) = 'text' AND a = '18446744073709551615' AND b = 5 AND "
				 "c = 9e999 AND d = 1",
				 1);
	assert_count(db, "SELECT count(*) FROM t WHERE typeof(a) = 'integer' AND b IS NULL AND c = 1e308", 1);
	/* SQLite would store NULL for it */
	assert_true(db->driver->load_begin(db, &load, &error));
	assert_false(try_put(db, "1\t\\N\tNaN\t1\n", 1, &error));
	assert_int_equal(error.error_class, PYTHIA_E_DATA);
	pythia_error_reset(&error);
	db->driver->load_abandon(db);
	assert_count(db, "SELECT count(*) FROM t", 2);
	/* a row that is not stored is noticed */
	must(db, "CREATE TABLE u (a UNIQUE)");
	make_load(&load, &columns, "u", 1, kinds, "INSERT OR IGNORE INTO u VALUES (?1)");
	assert_true(db->driver->load_begin(db, &load, &error));
	must_put(db, "1\n1\n2\n", 3);
	assert_false(db->driver->load_end(db, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_DATA);
	pythia_error_reset(&error);
	assert_count(db, "SELECT count(*) FROM u", 0);
	pythia_db_close(db);
}

static void test_cancel(void **state)
{
	pythia_db *db = open_file("cancel.db", &create);

	(void) state;
	check_cancel(db, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c");
	assert_count(db, "SELECT 1", 1);
	pythia_db_close(db);
}

static void test_cancel_while_locked(void **state)
{
	pythia_db *holder = open_file("locked.db", &create);
	pythia_db *db = open_file("locked.db", &create);
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	assert_true(holder->driver->begin(holder, PYTHIA_BEGIN_IMMEDIATE, &error));
	check_cancel(db, "BEGIN IMMEDIATE");
	assert_true(holder->driver->commit(holder, &error));
	must(db, "BEGIN IMMEDIATE; COMMIT");
	pythia_db_close(db);
	pythia_db_close(holder);
}

static bool stop_in_the_end(void *context)
{
	return ++*(int *) context > 10;
}

/* A value of another's file may be as large as he likes: the wish to stop is seen between two. */
static void test_cancel_between_values(void **state)
{
	pythia_db *db = open_file("values.db", &create);
	int asked = 0;
	pythia_host host = *pythia_default_host();
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_stream *stream;
	pythia_rows chunk;

	(void) state;
	host.context = &asked;
	host.cancelled = stop_in_the_end;
	db->host = &host;
	pythia_buffer_puts(&sql, "SELECT zeroblob(1100000)");
	for (int i = 1; i < 40; i++)
		pythia_buffer_puts(&sql, ", zeroblob(1100000)");
	assert_true(db->driver->stream_open(db, sql.data, 40, NULL, &stream, &error));
	assert_false(db->driver->stream_next(stream, &chunk, &error));
	assert_int_equal(error.error_class, PYTHIA_E_CANCELLED);
	pythia_error_reset(&error);
	db->driver->stream_close(stream);
	pythia_buffer_free(&sql);
	db->host = pythia_default_host();
	pythia_db_close(db);
}

static bool count_looks(void *context)
{
	++*(int *) context;
	return false;
}

static bool stop_later(void *context)
{
	return ++*(int *) context > 20;
}

/* Nor only between two: a document is one. */
static void test_cancel_within_a_document(void **state)
{
	static const char *const sql =
		"WITH RECURSIVE n(d) AS (SELECT zeroblob(100000)) SELECT pythia_canonical('j', '[' || "
		"replace(hex(d), '0', '0,') || '0]'), pythia_encode('#j', '[' || replace(hex(d), '0', '0,') || '0]') FROM n";
	int asked = 0;
	pythia_host host = *pythia_default_host();
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result = {0};
	pythia_url url;
	pythia_db *db;
	char text[200];

	(void) state;
	file_url(text, sizeof(text), "document.db");
	host.context = &asked;
	host.cancelled = count_looks;
	assert_true(pythia_url_parse(text, &url, &error));
	assert_true(pythia_db_open(&url, &host, &create, &db, &error));
	asked = 0;
	assert_true(pythia_db_query(db, sql, "tt", &result, &error));
	pythia_result_free(&result);
	assert_true(asked > 60);
	host.cancelled = stop_later;
	asked = 0;
	assert_false(pythia_db_query(db, sql, "tt", &result, &error));
	assert_int_equal(error.error_class, PYTHIA_E_CANCELLED);
	assert_true(asked < 40);
	pythia_error_reset(&error);
	pythia_result_free(&result);
	pythia_url_free(&url);
	pythia_db_close(db);
}

/* Functions that a view of somebody's file may call as well: what they make grows no further than a text may. */
static void test_functions_of_views(void **state)
{
	sqlite3 *handle;
	pythia_db *db;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result = {0};

	(void) state;
	assert_int_equal(sqlite3_open(":memory:", &handle), SQLITE_OK);
	assert_true(pythia_sqlite_wrap(handle, NULL, &db, &error));
	assert_count(db, "SELECT length(pythia_canonical('n20000000', 1)) < 20000", 1);
	assert_count(db, "SELECT length(pythia_encode('#n20000000#n20000000', 1, 1)) < 40000", 1);
	assert_count(db, "SELECT length(pythia_encode('.n-9223372036854775808', 1))", 1);
	sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, 50000);
	assert_false(
		pythia_db_query(db, "SELECT pythia_encode('.n16000.n16000.n16000.n16000', 1, 1, 1, 1)", "t", &result, &error));
	assert_non_null(strstr(error.message, "too big"));
	pythia_error_reset(&error);
	pythia_db_close(db);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void test_wrap(void **state)
{
	sqlite3 *handle;
	pythia_db *db;
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	assert_int_equal(sqlite3_open(":memory:", &handle), SQLITE_OK);
	assert_true(pythia_sqlite_wrap(handle, NULL, &db, &error));
	assert_true(db->local);
	must(db, "CREATE TABLE t (a)");
	/* its owner's transaction is around ours */
	assert_int_equal(sqlite3_exec(handle, "BEGIN; INSERT INTO t VALUES (1)", NULL, NULL, NULL), SQLITE_OK);
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
	must(db, "INSERT INTO t VALUES (2)");
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_WRITE, &error));
	must(db, "INSERT INTO t VALUES (3)");
	assert_true(db->driver->commit(db, &error));
	assert_true(db->driver->rollback(db, &error));
	assert_count(db, "SELECT sum(a) FROM t", 1);
	assert_true(db->driver->begin(db, PYTHIA_BEGIN_IMMEDIATE, &error));
	must(db, "INSERT INTO t VALUES (4)");
	assert_true(db->driver->commit(db, &error));
	assert_int_equal(sqlite3_get_autocommit(handle), 0);
	assert_int_equal(sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_count(db, "SELECT sum(a) FROM t", 5);
	pythia_db_close(db);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void test_one_thing_at_a_time(void **state)
{
	pythia_db *db = open_file("busy.db", &create);
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_stream *stream;
	pythia_rows rows;

	(void) state;
	must(db, "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
	assert_true(db->driver->stream_open(db, "SELECT a FROM t", 1, NULL, &stream, &error));
	assert_false(pythia_db_exec(db, "DELETE FROM t", NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_INTERNAL);
	pythia_error_reset(&error);
	assert_true(db->driver->stream_next(stream, &rows, &error));
	assert_int_equal(rows.count, 1);
	assert_true(db->driver->stream_next(stream, &rows, &error));
	assert_int_equal(rows.count, 0);
	db->driver->stream_close(stream);
	db->driver->stream_close(NULL);
	must(db, "DELETE FROM t");
	assert_false(db->driver->stream_open(db, "SELECT a FROM t", 2, NULL, &stream, &error));
	pythia_error_reset(&error);
	pythia_db_close(db);
}

static void test_damaged_file_is_an_error(void **state)
{
	pythia_db *db = open_file("damaged.db", &create);
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_stream *stream;
	pythia_rows rows;
	char path[200];
	bool ok = true;
	FILE *file;

	(void) state;
	must(db, "PRAGMA journal_mode = delete; CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)");
	must(db, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000) "
			 "INSERT INTO t SELECT x, printf('%0100d', x) FROM c");
	pythia_db_close(db);
	snprintf(path, sizeof(path), "%s/damaged.db", group_folder());
	file = fopen(path, "r+");
	assert_non_null(file);
	fseek(file, 1024 * 1024, SEEK_SET);
	for (int i = 0; i < 64 * 1024; i++)
		fputc(0xff, file);
	fclose(file);
	db = open_file("damaged.db", NULL);
	assert_true(db->driver->stream_open(db, "SELECT a, b FROM t", 2, NULL, &stream, &error));
	while ((ok = db->driver->stream_next(stream, &rows, &error)) && rows.count > 0)
		;
	assert_false(ok);
	assert_string_equal(error.sqlstate, "XX001");
	pythia_error_reset(&error);
	db->driver->stream_close(stream);
	pythia_db_close(db);
}

/* --- what a statement may not do ------------------------------------------------ */

/* Each would make, read or run a file; %s is one that is not there. */
static const char *const attacks[] = {
	"ATTACH '%s' AS v",
	"/* a */ -- b\n attach database '%s' as v",
	"CREATE TABLE a (x); ATTACH '%s' AS v",
	"CREATE TABLE b (x TEXT DEFAULT ''); ATTACH '%s' AS v; CREATE TABLE v.t (x); --')",
	"SELECT 1; VACUUM INTO '%s'",
	"VACUUM INTO '%s'",
	"VACUUM main INTO '%s'",
	"DETACH main",
	"SELECT load_extension('%s')",
	"SELECT writefile('%s', 'x')",
	"SELECT readfile('%s')",
	"SELECT edit('%s')",
	"SELECT fts3_tokenizer('simple', x'0000000000000000')",
	"CREATE VIRTUAL TABLE c USING csv(filename = '%s')",
	"CREATE VIRTUAL TABLE d USING fts5(a)",
	"CREATE VIRTUAL TABLE temp.e USING zipfile('%s')",
	"CREATE TABLE f (x DEFAULT (load_extension('%s')))",
	"CREATE TABLE g (x, CHECK (writefile('%s', x)))",
	"PRAGMA temp_store_directory = '%s'",
	"PRAGMA data_store_directory = '%s'",
	"PRAGMA writable_schema = ON",
	"PRAGMA journal_mode = OFF",
	"PRAGMA journal_mode = MEMORY",
	"PRAGMA trusted_schema = ON",
	"PRAGMA schema_version = 7",
	"PRAGMA mmap_size = 1000000",
	"PRAGMA temp.auto_vacuum = 1",
	"PRAGMA no_such_pragma = '%s'",
	"UPDATE sqlite_master SET sql = '%s'",
	"EXPLAIN ATTACH '%s' AS v",
};

static void check_attacks(pythia_db *db, const char *target)
{
	char sql[600];

	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
	{
		pythia_error error = PYTHIA_ERROR_INIT;
		pythia_result result = {0};
		pythia_stream *stream = NULL;

		snprintf(sql, sizeof(sql), attacks[i], target);
		/* the two that fail when a row comes are made, and harm nobody */
		if (pythia_db_exec(db, sql, NULL, &error) && strncmp(sql, "CREATE TABLE ", 13) != 0)
			fail_msg("done: %s", sql);
		pythia_error_reset(&error);
		if (pythia_db_query(db, sql, "V*", &result, &error) && strncmp(sql, "CREATE TABLE ", 13) != 0)
			fail_msg("asked: %s", sql);
		pythia_result_free(&result);
		pythia_error_reset(&error);
		assert_false(db->driver->stream_open(db, sql, 1, NULL, &stream, &error) &&
					 db->driver->stream_next(stream, &(pythia_rows){0}, &error));
		db->driver->stream_close(stream);
		pythia_error_reset(&error);
		assert_int_not_equal(access(target, F_OK), 0);
	}
	assert_count(db, "SELECT count(*) FROM sqlite_master WHERE name NOT IN ('f', 'g')", 0);
	if (pythia_db_exec(db, "INSERT INTO f DEFAULT VALUES", NULL, NULL) ||
		pythia_db_exec(db, "INSERT INTO g VALUES (1)", NULL, NULL))
		fail_msg("a default or a check has reached out");
	assert_int_not_equal(access(target, F_OK), 0);
}

static void test_attacks(void **state)
{
	char target[FOLDER_SIZE + 20];
	pythia_db *file = open_file("attacked.db", &create);
	pythia_db *memory = open_url("sqlite://", NULL);

	(void) state;
	snprintf(target, sizeof(target), "%s/made.db", group_folder());
	check_attacks(file, target);
	check_attacks(memory, target);
	must_fail(memory, "ATTACH ':memory:' AS v", PYTHIA_E_DATABASE, "42501");
	pythia_db_close(file);
	pythia_db_close(memory);
}

static int asked;

static int count_questions(void *context, int action, const char *a, const char *b, const char *c, const char *d)
{
	(void) context;
	(void) a;
	(void) b;
	(void) c;
	(void) d;
	asked++;
	return action == SQLITE_DELETE ? SQLITE_DENY : SQLITE_OK;
}

/* Somebody else's connection stays as he has made it, and our statements reach no further than it. */
static void test_wrap_is_no_way_out(void **state)
{
	sqlite3 *handle;
	pythia_db *db;
	pythia_error error = PYTHIA_ERROR_INIT;
	char target[FOLDER_SIZE + 20];
	char sql[FOLDER_SIZE + 60];
	int on = -1;

	(void) state;
	snprintf(target, sizeof(target), "%s/made.db", group_folder());
	assert_int_equal(sqlite3_open(":memory:", &handle), SQLITE_OK);
	sqlite3_set_authorizer(handle, count_questions, NULL);
	sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 3);
	assert_true(pythia_sqlite_wrap(handle, NULL, &db, &error));
	must(db, "CREATE TABLE t (a)");
	for (int i = 0; i < 6; i++)
	{
		snprintf(sql, sizeof(sql), attacks[i], target);
		assert_false(pythia_db_exec(db, sql, NULL, NULL));
	}
	must_fail(db, "VACUUM INTO 'x'", PYTHIA_E_DATABASE, "42501");
	must_fail(db, "CREATE VIRTUAL TABLE v USING fts5(a)", PYTHIA_E_DATABASE, "42501");
	assert_int_not_equal(access(target, F_OK), 0);
	/* his authorizer is asked of ours, too */
	asked = 0;
	must_fail(db, "DELETE FROM t", PYTHIA_E_DATABASE, "42501");
	assert_true(asked > 0);
	pythia_db_close(db);
	asked = 0;
	assert_int_equal(sqlite3_exec(handle, "DELETE FROM t", NULL, NULL, NULL), SQLITE_AUTH);
	assert_true(asked > 0);
	assert_int_equal(sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, -1), 3);
	sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, -1, &on);
	assert_int_equal(on, 0);
	snprintf(sql, sizeof(sql), "ATTACH '%s' AS v", target);
	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
	unlink(target);
}

/* What is a URI to SQLite is a file's name to us: no parameters of its own, no database in memory. */
static void test_no_uri(void **state)
{
	char here[1000];
	pythia_db *db;

	(void) state;
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(group_folder()), 0);
	db = open_url("sqlite:///file%3Auri.db%3Fmode=memory", &create);
	must(db, "CREATE TABLE t (a)");
	pythia_db_close(db);
	assert_int_equal(access("file:uri.db?mode=memory", F_OK), 0);
	assert_int_equal(chdir(here), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_made_for_nothing),
		cmocka_unit_test(test_not_a_database),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_load_and_stream),
		cmocka_unit_test(test_load_kinds),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_while_locked),
		cmocka_unit_test(test_cancel_between_values),
		cmocka_unit_test(test_cancel_within_a_document),
		cmocka_unit_test(test_functions_of_views),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_one_thing_at_a_time),
		cmocka_unit_test(test_damaged_file_is_an_error),
		cmocka_unit_test(test_attacks),
		cmocka_unit_test(test_wrap_is_no_way_out),
		cmocka_unit_test(test_no_uri),
	};

	return cmocka_run_group_tests_name("sqlite", tests, make_folder, remove_folder);
}
