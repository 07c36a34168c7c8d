/*
 * Watermarks that must not be believed, or not be waited for: stamps in the future, runs about other rows
 * or columns, integers while transactions come and go.
 */
#include "sync_tests.h"

static pythia_db *source;
static pythia_db *target;
static int from;

static char *run(const char *json, const char *mark, int64_t read)
{
	pythia_sync_result result;
	char *next;

	must_sync(source, target, "marks", json, mark, &result);
	if (read >= 0 && result.source_count != read)
		fail_msg("%s %s after %s: %lld rows were read and not %lld; next %s", engine_names[from], json,
				 mark != NULL ? mark : "nothing", (long long) result.source_count, (long long) read, result.watermark);
	next = pythia_strdup(result.watermark);
	pythia_sync_result_free(&result);
	return next;
}

static const char *shifted(const char *unit)
{
	static char text[100];

	snprintf(text, sizeof(text), from == PG ? "now() %s" : from == MY ? "NOW(6) %s" : "datetime('now', '%s')", unit);
	return text;
}

static void begin(int engine, const char *type)
{
	char sql[200];

	from = engine;
	source = open_engine(engine, 0);
	target = open_engine(LITE, 1);
	drop(source, "marks");
	drop(target, "marks");
	snprintf(sql, sizeof(sql),
			 "CREATE TABLE marks (id integer PRIMARY KEY, v varchar(20), w varchar(20), updated_at %s)", type);
	must(source, sql);
}

static void end(void)
{
	drop(source, "marks");
	close_both(source, target);
}

static void put(int id, const char *stamp)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "INSERT INTO marks VALUES (%d, 'v', 'w', %s)", id, stamp);
	must(source, sql);
}

static void in_future(int engine, const char *type)
{
	char *mark;
	char *next;

	print_message("a stamp in the future: %s %s\n", engine_names[engine], type);
	begin(engine, type);
	put(1, shifted(engine == LITE ? "-1 days" : "- interval '1' day"));
	/* within what some zone could have, and far beyond */
	put(2, shifted(engine == LITE ? "+10 hours" : "+ interval '10' hour"));
	put(3, shifted(engine == LITE ? "+3000 days" : "+ interval '3000' day"));
	mark = run("{}", NULL, 3);
	put(4, shifted(engine == LITE ? "+0 days" : "+ interval '0' day"));
	/* the two ahead come again each time, the old one does not */
	next = run("{}", mark, 3);
	assert_string_equal(value_of(target, "SELECT count(*) FROM marks"), "4");
	pythia_free(mark);
	pythia_free(next);
	/* one that was stored ahead, by whoever */
	next = run("{}", "2099-01-01 00:00:00.000000", 4);
	assert_true(strncmp(next, "2099", 4) < 0);
	pythia_free(next);
	end();
}

static void test_future(void **state)
{
	(void) state;
	in_future(PG, "timestamptz");
	in_future(PG, "timestamp");
	in_future(MY, "datetime(6)");
	in_future(LITE, "DATETIME");
}

/* A watermark tells of the rows and columns that its run was about, and of no others. */
static void test_scope(void **state)
{
	(void) state;
	for (int engine = 0; engine < ENGINES; engine++)
	{
		char *mark;
		char *next;

		begin(engine, engine == PG ? "timestamptz" : engine == MY ? "datetime(6)" : "DATETIME");
		for (int id = 1; id <= 4; id++)
			put(id, shifted(engine == LITE ? "-1 days" : "- interval '1' day"));
		/* one ahead comes each time, however long a run takes */
		put(5, shifted(engine == LITE ? "+1 hours" : "+ interval '1' hour"));
		mark = run("{\"where\": \"id > 2\"}", NULL, 3);
		next = run("{\"where\": \"id > 2\"}", mark, 1);
		pythia_free(next);
		/* the older rows come, once */
		next = run("{}", mark, 5);
		assert_string_equal(value_of(target, "SELECT count(*) FROM marks"), "5");
		pythia_free(mark);
		mark = run("{}", next, 1);
		pythia_free(next);
		/* fewer columns, then all again */
		next = run("{\"exclude_columns\": [\"w\"]}", mark, 5);
		must(target, "UPDATE marks SET w = NULL");
		pythia_free(mark);
		mark = run("{}", next, 5);
		assert_string_equal(value_of(target, "SELECT count(*) FROM marks WHERE w = 'w'"), "5");
		pythia_free(next);
		/* a new column has a value in old rows, too */
		must(source, "ALTER TABLE marks ADD COLUMN fresh varchar(20) DEFAULT 'new'");
		next = run("{}", mark, 5);
		assert_string_equal(value_of(target, "SELECT count(*) FROM marks WHERE fresh = 'new'"), "5");
		pythia_free(mark);
		mark = run("{}", next, 1);
		pythia_free(next);
		pythia_free(mark);
		end();
	}
}

