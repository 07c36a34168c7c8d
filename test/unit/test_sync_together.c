/* Two who make or fill one table of the target at once: the second goes on with what it finds. */
#include "sync_tests.h"

#include <pthread.h>

typedef struct second
{
	pythia_db *source;
	pythia_db *target;
	pythia_sync_result result;
	pythia_error error;
	bool ok;
} second;

static void *synchronise(void *argument)
{
	second *s = argument;

	s->ok = try_sync(s->source, s->target, "shared", "{\"mode\": \"full\"}", NULL, &s->result, &s->error);
	return NULL;
}

/* Until the second session waits for the first one's transaction. */
static void wait_until_held(pythia_db *observer, int engine)
{
	const char *query = engine == PG
							? "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname"
							  " = current_database()"
							: "SELECT count(*) FROM information_schema.INNODB_TRX t JOIN"
							  " information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id WHERE"
							  " t.trx_state = 'LOCK WAIT' AND p.DB = DATABASE()";

	/* InnoDB shows a view of its transactions again, where it was read within 0.1 s */
	for (int i = 0; i < 150; i++)
	{
		if (strcmp(value_of(observer, query), "0") != 0)
			return;
		usleep(200000);
	}
	fail_msg("the second session never waited");
}

static const char shape[] = "CREATE TABLE shared (id integer PRIMARY KEY, v varchar(20))";

static void test_made_at_once(void **state)
{
	static const struct
	{
		const char *what;
		const char *first; /* beside making the table */
		const char *end;
		int inserted, updated;
		const char *created; /* constraints of the source that came along */
	} cases[] = {
		{"empty", "SELECT 1", "COMMIT", 3, 0, "0"},
		{"with rows", "INSERT INTO shared VALUES (1, 'one'), (2, 'other')", "COMMIT", 1, 1, "0"},
		{"undone", "SELECT 1", "ROLLBACK", 3, 0, "1"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pythia_db *first = open_engine(PG, 1);
		pythia_db *observer = open_engine(PG, 1);
		second s = {.source = open_engine(PG, 0), .target = open_engine(PG, 1), .error = PYTHIA_ERROR_INIT};
		pthread_t thread;

		print_message("%s\n", cases[i].what);
		drop(s.source, "shared");
		drop(s.target, "shared");
		must(s.source, shape);
		must(s.source, "CREATE INDEX shared_v ON shared (v)");
		must(s.source, "INSERT INTO shared VALUES (1, 'one'), (2, 'two'), (3, 'three')");
		must(first, "BEGIN");
		must(first, shape);
		must(first, cases[i].first);
		assert_int_equal(pthread_create(&thread, NULL, synchronise, &s), 0);
		wait_until_held(observer, PG);
		must(first, cases[i].end);
		pthread_join(thread, NULL);
		if (!s.ok)
			fail_msg("%s: %s; %s", s.error.sqlstate, s.error.message, s.error.hint != NULL ? s.error.hint : "-");
		assert_counts(&s.result, cases[i].inserted, cases[i].updated, 0, 0);
		assert_string_equal(value_of(observer, "SELECT string_agg(v, ',' ORDER BY id) FROM shared"), "one,two,three");
		assert_string_equal(value_of(observer, "SELECT count(*) FROM pg_indexes WHERE indexname = 'shared_v'"),
							cases[i].created);
		pythia_sync_result_free(&s.result);
		pythia_db_close(first);
		pythia_db_close(observer);
		pythia_db_close(s.source);
		pythia_db_close(s.target);
	}
}

static void test_filled_at_once(void **state)
{
	static const int engines[] = {PG, MY};

	(void) state;
	for (int i = 0; i < 2; i++)
	{
		int engine = engines[i];
		pythia_db *first = open_engine(engine, 1);
		pythia_db *observer = open_engine(engine, 1);
		second s = {.source = open_engine(LITE, 0), .target = open_engine(engine, 1), .error = PYTHIA_ERROR_INIT};
		pthread_t thread;

		print_message("%s\n", engine_names[engine]);
		drop(s.source, "shared");
		drop(s.target, "shared");
		must(s.source, shape);
		must(s.source, "INSERT INTO shared VALUES (1, 'one'), (2, 'two'), (3, 'three')");
		must(s.target, shape);
		must(first, "BEGIN");
		must(first, "INSERT INTO shared VALUES (2, 'other'), (4, 'four')");
		assert_int_equal(pthread_create(&thread, NULL, synchronise, &s), 0);
		wait_until_held(observer, engine);
		must(first, "COMMIT");
		pthread_join(thread, NULL);
		if (!s.ok)
			fail_msg("%s: %s; %s", s.error.sqlstate, s.error.message, s.error.hint != NULL ? s.error.hint : "-");
		assert_counts(&s.result, 2, 1, 0, 0);
		assert_int_equal(s.result.source_count, 3);
		assert_string_equal(
			value_of(observer, "SELECT count(*) FROM shared WHERE v IN ('one', 'two', 'three', 'four')"), "4");
		pythia_sync_result_free(&s.result);
		pythia_db_close(first);
		pythia_db_close(observer);
		pythia_db_close(s.source);
		pythia_db_close(s.target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_made_at_once), cmocka_unit_test(test_filled_at_once)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
