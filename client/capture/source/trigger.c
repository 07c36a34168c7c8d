/* The log tables and triggers of a source (log.h), made and removed. */
#include "capture/source/trigger.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/visible.h"
#include "dialect/tokens.h"

#define LOG_PREFIX "pythia_log_"
#define LOG_RANDOM 6 /* bytes, in hexadecimal digits behind it */

void pythia_log_free(pythia_log *log)
{
	pythia_free(log->name);
	pythia_free(log->columns);
	memset(log, 0, sizeof(*log));
}

char *pythia_log_name(void)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	unsigned char random[LOG_RANDOM];

	if (getentropy(random, sizeof(random)) != 0)
	{
		int64_t now = pythia_host_now(NULL) ^ ((int64_t) getpid() << 40);

		memcpy(random, &now, sizeof(random));
	}
	pythia_buffer_puts(&name, LOG_PREFIX);
	pythia_buffer_hex(&name, random, sizeof(random));
	return pythia_buffer_take(&name);
}

bool pythia_log_check_name(const char *name, pythia_error *error)
{
	if (strncmp(name, LOG_PREFIX, strlen(LOG_PREFIX)) == 0 && strlen(name) == strlen(LOG_PREFIX) + 2 * LOG_RANDOM &&
		strspn(name + strlen(LOG_PREFIX), "0123456789abcdef") == 2 * LOG_RANDOM)
		return true;
	pythia_fail(error, PYTHIA_E_DATA, "22P02", "\"%.100s\" is no log of a trigger", name);
	return pythia_error_hint(error, "What keeps the worker was damaged: make it anew, in another file.");
}

/* --- MySQL ------------------------------------------------------------------------ */

/* Who waits for the table's lock holds up all writers behind: not for long. */
bool pythia_logger_limit_waiting(pythia_logger *w, pythia_error *error)
{
	return w->table->db->engine != PYTHIA_MYSQL ||
		   pythia_db_exec(w->table->db, "SET SESSION lock_wait_timeout = 10", NULL, error);
}

/* Nobody writes while triggers change: each change is logged by all of the old ones or all of the new ones. */
bool pythia_logger_lock_mysql(pythia_logger *w, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "LOCK TABLES ");
	pythia_logger_put_table(w);
	pythia_buffer_puts(&w->sql, " WRITE, ");
	pythia_logger_put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " WRITE, ");
	pythia_logger_put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " AS pythia_l READ");
	if (pythia_logger_flush(w, error))
		return true;
	if (strcmp(error->sqlstate, "42000") == 0)
		pythia_error_hint(error, "Trigger capture needs the privileges CREATE, DROP, TRIGGER and LOCK TABLES.");
	return false;
}

void pythia_logger_unlock_mysql(pythia_logger *w)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (!w->table->db->broken)
		pythia_db_exec(w->table->db, "UNLOCK TABLES", NULL, &ignored);
	pythia_error_reset(&ignored);
	if (!w->table->db->broken)
		pythia_db_exec(w->table->db, "SET SESSION lock_wait_timeout = DEFAULT", NULL, &ignored);
	w->table->db->waits_briefly = false;
	pythia_error_reset(&ignored);
}

/* The one thing for which writers may fail: MySQL runs a trigger as its definer, or not at all. */
static bool say_definer(pythia_logger *w, pythia_error *error)
{
	pythia_db *db = w->table->db;
	char *user = NULL;
	char *shown;

	if (!pythia_db_text(db, "SELECT CURRENT_USER()", &user, error))
		return false;
	if (!user)
		return pythia_db_bad_answer(db, error, "it does not say who its user is");
	shown = pythia_visible_short(user);
	pythia_host_log(db->host, PYTHIA_LOG_NOTICE,
					"triggers on table %s run as %s: while that user does not exist, or lacks the privileges TRIGGER, "
					"SELECT and INSERT there, nobody can write to the table; drop the worker before the user",
					w->table->table.name, shown);
	pythia_free(shown);
	pythia_free(user);
	return true;
}

