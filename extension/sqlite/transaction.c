/*
 * A verb's transaction: the one place that opens and closes it.
 *
 * In autocommit mode the verb opens transactions of its own, and whatever is open at its end is rolled back.  In a
 * transaction of the application's a savepoint is around it.  Called by a statement that writes (INSERT … SELECT), where
 * SQLite allows no savepoint, it runs in a statement of its own, whose failure undoes it.
 *
 * Once sqlite3_interrupt was called no statement runs until the one that called the verb is over, not even one that
 * rolls back to a savepoint.  Then the whole transaction is rolled back, as SQLite does with that of any statement that
 * writes and is interrupted.
 */
#include "pythia_sqlite.h"

SQLITE_EXTENSION_INIT3

#include <string.h>

#include "capture/capture.h"
#include "core/memory.h"
#include "dialect/token_cursor.h"
#include "drivers/sqlite/wrapped.h"
#include "worker.h"

#define POINTER_TYPE "pythia_body"

typedef struct scope
{
	bool trusted;
	bool inside;    /* called by a statement that writes */
	bool savepoint; /* opened, in the application's transaction */
	sqlite3_stmt *undo;
	sqlite3_stmt *release; /* with savepoint */
} scope;

static sqlite3_stmt *prepare(pythia_sqlite *self, const char *sql)
{
	sqlite3_stmt *statement = NULL;

	sqlite3_prepare_v2(self->handle, sql, -1, &statement, NULL);
	return statement;
}

static bool step(sqlite3_stmt *statement)
{
	bool done = statement != NULL && sqlite3_step(statement) == SQLITE_DONE;

	sqlite3_reset(statement);
	return done;
}

/*
 * Rolls back everything where it is interrupted, else nothing: opening a value for writing begins, without being
 * prepared, a statement that writes, and that is interrupted before its first step.
 */
static void abandon(pythia_sqlite *self)
{
	sqlite3_blob *blob = NULL;

	sqlite3_blob_open(self->handle, "main", "sqlite_master", "sql", 1, 1, &blob);
	sqlite3_blob_close(blob);
}

static bool failed(pythia_sqlite *self, const char *doing, pythia_error *error)
{
	int code = sqlite3_errcode(self->handle);
	const char *message = sqlite3_errmsg(self->handle);

	if (code == SQLITE_INTERRUPT)
		return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "canceled on request");
	return pythia_fail(error, code == SQLITE_BUSY ? PYTHIA_E_TRANSIENT : PYTHIA_E_DATABASE,
					   code == SQLITE_BUSY ? "55P03" : "25000", "%s: %s", doing, message);
}

/* What is known of the statements at work. */
typedef struct callers
{
	bool write;
	bool create; /* a table: SQLite cannot read its schema meanwhile */
	bool named;  /* one holds the verb's name, or has no text, being prepared the old way */
} callers;

static bool holds(const char *sql, const char *name)
{
	for (size_t length = strlen(name); *sql != '\0'; sql++)
		if (sqlite3_strnicmp(sql, name, (int) length) == 0)
			return true;
	return false;
}

static bool creates(const char *sql)
{
	pythia_tokens tokens;
	bool yes;

	pythia_tokens_open(&tokens, PYTHIA_SQLITE, sql);
	yes = pythia_tokens_at(&tokens, "CREATE");
	pythia_tokens_close(&tokens);
	return yes;
}

static callers look_at_callers(pythia_sqlite *self, const char *name)
{
	callers found = {0};

	for (sqlite3_stmt *s = sqlite3_next_stmt(self->handle, NULL); s != NULL; s = sqlite3_next_stmt(self->handle, s))
	{
		const char *sql = sqlite3_sql(s);

		if (!sqlite3_stmt_busy(s))
			continue;
		found.named = found.named || sql == NULL || holds(sql, name);
		if (sqlite3_stmt_readonly(s))
			continue;
		found.write = true;
		found.create = found.create || (sql != NULL && creates(sql));
	}
	return found;
}

static bool open_scope(pythia_sqlite *self, scope *s, pythia_error *error)
{
	bool nested = s->inside || !sqlite3_get_autocommit(self->handle);
	bool undecided = s->inside || sqlite3_txn_state(self->handle, "main") == SQLITE_TXN_WRITE;
	int trusted = 0;

	if (nested && !s->inside)
	{
		sqlite3_stmt *savepoint = prepare(self, "SAVEPOINT pythia_verb");

		s->undo = prepare(self, "ROLLBACK TO pythia_verb");
		s->release = prepare(self, "RELEASE pythia_verb");
		s->savepoint = s->undo != NULL && s->release != NULL && step(savepoint);
		if (!s->savepoint)
			failed(self, "could not open a savepoint", error);
		sqlite3_finalize(savepoint);
	}
	else if (!s->inside && (s->undo = prepare(self, "ROLLBACK")) == NULL)
		failed(self, "could not prepare to roll back", error);
	if (!s->inside && (s->undo == NULL || (nested && !s->savepoint)))
		return false;
	/*
	 * His file may be somebody else's all the same, and the program that he works in has functions that do anything:
	 * the shell's edit() runs a command.  Meanwhile views, triggers and the like call those only that are known to do
	 * no harm.
	 */
	sqlite3_db_config(self->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, -1, &trusted);
	s->trusted = trusted != 0;
	if (trusted)
		sqlite3_db_config(self->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *) NULL);
	pythia_sqlite_enter(self->local, nested, undecided, s->inside);
	pythia_sqlite_enter(self->second, nested, undecided, s->inside);
	return true;
}