static int told;

static void count_told(void *context, pythia_log_level level, const char *message)
{
	(void) context;
	(void) level;
	told += strstr(message, "\"updated_at\" is NULL") != NULL;
}

/* Rows without a stamp are not passed over in silence. */
static void test_unstamped(void **state)
{
	(void) state;
	for (int engine = 0; engine < ENGINES; engine++)
	{
		const pythia_host *before;
		pythia_host host;
		char *mark;
		char *next;

		begin(engine, engine == PG ? "timestamptz" : engine == MY ? "datetime(6)" : "DATETIME");
		before = source->host;
		host = *before;
		host.log = count_told;
		source->host = &host;
		told = 0;
		put(1, "NULL");
		mark = run("{}", NULL, 1);
		assert_int_equal(told, 0);
		put(2, shifted(engine == LITE ? "+0 days" : "- interval '0' day"));
		put(3, "NULL");
		pythia_free(mark);
		mark = run("{}", "2020-01-01 00:00:00.000000", 1);
		assert_int_equal(told, 1);
		must(source, "DELETE FROM marks WHERE updated_at IS NULL");
		next = run("{}", mark, -1);
		assert_int_equal(told, 1);
		pythia_free(mark);
		pythia_free(next);
		source->host = before;
		end();
	}
}

static void *first_checkpoint;

static bool stop_at_first(void *context, const char *checkpoint, pythia_error *error)
{
	(void) context;
	if (first_checkpoint != NULL)
		return true;
	first_checkpoint = pythia_strdup(checkpoint);
	return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "stopped by the test");
}

/* A mark is of two databases: another one may hold other rows, also where a connection's name leads to it. */
static void test_place(void **state)
{
	(void) state;
	for (int engine = 0; engine < ENGINES; engine++)
	{
		char url[200];
		char *mark;
		char *next;

		begin(engine, engine == PG ? "timestamptz" : engine == MY ? "datetime(6)" : "DATETIME");
		put(1, shifted(engine == LITE ? "-1 days" : "- interval '1' day"));
		/* one ahead comes each time, however long a run takes */
		put(2, shifted(engine == LITE ? "+1 hours" : "+ interval '1' hour"));
		mark = run("{}", NULL, 2);
		pythia_db_close(target);
		snprintf(url, sizeof(url), "sqlite:///%s/elsewhere%d.sqlite", scratch, engine);
		target = open_text(url);
		must(target, "CREATE TABLE marks (id integer PRIMARY KEY, v varchar(20), w varchar(20), updated_at datetime)");
		must(target, "INSERT INTO marks VALUES (2, 'v', 'w', NULL)");
		next = run("{}", mark, 2);
		assert_string_equal(value_of(target, "SELECT count(*) FROM marks"), "2");
		pythia_free(run("{}", next, 1));
		pythia_free(mark);
		pythia_free(next);
		end();
	}
}