static bool install_mysql(pythia_logger *w, pythia_error *error)
{
	bool ok;

	if (!pythia_logger_limit_waiting(w, error))
		return false;
	pythia_buffer_puts(&w->sql, "CREATE TABLE ");
	pythia_logger_put_name(w, "", true);
	/* two rows an update: one that holds both sides could be larger than a row may be */
	pythia_buffer_puts(&w->sql, " (pythia_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, pythia_side TINYINT NOT NULL,"
								" pythia_op CHAR(1) NOT NULL, pythia_at DATETIME(6) NOT NULL, pythia_error TEXT"
								" CHARACTER SET utf8mb4 NULL, PRIMARY KEY (pythia_id, pythia_side)");
	for (int i = 0; i < w->table->ncolumns; i++)
	{
		pythia_buffer_printf(&w->sql, ", c%d ", w->place[i]);
		pythia_logger_put_type(&w->sql, &w->table->table.columns[w->table->columns[i].position]);
	}
	pythia_buffer_printf(&w->sql, ") ENGINE = InnoDB ROW_FORMAT = DYNAMIC AUTO_INCREMENT = %lld",
						 (long long) pythia_logger_first_number(w));
	if (!pythia_logger_flush(w, error) || !pythia_logger_lock_mysql(w, error))
		return false;
	ok = pythia_logger_put_triggers(w, error);
	pythia_logger_unlock_mysql(w);
	return ok && say_definer(w, error);
}

/* --- SQLite ----------------------------------------------------------------------- */

static bool install_sqlite(pythia_logger *w, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "CREATE TABLE ");
	pythia_logger_put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " (pythia_id INTEGER PRIMARY KEY AUTOINCREMENT, pythia_op TEXT NOT NULL,"
								" pythia_at TEXT NOT NULL");
	pythia_logger_put_places(w, 'o');
	pythia_logger_put_places(w, 'n');
	pythia_buffer_putc(&w->sql, ')');
	if (!pythia_logger_flush(w, error))
		return false;
	pythia_buffer_puts(&w->sql, "INSERT INTO ");
	w->dialect->identifier(&w->sql, w->table->table.schema);
	pythia_buffer_printf(&w->sql, ".sqlite_sequence (name, seq) VALUES ('%s', %lld)", w->log,
						 (long long) pythia_logger_first_number(w));
	return pythia_logger_flush(w, error) && pythia_logger_put_befores(w, error) && pythia_logger_put_triggers(w, error);
}

/* --- all ways ------------------------------------------------------------------------ */

/* DDL of SQLite and PostgreSQL in one transaction; in a caller's it is part of that. */
bool pythia_logger_begin(pythia_db *source, pythia_error *error)
{
	if (source->engine == PYTHIA_MYSQL || source->local)
		return true;
	if (!source->driver->begin(source, PYTHIA_BEGIN_IMMEDIATE, error))
		return false;
	/* who waits for the table's lock holds up all writers behind: not for long */
	if (source->engine != PYTHIA_POSTGRESQL || pythia_db_exec(source, "SET LOCAL lock_timeout = '10s'", NULL, error))
		return true;
	source->driver->rollback(source, NULL);
	return false;
}

bool pythia_logger_end(pythia_db *source, bool ok, pythia_error *error)
{
	if (source->engine == PYTHIA_MYSQL || source->local)
		return ok;
	if (ok)
		return source->driver->commit(source, error);
	source->driver->rollback(source, NULL);
	return false;
}

/* The name that a query gives, or NULL where there is no row. */
static bool look_up(pythia_logger *w, char **name, pythia_error *error)
{
	bool ok = pythia_db_text(w->table->db, w->sql.data, name, error);

	pythia_buffer_clear(&w->sql);
	return ok;
}

static bool use_polls(pythia_error *error)
{
	return pythia_error_hint(error, "Use \"capture\": \"poll\" for this table.");
}

