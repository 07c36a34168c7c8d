/*
 * truncate_target: readers of the target see all the old rows or all the new ones; in MySQL, what a swap
 * would lose (triggers, foreign keys, the counter) is kept.
 */
#include "sync_tests.h"

#include <pthread.h>

#define CONFIG "{\"mode\": \"full\", \"truncate_target\": true}"

static void make_source(pythia_db *db, int engine, int rows)
{
	char sql[300];

	drop(db, "swapped");
	must(db, "CREATE TABLE swapped (id integer PRIMARY KEY, v varchar(100), updated_at timestamp NULL)");
	snprintf(sql, sizeof(sql),
			 engine == PG ? "INSERT INTO swapped SELECT i, repeat('n', 60), NULL FROM generate_series(1, %d) i"
			 : engine == MY
				 ? "INSERT INTO swapped SELECT seq, REPEAT('n', 60), NULL FROM " SEQ_TO("%d")
				 : "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO swapped"
				   " SELECT i, 'n', NULL FROM n",
			 rows);
	must(db, sql);
}

static void make_target(pythia_db *db, const char *options)
{
	char sql[300];

	drop(db, "swapped");
	snprintf(sql, sizeof(sql),
			 "CREATE TABLE swapped (id integer PRIMARY KEY%s, v varchar(100), updated_at timestamp NULL)%s",
			 strstr(options, "MyISAM") || strstr(options, "InnoDB") ? " AUTO_INCREMENT" : "", options);
	must(db, sql);
	must(db, "INSERT INTO swapped VALUES (1, 'old', NULL), (2, 'old', NULL), (70001, 'old', NULL)");
}

typedef struct reader
{
	int engine;
	volatile bool stop;
	volatile int looks;
	char wrong[100];
} reader;

static void *look_on(void *argument)
{
	reader *r = argument;
	pythia_db *db = open_engine(r->engine, 1);

	while (!r->stop && r->wrong[0] == '\0')
	{
		pythia_error error = PYTHIA_ERROR_INIT;
		pythia_result result;

		memset(&result, 0, sizeof(result));
		if (pythia_db_query(db, "SELECT count(*) FROM swapped", "V*", &result, &error))
		{
			const char *count = pythia_result_optional(&result, 0, 0);

			if (strcmp(count, "3") != 0 && strcmp(count, "60000") != 0)
				snprintf(r->wrong, sizeof(r->wrong), "%s rows", count);
			pythia_result_free(&result);
			r->looks++;
		}
		else if (error.error_class != PYTHIA_E_TRANSIENT) /* SQLite: locked while the writer commits */
			snprintf(r->wrong, sizeof(r->wrong), "%s", error.message);
		pythia_error_reset(&error);
	}
	pythia_db_close(db);
	return NULL;
}

static void replace(int from, int to, const char *options)
{
	pythia_db *source = open_engine(from, 0);
	pythia_db *target = open_engine(to, 1);
	reader r = {.engine = to};
	pthread_t thread;
	pythia_sync_result result;

	print_message("%s to %s%s\n", engine_names[from], engine_names[to], options);
	make_source(source, from, 60000);
	if (to == LITE)
		must(target, "PRAGMA journal_mode = WAL");
	make_target(target, options);
	pthread_create(&thread, NULL, look_on, &r);
	while (r.looks == 0 && r.wrong[0] == '\0')
		usleep(1000);
	must_sync(source, target, "swapped", CONFIG, NULL, &result);
	r.stop = true;
	pthread_join(thread, NULL);
	assert_string_equal(r.wrong, "");
	assert_counts(&result, 60000, 0, 3, 0);
	assert_string_equal(value_of(target, "SELECT count(*) FROM swapped WHERE v <> 'old'"), "60000");
	if (to == MY)
	{
		must(target, "INSERT INTO swapped (v) VALUES ('next')");
		assert_string_equal(value_of(target, "SELECT id FROM swapped WHERE v = 'next'"), "70002");
		assert_string_equal(
			value_of(
				target,
				"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE"
				" 'pythia\\_%'"),
			"0");
	}
	pythia_sync_result_free(&result);
	close_both(source, target);
}

static void test_readers(void **state)
{
	(void) state;
	replace(PG, MY, " ENGINE = InnoDB");
	replace(PG, MY, " ENGINE = MyISAM");
	replace(MY, PG, "");
	replace(MY, LITE, "");
	replace(PG, PG, "");
}

