/* The public library: errors, cancelling, and what its functions refuse. */
#include <pthread.h>
#include <unistd.h>

#include "api/internal.h"
#include "driver_tests.h"
#include "folder.h"
#include "pythia.h"

static pythia_database *open_one(pythia_client *client, const char *name, unsigned flags)
{
	char url[200];
	pythia_database *database;

	snprintf(url, sizeof(url), "sqlite:///%s/%s", group_folder(), name);
	if (pythia_client_open(client, url, flags, &database) != PYTHIA_OK)
		fail_msg("%s", pythia_client_message(client));
	return database;
}

static void make_table(const char *name, const char *rows)
{
	pythia_db *db;
	pythia_open_options create = {.create = true};
	char url[200];

	snprintf(url, sizeof(url), "sqlite:///%s/%s", group_folder(), name);
	db = open_url(url, &create);
	must(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, updated_at TEXT)");
	must(db, rows);
	pythia_db_close(db);
}

static void test_errors(void **state)
{
	pythia_client *client = pythia_client_new();
	pythia_database *a;
	pythia_database *b;
	pythia_sync_report report;
	pythia_validation validation;

	(void) state;
	assert_string_equal(pythia_client_message(client), "");
	assert_int_equal(pythia_client_open(client, "mysql://u:topsecret@127.0.0.1:1/d", 0, &a), PYTHIA_NO_CONNECTION);
	assert_null(a);
	assert_non_null(strstr(pythia_client_message(client), "127.0.0.1:1"));
	assert_null(strstr(pythia_client_message(client), "topsecret"));
	assert_string_not_equal(pythia_client_hint(client), "");
	assert_int_equal(pythia_client_open(client, "nonsense", 0, &a), PYTHIA_WRONG_USAGE);
	assert_string_equal(pythia_client_sqlstate(client), "22023");
	make_table("errors.db", "INSERT INTO t VALUES (1, 'x', '2024-01-01')");
	a = open_one(client, "errors.db", 0);
	b = open_one(client, "errors_b.db", PYTHIA_CREATE);
	assert_non_null(strstr(pythia_client_server(a), "SQLite 3"));
	assert_non_null(strstr(pythia_client_display(a), "errors.db"));
	assert_int_equal(pythia_client_sync(a, a, "t", NULL, NULL, &report), PYTHIA_WRONG_USAGE);
	assert_int_equal(pythia_client_sync(a, b, "absent", NULL, NULL, &report), PYTHIA_WRONG_USAGE);
	assert_non_null(strstr(pythia_client_message(client), "absent"));
	assert_int_equal(pythia_client_sync(a, b, "t", "{\"mod\": 1}", NULL, &report), PYTHIA_WRONG_USAGE);
	assert_non_null(strstr(pythia_client_message(client), "\"mod\""));
	assert_int_equal(pythia_client_sync(a, b, "t", "{not json", NULL, &report), PYTHIA_WRONG_USAGE);
	assert_int_equal(pythia_client_validate(a, b, "t", NULL, "{\"metod\": 1}", NULL, NULL, &validation),
					 PYTHIA_WRONG_USAGE);
	pythia_client_close(a);
	pythia_client_close(b);
	pythia_client_close(NULL);
	pythia_client_free(client);
	pythia_client_free(NULL);
}

static int count_difference(void *context, const char *kind, const char *primary_key, const char *source_row,
							const char *target_row, const char *const *columns)
{
	int *count = context;

	assert_string_equal(kind, "differing");
	assert_string_equal(primary_key, "{\"id\": 2}");
	assert_non_null(source_row);
	assert_non_null(target_row);
	assert_string_equal(columns[0], "v");
	assert_null(columns[1]);
	(*count)++;
	return 0;
}

