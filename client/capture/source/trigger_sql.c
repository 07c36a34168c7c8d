#define _GNU_SOURCE /* strcasestr */
#include "capture/source/trigger.h"

#include <stdlib.h>
#include <string.h>

#include "core/digest.h"

#include "core/memory.h"
#include "dialect/tokens.h"

void pythia_logger_put_name(pythia_logger *w, const char *suffix, bool qualified)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&name, "%s%s", w->log, suffix);
	pythia_dialect_table(w->dialect, &w->sql, qualified ? w->table->table.schema : NULL, name.data);
	pythia_buffer_free(&name);
}

void pythia_logger_put_table(pythia_logger *w)
{
	pythia_dialect_table(w->dialect, &w->sql, w->table->table.schema, w->table->table.name);
}

const char *pythia_logger_column_name(const pythia_logger *w, int i)
{
	return w->table->table.columns[w->table->columns[i].position].name;
}

/* , o0, o1, …: in MySQL c0, c1, … */
void pythia_logger_put_places(pythia_logger *w, char letter)
{
	for (int i = 0; i < w->table->ncolumns; i++)
		pythia_buffer_printf(&w->sql, ", %c%d", letter, w->place[i]);
}

/* The values for them: , OLD.a, OLD.b, … */
void pythia_logger_put_values(pythia_logger *w, const char *row)
{
	for (int i = 0; i < w->table->ncolumns; i++)
	{
		pythia_buffer_puts(&w->sql, ", ");
		pythia_buffer_puts(&w->sql, row);
		w->dialect->identifier(&w->sql, pythia_logger_column_name(w, i));
	}
}

void pythia_logger_put_now(pythia_logger *w)
{
	pythia_buffer_puts(&w->sql, w->table->db->engine == PYTHIA_MYSQL ? "UTC_TIMESTAMP(6)"
																	 : "strftime('%Y-%m-%d %H:%M:%f', 'now')");
}

/* A log that takes the place of a lost one of its name goes on with numbers that the other one did not have. */
int64_t pythia_logger_first_number(const pythia_logger *w)
{
	return pythia_host_now(w->table->db->host);
}

bool pythia_logger_flush(pythia_logger *w, pythia_error *error)
{
	bool ok = pythia_db_exec(w->table->db, w->sql.data, NULL, error);

	pythia_buffer_clear(&w->sql);
	return ok;
}

bool pythia_logger_may_name(const char *condition, const char *name)
{
	return strcasestr(condition, name) != NULL || strpbrk(name, "\"`[]\\") != NULL;
}

void pythia_logger_put_row(pythia_logger *w, const char *side, const char *condition)
{
	const pythia_table *table = &w->table->table;

	/* what it does not name is left out: a server holds such a row in memory, within bounds */
	pythia_buffer_puts(&w->sql, "(SELECT 1 AS pythia_any");
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (!pythia_logger_may_name(condition, table->columns[i].name))
			continue;
		pythia_buffer_printf(&w->sql, ", %s.", side);
		w->dialect->identifier(&w->sql, table->columns[i].name);
		pythia_buffer_puts(&w->sql, " AS ");
		w->dialect->identifier(&w->sql, table->columns[i].name);
	}
	pythia_buffer_puts(&w->sql, ") AS ");
	w->dialect->identifier(&w->sql, table->name);
}

/* Whether the user's condition holds for a side (NEW or OLD). */
static void put_condition(pythia_logger *w, const char *side)
{
	pythia_buffer_puts(&w->sql, "EXISTS (SELECT 1 FROM ");
	pythia_logger_put_row(w, side, w->table->config.where);
	pythia_buffer_puts(&w->sql, " WHERE ");
	pythia_condition_put(&w->sql, w->table->config.where);
	pythia_buffer_putc(&w->sql, ')');
}

/* --- SQLite -------------------------------------------------------------------------- */

/* INSERT INTO log … of one kind of change. `conditions`: of old, of new: ' ' none, '+' must hold, '-' must not. */
static void put_entry(pythia_logger *w, char operation, const char *conditions)
{
	static const char *const sides[] = {"OLD", "NEW"};
	bool old = strchr("UDY", operation) != NULL;
	bool new = strchr("UIXY", operation) != NULL;
	const char *before = " WHERE ";

	pythia_buffer_puts(&w->sql, "INSERT INTO ");
	pythia_logger_put_name(w, "", false);
	pythia_buffer_puts(&w->sql, " (pythia_op, pythia_at");
	if (old)
		pythia_logger_put_places(w, 'o');
	if (new)
		pythia_logger_put_places(w, 'n');
	pythia_buffer_printf(&w->sql, ") SELECT '%c', ", operation);
	pythia_logger_put_now(w);
	if (old)
		pythia_logger_put_values(w, "OLD.");
	if (new)
		pythia_logger_put_values(w, "NEW.");
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
		/* not the last one alone: triggers that are newer than this one may have logged theirs before */
		pythia_buffer_puts(&w->sql, "EXISTS (SELECT 1 FROM (SELECT pythia_op FROM ");
		pythia_logger_put_name(w, "", false);
		pythia_buffer_printf(&w->sql, " ORDER BY pythia_id DESC LIMIT 16) WHERE pythia_op IN (%s))",
							 operation == 'X' ? "'B', 'P'" : "'R', 'Q'");
	}
	pythia_buffer_puts(&w->sql, "; ");
}

