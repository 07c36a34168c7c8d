/* What the tests of capture share. */
#ifndef PYTHIA_CAPTURE_TESTS_H
#define PYTHIA_CAPTURE_TESTS_H

#include "driver_tests.h"

#include "capture/capture.h"
#include "core/json_read.h"
#include "folder.h"

static inline pythia_db *open_file(const char *name)
{
	char url[400];
	pythia_open_options options = {.create = true};

	snprintf(url, sizeof(url), "sqlite:///%s/%s", group_folder(), name);
	return open_url(url, &options);
}

/* A worker with its source and store. */
typedef struct rig
{
	pythia_db *source;
	pythia_db *writer; /* a second connection to the source's database */
	pythia_db *store;
	pythia_node *options;
	pythia_capture *capture;
	const char *name;
	char log[65536]; /* one line a change: TYPE key old new */
	int64_t captured;
	int flushes;
	bool refuse; /* the callback fails */

	/* how the shared tests speak to this engine; set by the opener */
	const char *table;  /* id, v, updated_at stamped by itself */
	const char *schema; /* for schema.* */
	const char *other;  /* a table in it, of the same columns */
	const char *wait;   /* a statement that takes more than a second and the default lookback, or NULL */
} rig;

/* Whether the environment names a server; says so where it does not. */
static inline bool is_named(const char *variable)
{
	if (getenv(variable))
		return true;
	print_message("skipped: %s is not set\n", variable);
	return false;
}

/* A source and a writer of the server that the variable names, and a store of their own. */
static inline void open_server_rig(rig *r, const char *variable)
{
	static int files;
	char name[40];

	memset(r, 0, sizeof(*r));
	r->source = open_url(getenv(variable), NULL);
	r->writer = open_url(getenv(variable), NULL);
	snprintf(name, sizeof(name), "store%d.db", ++files);
	r->store = open_file(name);
}

static pythia_node *read_options(pythia_db *db, const char *json)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_node *node = NULL;

	if (!pythia_json_read("options", json, &node, &error))
		fail_msg("%s: %s", json, error.message);
	return node;
}

static bool try_create(rig *r, const char *tables, const char *stamp, const char *json, pythia_error *error)
{
	char copy[300];
	const char *names[8] = {NULL};
	int count = 0;
	bool ok;

	snprintf(copy, sizeof(copy), "%s", tables);
	for (char *at = strtok(copy, ","); at && count < 7; at = strtok(NULL, ","))
		names[count++] = at;
	pythia_error_reset(error);
	pythia_capture_close(r->capture);
	r->capture = NULL;
	pythia_node_free(r->options);
	r->options = read_options(r->store, json);
	r->name = r->name ? r->name : "w";
	ok = pythia_capture_create(r->store, r->source, r->name, names, "there", 5, stamp, r->options, json, error);
	return ok && pythia_capture_open(r->store, r->source, r->name, r->options, &r->capture, error);
}

static void create(rig *r, const char *tables, const char *stamp, const char *json)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!try_create(r, tables, stamp, json, &error))
		fail_msg("create: %s %s", error.message, error.context ? error.context : "");
}

static bool log_change(void *context, const pythia_capture_change *change, pythia_error *error)
{
	rig *r = context;
	size_t used = strlen(r->log);

	if (r->refuse)
		return pythia_fail(error, PYTHIA_E_DATABASE, "XX001", "refused");
	snprintf(r->log + used, sizeof(r->log) - used, "%s %s %s %s\n", change->change_type,
			 change->primary_key ? change->primary_key : "-", change->old_data ? change->old_data : "-",
			 change->new_data ? change->new_data : "-");
	return true;
}

static inline bool count_flush(void *context, pythia_error *error)
{
	rig *r = context;

	r->flushes++;
	return r->refuse ? pythia_fail(error, PYTHIA_E_DATABASE, "XX001", "refused") : true;
}