static void test_work(void **state)
{
	pythia_client *client = pythia_client_new();
	pythia_database *a;
	pythia_database *b;
	pythia_sync_report report;
	pythia_validation validation;
	pythia_db *db;
	int count = 0;

	(void) state;
	make_table("a.db", "INSERT INTO t VALUES (1, 'x', '2024-01-01 00:00:00'), (2, 'y', '2024-01-02 00:00:00')");
	a = open_one(client, "a.db", 0);
	b = open_one(client, "b.db", PYTHIA_CREATE);
	assert_int_equal(pythia_client_sync(a, b, "t", NULL, NULL, &report), PYTHIA_OK);
	assert_int_equal(report.rows_inserted, 2);
	assert_string_not_equal(report.watermark, "");
	db = open_url_in(group_folder(), "a.db");
	must(db, "INSERT INTO t VALUES (3, 'z', datetime('now'))");
	pythia_db_close(db);
	/* the last report's own text may be handed in again */
	assert_int_equal(pythia_client_sync(a, b, "t", NULL, report.watermark, &report), PYTHIA_OK);
	assert_int_equal(report.rows_inserted, 1);
	db = open_url_in(group_folder(), "b.db");
	must(db, "UPDATE t SET v = 'changed' WHERE id = 2");
	pythia_db_close(db);
	assert_int_equal(
		pythia_client_validate(a, b, "t", NULL, "{\"recheck_after\": 0}", count_difference, &count, &validation),
		PYTHIA_OK);
	assert_false(validation.is_valid);
	assert_int_equal(validation.differing, 1);
	assert_int_equal(count, 1);
	assert_int_equal(pythia_client_repair(a, b, "t", NULL, NULL, &report), PYTHIA_OK);
	assert_int_equal(report.rows_updated, 1);
	assert_int_equal(pythia_client_validate(a, b, "t", NULL, NULL, NULL, NULL, &validation), PYTHIA_OK);
	assert_true(validation.is_valid);
	assert_int_equal(validation.source_rows, 3);
	pythia_client_close(a);
	pythia_client_close(b);
	pythia_client_free(client);
}

typedef struct told
{
	int notices;
	char notice[300];
	int64_t rows;
} told;

static void take_notice(void *context, const char *message)
{
	told *t = context;

	t->notices++;
	snprintf(t->notice, sizeof(t->notice), "%s", message);
}

static void take_progress(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes)
{
	told *t = context;

	assert_non_null(phase);
	assert_true(total >= -1 && bytes >= 0);
	t->rows = rows;
}

/* What a client is told on the way, and where an error came from. */
static void test_told(void **state)
{
	pythia_client *client = pythia_client_new();
	pythia_database *a;
	pythia_database *b;
	pythia_sync_report report;
	told t = {0};

	(void) state;
	make_table("told_a.db", "INSERT INTO t VALUES (1, 'x', '2024-01-01'), (2, 'y', '2024-01-02')");
	a = open_one(client, "told_a.db", 0);
	b = open_one(client, "told_b.db", PYTHIA_CREATE);
	pythia_client_on_notice(client, take_notice, &t);
	pythia_client_on_progress(client, take_progress, &t);
	assert_int_equal(
		pythia_client_sync(a, b, "t", "{\"mode\": \"full\", \"soft_delete_column\": \"v\"}", NULL, &report), PYTHIA_OK);
	assert_int_equal(t.notices, 1);
	assert_non_null(strstr(t.notice, "\"soft_delete_column\" has no effect"));
	assert_int_equal(t.rows, 2);
	assert_string_equal(pythia_client_context(client), "");
	assert_int_equal(pythia_client_sync(a, b, "t",
										"{\"mode\": \"full\", \"deletes\": \"soft\", \"soft_delete_column\": \"v\"}",
										NULL, &report),
					 PYTHIA_WRONG_USAGE);
	assert_non_null(strstr(pythia_client_detail(client), "the source's column \"v\""));
	assert_non_null(strstr(pythia_client_context(client), "synchronising table \"t\""));
	pythia_client_on_notice(client, NULL, NULL);
	pythia_client_on_progress(client, NULL, NULL);
	assert_int_equal(
		pythia_client_sync(a, b, "t", "{\"mode\": \"full\", \"soft_delete_column\": \"v\"}", NULL, &report), PYTHIA_OK);
	assert_int_equal(t.notices, 1);
	pythia_client_close(a);
	pythia_client_close(b);
	pythia_client_free(client);
}

static int count_change(void *context, const pythia_change *change)
{
	(void) change;
	++*(int *) context;
	return 0;
}

