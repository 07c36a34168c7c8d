#include "cutover/fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "dialect/dialect.h"

#define PREFIX       "pythia_fence_"
#define DIGITS       12
#define MESSAGE_MOST 127 /* of MySQL's MESSAGE_TEXT */
#define PAUSE_MS     100 /* for those who waited behind our lock */

static const char *const operations[] = {"INSERT", "UPDATE", "DELETE"};

static void put_digest(const char *text, pythia_buffer *out)
{
	char digest[65];

	pythia_sha256(text, strlen(text), digest);
	pythia_buffer_printf(out, "%.*s", DIGITS, digest);
}

/* A worker's begin alike, and are found by that. */
static void put_prefix(const char *worker, pythia_buffer *out)
{
	pythia_buffer_puts(out, PREFIX);
	put_digest(worker, out);
	pythia_buffer_putc(out, '_');
}

static char *trigger_name(const pythia_fence *fence, const pythia_table *table, const char *operation)
{
	pythia_buffer whole = PYTHIA_BUFFER_INIT;
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&whole, "%s\n%s", table->schema != NULL ? table->schema : "", table->name);
	put_prefix(fence->worker, &name);
	put_digest(whole.data, &name);
	pythia_buffer_printf(&name, "_%c", *operation);
	pythia_buffer_free(&whole);
	return pythia_buffer_take(&name);
}

static void message(const pythia_fence *fence, char text[MESSAGE_MOST + 1])
{
	snprintf(text, MESSAGE_MOST + 1, "writes are rejected by pythia cutover: this table moves to %s", fence->moved_to);
	/* not in the midst of a letter */
	for (size_t n = strlen(text); n == MESSAGE_MOST && n > 0 && (text[n - 1] & 0x80) != 0; n--)
		text[n - 1] = '\0';
}

static bool run(pythia_db *db, pythia_buffer *sql, pythia_error *error)
{
	bool ok = pythia_db_exec(db, sql->data, NULL, error);

	pythia_buffer_free(sql);
	return ok;
}

/* --- PostgreSQL: triggers of statements, on partitions and heirs, too, which may be written by themselves -------------- */

static bool make_function(const pythia_fence *fence, pythia_buffer *name, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_dialect_table(pythia_dialect_of(fence->db), name, fence->db->default_schema, "pythia_fence");
	pythia_buffer_printf(
		&sql,
		"CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS"
		" $fence$ BEGIN IF pg_catalog.current_setting('pythia_fence.pass', true) = 'on' THEN RETURN"
		" NULL; END IF; RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = TG_ARGV[0], HINT ="
		" 'Write to the database that the table moves to, or run pythia cutover --status.'; END $fence$",
		name->data);
	return run(fence->db, &sql, error);
}

