/* Waiting for the server through the host, its results, and its errors as ours. */
#include "drivers/mysql/internal.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/memory.h"

/* --- errors ---------------------------------------------------------------- */

/* Numbers that the headers of one client library or the other lack. */
enum
{
	READ_FAILED = 5013,
	PRIMARY_KEY_REQUIRED = 1173,
	PRIMARY_KEY_REQUIRED_8 = 3750,
	TOO_MANY_COLUMNS = 1117,
	SECURE_TRANSPORT = 3159,
	DISK_FULL = 1021,
	LOCAL_INFILE_DISABLED = 1148,
	LOCAL_INFILE_FORBIDDEN = 4166,
	LOCAL_INFILE_DISABLED_8 = 3948,
	CHECK_CONSTRAINT = 4025,
	CHECK_CONSTRAINT_8 = 3819,
	TIMED_OUT_MARIADB = 1969,
	TIMED_OUT_MYSQL = 3024,
	CONNECTION_KILLED = 1927,
	CANNOT_CONVERT_STRING_8 = 3854,
	DISCONNECTED_8 = 4031
};

typedef struct known_error
{
	unsigned code;
	const char *sqlstate;
	pythia_error_class error_class;
	const char *hint;
} known_error;

static const known_error known_errors[] = {
	{CR_CONNECTION_ERROR, "08001", PYTHIA_E_CONNECT,
	 "Check that the server is running and listens on that host and port."},
	{CR_CONN_HOST_ERROR, "08001", PYTHIA_E_CONNECT,
	 "Check that the server is running and listens on that host and port."},
	{CR_UNKNOWN_HOST, "08001", PYTHIA_E_CONNECT, "Check the host's name in the URL."},
	{CR_SSL_CONNECTION_ERROR, "08001", PYTHIA_E_CONNECT, "Check ssl_mode and the certificates."},
	{CR_SERVER_HANDSHAKE_ERR, "08001", PYTHIA_E_CONNECT, "Check that a MySQL or MariaDB server listens there."},
	{CR_AUTH_PLUGIN_CANNOT_LOAD, "28000", PYTHIA_E_CONNECT,
	 "Use an account whose authentication method this client knows.  One that shows the password takes "
	 "ssl_mode=verify_identity or the server's Unix socket."},
	{PYTHIA_MYSQL_METHOD_FORBIDDEN, "28000", PYTHIA_E_CONNECT,
	 "That would show the password to whoever listens.  Let the server prove who it is by TLS "
	 "(ssl_mode=verify_identity, with ssl_ca), enter by its Unix socket, or use an account with another method."},
	{PYTHIA_MYSQL_ASKED_FOR_FILE, "08P01", PYTHIA_E_DATABASE,
	 "Check that the URL leads to the server that is meant: an honest one asks for rows only while they are loaded."},
	{CR_SERVER_GONE_ERROR, "08006", PYTHIA_E_LOST, "Check that the server is running; the work can be tried again."},
	{CR_SERVER_LOST, "08006", PYTHIA_E_LOST, "Check that the server is running; the work can be tried again."},
	{READ_FAILED, "08006", PYTHIA_E_LOST, "Check that the server is running; the work can be tried again."},
	{CR_MALFORMED_PACKET, "08P01", PYTHIA_E_LOST, NULL},
	{CONNECTION_KILLED, "57P01", PYTHIA_E_LOST, "Somebody ended the connection; the work can be tried again."},
	{DISCONNECTED_8, "57P01", PYTHIA_E_LOST, "The server ended an idle connection; the work can be tried again."},
	{ER_SERVER_SHUTDOWN, "57P01", PYTHIA_E_LOST, "Try again when the server is back."},
	{ER_ACCESS_DENIED_ERROR, "28000", PYTHIA_E_CONNECT,
	 "Check the user name and the password, and whether the account takes TLS."},
	{SECURE_TRANSPORT, "28000", PYTHIA_E_CONNECT, "The server takes TLS alone: leave out ssl_mode=disabled."},
	{ER_DBACCESS_DENIED_ERROR, "42501", PYTHIA_E_CONNECT, "Grant this user privileges on the database."},
	{ER_HOST_NOT_PRIVILEGED, "28000", PYTHIA_E_CONNECT, "The server must have an account for this user and address."},
	{ER_HOST_IS_BLOCKED, "28000", PYTHIA_E_CONNECT, "Run FLUSH HOSTS on the server."},
	{ER_CON_COUNT_ERROR, "53300", PYTHIA_E_CONNECT, "Close other connections or raise the server's max_connections."},
	{ER_TOO_MANY_USER_CONNECTIONS, "53300", PYTHIA_E_CONNECT, "Close other connections of this user."},
	{ER_BAD_DB_ERROR, "3D000", PYTHIA_E_CONNECT, "Create it on the server, or correct the URL."},
	{ER_LOCK_WAIT_TIMEOUT, "55P03", PYTHIA_E_TRANSIENT, "Another transaction held a lock for too long; try again."},
	{ER_LOCK_DEADLOCK, "40P01", PYTHIA_E_TRANSIENT, "Try again."},
	{ER_CHECKREAD, "40001", PYTHIA_E_TRANSIENT, "Try again."},
	{ER_TABLE_DEF_CHANGED, "40001", PYTHIA_E_TRANSIENT, "Try again."},
	{ER_QUERY_INTERRUPTED, "57014", PYTHIA_E_DATABASE, NULL},
	{TIMED_OUT_MARIADB, "57014", PYTHIA_E_DATABASE, "Raise max_statement_time for this user."},
	{TIMED_OUT_MYSQL, "57014", PYTHIA_E_DATABASE, "Raise max_execution_time for this user."},
	{ER_NO_SUCH_TABLE, "42P01", PYTHIA_E_DATABASE, NULL},
	{ER_BAD_TABLE_ERROR, "42P01", PYTHIA_E_DATABASE, NULL},
	{ER_TABLE_EXISTS_ERROR, "42P07", PYTHIA_E_DATABASE, NULL},
	{ER_BAD_FIELD_ERROR, "42703", PYTHIA_E_DATABASE, NULL},
	{ER_PARSE_ERROR, "42601", PYTHIA_E_DATABASE, NULL},
	{ER_SP_DOES_NOT_EXIST, "42883", PYTHIA_E_DATABASE, NULL},
	{ER_DUP_ENTRY, "23505", PYTHIA_E_DATABASE, NULL},
	{ER_DUP_ENTRY_WITH_KEY_NAME, "23505", PYTHIA_E_DATABASE, NULL},
	{ER_BAD_NULL_ERROR, "23502", PYTHIA_E_DATABASE, NULL},
	{ER_WARN_NULL_TO_NOTNULL, "23502", PYTHIA_E_DATABASE, NULL},
	{ER_NO_REFERENCED_ROW_2, "23503", PYTHIA_E_DATABASE, NULL},
	{ER_ROW_IS_REFERENCED_2, "23503", PYTHIA_E_DATABASE, NULL},
	{CHECK_CONSTRAINT, "23514", PYTHIA_E_DATABASE, NULL},
	{CHECK_CONSTRAINT_8, "23514", PYTHIA_E_DATABASE, NULL},
	{ER_TABLEACCESS_DENIED_ERROR, "42501", PYTHIA_E_DATABASE, "Grant this user the privilege on the table."},
	{ER_COLUMNACCESS_DENIED_ERROR, "42501", PYTHIA_E_DATABASE, "Grant this user the privilege on the column."},
	{ER_SPECIFIC_ACCESS_DENIED_ERROR, "42501", PYTHIA_E_DATABASE, "Grant this user the privilege."},
	{ER_OPTION_PREVENTS_STATEMENT, "25006", PYTHIA_E_DATABASE,
	 "The option of the server that the message names forbids it: where that is read_only, name the primary server or"
	 " an account that may write all the same; where it is max_session_mem_used, raise it for this user."},
	{ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, "25006", PYTHIA_E_DATABASE, NULL},
	{ER_BINLOG_CREATE_ROUTINE_NEED_SUPER, "42501", PYTHIA_E_DATABASE,
	 "With a binary log, triggers take SUPER or, for whoever has TRIGGER, log_bin_trust_function_creators = ON on that "
	 "server.  Capture by polling (\"capture\": \"poll\") needs neither."},
	{ER_RECORD_FILE_FULL, "53100", PYTHIA_E_DATABASE, "Make room for the table on the server."},
	{DISK_FULL, "53100", PYTHIA_E_DATABASE, "Make room on the server's disk."},
	{ER_OUT_OF_RESOURCES, "53200", PYTHIA_E_DATABASE, NULL},
	{LOCAL_INFILE_DISABLED, "0A000", PYTHIA_E_DATABASE, "Set local_infile = ON on that server."},
	{LOCAL_INFILE_FORBIDDEN, "0A000", PYTHIA_E_DATABASE, "Set local_infile = ON on that server."},
	{LOCAL_INFILE_DISABLED_8, "0A000", PYTHIA_E_DATABASE, "Set local_infile = ON on that server."},
	{ER_NET_PACKET_TOO_LARGE, "54000", PYTHIA_E_DATA, "Raise max_allowed_packet on that server."},
	{ER_WARN_ALLOWED_PACKET_OVERFLOWED, "54000", PYTHIA_E_DATA, "Raise max_allowed_packet on that server."},
	{ER_TOO_BIG_ROWSIZE, "54000", PYTHIA_E_DATA,
	 "Carry fewer columns: name them in option \"columns\", or leave some out by \"exclude_columns\"."},
	{TOO_MANY_COLUMNS, "54011", PYTHIA_E_DATA,
	 "Carry fewer columns: name them in option \"columns\", or leave some out by \"exclude_columns\"."},
	{PRIMARY_KEY_REQUIRED, "42P16", PYTHIA_E_DATABASE,
	 "The server takes no table without a primary key (innodb_force_primary_key): name the columns that identify a row "
	 "in"
	 " option \"key\"."},
	{PRIMARY_KEY_REQUIRED_8, "42P16", PYTHIA_E_DATABASE,
	 "The server takes no table without a primary key (sql_require_primary_key): name the columns that identify a row "
	 "in"
	 " option \"key\"."},
	{ER_DATA_TOO_LONG, "22001", PYTHIA_E_DATA, NULL},
	{WARN_DATA_TRUNCATED, "22001", PYTHIA_E_DATA, NULL},
	{ER_WARN_DATA_OUT_OF_RANGE, "22003", PYTHIA_E_DATA, NULL},
	{ER_DATA_OUT_OF_RANGE, "22003", PYTHIA_E_DATA, NULL},
	{ER_TRUNCATED_WRONG_VALUE, "22007", PYTHIA_E_DATA, NULL},
	{ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, "22P02", PYTHIA_E_DATA, NULL},
	{ER_INVALID_CHARACTER_STRING, "22021", PYTHIA_E_DATA, NULL},
	{CANNOT_CONVERT_STRING_8, "22021", PYTHIA_E_DATA, NULL},
	{ER_DIVISION_BY_ZERO, "22012", PYTHIA_E_DATA, NULL},
};