/* With a condition, a row that comes under it is inserted, one that leaves it deleted, to whoever follows. */
static void put_body_sqlite(pythia_logger *w, char operation)
{
	pythia_buffer_puts(&w->sql, "BEGIN ");
	switch (operation)
	{
		case 'I':
			put_entry(w, 'I', " +");
			/* what it replaced goes */
			if (w->table->config.where)
				put_entry(w, 'X', " -");
			break;
		case 'D':
			put_entry(w, 'D', "+ ");
			break;
		default:
			put_entry(w, 'U', "++");
			if (w->table->config.where)
			{
				put_entry(w, 'I', "-+");
				put_entry(w, 'Y', " -");
				put_entry(w, 'D', "+-");
			}
			break;
	}
	pythia_buffer_puts(&w->sql, "END");
}

/* --- MySQL --------------------------------------------------------------------------- */

/* One row of the log.  The new side of an update follows its old one, under the same number. */
static void put_row(pythia_logger *w, char operation, const char *row)
{
	pythia_buffer_puts(&w->sql, "INSERT INTO ");
	pythia_logger_put_name(w, "", true);
	pythia_buffer_puts(&w->sql, operation == 'U' ? " (pythia_id, pythia_side" : " (pythia_side");
	pythia_buffer_puts(&w->sql, ", pythia_op, pythia_at");
	pythia_logger_put_places(w, 'c');
	pythia_buffer_puts(&w->sql, operation == 'U' ? ") VALUES (LAST_INSERT_ID(), 1" : ") VALUES (0");
	pythia_buffer_printf(&w->sql, ", '%c', ", operation);
	pythia_logger_put_now(w);
	pythia_logger_put_values(w, row);
	pythia_buffer_puts(&w->sql, "); ");
}

/* What no log is to blame for: whoever writes has to know, or to try again. */
#define PASSED_ON "1205, 1213, 1317, 1969, 3024, 1021, 1028, 1114, 1180, 1927, 1053, 1290, 1836"

/*
 * No writer fails for what is logged: an error is written down in the change's place, and stops whoever reads.
 * Variables have names that no column has: within a condition they would be taken for it.
 */
static void put_body_mysql(pythia_logger *w, char operation)
{
	bool where = w->table->config.where != NULL;
	pythia_buffer *sql = &w->sql;

	pythia_buffer_printf(sql,
						 "BEGIN DECLARE %s_o, %s_n, %s_e INT DEFAULT %d; DECLARE %s_m TEXT CHARACTER SET utf8mb4; "
						 "DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN "
						 "GET DIAGNOSTICS CONDITION 1 %s_e = MYSQL_ERRNO, %s_m = MESSAGE_TEXT; "
						 "IF %s_e IN (" PASSED_ON ") THEN RESIGNAL; END IF; "
						 "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END; INSERT INTO ",
						 w->log, w->log, w->log, !where, w->log, w->log, w->log, w->log);
	pythia_logger_put_name(w, "", true);
	pythia_buffer_puts(sql, " (pythia_side, pythia_op, pythia_at, pythia_error) VALUES (0, 'E', ");
	pythia_logger_put_now(w);
	pythia_buffer_printf(sql, ", %s_m); END; END; ", w->log);
	for (const char *side = "on"; where && *side; side++)
	{
		if (operation == (*side == 'o' ? 'I' : 'D'))
			continue;
		/* to SET it at once would take warnings for errors, as a query's condition does not */
		pythia_buffer_puts(sql, "IF ");
		put_condition(w, *side == 'o' ? "OLD" : "NEW");
		pythia_buffer_printf(sql, " THEN SET %s_%c = 1; END IF; ", w->log, *side);
	}
	if (operation == 'I')
	{
		pythia_buffer_printf(sql, "IF %s_n THEN ", w->log);
		put_row(w, 'I', "NEW.");
	}
	else if (operation == 'D')
	{
		pythia_buffer_printf(sql, "IF %s_o THEN ", w->log);
		put_row(w, 'D', "OLD.");
	}
	else
	{
		pythia_buffer_printf(sql, "IF %s_o AND %s_n THEN ", w->log, w->log);
		put_row(w, 'O', "OLD.");
		put_row(w, 'U', "NEW.");
		pythia_buffer_printf(sql, "ELSEIF %s_n THEN ", w->log);
		put_row(w, 'I', "NEW.");
		pythia_buffer_printf(sql, "ELSEIF %s_o THEN ", w->log);
		put_row(w, 'D', "OLD.");
	}
	pythia_buffer_puts(sql, "END IF; END");
}

