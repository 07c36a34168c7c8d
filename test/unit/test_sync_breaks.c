/*
 * A run that is broken at every stage: the session of the source or of the target is ended on the server
 * right before the first, second or last call of each of the driver's functions.  With a way to connect
 * again the run ends well and both sides are equal; without one it fails, has lost nothing, and a second
 * run ends well.  All of it takes minutes: PYTHIA_TEST_LONG; else a sample by seed (PYTHIA_TEST_SEED).
 */
#include "sync_tests.h"

static int source_rows = 600;

typedef enum stage
{
	EXEC,
	QUERY,
	STREAM_OPEN,
	STREAM_NEXT,
	LOAD_BEGIN,
	LOAD_PUT,
	LOAD_END,
	BEGIN,
	COMMIT,
	ROLLBACK,
	STAGES
} stage;

static const char *const stage_names[] = {"exec",     "query",    "stream_open", "stream_next", "load_begin",
										  "load_put", "load_end", "begin",       "commit",      "rollback"};

/* What is to happen, and when.  One connection a side is under watch: the first one. */
static struct
{
	pythia_db *watched[2];
	const pythia_driver *real[2];
	pythia_driver wrapped[2];
	pythia_db *admin[2];
	char session[2][32];
	bool target;
	stage stage;
	int occurrence;
	int seen;
	bool only_fail; /* the call says TRANSIENT once, without anybody's session ending */
	bool struck;
	int calls[2][STAGES];
} break_at;

static void end_session(int side)
{
	char sql[200];
	pythia_db *admin = break_at.admin[side];

	if (admin->engine == PYTHIA_POSTGRESQL)
	{
		snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%s, 10000)", break_at.session[side]);
		value_of(admin, sql);
		return;
	}
	snprintf(sql, sizeof(sql), "KILL %s", break_at.session[side]);
	must(admin, sql);
	snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = %s",
			 break_at.session[side]);
	while (strcmp(value_of(admin, sql), "0") != 0)
		usleep(1000);
}

/* True where the call is to fail at once. */
static bool strike(int side, stage at, pythia_error *error)
{
	break_at.calls[side][at]++;
	if (side != break_at.target || at != break_at.stage || ++break_at.seen != break_at.occurrence)
		return false;
	break_at.struck = true;
	if (!break_at.only_fail)
		end_session(side);
	else
		pythia_fail(error, PYTHIA_E_TRANSIENT, "40001", "the test says so");
	return break_at.only_fail;
}

static int side_of(const pythia_db *db)
{
	return db == break_at.watched[1];
}

static bool b_exec(pythia_db *db, const char *sql, int64_t *affected, pythia_error *error)
{
	return !strike(side_of(db), EXEC, error) && break_at.real[side_of(db)]->exec(db, sql, affected, error);
}

static bool b_send(pythia_db *db, const char *sql, pythia_error *error)
{
	return !strike(side_of(db), QUERY, error) && break_at.real[side_of(db)]->send(db, sql, error);
}

static bool b_stream_open(pythia_db *db, const char *sql, int n, const pythia_kind *kinds, pythia_stream **stream,
						  pythia_error *error)
{
	return !strike(side_of(db), STREAM_OPEN, error) &&
		   break_at.real[side_of(db)]->stream_open(db, sql, n, kinds, stream, error);
}

/* only sources are streamed from in these runs */
static bool b_stream_next(pythia_stream *stream, pythia_rows *chunk, pythia_error *error)
{
	return !strike(0, STREAM_NEXT, error) && break_at.real[0]->stream_next(stream, chunk, error);
}

static bool b_load_begin(pythia_db *db, const pythia_load *load, pythia_error *error)
{
	return !strike(side_of(db), LOAD_BEGIN, error) && break_at.real[side_of(db)]->load_begin(db, load, error);
}

static bool b_load_put(pythia_db *db, const pythia_rows *chunk, pythia_error *error)
{
	return !strike(side_of(db), LOAD_PUT, error) && break_at.real[side_of(db)]->load_put(db, chunk, error);
}

static bool b_load_end(pythia_db *db, uint64_t *rows, pythia_error *error)
{
	if (strike(side_of(db), LOAD_END, error))
	{
		break_at.real[side_of(db)]->load_abandon(db);
		return false;
	}
	return break_at.real[side_of(db)]->load_end(db, rows, error);
}

static bool b_begin(pythia_db *db, pythia_begin_mode mode, pythia_error *error)
{
	return !strike(side_of(db), BEGIN, error) && break_at.real[side_of(db)]->begin(db, mode, error);
}