pythia_error_class pythia_mysql_classify(unsigned code, const char *given, char sqlstate[6], const char **hint)
{
	*hint = NULL;
	for (size_t i = 0; i < sizeof(known_errors) / sizeof(known_errors[0]); i++)
		if (known_errors[i].code == code)
		{
			memcpy(sqlstate, known_errors[i].sqlstate, 6);
			*hint = known_errors[i].hint;
			return known_errors[i].error_class;
		}
	if (given && strlen(given) == 5 && strcmp(given, "00000") != 0)
		memcpy(sqlstate, given, 6);
	else
		memcpy(sqlstate, "HY000", 6);
	if (strncmp(sqlstate, "22", 2) == 0)
		return PYTHIA_E_DATA;
	return code >= CR_MIN_ERROR && code <= CR_MAX_ERROR ? PYTHIA_E_LOST : PYTHIA_E_DATABASE;
}

unsigned pythia_mysql_errno(mysql_db *db)
{
	return db->refused == PYTHIA_MYSQL_BAD_METHOD ? PYTHIA_MYSQL_METHOD_FORBIDDEN : mysql_errno(&db->mysql);
}

const char *pythia_mysql_message(mysql_db *db)
{
	/* the library names a method here that is no longer in its buffer */
	return pythia_mysql_errno(db) == PYTHIA_MYSQL_METHOD_FORBIDDEN
			   ? "the server asked for the password by a method that is not allowed"
			   : mysql_error(&db->mysql);
}

