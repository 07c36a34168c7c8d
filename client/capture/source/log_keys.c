#include "capture/source/log_keys.h"

#include <stdio.h>
#include <string.h>

#include "capture/internal.h"
#include "core/memory.h"

/* The log's columns for the key. */
typedef struct keys
{
	const pythia_capture_table *table;
	const pythia_log *log;
	const pythia_dialect *dialect;
	int *place; /* of each of the table's columns; PostgreSQL: NULL */
} keys;

static void close_keys(keys *k)
{
	pythia_free(k->place);
}

static const pythia_column *key_column(const keys *k, int i)
{
	return &k->table->table.columns[k->table->columns[k->table->key[i]].position];
}

static bool open_keys(keys *k, const pythia_capture_table *table, const pythia_log *log, pythia_error *error)
{
	int64_t *first;

	*k = (keys){.table = table, .log = log, .dialect = pythia_dialect_of(table->db)};
	if (table->db->engine == PYTHIA_POSTGRESQL)
		return true;
	k->place = pythia_calloc((size_t) table->ncolumns + 1, sizeof(int));
	first = pythia_calloc((size_t) table->ncolumns + 1, sizeof(int64_t));
	pythia_log_places(table, log, k->place, first);
	pythia_free(first);
	for (int i = 0; i < table->nkey; i++)
		if (k->place[table->key[i]] < 0)
		{
			close_keys(k);
			return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "the log of table \"%s\" does not hold its key",
							   table->table.name);
		}
	return true;
}

/* Kinds whose text in an image is one that their type reads; and no cast of a user's comes between. */
static bool is_castable(const pythia_column *column)
{
	switch (column->type.kind)
	{
		case PYTHIA_KIND_ARRAY:
		case PYTHIA_KIND_OTHER:
		case PYTHIA_KIND_ENUM:
		case PYTHIA_KIND_JSON:
		case PYTHIA_KIND_GEOMETRY:
			return false;
		default:
			return column->type.native != NULL && pythia_postgres_is_builtin(&column->type);
	}
}

/* The log's value of key column i, on a side: 'o' or 'n' (in MySQL there is one). */
static void put_value(const keys *k, char side, int i, pythia_buffer *out)
{
	const pythia_column *column = key_column(k, i);

	if (k->table->db->engine == PYTHIA_SQLITE)
		pythia_buffer_printf(out, "%c%d", side, k->place[k->table->key[i]]);
	else if (k->table->db->engine == PYTHIA_MYSQL)
		pythia_buffer_printf(out, "l.c%d", k->place[k->table->key[i]]);
	else
	{
		pythia_buffer_printf(out, "(%c %s ", side, is_castable(column) ? "->>" : "->");
		k->dialect->literal(out, column->name, strlen(column->name));
		pythia_buffer_putc(out, ')');
		if (is_castable(column))
			pythia_buffer_printf(out, "::%s", column->type.native);
	}
}

static void put_log(const keys *k, pythia_buffer *out)
{
	pythia_dialect_table(k->dialect, out, k->table->table.schema, k->log->name);
}

/* --- what there is --------------------------------------------------------------------- */

/* A part of the key is NULL: the log had another column, or none, when it was written. */
static void put_lacks(const keys *k, char side, pythia_buffer *out)
{
	pythia_buffer_putc(out, '(');
	for (int i = 0; i < k->table->nkey; i++)
	{
		const pythia_column *column = key_column(k, i);

		pythia_buffer_puts(out, i > 0 ? " OR " : "");
		if (k->table->db->engine == PYTHIA_POSTGRESQL)
		{
			pythia_buffer_printf(out, "%c ->> ", side);
			k->dialect->literal(out, column->name, strlen(column->name));
		}
		else
			put_value(k, side, i, out);
		pythia_buffer_puts(out, " IS NULL");
	}
	pythia_buffer_putc(out, ')');
}