static bool b_commit(pythia_db *db, pythia_error *error)
{
	return !strike(side_of(db), COMMIT, error) && break_at.real[side_of(db)]->commit(db, error);
}

static bool b_rollback(pythia_db *db, pythia_error *error)
{
	bool struck = strike(side_of(db), ROLLBACK, error);

	/* one that only says that it failed has ended the transaction all the same */
	return break_at.real[side_of(db)]->rollback(db, struck ? NULL : error) && !struck;
}

static void watch(int side, pythia_db *db)
{
	pythia_driver *own = &break_at.wrapped[side];

	break_at.watched[side] = db;
	break_at.real[side] = db->driver;
	if (db->engine != PYTHIA_SQLITE)
		snprintf(break_at.session[side], sizeof(break_at.session[side]), "%s",
				 value_of(db, db->engine == PYTHIA_POSTGRESQL ? "SELECT pg_backend_pid()" : "SELECT CONNECTION_ID()"));
	*own = *db->driver;
	own->exec = b_exec;
	own->send = b_send;
	own->stream_open = b_stream_open;
	if (side == 0)
		own->stream_next = b_stream_next;
	own->load_begin = b_load_begin;
	own->load_put = b_load_put;
	own->load_end = b_load_end;
	own->begin = b_begin;
	own->commit = b_commit;
	own->rollback = b_rollback;
	db->driver = own;
}

/* --- the world ----------------------------------------------------------------- */

static pythia_host hasty; /* does not wait before it tries again */
static const pythia_host *usual;

static pythia_wait_result hasty_wait(void *context, int fd, int events, long timeout_ms)
{
	return fd < 0 ? PYTHIA_WAIT_TIMEOUT : usual->wait(context, fd, events, timeout_ms);
}

static void hasty_log(void *context, pythia_log_level level, const char *message)
{
	(void) context;
	(void) level;
	(void) message;
}

static void be_hasty(void)
{
	usual = pythia_default_host();
	hasty = *usual;
	hasty.wait = hasty_wait;
	hasty.log = hasty_log;
}

static pythia_db *open_hasty(int engine, int which)
{
	char text[512];
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_open_options options = {.create = true};
	pythia_url url;
	pythia_db *db = NULL;

	url_of(engine, which, text, sizeof(text));
	if (!pythia_url_parse(text, &url, &error) || !pythia_db_open(&url, &hasty, &options, &db, &error))
		fail_msg("opening %s: %s", text, error.message);
	pythia_url_free(&url);
	return db;
}

static int engines[2];

static bool open_again(void *context, bool target, const pythia_host *host, pythia_db **db, pythia_error *error)
{
	(void) context;
	(void) host;
	(void) error;
	*db = open_hasty(engines[target], target);
	return true;
}

typedef enum way
{
	EMPTY,
	MERGE,
	REPLACE,
	NEW,
	WAYS
} way;

static const char *const way_names[] = {"into an empty table", "merged, with deletes", "replacing",
										"into a table that it makes"};
static const char *const configs[] = {"{\"mode\": \"full\"}", "{\"mode\": \"full\", \"deletes\": \"hard\"}",
									  "{\"mode\": \"full\", \"truncate_target\": true}", "{\"mode\": \"full\"}"};

static void make_source(void)
{
	pythia_db *db = open_engine(engines[0], 0);
	char sql[400];

	drop(db, "broken");
	must(db, "CREATE TABLE broken (id integer PRIMARY KEY, v varchar(200), updated_at timestamp NULL)");
	if (engines[0] == PG)
		snprintf(sql, sizeof(sql),
				 "INSERT INTO broken SELECT i, repeat('v', 150), '2024-01-01' FROM generate_series(1, %d) i",
				 source_rows);
	else if (engines[0] == MY)
		snprintf(sql, sizeof(sql), "INSERT INTO broken SELECT seq, REPEAT('v', 150), '2024-01-01' FROM " SEQ_TO("%d"),
				 source_rows);
	else
		snprintf(sql, sizeof(sql),
				 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
				 " INSERT INTO broken SELECT i, replace(hex(zeroblob(75)), '0', 'v'), '2024-01-01 00:00:00' FROM n",
				 source_rows);
	must(db, sql);
	pythia_db_close(db);
}