/* --- both ---------------------------------------------------------------------------- */

static const struct
{
	char operation;
	const char *suffix;
	const char *event;
} events[] = {{'I', "_i", "INSERT"}, {'U', "_u", "UPDATE"}, {'D', "_d", "DELETE"}};

static bool drop_trigger(pythia_logger *w, const char *suffix, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "DROP TRIGGER IF EXISTS ");
	pythia_logger_put_name(w, suffix, true);
	return pythia_logger_flush(w, error);
}

bool pythia_logger_drop_triggers(pythia_logger *w, pythia_error *error)
{
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (!drop_trigger(w, events[i].suffix, error))
			return false;
	return true;
}

static bool put_triggers(pythia_logger *w, pythia_error *error)
{
	bool mysql = w->table->db->engine == PYTHIA_MYSQL;

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
	{
		if (!drop_trigger(w, events[i].suffix, error))
			return false;
		pythia_buffer_puts(&w->sql, "CREATE TRIGGER ");
		pythia_logger_put_name(w, events[i].suffix, true);
		pythia_buffer_printf(&w->sql, " AFTER %s ON ", events[i].event);
		if (mysql)
			pythia_logger_put_table(w);
		else
			w->dialect->identifier(&w->sql, w->table->table.name);
		pythia_buffer_puts(&w->sql, mysql ? " FOR EACH ROW " : " ");
		if (mysql)
			put_body_mysql(w, events[i].operation);
		else
			put_body_sqlite(w, events[i].operation);
		if (!pythia_logger_flush(w, error))
			return false;
	}
	return true;
}

/*
 * A trigger keeps the mode that it is made in.  What a condition divides by zero is no error where it is polled, and
 * the writer's change none of ours: in MySQL it would be. The mode is our own (connect.c), so a comma follows the word.
 */
#define DIVIDES "'ERROR_FOR_DIVISION_BY_ZERO"

bool pythia_logger_put_triggers(pythia_logger *w, pythia_error *error)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;
	pythia_db *db = w->table->db;
	bool ok;

	if (db->engine != PYTHIA_MYSQL)
		return put_triggers(w, error);
	if (!pythia_db_exec(db, "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, " DIVIDES ",', '')", NULL, error))
		return false;
	ok = put_triggers(w, error);
	if (!db->broken)
		ok = pythia_db_exec(db, "SET SESSION sql_mode = CONCAT_WS(',', @@SESSION.sql_mode, " DIVIDES "')", NULL,
							ok ? error : &ignored) &&
			 ok;
	pythia_error_reset(&ignored);
	return ok;
}

#define WIDEST_TEXT "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

/*
 * As wide as values of its kind get, so that a column that is widened under the triggers, or an enumeration
 * that gets another word, does not make its writers fail.
 */
void pythia_logger_put_type(pythia_buffer *out, const pythia_column *column)
{
	switch (column->type.kind)
	{
		case PYTHIA_KIND_BOOL:
		case PYTHIA_KIND_INT:
			pythia_buffer_puts(out, "BIGINT");
			break;
		case PYTHIA_KIND_UINT:
			pythia_buffer_puts(out, "BIGINT UNSIGNED");
			break;
		case PYTHIA_KIND_TEXT:
		case PYTHIA_KIND_CHAR:
		case PYTHIA_KIND_ENUM:
		case PYTHIA_KIND_SET:
		case PYTHIA_KIND_JSON:
			pythia_buffer_puts(out, WIDEST_TEXT);
			break;
		case PYTHIA_KIND_BYTES:
			pythia_buffer_puts(out, "LONGBLOB");
			break;
		default:
			pythia_buffer_puts(out, column->type.native != NULL ? column->type.native : WIDEST_TEXT);
			break;
	}
	pythia_buffer_puts(out, " NULL");
}

void pythia_logger_digest_type(const pythia_logger *w, int i, char type[33])
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	if (w->table->db->engine == PYTHIA_MYSQL)
		pythia_logger_put_type(&text, &w->table->table.columns[w->table->columns[i].position]);
	pythia_md5(pythia_buffer_text(&text), text.length, type);
	type[PYTHIA_TYPE_LETTERS] = '\0';
	pythia_buffer_free(&text);
}

char *pythia_logger_spell(const pythia_logger *w, const int64_t *first)
{
	pythia_buffer columns = PYTHIA_BUFFER_INIT;
	char type[33];
	int greatest = -1;

	for (int i = 0; i < w->table->ncolumns; i++)
		greatest = w->place[i] > greatest ? w->place[i] : greatest;
	for (int place = 0; place <= greatest; place++)
	{
		for (int i = 0; i < w->table->ncolumns; i++)
			if (w->place[i] == place)
			{
				pythia_logger_digest_type(w, i, type);
				pythia_buffer_printf(&columns, "%lld %s %s", (long long) first[i], type,
									 pythia_logger_column_name(w, i));
			}
		pythia_buffer_putc(&columns, '\n');
	}
	return pythia_buffer_take(&columns);
}