/* What the new table would not have: then it is the old one that is filled. */
static void test_kept(void **state)
{
	pythia_db *source = open_engine(LITE, 0);
	pythia_db *target = open_engine(MY, 1);
	pythia_sync_result result;

	(void) state;
	make_source(source, LITE, 10);
	make_target(target, " ENGINE = InnoDB");
	must(target, "CREATE TRIGGER swapped_t BEFORE UPDATE ON swapped FOR EACH ROW SET NEW.v = CONCAT(NEW.v, '!')");
	must_sync(source, target, "swapped", CONFIG, NULL, &result);
	assert_counts(&result, 10, 0, 3, 0);
	pythia_sync_result_free(&result);
	must(target, "UPDATE swapped SET v = 'x' WHERE id = 1");
	assert_string_equal(value_of(target, "SELECT v FROM swapped WHERE id = 1"), "x!");
	must(target, "DROP TRIGGER swapped_t; DROP TABLE IF EXISTS child;"
				 "CREATE TABLE child (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES swapped (id))");
	/* nor is it emptied where others refer to it: its rows are compared */
	must(target, "INSERT INTO swapped (id, v) VALUES (11, 'gone')");
	must_sync(source, target, "swapped", CONFIG, NULL, &result);
	assert_counts(&result, 0, 1, 1, 0);
	pythia_sync_result_free(&result);
	assert_string_equal(value_of(target, "SELECT REFERENCED_TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE"
										 " TABLE_NAME = 'child' AND REFERENCED_TABLE_NAME IS NOT NULL"),
						"swapped");
	must(target, "DROP TABLE child");
	/* left by a run that was killed */
	must(target, "CREATE TABLE pythia_new_swapped (a int); CREATE TABLE pythia_old_swapped (a int)");
	must_sync(source, target, "swapped", CONFIG, NULL, &result);
	pythia_sync_result_free(&result);
	assert_string_equal(value_of(target, "SELECT count(*) FROM swapped"), "10");
	assert_string_equal(
		value_of(target,
				 "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE"
				 " 'pythia\\_%'"),
		"0");
	/* a long name, and one of many bytes */
	must(target,
		 "CREATE TABLE `ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß1` (id int PRIMARY KEY)");
	must(target, "INSERT INTO `ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß1` VALUES (5)");
	must(source,
		 "CREATE TABLE `ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß1` (id int PRIMARY KEY)");
	/* somebody else's, with a name that begins like the table's */
	must(target, "CREATE TABLE `pythia_new_ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß` (id int)");
	must_sync(source, target, "\"ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß1\"", CONFIG, NULL,
			  &result);
	assert_counts(&result, 0, 0, 1, 0);
	pythia_sync_result_free(&result);
	must(target, "DROP TABLE `pythia_new_ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß`");
	close_both(source, target);
}

static void write_once(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes)
{
	pythia_db **stranger = context;

	(void) phase;
	(void) rows;
	(void) total;
	(void) bytes;
	if (*stranger == NULL)
		return;
	must(*stranger, "INSERT INTO connections VALUES (101, 'stranger', NULL)");
	pythia_db_close(*stranger);
	*stranger = NULL;
}

/* What others write while a load on several connections fails is theirs. */
static void test_strangers_rows(void **state)
{
	pythia_db *source = open_anew(PG, 0, "connections");
	pythia_db *target = open_anew(MY, 1, "connections");
	pythia_db *stranger = open_engine(MY, 1);
	pythia_sync_callbacks callbacks = {.context = &stranger, .progress = write_once};
	pythia_sync_job job = {.source = source, .target = target, .callbacks = &callbacks};
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	must(source, "CREATE TABLE connections (id integer PRIMARY KEY, v text, updated_at timestamp)");
	must(source, "INSERT INTO connections SELECT i * 2, repeat('v', 400), NULL FROM generate_series(1, 100000) i");
	must(source, "UPDATE connections SET v = repeat('v', 600) WHERE id = 200000");
	must(source, "ANALYZE connections");
	must(target, "CREATE TABLE connections (id integer PRIMARY KEY, v varchar(500), updated_at timestamp NULL)");
	assert_false(try_sync_with(&job, "connections", "{\"mode\": \"full\", \"parallel\": 3}", &result, &error));
	assert_string_equal(error.sqlstate, "22001");
	pythia_error_reset(&error);
	assert_null(stranger);
	assert_string_equal(value_of(target, "SELECT GROUP_CONCAT(id, v) FROM connections"), "101stranger");
	pythia_sync_result_free(&result);
	drop(source, "connections");
	drop(target, "connections");
	close_both(source, target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_readers), cmocka_unit_test(test_kept),
									   cmocka_unit_test(test_strangers_rows)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
