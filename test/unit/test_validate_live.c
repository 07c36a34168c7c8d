/* What travels, what runs at once, and rows that are being written while they are compared. */
#include "validate_tests.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "between.h"

/* --- drivers that are listened to ------------------------------------------------ */

static struct
{
	const pythia_driver *driver[2];
	pythia_db *db[2];
	pythia_driver spy[2];
	char calls[10000]; /* S T: a query was sent to the source, the target; s t: its answer was waited for */
	int ncalls;
	size_t bytes[2];
	int streams;
} heard;

static int side_of(const pythia_db *db)
{
	return db == heard.db[1];
}

static void note(char call)
{
	if (heard.ncalls < (int) sizeof(heard.calls) - 1)
		heard.calls[heard.ncalls++] = call;
	heard.calls[heard.ncalls] = '\0';
}

static bool spy_send(pythia_db *db, const char *sql, pythia_error *error)
{
	note("ST"[side_of(db)]);
	return heard.driver[side_of(db)]->send(db, sql, error);
}

static bool spy_receive(pythia_db *db, pythia_result *result, pythia_error *error)
{
	int side = side_of(db);
	bool ok;

	note("st"[side]);
	ok = heard.driver[side]->receive(db, result, error);
	for (int64_t i = 0; ok && i < result->nrows * result->ncolumns; i++)
		heard.bytes[side] += result->lengths[i];
	return ok;
}

static bool spy_open(pythia_db *db, const char *sql, int ncolumns, const pythia_kind *kinds, pythia_stream **stream,
					 pythia_error *error)
{
	heard.streams++;
	return heard.driver[side_of(db)]->stream_open(db, sql, ncolumns, kinds, stream, error);
}

static void listen_to(pythia_db *source, pythia_db *target)
{
	memset(&heard, 0, sizeof(heard));
	for (int side = 0; side < 2; side++)
	{
		heard.db[side] = side == 0 ? source : target;
		heard.driver[side] = heard.db[side]->driver;
		heard.spy[side] = *heard.driver[side];
		heard.spy[side].send = spy_send;
		heard.spy[side].receive = spy_receive;
		heard.spy[side].stream_open = spy_open;
		heard.db[side]->driver = &heard.spy[side];
	}
}

static void listen_no_more(void)
{
	for (int side = 0; side < 2; side++)
		heard.db[side]->driver = heard.driver[side];
}

/* Rows of more than a hundred bytes. */
static void fill(pythia_db *db, const char *table, int rows)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	drop(db, table);
	run(db, table, "CREATE TABLE % (id INTEGER NOT NULL PRIMARY KEY, note VARCHAR(200), v INTEGER NOT NULL)");
	for (int i = 0; i < rows; i++)
	{
		pythia_buffer_printf(&sql,
							 "%s(%d, 'a note of a hundred letters and more, so that rows would be seen %040d', %d)",
							 sql.length > 0 ? ", " : "", i + 1, i, i);
		if (i % 1000 == 999 || i == rows - 1)
		{
			pythia_buffer whole = PYTHIA_BUFFER_INIT;

			pythia_buffer_printf(&whole, "INSERT INTO %s VALUES %s", quoted(db, table), sql.data);
			must(db, whole.data);
			pythia_buffer_free(&whole);
			pythia_buffer_clear(&sql);
		}
	}
	pythia_buffer_free(&sql);
}

#define ROWS 20000

static int64_t bytes_sent(pythia_db *mysql)
{
	pythia_result result = {0};
	pythia_error error = PYTHIA_ERROR_INIT;
	int64_t bytes;

	assert_true(pythia_db_query(mysql, "SHOW SESSION STATUS LIKE 'Bytes_sent'", "V*", &result, &error));
	bytes = strtoll(pythia_result_optional(&result, 0, 1), NULL, 10);
	pythia_result_free(&result);
	return bytes;
}

/* Only sums travel, and each query is under way on both sides before an answer is waited for. */
static void test_sums_travel_and_run_at_once(void **state)
{
	(void) state;
	for (int i = 0; i < ENGINES; i++)
		fill(sources[i], "traffic", ROWS);
	for (int from = 0; from < ENGINES; from++)
	{
		for (int to = 0; to < ENGINES; to++)
		{
			int64_t before = bytes_sent(targets[1]);
			verdict v;
			const char *at;

			if (from == to)
				continue;
			listen_to(sources[from], targets[to]);
			validate_with(sources[from], targets[to], "traffic", "{\"segment_rows\": 2000}", NULL, NULL, &v);
			listen_no_more();
			assert_true(v.ok && v.result.is_valid);
			assert_int_equal(v.result.source_count, ROWS);
			verdict_free(&v);
			assert_int_equal(heard.streams, 0);
			/* 2.6 MB of rows; ten segments of a few numbers */
			assert_between(heard.bytes[0], 100, 6000);
			assert_between(heard.bytes[1], 100, 6000);
			if (to == 1)
				assert_between(bytes_sent(targets[1]) - before, 100, 40000);
			/* from the first segment on: sent to both, then received from both */
			at = strstr(heard.calls, "STst");
			assert_non_null(at);
			if (strncmp(at, "STstSTstSTstSTstSTstSTst", 24) != 0)
				fail_msg("%s to %s: %s", engine_names[from], engine_names[to], heard.calls);
		}
	}
	for (int i = 0; i < ENGINES; i++)
		drop(sources[i], "traffic");
}

