/*
 * While others write to the source: what a full sync copies, sweeps and counts is one moment of it, in every
 * direction, over one connection and over several.
 */
#include "sync_tests.h"

#include <pthread.h>

#define ROWS    20000
#define AMOUNT  100
#define PADDING 120

static void make_accounts(pythia_db *db, int engine)
{
	char sql[400];

	drop(db, "accounts");
	must(db, "CREATE TABLE accounts (id integer PRIMARY KEY, amount integer, padding varchar(200))");
	if (engine == LITE)
		snprintf(sql, sizeof(sql),
				 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO accounts"
				 " SELECT i, %d, hex(zeroblob(%d)) FROM n",
				 ROWS, AMOUNT, PADDING / 2);
	else
		snprintf(sql, sizeof(sql),
				 engine == PG ? "INSERT INTO accounts SELECT i, %d, repeat('p', %d) FROM generate_series(1, %d) i"
							  : "INSERT INTO accounts SELECT seq, %d, REPEAT('p', %d) FROM " SEQ_TO("%d"),
				 AMOUNT, PADDING, ROWS);
	must(db, sql);
	if (engine == PG)
		must(db, "ANALYZE accounts");
}

typedef struct writer
{
	pythia_db *db;
	volatile bool stop;
	volatile int done;
} writer;

/* Moves an amount from the last rows to the first and back again, each time in one transaction; and an account from
 * one number to another: the sum and the count never change. */
static void *write_on(void *argument)
{
	writer *w = argument;
	unsigned number = 1;

	while (!w->stop)
	{
		char sql[200];
		unsigned low = 1 + (number = number * 1103515245 + 12345) % (ROWS / 2);
		unsigned high = ROWS / 2 + 1 + (number = number * 1103515245 + 12345) % (ROWS / 2);
		bool up = (number >> 16 & 1) != 0;

		must(w->db, w->db->engine == PYTHIA_SQLITE ? "BEGIN IMMEDIATE" : "BEGIN");
		snprintf(sql, sizeof(sql), "UPDATE accounts SET amount = amount - 10 WHERE id = %u", up ? high : low);
		must(w->db, sql);
		snprintf(sql, sizeof(sql), "UPDATE accounts SET amount = amount + 10 WHERE id = %u", up ? low : high);
		must(w->db, sql);
		if (w->done % 2 == 0)
			must(w->db, "UPDATE accounts SET id = -1 WHERE id = 20000");
		else
			must(w->db, "UPDATE accounts SET id = 20000 WHERE id = -1");
		must(w->db, "COMMIT");
		w->done++;
	}
	return NULL;
}

static void one_direction(int from, int to)
{
	static const char *const configs[] = {"{\"mode\": \"full\", \"parallel\": 1}",
										  "{\"mode\": \"full\", \"deletes\": \"hard\"}",
										  "{\"mode\": \"full\", \"truncate_target\": true}"};
	pythia_db *source = open_engine(from, 0);
	pythia_db *target = open_engine(to, 1);
	writer w = {.db = open_engine(from, 0)};
	pthread_t thread;
	char want[60];

	print_message("%s to %s\n", engine_names[from], engine_names[to]);
	make_accounts(source, from);
	drop(target, "accounts");
	if (from == LITE)
	{
		/* readers and a writer at once */
		must(source, "PRAGMA journal_mode = WAL");
		must(w.db, "PRAGMA busy_timeout = 20000");
	}
	snprintf(want, sizeof(want), "%d", ROWS * AMOUNT);
	assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
	for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++)
	{
		pythia_sync_result result;
		int before = w.done;

		must_sync(source, target, "accounts", configs[i], NULL, &result);
		assert_int_equal(result.source_count, ROWS);
		pythia_sync_result_free(&result);
		if (strcmp(value_of(target, "SELECT sum(amount) FROM accounts"), want) != 0)
			fail_msg("%s: the sum is %s and not %s", configs[i], value_of(target, "SELECT sum(amount) FROM accounts"),
					 want);
		assert_string_equal(value_of(target, "SELECT count(*) FROM accounts"), "20000");
		/* others have written meanwhile, or it proves nothing */
		for (int tries = 0; w.done == before && tries < 20000; tries++)
			usleep(1000);
		assert_true(w.done > before);
	}
	w.stop = true;
	pthread_join(thread, NULL);
	drop(source, "accounts");
	drop(target, "accounts");
	pythia_db_close(w.db);
	close_both(source, target);
}

static void test_directions(void **state)
{
	(void) state;
	for (int from = 0; from < ENGINES; from++)
		one_direction(from, (from + 1) % ENGINES);
	one_direction(PG, PG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_directions)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
