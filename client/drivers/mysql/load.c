/*
 * Rows into MySQL, by LOAD DATA LOCAL INFILE from memory or, where the server takes none, by INSERTs (insert.c);
 * into MariaDB as arrays of values (bulk.c): one buffer fills while others, one a connection, are on their way.
 */
#include "drivers/mysql/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif

#include "core/memory.h"

/* A statement takes about this much; connections that are busy to the end want small pieces. */
#define LOAD_BYTES (2 * 1024 * 1024)
/* A chunk of that size is one large row, or little more. */
#define LARGE_BYTES (4 * 1024 * 1024)
/* Arrays of values are larger than the text of them where values are small. */
#define BULK_FIELDS 300000
/* A few rows are not worth preparing a statement for. */
#define BULK_ROWS 100
/* Where several connections cannot be waited for together. */
#define SLICE_MS 2

/* --- connections -------------------------------------------------------------- */

static mysql_db *connection_of(mysql_db *db, int i)
{
	return i == 0 ? db : db->load.connections[i];
}

void pythia_mysql_close_connections(mysql_db *db)
{
	for (int i = 1; i < PYTHIA_MYSQL_CONNECTIONS; i++)
	{
		mysql_db *connection = db->load.connections[i];

		if (!connection)
			continue;
		/* a statement in flight dies with its connection; nobody need be told */
		connection->thread_id = 0;
		pythia_db_close(&connection->base);
		db->load.connections[i] = NULL;
	}
	if (db->load.ready_fd > 0)
		close(db->load.ready_fd);
	db->load.ready_fd = 0;
	db->load.nconnections = 1;
}

/* One more connection that behaves as the first.  What a session must say is said to each as it opens; the check of
 * foreign keys is all that is changed between two loads. */
static bool open_connection(mysql_db *db, int i, pythia_error *error)
{
	pythia_result result;
	char settings[128];

	/* a number: MySQL takes no expression for the timeout */
	if (!pythia_db_query(&db->base, "SELECT @@foreign_key_checks, LEAST(@@innodb_lock_wait_timeout, 5)", "1bn", &result,
						 error))
		return false;
	snprintf(settings, sizeof(settings), "SET foreign_key_checks = %d, autocommit = 0, innodb_lock_wait_timeout = %lld",
			 pythia_result_true(&result, 0, 0), (long long) pythia_result_number(&result, 0, 1));
	pythia_result_free(&result);
	return db->again(db, &db->load.connections[i], error) &&
		   pythia_mysql_run(db->load.connections[i], settings, NULL, error);
}

/* Whether it has something to end: without a transaction (MyISAM) it still holds a lock on the table. */
static bool is_open(mysql_db *connection)
{
	bool open = connection && (connection->load.used || connection->mysql.server_status & SERVER_STATUS_IN_TRANS);

	if (connection)
		connection->load.used = false;
	return open;
}

bool pythia_mysql_commit_connections(mysql_db *db, pythia_error *error)
{
	for (int i = 1; i < PYTHIA_MYSQL_CONNECTIONS; i++)
	{
		mysql_db *connection = db->load.connections[i];

		if (is_open(connection) && !pythia_mysql_run(connection, "COMMIT", NULL, error))
		{
			pythia_mysql_close_connections(db);
			return false;
		}
	}
	return true;
}

void pythia_mysql_roll_back_connections(mysql_db *db)
{
	for (int i = 1; i < PYTHIA_MYSQL_CONNECTIONS; i++)
	{
		mysql_db *connection = db->load.connections[i];

		if (is_open(connection) && !pythia_mysql_run(connection, "ROLLBACK", NULL, NULL))
		{
			pythia_mysql_close_connections(db);
			return;
		}
	}
}

