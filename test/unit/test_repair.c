/* Repair: exactly the rows that differ, one way, bounded, all or nothing. */
#include "validate_tests.h"

typedef struct repaired
{
	pythia_sync_result result;
	pythia_buffer lines;
	pythia_error error;
	bool ok;
} repaired;

static void repair_with(pythia_db *source, pythia_db *target, const char *table, const char *options,
						const char *config, repaired *r)
{
	pythia_node *options_tree = read_json(options != NULL ? options : "{\"recheck_after\": 0}");
	pythia_node *config_tree = read_json(config != NULL ? config : "{}");
	pythia_validate_options validate_options;
	pythia_sync_config sync_config;
	pythia_sync_job job = {.source = source, .target = target, .table = table, .config = &sync_config};

	*r = (repaired){.error = PYTHIA_ERROR_INIT};
	r->ok = pythia_sync_config_read(config_tree, NULL, table, &sync_config, &r->error) &&
			pythia_validate_options_read(options_tree, &validate_options, &r->error) &&
			pythia_repair_table(&job, &validate_options, note_difference, &r->lines, &r->result, &r->error);
	pythia_node_free(options_tree);
	pythia_node_free(config_tree);
}

static void repaired_free(repaired *r)
{
	pythia_sync_result_free(&r->result);
	pythia_buffer_free(&r->lines);
	pythia_error_reset(&r->error);
}

static void must_repair(pythia_db *source, pythia_db *target, const char *table, const char *config, int inserted,
						int updated, int deleted)
{
	repaired r;

	repair_with(source, target, table, NULL, config, &r);
	if (!r.ok)
		fail_msg("%s to %s, %s: %s (%s) %s", engine_names[source->engine], engine_names[target->engine], table,
				 r.error.message, r.error.detail != NULL ? r.error.detail : "",
				 r.error.context != NULL ? r.error.context : "");
	assert_int_equal(r.result.rows_inserted, inserted);
	assert_int_equal(r.result.rows_updated, updated);
	assert_int_equal(r.result.rows_deleted, deleted);
	assert_string_equal(r.result.sync_mode, "repair");
	repaired_free(&r);
}

static void fill(pythia_db *db, const char *table, int rows)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	drop(db, table);
	run(db, table,
		"CREATE TABLE % (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40), amount DECIMAL(10,2), d DOUBLE PRECISION)");
	pythia_buffer_printf(&sql, "INSERT INTO %s VALUES ", quoted(db, table));
	for (int i = 1; i <= rows; i++)
		pythia_buffer_printf(&sql, "%s(%d, 'name %d', %d.25, %d.5)", i > 1 ? ", " : "", i, i, i, i);
	must(db, sql.data);
	pythia_buffer_free(&sql);
}

static void damage(pythia_db *db, const char *table)
{
	run(db, table, "UPDATE % SET name = 'NAME 7' WHERE id = 7");
	run(db, table, "UPDATE % SET name = NULL, amount = 0, d = NULL WHERE id = 900");
	run(db, table, "DELETE FROM % WHERE id IN (3, 500, 501)");
	run(db, table, "INSERT INTO % VALUES (-5, 'extra', NULL, NULL), (100000, 'it''s extra', 1, 1)");
}

static void test_every_direction(void **state)
{
	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		fill(sources[from], "mend_source", 1000);
		for (int to = 0; to < ENGINES; to++)
		{
			static const char *const map = "{\"table_map\": {\"mend_source\": \"mend_target\"}}";

			fill(targets[to], "mend_target", 1000);
			must_repair(sources[from], targets[to], "mend_source", map, 0, 0, 0);
			damage(targets[to], "mend_target");
			must_repair(sources[from], targets[to], "mend_source", map, 3, 2, 2);
			assert_lines(sources[from], targets[to], "mend_source", NULL, map, "");
			assert_lines(sources[from], targets[to], "mend_source", "{\"method\": \"rows\", \"recheck_after\": 0}", map,
						 "");
		}
	}
}

