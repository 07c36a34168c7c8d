/* A table of 200 columns, a limit on the bytes a second, and a deadlock. */
#include "sync_tests.h"

#include <pthread.h>

#define COLUMNS 200

static void test_many_columns(void **state)
{
	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		int to = (from + 1) % ENGINES;
		pythia_db *source = open_anew(from, 0, "broad");
		pythia_db *target = open_anew(to, 1, "broad");
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		pythia_sync_result result;

		pythia_buffer_puts(&sql, "CREATE TABLE broad (id integer PRIMARY KEY");
		for (int i = 1; i < COLUMNS; i++)
			pythia_buffer_printf(&sql, ", c%d %s", i,
								 i % 3 == 0   ? "integer"
								 : i % 3 == 1 ? "varchar(20)"
											  : "decimal(10,2)");
		pythia_buffer_putc(&sql, ')');
		must(source, sql.data);
		for (int row = 1; row <= 3; row++)
		{
			pythia_buffer_clear(&sql);
			pythia_buffer_printf(&sql, "INSERT INTO broad VALUES (%d", row);
			for (int i = 1; i < COLUMNS; i++)
				pythia_buffer_printf(&sql, i % 3 == 0 ? ", %d" : i % 3 == 1 ? ", 'v%d'" : ", %d.25", i * row);
			pythia_buffer_putc(&sql, ')');
			must(source, sql.data);
		}
		must_sync(source, target, "broad", "{\"mode\": \"full\"}", NULL, &result);
		assert_counts(&result, 3, 0, 0, 0);
		pythia_sync_result_free(&result);
		must(target, "UPDATE broad SET c199 = 'other' WHERE id = 2");
		must_sync(source, target, "broad", "{\"mode\": \"full\"}", NULL, &result);
		assert_counts(&result, 0, 1, 0, 0);
		pythia_sync_result_free(&result);
		assert_string_equal(value_of(target, "SELECT c199 FROM broad WHERE id = 2"), "v398");
		assert_string_equal(value_of(target, "SELECT c198 FROM broad WHERE id = 3"), "594");
		pythia_buffer_free(&sql);
		close_both(source, target);
	}
}

/* Never faster than the limit, and not much slower: two megabytes at one a second, and ten for a busy machine. */
static void test_throttle(void **state)
{
	pythia_db *source = open_anew(PG, 0, "slow");
	pythia_db *target = open_anew(LITE, 1, "slow");
	pythia_sync_result result;
	double due;

	(void) state;
	must(source, "CREATE TABLE slow (id integer PRIMARY KEY, v text, updated_at timestamptz)");
	must(source, "INSERT INTO slow SELECT i, repeat('x', 1000), now() FROM generate_series(1, 2000) i");
	must_sync(source, target, "slow", "{\"mode\": \"full\", \"max_bytes_per_second\": 1000000}", NULL, &result);
	due = (double) result.bytes / 1e6;
	if (result.duration_seconds < due * 0.98 || result.duration_seconds > due * 2 + 10)
		fail_msg("%lld bytes at a megabyte a second took %.2f s", (long long) result.bytes, result.duration_seconds);
	pythia_sync_result_free(&result);
	drop(source, "slow");
	close_both(source, target);
}

typedef struct rival
{
	pythia_db *db;
	bool won;
} rival;

/* Holds row 2 and asks for row 1, which the run, that waits for row 2, has. */
static void *ask_for_the_other(void *argument)
{
	rival *r = argument;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_db *look = open_engine(r->db->engine == PYTHIA_POSTGRESQL ? PG : MY, 1);

	/* until the run waits; MariaDB shows nothing new to who looks more often, nor to others meanwhile */
	for (int tries = 0; tries < 50; tries++)
	{
		const char *waiting =
			value_of(look, r->db->engine == PYTHIA_POSTGRESQL
							   ? "SELECT count(*) FROM pg_locks WHERE NOT granted"
							   : "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'");

		if (strcmp(waiting, "0") != 0)
			break;
		usleep(200000);
	}
	r->won = pythia_db_exec(r->db, "UPDATE knot SET v = 'rival' WHERE id = 1", NULL, &error);
	pythia_error_reset(&error);
	r->db->driver->rollback(r->db, &error);
	pythia_error_reset(&error);
	pythia_db_close(look);
	return NULL;
}

/* The target again, which looks for deadlocks sooner than who came before it; that is for a superuser to say. */
static pythia_db *hurried(pythia_db *target)
{
	pythia_db *superuser = open_superuser(PG, 1);
	char sql[150];

	snprintf(sql, sizeof(sql), "ALTER ROLE pythia IN DATABASE synctest1_%d SET deadlock_timeout = '100ms'",
			 (int) getpid());
	must(superuser, sql);
	close_both(superuser, target);
	return open_engine(PG, 1);
}

static void test_deadlock(void **state)
{
	(void) state;
	for (int engine = 0; engine < ENGINES; engine++)
	{
		pythia_db *source = open_engine(LITE, 0);
		pythia_db *target;
		rival r;
		pthread_t thread;
		pythia_sync_result result;

		if (engine == LITE)
		{
			print_message("SQLite has one writer and no deadlocks\n");
			pythia_db_close(source);
			continue;
		}
		target = open_engine(engine, 1);
		r.db = open_engine(engine, 1);
		drop(source, "knot");
		drop(target, "knot");
		must(source, "CREATE TABLE knot (id integer PRIMARY KEY, v varchar(20), updated_at DATETIME)");
		must(source, "INSERT INTO knot VALUES (1, 'new', NULL), (2, 'new', NULL)");
		must(target, "CREATE TABLE knot (id integer PRIMARY KEY, v varchar(20), updated_at timestamp NULL)");
		must(target, "INSERT INTO knot VALUES (1, 'old', NULL), (2, 'old', NULL)");
		if (engine == PG)
			target = hurried(target);
		must(r.db, "BEGIN");
		must(r.db, "UPDATE knot SET v = 'rival' WHERE id = 2");
		pthread_create(&thread, NULL, ask_for_the_other, &r);
		must_sync(source, target, "knot", "{\"mode\": \"full\"}", NULL, &result);
		pthread_join(thread, NULL);
		print_message("%s: the %s was told of a deadlock\n", engine_names[engine], r.won ? "run" : "rival");
		assert_int_equal(result.rows_updated, 2);
		pythia_sync_result_free(&result);
		assert_string_equal(value_of(target, "SELECT count(*) FROM knot WHERE v = 'new'"), "2");
		pythia_db_close(r.db);
		close_both(source, target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_columns), cmocka_unit_test(test_throttle),
									   cmocka_unit_test(test_deadlock)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
