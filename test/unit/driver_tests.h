/* What the tests of the three drivers share; included by one source each. */
#ifndef PYTHIA_DRIVER_TESTS_H
#define PYTHIA_DRIVER_TESTS_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/rows.h"
#include "drivers/driver.h"
#include "script.h"

/* Opens a URL; NULL with the error filled (and its old content dropped). */
static inline pythia_db *try_open(const char *text, const pythia_open_options *options, pythia_error *error)
{
	pythia_url url;
	pythia_db *db = NULL;
	bool opened;

	pythia_error_reset(error);
	if (!pythia_url_parse(text, &url, error))
		return NULL;
	opened = pythia_db_open(&url, pythia_default_host(), options, &db, error);
	assert_int_equal(opened, db != NULL);
	pythia_url_free(&url);
	return db;
}

static inline pythia_db *open_url(const char *text, const pythia_open_options *options)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_db *db = try_open(text, options, &error);

	if (!db)
		fail_msg("open: %s", error.message);
	return db;
}

/* sqlite:///FOLDER/REST */
static inline pythia_db *open_url_in(const char *folder, const char *rest)
{
	char url[300];

	snprintf(url, sizeof(url), "sqlite:///%s/%s", folder, rest);
	return open_url(url, NULL);
}

static inline void must(pythia_db *db, const char *sql)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!script_run(db, sql, &error))
		fail_msg("%s: %s", sql, error.message);
}

static inline void must_fail(pythia_db *db, const char *sql, pythia_error_class error_class, const char *sqlstate)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	if (pythia_db_exec(db, sql, NULL, &error))
		fail_msg("%s: no error", sql);
	assert_string_equal(error.sqlstate, sqlstate);
	assert_int_equal(error.error_class, error_class);
	assert_non_null(error.message);
	pythia_error_reset(&error);
}

static inline void assert_count(pythia_db *db, const char *sql, int64_t expected)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;

	if (!pythia_db_query(db, sql, "V*", &result, &error))
		fail_msg("%s: %s", sql, error.message);
	assert_int_equal(result.nrows, 1);
	assert_non_null(pythia_result_optional(&result, 0, 0));
	assert_int_equal(atoll(pythia_result_optional(&result, 0, 0)), expected);
	pythia_result_free(&result);
}

/* --- loads ----------------------------------------------------------------- */

#define MAX_COLUMNS 16

typedef struct load_columns
{
	pythia_type types[MAX_COLUMNS];
	const pythia_type *pointers[MAX_COLUMNS];
	const char *names[MAX_COLUMNS];
	char texts[MAX_COLUMNS][2];
} load_columns;

static inline void make_load(pythia_load *load, load_columns *columns, const char *table, int ncolumns,
							 const pythia_kind *kinds, const char *sql)
{
	memset(columns, 0, sizeof(*columns));
	memset(load, 0, sizeof(*load));
	for (int i = 0; i < ncolumns; i++)
	{
		columns->types[i].kind = kinds[i];
		columns->pointers[i] = &columns->types[i];
		columns->texts[i][0] = (char) ('a' + i);
		columns->names[i] = columns->texts[i];
	}
	load->table = table;
	load->ncolumns = ncolumns;
	load->columns = columns->names;
	load->types = columns->pointers;
	load->sql = sql;
}

static inline bool try_put(pythia_db *db, const char *text, uint64_t count, pythia_error *error)
{
	pythia_rows rows = {text, strlen(text), count};

	return db->driver->load_put(db, &rows, error);
}

static inline void must_put(pythia_db *db, const char *text, uint64_t count)
{
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!try_put(db, text, count, &error))
		fail_msg("put: %s", error.message);
}

#define LOAD_ROWS 1000
#define BIG_BYTES (10 * 1024 * 1024)

/* Row i: its number, a text, a double, bytes. NULLs, empty ones, every byte value, and 10 MB in one row. */
static inline void write_row(pythia_rows_writer *writer, int i, const char *big)
{
	static const char *const doubles[] = {
		"0.1", "-1.7976931348623157e+308", "5e-324", "0.30000000000000004", "123456789.123", "0", "-2.5"};
	char number[16];
	char text[300];
	unsigned char bytes[256];

	pythia_rows_text(writer, number, (size_t) snprintf(number, sizeof(number), "%d", i));
	if (i % 10 == 0)
		pythia_rows_null(writer);
	else if (i % 10 == 1)
		pythia_rows_text(writer, "", 0);
	else if (i == 500)
		pythia_rows_text(writer, big, BIG_BYTES);
	else
	{
		size_t length = 0;

		/* every byte of ASCII but NUL, then an emoji and what looks like our own escapes */
		for (int c = 1; c < 128; c++)
			text[length++] = (char) c;
		length += (size_t) snprintf(text + length, sizeof(text) - length, "\xf0\x9f\x98\x80\\N \\\\ \\t %d", i);
		pythia_rows_text(writer, text, length);
	}
	pythia_rows_text(writer, doubles[i % 7], strlen(doubles[i % 7]));
	for (int c = 0; c < 256; c++)
		bytes[c] = (unsigned char) (c + i);
	if (i % 10 == 2)
		pythia_rows_null(writer);
	else if (i == 501)
		pythia_rows_bytes(writer, big, BIG_BYTES);
	else
		pythia_rows_bytes(writer, bytes, i % 10 == 3 ? 0 : 256);
	pythia_rows_end(writer);
}

