/*
 * What a role, a file or a server does not allow, and what others hold: said with its SQLSTATE and a hint, nothing
 * half done, nothing deleted, and tried again where waiting helps.
 */
#include "sync_tests.h"

#include <pthread.h>
#include <sys/stat.h>

static void make_rows(pythia_db *db, int rows)
{
	drop(db, "held");
	must(db, "CREATE TABLE held (id integer PRIMARY KEY, v varchar(20), updated_at timestamp NULL)");
	for (int i = 1; i <= rows; i++)
	{
		char sql[100];

		snprintf(sql, sizeof(sql), "INSERT INTO held VALUES (%d, 'v', NULL)", i);
		must(db, sql);
	}
}

static void refused(pythia_db *source, pythia_db *target, const char *json, const char *sqlstate)
{
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;

	if (try_sync(source, target, "held", json, NULL, &result, &error))
		fail_msg("%s to %s, %s: no error", source->display, target->display, json);
	if (strcmp(error.sqlstate, sqlstate) != 0)
		fail_msg("%s to %s, %s: %s %s", source->display, target->display, json, error.sqlstate, error.message);
	pythia_error_reset(&error);
	pythia_sync_result_free(&result);
}

/* The URL of a role that has just been made, in the engine's database `which`. */
static pythia_db *open_as(int engine, int which, const char *role)
{
	char url[512];
	char text[600];
	const char *rest;

	url_of(engine, which, url, sizeof(url));
	rest = strrchr(url, '@') != NULL ? strrchr(url, '@') + 1 : strstr(url, "://") + 3;
	snprintf(text, sizeof(text), "%.*s%s:pw@%s", (int) (strstr(url, "://") + 3 - url), url, role, rest);
	return open_text(text);
}

/* Each right that is missing, in turn; with all of them the same role is served. */
static void test_rights(void **state)
{
	static const char *const grants[] = {"SELECT", "SELECT, INSERT", "SELECT, INSERT, UPDATE",
										 "SELECT, INSERT, UPDATE, DELETE"};
	char role[40];

	(void) state;
	snprintf(role, sizeof(role), "denied%d", (int) getpid());
	for (int engine = 0; engine < ENGINES; engine++)
	{
		pythia_db *admin[2];
		pythia_db *lite[2];
		pythia_db *source;
		pythia_sync_result result;
		char sql[300];

		if (engine == LITE)
			continue;
		for (int side = 0; side < 2; side++)
		{
			admin[side] = open_superuser(engine, side);
			lite[side] = open_engine(LITE, side);
			make_rows(admin[side], 3);
			make_rows(lite[side], 3);
		}
		must(lite[0], "INSERT INTO held VALUES (4, 'new', NULL)");
		must(lite[0], "UPDATE held SET v = 'changed' WHERE id = 2");
		must(lite[0], "DELETE FROM held WHERE id = 3");
		snprintf(sql, sizeof(sql),
				 engine == PG ? "CREATE ROLE %s LOGIN PASSWORD 'pw'" : "CREATE USER %s IDENTIFIED BY 'pw'", role);
		must(admin[0], sql);
		if (engine == PG)
			must(admin[1], "REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT CREATE ON SCHEMA public TO pythia");
		/* a source that may not be read: no row is taken for gone */
		if (engine == MY)
		{
			snprintf(sql, sizeof(sql), "GRANT INSERT ON held TO %s", role);
			must(admin[0], sql);
		}
		source = open_as(engine, 0, role);
		refused(source, lite[1], "{\"mode\": \"full\", \"deletes\": \"hard\"}", "42501");
		refused(source, lite[1], "{\"mode\": \"full\", \"truncate_target\": true}", "42501");
		assert_string_equal(value_of(lite[1], "SELECT count(*) FROM held"), "3");
		pythia_db_close(source);
		for (size_t i = 0; i < sizeof(grants) / sizeof(grants[0]); i++)
		{
			bool last = i == sizeof(grants) / sizeof(grants[0]) - 1;
			pythia_db *target;

			if (engine == MY && i == 0) /* a stage is a temporary table */
			{
				snprintf(sql, sizeof(sql), "GRANT CREATE TEMPORARY TABLES ON synctest1_%d.* TO %s", (int) getpid(),
						 role);
				must(admin[1], sql);
			}
			snprintf(sql, sizeof(sql), "GRANT %s ON held TO %s", grants[i], role);
			must(admin[1], sql);
			target = open_as(engine, 1, role);
			if (!last)
				refused(lite[0], target, "{\"mode\": \"full\", \"deletes\": \"hard\"}", "42501");
			else
			{
				/* nor may it make a table */
				refused(lite[0], target, "{\"mode\": \"full\", \"table_map\": {\"held\": \"nowhere\"}}", "42501");
				must_sync(lite[0], target, "held", "{\"mode\": \"full\", \"deletes\": \"hard\"}", NULL, &result);
				/* the others came with the run before, which might not delete */
				assert_counts(&result, 0, 0, 1, 0);
				pythia_sync_result_free(&result);
			}
			/* what may be written is, chunk by chunk; nothing goes before all may */
			assert_string_equal(value_of(admin[1], "SELECT count(*) FROM held WHERE id < 4"), last ? "2" : "3");
			pythia_db_close(target);
		}
		if (engine == PG)
		{
			for (int side = 0; side < 2; side++)
			{
				snprintf(sql, sizeof(sql), "DROP OWNED BY %s", role);
				must(admin[side], sql);
			}
			snprintf(sql, sizeof(sql), "DROP ROLE %s", role);
		}
		else
			snprintf(sql, sizeof(sql), "DROP USER %s", role);
		must(admin[0], sql);
		for (int side = 0; side < 2; side++)
		{
			drop(admin[side], "held"); /* it is the superuser's, and others cannot */
			pythia_db_close(admin[side]);
			pythia_db_close(lite[side]);
		}
	}
}