/* InnoDB runs the actions of foreign keys without the table's triggers. */
static bool refuse_cascades(pythia_logger *w, pythia_error *error)
{
	const pythia_table *table = &w->table->table;
	char *name;

	pythia_buffer_puts(&w->sql,
					   "SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS"
					   " WHERE (DELETE_RULE IN ('CASCADE', 'SET NULL') OR UPDATE_RULE IN ('CASCADE', 'SET NULL'))"
					   " AND ");
	pythia_dialect_named(w->dialect, &w->sql, "CONSTRAINT_SCHEMA", "TABLE_NAME", table);
	if (!look_up(w, &name, error))
		return false;
	if (!name)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "0A000", "triggers would miss what the foreign key \"%s\" of table \"%s\" does",
				name, table->name);
	pythia_error_detail(error, "MySQL fires no trigger for rows that CASCADE or SET NULL changes.");
	pythia_free(name);
	return use_polls(error);
}

/* What a statement that fails has done stays in such a table, and goes from the log; some let no trigger see a row. */
static bool refuse_engine(pythia_logger *w, pythia_error *error)
{
	const pythia_table *table = &w->table->table;
	char *name;

	pythia_buffer_puts(&w->sql, "SELECT t.ENGINE FROM information_schema.TABLES t JOIN information_schema.ENGINES e ON"
								" e.ENGINE = t.ENGINE WHERE COALESCE(e.TRANSACTIONS, 'NO') <> 'YES' AND ");
	pythia_dialect_named(w->dialect, &w->sql, "t.TABLE_SCHEMA", "t.TABLE_NAME", table);
	if (!look_up(w, &name, error))
		return false;
	if (!name)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "0A000", "triggers cannot log what happens to table \"%s\", whose engine is %s",
				table->name, name);
	pythia_error_detail(error,
						"%s has no transactions: what a statement changes there before it fails, or is rolled back,"
						" stays, but not in the log.",
						name);
	pythia_free(name);
	return pythia_error_hint(error, "Alter the table to ENGINE = InnoDB, or use \"capture\": \"poll\" for it.");
}

/* Rows that replication brings fire no triggers. */
static bool refuse_replica(pythia_logger *w, pythia_error *error)
{
	pythia_replica replica;

	if (!pythia_replica_read(w->table->db, &replica, error))
		return false;
	if (replica.state == PYTHIA_REPLICA_NONE)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "0A000", "triggers would miss what replication brings to table \"%s\"",
				w->table->table.name);
	pythia_error_detail(error,
						"The server is a replica (or read_only), and fires no triggers for rows that it applies.");
	return pythia_error_hint(error, "Capture from its primary, or use \"capture\": \"poll\".");
}

/* What PostgreSQL's triggers, or their log, would miss.  A table is asked about at each poll: in one query. */
static void unseen_query(pythia_logger *w)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer table = PYTHIA_BUFFER_INIT;
	pythia_buffer log = PYTHIA_BUFFER_INIT;

	pythia_capture_put_table(w->table, &name);
	w->dialect->literal(&table, name.data, name.length);
	pythia_buffer_puts(&table, "::pg_catalog.regclass");
	pythia_buffer_clear(&name);
	pythia_dialect_table(w->dialect, &name, w->table->table.schema, w->log);
	w->dialect->literal(&log, name.data, name.length);
	pythia_buffer_puts(&w->sql, "SELECT m.oid::pg_catalog.regclass::text, m.why FROM (");
	if (w->table->table.relation == PYTHIA_RELATION_TABLE)
		pythia_buffer_printf(&w->sql,
							 "SELECT inhrelid AS oid, 'heir' AS why FROM pg_catalog.pg_inherits WHERE inhparent = %s"
							 " UNION ALL ",
							 table.data);
	pythia_buffer_printf(&w->sql,
						 "SELECT oid, CASE oid WHEN %s THEN 'table' ELSE 'log' END AS why FROM pg_catalog.pg_class"
						 " WHERE relpersistence = 'u' AND oid IN (%s, pg_catalog.to_regclass(%s))",
						 table.data, table.data, log.data);
	if (w->table->table.relation != PYTHIA_RELATION_TABLE)
		pythia_buffer_printf(&w->sql,
							 " UNION ALL SELECT c.oid, 'foreign' FROM pg_catalog.pg_partition_tree(%s) p"
							 " JOIN pg_catalog.pg_class c ON c.oid = p.relid WHERE c.relkind = 'f'",
							 table.data);
	pythia_buffer_puts(&w->sql, ") m LIMIT 1");
	pythia_buffer_free(&name);
	pythia_buffer_free(&table);
	pythia_buffer_free(&log);
}

