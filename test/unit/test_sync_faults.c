/*
 * What goes wrong on the way: a connection cut in the middle (by a proxy of our own), a run
 * interrupted and resumed from its checkpoint, transactions that commit late, locks.
 */
#include "sync_tests.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#define ROWS 60000

/* --- a proxy that cuts ------------------------------------------------------- */

typedef struct proxy
{
	int listener;
	int port;
	int server_port;
	volatile long cut_after; /* bytes from the server, or to it; the connection that passes it is cut, once */
	volatile bool towards_server;
	volatile bool stop;
	pthread_t thread;
} proxy;

typedef struct passage
{
	proxy *p;
	int client;
} passage;

static int dial(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
	{
		close(fd);
		return -1;
	}
	return fd;
}

static bool forward(int from, int to)
{
	char buffer[65536];
	ssize_t n = read(from, buffer, sizeof(buffer));
	ssize_t done = 0;

	while (n > 0 && done < n)
	{
		ssize_t written = send(to, buffer + done, (size_t) (n - done), MSG_NOSIGNAL);

		if (written <= 0)
			return false;
		done += written;
	}
	return n > 0;
}

static void *pass(void *argument)
{
	passage *way = argument;
	proxy *p = way->p;
	int server = dial(p->server_port);
	long bytes = 0;
	bool open = server >= 0;

	while (open && !p->stop)
	{
		struct pollfd fds[2] = {{.fd = way->client, .events = POLLIN}, {.fd = server, .events = POLLIN}};

		if (poll(fds, 2, 100) < 0)
			break;
		for (int i = 0; open && i < 2; i++)
		{
			if (!(fds[i].revents & (POLLIN | POLLHUP)))
				continue;
			open = forward(fds[i].fd, fds[1 - i].fd);
			if ((i == 0) == p->towards_server)
				bytes += 65536;
			if (p->cut_after > 0 && bytes > p->cut_after)
			{
				p->cut_after = 0;
				open = false;
			}
		}
	}
	if (server >= 0)
		close(server);
	close(way->client);
	free(way);
	return NULL;
}

static void *serve(void *argument)
{
	proxy *p = argument;

	while (!p->stop)
	{
		struct pollfd fd = {.fd = p->listener, .events = POLLIN};
		pthread_t thread;
		passage *way;

		if (poll(&fd, 1, 100) <= 0)
			continue;
		way = malloc(sizeof(*way));
		way->p = p;
		way->client = accept(p->listener, NULL, NULL);
		if (pthread_create(&thread, NULL, pass, way) == 0)
			pthread_detach(thread);
	}
	return NULL;
}

static void proxy_start(proxy *p, int server_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);

	memset(p, 0, sizeof(*p));
	p->server_port = server_port;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(p->listener, (struct sockaddr *) &address, sizeof(address)), 0);
	assert_int_equal(listen(p->listener, 8), 0);
	getsockname(p->listener, (struct sockaddr *) &address, &length);
	p->port = ntohs(address.sin_port);
	pthread_create(&p->thread, NULL, serve, p);
}

static void proxy_stop(proxy *p)
{
	p->stop = true;
	pthread_join(p->thread, NULL);
	close(p->listener);
}

/* The engine's URL with the proxy's port, without TLS; *port gets the server's own. */
static void proxied_url(int engine, int which, int proxy_port, int *port, char *out, size_t size)
{
	char url[256];
	char *colon;
	char *slash;

	url_of(engine, which, url, sizeof(url));
	colon = strrchr(url, ':');
	slash = strchr(colon, '/');
	*port = atoi(colon + 1);
	*colon = '\0';
	snprintf(out, size, "%s:%d%s%s", url, proxy_port, slash, engine == PG ? "?sslmode=disable" : "");
}

/* --- the table --------------------------------------------------------------- */

static void make_many(pythia_db *db, int engine, int rows)
{
	char sql[400];

	drop(db, "many");
	snprintf(sql, sizeof(sql), "CREATE TABLE many (id integer PRIMARY KEY, v varchar(100), updated_at %s)",
			 engine == PG ? "timestamptz" : "datetime(6)");
	must(db, sql);
	if (rows == 0)
		return;
	if (engine == PG)
		snprintf(sql, sizeof(sql),
				 "INSERT INTO many SELECT i, repeat('v', 90), '2024-01-01' FROM generate_series(1, %d) i", rows);
	else
		snprintf(sql, sizeof(sql), "INSERT INTO many SELECT seq, REPEAT('v', 90), '2024-01-01' FROM " SEQ_TO("%d"),
				 rows);
	must(db, sql);
}