#ifdef __linux__
/* Tells the set of descriptors what each connection waits for. */
static bool watch(mysql_db *db, pythia_error *error)
{
	if (db->load.ready_fd <= 0)
		db->load.ready_fd = epoll_create1(EPOLL_CLOEXEC);
	if (db->load.ready_fd <= 0)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "53000", "could not make a descriptor to wait with: %m");
	for (int i = 0; i < db->load.nconnections; i++)
	{
		mysql_db *connection = connection_of(db, i);
		struct epoll_event event = {0};
		int fd = pythia_mysql_socket(&connection->mysql);

		if (connection->load.flying && connection->load.status & (PYTHIA_AWAIT_READ | PYTHIA_AWAIT_EXCEPT))
			event.events |= EPOLLIN;
		if (connection->load.flying && connection->load.status & PYTHIA_AWAIT_WRITE)
			event.events |= EPOLLOUT;
		if (!event.events)
			epoll_ctl(db->load.ready_fd, EPOLL_CTL_DEL, fd, NULL); /* or a closed one would be ready for ever */
		else if (epoll_ctl(db->load.ready_fd, EPOLL_CTL_MOD, fd, &event) != 0 &&
				 epoll_ctl(db->load.ready_fd, EPOLL_CTL_ADD, fd, &event) != 0)
			return pythia_fail(error, PYTHIA_E_INTERNAL, "53000", "could not wait for a connection: %m");
	}
	return true;
}

/* Milliseconds until one of them wants to be looked at all the same; -1: never. */
static long soonest(mysql_db *db)
{
	long least = -1;

	for (int i = 0; i < db->load.nconnections; i++)
	{
		mysql_db *connection = connection_of(db, i);

		if (connection->load.flying && connection->load.status & PYTHIA_AWAIT_TIMEOUT)
		{
			long own = pythia_mysql_step_timeout(&connection->mysql);

			least = least < 0 || own < least ? own : least;
		}
	}
	return least;
}
#endif

/* Waits until one of the connections can go on. */
static bool wait_for_any(mysql_db *db, pythia_error *error)
{
	int ready;

	if (db->load.nconnections == 1)
	{
		if (pythia_mysql_wait(db, db->load.status, -1, &ready, error))
			return true;
	}
	else
	{
#ifdef __linux__
		if (!watch(db, error))
			return false;
		if (pythia_host_wait(db->base.host, db->load.ready_fd, PYTHIA_WAIT_READ, soonest(db)) != PYTHIA_WAIT_CANCELLED)
			return true;
#else
		if (pythia_host_wait(db->base.host, -1, 0, SLICE_MS) != PYTHIA_WAIT_CANCELLED)
			return true;
#endif
		pythia_fail_cancelled(error);
	}
	pythia_mysql_abort(db);
	return false;
}

/* --- statements ----------------------------------------------------------------- */

/* Says what was lost, in the server's own words; the load has ended. */
static bool not_as_given(mysql_db *db, mysql_db *connection, uint64_t given, uint64_t stored, unsigned warnings,
						 pythia_error *error)
{
	pythia_result result;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_error_class class = PYTHIA_E_DATA;
	char sqlstate[6] = "22000";
	const char *hint = NULL;

	connection->state = PYTHIA_IDLE;
	if (pythia_db_query(&connection->base, "SHOW WARNINGS LIMIT 5", "tnv", &result, NULL))
	{
		for (int64_t i = 0; i < result.nrows; i++)
		{
			pythia_buffer_printf(&text, "%s%s", i ? "; " : "", pythia_result_text(&result, i, 2));
			if (i == 0)
				class = pythia_mysql_classify((unsigned) pythia_result_number(&result, i, 1), "22000", sqlstate, &hint);
		}
		pythia_result_free(&result);
	}
	if (stored != given)
		pythia_fail(error, class, sqlstate, "%llu rows were given, but %llu were stored%s%s",
					(unsigned long long) given, (unsigned long long) stored, text.length ? ": " : "",
					pythia_buffer_text(&text));
	else
		pythia_fail(error, class, sqlstate, "rows were not stored as they were given: %s", pythia_buffer_text(&text));
	if (warnings > 0)
		pythia_error_detail(error, "The server gave %u warnings: %s.", warnings, pythia_buffer_text(&text));
	pythia_buffer_free(&text);
	if (hint)
		pythia_error_hint(error, "%s", hint);
	pythia_error_statement(error, pythia_buffer_text(&db->load.sql));
	return false;
}