/* Rows that were equal are not touched: a trigger writes down what is. */
static void test_exactly_those_rows(void **state)
{
	(void) state;
	fill(sources[1], "touched", 500);
	fill(targets[0], "touched", 500);
	drop(targets[0], "touched_log");
	run(targets[0], "touched_log", "CREATE TABLE % (what text, id integer)");
	must(targets[0], "CREATE OR REPLACE FUNCTION public.note_touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
					 "INSERT INTO public.touched_log VALUES (tg_op, coalesce(new.id, old.id)); RETURN NULL; END $$");
	must(targets[0],
		 "CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON public.touched FOR EACH ROW EXECUTE FUNCTION "
		 "public.note_touch()");
	damage(targets[0], "touched");
	must(targets[0], "TRUNCATE public.touched_log");
	/* of 500 rows, 3 and 500 are missing, 7 differs, -5 and 100000 are extra */
	must_repair(sources[1], targets[0], "touched", NULL, 2, 1, 2);
	assert_count(targets[0], "SELECT count(*) FROM public.touched_log", 5);
	assert_count(targets[0],
				 "SELECT count(*) FROM public.touched_log WHERE (what, id) IN (('INSERT', 3), ('INSERT', 500), "
				 "('UPDATE', 7), ('DELETE', -5), ('DELETE', 100000))",
				 5);
	drop(targets[0], "touched");
	must(targets[0], "DROP FUNCTION public.note_touch()");
}

static void test_dry_run_and_bound(void **state)
{
	repaired r;

	(void) state;
	for (int to = 0; to < ENGINES; to++)
	{
		fill(sources[0], "bound_source", 1000);
		fill(targets[to], "bound_target", 1000);
		damage(targets[to], "bound_target");
		repair_with(sources[0], targets[to], "bound_source", "{\"dry_run\": true, \"recheck_after\": 0}",
					"{\"table_map\": {\"bound_source\": \"bound_target\"}}", &r);
		assert_true(r.ok);
		assert_int_equal(r.result.rows_inserted, 3);
		assert_int_equal(r.result.rows_updated, 2);
		assert_int_equal(r.result.rows_deleted, 2);
		sort_lines(&r.lines);
		assert_string_equal(r.lines.data, "differing {\"id\": 7} [name]\ndiffering {\"id\": 900} [name,amount,d]\n"
										  "extra {\"id\": -5} []\nextra {\"id\": 100000} []\nmissing {\"id\": 3} []\n"
										  "missing {\"id\": 500} []\nmissing {\"id\": 501} []\n");
		repaired_free(&r);
		repair_with(sources[0], targets[to], "bound_source", "{\"max_changes\": 6, \"recheck_after\": 0}",
					"{\"table_map\": {\"bound_source\": \"bound_target\"}}", &r);
		assert_false(r.ok);
		assert_int_equal(r.error.error_class, PYTHIA_E_USAGE);
		assert_non_null(strstr(r.error.message, "7 rows of table \"bound_target\" differ, more than max_changes (6)"));
		assert_non_null(r.error.hint);
		repaired_free(&r);
		/* nothing was changed by either */
		repair_with(sources[0], targets[to], "bound_source", "{\"max_changes\": 7, \"recheck_after\": 0}",
					"{\"table_map\": {\"bound_source\": \"bound_target\"}}", &r);
		assert_true(r.ok);
		assert_int_equal(r.result.rows_inserted + r.result.rows_updated + r.result.rows_deleted, 7);
		repaired_free(&r);
	}
}