typedef struct world
{
	char source_url[512];
	char target_url[512];
	int opened[2];
	int checkpoints;
	int stop_after; /* checkpoints, 0: never */
	char checkpoint[300];
} world;

static bool open_again(void *context, bool target, const pythia_host *host, pythia_db **db, pythia_error *error)
{
	world *w = context;
	pythia_url url;
	bool ok = pythia_url_parse(target ? w->target_url : w->source_url, &url, error) &&
			  pythia_db_open(&url, host, NULL, db, error);

	pythia_url_free(&url);
	w->opened[target]++;
	return ok;
}

static bool take_checkpoint(void *context, const char *checkpoint, pythia_error *error)
{
	world *w = context;

	w->checkpoints++;
	snprintf(w->checkpoint, sizeof(w->checkpoint), "%s", checkpoint);
	if (w->stop_after > 0 && w->checkpoints >= w->stop_after)
		return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "stopped by the test");
	return true;
}

/* --- tests ------------------------------------------------------------------- */

/* Without a way to connect again: an error, nothing deleted, nothing called complete. */
static void cut_without_retry(int from)
{
	proxy p;
	world w;
	int port;
	char url[512];
	pythia_db *source;
	pythia_db *direct = open_engine(from, 0);
	pythia_db *target = open_engine(LITE, 1);
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;

	print_message("cut: %s\n", engine_names[from]);
	make_many(direct, from, ROWS);
	drop(target, "many");
	must_sync(direct, target, "many", "{\"mode\": \"full\"}", NULL, &result);
	pythia_sync_result_free(&result);
	must(target, "INSERT INTO many VALUES (999999, 'x', NULL)");
	proxied_url(from, 0, 0, &port, url, sizeof(url));
	proxy_start(&p, port);
	proxied_url(from, 0, p.port, &port, w.source_url, sizeof(w.source_url));
	source = open_text(w.source_url);
	p.cut_after = 1000000;
	assert_false(
		try_sync(source, target, "many", "{\"mode\": \"full\", \"deletes\": \"hard\"}", NULL, &result, &error));
	assert_int_equal(error.error_class, PYTHIA_E_LOST);
	assert_null(result.watermark);
	assert_string_equal(value_of(target, "SELECT count(*) FROM many"), "60001");
	pythia_error_reset(&error);
	pythia_db_close(source);
	proxy_stop(&p);
	pythia_db_close(direct);
	pythia_db_close(target);
}

static void cut_with_retry(int from, int to, bool cut_target)
{
	proxy p;
	world w;
	int port;
	char url[512];
	int cut = cut_target ? to : from;
	pythia_db *direct[2] = {open_engine(from, 0), open_engine(to, 1)};
	pythia_db *source;
	pythia_db *target;
	pythia_sync_callbacks callbacks = {.context = &w, .checkpoint = take_checkpoint};
	pythia_sync_job job;
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;

	print_message("cut and again: %s to %s, the %s's\n", engine_names[from], engine_names[to],
				  cut_target ? "target" : "source");
	memset(&w, 0, sizeof(w));
	make_many(direct[0], from, ROWS);
	drop(direct[1], "many");
	if (to == LITE)
		must(direct[1], "CREATE TABLE many (id integer PRIMARY KEY, v varchar(100), updated_at DATETIME)");
	else
		make_many(direct[1], to, 0);
	proxied_url(cut, cut_target, 0, &port, url, sizeof(url));
	proxy_start(&p, port);
	p.towards_server = cut_target;
	url_of(from, 0, w.source_url, sizeof(w.source_url));
	url_of(to, 1, w.target_url, sizeof(w.target_url));
	proxied_url(cut, cut_target, p.port, &port, cut_target ? w.target_url : w.source_url, sizeof(w.source_url));
	source = open_text(w.source_url);
	target = open_text(w.target_url);
	p.cut_after = 2000000;
	memset(&job, 0, sizeof(job));
	job.source = source;
	job.target = target;
	job.connect = open_again;
	job.connect_context = &w;
	job.callbacks = &callbacks;
	if (!try_sync_with(&job, "many", "{\"mode\": \"full\"}", &result, &error))
		fail_msg("%s", error.message);
	assert_int_equal(p.cut_after, 0);
	assert_true(w.opened[cut_target] >= 1);
	assert_string_equal(value_of(direct[1], "SELECT count(*) FROM many"), "60000");
	assert_string_equal(value_of(direct[1], "SELECT min(length(v)) FROM many"), "90");
	assert_int_equal(result.rows_synced, ROWS);
	pythia_sync_result_free(&result);
	close_both(source, target);
	proxy_stop(&p);
	pythia_db_close(direct[0]);
	pythia_db_close(direct[1]);
}

