/*
 * The proof that nothing is missed: seeded random writers keep a ledger while a
 * poller runs between their steps; after the drain the journal must equal the
 * ledger's end, key by key, and trigger capture must equal it version by version.
 * A naive cursor (`ts > last`) reads the same tables and must lose something,
 * or else the test proves nothing.
 */
#include "capture_tests.h"

#define WRITERS 4
#define KEYS    40
#define STEPS   1200

typedef struct entry
{
	int key;
	int version; /* 0: deleted */
} entry;

typedef struct ledger
{
	entry committed[STEPS * 2];
	int ncommitted;
	int version[KEYS]; /* at the end; 0: not there */
} ledger;

typedef struct random_writer
{
	pythia_db *db;
	bool open;
	entry pending[64];
	int npending;
	int savepoint;     /* pending entries when it was set, or -1 */
	bool locked[KEYS]; /* also after ROLLBACK TO SAVEPOINT */
} random_writer;

static uint64_t seed;

static unsigned random_below(unsigned limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned) (seed % limit);
}

/* A key belongs to one writer at a time, so that no writer waits for another. */
static bool key_is_free(const random_writer *writers, int writer, int key)
{
	for (int w = 0; w < WRITERS; w++)
		if (w != writer && writers[w].open && writers[w].locked[key])
			return false;
	return true;
}

static int version_for(const ledger *book, const random_writer *writer, int key)
{
	int version = book->version[key];

	for (int i = 0; i < writer->npending; i++)
		if (writer->pending[i].key == key)
			version = writer->pending[i].version;
	return version;
}

static void finish(ledger *book, random_writer *writer, bool commit)
{
	must(writer->db, commit ? "COMMIT" : "ROLLBACK");
	for (int i = 0; commit && i < writer->npending; i++)
	{
		book->committed[book->ncommitted++] = writer->pending[i];
		book->version[writer->pending[i].key] = writer->pending[i].version;
	}
	writer->open = false;
	writer->npending = 0;
	writer->savepoint = -1;
	memset(writer->locked, 0, sizeof(writer->locked));
}

static void write_one(ledger *book, random_writer *writer, const char *now, int key, int *counter)
{
	char sql[300];
	int old = version_for(book, writer, key);
	int version = 0;

	if (old && random_below(5) == 0)
		snprintf(sql, sizeof(sql), "DELETE FROM ledger_t WHERE id = %d", key);
	else
	{
		version = ++*counter;
		if (old)
			snprintf(sql, sizeof(sql), "UPDATE ledger_t SET v = %d, updated_at = %s WHERE id = %d", version, now, key);
		else
			snprintf(sql, sizeof(sql), "INSERT INTO ledger_t (id, v, updated_at) VALUES (%d, %d, %s)", key, version,
					 now);
	}
	must(writer->db, sql);
	writer->locked[key] = true;
	writer->pending[writer->npending++] = (entry){key, version};
}

/* What the naive cursor has seen: the last version of each key. */
static void naive_poll(pythia_db *db, char *last, int *seen)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;
	char sql[200];

	snprintf(sql, sizeof(sql), "SELECT id, v, updated_at FROM ledger_t WHERE updated_at > '%s' ORDER BY updated_at",
			 last);
	if (!pythia_db_query(db, sql, "V*", &result, &error))
		fail_msg("naive: %s", error.message);
	for (int64_t i = 0; i < result.nrows; i++)
	{
		seen[atoi(pythia_result_optional(&result, i, 0))] = atoi(pythia_result_optional(&result, i, 1));
		snprintf(last, 40, "%s", pythia_result_optional(&result, i, 2));
	}
	pythia_result_free(&result);
}

static void step(ledger *book, random_writer *writers, int nwriters, const char *now, int *counter)
{
	int w = (int) random_below((unsigned) nwriters);
	random_writer *writer = &writers[w];
	unsigned what = random_below(10);
	int key = (int) random_below(KEYS);

	if (!writer->open)
	{
		must(writer->db, writer->db->engine == PYTHIA_SQLITE ? "BEGIN IMMEDIATE" : "START TRANSACTION");
		writer->open = true;
		writer->savepoint = -1;
	}
	if (what == 0 || writer->npending >= 60)
		finish(book, writer, random_below(4) != 0);
	else if (what == 1)
	{
		must(writer->db, "SAVEPOINT s");
		writer->savepoint = writer->npending;
	}
	else if (what == 2 && writer->savepoint >= 0)
	{
		must(writer->db, "ROLLBACK TO SAVEPOINT s");
		writer->npending = writer->savepoint;
	}
	else if (key_is_free(writers, w, key))
		write_one(book, writer, now, key, counter);
}

