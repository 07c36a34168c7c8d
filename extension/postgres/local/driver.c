/* The local driver's statements: exec, query, begin, commit, rollback. */
#include "postgres/local/internal.h"

#include <ctype.h>

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "core/memory.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postgres/base/boundary.h"
#include "postgres/base/bridge.h"
#include "postgres/base/host.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/unix_time.h"
#include "postgres/local/plans.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static const pythia_driver local_driver;

typedef struct statement
{
	const char *sql;
	int64_t affected;
	pythia_result *result;
} statement;

static char *encoded(const char *sql)
{
	return GetDatabaseEncoding() == PG_UTF8 ? unconstify(char *, sql) : pythia_from_utf8(sql);
}

static void keep_rows(pythia_result *result)
{
	TupleDesc desc = SPI_tuptable->tupdesc;
	int64 nrows = (int64) SPI_processed;

	result->ncolumns = desc->natts;
	result->nrows = nrows;
	result->cells = pythia_calloc(Max(nrows * desc->natts, 1), sizeof(char *));
	result->lengths = pythia_calloc(Max(nrows * desc->natts, 1), sizeof(size_t));
	for (int64 row = 0; row < nrows; row++)
		for (int column = 0; column < desc->natts; column++)
		{
			char *value = SPI_getvalue(SPI_tuptable->vals[row], desc, column + 1);
			int64 i = row * desc->natts + column;

			if (!value)
				continue;
			if (GetDatabaseEncoding() != PG_UTF8)
				value = pythia_to_utf8(value);
			result->lengths[i] = strlen(value);
			result->cells[i] = pythia_strndup(value, result->lengths[i]);
			pfree(value);
		}
}

static void run_statement(pythia_local *local, void *arg)
{
	statement *call = arg;
	Oid writer;
	int code;

	if (call->result)
		pythia_result_free(call->result); /* of an earlier use: a partial one is the caller's */
	SPI_connect();
	/* output functions may detoast, which needs a snapshot */
	local_push_snapshot(local);
	if (call->result)
		code = pythia_local_query(encoded(call->sql), local->snapshot != NULL, &writer);
	else
		code = pythia_local_execute(encoded(call->sql), local->snapshot != NULL, &writer);
	if (code < 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("statement cannot run inside the server: %s", SPI_result_code_string(code))));
	if (OidIsValid(writer))
		local->session->writer = writer;
	call->affected = (int64) SPI_processed;
	if (call->result && SPI_tuptable)
		keep_rows(call->result);
	PopActiveSnapshot();
	SPI_finish();
}

static const char *skip_blanks(const char *text)
{
	while (isspace((unsigned char) *text))
		text++;
	return text;
}

/* True where `text` begins with those words; *rest is what follows. */
static bool words(const char *text, const char *const *list, const char **rest)
{
	for (; *list; list++)
	{
		size_t length = strlen(*list);

		text = skip_blanks(text);
		if (pg_strncasecmp(text, *list, length) != 0 || isalnum((unsigned char) text[length]) || text[length] == '_')
			return false;
		text += length;
	}
	*rest = skip_blanks(text);
	return true;
}

/* SPI refuses transaction commands; savepoints are subtransactions of ours. */
static bool savepoint_command(pythia_local *local, const char *sql, bool *handled, pythia_error *error)
{
	static const char *const savepoint[] = {"savepoint", NULL};
	static const char *const release[] = {"release", "savepoint", NULL};
	static const char *const rollback[] = {"rollback", "to", "savepoint", NULL};
	const char *rest;
	char name[NAMEDATALEN];
	size_t length;
	bool ok;
	int which;

	*handled = false;
	if (words(sql, savepoint, &rest))
		which = 0;
	else if (words(sql, release, &rest))
		which = 1;
	else if (words(sql, rollback, &rest))
		which = 2;
	else
		return true;
	length = strcspn(rest, " \t\r\n;");
	if (length == 0 || length >= sizeof(name) || *skip_blanks(rest + length + strspn(rest + length, ";")))
		return true;
	memcpy(name, rest, length);
	name[length] = '\0';
	*handled = true;
	if (which == 0)
		ok = local_level_begin(local, name, error);
	else if (which == 1)
		ok = local_level_release(local, name, error);
	else
		ok = local_level_rollback(local, name, false, error);
	return ok;
}

static bool local_exec(pythia_db *db, const char *sql, int64_t *affected, pythia_error *error)
{
	pythia_local *local = (pythia_local *) db;
	statement call = {.sql = sql};
	bool handled;

	if (!savepoint_command(local, sql, &handled, error))
		return false;
	if (handled)
	{
		if (affected)
			*affected = 0;
		return true;
	}
	if (!local_run(local, run_statement, &call, error))
		return false;
	if (affected)
		*affected = call.affected;
	return true;
}

/* Nothing runs beside us in our own process: the statement is kept for receive. */
static bool local_send(pythia_db *db, const char *sql, pythia_error *error)
{
	pythia_local *local = (pythia_local *) db;

	pythia_free(local->sent);
	local->sent = pythia_strdup(sql);
	return true;
}

static bool local_receive(pythia_db *db, pythia_result *result, pythia_error *error)
{
	pythia_local *local = (pythia_local *) db;
	statement call = {.sql = local->sent, .result = result};
	bool ok;

	if (!local->sent)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "no query was sent");
	memset(result, 0, sizeof(*result));
	ok = local_run(local, run_statement, &call, error);
	if (!ok)
		pythia_result_free(result);
	pythia_free(local->sent);
	local->sent = NULL;
	return ok;
}

