/* The log tables and triggers of a source (log.h): made, kept in line with their table, removed. */
#include "capture/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"

typedef struct writer
{
	const pythia_capture_table *table;
	const pythia_dialect *dialect;
	const char *log;
	int *place; /* of each of the table's columns in the log */
	pythia_buffer sql;
} writer;

void pythia_log_free(pythia_log *log)
{
	pythia_free(log->name);
	pythia_free(log->columns);
	memset(log, 0, sizeof(*log));
}

char *pythia_log_name(void)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	unsigned char random[6];

	if (getentropy(random, sizeof(random)) != 0)
	{
		int64_t now = pythia_host_now(NULL) ^ ((int64_t) getpid() << 40);

		memcpy(random, &now, sizeof(random));
	}
	pythia_buffer_puts(&name, "pythia_log_");
	pythia_buffer_hex(&name, random, sizeof(random));
	return pythia_buffer_take(&name);
}

/* --- pieces of SQL ----------------------------------------------------------------- */

static void put_name(writer *w, const char *suffix, bool qualified)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&name, "%s%s", w->log, suffix);
	pythia_dialect_table(w->dialect, &w->sql, qualified ? w->table->table.schema : NULL, name.data);
	pythia_buffer_free(&name);
}

static void put_table(writer *w)
{
	pythia_dialect_table(w->dialect, &w->sql, w->table->table.schema, w->table->table.name);
}

static const char *column_name(const writer *w, int i)
{
	return w->table->table.columns[w->table->columns[i].position].name;
}

/* , o0, o1, … */
static void put_places(writer *w, char letter)
{
	for (int i = 0; i < w->table->ncolumns; i++)
		pythia_buffer_printf(&w->sql, ", %c%d", letter, w->place[i]);
}

/* The values for them: , OLD.a, OLD.b, … */
static void put_values(writer *w, const char *row)
{
	for (int i = 0; i < w->table->ncolumns; i++)
	{
		pythia_buffer_puts(&w->sql, ", ");
		pythia_buffer_puts(&w->sql, row);
		w->dialect->identifier(&w->sql, column_name(w, i));
	}
}

static void put_now(writer *w)
{
	pythia_buffer_puts(&w->sql, w->table->db->engine == PYTHIA_MYSQL ? "UTC_TIMESTAMP(6)"
																	 : "strftime('%Y-%m-%d %H:%M:%f', 'now')");
}

static bool flush(writer *w, pythia_error *error)
{
	bool ok = pythia_db_exec(w->table->db, w->sql.data, NULL, error);

	pythia_buffer_clear(&w->sql);
	return ok;
}

/* Whether the user's condition holds for a side (NEW or OLD): names in it mean that row's columns. */
static void put_condition(writer *w, const char *side)
{
	const pythia_table *table = &w->table->table;

	pythia_buffer_puts(&w->sql, "EXISTS (SELECT 1 FROM (SELECT ");
	for (int i = 0; i < table->ncolumns; i++)
	{
		pythia_buffer_printf(&w->sql, "%s%s.", i > 0 ? ", " : "", side);
		w->dialect->identifier(&w->sql, table->columns[i].name);
		pythia_buffer_puts(&w->sql, " AS ");
		w->dialect->identifier(&w->sql, table->columns[i].name);
	}
	pythia_buffer_puts(&w->sql, ") AS ");
	w->dialect->identifier(&w->sql, table->name);
	pythia_buffer_printf(&w->sql, " WHERE (%s\n))", w->table->config.where);
}

/* INSERT INTO log … of one kind of change. `conditions`: of old, of new: ' ' none, '+' must hold, '-' must not. */
static void put_entry(writer *w, char operation, const char *conditions, bool qualified)
{
	static const char *const sides[] = {"OLD", "NEW"};
	bool old = strchr("UDY", operation) != NULL;
	bool new = strchr("UIXY", operation) != NULL;
	const char *before = w->table->db->engine == PYTHIA_MYSQL ? " FROM DUAL WHERE " : " WHERE ";

	pythia_buffer_puts(&w->sql, "INSERT INTO ");
	put_name(w, "", qualified);
	pythia_buffer_puts(&w->sql, " (pythia_op, pythia_at");
	if (old)
		put_places(w, 'o');
	if (new)
		put_places(w, 'n');
	pythia_buffer_printf(&w->sql, ") SELECT '%c', ", operation);
	put_now(w);
	if (old)
		put_values(w, "OLD.");
	if (new)
		put_values(w, "NEW.");
	for (int i = 0; i < 2 && w->table->config.where; i++)
	{
		if (conditions[i] == ' ')
			continue;
		pythia_buffer_puts(&w->sql, before);
		before = " AND ";
		if (conditions[i] == '-')
			pythia_buffer_puts(&w->sql, "NOT ");
		put_condition(w, sides[i]);
	}
	if (operation == 'X' || operation == 'Y')
	{
		pythia_buffer_puts(&w->sql, before);
		pythia_buffer_printf(&w->sql, "'%c' = (SELECT pythia_op FROM ", operation == 'X' ? 'B' : 'R');
		put_name(w, "", qualified);
		pythia_buffer_puts(&w->sql, " ORDER BY pythia_id DESC LIMIT 1)");
	}
	pythia_buffer_puts(&w->sql, "; ");
}

