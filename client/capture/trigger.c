/*
 * Trigger capture on a source that is not the store: the engine's own triggers
 * copy each change into a log table beside the table, in the writer's
 * transaction.  A log table belongs to one table of one worker.
 *
 * In MySQL and SQLite the log has two columns (o0, n0, …) for each of the
 * table's, of the same types, so that values stay what they are; in PostgreSQL
 * two jsonb columns, so that the table may be altered under the trigger.
 */
#include "capture/internal.h"

#include <string.h>

#include "core/memory.h"

typedef struct writer
{
	const pythia_capture_table *table;
	const pythia_dialect *dialect;
	const char *log;
	pythia_buffer sql;
} writer;

static void put_name(writer *w, const char *suffix, bool qualified)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&name, "%s%s", w->log, suffix);
	pythia_dialect_table(w->dialect, &w->sql, qualified ? w->table->table.schema : NULL, name.data);
	pythia_buffer_free(&name);
}

static const char *column_name(const writer *w, int i)
{
	return w->table->table.columns[w->table->columns[i].position].name;
}

/* o0, o1, … (or the values for them: OLD.a, OLD.b, …). */
static void put_places(writer *w, char letter)
{
	for (int i = 0; i < w->table->ncolumns; i++)
		pythia_buffer_printf(&w->sql, ", %c%d", letter, i);
}

static void put_values(writer *w, const char *row)
{
	for (int i = 0; i < w->table->ncolumns; i++)
	{
		pythia_buffer_puts(&w->sql, ", ");
		pythia_buffer_puts(&w->sql, row);
		w->dialect->identifier(&w->sql, column_name(w, i));
	}
}

static bool flush(writer *w, pythia_error *error)
{
	bool ok = pythia_db_exec(w->table->db, w->sql.data, NULL, error);

	pythia_buffer_clear(&w->sql);
	return ok;
}

/* INSERT INTO log … VALUES ('I', now, …) as the action of a trigger. */
static void put_action(writer *w, char operation, bool qualified)
{
	bool old = operation == 'U' || operation == 'D';
	bool new = operation == 'U' || operation == 'I';

	pythia_buffer_puts(&w->sql, "INSERT INTO ");
	put_name(w, "", qualified);
	pythia_buffer_puts(&w->sql, " (pythia_op, pythia_at");
	if (old)
		put_places(w, 'o');
	if (new)
		put_places(w, 'n');
	pythia_buffer_printf(&w->sql, ") VALUES ('%c', %s", operation,
						 w->table->db->engine == PYTHIA_MYSQL ? "UTC_TIMESTAMP(6)"
															  : "strftime('%Y-%m-%d %H:%M:%f', 'now')");
	if (old)
		put_values(w, "OLD.");
	if (new)
		put_values(w, "NEW.");
	pythia_buffer_putc(&w->sql, ')');
}

static const struct
{
	char operation;
	const char *suffix;
	const char *event;
} events[] = {{'I', "_i", "INSERT"}, {'U', "_u", "UPDATE"}, {'D', "_d", "DELETE"}};

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

static bool install_mysql(writer *w, pythia_error *error)
{
	const pythia_table *table = &w->table->table;

	if (!refuse_cascades(w, error))
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
			pythia_buffer_printf(&w->sql, " AS %c%d", *letter, i);
		}
	pythia_buffer_puts(&w->sql, " FROM ");
	pythia_dialect_table(w->dialect, &w->sql, table->schema, table->name);
	pythia_buffer_puts(&w->sql, " AS t WHERE 1 = 0 UNION ALL SELECT 0, 'I', UTC_TIMESTAMP(6)");
	for (int i = 0; i < w->table->ncolumns; i++)
		pythia_buffer_puts(&w->sql, ", NULL, NULL");
	pythia_buffer_puts(&w->sql, " FROM DUAL WHERE 1 = 0");
	if (!flush(w, error))
		return false;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
	{
		pythia_buffer_puts(&w->sql, "CREATE TRIGGER ");
		put_name(w, events[i].suffix, true);
		pythia_buffer_printf(&w->sql, " AFTER %s ON ", events[i].event);
		pythia_dialect_table(w->dialect, &w->sql, table->schema, table->name);
		pythia_buffer_puts(&w->sql, " FOR EACH ROW ");
		put_action(w, events[i].operation, true);
		if (!flush(w, error))
			return false;
	}
	return true;
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

/*
 * REPLACE deletes without firing DELETE's triggers.  So what stands in the way of a new row is
 * noted before ('B'); the drain believes it where an INSERT follows at once.
 */
static void put_before(writer *w)
{
	const pythia_table *table = &w->table->table;
	const char * or = "";

	pythia_buffer_puts(&w->sql, "CREATE TRIGGER ");
	put_name(w, "_b", true);
	pythia_buffer_puts(&w->sql, " BEFORE INSERT ON ");
	w->dialect->identifier(&w->sql, table->name);
	pythia_buffer_puts(&w->sql, " BEGIN INSERT INTO ");
	put_name(w, "", false);
	pythia_buffer_puts(&w->sql, " (pythia_op, pythia_at");
	put_places(w, 'o');
	pythia_buffer_puts(&w->sql, ") SELECT 'B', strftime('%Y-%m-%d %H:%M:%f', 'now')");
	put_values(w, "");
	pythia_buffer_puts(&w->sql, " FROM ");
	w->dialect->identifier(&w->sql, table->name);
	pythia_buffer_puts(&w->sql, " WHERE ");
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
	pythia_buffer_puts(&w->sql, * or ? "; END" : "0; END");
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
	if (!flush(w, error))
		return false;
	put_before(w);
	if (!flush(w, error))
		return false;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
	{
		pythia_buffer_puts(&w->sql, "CREATE TRIGGER ");
		put_name(w, events[i].suffix, true);
		pythia_buffer_printf(&w->sql, " AFTER %s ON ", events[i].event);
		w->dialect->identifier(&w->sql, w->table->table.name);
		pythia_buffer_puts(&w->sql, " BEGIN ");
		put_action(w, events[i].operation, false);
		pythia_buffer_puts(&w->sql, "; END");
		if (!flush(w, error))
			return false;
	}
	return true;
}

