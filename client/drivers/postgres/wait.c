/* Waiting for the server through the host, its results, and its errors as ours. */
#include "drivers/postgres/internal.h"

#include <ctype.h>
#include <string.h>

#include "core/memory.h"

/* --- errors ---------------------------------------------------------------- */

static pythia_error_class class_of_state(const char *sqlstate)
{
	if (strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0 || strcmp(sqlstate, "55P03") == 0)
		return PYTHIA_E_TRANSIENT;
	if (strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57P", 3) == 0)
		return PYTHIA_E_LOST;
	if (strncmp(sqlstate, "28", 2) == 0)
		return PYTHIA_E_CONNECT;
	if (strncmp(sqlstate, "22", 2) == 0)
		return PYTHIA_E_DATA;
	return PYTHIA_E_DATABASE;
}

/* The first line of a libpq message, without "FATAL:  " and the like before it; the caller's. */
char *pythia_postgres_first_line(const char *text)
{
	size_t length;

	while (isspace((unsigned char) *text))
		text++;
	length = strcspn(text, "\n");
	while (length > 0 && (isspace((unsigned char) text[length - 1]) || text[length - 1] == '.'))
		length--;
	return pythia_strndup(text, length);
}

bool pythia_postgres_lost(postgres_db *db, pythia_error *error)
{
	char *reason = pythia_postgres_first_line(PQerrorMessage(db->conn));

	db->base.broken = true;
	pythia_fail(error, PYTHIA_E_LOST, "08006", "lost the connection to %s: %s", db->base.display,
				*reason ? reason : "the server closed it");
	pythia_free(reason);
	return pythia_error_hint(error, "Check that the server is running; the work can be tried again.");
}

/* PostgreSQL says what may not be touched, and not which right that takes. */
static void hint_at_right(const char *sql, pythia_error *error)
{
	static const struct
	{
		const char *begin;
		const char *hint;
	} rights[] = {
		{"CREATE TEMP", "Grant this role TEMPORARY on the database: a target that holds rows is written through a"
						" temporary table."},
		{"ALTER TABLE", "Let this role own the table, or be a member of the role that does."},
		{"CREATE TRIGGER", "Let this role own the table, or be a member of the role that does: triggers log also what"
						   " replication applies, which takes its owner."},
		{"CREATE TABLE", "Grant this role CREATE on the schema, or create the table yourself."},
		{"SELECT", "Grant this role SELECT on the table, or name the columns that it may read in option \"columns\"."},
		{"COPY (", "Grant this role SELECT on the table, or name the columns that it may read in option \"columns\"."},
		{"COPY", "Grant this role INSERT on the table, or name the columns that it may write in option \"columns\"."},
		{"INSERT", "Grant this role SELECT and INSERT on the table, or name the columns that it has these rights on in"
				   " option \"columns\"."},
		{"UPDATE", "Grant this role SELECT and UPDATE on the table, or name the columns that it has these rights on in"
				   " option \"columns\"."},
		{"DELETE", "Grant this role SELECT and DELETE on the table."}};

	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		if (strncmp(sql, rights[i].begin, strlen(rights[i].begin)) == 0)
		{
			pythia_error_hint(error, "%s", rights[i].hint);
			return;
		}
}

bool pythia_postgres_failed(postgres_db *db, const PGresult *result, pythia_error *error)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);

	if (!sqlstate || !message)
	{
		if (PQstatus(db->conn) == CONNECTION_BAD)
			return pythia_postgres_lost(db, error);
		message = PQerrorMessage(db->conn);
		sqlstate = "XX000";
	}
	pythia_fail(error, class_of_state(sqlstate), sqlstate, "%s", message);
	if (detail)
		pythia_error_detail(error, "%s", detail);
	if (hint)
		pythia_error_hint(error, "%s", hint);
	else if (strcmp(sqlstate, "25006") == 0)
		pythia_error_hint(error, "The server is a standby, or default_transaction_read_only is on for this role or"
								 " database: name another server, or let the role write.");
	else if (strcmp(sqlstate, "57014") == 0 && strstr(message, "statement timeout") != NULL)
		pythia_error_hint(error, "Raise statement_timeout for this role.");
	else if (strcmp(sqlstate, "42501") == 0 && strstr(message, "row-level security") != NULL)
		pythia_error_hint(error, "Rows hidden by a policy would pass for deleted: use a role that sees all of them (the"
								 " table's owner, or one with BYPASSRLS), or a view of those that are meant.");
	else if (strcmp(sqlstate, "42501") == 0)
		hint_at_right(pythia_buffer_text(&db->sql), error);
	if (context)
		pythia_error_context(error, "%s", context);
	if (db->sql.length > 0)
		pythia_error_statement(error, pythia_buffer_text(&db->sql));
	if (class_of_state(sqlstate) == PYTHIA_E_LOST)
		db->base.broken = true;
	return false;
}