/* With a condition, a row that comes under it is inserted, one that leaves it deleted, to whoever follows. */
static void put_body(writer *w, char operation, bool qualified)
{
	pythia_buffer_puts(&w->sql, "BEGIN ");
	switch (operation)
	{
		case 'I':
			put_entry(w, 'I', " +", qualified);
			/* what it replaced goes */
			if (w->table->config.where && w->table->db->engine == PYTHIA_SQLITE)
				put_entry(w, 'X', " -", qualified);
			break;
		case 'D':
			put_entry(w, 'D', "+ ", qualified);
			break;
		default:
			put_entry(w, 'U', "++", qualified);
			if (w->table->config.where)
			{
				put_entry(w, 'I', "-+", qualified);
				if (w->table->db->engine == PYTHIA_SQLITE)
					put_entry(w, 'Y', " -", qualified);
				put_entry(w, 'D', "+-", qualified);
			}
			break;
	}
	pythia_buffer_puts(&w->sql, "END");
}

static const struct
{
	char operation;
	const char *suffix;
	const char *event;
} events[] = {{'I', "_i", "INSERT"}, {'U', "_u", "UPDATE"}, {'D', "_d", "DELETE"}};

static bool put_triggers(writer *w, pythia_error *error)
{
	bool mysql = w->table->db->engine == PYTHIA_MYSQL;

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
	{
		pythia_buffer_puts(&w->sql, "DROP TRIGGER IF EXISTS ");
		put_name(w, events[i].suffix, true);
		if (!flush(w, error))
			return false;
		pythia_buffer_puts(&w->sql, "CREATE TRIGGER ");
		put_name(w, events[i].suffix, true);
		pythia_buffer_printf(&w->sql, " AFTER %s ON ", events[i].event);
		if (mysql)
			put_table(w);
		else
			w->dialect->identifier(&w->sql, w->table->table.name);
		pythia_buffer_puts(&w->sql, mysql ? " FOR EACH ROW " : " ");
		put_body(w, events[i].operation, mysql);
		if (!flush(w, error))
			return false;
	}
	return true;
}

/* --- MySQL ------------------------------------------------------------------------ */

/* InnoDB runs the actions of foreign keys without the table's triggers. */
static bool refuse_cascades(writer *w, pythia_error *error)
{
	const pythia_table *table = &w->table->table;
	char *name;

	pythia_buffer_puts(&w->sql,
					   "SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS"
					   " WHERE (DELETE_RULE IN ('CASCADE', 'SET NULL') OR UPDATE_RULE IN ('CASCADE', 'SET NULL'))"
					   " AND CONSTRAINT_SCHEMA = ");
	w->dialect->literal(&w->sql, table->schema, strlen(table->schema));
	pythia_buffer_puts(&w->sql, " AND TABLE_NAME = ");
	w->dialect->literal(&w->sql, table->name, strlen(table->name));
	if (!pythia_capture_value(w->table->db, w->sql.data, &name, error))
		return false;
	pythia_buffer_clear(&w->sql);
	if (!name)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "0A000", "triggers would miss what the foreign key \"%s\" of table \"%s\" does",
				name, table->name);
	pythia_error_detail(error, "MySQL fires no trigger for rows that CASCADE or SET NULL changes.");
	pythia_free(name);
	return pythia_error_hint(error, "Use \"capture\": \"poll\" for this table.");
}

/* Who waits for the table's lock holds up all writers behind: not for long. */
static bool limit_waiting(writer *w, pythia_error *error)
{
	return w->table->db->engine != PYTHIA_MYSQL ||
		   pythia_db_exec(w->table->db, "SET SESSION lock_wait_timeout = 10", NULL, error);
}

