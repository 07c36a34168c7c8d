/* Rows of megabytes: carried whole in all directions, and merged by the same rules as small ones. */
#include "sync_tests.h"

/* Just above and below what comes as base64, in each length that its padding has; every escape of COPY. */
#define VALUES                                                                                                         \
	"INSERT INTO large_values SELECT g, b, d, c FROM (SELECT g, CASE WHEN g <> 5 THEN pg_catalog.substr(bytes, 1, "    \
	"length) END AS b, CASE WHEN g <> 6 THEN pg_catalog.repeat(E'a\\\\b\\f\\v\\t\\n\\r\\x08\\\\N', g * 60000) END "    \
	"AS d,"                                                                                                            \
	" pg_catalog.substr(bytes, g, 1048577 * (g % 2)) AS c FROM (SELECT g, 1048574 + g AS length FROM"                  \
	" pg_catalog.generate_series(1, 6) g) lengths, (SELECT pg_catalog.decode(pg_catalog.string_agg("                   \
	"pg_catalog.md5(i::text), ''), 'hex') AS bytes FROM pg_catalog.generate_series(1, 70000) i) b) v"

static void make_source(pythia_db *db)
{
	drop(db, "large_values");
	must(db, "CREATE TABLE large_values (id integer PRIMARY KEY, a bytea, b text, c bytea)");
	must(db, VALUES);
	must(db, "INSERT INTO large_values VALUES (7, '\\x', '', '\\x0009'), (8, NULL, NULL, NULL)");
}

static void test_there_and_back(void **state)
{
	static const char *const back[] = {"{\"mode\": \"full\", \"table_map\": {\"large_values\": \"large_back\"}}",
									   "{\"mode\": \"full\", \"on_bad_row\": \"quarantine\", \"table_map\":"
									   " {\"large_values\": \"large_back\"}}"};
	pythia_db *source = open_engine(PG, 0);

	(void) state;
	make_source(source);
	for (int engine = 0; engine < ENGINES; engine++)
		for (int way = 0; way < 2; way++)
		{
			pythia_db *target = open_engine(engine, 1);
			pythia_sync_result result;

			drop(target, "large_values");
			drop(source, "large_back");
			must_sync(source, target, "large_values", "{\"mode\": \"full\"}", NULL, &result);
			assert_counts(&result, 8, 0, 0, 0);
			pythia_sync_result_free(&result);
			must_sync(target, source, "large_values", back[way], NULL, &result);
			assert_counts(&result, 8, 0, 0, 0);
			pythia_sync_result_free(&result);
			assert_string_equal(value_of(source, "SELECT count(*) FROM large_values s JOIN large_back t USING (id)"
												 " WHERE (s.a, s.b, s.c) IS NOT DISTINCT FROM (t.a, t.b, t.c)"),
								"8");
			/* through the stage: equal ones are not written, the others are */
			must(target, "UPDATE large_values SET a = c, c = NULL WHERE id IN (2, 6, 7)");
			must(target, "DELETE FROM large_values WHERE id = 3");
			must_sync(source, target, "large_values", "{\"mode\": \"full\"}", NULL, &result);
			assert_counts(&result, 1, 3, 0, 0);
			pythia_sync_result_free(&result);
			must_sync(target, source, "large_values", back[way], NULL, &result);
			assert_counts(&result, 0, 0, 0, 0);
			pythia_sync_result_free(&result);
			pythia_db_close(target);
		}
	drop(source, "large_back");
	pythia_db_close(source);
}

static const char *const blob_types[ENGINES] = {[PG] = "bytea", [MY] = "LONGBLOB", [LITE] = "blob"};
static const char *const zeros[ENGINES] = {[PG] = "pg_catalog.decode(pg_catalog.repeat('00', 2000000), 'hex')",
										   [MY] = "UNHEX(REPEAT('00', 2000000))",
										   [LITE] = "zeroblob(2000000)"};

static void make_rules(pythia_db *db, int engine, const char *values)
{
	char sql[1000];

	drop(db, "large_rules");
	snprintf(sql, sizeof(sql),
			 "CREATE TABLE large_rules (id integer, part varchar(9)%s, name varchar(9), stamp %s, body %s,"
			 " PRIMARY KEY (id, part))",
			 engine == LITE ? " COLLATE NOCASE" : "", engine == MY ? "DATETIME NULL" : "timestamp", blob_types[engine]);
	must(db, sql);
	snprintf(sql, sizeof(sql), "INSERT INTO large_rules (id, part, name, stamp) VALUES %s", values);
	must(db, sql);
	snprintf(sql, sizeof(sql), "UPDATE large_rules SET body = %s WHERE id = 6", zeros[engine]);
	must(db, sql);
}

/* 1: newer there, 2: older there, 3: a tie, 4: no stamp here, 5: no stamp there, 6: equal and large, 7: missing there. */
static void test_rules(void **state)
{
	static const struct
	{
		const char *rule;
		int updated;
		int skipped;
		const char *names;
	} rules[] = {{"source_wins", 5, 0, "s1,s2,s3,s4,s5,same,s7"},
				 {"target_wins", 0, 5, "t1,t2,t3,t4,t5,same,s7"},
				 {"newest_wins", 3, 2, "t1,s2,s3,t4,s5,same,s7"},
				 {"oldest_wins", 3, 2, "s1,t2,s3,t4,s5,same,s7"}};
	pythia_db *source = open_engine(PG, 0);

	(void) state;
	make_rules(source, PG,
			   "(1, 'a', 's1', '2024-01-01 00:00:00'), (2, 'b', 's2', '2024-01-03 00:00:00'), (3, 'c', 's3', "
			   "'2024-01-02 00:00:00'), (4, 'd', 's4', NULL), (5, 'e', 's5', '2024-01-01 00:00:00'), (6, 'f', 'same', "
			   "'2024-01-01 00:00:00'), (7, 'g', 's7', '2024-01-01 00:00:00')");
	for (int engine = 0; engine < ENGINES; engine++)
		for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		{
			pythia_db *target = open_engine(engine, 1);
			pythia_sync_result result;
			char json[200];
			char names[100] = "";

			make_rules(target, engine,
					   "(1, 'a', 't1', '2024-01-02 00:00:00'), (2, 'b', 't2', '2024-01-01 00:00:00'), (3, 'c', 't3', "
					   "'2024-01-02 00:00:00'), (4, 'd', 't4', '2024-01-01 00:00:00'), (5, 'e', 't5', NULL), (6, 'f', "
					   "'same', '2024-01-01 00:00:00'), (8, 'h', 't8', '2024-01-01 00:00:00')");
			snprintf(json, sizeof(json),
					 "{\"mode\": \"full\", \"timestamp_column\": \"stamp\", \"conflict_resolution\": \"%s\"}",
					 rules[i].rule);
			must_sync(source, target, "large_rules", json, NULL, &result);
			assert_counts(&result, 1, rules[i].updated, 0, rules[i].skipped);
			pythia_sync_result_free(&result);
			for (int id = 1; id <= 7; id++)
			{
				char sql[100];

				snprintf(sql, sizeof(sql), "SELECT name FROM large_rules WHERE id = %d", id);
				snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", id > 1 ? "," : "",
						 value_of(target, sql));
			}
			assert_string_equal(names, rules[i].names);
			assert_string_equal(value_of(target, "SELECT name FROM large_rules WHERE id = 8"), "t8");
			pythia_db_close(target);
		}
	pythia_db_close(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_rules)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
