/* What the tests of sync share; included by one source each. */
#ifndef PYTHIA_SYNC_TESTS_H
#define PYTHIA_SYNC_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/json_read.h"
#include "folder.h"
#include "script.h"
#include "sync/sync.h"

enum
{
	PG,
	LITE,
	MY,
	ENGINES
};

/* seq from 1 to n (a text) as a table, alike in MariaDB and MySQL */
#define SEQ_TO(n)                                                                                                      \
	"JSON_TABLE(CONCAT('[1', REPEAT(',1', " n " - 1), ']'), '$[*]' COLUMNS (seq FOR ORDINALITY)) AS numbers"

static const char *const engine_names[] = {"postgresql", "sqlite", "mariadb"};
static char scratch[FOLDER_SIZE];

/* The URL of one of two databases of an engine: `which` 0 is where sources live, 1 where targets do. */
static void url_of(int engine, int which, char *out, size_t size)
{
	if (engine == LITE)
		snprintf(out, size, "sqlite:///%s/db%d.sqlite", scratch, which);
	else
	{
		const char *base = getenv(engine == PG ? "PG_URL" : "MYSQL_URL");
		const char *slash = base != NULL ? strrchr(base, '/') : NULL;

		if (base == NULL)
			fail_msg("PG_URL and MYSQL_URL are not set: run this through test/run or test/with-servers");
		snprintf(out, size, "%.*s/synctest%d_%d", (int) (slash - base), base, which, (int) getpid());
	}
}

static pythia_db *open_text(const char *text)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_open_options options = {.create = true};
	pythia_url url;
	pythia_db *db = NULL;

	if (!pythia_url_parse(text, &url, &error) || !pythia_db_open(&url, pythia_default_host(), &options, &db, &error))
		fail_msg("opening %s: %s", text, error.message);
	pythia_url_free(&url);
	return db;
}

/* For the tests' own statements: the driver pins pg_catalog, when it opens and when it resets. */
static void look_in_public(pythia_db *db)
{
	if (db->engine == PYTHIA_POSTGRESQL && !db->broken)
		pythia_db_exec(db, "SET search_path = public", NULL, NULL);
}

static void must(pythia_db *db, const char *sql)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	look_in_public(db);
	if (!script_run(db, sql, &error))
		fail_msg("%s: %s (%s)", sql, error.message, error.detail != NULL ? error.detail : "");
}

/* Who may do all, in a database of a server. */
static inline pythia_db *open_superuser(int engine, int which)
{
	const char *base = getenv(engine == PG ? "PG_SUPERUSER_URL" : "MYSQL_SOCKET");
	char url[512];
	pythia_db *db;

	if (base == NULL)
		fail_msg("PG_SUPERUSER_URL and MYSQL_SOCKET are not set: run this through test/run or test/with-servers");
	if (engine == PG)
		snprintf(url, sizeof(url), "%.*s/synctest%d_%d", (int) (strrchr(base, '/') - base), base, which,
				 (int) getpid());
	else
		snprintf(url, sizeof(url), "mariadb://root@localhost/synctest%d_%d?unix_socket=%s", which, (int) getpid(),
				 base);
	db = open_text(url);
	look_in_public(db);
	return db;
}

static pythia_db *open_engine(int engine, int which)
{
	char url[512];
	pythia_db *db;

	url_of(engine, which, url, sizeof(url));
	db = open_text(url);
	look_in_public(db);
	return db;
}

/* The first column of the first row, "(null)" for NULL, in one of a few buffers. */
static const char *value_of(pythia_db *db, const char *sql)
{
	static char buffers[4][4096];
	static int next;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;
	char *out = buffers[next++ % 4];

	memset(&result, 0, sizeof(result));
	look_in_public(db);
	if (!pythia_db_query(db, sql, "V*", &result, &error))
		fail_msg("%s: %s", sql, error.message);
	snprintf(out, sizeof(buffers[0]), "%s",
			 result.nrows == 0                       ? "(no row)"
			 : pythia_result_optional(&result, 0, 0) ? pythia_result_optional(&result, 0, 0)
													 : "(null)");
	pythia_result_free(&result);
	return out;
}

static inline bool try_sync_with(pythia_sync_job *job, const char *table, const char *json, pythia_sync_result *result,
								 pythia_error *error)
{
	pythia_node *tree = NULL;
	pythia_sync_config config;
	bool ok;

	if (!pythia_json_read("sync_config", json, &tree, error))
		fail_msg("%s: %s", json, error->message);
	job->table = table;
	job->config = &config;
	memset(result, 0, sizeof(*result));
	ok = pythia_sync_config_read(tree, NULL, table, &config, error) && pythia_sync_table(job, result, error);
	pythia_node_free(tree);
	return ok;
}

static inline bool try_sync(pythia_db *source, pythia_db *target, const char *table, const char *json,
							const char *watermark, pythia_sync_result *result, pythia_error *error)
{
	pythia_sync_job job;

	memset(&job, 0, sizeof(job));
	job.source = source;
	job.target = target;
	job.watermark = watermark;
	return try_sync_with(&job, table, json, result, error);
}

static inline void must_sync(pythia_db *source, pythia_db *target, const char *table, const char *json,
							 const char *watermark, pythia_sync_result *result)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!try_sync(source, target, table, json, watermark, result, &error))
		fail_msg("%s to %s, %s: %s; %s; %s; %s", source->display, target->display, table, error.message,
				 error.detail != NULL ? error.detail : "-", error.hint != NULL ? error.hint : "-",
				 error.context != NULL ? error.context : "-");
}

static inline void assert_counts(const pythia_sync_result *result, int64_t inserted, int64_t updated, int64_t deleted,
								 int64_t skipped)
{
	assert_int_equal(result->rows_inserted, inserted);
	assert_int_equal(result->rows_updated, updated);
	assert_int_equal(result->rows_deleted, deleted);
	assert_int_equal(result->rows_skipped, skipped);
}

static inline void drop(pythia_db *db, const char *table)
{
	char sql[200];

	snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s", table);
	must(db, sql);
}

/* open_engine, without a table of that name. */
static inline pythia_db *open_anew(int engine, int which, const char *table)
{
	pythia_db *db = open_engine(engine, which);

	drop(db, table);
	return db;
}

static inline void close_both(pythia_db *source, pythia_db *target)
{
	pythia_db_close(source);
	pythia_db_close(target);
}

/* Both databases of both servers, and a folder for the SQLite files. */
static int setup(void **state)
{
	static const char *const bases[] = {"PG_URL", "MYSQL_URL"};

	(void) state;
	if (!make_test_folder(scratch, "sync"))
		return -1;
	for (int i = 0; i < 2; i++)
	{
		pythia_db *db;

		if (getenv(bases[i]) == NULL)
			return -1;
		db = open_text(getenv(bases[i]));
		for (int which = 0; which < 2; which++)
		{
			char sql[100];

			/* a name of this process: tests run side by side; an earlier one may have had its number */
			snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS synctest%d_%d", which, (int) getpid());
			must(db, sql);
			snprintf(sql, sizeof(sql), "CREATE DATABASE synctest%d_%d", which, (int) getpid());
			must(db, sql);
		}
		pythia_db_close(db);
	}
	return 0;
}

static int teardown(void **state)
{
	(void) state;
	return remove_test_folder(scratch);
}

#endif