/* Nobody writes while triggers change: each change is logged by all of the old ones or all of the new ones. */
static bool lock_mysql(writer *w, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "LOCK TABLES ");
	put_table(w);
	pythia_buffer_puts(&w->sql, " WRITE, ");
	put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " WRITE, ");
	put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " AS pythia_l READ");
	if (flush(w, error))
		return true;
	if (strcmp(error->sqlstate, "42000") == 0)
		pythia_error_hint(error, "Trigger capture needs the privileges CREATE, DROP, TRIGGER and LOCK TABLES.");
	return false;
}

static void unlock_mysql(writer *w)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (!w->table->db->broken)
		pythia_db_exec(w->table->db, "UNLOCK TABLES; SET SESSION lock_wait_timeout = DEFAULT", NULL, &ignored);
	pythia_error_reset(&ignored);
}

static bool install_mysql(writer *w, pythia_error *error)
{
	bool ok;

	if (!refuse_cascades(w, error) || !limit_waiting(w, error))
		return false;
	pythia_buffer_puts(&w->sql, "CREATE TABLE ");
	put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " (pythia_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
								" pythia_op CHAR(1) NOT NULL, pythia_at DATETIME(6) NOT NULL) ENGINE = InnoDB"
								" SELECT 0 AS pythia_id, 'I' AS pythia_op, UTC_TIMESTAMP(6) AS pythia_at");
	/* in a union with NULLs, so that all may be NULL */
	for (int i = 0; i < w->table->ncolumns; i++)
		for (const char *letter = "on"; *letter; letter++)
		{
			pythia_buffer_puts(&w->sql, ", t.");
			w->dialect->identifier(&w->sql, column_name(w, i));
			pythia_buffer_printf(&w->sql, " AS %c%d", *letter, w->place[i]);
		}
	pythia_buffer_puts(&w->sql, " FROM ");
	put_table(w);
	pythia_buffer_puts(&w->sql, " AS t WHERE 1 = 0 UNION ALL SELECT 0, 'I', UTC_TIMESTAMP(6)");
	for (int i = 0; i < w->table->ncolumns; i++)
		pythia_buffer_puts(&w->sql, ", NULL, NULL");
	pythia_buffer_puts(&w->sql, " FROM DUAL WHERE 1 = 0");
	if (!flush(w, error) || !lock_mysql(w, error))
		return false;
	ok = put_triggers(w, error);
	unlock_mysql(w);
	return ok;
}

/* --- SQLite ----------------------------------------------------------------------- */

static void put_match(writer *w, const int *positions, int count)
{
	pythia_buffer_putc(&w->sql, '(');
	for (int i = 0; i < count; i++)
	{
		const char *name = w->table->table.columns[positions[i]].name;

		pythia_buffer_puts(&w->sql, i > 0 ? " AND " : "");
		w->dialect->identifier(&w->sql, name);
		pythia_buffer_puts(&w->sql, " = NEW.");
		w->dialect->identifier(&w->sql, name);
	}
	pythia_buffer_putc(&w->sql, ')');
}

/* The columns of the primary key and of every unique index, each handed to `put` once. */
static void each_unique_column(writer *w, void (*put)(writer *w, const char *name, bool first))
{
	const pythia_table *table = &w->table->table;
	bool *seen = pythia_calloc((size_t) table->ncolumns + 1, sizeof(bool));
	bool first = true;

	for (int i = 0; i < table->nkey; i++)
		seen[table->key[i]] = true;
	for (int i = 0; i < table->nindexes; i++)
		for (int k = 0; table->indexes[i].unique && k < table->indexes[i].ncolumns; k++)
			if (table->indexes[i].columns[k] >= 0)
				seen[table->indexes[i].columns[k]] = true;
	for (int i = 0; i < table->ncolumns; i++)
		if (seen[i])
		{
			put(w, table->columns[i].name, first);
			first = false;
		}
	pythia_free(seen);
}

static void put_changes(writer *w, const char *name, bool first)
{
	pythia_buffer_puts(&w->sql, first ? " WHEN NEW." : " OR NEW.");
	w->dialect->identifier(&w->sql, name);
	pythia_buffer_puts(&w->sql, " IS NOT OLD.");
	w->dialect->identifier(&w->sql, name);
}