/* The key before an update is not the one after it. */
static void put_moves(const keys *k, pythia_buffer *out)
{
	bool postgres = k->table->db->engine == PYTHIA_POSTGRESQL;

	pythia_buffer_putc(out, '(');
	for (int i = 0; i < k->table->nkey; i++)
	{
		const pythia_column *column = key_column(k, i);

		pythia_buffer_puts(out, i > 0 ? " OR " : "");
		if (postgres)
		{
			pythia_buffer_puts(out, "o -> ");
			k->dialect->literal(out, column->name, strlen(column->name));
			pythia_buffer_puts(out, " IS DISTINCT FROM n -> ");
			k->dialect->literal(out, column->name, strlen(column->name));
			continue;
		}
		put_value(k, 'o', i, out);
		pythia_buffer_puts(out, " IS NOT ");
		put_value(k, 'n', i, out);
	}
	pythia_buffer_putc(out, ')');
}

/* MySQL has the sides of an update in two rows, of one number. */
static void put_moves_mysql(const keys *k, pythia_buffer *out)
{
	pythia_buffer_puts(out, "NOT EXISTS (SELECT 1 FROM ");
	put_log(k, out);
	pythia_buffer_puts(out, " AS m WHERE m.pythia_id = l.pythia_id AND m.pythia_side = 1");
	for (int i = 0; i < k->table->nkey; i++)
	{
		int place = k->place[k->table->key[i]];

		pythia_buffer_printf(out, " AND m.c%d <=> l.c%d", place, place);
	}
	pythia_buffer_putc(out, ')');
}

/* Rows of the log with an old side whose key the table may have no more. */
static void put_leaves(const keys *k, pythia_buffer *out)
{
	switch (k->table->db->engine)
	{
		case PYTHIA_POSTGRESQL:
			pythia_buffer_puts(out, "(pythia_op = 'D' OR pythia_op = 'U' AND ");
			put_moves(k, out);
			break;
		case PYTHIA_MYSQL:
			pythia_buffer_puts(out, "(l.pythia_op = 'D' OR l.pythia_op = 'O' AND ");
			put_moves_mysql(k, out);
			break;
		case PYTHIA_SQLITE:
			/* what may have been replaced, too */
			pythia_buffer_puts(out, "(pythia_op IN ('D', 'B', 'R', 'P', 'Q') OR pythia_op IN ('U', 'Y') AND ");
			put_moves(k, out);
			break;
	}
	pythia_buffer_putc(out, ')');
}

static void put_unknown(const keys *k, pythia_buffer *out)
{
	switch (k->table->db->engine)
	{
		case PYTHIA_POSTGRESQL:
			pythia_buffer_puts(out, "(pythia_op IN ('T', 'E') OR o IS NOT NULL AND ");
			put_lacks(k, 'o', out);
			pythia_buffer_puts(out, " OR n IS NOT NULL AND ");
			put_lacks(k, 'n', out);
			break;
		case PYTHIA_MYSQL:
			pythia_buffer_puts(out, "(l.pythia_op = 'E' OR ");
			put_lacks(k, 'c', out);
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_puts(out, "(pythia_op = 'T' OR pythia_op IN ('U', 'D', 'B', 'R', 'Y', 'P', 'Q') AND ");
			put_lacks(k, 'o', out);
			pythia_buffer_puts(out, " OR pythia_op IN ('I', 'U', 'X', 'Y', 'P', 'Q') AND ");
			put_lacks(k, 'n', out);
			break;
	}
	pythia_buffer_putc(out, ')');
}

