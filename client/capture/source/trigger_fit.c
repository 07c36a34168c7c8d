/* A log and its triggers (log.h) in line with their table. */
#include "capture/source/trigger.h"

#include "capture/source/first.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "dialect/tokens.h"

/* How many of our triggers there are.  MySQL's are to be our user's own: another one may be dropped at any time. */
static bool count_triggers(pythia_logger *w, int64_t *count, int64_t *own, pythia_error *error)
{
	pythia_buffer table = PYTHIA_BUFFER_INIT;
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
							   "SELECT count(*) FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"
							   " AND tgrelid = ");
			w->dialect->literal(&w->sql, table.data, table.length);
			pythia_buffer_puts(&w->sql, "::pg_catalog.regclass AND pg_catalog.left(pg_catalog.ltrim(tgname,"
										" '" PYTHIA_TRIGGER_FIRST "'), 23) = ");
			pythia_buffer_free(&table);
			break;
	}
	w->dialect->literal(&w->sql, w->log, strlen(w->log));
	ok = pythia_db_count(w->table->db, w->sql.data, count, error);
	*own = *count;
	if (ok && w->table->db->engine == PYTHIA_MYSQL)
	{
		pythia_buffer_puts(&w->sql, " AND DEFINER = CURRENT_USER()");
		ok = pythia_db_count(w->table->db, w->sql.data, own, error);
	}
	pythia_buffer_clear(&w->sql);
	return ok;
}

/*
 * MySQL lets nobody write to the table while the triggers' definer, who is our user, may not do what they do; where it may
 * not write to the log, changes are lost.  A session keeps the rights that it had in its database when it entered it: it
 * enters once more.
 */
static bool check_definer(pythia_logger *w, pythia_error *error)
{
	pythia_db *db = w->table->db;
	pythia_error why = PYTHIA_ERROR_INIT;
	pythia_result answer = {0};
	bool ok = true;

	if (db->engine != PYTHIA_MYSQL)
		return true;
	if (db->default_schema && db->default_schema[0])
	{
		pythia_buffer_puts(&w->sql, "USE ");
		w->dialect->identifier(&w->sql, db->default_schema);
		ok = pythia_logger_flush(w, &why);
	}
	if (ok)
	{
		pythia_buffer_puts(&w->sql, "SHOW CREATE TRIGGER ");
		pythia_logger_put_name(w, "_i", true);
		ok = pythia_db_query(db, w->sql.data, "V*", &answer, &why);
		pythia_result_free(&answer);
		pythia_buffer_clear(&w->sql);
	}
	if (ok)
	{
		pythia_buffer_puts(&w->sql, "EXPLAIN INSERT INTO ");
		pythia_logger_put_name(w, "", true);
		pythia_buffer_puts(&w->sql, " (pythia_side, pythia_op, pythia_at) VALUES (0, 'E', ");
		pythia_logger_put_now(w);
		pythia_buffer_putc(&w->sql, ')');
		ok = pythia_db_query(db, w->sql.data, "V*", &answer, &why);
		pythia_result_free(&answer);
		pythia_buffer_clear(&w->sql);
	}
	if (ok)
		return true;
	if (db->broken || why.error_class == PYTHIA_E_CANCELLED)
		return pythia_error_move(error, &why);
	if (strcmp(why.sqlstate, "42501") != 0)
	{
		/* triggers or log are gone, which is said elsewhere */
		pythia_error_reset(&why);
		return true;
	}
	pythia_fail(error, PYTHIA_E_USAGE, "42501",
				"the user as whom the triggers on table \"%s.%s\" run has lost a privilege, or does not exist any more",
				w->table->table.schema, w->table->table.name);
	pythia_error_detail(error, "%s  Writers to the table fail, or what they change is not logged.", why.message);
	pythia_error_reset(&why);
	return pythia_error_hint(error,
							 "Make the user anew, or give it back TRIGGER, SELECT and INSERT there, then start the"
							 " capture again; or drop the triggers %s_i, %s_u and %s_d.",
							 w->log, w->log, w->log);
}

