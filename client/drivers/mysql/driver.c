/*
 * MySQL and MariaDB through the client library's non-blocking interface (library.h): each call is started, and
 * continued when the host says that the socket is ready.
 */
#include "drivers/mysql/internal.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/memory.h"

static bool mysql_exec(pythia_db *base, const char *sql, int64_t *affected, pythia_error *error)
{
	mysql_db *db = pythia_mysql_of(base);

	return pythia_db_expect(base, db->state, PYTHIA_IDLE, error) && pythia_mysql_run(db, sql, affected, error);
}

static bool mysql_send(pythia_db *base, const char *sql, pythia_error *error)
{
	mysql_db *db = pythia_mysql_of(base);
	int answer = 0;

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	pythia_mysql_remember(db, sql);
	if (!PYTHIA_MYSQL_RUN(db, pythia_mysql_step_send(&db->mysql, &answer, db->sql.data, db->sql.length, ready), error))
		return false;
	if (answer)
		return pythia_mysql_failed(db, error);
	db->state = PYTHIA_SENT;
	return true;
}

static bool mysql_receive(pythia_db *base, pythia_result *out, pythia_error *error)
{
	mysql_db *db = pythia_mysql_of(base);
	int answer = 0;

	memset(out, 0, sizeof(*out));
	if (!pythia_db_expect(base, db->state, PYTHIA_SENT, error))
		return false;
	db->state = PYTHIA_IDLE;
	if (!PYTHIA_MYSQL_RUN(db, pythia_mysql_step_receive(&db->mysql, &answer, db->sql.data, db->sql.length, ready),
						  error))
		return false;
	if (answer)
		return pythia_mysql_failed(db, error);
	return pythia_mysql_results(db, out, NULL, error);
}

/* --- transactions ---------------------------------------------------------- */

static bool mysql_begin(pythia_db *base, pythia_begin_mode mode, pythia_error *error)
{
	/* what is written may have triggers */
	base->others_ran = base->others_ran || mode != PYTHIA_BEGIN_SNAPSHOT;
	if (mode == PYTHIA_BEGIN_SNAPSHOT)
		return mysql_exec(base, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", NULL, error) &&
			   mysql_exec(base, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", NULL, error);
	return mysql_exec(base, "START TRANSACTION", NULL, error);
}

static bool mysql_commit_transaction(pythia_db *base, pythia_error *error)
{
	return mysql_exec(base, "COMMIT", NULL, error) && pythia_mysql_commit_connections(pythia_mysql_of(base), error);
}

static bool mysql_rollback_transaction(pythia_db *base, pythia_error *error)
{
	pythia_mysql_roll_back_connections(pythia_mysql_of(base));
	return mysql_exec(base, "ROLLBACK", NULL, error);
}

/* --- using again ------------------------------------------------------------ */

static bool mysql_reset(pythia_db *base, pythia_error *error)
{
	mysql_db *db = pythia_mysql_of(base);
	int answer = 0;

	if (!pythia_db_expect(base, db->state, PYTHIA_IDLE, error))
		return false;
	/* what a load needed would be held for nothing */
	pythia_mysql_close_connections(db);
	pythia_buffer_free(&db->load.sql);
	pythia_buffer_free(&db->load.fill);
	pythia_buffer_free(&db->load.flight);
	if (!PYTHIA_MYSQL_RUN(db, pythia_mysql_step_reset(&db->mysql, &answer, ready), error))
		return false;
	return answer ? pythia_mysql_failed(db, error) : pythia_mysql_pin(db, error);
}

/* --- closing --------------------------------------------------------------- */

static void mysql_close_db(pythia_db *base)
{
	mysql_db *db = pythia_mysql_of(base);

	if (db->state == PYTHIA_LOADING || db->stream)
	{
		/* no draining: the connection goes anyway */
		if (!base->broken)
			pythia_mysql_abort(db);
		if (db->stream)
			pythia_mysql_stream_close(db->stream);
		pythia_mysql_load_abandon(base);
	}
	else if (db->state == PYTHIA_SENT && !base->broken)
		pythia_mysql_abort(db);
	pythia_mysql_close_connections(db);
	if (db->connected)
	{
		int fd = pythia_mysql_socket(&db->mysql);

		/* the farewell is written at once or, where the other side is stuck, not at all */
		if (base->broken && fd >= 0)
			shutdown(fd, SHUT_RDWR);
		mysql_close(&db->mysql);
	}
	pythia_mysql_bulk_forget(db);
	pythia_mysql_bulk_free(db->load.bulk);
	pythia_buffer_free(&db->sql);
	pythia_buffer_free(&db->load.sql);
	pythia_buffer_free(&db->load.insert);
	pythia_buffer_free(&db->load.fill);
	pythia_buffer_free(&db->load.flight);
	pythia_url_free(&db->url);
	pythia_free(db->reach);
	pythia_free(base->version_text);
	pythia_free(base->default_schema);
	pythia_free(base->display);
	pythia_free(base->place);
	pythia_free(base->mask_key);
	pythia_free(db);
}

const pythia_driver pythia_mysql_driver = {
	.name = "mysql",
	.exec = mysql_exec,
	.send = mysql_send,
	.receive = mysql_receive,
	.stream_open = pythia_mysql_stream_open,
	.stream_next = pythia_mysql_stream_next,
	.stream_close = pythia_mysql_stream_close,
	.load_begin = pythia_mysql_load_begin,
	.load_put = pythia_mysql_load_put,
	.load_end = pythia_mysql_load_end,
	.load_abandon = pythia_mysql_load_abandon,
	.begin = mysql_begin,
	.commit = mysql_commit_transaction,
	.rollback = mysql_rollback_transaction,
	.reset = mysql_reset,
	.close = mysql_close_db,
};