static void test_cut(void **state)
{
	(void) state;
	cut_without_retry(PG);
	cut_without_retry(MY);
	cut_with_retry(PG, LITE, false);
	cut_with_retry(MY, PG, false);
	cut_with_retry(PG, MY, false);
	cut_with_retry(MY, PG, true);
	cut_with_retry(PG, MY, true);
}

/* Stopped after two chunks; the second run begins where the first one stopped. */
static void test_resume(void **state)
{
	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		int other = from == PG ? LITE : PG; /* a load on connections has larger chunks */
		world w;
		pythia_db *source = open_engine(from, 0);
		pythia_db *target = open_engine(other, 1);
		pythia_sync_callbacks callbacks = {.context = &w, .checkpoint = take_checkpoint};
		pythia_sync_job job = {.source = source, .target = target, .callbacks = &callbacks};
		pythia_sync_result result;
		pythia_table made;
		pythia_error error = PYTHIA_ERROR_INIT;

		memset(&w, 0, sizeof(w));
		w.stop_after = 2;
		if (from == LITE)
		{
			drop(source, "many");
			must(source, "CREATE TABLE many (id integer PRIMARY KEY, v varchar(100), updated_at DATETIME)");
			must(source, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250000)"
						 " INSERT INTO many SELECT i, 'v', '2024-01-01 00:00:00' FROM n");
		}
		else
			make_many(source, from, 250000);
		must(source, "CREATE INDEX many_v ON many (v)");
		drop(target, "many");
		assert_false(try_sync_with(&job, "many", "{\"mode\": \"full\"}", &result, &error));
		assert_int_equal(error.error_class, PYTHIA_E_CANCELLED);
		assert_int_equal(w.checkpoints, 2);
		pythia_error_reset(&error);
		pythia_sync_result_free(&result);
		job.checkpoint = w.checkpoint;
		w.stop_after = 0;
		if (!try_sync_with(&job, "many", "{\"mode\": \"full\"}", &result, &error))
			fail_msg("%s", error.message);
		assert_true(result.source_count <= 150000);
		assert_true(result.source_count > 0);
		assert_string_equal(value_of(target, "SELECT count(*) FROM many"), "250000");
		pythia_sync_result_free(&result);
		/* the index that waited for the rows is due, though the table is not of this run's making */
		if (!pythia_describe(target, "many", &made, &error))
			fail_msg("%s", error.message);
		assert_int_equal(made.nindexes, 1);
		pythia_table_free(&made);
		job.checkpoint = "[\"2\", null]";
		if (!try_sync_with(&job, "many", "{\"mode\": \"full\"}", &result, &error))
			fail_msg("%s", error.message);
		assert_int_equal(result.source_count, 250000);
		pythia_sync_result_free(&result);
		drop(source, "many");
		close_both(source, target);
	}
}