/* The connection was cut by us (pythia_mysql_listen). */
static bool was_cut(mysql_db *db, pythia_error *error)
{
	db->base.broken = true;
	if (db->cut == PYTHIA_MYSQL_CUT_FLOOD)
		return pythia_db_bad_answer(&db->base, error, "more than %zu MB where a small result was expected",
									db->most >> 20);
	pythia_mysql_abort(db);
	return pythia_fail_cancelled(error);
}

bool pythia_mysql_failed(mysql_db *db, pythia_error *error)
{
	unsigned code = mysql_errno(&db->mysql);
	char sqlstate[6];
	const char *hint;
	pythia_error_class class = pythia_mysql_classify(code, mysql_sqlstate(&db->mysql), sqlstate, &hint);

	if (db->cut)
		return was_cut(db, error);
	if (class == PYTHIA_E_LOST)
	{
		db->base.broken = true;
		pythia_fail(error, class, sqlstate, "lost the connection to %s: %s", db->base.display, mysql_error(&db->mysql));
	}
	else
	{
		pythia_fail(error, class, sqlstate, "%s", mysql_error(&db->mysql));
		if (db->sql.length > 0)
			pythia_error_statement(error, pythia_buffer_text(&db->sql));
	}
	if (hint)
		pythia_error_hint(error, "%s", hint);
	return false;
}