/* Rows that a new one of these values would take the place of. */
static void put_in_the_way(writer *w)
{
	const pythia_table *table = &w->table->table;
	const char * or = "";

	pythia_buffer_putc(&w->sql, '(');
	if (table->nkey > 0)
	{
		put_match(w, table->key, table->nkey);
		or = " OR ";
	}
	for (int i = 0; i < table->nindexes; i++)
		if (table->indexes[i].unique)
		{
			pythia_buffer_puts(&w->sql, or);
			put_match(w, table->indexes[i].columns, table->indexes[i].ncolumns);
			or = " OR ";
		}
	pythia_buffer_puts(&w->sql, * or ? ")" : "0)");
}

/*
 * REPLACE deletes without firing DELETE's triggers, of INSERT and of UPDATE.  So what stands in the
 * way of a new row is noted before ('B', of an update 'R'); the drain believes it where that follows.
 * An update that leaves all unique columns as they are is in nobody's way.
 */
static bool put_before(writer *w, const char *suffix, bool update, pythia_error *error)
{
	const pythia_capture_table *table = w->table;

	pythia_buffer_puts(&w->sql, "DROP TRIGGER IF EXISTS ");
	put_name(w, suffix, true);
	if (!flush(w, error))
		return false;
	pythia_buffer_puts(&w->sql, "CREATE TRIGGER ");
	put_name(w, suffix, true);
	pythia_buffer_puts(&w->sql, update ? " BEFORE UPDATE ON " : " BEFORE INSERT ON ");
	w->dialect->identifier(&w->sql, table->table.name);
	if (update)
		each_unique_column(w, put_changes);
	pythia_buffer_puts(&w->sql, " BEGIN INSERT INTO ");
	put_name(w, "", false);
	pythia_buffer_puts(&w->sql, " (pythia_op, pythia_at");
	put_places(w, 'o');
	pythia_buffer_printf(&w->sql, ") SELECT '%c', ", update ? 'R' : 'B');
	put_now(w);
	put_values(w, "");
	pythia_buffer_puts(&w->sql, " FROM ");
	w->dialect->identifier(&w->sql, table->table.name);
	pythia_buffer_puts(&w->sql, " WHERE ");
	put_in_the_way(w);
	if (update)
	{
		pythia_buffer_puts(&w->sql, " AND NOT (");
		for (int i = 0; i < table->nkey; i++)
		{
			pythia_buffer_puts(&w->sql, i > 0 ? " AND " : "");
			w->dialect->identifier(&w->sql, column_name(w, table->key[i]));
			pythia_buffer_puts(&w->sql, " IS OLD.");
			w->dialect->identifier(&w->sql, column_name(w, table->key[i]));
		}
		pythia_buffer_putc(&w->sql, ')');
	}
	if (table->config.where)
		pythia_buffer_printf(&w->sql, " AND (%s\n)", table->config.where);
	pythia_buffer_puts(&w->sql, "; END");
	return flush(w, error);
}

static bool put_befores(writer *w, pythia_error *error)
{
	return put_before(w, "_b", false, error) && put_before(w, "_c", true, error);
}

static bool install_sqlite(writer *w, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "CREATE TABLE ");
	put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " (pythia_id INTEGER PRIMARY KEY AUTOINCREMENT, pythia_op TEXT NOT NULL,"
								" pythia_at TEXT NOT NULL");
	put_places(w, 'o');
	put_places(w, 'n');
	pythia_buffer_putc(&w->sql, ')');
	return flush(w, error) && put_befores(w, error) && put_triggers(w, error);
}

/* --- PostgreSQL --------------------------------------------------------------------- */

static void put_when(pythia_buffer *body, const writer *w, const char *side)
{
	pythia_buffer_printf(body, "EXISTS (SELECT FROM (SELECT (%s).*) AS ", side);
	w->dialect->identifier(body, w->table->table.name);
	pythia_buffer_printf(body, " WHERE (%s\n))", w->table->config.where);
}