/* Judges the statement that has just ended on a connection. */
static bool landed(mysql_db *db, mysql_db *connection, pythia_error *error)
{
	uint64_t stored;
	unsigned warnings;

	connection->load.flying = false;
	if (connection->load.answer)
	{
		pythia_mysql_failed(connection, error);
		db->base.broken = db->base.broken || connection->base.broken;
		return false;
	}
	stored = connection->load.in_bulk ? pythia_mysql_bulk_stored(connection) : mysql_affected_rows(&connection->mysql);
	warnings = mysql_warning_count(&connection->mysql);
	/* LOCAL makes the server go on after a bad or a double row, with a warning */
	if (stored != connection->load.flight_rows || warnings != 0)
		return not_as_given(db, connection, connection->load.flight_rows, stored, warnings, error);
	db->load.stored += stored;
	return true;
}

/* The statement of `db`'s load that a connection of it runs: the file's, or an INSERT in `flight`. */
static int go_on(mysql_db *db, mysql_db *connection, int ready)
{
	const pythia_buffer *sql = db->load.by_inserts ? &connection->load.flight : &db->load.sql;

	if (ready == PYTHIA_STEP_BEGIN)
		pythia_mysql_listen(connection, PYTHIA_MYSQL_HEAD_BYTES);
	return connection->load.in_bulk
			   ? pythia_mysql_bulk_step(db->load.bulk, connection, ready)
			   : pythia_mysql_step_query(&connection->mysql, &connection->load.answer, sql->data, sql->length, ready);
}

/* Moves every statement in flight on, as far as it goes at once. */
static bool drive(mysql_db *db, pythia_error *error)
{
	for (int i = 0; i < db->load.nconnections; i++)
	{
		mysql_db *connection = connection_of(db, i);
		pythia_mysql_load *load = &connection->load;

		/* ready or not: where the socket is not, the library says so by its status */
		if (load->flying && load->status)
			load->status = go_on(db, connection, load->status & (PYTHIA_AWAIT_READ | PYTHIA_AWAIT_WRITE));
		if (load->flying && !load->status && !landed(db, connection, error))
			return false;
	}
	return true;
}

/* A connection with nothing to do, or NULL. */
static mysql_db *free_connection(mysql_db *db)
{
	for (int i = 0; i < db->load.nconnections; i++)
		if (!connection_of(db, i)->load.flying)
			return connection_of(db, i);
	return NULL;
}

static bool all_landed(mysql_db *db, pythia_error *error)
{
	for (int i = 0; i < db->load.nconnections; i++)
		while (connection_of(db, i)->load.flying)
			if (!wait_for_any(db, error) || !drive(db, error))
				return false;
	return true;
}

/* The rows in `flight`, or the caller's, are what LOAD DATA gets. */
static void take_off(mysql_db *db, mysql_db *connection, const char *data, size_t length)
{
	connection->load.unsent = data;
	connection->load.unsent_end = data + length;
	connection->load.in_bulk = false;
	connection->load.flying = true;
	connection->load.status = go_on(db, connection, PYTHIA_STEP_BEGIN);
}

/* The first connection with nothing to do, once there is one; NULL on failure. */
static mysql_db *wait_for_connection(mysql_db *db, pythia_error *error)
{
	mysql_db *connection;

	if (!drive(db, error))
		return NULL;
	while (!(connection = free_connection(db)))
		if (!wait_for_any(db, error) || !drive(db, error))
			return NULL;
	connection->load.answer = 0;
	connection->load.in_bulk = false;
	connection->load.used = true;
	return connection;
}