/* --- waiting --------------------------------------------------------------- */

static bool too_late(mysql_db *db, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_CONNECT, "08001", "could not connect to %s: no answer within %lld s", db->base.display,
				(long long) db->connect_ms / 1000);
	return pythia_error_hint(error, "Check the URL, and that the server is running and can be reached from here.");
}

/* The shorter of two times to wait, of which -1 is without end. */
static long sooner(long a, long b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* By all that the library has read before it had to wait; Connector/C is heard within its calls. */
static bool is_flooded(mysql_db *db)
{
	size_t most = db->mysql.net.compress ? db->most / 64 : db->most;

	if (!db->cut && pythia_mysql_received(&db->mysql) - db->received > most)
		db->cut = PYTHIA_MYSQL_CUT_FLOOD;
	return db->cut == PYTHIA_MYSQL_CUT_FLOOD;
}

bool pythia_mysql_wait(mysql_db *db, int status, long timeout_ms, int *ready, pythia_error *error)
{
	int events = 0;
	int64_t left = db->connect_by ? db->connect_by - pythia_monotonic_ms() : 0;
	long own = status & PYTHIA_AWAIT_TIMEOUT ? pythia_mysql_step_timeout(&db->mysql) : -1;
	bool theirs = own >= 0 && (timeout_ms < 0 || own <= timeout_ms);
	long most = sooner(timeout_ms, own);

	*ready = PYTHIA_AWAIT_TIMEOUT;
	if (is_flooded(db))
		return was_cut(db, error);
	if (db->connect_by)
		most = sooner(most, left > 0 ? (long) left : 0);
	if (status & (PYTHIA_AWAIT_READ | PYTHIA_AWAIT_EXCEPT))
		events |= PYTHIA_WAIT_READ;
	if (status & PYTHIA_AWAIT_WRITE)
		events |= PYTHIA_WAIT_WRITE;
	switch (pythia_host_wait(db->base.host, pythia_mysql_socket(&db->mysql), events, most))
	{
		case PYTHIA_WAIT_READY:
			if (!pythia_mysql_may_stay(db, error))
				return false;
			*ready = status & (PYTHIA_AWAIT_READ | PYTHIA_AWAIT_WRITE | PYTHIA_AWAIT_EXCEPT);
			return true;
		case PYTHIA_WAIT_TIMEOUT:
			if (db->connect_by && pythia_monotonic_ms() >= db->connect_by)
				return too_late(db, error);
			if (!theirs)
				*ready = 0;
			/* a stranger may say nothing */
			return pythia_mysql_may_stay(db, error);
		case PYTHIA_WAIT_CANCELLED:
			break;
	}
	return pythia_fail_cancelled(error);
}

void pythia_mysql_abort(mysql_db *db)
{
	int fd = pythia_mysql_socket(&db->mysql);

	db->base.broken = true;
	if (!db->aborting && db->thread_id != 0 && db->kill)
		db->kill(db);
	db->aborting = true;
	if (fd >= 0)
		shutdown(fd, SHUT_RDWR);
}

/* --- statements ------------------------------------------------------------ */

/* The rows that the server has announced, one by one: a server that answers without end does not fill the memory. */
static bool read_rows(mysql_db *db, MYSQL_RES *result, pythia_result *rows, pythia_error *error)
{
	unsigned columns = mysql_num_fields(result);
	size_t *lengths = pythia_calloc(columns, sizeof(*lengths));
	int64_t capacity = 0;
	MYSQL_ROW row = NULL;
	bool ok;

	rows->ncolumns = (int) columns;
	while ((ok = PYTHIA_MYSQL_HEAR(db, PYTHIA_LARGEST_RESULT, pythia_mysql_step_fetch(result, &row, ready), error)) &&
		   row)
	{
		const unsigned long *given = mysql_fetch_lengths(result);

		for (unsigned i = 0; i < columns; i++)
			lengths[i] = given[i];
		if (pythia_host_cancelled(db->base.host))
			ok = pythia_fail_cancelled(error);
		else if (pythia_result_add(&db->base, rows, &capacity, (const char *const *) row, lengths, error))
			continue;
		else
			ok = false;
		/* the rest is not waited for */
		pythia_mysql_abort(db);
		break;
	}
	pythia_free(lengths);
	/* a broken read gives no row, either */
	return ok && (mysql_errno(&db->mysql) == 0 || pythia_mysql_failed(db, error));
}

/* The connection is cut: what comes where nothing is expected may have no end. */
static bool not_expected(mysql_db *db, const char *what, pythia_error *error)
{
	pythia_mysql_abort(db);
	return pythia_db_bad_answer(&db->base, error, "%s", what);
}

static bool take_result(mysql_db *db, pythia_result *rows, int64_t *affected, pythia_error *error)
{
	MYSQL_RES *result;
	bool ok;

	if (mysql_field_count(&db->mysql) == 0)
	{
		if (affected)
			*affected = (int64_t) mysql_affected_rows(&db->mysql);
		return true;
	}
	if (!rows)
		return not_expected(db, "rows where none were expected", error);
	result = mysql_use_result(&db->mysql);
	if (!result)
		return pythia_mysql_failed(db, error);
	ok = read_rows(db, result, rows, error);
	/* where it is not at its end, the connection is broken: nothing is read any more */
	mysql_free_result(result);
	return ok;
}

bool pythia_mysql_results(mysql_db *db, pythia_result *rows, int64_t *affected, pythia_error *error)
{
	/* a text is one statement, and calls nothing: it has one result */
	if (take_result(db, rows, affected, error) &&
		(!mysql_more_results(&db->mysql) || not_expected(db, "more results than one", error)))
		return true;
	if (rows)
		pythia_result_free(rows);
	return false;
}

void pythia_mysql_remember(mysql_db *db, const char *sql)
{
	pythia_buffer_clear(&db->sql);
	pythia_buffer_puts(&db->sql, sql);
}

bool pythia_mysql_run(mysql_db *db, const char *sql, int64_t *affected, pythia_error *error)
{
	int answer = 0;

	pythia_mysql_remember(db, sql);
	if (!PYTHIA_MYSQL_RUN(db, pythia_mysql_step_query(&db->mysql, &answer, sql, strlen(sql), ready), error))
		return false;
	if (answer)
		return pythia_mysql_failed(db, error);
	return pythia_mysql_results(db, NULL, affected, error);
}