/* What the trigger does: `before` and `after` tell whether the row is ours. */
static void put_function(writer *w)
{
	pythia_buffer body = PYTHIA_BUFFER_INIT;
	pythia_buffer into = PYTHIA_BUFFER_INIT;

	pythia_dialect_table(w->dialect, &into, w->table->table.schema, w->log);
	pythia_buffer_puts(&body, "DECLARE before boolean := false; after boolean := false; BEGIN "
							  "IF TG_OP = 'TRUNCATE' THEN INSERT INTO ");
	pythia_buffer_printf(&body, "%s (pythia_op) VALUES ('T'); RETURN NULL; END IF; ", into.data);
	pythia_buffer_puts(&body, "IF TG_OP <> 'INSERT' THEN before := ");
	if (w->table->config.where)
		put_when(&body, w, "OLD");
	else
		pythia_buffer_puts(&body, "true");
	pythia_buffer_puts(&body, "; END IF; IF TG_OP <> 'DELETE' THEN after := ");
	if (w->table->config.where)
		put_when(&body, w, "NEW");
	else
		pythia_buffer_puts(&body, "true");
	pythia_buffer_printf(&body,
						 "; END IF; IF before AND after THEN INSERT INTO %s (pythia_op, o, n) VALUES ('U',"
						 " to_jsonb(OLD), to_jsonb(NEW)); ELSIF after THEN INSERT INTO %s (pythia_op, n) VALUES ('I',"
						 " to_jsonb(NEW)); ELSIF before THEN INSERT INTO %s (pythia_op, o) VALUES ('D',"
						 " to_jsonb(OLD)); END IF; RETURN NULL; END",
						 into.data, into.data, into.data);
	w->dialect->literal(&w->sql, body.data, body.length);
	pythia_buffer_free(&into);
	pythia_buffer_free(&body);
}

static bool install_postgres(writer *w, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "SET LOCAL lock_timeout = '10s'; CREATE TABLE ");
	put_name(w, "", true);
	pythia_buffer_puts(
		&w->sql, " (pythia_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pythia_op text NOT NULL,"
				 " pythia_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),"
				 " pythia_xid bigint NOT NULL DEFAULT pg_catalog.txid_current(), o jsonb, n jsonb); CREATE FUNCTION ");
	put_name(w, "_f", true);
	/* the writer needs no right on the log */
	pythia_buffer_puts(&w->sql, "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
								" SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS ");
	put_function(w);
	pythia_buffer_puts(&w->sql, "; CREATE TRIGGER ");
	put_name(w, "_r", false);
	pythia_buffer_puts(&w->sql, " AFTER INSERT OR UPDATE OR DELETE ON ");
	put_table(w);
	pythia_buffer_puts(&w->sql, " FOR EACH ROW EXECUTE FUNCTION ");
	put_name(w, "_f", true);
	pythia_buffer_puts(&w->sql, "(); CREATE TRIGGER ");
	put_name(w, "_t", false);
	pythia_buffer_puts(&w->sql, " AFTER TRUNCATE ON ");
	put_table(w);
	pythia_buffer_puts(&w->sql, " FOR EACH STATEMENT EXECUTE FUNCTION ");
	put_name(w, "_f", true);
	pythia_buffer_puts(&w->sql, "()");
	/* also for what replication applies */
	for (const char *suffix = "rt"; *suffix; suffix++)
	{
		char name[3] = {'_', *suffix, '\0'};

		pythia_buffer_puts(&w->sql, "; ALTER TABLE ");
		put_table(w);
		pythia_buffer_puts(&w->sql, " ENABLE ALWAYS TRIGGER ");
		put_name(w, name, false);
	}
	return flush(w, error);
}

/* --- all ways ------------------------------------------------------------------------ */

/* DDL of SQLite in one transaction; in a caller's it is part of that. */
static bool begin(pythia_db *source, pythia_error *error)
{
	return source->engine != PYTHIA_SQLITE || source->local ||
		   source->driver->begin(source, PYTHIA_BEGIN_IMMEDIATE, error);
}

static bool end(pythia_db *source, bool ok, pythia_error *error)
{
	if (source->engine != PYTHIA_SQLITE || source->local)
		return ok;
	if (ok)
		return source->driver->commit(source, error);
	source->driver->rollback(source, NULL);
	return false;
}

static bool refuse(const pythia_capture_table *table, pythia_error *error)
{
	pythia_relation_kind kind = table->table.relation;

	if (kind == PYTHIA_RELATION_TABLE || kind == PYTHIA_RELATION_PARTITIONED)
		return false;
	pythia_fail(error, PYTHIA_E_USAGE, "42809", "\"%s\" is no table that triggers could be installed on",
				table->table.name);
	pythia_error_hint(error, "Use \"capture\": \"poll\" for it.");
	return true;
}