/* Sends rows off by as many INSERTs as they take. */
static bool launch_inserts(mysql_db *db, const pythia_rows *rows, pythia_error *error)
{
	pythia_rows_reader reader = {0};
	mysql_db *connection;
	bool ok = true;

	pythia_rows_open(&reader, rows);
	while (ok && reader.cursor < reader.end)
	{
		ok = (connection = wait_for_connection(db, error)) != NULL &&
			 pythia_mysql_insert_make(db, &reader, &connection->load.flight, &connection->load.flight_rows, error);
		if (!ok)
			break;
		connection->load.flying = true;
		connection->load.status = go_on(db, connection, PYTHIA_STEP_BEGIN);
		ok = drive(db, error);
	}
	pythia_rows_close(&reader);
	return ok;
}

/* Sends the full buffer off over the first free connection, and begins an empty one. */
static bool launch(mysql_db *db, pythia_error *error)
{
	pythia_mysql_load *load = &db->load;
	mysql_db *connection = wait_for_connection(db, error);
	pythia_buffer empty;
	bool ok = true;

	if (!connection)
		return false;
	connection->load.flight_rows = load->fill_rows;
	if (load->bulk && load->fill_rows >= BULK_ROWS)
	{
		pythia_rows rows = {load->fill.data, load->fill.length, load->fill_rows};

		if (!pythia_mysql_bulk_prepare(load->bulk, connection, load->insert.data, error))
			return false;
		connection->load.in_bulk = pythia_mysql_bulk_read(load->bulk, &rows);
	}
	if (connection->load.in_bulk)
	{
		connection->load.flying = true;
		connection->load.status = go_on(db, connection, PYTHIA_STEP_BEGIN);
	}
	else if (load->by_inserts)
	{
		pythia_rows rows = {load->fill.data, load->fill.length, load->fill_rows};

		ok = launch_inserts(db, &rows, error);
	}
	else
	{
		empty = connection->load.flight;
		connection->load.flight = load->fill;
		load->fill = empty;
		take_off(db, connection, connection->load.flight.data, connection->load.flight.length);
	}
	pythia_buffer_clear(&load->fill);
	load->fill_rows = 0;
	return ok && drive(db, error);
}

/* --- a load --------------------------------------------------------------------- */

/* LOAD DATA is the quicker way, but MySQL's default and many a managed server forbid it. */
static void choose_statement(mysql_db *db, const pythia_load *load)
{
	db->load.by_inserts = !(db->takes_files && pythia_mysql_serves_files) && load->insert_sql;
	db->load.insert_value = load->insert_value;
	db->load.types = load->types;
	pythia_buffer_clear(&db->load.sql);
	pythia_buffer_puts(&db->load.sql, db->load.by_inserts ? load->insert_sql : load->sql);
	pythia_buffer_clear(&db->sql);
	pythia_buffer_puts(&db->sql, db->load.sql.data);
	/* of what this library cannot do nobody need be told */
	if (!db->load.by_inserts || db->takes_files || db->load.bulk || db->told_inserts)
		return;
	db->told_inserts = true;
	pythia_host_log(db->base.host, PYTHIA_LOG_NOTICE,
					"rows go into %s by INSERT, as local_infile is off there; LOAD DATA would be faster",
					db->base.display);
}

bool pythia_mysql_load_begin(pythia_db *base, const pythia_load *load, pythia_error *error)
{
	mysql_db *db = pythia_mysql_of(base);
	int nconnections = load->connections < 1                          ? 1
					   : load->connections > PYTHIA_MYSQL_CONNECTIONS ? PYTHIA_MYSQL_CONNECTIONS
																	  : load->connections;

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	base->others_ran = true;
	for (int i = 1; i < nconnections; i++)
		if (!db->load.connections[i] && !open_connection(db, i, error))
		{
			pythia_mysql_close_connections(db);
			return false;
		}
	db->load.nconnections = nconnections;
	for (int i = 0; i < nconnections; i++)
	{
		connection_of(db, i)->load.flying = false;
		connection_of(db, i)->state = PYTHIA_LOADING;
	}
	pythia_buffer_clear(&db->load.insert);
	pythia_buffer_puts(&db->load.insert, load->binary_sql ? load->binary_sql : "");
	db->load.bulk = pythia_mysql_bulk_make(db, load);
	db->load.ncolumns = load->ncolumns;
	pythia_buffer_clear(&db->load.fill);
	db->load.fill_rows = 0;
	db->load.stored = 0;
	choose_statement(db, load);
	return true;
}