/* Polls into the journal, then reads it as the default consumer and acknowledges. */
static inline const char *poll_journal(rig *r)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result last;

	if (!pythia_capture_run(r->capture, NULL, NULL, NULL, &r->captured, &error))
		fail_msg("poll: %s %s", error.message, error.context ? error.context : "");
	r->log[0] = '\0';
	if (!pythia_capture_consume(r->store, r->name, "default", 1000000, log_change, r, &error))
		fail_msg("consume: %s", error.message);
	if (!pythia_db_query(r->store, "SELECT max(change_id) FROM pythia_journal_1", "V*", &last, &error))
		fail_msg("last: %s", error.message);
	if (pythia_result_optional(&last, 0, 0) &&
		!pythia_capture_ack(r->store, r->name, "default", atoll(pythia_result_optional(&last, 0, 0)), &error))
		fail_msg("ack: %s", error.message);
	pythia_result_free(&last);
	return r->log;
}

/* A transaction that is open as a worker starts, however short a time, may hold a lesser number than the greatest. */
static inline void start_beside_lesser_number(rig *r, const char *table)
{
	char sql[100];

	snprintf(sql, sizeof(sql), "BEGIN; INSERT INTO %s VALUES (5)", table);
	must(r->writer, sql);
	snprintf(sql, sizeof(sql), "INSERT INTO %s VALUES (6)", table);
	must(r->source, sql);
	create(r, table, "id", "{}");
	must(r->writer, "COMMIT");
	assert_string_equal(poll_journal(r), "INSERT {\"id\": 5} - {\"id\": 5}\n");
	assert_string_equal(poll_journal(r), "");
}

/* Polls straight into the log. */
static inline const char *poll_direct(rig *r)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	r->log[0] = '\0';
	if (!pythia_capture_run(r->capture, log_change, count_flush, r, &r->captured, &error))
		fail_msg("poll: %s %s", error.message, error.context ? error.context : "");
	return r->log;
}

static inline bool keep_version(void *context, const pythia_capture_row *row, pythia_error *error)
{
	snprintf(context, 200, "%s %s", row->version ? row->version : "-", row->image);
	return true;
}

/* A baseline tells versions and images as a scan does: else the first poll would take every row for changed. */
static inline void check_baseline(rig *r, const char *name, const char *stamp)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_capture_config config;
	pythia_capture_table table;
	pythia_capture_window window = {0};
	char scanned[200] = "";
	char listed[200] = "";

	assert_true(pythia_capture_config_read(NULL, name, &config, &error));
	if (!pythia_capture_table_open(r->source, NULL, name, stamp, &config, &table, &error))
		fail_msg("%s", error.message);
	assert_true(pythia_capture_scan(&table, &window, keep_version, scanned, &error));
	assert_true(pythia_capture_keys(&table, true, NULL, keep_version, listed, &error));
	assert_int_not_equal(scanned[0], '\0');
	assert_int_not_equal(scanned[0], '-');
	assert_string_equal(scanned, listed);
	pythia_capture_table_close(&table);
}

/* Runs a statement in which %s is the rig's table. */
static inline void must_there(rig *r, pythia_db *db, const char *format)
{
	char sql[500];

	snprintf(sql, sizeof(sql), format, r->table);
	must(db, sql);
}

static inline void reopen(rig *r)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	pythia_capture_close(r->capture);
	if (!pythia_capture_open(r->store, r->source, r->name, r->options, &r->capture, &error))
		fail_msg("open: %s", error.message);
}

static inline void close_rig(rig *r)
{
	pythia_capture_close(r->capture);
	pythia_node_free(r->options);
	pythia_db_close(r->source);
	pythia_db_close(r->writer);
	pythia_db_close(r->store);
	memset(r, 0, sizeof(*r));
}

/* ---- cases that hold for every engine; each test file gives its opener ---- */

typedef void (*rig_opener)(rig *r);

/* Another connection to the server that is captured. */
static inline pythia_db *open_writer(const rig *r)
{
	return open_url(getenv(r->source->engine == PYTHIA_MYSQL ? "MYSQL_URL" : "PG_URL"), NULL);
}