static bool raise_postgres(const pythia_fence *fence, const pythia_table *tables, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(fence->db);
	pythia_buffer function = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char text[MESSAGE_MOST + 1];
	bool ok;

	message(fence, text);
	pythia_buffer_printf(&sql, "SET LOCAL lock_timeout = %" PRId64, fence->lock_ms);
	ok = run(fence->db, &sql, error) && make_function(fence, &function, error);
	/* all at once, in one order: who writes there is waited for, nobody begins, who reads goes on */
	pythia_buffer_puts(&sql, "LOCK TABLE ");
	for (int i = 0; i < fence->ntables; i++)
	{
		pythia_buffer_puts(&sql, i > 0 ? ", " : "");
		pythia_dialect_table(dialect, &sql, tables[i].schema, tables[i].name);
	}
	pythia_buffer_puts(&sql, " IN SHARE ROW EXCLUSIVE MODE");
	ok = ok && pythia_db_exec(fence->db, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	for (int i = 0; ok && i < fence->ntables; i++)
	{
		pythia_buffer name = PYTHIA_BUFFER_INIT;
		char *trigger = trigger_name(fence, &tables[i], "x");

		pythia_dialect_table(dialect, &name, tables[i].schema, tables[i].name);
		pythia_buffer_puts(
			&sql, "DO $do$ DECLARE part pg_catalog.regclass; BEGIN FOR part IN WITH RECURSIVE all_of(id) AS (SELECT ");
		dialect->plain_string(&sql, name.data);
		pythia_buffer_printf(
			&sql,
			"::pg_catalog.regclass::pg_catalog.oid UNION SELECT h.inhrelid FROM all_of JOIN pg_catalog.pg_inherits h "
			"ON h.inhparent ="
			" all_of.id) SELECT c.oid FROM all_of JOIN pg_catalog.pg_class c ON c.oid = all_of.id WHERE c.relkind IN"
			" ('r', 'p') AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname ="
			" '%1$s') LOOP EXECUTE pg_catalog.format('CREATE TRIGGER %1$s BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE"
			" ON %%s FOR EACH STATEMENT EXECUTE FUNCTION %%s(%%L)', part, ",
			trigger);
		dialect->plain_string(&sql, function.data);
		pythia_buffer_puts(&sql, ", ");
		dialect->plain_string(&sql, text);
		pythia_buffer_printf(&sql,
							 "); EXECUTE pg_catalog.format('ALTER TABLE %%s ENABLE ALWAYS TRIGGER %s', part); END LOOP;"
							 " END $do$",
							 trigger);
		ok = run(fence->db, &sql, error);
		pythia_free(trigger);
		pythia_buffer_free(&name);
	}
	pythia_buffer_free(&function);
	return ok;
}

/* --- MySQL, SQLite: triggers of rows ------------------------------------------------------------------------------------ */

static void put_trigger(const pythia_fence *fence, const pythia_table *table, const char *operation, const char *name,
						pythia_buffer *sql)
{
	const pythia_dialect *dialect = pythia_dialect_of(fence->db);
	bool sqlite = fence->db->engine == PYTHIA_SQLITE;
	char text[MESSAGE_MOST + 1];

	message(fence, text);
	pythia_buffer_puts(sql, "CREATE TRIGGER ");
	pythia_dialect_table(dialect, sql, table->schema, name);
	pythia_buffer_printf(sql, " BEFORE %s ON ", operation);
	pythia_dialect_table(dialect, sql, sqlite ? NULL : table->schema, table->name);
	pythia_buffer_puts(sql, " FOR EACH ROW ");
	if (sqlite)
	{
		/* written in pythia_cutover by the transaction that has the file's lock, and taken back before it ends */
		pythia_buffer_puts(sql,
						   "WHEN NOT EXISTS (SELECT 1 FROM pythia_cutover WHERE pass = 1) BEGIN SELECT RAISE(ABORT, ");
		dialect->plain_string(sql, text);
		pythia_buffer_puts(sql, "); END");
		return;
	}
	pythia_buffer_puts(sql, "BEGIN IF @pythia_fence_pass IS NULL THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = ");
	dialect->plain_string(sql, text);
	pythia_buffer_puts(sql, "; END IF; END");
}

static bool has_trigger(pythia_db *db, const pythia_table *table, const char *name, bool *there, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(db);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (db->engine == PYTHIA_SQLITE)
	{
		pythia_buffer_puts(&sql, "SELECT 1 FROM ");
		dialect->identifier(&sql, table->schema);
		pythia_buffer_puts(&sql, ".sqlite_master WHERE type = 'trigger' AND name = ");
	}
	else
	{
		pythia_buffer_puts(&sql, "SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ");
		dialect->literal(&sql, table->schema, strlen(table->schema));
		pythia_buffer_puts(&sql, " AND TRIGGER_NAME = ");
	}
	dialect->literal(&sql, name, strlen(name));
	ok = pythia_db_any(db, sql.data, there, error);
	pythia_buffer_free(&sql);
	return ok;
}

static bool raise_table(const pythia_fence *fence, const pythia_table *table, pythia_error *error)
{
	bool ok = true;

	for (int k = 0; ok && k < 3; k++)
	{
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		char *name = trigger_name(fence, table, operations[k]);
		bool there;

		put_trigger(fence, table, operations[k], name, &sql);
		ok = has_trigger(fence->db, table, name, &there, error) &&
			 (there || pythia_db_exec(fence->db, sql.data, NULL, error));
		pythia_buffer_free(&sql);
		pythia_free(name);
	}
	return ok;
}

/* --- all ---------------------------------------------------------------------------------------------------------------- */

static bool raise_all(const pythia_fence *fence, const pythia_table *tables, pythia_error *error)
{
	pythia_db *db = fence->db;
	pythia_error ignored = PYTHIA_ERROR_INIT;
	bool ok;

	if (db->engine == PYTHIA_MYSQL)
	{
		pythia_buffer sql = PYTHIA_BUFFER_INIT;

		/* each statement ends what is open, and waits for those that have written there */
		pythia_buffer_printf(&sql, "SET SESSION lock_wait_timeout = %" PRId64, (fence->lock_ms + 999) / 1000);
		ok = run(db, &sql, error);
	}
	else
		ok = db->driver->begin(db, PYTHIA_BEGIN_IMMEDIATE, error);
	if (ok && db->engine == PYTHIA_POSTGRESQL)
		ok = raise_postgres(fence, tables, error);
	else
		for (int i = 0; ok && i < fence->ntables; i++)
			ok = raise_table(fence, &tables[i], error);
	if (db->engine == PYTHIA_MYSQL)
		return ok;
	if (ok)
		return db->driver->commit(db, error);
	if (!db->broken)
		db->driver->rollback(db, &ignored);
	pythia_error_reset(&ignored);
	return false;
}

static bool goes_by(const pythia_error *error)
{
	return error->error_class == PYTHIA_E_TRANSIENT || strcmp(error->sqlstate, "55P03") == 0;
}

bool pythia_fence_raise(const pythia_fence *fence, int *tries, pythia_error *error)
{
	pythia_table *tables = pythia_calloc((size_t) fence->ntables + 1, sizeof(pythia_table));
	int64_t until = pythia_monotonic_ms() + fence->most_ms;
	bool ok = true;

	*tries = 0;
	for (int i = 0; ok && i < fence->ntables; i++)
		ok = pythia_describe(fence->db, fence->tables[i], &tables[i], error);
	while (ok)
	{
		++*tries;
		ok = raise_all(fence, tables, error);
		if (ok)
			break;
		if (fence->db->broken || !goes_by(error) || pythia_monotonic_ms() >= until)
			break;
		pythia_error_reset(error);
		ok = pythia_host_wait(fence->db->host, -1, 0, PAUSE_MS) != PYTHIA_WAIT_CANCELLED ||
			 pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "interrupted");
	}
	for (int i = 0; i < fence->ntables; i++)
		pythia_table_free(&tables[i]);
	pythia_free(tables);
	return ok;
}