/* Large rows are not held beside the caller's: they are sent from where they lie, after those that came before. */
static bool put_large(mysql_db *db, const pythia_rows *rows, pythia_error *error)
{
	bool ok;

	if ((db->load.fill.length > 0 && !launch(db, error)) || !all_landed(db, error))
		return false;
	for (int i = 0; i < db->load.nconnections; i++)
		pythia_buffer_free(&connection_of(db, i)->load.flight);
	pythia_buffer_free(&db->load.fill);
	if (db->load.by_inserts)
		return launch_inserts(db, rows, error) && all_landed(db, error);
	db->load.flight_rows = rows->count;
	db->load.answer = 0;
	take_off(db, db, rows->data, rows->length);
	ok = drive(db, error) && all_landed(db, error);
	db->load.unsent = NULL;
	return ok;
}

bool pythia_mysql_load_put(pythia_db *base, const pythia_rows *chunk, pythia_error *error)
{
	mysql_db *db = pythia_mysql_of(base);
	pythia_mysql_load *load = &db->load;

	if (!pythia_db_expect(base, db->state, PYTHIA_LOADING, error))
		return false;
	if (pythia_host_cancelled(base->host))
	{
		pythia_mysql_abort(db);
		return pythia_fail_cancelled(error);
	}
	if (chunk->length > LARGE_BYTES && chunk->count < BULK_ROWS)
		return put_large(db, chunk, error);
	pythia_buffer_append(&load->fill, chunk->data, chunk->length);
	load->fill_rows += chunk->count;
	if (load->fill.length >= LOAD_BYTES || (load->bulk && load->fill_rows * (uint64_t) load->ncolumns >= BULK_FIELDS))
		return launch(db, error);
	return drive(db, error);
}

static void idle(mysql_db *db)
{
	for (int i = 0; i < db->load.nconnections; i++)
	{
		connection_of(db, i)->state = PYTHIA_IDLE;
		pythia_buffer_clear(&connection_of(db, i)->load.flight);
		pythia_mysql_bulk_close(connection_of(db, i));
	}
	pythia_mysql_bulk_free(db->load.bulk);
	db->load.bulk = NULL;
	pythia_buffer_clear(&db->load.fill);
}

bool pythia_mysql_load_end(pythia_db *base, uint64_t *rows, pythia_error *error)
{
	mysql_db *db = pythia_mysql_of(base);

	if (!pythia_db_expect(base, db->state, PYTHIA_LOADING, error))
		return false;
	if ((db->load.fill.length > 0 && !launch(db, error)) || !all_landed(db, error))
	{
		pythia_mysql_load_abandon(base);
		return false;
	}
	idle(db);
	if (rows)
		*rows = db->load.stored;
	/* without a transaction of the caller's, what is stored is stored */
	return db->mysql.server_status & SERVER_STATUS_IN_TRANS || pythia_mysql_commit_connections(db, error);
}

void pythia_mysql_load_abandon(pythia_db *base)
{
	mysql_db *db = pythia_mysql_of(base);
	pythia_mysql_load *load = &db->load;

	pythia_mysql_close_connections(db);
	/* our own statement is let go on to its end, for the connection's sake; its rows are rolled back */
	if (load->flying && !base->broken && !all_landed(db, NULL))
		load->flying = load->status != 0;
	if (load->flying)
	{
		if (!base->broken)
			pythia_mysql_abort(db);
		for (int tries = 0; load->status && tries < 100; tries++)
			load->status = go_on(db, db, PYTHIA_AWAIT_TIMEOUT);
		load->flying = false;
	}
	idle(db);
}