/* A watch goes on with the connections that took the place of its own, and ends with its databases. */
static void test_watch_outlives_connections(void **state)
{
	static const char *const tables[] = {"t", NULL};
	pythia_client *client = pythia_client_new();
	pythia_database *source;
	pythia_database *target;
	pythia_database *kept;
	pythia_sync_report report;
	pythia_watch *watch;
	pythia_watch *other;
	int64_t count;
	int seen = 0;

	(void) state;
	make_table("watched.db", "INSERT INTO t VALUES (1, 'x', '2024-01-01')");
	source = open_one(client, "watched.db", 0);
	target = open_one(client, "watched_copy.db", PYTHIA_CREATE);
	kept = open_one(client, "watched_state.db", PYTHIA_CREATE);
	assert_int_equal(pythia_client_watch(source, kept, "w", tables, NULL, "{\"start_from\": \"beginning\"}", &watch),
					 PYTHIA_OK);
	assert_int_equal(pythia_client_watch(source, kept, "other", tables, NULL, NULL, &other), PYTHIA_OK);
	assert_int_equal(pythia_client_poll(watch, count_change, &seen, &count), PYTHIA_OK);
	assert_int_equal(seen, 1);
	source->db->broken = true;
	assert_int_equal(pythia_client_sync(source, target, "t", "{\"mode\": \"full\"}", NULL, &report), PYTHIA_OK);
	must(target->db, "INSERT INTO t VALUES (2, 'y', datetime('now'))");
	assert_int_equal(pythia_client_sync(target, source, "t", "{\"mode\": \"full\"}", NULL, &report), PYTHIA_OK);
	kept->db->broken = true;
	assert_int_equal(pythia_client_poll(watch, count_change, &seen, &count), PYTHIA_OK);
	assert_int_equal(seen, 2);
	pythia_client_unwatch(watch);
	pythia_client_close(source);
	assert_int_equal(pythia_client_poll(other, count_change, &seen, &count), PYTHIA_WRONG_USAGE);
	assert_string_equal(pythia_client_message(client), "a database of watch \"other\" is closed");
	pythia_client_unwatch(other);
	pythia_client_close(target);
	pythia_client_close(kept);
	pythia_client_free(client);
}

/* A copy of the state would take the original's changes. */
static void test_watch_in_a_copy(void **state)
{
	static const char *const tables[] = {"t", NULL};
	pythia_client *client = pythia_client_new();
	pythia_database *source;
	pythia_database *kept;
	pythia_watch *watch;
	char command[2 * FOLDER_SIZE + 60];

	(void) state;
	make_table("origin.db", "INSERT INTO t VALUES (1, 'x', '2024-01-01')");
	source = open_one(client, "origin.db", 0);
	kept = open_one(client, "origin_state.db", PYTHIA_CREATE);
	assert_int_equal(pythia_client_watch(source, kept, "w", tables, NULL, NULL, &watch), PYTHIA_OK);
	pythia_client_unwatch(watch);
	pythia_client_close(kept);
	snprintf(command, sizeof(command), "cp '%s/origin_state.db' '%s/copied_state.db'", group_folder(), group_folder());
	assert_int_equal(system(command), 0);
	kept = open_one(client, "copied_state.db", 0);
	assert_int_equal(pythia_client_watch(source, kept, "w", tables, NULL, NULL, &watch), PYTHIA_WRONG_USAGE);
	assert_string_equal(pythia_client_sqlstate(client), "55000");
	assert_int_equal(pythia_client_release(kept, "nobody"), PYTHIA_WRONG_USAGE);
	assert_int_equal(pythia_client_release(kept, "w"), PYTHIA_OK);
	assert_int_equal(pythia_client_watch(source, kept, "w", tables, NULL, NULL, &watch), PYTHIA_OK);
	pythia_client_unwatch(watch);
	pythia_client_close(kept);
	pythia_client_close(source);
	pythia_client_free(client);
}

static void *cancel_soon(void *client)
{
	usleep(100000); /* the other thread is at work by then, or is cancelled as it begins */
	pythia_client_cancel(client);
	return NULL;
}

static void test_cancel(void **state)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	pythia_client *client = pythia_client_new();
	pythia_database *database;
	char url[100];
	pthread_t thread;
	double start = seconds_now();

	(void) state;
	snprintf(url, sizeof(url), "postgresql://u@127.0.0.1:%d/d", listen_quietly(&address, &length));
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, client), 0);
	assert_int_equal(pythia_client_open(client, url, 0, &database), PYTHIA_CANCELLED);
	assert_true(seconds_now() - start < SOON);
	pthread_join(thread, NULL);
	pythia_client_resume(client);
	database = open_one(client, "after.db", PYTHIA_CREATE);
	pythia_client_close(database);
	pythia_client_free(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_work),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_watch_outlives_connections),
		cmocka_unit_test(test_watch_in_a_copy),
		cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests_name("api", tests, make_folder, remove_folder);
}