/*
 * SQLite fires the newest trigger first: one that came after ours and changes the row again is logged before what it
 * follows.  Those of other workers write to their logs alone.
 */
static bool find_newer(pythia_logger *w, bool *newer, pythia_error *error)
{
	pythia_buffer from = PYTHIA_BUFFER_INIT;
	bool ok;

	*newer = false;
	if (w->table->db->engine != PYTHIA_SQLITE)
		return true;
	pythia_buffer_puts(&from, " FROM ");
	w->dialect->identifier(&from, w->table->table.schema);
	pythia_buffer_puts(&from, ".sqlite_master WHERE type = 'trigger' AND tbl_name = ");
	w->dialect->literal(&from, w->table->table.name, strlen(w->table->table.name));
	pythia_buffer_puts(&from, " COLLATE NOCASE AND substr(name, 1, 23) ");
	pythia_buffer_printf(&w->sql, "SELECT 1%s NOT GLOB 'pythia_log_*' AND rowid > (SELECT min(rowid)%s= ", from.data,
						 from.data);
	w->dialect->literal(&w->sql, w->log, strlen(w->log));
	pythia_buffer_puts(&w->sql, ") LIMIT 1");
	ok = pythia_db_any(w->table->db, w->sql.data, newer, error);
	pythia_buffer_clear(&w->sql);
	pythia_buffer_free(&from);
	return ok;
}

/* Whether the log is there: it is not in a file that was replaced, or where somebody has dropped it. */
static bool find_log(pythia_logger *w, bool *there, pythia_error *error)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	bool ok;

	switch (w->table->db->engine)
	{
		case PYTHIA_MYSQL:
			pythia_buffer_puts(&w->sql, "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ");
			w->dialect->literal(&w->sql, w->table->table.schema, strlen(w->table->table.schema));
			pythia_buffer_printf(&w->sql, " AND TABLE_NAME = '%s'", w->log);
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_puts(&w->sql, "SELECT 1 FROM ");
			w->dialect->identifier(&w->sql, w->table->table.schema);
			pythia_buffer_printf(&w->sql, ".sqlite_master WHERE type = 'table' AND name = '%s'", w->log);
			break;
		default:
			pythia_dialect_table(w->dialect, &name, w->table->table.schema, w->log);
			pythia_buffer_puts(&w->sql, "SELECT 1 WHERE pg_catalog.to_regclass(");
			w->dialect->literal(&w->sql, name.data, name.length);
			pythia_buffer_puts(&w->sql, ") IS NOT NULL");
			pythia_buffer_free(&name);
			break;
	}
	ok = pythia_db_any(w->table->db, w->sql.data, there, error);
	pythia_buffer_clear(&w->sql);
	return ok;
}

/* *anew: they are to be made once more. */
static bool check_triggers(pythia_logger *w, bool mend, bool *anew, pythia_error *error)
{
	static const int wanted[] = {[PYTHIA_POSTGRESQL] = 2, [PYTHIA_MYSQL] = 3, [PYTHIA_SQLITE] = 5};
	int64_t count;
	int64_t own;
	bool newer;
	bool fit = true;

	if (!check_definer(w, error) || !count_triggers(w, &count, &own, error) || !find_newer(w, &newer, error) ||
		(w->table->db->engine == PYTHIA_SQLITE && !pythia_logger_befores_fit(w, &fit, error)))
		return false;
	*anew = own < count || (count < wanted[w->table->db->engine] ? mend : newer || !fit);
	w->strayed = count < wanted[w->table->db->engine];
	if (*anew && w->strayed)
		pythia_host_log(
			w->table->db->host, PYTHIA_LOG_WARNING,
			"the triggers on table %s were gone, or disabled, and are made anew: what has changed meanwhile "
			"is not known",
			w->table->table.name);
	if (*anew || count >= wanted[w->table->db->engine])
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "55000", "the triggers on table \"%s.%s\" are gone, or were disabled",
				w->table->table.schema, w->table->table.name);
	pythia_error_detail(error, "What has changed there since is not known.");
	return pythia_error_hint(error, "Start the capture again: pythia.start_cdc in PostgreSQL, elsewhere the next poll. "
									"Where readers need what was missed, create the worker anew with start_from "
									"\"beginning\".");
}