static int number_after(const char *text, const char *label)
{
	const char *at = text ? strstr(text, label) : NULL;

	return at ? atoi(at + strlen(label)) : 0;
}

/* Replays the journal; checks that no change is told twice and that each key ends as the ledger says. */
static void check_journal(rig *r, const ledger *book, bool every_version)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;
	int image[KEYS] = {0};
	int told = 0;
	int at[KEYS] = {0}; /* how far in the ledger each key has been told */

	if (!pythia_db_query(r->store,
						 "SELECT change_type, primary_key, old_data, new_data FROM pythia_journal_1 ORDER BY change_id",
						 "V*", &result, &error))
		fail_msg("journal: %s", error.message);
	for (int64_t i = 0; i < result.nrows; i++)
	{
		const char *type = pythia_result_optional(&result, i, 0);
		int key = number_after(pythia_result_optional(&result, i, 1), "\"id\": ");
		int old = number_after(pythia_result_optional(&result, i, 2), "\"v\": ");
		int new = number_after(pythia_result_optional(&result, i, 3), "\"v\": ");

		if (strcmp(type, "TRUNCATE") == 0)
		{
			assert_false(every_version);
			memset(image, 0, sizeof(image));
			continue;
		}
		told++;
		if (strcmp(type, "INSERT") == 0)
			assert_int_equal(image[key], 0);
		else
		{
			assert_int_not_equal(image[key], 0);
			assert_int_equal(old, image[key]);
		}
		/* later in the ledger than what was told of this key before: in order, never twice */
		while (at[key] < book->ncommitted &&
			   !(book->committed[at[key]].key == key && book->committed[at[key]].version == new))
		{
			if (every_version && book->committed[at[key]].key == key)
				fail_msg("key %d: version %d was not told before %d", key, book->committed[at[key]].version, new);
			at[key]++;
		}
		if (at[key]++ >= book->ncommitted)
			fail_msg("change %d: key %d version %d is not in the ledger there", (int) i, key, new);
		image[key] = new;
	}
	pythia_result_free(&result);
	for (int key = 0; key < KEYS; key++)
		if (image[key] != book->version[key])
			fail_msg("key %d ends with version %d, not %d", key, image[key], book->version[key]);
	if (every_version)
		assert_int_equal(told, book->ncommitted);
}

static void run_ledger(rig *r, int nwriters, pythia_db *(*connect)(void), const char *now, const char *options,
					   bool every_version, int pauses)
{
	ledger *book = pythia_calloc(1, sizeof(*book));
	random_writer writers[WRITERS] = {{0}};
	char naive_last[40] = "0001-01-01 00:00:00";
	int naive[KEYS] = {0};
	int lost = 0;
	int counter = 0;

	for (int w = 0; w < nwriters; w++)
		writers[w] = (random_writer){.db = connect(), .savepoint = -1};
	create(r, "ledger_t", "updated_at", options);
	for (int i = 0; i < STEPS; i++)
	{
		step(book, writers, nwriters, now, &counter);
		if (random_below(12) == 0)
		{
			poll_journal(r);
			naive_poll(r->writer, naive_last, naive);
		}
		/* the clock must tick while transactions are open */
		if (pauses && i % (STEPS / pauses) == 0)
			usleep(1100000);
		/* the poller dies and another goes on */
		if (random_below(60) == 0)
		{
			pythia_error error = PYTHIA_ERROR_INIT;

			pythia_capture_close(r->capture);
			assert_true(pythia_capture_open(r->store, r->source, "w", r->options, &r->capture, &error));
		}
	}
	for (int w = 0; w < nwriters; w++)
	{
		if (writers[w].open)
			finish(book, &writers[w], true);
		pythia_db_close(writers[w].db);
	}
	poll_journal(r);
	naive_poll(r->writer, naive_last, naive);
	check_journal(r, book, every_version);
	for (int key = 0; key < KEYS; key++)
		lost += book->version[key] && naive[key] != book->version[key];
	print_message("%d changes committed; a cursor `ts > last` ends with %d of %d keys wrong\n", book->ncommitted, lost,
				  KEYS);
	assert_true(lost > 0);
	pythia_free(book);
}