/* Loads LOAD_ROWS rows in chunks of seven, reads them back, and compares field by field. */
static inline void check_load_and_stream(pythia_db *db, const char *insert, const char *select,
										 const pythia_kind *kinds)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_rows_writer writer = {0};
	pythia_rows_reader expected = {0};
	pythia_rows_reader reader = {0};
	pythia_stream *stream;
	pythia_load load;
	load_columns columns;
	pythia_rows rows;
	uint64_t stored = 0;
	int64_t seen = 0;
	char *big = pythia_malloc(BIG_BYTES);

	for (int i = 0; i < BIG_BYTES; i++)
		big[i] = (char) (' ' + i % 90);
	make_load(&load, &columns, "t", 4, kinds, insert);
	if (!db->driver->load_begin(db, &load, &error))
		fail_msg("load_begin: %s", error.message);
	for (int i = 0; i < LOAD_ROWS; i++)
	{
		write_row(&writer, i, big);
		if (i % 7 != 6 && i != LOAD_ROWS - 1)
			continue;
		rows = pythia_rows_view(&writer);
		if (!db->driver->load_put(db, &rows, &error))
			fail_msg("load_put: %s", error.message);
		pythia_rows_clear(&writer);
	}
	if (!db->driver->load_end(db, &stored, &error))
		fail_msg("load_end: %s %s", error.message, error.detail ? error.detail : "");
	assert_int_equal(stored, LOAD_ROWS);
	if (!db->driver->stream_open(db, select, 4, kinds, &stream, &error))
		fail_msg("stream_open: %s", error.message);
	for (;;)
	{
		if (!db->driver->stream_next(stream, &rows, &error))
			fail_msg("stream_next: %s", error.message);
		if (rows.count == 0)
			break;
		pythia_rows_open(&reader, &rows);
		for (uint64_t i = 0; i < rows.count; i++, seen++)
		{
			pythia_rows view;

			pythia_rows_clear(&writer);
			write_row(&writer, (int) seen, big);
			view = pythia_rows_view(&writer);
			pythia_rows_open(&expected, &view);
			assert_true(pythia_rows_next(&expected));
			assert_true(pythia_rows_next(&reader));
			assert_int_equal(reader.nfields, 4);
			for (int j = 0; j < 4; j++)
			{
				const pythia_field *got = &reader.fields[j];
				const pythia_field *want = &expected.fields[j];

				if (kinds[j] == PYTHIA_KIND_DOUBLE)
				{
					/* any spelling that reads back to the same value */
					assert_true(strtod(got->value, NULL) == strtod(want->value, NULL));
					continue;
				}
				assert_int_equal(got->value == NULL, want->value == NULL);
				assert_int_equal(got->length, want->length);
				if (got->value)
					assert_memory_equal(got->value, want->value, want->length);
			}
		}
		assert_false(pythia_rows_next(&reader));
	}
	assert_int_equal(seen, LOAD_ROWS);
	db->driver->stream_close(stream);
	pythia_rows_close(&expected);
	pythia_rows_close(&reader);
	pythia_rows_free(&writer);
	pythia_free(big);
}

/* Waits until a query gives a number, for ten seconds. */
static inline void wait_for_count(pythia_db *db, const char *sql, int64_t expected)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;

	for (int tries = 0; tries < 1000; tries++)
	{
		bool reached;

		if (!pythia_db_query(db, sql, "V*", &result, &error))
			fail_msg("%s: %s", sql, error.message);
		reached = atoll(pythia_result_optional(&result, 0, 0)) == expected;
		pythia_result_free(&result);
		if (reached)
			return;
		pythia_host_wait(NULL, -1, 0, 10);
	}
	fail_msg("%s: never %lld", sql, (long long) expected);
}

/* The socket of the last listen_quietly. */
static int listen_descriptor;

/* A port of this process that takes connections and says nothing. */
static inline int listen_quietly(struct sockaddr_storage *address, socklen_t *length)
{
	struct sockaddr_in *in = (struct sockaddr_in *) address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(address, 0, sizeof(*address));
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *) in, sizeof(*in)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *) address, length), 0);
	listen_descriptor = fd;
	return ntohs(in->sin_port);
}

/* Seconds in which what stops at once has stopped on a busy machine, too. */
#define SOON 10.0

/* --- cancelling ------------------------------------------------------------ */