/* The next line of pythia_log.columns: first number, type and name; false at the end. */
static bool next_line(const char **at, int64_t *first, const char **name, size_t *length)
{
	const char *end = *at + strcspn(*at, "\n");
	size_t digits = strspn(*at, "0123456789");

	if (!**at)
		return false;
	*name = end;
	*length = 0;
	*first = 0;
	/* any other line is nobody's column */
	if (digits > 0 && (size_t) (end - *at) > digits + 1 + PYTHIA_TYPE_LETTERS + 1 && (*at)[digits] == ' ' &&
		(*at)[digits + 1 + PYTHIA_TYPE_LETTERS] == ' ')
	{
		*first = strtoll(*at, NULL, 10);
		*name = *at + digits + 1 + PYTHIA_TYPE_LETTERS + 1;
		*length = (size_t) (end - *name);
	}
	*at = end + (*end == '\n');
	return true;
}

/* No log has more columns: a file's own text of them is no reason to read on. */
#define MOST_PLACES 32767

int pythia_log_places(const pythia_capture_table *table, const pythia_log *log, int *place, int64_t *first)
{
	const char *at = log->columns;
	const char *name;
	size_t length;
	int64_t number;
	int count = 0;

	for (int i = 0; i < table->ncolumns; i++)
		place[i] = -1;
	for (; count < MOST_PLACES && next_line(&at, &number, &name, &length); count++)
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
static bool count_places(pythia_logger *w, int *count, pythia_error *error)
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
		*count += described.columns[i].name[0] == (w->table->db->engine == PYTHIA_MYSQL ? 'c' : 'o');
	pythia_table_free(&described);
	return true;
}

/* Whether the log holds the column in another type than its own one wants now. */
static bool other_type(const pythia_logger *w, int i, const char *columns)
{
	char type[33];

	pythia_logger_digest_type(w, i, type);
	for (int place = 0; place < w->place[i]; place++)
		columns = strchr(columns, '\n') + 1;
	return strncmp(strchr(columns, ' ') + 1, type, PYTHIA_TYPE_LETTERS) != 0;
}

/* `verb`: ADD, or MODIFY where the column's type has changed. */
static bool set_place(pythia_logger *w, int i, const char *verb, pythia_error *error)
{
	const pythia_column *column = &w->table->table.columns[w->table->columns[i].position];

	for (const char *letter = w->table->db->engine == PYTHIA_MYSQL ? "c" : "on"; *letter; letter++)
	{
		pythia_buffer_puts(&w->sql, "ALTER TABLE ");
		pythia_logger_put_name(w, "", true);
		pythia_buffer_printf(&w->sql, " %s COLUMN %c%d ", verb, *letter, w->place[i]);
		if (w->table->db->engine == PYTHIA_MYSQL)
			pythia_logger_put_type(&w->sql, column);
		if (!pythia_logger_flush(w, error))
			return false;
	}
	return true;
}

/* pythia_l is a row of the log and the table's row has the key that is logged there under `letter`. */
static void put_same_key(pythia_logger *w, char letter)
{
	for (int k = 0; k < w->table->nkey; k++)
	{
		int i = w->table->key[k];

		pythia_buffer_printf(&w->sql, "%spythia_l.%c%d = ", k > 0 ? " AND " : "", letter, w->place[i]);
		w->dialect->identifier(&w->sql, w->table->table.name);
		pythia_buffer_putc(&w->sql, '.');
		w->dialect->identifier(&w->sql, pythia_logger_column_name(w, i));
	}
}