bool pythia_log_install(pythia_capture_table *table, pythia_log *log, pythia_error *error)
{
	writer w = {.table = table, .dialect = pythia_dialect_of(table->db), .log = log->name};
	pythia_buffer columns = PYTHIA_BUFFER_INIT;
	bool ok;

	if (refuse(table, error))
		return false;
	w.place = pythia_calloc((size_t) table->ncolumns + 1, sizeof(int));
	for (int i = 0; i < table->ncolumns; i++)
	{
		w.place[i] = i;
		if (table->db->engine != PYTHIA_POSTGRESQL)
			pythia_buffer_printf(&columns, "0 %s\n", column_name(&w, i));
	}
	pythia_free(log->columns);
	log->columns = pythia_buffer_take(&columns);
	ok = begin(table->db, error);
	if (ok)
	{
		ok = table->db->engine == PYTHIA_MYSQL    ? install_mysql(&w, error)
			 : table->db->engine == PYTHIA_SQLITE ? install_sqlite(&w, error)
												  : install_postgres(&w, error);
		ok = end(table->db, ok, error);
	}
	pythia_buffer_free(&w.sql);
	pythia_free(w.place);
	return ok;
}

bool pythia_log_remove(pythia_db *source, const char *schema, const char *table, const char *log, pythia_error *error)
{
	static const char *const suffixes[] = {"_b", "_c", "_i", "_u", "_d"};
	pythia_capture_table named = {.db = source, .table = {.schema = (char *) schema, .name = (char *) table}};
	writer w = {.table = &named, .dialect = pythia_dialect_of(source), .log = log};
	bool postgres = source->engine == PYTHIA_POSTGRESQL;
	bool ok = limit_waiting(&w, error) && begin(source, error);

	if (!ok)
		return false;
	if (postgres)
	{
		/* the function takes its triggers along, also where the table has another name by now */
		pythia_buffer_puts(&w.sql, "SET LOCAL lock_timeout = '10s'; DROP FUNCTION IF EXISTS ");
		put_name(&w, "_f", true);
		pythia_buffer_puts(&w.sql, "() CASCADE; ");
	}
	for (size_t i = 0; ok && !postgres && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
	{
		pythia_buffer_puts(&w.sql, "DROP TRIGGER IF EXISTS ");
		put_name(&w, suffixes[i], true);
		ok = flush(&w, error);
	}
	if (ok)
	{
		pythia_buffer_puts(&w.sql, "DROP TABLE IF EXISTS ");
		put_name(&w, "", true);
		ok = flush(&w, error);
	}
	pythia_buffer_free(&w.sql);
	return end(source, ok, error);
}

/* --- in line with the table ----------------------------------------------------------- */

/* How many of our triggers there are. */
static bool count_triggers(writer *w, int *count, pythia_error *error)
{
	pythia_buffer table = PYTHIA_BUFFER_INIT;
	char *text;
	bool ok;

	switch (w->table->db->engine)
	{
		case PYTHIA_MYSQL:
			pythia_buffer_puts(&w->sql,
							   "SELECT count(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ");
			w->dialect->literal(&w->sql, w->table->table.schema, strlen(w->table->table.schema));
			pythia_buffer_puts(&w->sql, " AND EVENT_OBJECT_TABLE = ");
			w->dialect->literal(&w->sql, w->table->table.name, strlen(w->table->table.name));
			pythia_buffer_puts(&w->sql, " AND LEFT(TRIGGER_NAME, 23) = ");
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_puts(&w->sql, "SELECT count(*) FROM ");
			w->dialect->identifier(&w->sql, w->table->table.schema);
			pythia_buffer_puts(&w->sql, ".sqlite_master WHERE type = 'trigger' AND tbl_name = ");
			w->dialect->literal(&w->sql, w->table->table.name, strlen(w->table->table.name));
			pythia_buffer_puts(&w->sql, " COLLATE NOCASE AND substr(name, 1, 23) = ");
			break;
		default:
			pythia_capture_put_table(w->table, &table);
			pythia_buffer_puts(&w->sql,
							   "SELECT count(*) FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
							   " AND tgrelid = ");
			w->dialect->literal(&w->sql, table.data, table.length);
			pythia_buffer_puts(&w->sql, "::pg_catalog.regclass AND pg_catalog.left(tgname, 23) = ");
			pythia_buffer_free(&table);
			break;
	}
	w->dialect->literal(&w->sql, w->log, strlen(w->log));
	ok = pythia_capture_value(w->table->db, w->sql.data, &text, error);
	*count = ok && text ? atoi(text) : 0;
	pythia_free(text);
	pythia_buffer_clear(&w->sql);
	return ok;
}

static bool check_triggers(writer *w, pythia_error *error)
{
	static const int wanted[] = {[PYTHIA_POSTGRESQL] = 2, [PYTHIA_MYSQL] = 3, [PYTHIA_SQLITE] = 4};
	int count;

	if (!count_triggers(w, &count, error))
		return false;
	if (count >= wanted[w->table->db->engine])
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "55000", "the triggers on table \"%s.%s\" are gone", w->table->table.schema,
				w->table->table.name);
	pythia_error_detail(error, "What has changed there since is not known.");
	return pythia_error_hint(error, "Drop the worker and create it anew, with start_from \"beginning\" where its "
									"readers need all rows.");
}