/* A partition elsewhere is written to elsewhere; a crash empties a table that is unlogged, or loses what its log holds. */
static bool refuse_unseen(pythia_logger *w, pythia_error *error)
{
	const char *table = w->table->table.name;
	pythia_result found = {0};
	const char *name;
	const char *why;
	bool ok;

	unseen_query(w);
	ok = pythia_db_query(w->table->db, w->sql.data, "tt", &found, error);
	pythia_buffer_clear(&w->sql);
	if (!ok || found.nrows == 0)
	{
		pythia_result_free(&found);
		return ok;
	}
	name = pythia_result_text(&found, 0, 0);
	why = pythia_result_text(&found, 0, 1);
	if (strcmp(why, "heir") == 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "0A000",
					"triggers would miss what is written to \"%s\", which inherits from table \"%s\"", name, table);
		pythia_error_hint(error, "Name the tables that inherit, or use \"capture\": \"poll\" for this table.");
	}
	else if (strcmp(why, "foreign") == 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "0A000",
					"triggers would miss what is written to partition \"%s\" of table \"%s\"", name, table);
		pythia_error_detail(error, "It is a foreign table: triggers do not see what is written at its server.");
		pythia_error_hint(error, "Name the other partitions, and poll the foreign table by its own name.");
	}
	else
	{
		bool of_log = strcmp(why, "log") == 0;

		pythia_fail(error, PYTHIA_E_USAGE, "55000", "the table \"%s\" is unlogged", name);
		pythia_error_detail(error, "%s",
							of_log ? "A crash would empty the log of the triggers."
								   : "A crash empties it, and no trigger tells.");
		pythia_error_hint(error, "ALTER TABLE %s SET LOGGED%s.", name,
						  of_log ? "" : ", or use \"capture\": \"poll\" for this table");
	}
	pythia_result_free(&found);
	return false;
}

/*
 * InnoDB takes 1,017 columns and SQLite 2,000, of which the log has some of its own; SQLite's has each column twice, and
 * who reads it asks for some more.
 */
static bool refuse_wide(const pythia_logger *w, pythia_error *error)
{
	static const int most[] = {[PYTHIA_POSTGRESQL] = INT_MAX, [PYTHIA_MYSQL] = 1012, [PYTHIA_SQLITE] = 996};
	int room = most[w->table->db->engine];

	if (w->table->ncolumns <= room)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "54011",
				"table \"%s\" is too wide for triggers: %d columns, where a log has room for %d", w->table->table.name,
				w->table->ncolumns, room);
	return pythia_error_hint(
		error, "Leave some out by option \"exclude_columns\", or use \"capture\": \"poll\" for this table.");
}

bool pythia_logger_refuse(pythia_logger *w, pythia_error *error)
{
	const pythia_capture_table *table = w->table;
	pythia_relation_kind kind = table->table.relation;

	if (kind != PYTHIA_RELATION_TABLE && kind != PYTHIA_RELATION_PARTITIONED)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42809", "\"%s\" is no table that triggers could be installed on",
					table->table.name);
		return use_polls(error);
	}
	if (!refuse_wide(w, error))
		return false;
	switch (table->db->engine)
	{
		case PYTHIA_MYSQL:
			return refuse_engine(w, error) && refuse_cascades(w, error) && refuse_replica(w, error);
		case PYTHIA_POSTGRESQL:
			return refuse_unseen(w, error);
		default:
			return true;
	}
}

/* The columns that were asked for, and are not captured because they are in no row that a trigger gets. */
static void tell_unseen(const pythia_capture_table *table)
{
	for (int i = 0; i < table->table.ncolumns; i++)
	{
		const pythia_column *column = &table->table.columns[i];
		bool seen = !column->generated || pythia_node_lists(table->config.exclude_columns, column->name) ||
					(table->config.columns && !pythia_node_lists(table->config.columns, column->name));

		for (int c = 0; !seen && c < table->ncolumns; c++)
			seen = table->columns[c].position == i;
		if (!seen)
			pythia_host_log(
				table->db->host, PYTHIA_LOG_WARNING,
				"the virtual column \"%s\" of table %s is left out: triggers do not see it; make it STORED, or"
				" poll the table",
				column->name, table->table.name);
	}
}