/* --- progress ----------------------------------------------------------------- */

typedef struct shown
{
	int calls;
	int64_t rows;
	int64_t total;
	char phase[40];
} shown;

static void on_progress(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes)
{
	shown *s = context;

	(void) bytes;
	assert_true(rows >= s->rows);
	s->calls++;
	s->rows = rows;
	s->total = total;
	snprintf(s->phase, sizeof(s->phase), "%s", phase);
}

static void test_progress_is_shown(void **state)
{
	static const pythia_validate_method methods[] = {PYTHIA_VALIDATE_CHECKSUM, PYTHIA_VALIDATE_ROWS};

	(void) state;
	fill(sources[0], "shown", ROWS);
	fill(targets[1], "shown", ROWS);
	must(sources[0], "ANALYZE public.shown");
	for (int m = 0; m < 2; m++)
	{
		shown s = {0};
		pythia_sync_callbacks callbacks = {.context = &s, .progress = on_progress};
		pythia_sync_config config;
		pythia_sync_job job = {
			.source = sources[0], .target = targets[1], .table = "shown", .config = &config, .callbacks = &callbacks};
		pythia_validate_options options;
		pythia_validate_result result;
		pythia_error error = PYTHIA_ERROR_INIT;

		assert_true(pythia_sync_config_read(NULL, NULL, "shown", &config, &error));
		assert_true(pythia_validate_options_read(NULL, &options, &error));
		options.method = methods[m];
		options.segment_rows = 2000;
		assert_true(pythia_validate_table(&job, &options, NULL, NULL, &result, &error));
		assert_true(result.is_valid);
		assert_between(s.calls, m == 0 ? 8 : 1, 40);
		assert_between(s.rows, m == 0 ? ROWS : 10000, ROWS);
		/* the larger of two estimates, of which MariaDB's is a rough one */
		assert_between(s.total, ROWS, 2 * ROWS);
		assert_string_equal(s.phase, m == 0 ? "checksum" : "rows");
		pythia_validate_result_free(&result);
	}
	drop(sources[0], "shown");
	drop(targets[1], "shown");
}

/* --- writers ------------------------------------------------------------------- */

#define LIVE_ROWS 400

/* Writes to the source and then the same to the target, a few rows over and over, until it is killed. */
static void write_on_and_on(void)
{
	pythia_db *source = open_url(getenv("PG_URL"), NULL);
	pythia_db *target = open_url(getenv("MYSQL_URL"), NULL);

	for (int n = 1;; n++)
	{
		char change[100];
		int id = 1 + random_below(4) * 100;

		switch (n % 8)
		{
			case 0:
				snprintf(change, sizeof(change), "DELETE FROM %% WHERE id = %d", id + 50);
				break;
			case 1:
				snprintf(change, sizeof(change), "INSERT INTO %% VALUES (%d, 'new', %d)", LIVE_ROWS + n, n);
				break;
			default:
				snprintf(change, sizeof(change), "UPDATE %% SET v = %d WHERE id = %d", n, id);
		}
		run(source, "live", change);
		usleep(2000);
		run(target, "live", change);
	}
}

static void test_live_writers(void **state)
{
	bool seen = false;
	pid_t writer;
	int status;

	(void) state;
	fill(sources[0], "live", LIVE_ROWS);
	fill(targets[1], "live", LIVE_ROWS);
	writer = fork();
	assert_true(writer >= 0);
	if (writer == 0)
	{
		write_on_and_on();
		_exit(0);
	}
	/* the writer is at work: who looks once takes a row in flight for a wrong one */
	for (int i = 0; i < 2000 && !seen; i++)
	{
		verdict v;

		validate_with(sources[0], targets[1], "live", NULL, NULL, NULL, &v);
		assert_true(v.ok);
		seen = v.result.difference > 0;
		verdict_free(&v);
	}
	assert_true(seen);
	/* who looks twice does not, however often */
	for (int i = 0; i < 8; i++)
	{
		static const char *const methods[] = {"checksum", "rows"};
		char options[100];
		verdict v;

		snprintf(options, sizeof(options), "{\"recheck_after\": 0.4, \"segment_rows\": 50, \"method\": \"%s\"}",
				 methods[i % 2]);
		validate_with(sources[0], targets[1], "live", options, NULL, NULL, &v);
		if (!v.ok || !v.result.is_valid)
			fail_msg("a row in flight was called different: %s%s", v.ok ? "" : v.error.message,
					 pythia_buffer_text(&v.lines));
		verdict_free(&v);
	}
	/* and one that is wrong is still found beside them */
	run(targets[1], "live", "UPDATE % SET v = -7 WHERE id = 333");
	assert_lines(sources[0], targets[1], "live", "{\"recheck_after\": 0.4, \"segment_rows\": 50}", NULL,
				 "differing {\"id\": 333} [v]\n");
	assert_int_equal(kill(writer, SIGKILL), 0);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_true(WIFSIGNALED(status));
}