/* FROM the table, the rows that are in the log. */
static void put_logged_rows(pythia_logger *w, char letter)
{
	pythia_buffer_puts(&w->sql, " FROM ");
	pythia_logger_put_table(w);
	pythia_buffer_puts(&w->sql, " WHERE EXISTS (SELECT 1 FROM ");
	pythia_logger_put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " AS pythia_l WHERE ");
	put_same_key(w, letter);
	pythia_buffer_putc(&w->sql, ')');
	if (w->table->config.where)
	{
		pythia_buffer_puts(&w->sql, " AND ");
		pythia_condition_put(&w->sql, w->table->config.where);
	}
}

/* Rows that were logged, after the columns came, without them: delivered once more as they are. */
static bool complete_rows_mysql(pythia_logger *w, const int64_t *first, int64_t last, pythia_error *error)
{
	/* as an update: first the old sides, without what came, then the new ones under their numbers */
	pythia_buffer_puts(&w->sql, "INSERT INTO ");
	pythia_logger_put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " (pythia_side, pythia_op, pythia_at");
	for (int i = 0; i < w->table->ncolumns; i++)
		if (first[i] >= 0)
			pythia_buffer_printf(&w->sql, ", c%d", w->place[i]);
	pythia_buffer_puts(&w->sql, ") SELECT 0, 'O', ");
	pythia_logger_put_now(w);
	for (int i = 0; i < w->table->ncolumns; i++)
		if (first[i] >= 0)
		{
			pythia_buffer_puts(&w->sql, ", ");
			w->dialect->identifier(&w->sql, pythia_logger_column_name(w, i));
		}
	put_logged_rows(w, 'c');
	if (!pythia_logger_flush(w, error))
		return false;
	pythia_buffer_puts(&w->sql, "INSERT INTO ");
	pythia_logger_put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " (pythia_id, pythia_side, pythia_op, pythia_at");
	pythia_logger_put_places(w, 'c');
	pythia_buffer_puts(&w->sql, ") SELECT pythia_l.pythia_id, 1, 'C', pythia_l.pythia_at");
	pythia_logger_put_values(w, "");
	pythia_buffer_puts(&w->sql, " FROM ");
	pythia_logger_put_table(w);
	pythia_buffer_puts(&w->sql, " JOIN ");
	pythia_logger_put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " AS pythia_l ON ");
	put_same_key(w, 'c');
	pythia_buffer_printf(&w->sql, " WHERE pythia_l.pythia_id > %lld", (long long) last);
	return pythia_logger_flush(w, error);
}

static bool complete_rows(pythia_logger *w, const int64_t *first, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "INSERT INTO ");
	pythia_logger_put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " (pythia_op, pythia_at");
	pythia_logger_put_places(w, 'n');
	for (int i = 0; i < w->table->ncolumns; i++)
		if (first[i] >= 0)
			pythia_buffer_printf(&w->sql, ", o%d", w->place[i]);
	pythia_buffer_puts(&w->sql, ") SELECT 'C', ");
	pythia_logger_put_now(w);
	pythia_logger_put_values(w, "");
	for (int i = 0; i < w->table->ncolumns; i++)
		if (first[i] >= 0)
		{
			pythia_buffer_puts(&w->sql, ", ");
			w->dialect->identifier(&w->sql, pythia_logger_column_name(w, i));
		}
	put_logged_rows(w, 'n');
	return pythia_logger_flush(w, error);
}

static bool last_number(pythia_logger *w, int64_t *number, pythia_error *error)
{
	bool ok;

	pythia_buffer_puts(&w->sql, "SELECT max(pythia_id) FROM ");
	pythia_logger_put_name(w, "", true);
	ok = pythia_db_number_or(w->table->db, w->sql.data, 0, number, error);
	pythia_buffer_clear(&w->sql);
	return ok;
}