static void make_target(pythia_db *db, way w)
{
	if (w == NEW)
	{
		drop(db, "broken");
		return;
	}
	must(db, "CREATE TABLE IF NOT EXISTS broken (id integer PRIMARY KEY, v varchar(200), updated_at timestamp NULL)");
	must(db, "DELETE FROM broken");
	if (w != EMPTY)
		must(db, "INSERT INTO broken VALUES (1, 'old', NULL), (2, 'old', NULL), (999999, 'gone', NULL)");
}

static const char *const state_sql = "SELECT (SELECT count(*) FROM broken) * 10000000 + (SELECT count(*) FROM broken"
									 " WHERE length(v) = 150 AND updated_at IS NOT NULL)";

static void check_equal(pythia_db *db, const char *what)
{
	char want[40];

	snprintf(want, sizeof(want), "%lld", (long long) source_rows * 10000000 + source_rows);
	if (strcmp(value_of(db, state_sql), want) != 0)
		fail_msg("%s: the target holds %s and not %s", what, value_of(db, state_sql), want);
	if (engines[1] == MY)
		assert_string_equal(value_of(db, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME LIKE"
										 " 'pythia\\_%' AND TABLE_SCHEMA = DATABASE()"),
							"0");
}

static void check_kept(pythia_db *db, way w, const char *what)
{
	char want[40];
	const char *state;

	if (w == NEW || w == EMPTY)
		return;
	state = value_of(db, state_sql);
	snprintf(want, sizeof(want), "%lld", (long long) source_rows * 10000000 + source_rows);
	if (w == REPLACE && strcmp(state, "30000000") != 0 && strcmp(state, want) != 0)
		fail_msg("%s: neither old nor new: %s", what, state);
	if (strcmp(value_of(db, "SELECT count(*) FROM broken WHERE id < 3"), "2") != 0)
		fail_msg("%s: rows are gone", what);
}

static bool one_run(way w, bool again, const char *what, pythia_sync_result *result)
{
	pythia_db *source = open_hasty(engines[0], 0);
	pythia_db *target = open_hasty(engines[1], 1);
	pythia_sync_job job = {.source = source, .target = target, .connect = again ? open_again : NULL};
	pythia_error error = PYTHIA_ERROR_INIT;
	bool ok;

	watch(0, source);
	watch(1, target);
	ok = try_sync_with(&job, "broken", configs[w], result, &error);
	if (!ok && again)
		fail_msg("%s: %s (%s)", what, error.message, error.context);
	if (!ok && error.error_class != PYTHIA_E_LOST && error.error_class != PYTHIA_E_TRANSIENT)
		fail_msg("%s: class %d: %s", what, (int) error.error_class, error.message);
	pythia_error_reset(&error);
	source->driver = break_at.real[0];
	target->driver = break_at.real[1];
	close_both(source, target);
	return ok;
}

#define SAMPLE 8 /* one of so many */

static bool all_of_them;
static int retried; /* runs that ended well although they were broken */
static uint64_t seed = 20261123;

/* Whether this one is in the sample: a number of its own each time, the same for the same seed. */
static bool chosen(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return all_of_them || (seed >> 33) % SAMPLE == 0;
}

static int strike_all(way w, bool again, bool only_fail)
{
	pythia_db *look = open_engine(engines[1], 1);
	int struck = 0;
	int calls[2][STAGES];
	pythia_sync_result unbroken;

	/* how often is each called, when nothing breaks? */
	make_target(look, w);
	break_at.occurrence = -1;
	memset(break_at.calls, 0, sizeof(break_at.calls));
	one_run(w, false, "unbroken", &unbroken);
	pythia_sync_result_free(&unbroken);
	memcpy(calls, break_at.calls, sizeof(calls));
	break_at.only_fail = only_fail;
	for (int side = 0; side < 2; side++)
		for (int at = 0; at < STAGES; at++)
			for (int occurrence = 1; occurrence <= 3; occurrence++)
			{
				char what[200];
				pythia_sync_result result;

				/* the first, the second and the last */
				if (occurrence == 3 && calls[side][at] > 3)
					occurrence = calls[side][at];
				if (occurrence > calls[side][at] || (!only_fail && engines[side] == LITE) || !chosen())
					continue;
				make_target(look, w);
				break_at.target = side;
				break_at.stage = at;
				break_at.occurrence = occurrence;
				break_at.seen = 0;
				break_at.struck = false;
				snprintf(what, sizeof(what), "%s to %s, %s: %s's %s %d%s", engine_names[engines[0]],
						 engine_names[engines[1]], way_names[w], side ? "target" : "source", stage_names[at],
						 occurrence, again ? ", again" : "");
				if (one_run(w, again, what, &result))
				{
					check_equal(look, what);
					retried += again && break_at.struck;
				}
				else
				{
					assert_null(result.watermark);
					check_kept(look, w, what);
					pythia_sync_result_free(&result);
					break_at.occurrence = -1;
					break_at.struck = false;
					one_run(w, true, what, &result);
					check_equal(look, what);
				}
				pythia_sync_result_free(&result);
				struck++;
			}
	pythia_db_close(look);
	return struck;
}