/* The next line of pythia_log.columns: first number and name; false at the end. */
static bool next_line(const char **at, int64_t *first, const char **name, size_t *length)
{
	char *end;

	if (!**at)
		return false;
	*length = strcspn(*at, "\n");
	*name = *at;
	*first = 0;
	if (*length > 0)
	{
		*first = strtoll(*at, &end, 10);
		*length -= (size_t) (end + 1 - *at);
		*name = end + 1;
	}
	*at = *name + *length;
	*at += **at == '\n';
	return true;
}

int pythia_log_places(const pythia_capture_table *table, const pythia_log *log, int *place, int64_t *first)
{
	const char *at = log->columns;
	const char *name;
	size_t length;
	int64_t number;
	int count = 0;

	for (int i = 0; i < table->ncolumns; i++)
		place[i] = -1;
	for (; next_line(&at, &number, &name, &length); count++)
		for (int i = 0; length > 0 && i < table->ncolumns; i++)
		{
			const char *column = table->table.columns[table->columns[i].position].name;

			if (strlen(column) == length && memcmp(column, name, length) == 0)
			{
				place[i] = count;
				first[i] = number;
			}
		}
	return count;
}

/* Places that the log table has: an earlier fitting may have been cut off before it was stored. */
static bool count_places(writer *w, int *count, pythia_error *error)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_table described;

	/* as pythia_name_parse reads it */
	pythia_dialect_table(pythia_dialect_for(PYTHIA_POSTGRESQL), &name, w->table->table.schema, w->log);
	if (!pythia_describe(w->table->db, name.data, &described, error))
	{
		pythia_buffer_free(&name);
		return false;
	}
	pythia_buffer_free(&name);
	*count = 0;
	for (int i = 0; i < described.ncolumns; i++)
		*count += described.columns[i].name[0] == 'o';
	pythia_table_free(&described);
	return true;
}

static bool add_place(writer *w, int i, pythia_error *error)
{
	const pythia_column *column = &w->table->table.columns[w->table->columns[i].position];

	for (const char *letter = "on"; *letter; letter++)
	{
		pythia_buffer_puts(&w->sql, "ALTER TABLE ");
		put_name(w, "", true);
		pythia_buffer_printf(&w->sql, " ADD COLUMN %c%d", *letter, w->place[i]);
		if (w->table->db->engine == PYTHIA_MYSQL)
		{
			pythia_buffer_printf(&w->sql, " %s", column->type.native);
			if (column->collation && column->type.kind != PYTHIA_KIND_JSON)
				pythia_buffer_printf(&w->sql, " COLLATE %s", column->collation);
			pythia_buffer_puts(&w->sql, " NULL");
		}
		if (!flush(w, error))
			return false;
	}
	return true;
}

/* Rows that were logged, after the columns came, without them: told once more as they are. */
static bool complete_rows(writer *w, const int64_t *first, pythia_error *error)
{
	const char *table = w->table->table.name;

	pythia_buffer_puts(&w->sql, "INSERT INTO ");
	put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " (pythia_op, pythia_at");
	put_places(w, 'n');
	for (int i = 0; i < w->table->ncolumns; i++)
		if (first[i] >= 0)
			pythia_buffer_printf(&w->sql, ", o%d", w->place[i]);
	pythia_buffer_puts(&w->sql, ") SELECT 'C', ");
	put_now(w);
	put_values(w, "");
	for (int i = 0; i < w->table->ncolumns; i++)
		if (first[i] >= 0)
		{
			pythia_buffer_puts(&w->sql, ", ");
			w->dialect->identifier(&w->sql, column_name(w, i));
		}
	pythia_buffer_puts(&w->sql, " FROM ");
	put_table(w);
	pythia_buffer_puts(&w->sql, " WHERE EXISTS (SELECT 1 FROM ");
	put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " AS pythia_l WHERE ");
	for (int k = 0; k < w->table->nkey; k++)
	{
		int i = w->table->key[k];

		pythia_buffer_printf(&w->sql, "%spythia_l.n%d = ", k > 0 ? " AND " : "", w->place[i]);
		w->dialect->identifier(&w->sql, table);
		pythia_buffer_putc(&w->sql, '.');
		w->dialect->identifier(&w->sql, column_name(w, i));
	}
	pythia_buffer_putc(&w->sql, ')');
	if (w->table->config.where)
		pythia_buffer_printf(&w->sql, " AND (%s\n)", w->table->config.where);
	return flush(w, error);
}

