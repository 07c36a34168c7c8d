/* What the tests of capture share. */
#ifndef PYTHIA_CAPTURE_TESTS_H
#define PYTHIA_CAPTURE_TESTS_H

#include "driver_tests.h"

#include <unistd.h>

#include "capture/capture.h"
#include "drivers/json_read.h"

static char capture_folder[256];

/* A folder of the test's own below PYTHIA_SCRATCH or /tmp. */
static int make_folder(void **state)
{
	const char *scratch = getenv("PYTHIA_SCRATCH");

	(void) state;
	snprintf(capture_folder, sizeof(capture_folder), "%s/capture.XXXXXX", scratch ? scratch : "/tmp");
	return mkdtemp(capture_folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[300];

	(void) state;
	snprintf(command, sizeof(command), "rm -rf '%s'", capture_folder);
	return system(command);
}

static inline pythia_db *open_file(const char *name)
{
	char url[400];
	pythia_open_options options = {.create = true};

	snprintf(url, sizeof(url), "sqlite:///%s/%s", capture_folder, name);
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
} rig;

static pythia_node *read_options(pythia_db *db, const char *json)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_node *node = NULL;

	if (!pythia_json_read(db, "options", json, &node, &error))
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
	if (!pythia_db_query(r->store, "SELECT max(change_id) FROM pythia_journal_1", &last, &error))
		fail_msg("last: %s", error.message);
	if (pythia_result_get(&last, 0, 0) &&
		!pythia_capture_ack(r->store, r->name, "default", atoll(pythia_result_get(&last, 0, 0)), &error))
		fail_msg("ack: %s", error.message);
	pythia_result_free(&last);
	return r->log;
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
	if (!pythia_capture_table_open(r->source, name, stamp, &config, &table, &error))
		fail_msg("%s", error.message);
	assert_true(pythia_capture_scan(&table, &window, keep_version, scanned, &error));
	assert_true(pythia_capture_keys(&table, true, NULL, keep_version, listed, &error));
	assert_int_not_equal(scanned[0], '\0');
	assert_int_not_equal(scanned[0], '-');
	assert_string_equal(scanned, listed);
	pythia_capture_table_close(&table);
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

#endif