/* A trigger of the target that changes what is written: the look after it finds out, and nothing stays. */
static void test_all_or_nothing(void **state)
{
	repaired r;

	(void) state;
	fill(sources[2], "stubborn", 100);
	fill(targets[0], "stubborn", 100);
	must(targets[0], "CREATE OR REPLACE FUNCTION public.stubborn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
					 "new.name := upper(new.name); RETURN new; END $$");
	must(targets[0], "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON public.stubborn FOR EACH ROW EXECUTE FUNCTION "
					 "public.stubborn()");
	must(targets[0], "DELETE FROM public.stubborn WHERE id IN (5, 6)");
	repair_with(sources[2], targets[0], "stubborn", NULL, NULL, &r);
	assert_false(r.ok);
	assert_non_null(strstr(r.error.message, "2 rows of table \"stubborn\" still differ"));
	repaired_free(&r);
	assert_count(targets[0], "SELECT count(*) FROM public.stubborn", 98);
	/* and the connection can be used again */
	must(targets[0], "DROP TRIGGER t ON public.stubborn");
	must_repair(sources[2], targets[0], "stubborn", NULL, 2, 0, 0);
	drop(targets[0], "stubborn");
	must(targets[0], "DROP FUNCTION public.stubborn()");
}

static void test_soft_deletes(void **state)
{
	(void) state;
	for (int to = 0; to < ENGINES; to++)
	{
		static const char *const config = "{\"deletes\": \"soft\", \"table_map\": {\"soft_source\": \"soft_target\"}}";

		fill(sources[0], "soft_source", 10);
		fill(targets[to], "soft_target", 10);
		run(targets[to], "soft_target", "ALTER TABLE % ADD COLUMN deleted_at TIMESTAMP NULL");
		run(targets[to], "soft_target", "UPDATE % SET deleted_at = '2026-01-01 00:00:00' WHERE id = 4");
		run(sources[0], "soft_source", "DELETE FROM % WHERE id = 9");
		must_repair(sources[0], targets[to], "soft_source", config, 0, 1, 1);
		{
			char sql[200];

			snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s WHERE id = 9 AND deleted_at IS NOT NULL",
					 quoted(targets[to], "soft_target"));
			assert_count(targets[to], sql, 1);
		}
		assert_lines(sources[0], targets[to], "soft_source", NULL, config, "");
	}
}

static void test_refusals(void **state)
{
	repaired r;

	(void) state;
	drop(sources[0], "keyless");
	drop(targets[1], "keyless");
	run(sources[0], "keyless", "CREATE TABLE % (a INTEGER)");
	run(targets[1], "keyless", "CREATE TABLE % (a INTEGER)");
	repair_with(sources[0], targets[1], "keyless", NULL, NULL, &r);
	assert_false(r.ok);
	assert_string_equal(r.error.sqlstate, "42P16");
	assert_non_null(r.error.hint);
	repaired_free(&r);
	repair_with(sources[0], targets[1], "no_such_table", NULL, NULL, &r);
	assert_false(r.ok);
	assert_string_equal(r.error.sqlstate, "42P01");
	repaired_free(&r);
}

/* Text and composite keys, NULLs, every awkward character. */
static void test_awkward_keys(void **state)
{
	static const char *const types[ENGINES] = {"text", "varchar(40) COLLATE utf8mb4_nopad_bin", "text"};

	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		int to = (from + 1) % ENGINES;
		pythia_db *sides[2] = {sources[from], targets[to]};

		for (int side = 0; side < 2; side++)
		{
			char sql[300];

			drop(sides[side], "awkward");
			snprintf(sql, sizeof(sql),
					 "CREATE TABLE %s (a %s NOT NULL, b INTEGER NOT NULL, \"odd name\" %s, PRIMARY KEY (b, a))",
					 quoted(sides[side], "awkward"), types[sides[side]->engine], types[sides[side]->engine]);
			if (sides[side]->engine == PYTHIA_MYSQL)
			{
				for (char *c = sql; *c != '\0'; c++)
					*c = *c == '"' ? '`' : *c;
			}
			must(sides[side], sql);
			run(sides[side], "awkward",
				"INSERT INTO % VALUES ('it''s', 1, 'x'), ('tab\t', 1, NULL), ('', 2, ''), ('\xf0\x9f\x98\x80', 3, "
				"'y')");
		}
		run(sides[1], "awkward", "DELETE FROM % WHERE b IN (2, 3)");
		run(sides[1], "awkward", "INSERT INTO % VALUES ('q''q', 9, 'z')");
		run(sides[1], "awkward", "UPDATE % SET a = 'its' WHERE b = 1 AND a = 'it''s'");
		must_repair(sides[0], sides[1], "awkward", NULL, 3, 0, 2);
		assert_lines(sides[0], sides[1], "awkward", NULL, NULL, "");
	}
}