static inline void request_cancel(int signal)
{
	(void) signal;
	pythia_cancel_requested = 1;
}

static inline double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static inline void cancel_after(int milliseconds)
{
	struct itimerval timer = {{0, 0}, {milliseconds / 1000, milliseconds % 1000 * 1000}};

	signal(SIGALRM, request_cancel);
	pythia_cancel_requested = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* A statement that would run (almost) for ever stops within a second of the request. */
static inline void check_cancel(pythia_db *db, const char *sql)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;
	double start;

	cancel_after(200);
	start = seconds_now();
	assert_false(pythia_db_query(db, sql, "V*", &result, &error));
	assert_true(seconds_now() - start < SOON);
	pythia_cancel_requested = 0;
	assert_int_equal(error.error_class, PYTHIA_E_CANCELLED);
	assert_string_equal(error.sqlstate, "57014");
	pythia_error_reset(&error);
}

/* A stream that is cancelled, before its first row or later, ends with an error; whether it opened. */
static inline bool check_cancel_stream(pythia_db *db, const char *sql)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_stream *stream;
	pythia_rows rows;
	bool opened;

	cancel_after(200);
	opened = db->driver->stream_open(db, sql, 3, NULL, &stream, &error);
	if (opened)
	{
		while (db->driver->stream_next(stream, &rows, &error))
			assert_true(rows.count > 0);
		db->driver->stream_close(stream);
	}
	pythia_cancel_requested = 0;
	assert_int_equal(error.error_class, PYTHIA_E_CANCELLED);
	pythia_error_reset(&error);
	return opened;
}

/* A server that takes connections and never answers. */
static inline void check_silent_server(const char *scheme)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	pythia_error error = PYTHIA_ERROR_INIT;
	char text[100];
	double start = seconds_now();
	int port = listen_quietly(&address, &length);

	snprintf(text, sizeof(text), "%s://u@127.0.0.1:%d/db?connect_timeout=1", scheme, port);
	assert_null(try_open(text, NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_CONNECT);
	assert_true(seconds_now() - start < SOON);
	snprintf(text, sizeof(text), "%s://u@127.0.0.1:%d/db", scheme, port);
	cancel_after(100);
	start = seconds_now();
	assert_null(try_open(text, NULL, &error));
	pythia_cancel_requested = 0;
	assert_int_equal(error.error_class, PYTHIA_E_CANCELLED);
	assert_true(seconds_now() - start < SOON);
	pythia_error_reset(&error);
}

/* --- connections and streams ------------------------------------------------ */

/* The lock's four statements; `waiting` counts who waits for it, `wait` returns a 1. */
static inline void check_two_at_once(pythia_db *a, pythia_db *b, const char *take, const char *wait,
									 const char *waiting, const char *release)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_result result;

	must(a, take);
	/* b has to wait for a, and a is still free to work */
	assert_true(b->driver->send(b, wait, &error));
	wait_for_count(a, waiting, 1);
	must(a, release);
	assert_false(pythia_db_exec(b, "SELECT 1", NULL, &error));
	assert_int_equal(error.error_class, PYTHIA_E_INTERNAL);
	assert_true(pythia_db_receive(b, "SELECT 1", "1n", &result, &error));
	assert_string_equal(pythia_result_optional(&result, 0, 0), "1");
	pythia_result_free(&result);
	pythia_error_reset(&error);
	pythia_db_close(a);
	pythia_db_close(b);
}

/* A stream of two columns that is closed in the middle leaves the connection fit for use. */
static inline void check_stream_closed_midway(pythia_db *db, const char *endless)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_stream *stream;
	pythia_rows rows;

	assert_true(db->driver->stream_open(db, endless, 2, NULL, &stream, &error));
	assert_true(db->driver->stream_next(stream, &rows, &error));
	assert_true(rows.count > 0);
	db->driver->stream_close(stream);
	assert_false(db->broken);
	for (int i = 0; i < 20; i++)
		assert_count(db, "SELECT 1", 1);
	assert_false(db->driver->stream_open(db, "SELECT 1 FROM absent", 1, NULL, &stream, &error));
	assert_string_equal(error.sqlstate, "42P01");
	assert_false(db->driver->stream_open(db, "SELECT 1", 2, NULL, &stream, &error));
	assert_int_equal(error.error_class, PYTHIA_E_INTERNAL);
	assert_count(db, "SELECT 1", 1);
	pythia_error_reset(&error);
	pythia_db_close(db);
}

/* Reads on until the stream fails. */
static inline void read_to_error(pythia_db *db, pythia_stream *stream, pythia_error *error)
{
	pythia_rows rows;
	bool ok;

	while ((ok = db->driver->stream_next(stream, &rows, error)))
		assert_true(rows.count > 0); /* it never ends as if that were all */
	/* and asking again does not turn it into an end */
	assert_false(db->driver->stream_next(stream, &rows, NULL));
	db->driver->stream_close(stream);
}

#endif