static void begins_anew(const char *first, const char *then)
{
	pythia_sync_callbacks callbacks = {.checkpoint = stop_at_first};
	pythia_sync_job job = {.callbacks = &callbacks};
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;

	begin(PG, "timestamptz");
	must(source, "INSERT INTO marks SELECT i, 'v', 'w', now() FROM generate_series(1, 150000) i");
	job.source = source;
	job.target = target;
	assert_false(try_sync_with(&job, "marks", first, &result, &error));
	assert_non_null(first_checkpoint);
	pythia_error_reset(&error);
	job.checkpoint = first_checkpoint;
	assert_true(try_sync_with(&job, "marks", then, &result, &error));
	assert_int_equal(result.source_count, 150000);
	assert_string_equal(value_of(target, "SELECT count(*) FROM marks"), "150000");
	pythia_sync_result_free(&result);
	pythia_free(first_checkpoint);
	first_checkpoint = NULL;
	end();
}

/* An interrupted run goes on only where it is about the same rows: what an incremental one has left out a full one wants. */
static void test_scope_of_checkpoint(void **state)
{
	(void) state;
	begins_anew("{\"where\": \"id % 2 = 0\"}", "{}");
	begins_anew("{\"mode\": \"incremental\"}", "{\"mode\": \"full\"}");
	begins_anew("{\"mode\": \"full\"}", "{\"mode\": \"incremental\"}");
}

/* The mark follows while transactions are open, as long as none of them is open for ever. */
static void follow(int engine)
{
	pythia_db *a;
	pythia_db *b;
	char *mark;
	char *next;
	const char *json = engine == MY ? "{\"lookback\": 0}" : "{}";

	print_message("integers: %s\n", engine_names[engine]);
	begin(engine, "bigint");
	a = open_engine(engine, 0);
	b = open_engine(engine, 0);
	put(1, "1");
	put(2, "2");
	must(a, "BEGIN");
	must(a, "INSERT INTO marks VALUES (3, 'a', 'w', 3)");
	put(4, "4");
	mark = run(json, NULL, 3);
	/* another one is open by now; the first one's row comes, and 4 may be believed */
	usleep(1100000); /* trx_started has whole seconds */
	must(b, "BEGIN");
	must(b, "INSERT INTO marks VALUES (5, 'b', 'w', 5)");
	must(a, "COMMIT");
	put(6, "6");
	/* MariaDB's open transactions are those of the whole server, other tests' too */
	next = run(json, mark, engine == PG ? 5 : -1);
	assert_string_equal(value_of(target, "SELECT count(*) FROM marks"), "5");
	pythia_free(mark);
	put(7, "7");
	mark = run(json, next, engine == PG ? 3 : -1); /* 4, 6, 7: not from the beginning again */
	pythia_free(next);
	must(b, "COMMIT");
	/* at rest it comes to the end: in a moment in which no other test has a transaction open there */
	for (int tries = 0; strncmp(mark, "7 #", 3) != 0; tries++)
	{
		if (tries == 500)
			fail_msg("the mark stays at %s", mark);
		usleep(300000);
		next = run(json, mark, -1);
		pythia_free(mark);
		mark = next;
	}
	assert_string_equal(value_of(target, "SELECT count(*) FROM marks"), "7");
	pythia_free(run(json, mark, 1));
	pythia_free(mark);
	pythia_db_close(a);
	pythia_db_close(b);
	end();
}

static void test_integers(void **state)
{
	(void) state;
	follow(PG);
	follow(MY);
}

/* Of stamps that say their offsets the instant counts, not the text: a new one is found behind one that reads later. */
static void test_offsets(void **state)
{
	static const char *const types[] = {"DATETIME", "TEXT", "TIMESTAMPTZ"};
	static const char stamp[] = "strftime('%%Y-%%m-%%d %%H:%%M:%%S%s:00', 'now', '%s hours', '%s')";
	char east[100];

	(void) state;
	snprintf(east, sizeof(east), stamp, "+05", "+5", "-2 hours");
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		/* instants have a boundary of their own, which is the clock's */
		const char *age = i == 2 ? "-0 minutes" : "-60 minutes";
		char west[100];
		char zulu[100];
		char *mark;
		char *next;

		print_message("%s\n", types[i]);
		snprintf(west, sizeof(west), stamp, "-05", "-5", age);
		snprintf(zulu, sizeof(zulu), "strftime('%%Y-%%m-%%d %%H:%%M:%%SZ', 'now', '%s')", age);
		begin(LITE, types[i]);
		/* it reads as if it were in the future, and is two hours old */
		put(1, east);
		mark = run("{}", NULL, 1);
		put(2, zulu);
		next = run("{}", mark, i == 2 ? 1 : 2);
		pythia_free(mark);
		put(3, west);
		mark = run("{}", next, -1);
		assert_string_equal(value_of(target, "SELECT count(*) FROM marks"), "3");
		pythia_free(next);
		/* a day alone may be given until it ends */
		put(4, "date('now')");
		next = run("{}", mark, -1);
		assert_string_equal(value_of(target, "SELECT count(*) FROM marks"), "4");
		pythia_free(mark);
		pythia_free(next);
		end();
	}
}