/* A stamps, B commits, a run, A commits, a run: A's row has come. */
static void late_commit(int engine, const char *type, bool integer)
{
	pythia_db *a = open_engine(engine, 0);
	pythia_db *b = open_engine(engine, 0);
	pythia_db *reader = open_engine(engine, 0);
	pythia_db *target = open_engine(LITE, 1);
	const char *now = integer ? NULL : engine == PG ? "clock_timestamp()" : "NOW(6)";
	pythia_sync_result result;
	char sql[300];
	/* MariaDB's NOW() is a little before its transaction's start: that is what its default lookback is for */
	const char *json = engine == MY ? "{}" : "{\"lookback\": 0}";
	char *mark;
	char *stamp;

	print_message("late commit: %s %s\n", engine_names[engine], type);
	drop(a, "late");
	drop(target, "late");
	snprintf(sql, sizeof(sql), "CREATE TABLE late (id integer PRIMARY KEY, updated_at %s)", type);
	must(a, sql);
	snprintf(sql, sizeof(sql), "INSERT INTO late VALUES (0, %s)", integer ? "1" : now);
	must(a, sql);
	must(a, "BEGIN");
	snprintf(sql, sizeof(sql), "INSERT INTO late VALUES (1, %s)", integer ? "2" : now);
	must(a, sql);
	snprintf(sql, sizeof(sql), "INSERT INTO late VALUES (2, %s)", integer ? "3" : now);
	must(b, sql);
	must_sync(reader, target, "late", json, NULL, &result);
	assert_int_equal(result.rows_inserted, 2);
	mark = pythia_strdup(result.watermark);
	pythia_sync_result_free(&result);
	must(a, "COMMIT");
	must_sync(reader, target, "late", json, mark, &result);
	assert_int_equal(result.rows_inserted, 1);
	assert_string_equal(value_of(target, "SELECT count(*) FROM late"), "3");
	pythia_free(mark);
	mark = pythia_strdup(result.watermark);
	pythia_sync_result_free(&result);
	/* a tie: two rows of one stamp, one of them committed after the run that read the other */
	must(a, "BEGIN");
	stamp = pythia_strdup(value_of(a, integer ? "SELECT 10" : engine == PG ? "SELECT now()" : "SELECT NOW(6)"));
	snprintf(sql, sizeof(sql), "INSERT INTO late VALUES (3, '%s')", stamp);
	must(a, sql);
	snprintf(sql, sizeof(sql), "INSERT INTO late VALUES (4, '%s')", stamp);
	must(b, sql);
	must_sync(reader, target, "late", json, mark, &result);
	assert_int_equal(result.rows_inserted, 1);
	pythia_free(mark);
	mark = pythia_strdup(result.watermark);
	pythia_sync_result_free(&result);
	must(a, "COMMIT");
	must_sync(reader, target, "late", json, mark, &result);
	assert_int_equal(result.rows_inserted, 1);
	pythia_sync_result_free(&result);
	assert_string_equal(value_of(target, "SELECT count(*) FROM late"), "5");
	pythia_free(stamp);
	pythia_free(mark);
	pythia_db_close(a);
	pythia_db_close(b);
	pythia_db_close(reader);
	pythia_db_close(target);
}

static void test_late_commits(void **state)
{
	(void) state;
	late_commit(PG, "timestamptz", false);
	late_commit(PG, "timestamp", false);
	late_commit(PG, "bigint", true);
	late_commit(MY, "datetime(6)", false);
	late_commit(MY, "timestamp(6)", false);
	late_commit(MY, "bigint", true);
}

/* Two databases that sync one table both ways come to rest. */
static void test_no_loop(void **state)
{
	pythia_db *one = open_engine(PG, 0);
	pythia_db *two = open_engine(MY, 1);
	pythia_sync_result result;
	int64_t written = 1;

	(void) state;
	make_many(one, PG, 10);
	make_many(two, MY, 10);
	must(one, "UPDATE many SET v = 'from one', updated_at = '2024-02-01' WHERE id = 1");
	must(two, "UPDATE many SET v = 'from two', updated_at = '2024-02-02' WHERE id = 2");
	for (int round = 0; round < 2; round++)
	{
		written = 0;
		must_sync(one, two, "many", "{\"conflict_resolution\": \"newest_wins\"}", NULL, &result);
		written += result.rows_updated + result.rows_inserted;
		pythia_sync_result_free(&result);
		must_sync(two, one, "many", "{\"conflict_resolution\": \"newest_wins\"}", NULL, &result);
		written += result.rows_updated + result.rows_inserted;
		pythia_sync_result_free(&result);
		assert_int_equal(written, round == 0 ? 2 : 0);
	}
	assert_string_equal(value_of(one, "SELECT v FROM many WHERE id = 2"), "from two");
	assert_string_equal(value_of(two, "SELECT v FROM many WHERE id = 1"), "from one");
	pythia_db_close(one);
	pythia_db_close(two);
}

/* A target that is full: an error, and what was there stays. */
static void test_full(void **state)
{
	pythia_db *source = open_engine(PG, 0);
	pythia_db *target;
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;
	char url[FOLDER_SIZE + 40];

	(void) state;
	make_many(source, PG, 20000);
	snprintf(url, sizeof(url), "sqlite:///%s/full.sqlite", scratch);
	target = open_text(url);
	must(target, "CREATE TABLE many (id integer PRIMARY KEY, v varchar(100), updated_at TIMESTAMPTZ)");
	must(target, "PRAGMA max_page_count = 100");
	assert_false(try_sync(source, target, "many", "{\"mode\": \"full\"}", NULL, &result, &error));
	assert_string_equal(error.sqlstate, "53100");
	assert_string_equal(value_of(target, "SELECT count(*) FROM many"), "0");
	pythia_error_reset(&error);
	close_both(source, target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),     cmocka_unit_test(test_resume), cmocka_unit_test(test_late_commits),
		cmocka_unit_test(test_no_loop), cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