/* --- SQLite: one writer at a time, stamps of whole seconds ------------------------------ */

static char sqlite_file[40];

static pythia_db *connect_sqlite(void)
{
	return open_file(sqlite_file);
}

static void sqlite_ledger(const char *options, bool every_version, uint64_t start)
{
	rig r = {0};
	static int files;
	char name[40];

	seed = start;
	snprintf(sqlite_file, sizeof(sqlite_file), "ledger%d.db", ++files);
	r.source = connect_sqlite();
	r.writer = connect_sqlite();
	snprintf(name, sizeof(name), "ledger%d.store", files);
	r.store = open_file(name);
	must(r.writer, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
	must(r.writer, "CREATE TABLE ledger_t (id INTEGER PRIMARY KEY, v INTEGER, updated_at TEXT);"
				   "CREATE INDEX ledger_u ON ledger_t (updated_at)");
	run_ledger(&r, 1, connect_sqlite, "datetime('now')", options, every_version, 2);
	close_rig(&r);
}

static void test_sqlite_poll(void **state)
{
	sqlite_ledger("{\"track\": \"rows\", \"delete_interval\": 0}", false, 20260101);
}

static void test_sqlite_trigger(void **state)
{
	sqlite_ledger("{\"capture\": \"trigger\"}", true, 20260102);
}

/* --- servers: four writers at once --------------------------------------------------------- */

static const char *server_url;

static pythia_db *connect_server(void)
{
	pythia_db *db = open_url(server_url, NULL);

	if (db->engine == PYTHIA_POSTGRESQL)
		must(db, "SET search_path = public");
	return db;
}

static void server_ledger(const char *variable, const char *type, const char *now, const char *options,
						  bool every_version, uint64_t start)
{
	rig r = {0};
	static int files;
	char name[40];
	char sql[300];

	server_url = getenv(variable);
	if (!server_url)
	{
		print_message("skipped: %s is not set\n", variable);
		skip();
	}
	seed = start;
	r.source = connect_server();
	r.writer = connect_server();
	snprintf(name, sizeof(name), "server%d.store", ++files);
	r.store = open_file(name);
	must(r.writer, "DROP TABLE IF EXISTS ledger_t");
	snprintf(sql, sizeof(sql), "CREATE TABLE ledger_t (id int PRIMARY KEY, v int, updated_at %s)", type);
	must(r.writer, sql);
	must(r.writer, "CREATE INDEX ledger_u ON ledger_t (updated_at)");
	run_ledger(&r, WRITERS, connect_server, now, options, every_version, 3);
	must(r.writer, "DROP TABLE ledger_t");
	close_rig(&r);
}

static void test_mysql_poll(void **state)
{
	server_ledger("MYSQL_URL", "datetime", "now()", "{\"track\": \"rows\", \"delete_interval\": 0}", false, 20260103);
}

static void test_mysql_poll_micro(void **state)
{
	server_ledger("MYSQL_URL", "timestamp(6) NULL", "now(6)",
				  "{\"track\": \"rows\", \"delete_interval\": 0, \"lookback\": 0.1}", false, 20260104);
}

static void test_mysql_trigger(void **state)
{
	server_ledger("MYSQL_URL", "datetime", "now()", "{\"capture\": \"trigger\"}", true, 20260105);
}

static void test_postgres_poll(void **state)
{
	server_ledger("PG_URL", "timestamptz", "now()", "{\"track\": \"rows\", \"delete_interval\": 0}", false, 20260106);
}

static void test_postgres_trigger(void **state)
{
	server_ledger("PG_URL", "timestamptz", "now()", "{\"capture\": \"trigger\"}", true, 20260107);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sqlite_poll),      cmocka_unit_test(test_sqlite_trigger),
		cmocka_unit_test(test_mysql_poll),       cmocka_unit_test(test_mysql_poll_micro),
		cmocka_unit_test(test_mysql_trigger),    cmocka_unit_test(test_postgres_poll),
		cmocka_unit_test(test_postgres_trigger),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