/* Whoever writes a file may have stamped long ago: nothing is taken as seen until he has ended. */
static void test_writer_of_a_file(void **state)
{
	static const char *const types[] = {"DATETIME", "TIMESTAMPTZ", "INTEGER"};
	static const char *const old[] = {"datetime('now', '-1 hour')", "strftime('%Y-%m-%d %H:%M:%SZ', 'now', '-1 hour')",
									  "CAST(strftime('%s', 'now') AS INTEGER) - 3600"};
	static const char *const new[] = {"datetime('now')", "strftime('%Y-%m-%d %H:%M:%SZ', 'now')",
									  "CAST(strftime('%s', 'now') AS INTEGER)"};

	(void) state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		pythia_db *writer;
		char sql[200];
		char *first;
		char *then;

		print_message("a writer, %s\n", types[i]);
		begin(LITE, types[i]);
		/* or he would keep readers out */
		must(source, "PRAGMA journal_mode = WAL");
		put(1, new[i]);
		writer = open_engine(LITE, 0);
		must(writer, "BEGIN IMMEDIATE");
		snprintf(sql, sizeof(sql), "INSERT INTO marks VALUES (2, 'v', 'w', %s)", old[i]);
		must(writer, sql);
		first = run("{\"mode\": \"full\"}", NULL, 1);
		must(writer, "COMMIT");
		put(3, new[i]);
		then = run("{}", first, -1);
		assert_string_equal(value_of(target, "SELECT count(*) FROM marks"), "3");
		pythia_free(run("{}", then, -1));
		pythia_free(first);
		pythia_free(then);
		pythia_db_close(writer);
		must(source, "PRAGMA journal_mode = DELETE");
		end();
	}
}

/* Who stamps by a clock commits a moment later: another one may have been seen meanwhile. */
static void test_number_before_it_is_seen(void **state)
{
	static const char *const now[ENGINES] = {[PG] = "EXTRACT(epoch FROM now())::bigint",
											 [MY] = "UNIX_TIMESTAMP()",
											 [LITE] = "CAST(strftime('%s', 'now') AS INTEGER)"};

	(void) state;
	for (int engine = 0; engine < ENGINES; engine++)
	{
		char earlier[200];
		char *mark;
		char *next;

		print_message("a number that is a time: %s\n", engine_names[engine]);
		begin(engine, "bigint");
		put(1, now[engine]);
		mark = run("{}", NULL, 1);
		snprintf(earlier, sizeof(earlier), "(SELECT m FROM (SELECT max(updated_at) - 1 AS m FROM marks) d)");
		put(2, earlier);
		next = run("{}", mark, -1);
		assert_string_equal(value_of(target, "SELECT count(*) FROM marks"), "2");
		pythia_free(mark);
		pythia_free(next);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_writer_of_a_file),
									   cmocka_unit_test(test_number_before_it_is_seen),
									   cmocka_unit_test(test_future),
									   cmocka_unit_test(test_scope),
									   cmocka_unit_test(test_place),
									   cmocka_unit_test(test_unstamped),
									   cmocka_unit_test(test_scope_of_checkpoint),
									   cmocka_unit_test(test_integers),
									   cmocka_unit_test(test_offsets)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