static void test_breaks(void **state)
{
	static const int pairs[][2] = {{PG, MY}, {MY, PG}, {LITE, LITE}, {PG, PG}, {MY, LITE}, {LITE, MY}};

	(void) state;
	all_of_them = getenv("PYTHIA_TEST_LONG") != NULL;
	if (getenv("PYTHIA_TEST_SEED") != NULL)
		seed = strtoull(getenv("PYTHIA_TEST_SEED"), NULL, 10);
	if (!all_of_them)
		print_message("one in %d by seed %llu; set PYTHIA_TEST_LONG for all of them\n", SAMPLE,
					  (unsigned long long) seed);
	be_hasty();
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		int struck = 0;

		retried = 0;
		engines[0] = pairs[i][0];
		engines[1] = pairs[i][1];
		for (int side = 0; side < 2; side++)
			break_at.admin[side] = engines[side] != LITE ? open_engine(engines[side], side) : NULL;
		make_source();
		for (int w = 0; w < WAYS; w++)
		{
			for (int again = 0; again < 2; again++)
			{
				if (engines[0] != LITE || engines[1] != LITE)
					struck += strike_all(w, again, false);
				struck += strike_all(w, again, true);
			}
		}
		print_message("%s to %s: broken %d times, and %d times gone on\n", engine_names[engines[0]],
					  engine_names[engines[1]], struck, retried);
		assert_true(struck > (all_of_them ? 150 : 12) && retried > (all_of_them ? 60 : 4));
		for (int side = 0; side < 2; side++)
			pythia_db_close(break_at.admin[side]);
	}
}

/* Without a key nothing tells whether a row is there already, and MyISAM keeps what it was given before a connection was
 * lost: that goes first. */
static void test_keyless(void **state)
{
	static const char ddl[] = "CREATE TABLE broken (id integer, v varchar(200), updated_at timestamp NULL) ENGINE = ";
	static const char trigger[] = "CREATE TRIGGER broken_t BEFORE INSERT ON broken FOR EACH ROW SET NEW.v = NEW.v";
	static const char *const kinds[] = {"MyISAM", "MyISAM", "InnoDB"};
	int struck = 0;

	(void) state;
	be_hasty();
	engines[0] = PG;
	engines[1] = MY;
	for (int side = 0; side < 2; side++)
		break_at.admin[side] = open_engine(engines[side], side);
	source_rows = 200000;
	make_source();
	must(break_at.admin[0], "ALTER TABLE broken DROP CONSTRAINT broken_pkey");
	must(break_at.admin[0], "ALTER TABLE broken ALTER id DROP NOT NULL");
	for (int i = 0; i < 3 * 2 * 2; i++)
	{
		bool filled = i / 2 % 2 == 1;
		char what[100];
		char sql[200];
		pythia_sync_result result;

		break_at.target = i % 2 == 1;
		break_at.stage = break_at.target ? LOAD_PUT : STREAM_NEXT;
		break_at.only_fail = false;
		break_at.occurrence = 120;
		break_at.seen = 0;
		break_at.struck = false;
		snprintf(what, sizeof(what), "%s %d, %s, %s", kinds[i / 4], i / 4, filled ? "with rows" : "empty",
				 break_at.target ? "target" : "source");
		print_message("%s\n", what);
		drop(break_at.admin[1], "broken");
		snprintf(sql, sizeof(sql), "%s%s", ddl, kinds[i / 4]);
		must(break_at.admin[1], sql);
		if (filled)
			must(break_at.admin[1], "INSERT INTO broken VALUES (1, 'old', NULL), (2, 'old', NULL)");
		/* then it is not swapped, but emptied */
		if (i / 4 > 0)
			must(break_at.admin[1], trigger);
		one_run(REPLACE, true, what, &result);
		check_equal(break_at.admin[1], what);
		assert_int_equal(result.rows_inserted, source_rows);
		pythia_sync_result_free(&result);
		struck += break_at.struck;
	}
	assert_int_equal(struck, 12);
	drop(break_at.admin[1], "broken");
	close_both(break_at.admin[0], break_at.admin[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_breaks), cmocka_unit_test(test_keyless)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
