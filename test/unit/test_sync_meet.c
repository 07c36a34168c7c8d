/* Rows of the source that come to one key of the target: none is hidden by another, within a chunk or across. */
#include "sync_tests.h"

#define LARGE_ROW 3000000 /* two of them fill a chunk whose rows are held, six one that ends in a checkpoint */

static char reasons[2000];

static bool take_row(void *context, const char *table, const char *row_json, const char *column, const char *reason,
					 pythia_error *error)
{
	(void) context, (void) table, (void) row_json, (void) column, (void) error;
	snprintf(reasons + strlen(reasons), sizeof(reasons) - strlen(reasons), "%s\n", reason);
	return true;
}

static bool take_checkpoint(void *context, const char *checkpoint, pythia_error *error)
{
	(void) checkpoint, (void) error;
	++*(int *) context;
	return true;
}

static void insert(pythia_db *db, const char *key, int v, int bytes)
{
	char sql[200];

	snprintf(sql, sizeof(sql),
			 db->engine == PYTHIA_SQLITE ? "INSERT INTO meet VALUES (%s, %d, hex(zeroblob(%d / 2)))"
										 : "INSERT INTO meet VALUES (%s, %d, repeat('x', %d))",
			 key, v, bytes);
	must(db, sql);
}

static const char *const kinds[ENGINES] = {"integer", "INTEGER", "int"};
static const char *const decimals[ENGINES] = {"numeric(10,1)", "DECIMAL(10,1)", "decimal(10,1)"};

static void make(pythia_db *db, int engine, const char *type, bool primary)
{
	char sql[200];

	drop(db, "meet");
	snprintf(sql, sizeof(sql), "CREATE TABLE meet (k %s NOT NULL%s, v integer, long_text %s)", type,
			 primary ? " PRIMARY KEY" : "", engine == MY ? "longtext" : "text");
	must(db, sql);
}

/* Of a key that somebody named and that is none: the first row is stored, the others told. */
static void test_named(void **state)
{
	static const char json[] = "{\"mode\": \"full\", \"key\": \"k\", \"on_bad_row\": \"quarantine\"}";

	(void) state;
	for (int i = 0; i < ENGINES * ENGINES * 3; i++)
	{
		int from = i % ENGINES;
		int to = i / ENGINES % ENGINES;
		int there = i / ENGINES / ENGINES; /* a row; none; none, and no constraint */
		pythia_db *source = open_engine(from, 0);
		pythia_db *target = open_engine(to, 1);
		pythia_sync_callbacks callbacks = {.quarantine = take_row};
		pythia_sync_job job = {.source = source, .target = target, .callbacks = &callbacks};
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;

		print_message("%s to %s, %s\n", engine_names[from], engine_names[to],
					  there == 0   ? "a row"
					  : there == 1 ? "empty"
								   : "unconstrained");
		make(source, from, kinds[from], false);
		make(target, to, kinds[to], there < 2);
		if (there == 0)
			insert(target, "1", 0, 1);
		insert(source, "1", 1, 1);
		insert(source, "2", 2, 1);
		insert(source, "2", 22, 1);
		insert(source, "2", 222, 1);
		insert(source, "3", 3, 1);
		reasons[0] = '\0';
		if (!try_sync_with(&job, "meet", json, &result, &error))
			fail_msg("%s", error.message);
		assert_counts(&result, there == 0 ? 2 : 3, there == 0 ? 1 : 0, 0, 0);
		assert_int_equal(result.rows_quarantined, 2);
		assert_int_equal(result.source_count, 5);
		assert_int_equal(result.rows_synced, 3);
		assert_true(reasons[0] != '\0');
		assert_string_equal(value_of(target, "SELECT count(*) FROM meet"), "3");
		assert_string_equal(value_of(target, "SELECT count(*) FROM meet WHERE k = 2 AND v IN (2, 22, 222)"), "1");
		pythia_sync_result_free(&result);
		/* without quarantine, an error and nothing written */
		must(source, "UPDATE meet SET v = 7");
		assert_false(try_sync_with(&job, "meet", "{\"mode\": \"full\", \"key\": \"k\"}", &result, &error));
		assert_string_equal(error.sqlstate, "23505");
		assert_non_null(error.hint);
		assert_string_equal(value_of(target, "SELECT count(*) FROM meet WHERE v = 7"), "0");
		pythia_error_reset(&error);
		pythia_sync_result_free(&result);
		pythia_db_close(source);
		pythia_db_close(target);
	}
}

/* Keys that are one where the target rounds, at the end of one chunk and the start of the next. */
static void test_rounded(void **state)
{
	(void) state;
	for (int i = 0; i < 8; i++)
	{
		/* SQLite rounds nothing */
		static const int ways[4][2] = {{LITE, PG}, {MY, PG}, {PG, MY}, {LITE, MY}};
		int from = ways[i % 4][0];
		int to = ways[i % 4][1];
		bool held = i >= 4;
		pythia_db *source = open_engine(from, 0);
		pythia_db *target = open_engine(to, 1);
		int checkpoints = 0;
		pythia_sync_callbacks callbacks = {.context = &checkpoints, .quarantine = take_row};
		pythia_sync_job job = {.source = source, .target = target, .callbacks = &callbacks};
		pythia_sync_result result;
		pythia_error error = PYTHIA_ERROR_INIT;
		bool ok;

		print_message("%s to %s, %s\n", engine_names[from], engine_names[to], held ? "quarantine" : "error");
		make(source, from, decimals[from], true);
		make(target, to, to == PG ? "numeric(10,0)" : "decimal(10,0)", true);
		insert(target, "1", 0, 1);
		insert(target, "6", 0, 1);
		for (int row = 1; row <= 5; row++)
		{
			char key[20];

			snprintf(key, sizeof(key), "%d.0", row);
			insert(source, key, row, LARGE_ROW);
		}
		/* the sixth row ends a chunk, and the seventh has its key; as the second does, where rows are held */
		insert(source, "5.9", 6, LARGE_ROW);
		insert(source, "6.1", 61, LARGE_ROW);
		insert(source, "9.0", 9, LARGE_ROW);
		if (!held)
			callbacks.checkpoint = take_checkpoint;
		reasons[0] = '\0';
		ok = try_sync_with(&job, "meet",
						   held ? "{\"mode\": \"full\", \"on_bad_row\": \"quarantine\", \"out_of_range\": \"clamp\"}"
								: "{\"mode\": \"full\", \"out_of_range\": \"clamp\"}",
						   &result, &error);
		if (held)
		{
			if (!ok)
				fail_msg("%s", error.message);
			assert_counts(&result, 5, 2, 0, 0);
			assert_int_equal(result.rows_quarantined, 1);
			assert_non_null(strstr(reasons, "two rows of table \"meet\" have one key in the target"));
			assert_string_equal(value_of(target, "SELECT v FROM meet WHERE k = 6"), "6");
		}
		else
		{
			assert_false(ok);
			if (checkpoints != 1)
				fail_msg("%d checkpoints: %s; %s", checkpoints, error.message,
						 error.detail != NULL ? error.detail : "-");
			assert_string_equal(error.sqlstate, "23505");
			assert_non_null(strstr(error.message, "have one key in the target"));
			pythia_error_reset(&error);
		}
		pythia_sync_result_free(&result);
		pythia_db_close(source);
		pythia_db_close(target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_named), cmocka_unit_test(test_rounded)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