static inline void shared_late_commit(rig_opener open)
{
	rig r;
	pythia_db *other;

	open(&r);
	other = open_writer(&r);
	create(&r, r.table, "updated_at", "{\"lookback\": 0, \"track\": \"none\"}");
	must(r.writer, "START TRANSACTION");
	must_there(&r, r.writer, "INSERT INTO %s (id, v) VALUES (1, 'late')");
	must_there(&r, other, "INSERT INTO %s (id, v) VALUES (2, 'b')");
	assert_non_null(strstr(poll_direct(&r), "INSERT {\"id\": 2}"));
	must(other, r.wait);
	must_there(&r, other, "INSERT INTO %s (id, v) VALUES (3, 'c')");
	assert_non_null(strstr(poll_direct(&r), "INSERT {\"id\": 3}"));
	assert_int_equal(r.captured, 1);
	must(r.writer, "COMMIT");
	assert_non_null(strstr(poll_direct(&r), "INSERT {\"id\": 1} - {\"id\": 1, \"v\": \"late\""));
	assert_int_equal(r.captured, 1);
	assert_string_equal(poll_direct(&r), "");
	pythia_db_close(other);
	close_rig(&r);
}

/* The log's numbers are not in the order of commits. */
static inline void shared_late_log(rig_opener open)
{
	rig r;
	pythia_db *other;

	open(&r);
	other = open_writer(&r);
	create(&r, r.table, NULL, "{\"capture\": \"trigger\"}");
	must(r.writer, "START TRANSACTION");
	must_there(&r, r.writer, "INSERT INTO %s (id, v) VALUES (10, 'late')");
	must_there(&r, other, "INSERT INTO %s (id, v) VALUES (11, 'early')");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 11}"));
	assert_int_equal(r.captured, 1);
	must(r.writer, "COMMIT");
	assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 10}"));
	assert_int_equal(r.captured, 1);
	assert_string_equal(poll_journal(&r), "");
	pythia_db_close(other);
	close_rig(&r);
}

static inline void shared_baseline(rig_opener open)
{
	rig r;

	open(&r);
	must_there(&r, r.writer, "INSERT INTO %s (id, v) VALUES (1, 'a')");
	check_baseline(&r, r.table, "updated_at");
	close_rig(&r);
}

/* Columns added while a worker runs: logged from then on, and completed for what was written in between. */
static inline void shared_new_columns(rig_opener open)
{
	rig r;

	open(&r);
	create(&r, r.table, NULL, "{\"capture\": \"trigger\", \"exclude_columns\": [\"updated_at\"]}");
	must_there(&r, r.writer, "INSERT INTO %s (id, v) VALUES (1, 'a')");
	must_there(&r, r.writer, "ALTER TABLE %s ADD COLUMN w varchar(9) DEFAULT 'd'");
	must_there(&r, r.writer, "INSERT INTO %s (id, v, w) VALUES (2, 'b', 'W')");
	reopen(&r);
	poll_journal(&r);
	if (r.source->engine == PYTHIA_POSTGRESQL)
		assert_non_null(strstr(r.log, "INSERT {\"id\": 2} - {\"v\": \"b\", \"w\": \"W\", \"id\": 2}"));
	else
	{
		assert_non_null(strstr(r.log, "INSERT {\"id\": 1} - {\"id\": 1, \"v\": \"a\"}\n"));
		assert_non_null(strstr(r.log, "INSERT {\"id\": 2} - {\"id\": 2, \"v\": \"b\"}\n"));
		assert_non_null(strstr(r.log, "{\"id\": 1, \"v\": \"a\", \"w\": \"d\"}\n"));
		assert_non_null(strstr(r.log, "{\"id\": 2, \"v\": \"b\", \"w\": \"W\"}\n"));
	}
	must_there(&r, r.writer, "UPDATE %s SET w = 'x' WHERE id = 1");
	poll_journal(&r);
	assert_non_null(strstr(r.log, "UPDATE {\"id\": 1}"));
	assert_non_null(strstr(r.log, "\"w\": \"d\""));
	assert_non_null(strstr(r.log, "\"w\": \"x\""));
	assert_int_equal(r.captured, 1);
	reopen(&r);
	assert_string_equal(poll_journal(&r), "");
	close_rig(&r);
}