/* A batch that is at rest does not spare a later one its second look. */
static pythia_wait_result late_row(void *context, int fd, int events, long timeout_ms)
{
	(void) context;
	(void) fd;
	(void) events;
	usleep((useconds_t) timeout_ms * 1000);
	run(targets[0], "late", "UPDATE % SET v = 399 WHERE id = 400");
	return PYTHIA_WAIT_TIMEOUT;
}

static void test_every_difference_is_looked_at_again(void **state)
{
	pythia_host host = *pythia_default_host();
	pythia_db *target = open_url(getenv("PG_URL"), NULL);
	verdict v;

	(void) state;
	fill(sources[2], "late", LIVE_ROWS);
	fill(targets[0], "late", LIVE_ROWS);
	run(targets[0], "late", "UPDATE % SET v = -1 WHERE id IN (1, 400)");
	host.wait = late_row;
	validate_with(sources[2], target, "late", "{\"recheck_after\": 0.05, \"segment_rows\": 10}", NULL, &host, &v);
	assert_true(v.ok);
	assert_string_equal(v.lines.data, "differing {\"id\": 1} [v]\n");
	verdict_free(&v);
	pythia_db_close(target);
}

/* --- memory --------------------------------------------------------------------- */

#define MANY 60000

/* Keys of five hundred bytes, all of whose rows differ: thirty megabytes, were they all kept. */
static int compare_many(bool mend)
{
	pythia_db *source = open_url(getenv("PG_URL"), NULL);
	pythia_db *target = open_url(getenv("PG_URL"), NULL);
	pythia_node *tree = read_json("{\"table_map\": {\"many\": \"many_copy\"}}");
	pythia_sync_config config;
	pythia_sync_job job = {.source = source, .target = target, .table = "many", .config = &config};
	pythia_validate_options options;
	pythia_validate_result result = {0};
	pythia_sync_result repaired = {0};
	pythia_error error = PYTHIA_ERROR_INIT;
	struct rusage before, after;
	bool ok;

	getrusage(RUSAGE_SELF, &before);
	ok = pythia_sync_config_read(tree, NULL, "many", &config, &error) &&
		 pythia_validate_options_read(NULL, &options, &error);
	options.max_changes = -1;
	ok = ok && (mend ? pythia_repair_table(&job, &options, NULL, NULL, &repaired, &error)
					 : pythia_validate_table(&job, &options, NULL, NULL, &result, &error));
	getrusage(RUSAGE_SELF, &after);
	if (!ok)
		fprintf(stderr, "# %s\n", error.message);
	fprintf(stderr, "# %s: %ld KiB more\n", mend ? "repair" : "validate", after.ru_maxrss - before.ru_maxrss);
	if (!ok || (mend ? repaired.rows_updated != MANY / 2 || repaired.rows_inserted != MANY / 2
					 : result.differing != MANY / 2 || result.missing != MANY / 2))
		return 1;
#ifdef __SANITIZE_ADDRESS__
	/* the sanitizer keeps what is freed: there, only the outcome counts */
	return 0;
#else
	return after.ru_maxrss - before.ru_maxrss > 40 * 1024 ? 2 : 0;
#endif
}

static void test_memory_is_bounded(void **state)
{
	(void) state;
	drop(sources[0], "many");
	drop(sources[0], "many_copy");
	run(sources[0], "many", "CREATE TABLE % (k text COLLATE \"C\" PRIMARY KEY, v integer)");
	run(sources[0], "many_copy", "CREATE TABLE % (k text COLLATE \"C\" PRIMARY KEY, v integer)");
	must(sources[0],
		 "INSERT INTO public.many SELECT repeat(md5(i::text), 15) || i, i FROM generate_series(1, 60000) i");
	must(sources[0], "INSERT INTO public.many_copy SELECT k, -1 FROM public.many WHERE v % 2 = 0");
	must(sources[0], "ANALYZE public.many");
	for (int mend = 0; mend < 2; mend++)
	{
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		if (child == 0)
			_exit(compare_many(mend));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	assert_count(sources[0], "SELECT count(*) FROM public.many NATURAL JOIN public.many_copy", MANY);
	drop(sources[0], "many");
	drop(sources[0], "many_copy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_travel_and_run_at_once),
		cmocka_unit_test(test_progress_is_shown),
		cmocka_unit_test(test_live_writers),
		cmocka_unit_test(test_every_difference_is_looked_at_again),
		cmocka_unit_test(test_memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, open_engines, close_engines);
}