bool pythia_log_install(pythia_capture_table *table, pythia_log *log, pythia_error *error)
{
	pythia_logger w = {.table = table, .dialect = pythia_dialect_of(table->db), .log = log->name};
	int64_t *first;
	bool ok;

	if (!pythia_logger_refuse(&w, error))
	{
		pythia_buffer_free(&w.sql);
		return false;
	}
	tell_unseen(table);
	w.place = pythia_calloc((size_t) table->ncolumns + 1, sizeof(int));
	first = pythia_calloc((size_t) table->ncolumns + 1, sizeof(int64_t));
	for (int i = 0; i < table->ncolumns; i++)
		w.place[i] = i;
	pythia_free(log->columns);
	log->columns = table->db->engine == PYTHIA_POSTGRESQL ? pythia_strdup("") : pythia_logger_spell(&w, first);
	pythia_free(first);
	ok = pythia_logger_begin(table->db, error);
	if (ok)
	{
		ok = pythia_logger_check_condition(&w, error) &&
			 (table->db->engine == PYTHIA_MYSQL    ? install_mysql(&w, error)
			  : table->db->engine == PYTHIA_SQLITE ? install_sqlite(&w, error)
												   : pythia_logger_install_postgres(&w, error));
		ok = pythia_logger_end(table->db, ok, error);
	}
	pythia_buffer_free(&w.sql);
	pythia_free(w.place);
	return ok;
}

/* The statements that remove a log, one at a call; false after the last. */
static bool put_removal(pythia_logger *w, pythia_engine engine, int step)
{
	static const char *const suffixes[] = {"_b", "_c", "_i", "_u", "_d"};
	static const int ntriggers = sizeof(suffixes) / sizeof(suffixes[0]);
	/* the function takes its triggers along, also where the table has another name by now */
	int before_table = engine == PYTHIA_POSTGRESQL ? 1 : ntriggers;

	if (step > before_table)
		return false;
	if (step == before_table)
		pythia_buffer_puts(&w->sql, "DROP TABLE IF EXISTS ");
	else if (engine == PYTHIA_POSTGRESQL)
		pythia_buffer_puts(&w->sql, "DROP FUNCTION IF EXISTS ");
	else
		pythia_buffer_puts(&w->sql, "DROP TRIGGER IF EXISTS ");
	pythia_logger_put_name(w, step == before_table ? "" : engine == PYTHIA_POSTGRESQL ? "_f" : suffixes[step], true);
	if (step < before_table && engine == PYTHIA_POSTGRESQL)
		pythia_buffer_puts(&w->sql, "() CASCADE");
	return true;
}

char *pythia_log_removal(pythia_engine engine, const char *schema, const char *table, const char *log)
{
	pythia_capture_table named = {.table = {.schema = (char *) schema, .name = (char *) table}};
	pythia_logger w = {.table = &named, .dialect = pythia_dialect_for(engine), .log = log};

	for (int step = 0; put_removal(&w, engine, step); step++)
		pythia_buffer_puts(&w.sql, ";\n");
	return pythia_buffer_take(&w.sql);
}

bool pythia_log_remove(pythia_db *source, const char *schema, const char *table, const char *log, pythia_error *error)
{
	pythia_capture_table named = {.db = source, .table = {.schema = (char *) schema, .name = (char *) table}};
	pythia_logger w = {.table = &named, .dialect = pythia_dialect_of(source), .log = log};
	bool ok = pythia_log_check_name(log, error) && pythia_logger_limit_waiting(&w, error) &&
			  pythia_logger_begin(source, error);

	if (!ok)
	{
		pythia_buffer_free(&w.sql);
		return false;
	}
	for (int step = 0; ok && put_removal(&w, source->engine, step); step++)
		ok = pythia_logger_flush(&w, error);
	pythia_buffer_free(&w.sql);
	return pythia_logger_end(source, ok, error);
}