bool pythia_log_summarize(pythia_capture_table *table, const pythia_log *log, pythia_log_summary *summary,
						  pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};
	keys k;
	bool ok;

	*summary = (pythia_log_summary){0};
	if (!open_keys(&k, table, log, error))
		return false;
	pythia_buffer_puts(&sql, "SELECT COALESCE(MAX(CASE WHEN ");
	put_unknown(&k, &sql);
	pythia_buffer_puts(&sql, " THEN 1 ELSE 0 END), 0), COALESCE(MAX(CASE WHEN ");
	put_leaves(&k, &sql);
	pythia_buffer_puts(&sql, " THEN 1 ELSE 0 END), 0), ");
	pythia_buffer_puts(&sql, table->db->engine == PYTHIA_POSTGRESQL
								 ? "MAX(CASE WHEN pythia_op = 'E' THEN n ->> 'error' END)"
							 : table->db->engine == PYTHIA_MYSQL ? "MAX(l.pythia_error)"
																 : "NULL");
	pythia_buffer_puts(&sql, " FROM ");
	put_log(&k, &sql);
	pythia_buffer_puts(&sql, " AS l");
	ok = pythia_db_query(table->db, sql.data, "1bbV", &result, error);
	if (ok)
	{
		summary->whole = pythia_result_true(&result, 0, 0);
		summary->gone = pythia_result_true(&result, 0, 1);
		summary->reason = pythia_strdup(pythia_result_optional(&result, 0, 2));
	}
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	close_keys(&k);
	return ok;
}

/* --- the keys --------------------------------------------------------------------------- */