/* Rows that come under the condition are inserted, those that leave it deleted. */
static inline void shared_where(rig_opener open)
{
	rig r;

	open(&r);
	create(&r, r.table, NULL, "{\"capture\": \"trigger\", \"columns\": [\"v\"], \"where\": \"v > 'm' AND id < 10\"}");
	must_there(&r, r.writer, "INSERT INTO %s (id, v) VALUES (1, 'a'), (2, 'n'), (11, 'z')");
	must_there(&r, r.writer, "UPDATE %s SET v = 'o' WHERE id = 2");
	must_there(&r, r.writer, "UPDATE %s SET v = 'p' WHERE id = 1");
	must_there(&r, r.writer, "UPDATE %s SET v = 'b' WHERE id = 2");
	must_there(&r, r.writer, "DELETE FROM %s");
	assert_string_equal(poll_journal(&r), "INSERT {\"id\": 2} - {\"v\": \"n\"}\n"
										  "UPDATE {\"id\": 2} {\"v\": \"n\"} {\"v\": \"o\"}\n"
										  "INSERT {\"id\": 1} - {\"v\": \"p\"}\n"
										  "DELETE {\"id\": 2} {\"v\": \"o\"} -\n"
										  "DELETE {\"id\": 1} {\"v\": \"p\"} -\n");
	close_rig(&r);
}

/* A table that is made after the worker, in a schema that it captures whole. */
static inline void shared_new_table(rig_opener open)
{
	rig r;
	char pattern[100];
	char sql[300];

	for (int trigger = 0; trigger < 2; trigger++)
	{
		open(&r);
		snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s.cap_later", r.schema);
		must(r.writer, sql);
		snprintf(pattern, sizeof(pattern), "%s.*", r.schema);
		create(&r, pattern, "updated_at", trigger ? "{\"capture\": \"trigger\"}" : "{}");
		assert_string_equal(poll_journal(&r), "");
		snprintf(sql, sizeof(sql), "CREATE TABLE %s.cap_later (id int PRIMARY KEY, updated_at timestamp)", r.schema);
		must(r.writer, sql);
		snprintf(sql, sizeof(sql), "INSERT INTO %s.cap_later VALUES (7, CURRENT_TIMESTAMP)", r.schema);
		must(r.writer, sql);
		reopen(&r);
		assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 7}"));
		assert_int_equal(r.captured, 1);
		assert_string_equal(poll_journal(&r), "");
		snprintf(sql, sizeof(sql), "DELETE FROM %s.cap_later", r.schema);
		must(r.writer, sql);
		if (trigger)
			assert_non_null(strstr(poll_journal(&r), "DELETE {\"id\": 7}"));
		snprintf(sql, sizeof(sql), "DROP TABLE %s.cap_later", r.schema);
		must(r.writer, sql);
		/* it is told as failed, and the others go on */
		reopen(&r);
		snprintf(sql, sizeof(sql), "INSERT INTO %s (id, v) VALUES (8, 'on')", r.other);
		must(r.writer, sql);
		assert_non_null(strstr(poll_journal(&r), "INSERT {\"id\": 8}"));
		if (trigger)
		{
			pythia_error error = PYTHIA_ERROR_INIT;

			assert_true(pythia_capture_drop(r.store, r.source, "w", &error));
		}
		close_rig(&r);
	}
}

/* A test of one file out of one that holds for every engine; the file says what have_server() and open_rig are. */
#define SHARED(name)                                                                                                   \
	static void test_##name(void **state)                                                                              \
	{                                                                                                                  \
		(void) state;                                                                                                  \
		if (!have_server())                                                                                            \
			skip();                                                                                                    \
		shared_##name(open_rig);                                                                                       \
	}

#endif