static void register_snapshot(pythia_local *local, void *arg)
{
	local->snapshot = RegisterSnapshot(GetTransactionSnapshot());
}

static void unregister_snapshot(pythia_local *local, void *arg)
{
	UnregisterSnapshot(local->snapshot);
	local->snapshot = NULL;
}

static bool local_begin(pythia_db *db, pythia_begin_mode mode, pythia_error *error)
{
	pythia_local *local = (pythia_local *) db;
	pythia_session *session = local->session;

	if (local->begun)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "25001", "there is already a transaction in progress");
	if (session->begins == 0 && !local_level_begin(local, "", error))
		return false;
	session->begins++;
	local->begun = true;
	return mode != PYTHIA_BEGIN_SNAPSHOT || local_run(local, register_snapshot, NULL, error);
}

static bool local_commit(pythia_db *db, pythia_error *error)
{
	pythia_local *local = (pythia_local *) db;
	pythia_session *session = local->session;

	if (!local->begun)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "25P01", "there is no transaction in progress");
	if (local->snapshot && !local_run(local, unregister_snapshot, NULL, error))
		return false;
	local->begun = false;
	if (--session->begins > 0)
		return true;
	return local_level_release(local, "", error);
}

static bool local_rollback(pythia_db *db, pythia_error *error)
{
	pythia_local *local = (pythia_local *) db;

	/* an error may have ended it already */
	if (!local->begun)
		return true;
	/* a reader has nothing to undo, and may share the transaction with a writer */
	if (local->snapshot && !local->session->aborted)
		return local_commit(db, error);
	return local_level_rollback(local, "", true, error);
}

static void look_up(pythia_local *local, void *arg)
{
	looked_up *table = arg;
	MemoryContext before = MemoryContextSwitchTo(local->session->memory);
	looked_up *kept = palloc(sizeof(looked_up));

	kept->schema = pstrdup(pythia_from_utf8(table->schema));
	kept->name = pstrdup(pythia_from_utf8(table->name));
	kept->write = local->writes;
	local->session->tables = lappend(local->session->tables, kept);
	MemoryContextSwitchTo(before);
	local_check_table(kept);
}

static bool local_described(pythia_db *db, const char *schema, const char *table, pythia_error *error)
{
	looked_up used = {.schema = unconstify(char *, schema), .name = unconstify(char *, table)};

	return schema == NULL || local_run((pythia_local *) db, look_up, &used, error);
}

void pythia_local_writes(pythia_db *db)
{
	((pythia_local *) db)->writes = true;
}

static void local_close(pythia_db *db)
{
	pythia_local *local = (pythia_local *) db;

	if (local->load)
		local_load_abandon(db);
	local_forget(local);
	MemoryContextDelete(local->scratch);
	pythia_free(local->sent);
	pythia_free(db->version_text);
	pythia_free(db->default_schema);
	pythia_free(db->display);
	pythia_free(local);
}

static void learn(pythia_local *local, void *arg)
{
	MemoryContext before = MemoryContextSwitchTo(local->session->memory);

	local->session->dbs = lappend(local->session->dbs, local);
	MemoryContextSwitchTo(before);
	local->base.default_schema = pythia_strdup(pythia_to_utf8(local->session->default_schema));
	local->base.read_only = XactReadOnly || RecoveryInProgress();
}

bool pythia_local_open(pythia_session *session, pythia_db **db, pythia_error *error)
{
	pythia_local *local = pythia_calloc(1, sizeof(pythia_local));
	char version[32];

	local->base.driver = &local_driver;
	local->base.host = pythia_backend_host();
	local->base.engine = PYTHIA_POSTGRESQL;
	local->base.recoded = GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;
	local->base.local = true;
	local->base.nested = session->nested;
	local->base.version = PG_VERSION_NUM;
	snprintf(version, sizeof(version), "PostgreSQL %d.%d", PG_VERSION_NUM / 10000, PG_VERSION_NUM % 10000);
	local->base.version_text = pythia_strdup(version);
	local->base.display = pythia_strdup("local");
	local->session = session;
	local->scratch = AllocSetContextCreate(session->memory, "pythia_db local driver", ALLOCSET_DEFAULT_SIZES);
	*db = &local->base;
	if (local_run(local, learn, NULL, error))
		return true;
	local_close(*db);
	*db = NULL;
	return false;
}

typedef struct open_look
{
	bool own;
	pythia_boundary boundary;
} open_look;

static void look_at_open(pythia_local *local, void *arg)
{
	open_look *look = arg;

	pythia_boundary_read(&look->boundary, look->own);
}

static bool open_transactions(pythia_db *db, bool own, int64_t *now, int64_t *oldest, bool *hold, pythia_error *error)
{
	open_look look = {.own = own};

	*now = 0;
	/* what is open at its primary is not known here */
	if (RecoveryInProgress())
		return true;
	if (!local_run((pythia_local *) db, look_at_open, &look, error))
		return false;
	*now = pythia_to_unix(look.boundary.clock);
	*oldest = pythia_to_unix(look.boundary.instant);
	*hold = look.boundary.hold;
	return true;
}

static const pythia_driver local_driver = {
	.open_transactions = open_transactions,
	.name = "local",
	.exec = local_exec,
	.send = local_send,
	.receive = local_receive,
	.stream_open = local_stream_open,
	.stream_next = local_stream_next,
	.stream_close = local_stream_close,
	.load_begin = local_load_begin,
	.load_put = local_load_put,
	.load_end = local_load_end,
	.load_abandon = local_load_abandon,
	.described = local_described,
	.begin = local_begin,
	.commit = local_commit,
	.rollback = local_rollback,
	.close = local_close,
};