/* --- PostgreSQL --------------------------------------------------------------------- */

static bool install_postgres(writer *w, pythia_error *error)
{
	const pythia_table *table = &w->table->table;
	pythia_buffer on = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_dialect_table(w->dialect, &on, table->schema, table->name);
	pythia_buffer_puts(&w->sql, "CREATE TABLE ");
	put_name(w, "", true);
	pythia_buffer_puts(
		&w->sql, " (pythia_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pythia_op text NOT NULL,"
				 " pythia_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),"
				 " pythia_xid bigint NOT NULL DEFAULT pg_catalog.txid_current(), o jsonb, n jsonb); CREATE FUNCTION ");
	put_name(w, "_f", true);
	/* the writer needs no right on the log */
	pythia_buffer_puts(&w->sql, "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
								" SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $pythia$ BEGIN"
								" IF TG_OP = 'INSERT' THEN INSERT INTO ");
	put_name(w, "", true);
	pythia_buffer_puts(&w->sql,
					   " (pythia_op, n) VALUES ('I', to_jsonb(NEW)); ELSIF TG_OP = 'UPDATE' THEN INSERT INTO ");
	put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " (pythia_op, o, n) VALUES ('U', to_jsonb(OLD), to_jsonb(NEW));"
								" ELSIF TG_OP = 'DELETE' THEN INSERT INTO ");
	put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " (pythia_op, o) VALUES ('D', to_jsonb(OLD)); ELSE INSERT INTO ");
	put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " (pythia_op) VALUES ('T'); END IF; RETURN NULL; END $pythia$; CREATE TRIGGER ");
	put_name(w, "_r", false);
	pythia_buffer_printf(&w->sql, " AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION ", on.data);
	put_name(w, "_f", true);
	pythia_buffer_puts(&w->sql, "(); CREATE TRIGGER ");
	put_name(w, "_t", false);
	pythia_buffer_printf(&w->sql, " AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION ", on.data);
	put_name(w, "_f", true);
	/* also for what replication applies */
	for (const char *suffix = "rt"; *suffix; suffix++)
	{
		char name[3] = {'_', *suffix, '\0'};

		pythia_buffer_printf(&w->sql, "%sALTER TABLE %s ENABLE ALWAYS TRIGGER ", *suffix == 'r' ? "(); " : "; ",
							 on.data);
		put_name(w, name, false);
	}
	ok = flush(w, error);
	pythia_buffer_free(&on);
	return ok;
}

/* --- both ways ------------------------------------------------------------------------ */

bool pythia_trigger_install(pythia_capture *capture, pythia_member *member, pythia_error *error)
{
	pythia_db *source = capture->source;
	writer w = {.table = &member->table, .dialect = pythia_dialect_of(source), .log = member->log};
	bool ok = false;

	if (member->config.where)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"where\" does not go with \"capture\": \"trigger\" here");
		return pythia_error_hint(error, "Leave it out and filter the changes, or use \"capture\": \"poll\".");
	}
	if (member->table.table.relation == PYTHIA_RELATION_VIEW || member->table.table.relation == PYTHIA_RELATION_FOREIGN)
		return pythia_fail(error, PYTHIA_E_USAGE, "42809", "\"%s\" is no table that triggers could be installed on",
						   member->name);
	switch (source->engine)
	{
		case PYTHIA_MYSQL:
			ok = install_mysql(&w, error);
			break;
		case PYTHIA_SQLITE:
			ok = install_sqlite(&w, error);
			break;
		case PYTHIA_POSTGRESQL:
			ok = install_postgres(&w, error);
			break;
	}
	pythia_buffer_free(&w.sql);
	return ok;
}

bool pythia_trigger_remove(pythia_db *source, const char *schema, const char *table, const char *log,
						   pythia_error *error)
{
	static const char *const suffixes[] = {"_b", "_i", "_u", "_d", "_r", "_t"};
	pythia_capture_table named = {.db = source, .table = {.schema = (char *) schema, .name = (char *) table}};
	writer w = {.table = &named, .dialect = pythia_dialect_of(source), .log = log};
	bool ok = true;

	if (source->engine == PYTHIA_POSTGRESQL)
	{
		/* the function takes its triggers along, also where the table has another name by now */
		pythia_buffer_puts(&w.sql, "DROP FUNCTION IF EXISTS ");
		put_name(&w, "_f", true);
		pythia_buffer_puts(&w.sql, "() CASCADE");
		ok = flush(&w, error);
	}
	for (size_t i = 0; ok && source->engine != PYTHIA_POSTGRESQL && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
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
	return ok;
}
