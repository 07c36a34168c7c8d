/*
 * An incremental run costs what changed and not what the tables hold: what the engines themselves say that
 * they read is the same for a table and for one of ten times the rows.
 */
#include "sync_tests.h"

#include <sqlite3.h>

#define FEW     1000
#define CHANGED 20

static int64_t sqlite_steps;

static int count_steps(unsigned event, void *context, void *statement, void *unused)
{
	(void) event;
	(void) context;
	(void) unused;
	sqlite_steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0);
	return 0;
}

static int watch(sqlite3 *db, char **message, const sqlite3_api_routines *routines)
{
	(void) message;
	(void) routines;
	return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, count_steps, NULL);
}

/* Rows that a session of MariaDB has read so far, of whatever table. */
static int64_t mysql_reads(pythia_db *db)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result = {0};
	int64_t reads = 0;

	if (!pythia_db_query(db, "SHOW SESSION STATUS LIKE 'Handler\\_read\\_%'", "V*", &result, &error))
		fail_msg("%s", error.message);
	assert_true(result.nrows >= 6);
	for (int64_t i = 0; i < result.nrows; i++)
		reads += strtoll(pythia_result_optional(&result, i, 1), NULL, 10);
	pythia_result_free(&result);
	return reads;
}

/* Rows of the table that PostgreSQL has read so far: at least `least`, for its counters come late. */
static int64_t postgres_reads(pythia_db *db, int64_t least)
{
	int64_t reads = -1;
	int64_t before = -1;

	/* until 15 a session tells of its own and a process writes that down, each at most every half second */
	for (int i = 0; i < 3000 && (reads < least || (db->version < 150000 && reads != before)); i++)
	{
		before = reads;
		if (i > 0)
			usleep(db->version < 150000 ? 1100000 : 10000);
		if (db->version >= 150000)
			must(db, "SELECT pg_catalog.pg_stat_force_next_flush()");
		reads = strtoll(value_of(db, "SELECT seq_tup_read + idx_tup_fetch FROM pg_catalog.pg_stat_user_tables"
									 " WHERE relname = 'scans'"),
						NULL, 10);
	}
	assert_true(reads >= least);
	return reads;
}

static int64_t reads_of(pythia_db *db, int64_t least)
{
	switch (db->engine)
	{
		case PYTHIA_POSTGRESQL:
			return postgres_reads(db, least);
		case PYTHIA_MYSQL:
			return mysql_reads(db);
		case PYTHIA_SQLITE:
			break;
	}
	return sqlite_steps;
}

static void fill(pythia_db *db, int from, int rows, const char *key)
{
	/* few a day: a run reads a day of SQLite's stamps again, for one west of Greenwich reads less than it is */
	static const char *const stamps[] = {"timestamp '2020-01-01' + n * interval '1' hour",
										 "strftime('%Y-%m-%d %H:%M:%f000', '2020-01-01', n || ' hours')",
										 "timestamp '2020-01-01 00:00:00' + interval n hour"};
	char sql[600];

	drop(db, "scans");
	snprintf(sql, sizeof(sql),
			 "CREATE TABLE scans (id integer NOT NULL, v varchar(20) NOT NULL, w varchar(20), updated_at %s, PRIMARY "
			 "KEY (%s))",
			 from == PG ? "timestamp" : "datetime(6)", key);
	must(db, sql);
	must(db, "CREATE INDEX scans_updated_at ON scans (updated_at)");
	snprintf(sql, sizeof(sql),
			 "INSERT INTO scans WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < %d)"
			 " SELECT n, %s, 'w', %s FROM s",
			 rows, from == MY ? "CONCAT('v', n % 10)" : "'v' || n % 10", stamps[from]);
	if (from == MY)
		must(db, db->is_mariadb ? "SET SESSION max_recursive_iterations = 1000000"
								: "SET SESSION cte_max_recursion_depth = 1000000");
	must(db, sql);
	if (from != MY)
		must(db, "ANALYZE scans");
	else
	{
		/* it says how that went, in rows */
		pythia_error error = PYTHIA_ERROR_INIT;
		pythia_result result;

		if (!pythia_db_query(db, "ANALYZE TABLE scans", "VVVV", &result, &error))
			fail_msg("%s", error.message);
		pythia_result_free(&result);
	}
}