static bool last_number(writer *w, int64_t *number, pythia_error *error)
{
	char *text;
	bool ok;

	pythia_buffer_puts(&w->sql, "SELECT max(pythia_id) FROM ");
	put_name(w, "", true);
	ok = pythia_capture_value(w->table->db, w->sql.data, &text, error);
	pythia_buffer_clear(&w->sql);
	*number = ok && text ? strtoll(text, NULL, 10) : 0;
	pythia_free(text);
	return ok;
}

/* Under the lock: places for what came, triggers for what is there. */
static bool refit(writer *w, int nplaces, int64_t *first, pythia_error *error)
{
	bool sqlite = w->table->db->engine == PYTHIA_SQLITE;
	bool grown = false;
	int64_t last = 0;
	int there;
	bool ok;

	if (!count_places(w, &there, error))
		return false;
	nplaces = there > nplaces ? there : nplaces;
	/* MySQL commits with each of them: before the lock, so that it is short */
	for (int i = 0; i < w->table->ncolumns; i++)
		if (w->place[i] < 0)
		{
			w->place[i] = nplaces++;
			first[i] = -1;
			grown = true;
			if (!add_place(w, i, error))
				return false;
		}
	if (!sqlite && !lock_mysql(w, error))
		return false;
	ok = last_number(w, &last, error) && put_triggers(w, error) && (!sqlite || put_befores(w, error)) &&
		 (!grown || complete_rows(w, first, error));
	if (!sqlite)
		unlock_mysql(w);
	for (int i = 0; i < w->table->ncolumns; i++)
		if (first[i] < 0)
			first[i] = last + 1;
	return ok;
}

static char *spell_columns(const writer *w, const int64_t *first)
{
	pythia_buffer columns = PYTHIA_BUFFER_INIT;
	int greatest = -1;

	for (int i = 0; i < w->table->ncolumns; i++)
		greatest = w->place[i] > greatest ? w->place[i] : greatest;
	for (int place = 0; place <= greatest; place++)
	{
		for (int i = 0; i < w->table->ncolumns; i++)
			if (w->place[i] == place)
				pythia_buffer_printf(&columns, "%lld %s", (long long) first[i], column_name(w, i));
		pythia_buffer_putc(&columns, '\n');
	}
	return pythia_buffer_take(&columns);
}

bool pythia_log_fit(pythia_capture_table *table, pythia_log *log, bool *changed, pythia_error *error)
{
	writer w = {.table = table, .dialect = pythia_dialect_of(table->db), .log = log->name};
	int64_t *first = pythia_calloc((size_t) table->ncolumns + 1, sizeof(int64_t));
	char *columns;
	int nplaces = 0;
	bool ok;

	*changed = false;
	w.place = pythia_calloc((size_t) table->ncolumns + 1, sizeof(int));
	ok = check_triggers(&w, error);
	if (ok && table->db->engine != PYTHIA_POSTGRESQL)
	{
		nplaces = pythia_log_places(table, log, w.place, first);
		columns = spell_columns(&w, first);
		*changed = strcmp(columns, log->columns) != 0;
		for (int i = 0; i < table->ncolumns; i++)
			*changed = *changed || w.place[i] < 0;
		pythia_free(columns);
	}
	if (ok && *changed)
	{
		ok = limit_waiting(&w, error) && begin(table->db, error) &&
			 end(table->db, refit(&w, nplaces, first, error), error);
		if (ok)
		{
			pythia_free(log->columns);
			log->columns = spell_columns(&w, first);
		}
		*changed = ok;
	}
	pythia_buffer_free(&w.sql);
	pythia_free(w.place);
	pythia_free(first);
	return ok;
}