/* A file that may be read only, as a source and as a target. */
static void test_file(void **state)
{
	pythia_db *other = open_engine(PG, 0);
	pythia_db *db;
	pythia_db *target;
	pythia_sync_result result;
	char path[FOLDER_SIZE + 20];
	char url[FOLDER_SIZE + 40];

	(void) state;
	if (geteuid() == 0)
	{
		print_message("root may write everywhere: not tried\n");
		pythia_db_close(other);
		return;
	}
	snprintf(path, sizeof(path), "%s/kept.sqlite", scratch);
	snprintf(url, sizeof(url), "sqlite:///%s", path);
	db = open_text(url);
	make_rows(db, 5);
	pythia_db_close(db);
	assert_int_equal(chmod(path, 0444), 0);
	db = open_text(url);
	make_rows(other, 2);
	refused(other, db, "{\"mode\": \"full\", \"deletes\": \"hard\"}", "25006");
	assert_string_equal(value_of(db, "SELECT count(*) FROM held"), "5");
	target = open_engine(PG, 1);
	drop(target, "held");
	must_sync(db, target, "held", "{\"mode\": \"full\"}", NULL, &result);
	assert_counts(&result, 5, 0, 0, 0);
	pythia_sync_result_free(&result);
	pythia_db_close(db);
	pythia_db_close(other);
	pythia_db_close(target);
}

static volatile int notices;

/* Lets go once the run has been refused. */
static void *let_go(void *argument)
{
	for (int tries = 0; tries < 3000 && notices == 0; tries++)
		usleep(10000);
	must(argument, "COMMIT");
	return NULL;
}

static void count_notice(void *context, pythia_log_level level, const char *message)
{
	(void) context;
	if (level == PYTHIA_LOG_NOTICE && strstr(message, "trying again") != NULL)
		notices++;
}

/* A lock that is held longer than the target waits: said, tried again, and then it goes. */
static void test_locks(void **state)
{
	static const char *const impatient[ENGINES] = {"SET lock_timeout = '50ms'", "PRAGMA busy_timeout = 50",
												   "SET innodb_lock_wait_timeout = 1"};
	static pythia_host host;

	(void) state;
	host = *pythia_default_host();
	host.log = count_notice;
	for (int engine = 0; engine < ENGINES; engine++)
	{
		pythia_db *source = open_engine(engine == PG ? MY : PG, 0);
		pythia_db *target = open_engine(engine, 1);
		pythia_db *holder = open_engine(engine, 1);
		pthread_t thread;
		pythia_sync_result result;
		const pythia_host *usual = source->host;

		print_message("%s\n", engine_names[engine]);
		make_rows(source, 10);
		make_rows(target, 10);
		must(source, "UPDATE held SET v = 'new'");
		must(target, impatient[engine]);
		must(holder, engine == LITE ? "BEGIN IMMEDIATE" : "BEGIN");
		must(holder, "UPDATE held SET v = 'held' WHERE id = 5");
		notices = 0;
		source->host = &host;
		assert_int_equal(pthread_create(&thread, NULL, let_go, holder), 0);
		must_sync(source, target, "held", "{\"mode\": \"full\"}", NULL, &result);
		pthread_join(thread, NULL);
		source->host = usual;
		assert_true(notices > 0);
		assert_int_equal(result.rows_updated, 10);
		pythia_sync_result_free(&result);
		assert_string_equal(value_of(target, "SELECT count(*) FROM held WHERE v = 'new'"), "10");
		close_both(source, target);
		pythia_db_close(holder);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rights), cmocka_unit_test(test_file),
									   cmocka_unit_test(test_locks)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