static void change(pythia_db *db, int from, int rows)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "UPDATE scans SET w = 'changed', updated_at = %s WHERE id %% %d = 0",
			 from == PG   ? "timezone('UTC', clock_timestamp())"
			 : from == MY ? "UTC_TIMESTAMP(6)"
						  : "strftime('%Y-%m-%d %H:%M:%f000', 'now')",
			 rows / CHANGED);
	must(db, sql);
}

/* What source and target read in a run that carries CHANGED rows of so many. */
static void count_reads(int from, int to, int rows, const char *key, const char *json, int64_t reads[2])
{
	pythia_db *ends[2] = {open_engine(from, 0), open_engine(to, 1)};
	pythia_sync_result first;
	pythia_sync_result second;

	drop(ends[1], "scans");
	fill(ends[0], from, rows, key);
	must_sync(ends[0], ends[1], "scans", "{}", NULL, &first);
	assert_counts(&first, rows, 0, 0, 0);
	change(ends[0], from, rows);
	for (int i = 0; i < 2; i++)
		reads[i] = reads_of(ends[i], 0);
	must_sync(ends[0], ends[1], "scans", json, first.watermark, &second);
	assert_counts(&second, 0, CHANGED, 0, 0);
	/* the counters of whom PostgreSQL does not tell at once go up by these at least */
	for (int i = 0; i < 2; i++)
		reads[i] = reads_of(ends[i], reads[i] + CHANGED) - reads[i];
	drop(ends[0], "scans");
	for (int i = 0; i < 2; i++)
		pythia_db_close(ends[i]);
	pythia_sync_result_free(&first);
	pythia_sync_result_free(&second);
}

static void flat(const char *key, const char *json)
{
	for (int from = 0; from < ENGINES; from++)
		for (int to = 0; to < ENGINES; to++)
		{
			int64_t few[2];
			int64_t many[2];

			count_reads(from, to, FEW, key, json, few);
			count_reads(from, to, 10 * FEW, key, json, many);
			print_message("%s to %s (%s) %s: the source read %lld and %lld, the target %lld and %lld\n",
						  engine_names[from], engine_names[to], key, json, (long long) few[0], (long long) many[0],
						  (long long) few[1], (long long) many[1]);
			for (int i = 0; i < 2; i++)
				if (many[i] > few[i] + few[i] / 4 + CHANGED)
					fail_msg("%s to %s (%s) %s: the %s of ten times the rows read %lld and not %lld",
							 engine_names[from], engine_names[to], key, json, i == 0 ? "source" : "target",
							 (long long) many[i], (long long) few[i]);
		}
}

static void test_flat(void **state)
{
	(void) state;
	flat("id", "{}");
}

/* Texts are compared by the index first, then byte by byte. */
static void test_flat_texts(void **state)
{
	(void) state;
	flat("v, id", "{}");
}

/* Rules that compare before they write. */
static void test_flat_rules(void **state)
{
	(void) state;
	flat("id", "{\"conflict_resolution\": \"newest_wins\"}");
}

/* The test can fail: a sweep reads all keys. */
static void test_sweep_is_not(void **state)
{
	int64_t few[2];
	int64_t many[2];

	(void) state;
	for (int engine = 0; engine < ENGINES; engine++)
	{
		count_reads(engine, engine, FEW, "id", "{\"deletes\": \"hard\"}", few);
		count_reads(engine, engine, 10 * FEW, "id", "{\"deletes\": \"hard\"}", many);
		for (int i = 0; i < 2; i++)
			assert_true(many[i] > 5 * few[i] / 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_flat_texts),
		cmocka_unit_test(test_flat_rules),
		cmocka_unit_test(test_sweep_is_not),
	};

	sqlite3_auto_extension((void (*)(void)) watch);
	return cmocka_run_group_tests_name("sync_scans", tests, setup, teardown);
}