/* A value of the log as one that the table's own index is asked for. */
static void put_comparable(const keys *k, char side, int i, pythia_buffer *out)
{
	const char *collation = key_column(k, i)->collation;
	size_t letters = collation ? strcspn(collation, "_") : 0;
	pythia_kind kind = key_column(k, i)->type.kind;

	if (k->table->db->engine != PYTHIA_MYSQL || letters == 0 ||
		strspn(collation, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(collation) ||
		(kind != PYTHIA_KIND_TEXT && kind != PYTHIA_KIND_CHAR))
	{
		put_value(k, side, i, out);
		return;
	}
	pythia_buffer_puts(out, "CONVERT(");
	put_value(k, side, i, out);
	pythia_buffer_printf(out, " USING %.*s) COLLATE %s", (int) letters, collation, collation);
}

/* What is compared with it. */
static void put_own(const keys *k, int i, pythia_buffer *out)
{
	const pythia_column *column = key_column(k, i);
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	k->dialect->identifier(&name, column->name);
	/* as the trigger has written it (trigger_postgres.c) */
	if (k->table->db->engine == PYTHIA_POSTGRESQL && !is_castable(column))
		pythia_postgres_json(out, &column->type, name.data);
	else
		pythia_buffer_puts(out, name.data);
	pythia_buffer_free(&name);
}

static void put_side(const keys *k, char side, pythia_buffer *out)
{
	pythia_buffer_puts(out, "SELECT ");
	for (int i = 0; i < k->table->nkey; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		put_comparable(k, side, i, out);
	}
	pythia_buffer_puts(out, " FROM ");
	put_log(k, out);
	pythia_buffer_puts(out, " AS l");
	switch (k->table->db->engine)
	{
		case PYTHIA_POSTGRESQL:
			pythia_buffer_printf(out, " WHERE %c IS NOT NULL", side);
			break;
		case PYTHIA_MYSQL:
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_printf(out, " WHERE pythia_op IN (%s)",
								 side == 'o' ? "'U', 'D', 'B', 'R', 'Y', 'P', 'Q'" : "'I', 'U', 'X', 'Y', 'P', 'Q'");
			break;
	}
}

bool pythia_log_put_changed(const pythia_capture_table *table, const pythia_log *log, pythia_buffer *out,
							pythia_error *error)
{
	keys k;

	if (!open_keys(&k, table, log, error))
		return false;
	pythia_buffer_putc(out, '(');
	for (int i = 0; i < table->nkey; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		put_own(&k, i, out);
	}
	pythia_buffer_puts(out, ") IN (");
	if (table->db->engine == PYTHIA_MYSQL)
		put_side(&k, 'c', out);
	else
	{
		put_side(&k, 'n', out);
		pythia_buffer_puts(out, " UNION ");
		put_side(&k, 'o', out);
	}
	pythia_buffer_putc(out, ')');
	close_keys(&k);
	return true;
}

/* Over the derived table's column, as the copy reads the table's own. */
static void put_interchange(const keys *k, int i, pythia_buffer *out)
{
	pythia_column column = *key_column(k, i);
	char name[16];

	snprintf(name, sizeof(name), "k%d", i);
	column.name = name;
	if (k->table->db->engine == PYTHIA_POSTGRESQL && !is_castable(&column))
		pythia_buffer_printf(out, "%s #>> '{}'", name);
	else
		k->dialect->read_expression(k->table->db, out, NULL, &column);
}

bool pythia_log_put_gone(const pythia_capture_table *table, const pythia_log *log, pythia_buffer *out,
						 pythia_error *error)
{
	keys k;

	if (!open_keys(&k, table, log, error))
		return false;
	pythia_buffer_puts(out, "SELECT ");
	for (int i = 0; i < table->nkey; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		put_interchange(&k, i, out);
	}
	pythia_buffer_puts(out, " FROM (SELECT DISTINCT ");
	for (int i = 0; i < table->nkey; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		put_value(&k, 'o', i, out);
		pythia_buffer_printf(out, " AS k%d", i);
	}
	pythia_buffer_puts(out, " FROM ");
	put_log(&k, out);
	pythia_buffer_puts(out, " AS l WHERE ");
	put_leaves(&k, out);
	pythia_buffer_puts(out, ") AS pythia_k");
	close_keys(&k);
	return true;
}

/* --- one of them -------------------------------------------------------------------------- */

/* Compared with the table's columns, or the log's. */
static bool put_equals(const keys *k, const char *const *key, bool logged, pythia_buffer *out)
{
	pythia_db *db = k->table->db;

	for (int i = 0; i < k->table->nkey; i++)
	{
		const pythia_column *column = key_column(k, i);

		pythia_buffer_puts(out, i > 0 ? " AND " : "");
		if (logged)
			put_value(k, 'c', i, out);
		else
			k->dialect->identifier(out, column->name);
		pythia_buffer_puts(out, " = ");
		if (!k->dialect->value_literal(db, out, &column->type, key[i], strlen(key[i])))
			return false;
	}
	return true;
}

bool pythia_log_trace_key(pythia_capture_table *table, const pythia_log *log, const char *const *key,
						  pythia_log_trace *trace, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer own = PYTHIA_BUFFER_INIT;
	pythia_buffer logged = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};
	keys k;
	bool ok = true;

	*trace = (pythia_log_trace){.there = true};
	if (!open_keys(&k, table, log, error))
		return false;
	if (put_equals(&k, key, false, &own) && put_equals(&k, key, true, &logged))
	{
		pythia_buffer_puts(&sql, "SELECT EXISTS (SELECT 1 FROM ");
		pythia_capture_put_table(table, &sql);
		pythia_buffer_printf(&sql, " WHERE %s)", own.data);
		for (int side = 0; side < 2; side++)
		{
			pythia_buffer_puts(&sql, ", EXISTS (SELECT 1 FROM ");
			put_log(&k, &sql);
			pythia_buffer_printf(&sql, " AS l WHERE l.pythia_op IN (%s) AND %s)", side == 0 ? "'I', 'U'" : "'D', 'O'",
								 logged.data);
		}
		ok = pythia_db_query(table->db, sql.data, "1bbb", &result, error);
		if (ok)
			*trace = (pythia_log_trace){.there = pythia_result_true(&result, 0, 0),
										.came = pythia_result_true(&result, 0, 1),
										.went = pythia_result_true(&result, 0, 2)};
	}
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	pythia_buffer_free(&own);
	pythia_buffer_free(&logged);
	close_keys(&k);
	return ok;
}