/* Under the lock: places for what came, triggers for what is there. */
static bool refit(pythia_logger *w, const char *columns, int nplaces, int64_t *first, pythia_error *error)
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
			if (!set_place(w, i, "ADD", error))
				return false;
		}
		else if (!sqlite && other_type(w, i, columns) && !set_place(w, i, "MODIFY", error))
			return false;
	/* those of a table that was swapped are on another one by now, which is not locked */
	if (!sqlite && ((w->strayed && !pythia_logger_drop_triggers(w, error)) || !pythia_logger_lock_mysql(w, error)))
		return false;
	ok = last_number(w, &last, error) && pythia_logger_put_triggers(w, error) &&
		 (!sqlite || pythia_logger_put_befores(w, error)) &&
		 (!grown || (sqlite ? complete_rows(w, first, error) : complete_rows_mysql(w, first, last, error)));
	if (!sqlite)
		pythia_logger_unlock_mysql(w);
	for (int i = 0; i < w->table->ncolumns; i++)
		if (first[i] < 0)
			first[i] = last + 1;
	return ok;
}

/* Triggers alone: what they have logged stays. */
static bool renew_postgres(pythia_logger *w, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "DROP FUNCTION IF EXISTS ");
	pythia_logger_put_name(w, "_f", true);
	pythia_buffer_puts(&w->sql, "() CASCADE");
	return pythia_logger_flush(w, error) && pythia_logger_put_triggers_postgres(w, error);
}

/* Where somebody is in the way of that, another poll will do. */
static bool complete_postgres(pythia_logger *w, pythia_error *error)
{
	pythia_error late = PYTHIA_ERROR_INIT;

	if (pythia_logger_complete_postgres(w, &late))
		return true;
	if (strcmp(late.sqlstate, "55P03") != 0)
		return pythia_error_move(error, &late);
	pythia_error_reset(&late);
	return true;
}

bool pythia_log_fit(pythia_capture_table *table, pythia_log *log, bool mend, bool *changed, pythia_error *error)
{
	pythia_logger w = {.table = table, .dialect = pythia_dialect_of(table->db), .log = log->name};
	bool postgres = table->db->engine == PYTHIA_POSTGRESQL;
	int64_t *first = pythia_calloc((size_t) table->ncolumns + 1, sizeof(int64_t));
	char *columns;
	int nplaces = 0;
	bool there = true;
	bool ok;

	*changed = false;
	w.place = pythia_calloc((size_t) table->ncolumns + 1, sizeof(int));
	if (!postgres)
		nplaces = pythia_log_places(table, log, w.place, first);
	ok = pythia_logger_refuse(&w, error) && check_triggers(&w, mend, changed, error);
	if (ok && !postgres)
	{
		columns = pythia_logger_spell(&w, first);
		*changed = *changed || strcmp(columns, log->columns) != 0;
		for (int i = 0; i < table->ncolumns; i++)
			*changed = *changed || w.place[i] < 0;
		pythia_free(columns);
	}
	/* an idle poll does not ask: one that reads a log which is not there fails, and the next one mends it */
	if (ok && mend)
		ok = find_log(&w, &there, error);
	if (ok && !there)
	{
		if (!w.strayed)
			pythia_host_log(
				table->db->host, PYTHIA_LOG_WARNING,
				"the log of the triggers on table %s was gone, and is made anew: what has changed meanwhile "
				"is not known",
				table->table.name);
		ok = pythia_log_remove(table->db, table->table.schema, table->table.name, log->name, error) &&
			 pythia_log_install(table, log, error);
		*changed = ok;
	}
	else if (ok && postgres && !*changed)
		ok = complete_postgres(&w, error);
	else if (ok && *changed)
	{
		ok = pythia_logger_limit_waiting(&w, error) && pythia_logger_begin(table->db, error) &&
			 pythia_logger_end(table->db,
							   postgres ? renew_postgres(&w, error) : refit(&w, log->columns, nplaces, first, error),
							   error);
		if (ok && !postgres)
		{
			pythia_free(log->columns);
			log->columns = pythia_logger_spell(&w, first);
		}
		*changed = ok && !postgres;
	}
	pythia_buffer_free(&w.sql);
	pythia_free(w.place);
	pythia_free(first);
	return ok;
}