/* The index of the key tells texts apart that are one to the column: the row that is meant, and no other. */
static void test_other_collation(void **state)
{
	static const char *const own = "{\"table_map\": {\"told\": \"told_apart\"}}";
	static const char *const soft = "{\"deletes\": \"soft\", \"table_map\": {\"told\": \"told_apart\"}}";
	pythia_db *lite = targets[2];
	repaired r;

	(void) state;
	drop(sources[0], "told");
	run(sources[0], "told", "CREATE TABLE % (k text PRIMARY KEY, v integer)");
	run(sources[0], "told", "INSERT INTO % VALUES ('A', 1)");
	drop(lite, "told_apart");
	run(lite, "told_apart",
		"CREATE TABLE % (k TEXT COLLATE NOCASE NOT NULL, v INTEGER, deleted_at TIMESTAMP, PRIMARY KEY (k COLLATE "
		"BINARY))");
	run(lite, "told_apart", "INSERT INTO % (k, v) VALUES ('a', 1), ('A', 1)");
	must_repair(sources[0], lite, "told", own, 0, 0, 1);
	assert_count(lite, "SELECT count(*) FROM told_apart WHERE k = 'A' COLLATE BINARY", 1);
	assert_count(lite, "SELECT count(*) FROM told_apart", 1);
	/* marked as gone, and no longer so */
	run(lite, "told_apart", "INSERT INTO % (k, v) VALUES ('a', 1)");
	must_repair(sources[0], lite, "told", soft, 0, 0, 1);
	assert_count(lite, "SELECT count(*) FROM told_apart WHERE deleted_at IS NOT NULL AND k = 'a' COLLATE BINARY", 1);
	assert_count(lite, "SELECT count(*) FROM told_apart WHERE deleted_at IS NULL AND k = 'A' COLLATE BINARY", 1);
	run(lite, "told_apart", "UPDATE % SET deleted_at = '2026-01-01 00:00:00'");
	must_repair(sources[0], lite, "told", soft, 0, 1, 0);
	assert_count(lite, "SELECT count(*) FROM told_apart WHERE deleted_at IS NULL", 1);
	/* PostgreSQL: such an index is no key, so the column's own equality decides whether rows are told apart */
	must(targets[0], "CREATE COLLATION IF NOT EXISTS public.told_ci (provider = icu, locale = 'und-u-ks-level2',"
					 " deterministic = false)");
	drop(targets[0], "told_apart");
	run(targets[0], "told_apart", "CREATE TABLE % (k text COLLATE public.told_ci NOT NULL, v integer)");
	must(targets[0], "CREATE UNIQUE INDEX ON public.told_apart (k COLLATE \"C\")");
	run(targets[0], "told_apart", "INSERT INTO % VALUES ('a', 1), ('A', 1)");
	repair_with(sources[0], targets[0], "told", NULL, own, &r);
	assert_false(r.ok);
	assert_string_equal(r.error.sqlstate, "23505");
	repaired_free(&r);
	assert_count(targets[0], "SELECT count(*) FROM public.told_apart", 2);
	drop(targets[0], "told_apart");
	must(targets[0], "DROP COLLATION public.told_ci");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_direction),   cmocka_unit_test(test_exactly_those_rows),
		cmocka_unit_test(test_dry_run_and_bound), cmocka_unit_test(test_all_or_nothing),
		cmocka_unit_test(test_soft_deletes),      cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_awkward_keys),      cmocka_unit_test(test_other_collation),
	};

	return cmocka_run_group_tests(tests, open_engines, close_engines);
}