static bool drop_one(pythia_db *db, const char *schema, const char *table, const char *trigger, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(db);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql, "DROP TRIGGER IF EXISTS ");
	pythia_dialect_table(dialect, &sql, db->engine == PYTHIA_POSTGRESQL ? NULL : schema, trigger);
	if (db->engine == PYTHIA_POSTGRESQL)
	{
		pythia_buffer_puts(&sql, " ON ");
		pythia_dialect_table(dialect, &sql, schema, table);
	}
	return run(db, &sql, error);
}

/* PostgreSQL: the function goes with the last trigger. */
static bool drop_function(pythia_db *db, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool used;

	if (db->engine != PYTHIA_POSTGRESQL)
		return true;
	if (!pythia_db_any(db, "SELECT 1 FROM pg_catalog.pg_trigger WHERE tgname LIKE 'pythia\\_fence\\_%'", &used, error))
		return false;
	if (used)
		return true;
	pythia_buffer_puts(&sql, "DROP FUNCTION IF EXISTS ");
	pythia_dialect_table(pythia_dialect_of(db), &sql, db->default_schema, "pythia_fence");
	pythia_buffer_puts(&sql, "()");
	return run(db, &sql, error);
}

bool pythia_fence_lift(pythia_db *db, const char *worker, pythia_error *error)
{
	pythia_buffer prefix = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};
	bool ok;

	put_prefix(worker, &prefix);
	switch (db->engine)
	{
		case PYTHIA_POSTGRESQL:
			pythia_buffer_printf(&sql,
								 "SELECT n.nspname, c.relname, g.tgname FROM pg_catalog.pg_trigger g JOIN"
								 " pg_catalog.pg_class c ON c.oid = g.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid ="
								 " c.relnamespace WHERE pg_catalog.left(g.tgname::pg_catalog.text, %zu) = ",
								 prefix.length);
			break;
		case PYTHIA_MYSQL:
			pythia_buffer_printf(&sql,
								 "SELECT TRIGGER_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME FROM"
								 " information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND"
								 " LEFT(TRIGGER_NAME, %zu) = ",
								 prefix.length);
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_printf(&sql,
								 "SELECT 'main', tbl_name, name FROM main.sqlite_master WHERE type = 'trigger' AND"
								 " substr(name, 1, %zu) = ",
								 prefix.length);
			break;
	}
	pythia_dialect_of(db)->literal(&sql, prefix.data, prefix.length);
	ok = pythia_db_query(db, sql.data, "ttt", &result, error);
	for (int64_t i = 0; ok && i < result.nrows; i++)
		ok = drop_one(db, pythia_result_text(&result, i, 0), pythia_result_text(&result, i, 1),
					  pythia_result_text(&result, i, 2), error);
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	pythia_buffer_free(&prefix);
	return ok && drop_function(db, error);
}