static bool close_scope(pythia_sqlite *self, scope *s, bool ok, pythia_error *error)
{
	bool clean = pythia_sqlite_leave(self->local);

	clean = pythia_sqlite_leave(self->second) && clean;
	if (s->trusted)
		sqlite3_db_config(self->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, (int *) NULL);
	if (ok && !clean)
		ok = pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "a transaction was left open");
	if (s->savepoint)
	{
		if (ok && !step(s->release))
			ok = failed(self, "could not end a savepoint", error);
		/* SQLite may have rolled back everything, after a full disk for one */
		if (!ok && !sqlite3_get_autocommit(self->handle) && !(step(s->undo) && step(s->release)))
			abandon(self);
	}
	else if (!s->inside && !sqlite3_get_autocommit(self->handle) && !step(s->undo))
		abandon(self);
	return ok;
}

/* --- within a statement that writes ------------------------------------------------------------ */

typedef struct body
{
	pythia_verb_body run;
	void *argument;
	pythia_error *error;
	bool ran;
} body;

/* SQL function pythia_call(pointer): runs the body, and is false, so that nothing is inserted. */
static void call_body(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	body *b = argc == 1 ? sqlite3_value_pointer(argv[0], POINTER_TYPE) : NULL;

	if (b != NULL && !b->ran)
	{
		b->ran = true;
		if (b->run(b->argument, b->error))
		{
			sqlite3_result_int(context, 0);
			return;
		}
	}
	sqlite3_result_error(context, "it is called by verbs alone", -1);
}

int pythia_register_body(pythia_sqlite *self)
{
	return sqlite3_create_function_v2(self->handle, "pythia_call", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, call_body,
									  NULL, NULL, NULL);
}

/* An INSERT that inserts nothing, but has a journal of its own, for it could fail in the middle. */
static bool run_in_statement(pythia_sqlite *self, const pythia_registration *r, pythia_verb_body run, void *argument,
							 pythia_error *error)
{
	body b = {.run = run, .argument = argument, .error = error};
	bool ok = r->state == PYTHIA_STATE_CAPTURE ? pythia_capture_install(self->local, error)
											   : pythia_worker_install(self, error);
	sqlite3_stmt *statement = NULL;

	if (ok)
		statement = prepare(self, r->state == PYTHIA_STATE_CAPTURE
									  ? "INSERT INTO main.pythia_cdc_worker (name) SELECT NULL WHERE pythia_call(?1)"
									  : "INSERT INTO main.pythia_sync_worker (name) SELECT NULL WHERE pythia_call(?1)");

	ok = ok && statement != NULL && sqlite3_bind_pointer(statement, 1, &b, POINTER_TYPE, NULL) == SQLITE_OK &&
		 step(statement);

	if (!ok && error->message == NULL)
		failed(self, "could not begin", error);
	sqlite3_finalize(statement);
	return ok;
}

/* --- all of it ----------------------------------------------------------------------------------- */

static bool allowed(const pythia_registration *r, const callers *by, bool at_work, pythia_error *error)
{
	if (at_work)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "55006", "%s is called while another verb is at work", r->name);
		return pythia_error_hint(error, "Call it when that is over, from no trigger and no constraint.");
	}
	if (!by->named)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "0A000", "%s is called by no statement that names it", r->name);
		pythia_error_detail(error, "A CHECK constraint, a default or a trigger calls it.");
		return pythia_error_hint(error, "Call verbs from statements of the application.");
	}
	if (!by->create)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "0A000", "%s is called by CREATE TABLE ... AS", r->name);
	return pythia_error_hint(error, "Create the table first, then INSERT INTO it what %s gives.", r->name);
}

bool pythia_sqlite_run_verb(pythia_sqlite *self, const pythia_registration *r, pythia_verb_body run, void *argument,
							pythia_error *error)
{
	callers by = look_at_callers(self, r->name);
	scope s = {.inside = by.write};
	bool ok;

	if (r->pure)
		return run(argument, error);
	if (!allowed(r, &by, self->at_work, error))
		return false;
	self->at_work = true;
	ok = open_scope(self, &s, error);
	if (ok)
	{
		if (s.inside && r->state != PYTHIA_STATE_NONE)
			ok = run_in_statement(self, r, run, argument, error);
		else
			ok = run(argument, error);
		ok = close_scope(self, &s, ok, error);
	}
	sqlite3_finalize(s.undo);
	sqlite3_finalize(s.release);
	self->at_work = false;
	return ok;
}