/* --- waiting --------------------------------------------------------------- */

bool pythia_postgres_wait(postgres_db *db, int events, pythia_error *error)
{
	switch (pythia_host_wait(db->base.host, PQsocket(db->conn), events, -1))
	{
		case PYTHIA_WAIT_READY:
		case PYTHIA_WAIT_TIMEOUT:
			return true;
		case PYTHIA_WAIT_CANCELLED:
			break;
	}
	/* the host will not wait for the server's answer, so the session is of no more use */
	pythia_postgres_abort(db);
	return pythia_fail_cancelled(error);
}

bool pythia_postgres_consume(postgres_db *db)
{
	bool good = PQconsumeInput(db->conn);
	PGnotify *notification;

	while ((notification = PQnotifies(db->conn)))
		PQfreemem(notification);
	return good;
}

bool pythia_postgres_flush(postgres_db *db, pythia_error *error)
{
	int left;

	while ((left = PQflush(db->conn)) == 1)
	{
		/* a server that cannot send its notices does not read our data */
		if (!pythia_postgres_wait(db, PYTHIA_WAIT_READ | PYTHIA_WAIT_WRITE, error))
			return false;
		if (!pythia_postgres_consume(db))
			return pythia_postgres_lost(db, error);
	}
	return left == 0 || pythia_postgres_lost(db, error);
}

bool pythia_postgres_result(postgres_db *db, PGresult **result, pythia_error *error)
{
	*result = NULL;
	while (PQisBusy(db->conn))
	{
		if (!pythia_postgres_wait(db, PYTHIA_WAIT_READ, error))
			return false;
		if (!pythia_postgres_consume(db))
			return pythia_postgres_lost(db, error);
	}
	*result = PQgetResult(db->conn);
	return true;
}

bool pythia_postgres_finish(postgres_db *db, PGresult **last, pythia_error *error)
{
	return pythia_postgres_rows(db, NULL, NULL, last, error);
}

bool pythia_postgres_rows(postgres_db *db, pythia_postgres_take take, void *context, PGresult **last,
						  pythia_error *error)
{
	PGresult *result;
	bool good = true;

	*last = NULL;
	for (;;)
	{
		ExecStatusType status;

		if (!pythia_postgres_result(db, &result, good ? error : NULL))
			good = false;
		if (!result || db->base.broken)
		{
			PQclear(result);
			break;
		}
		status = PQresultStatus(result);
		if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
		{
			/* a statement that nobody meant to be a COPY: there is no way on from here */
			db->base.broken = true;
			PQclear(result);
			if (good)
				good = pythia_fail(error, PYTHIA_E_INTERNAL, "08P01", "unexpected COPY");
			break;
		}
		if (status == PGRES_SINGLE_TUPLE)
		{
			bool taken = !good || !take || take(context, result, error);

			PQclear(result);
			if (taken)
				continue;
			/* the rest is not waited for */
			good = false;
			pythia_postgres_abort(db);
			break;
		}
		if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY)
		{
			if (good)
				good = pythia_postgres_failed(db, result, error);
			PQclear(result);
			continue;
		}
		PQclear(*last);
		*last = result;
	}
	if (!good)
	{
		PQclear(*last);
		*last = NULL;
	}
	if (PQstatus(db->conn) == CONNECTION_BAD)
		db->base.broken = true;
	return good;
}

/* By the extended protocol, in which a text of several statements is an error. */
bool pythia_postgres_start(postgres_db *db, const char *sql, pythia_error *error)
{
	pythia_buffer_clear(&db->sql);
	pythia_buffer_puts(&db->sql, sql);
	db->notices = 0;
	/* row by row: a server that answers without end does not fill the memory */
	if (!PQsendQueryParams(db->conn, sql, 0, NULL, NULL, NULL, NULL, 0) || !PQsetSingleRowMode(db->conn))
		return pythia_postgres_lost(db, error);
	return pythia_postgres_flush(db, error);
}
