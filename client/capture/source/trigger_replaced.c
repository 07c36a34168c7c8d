/*
 * SQLite: what stands in the way of a new row.
 *
 * REPLACE deletes without firing DELETE's triggers, of INSERT and of UPDATE. So what stands in the way of a new row is
 * noted before; the drain believes it where that row follows. By the primary key and unique indexes over plain columns
 * it can tell itself which row takes the place of which ('B', of an update 'R'). By those that are partial, over
 * expressions or by a collation SQLite alone can: then the new row is noted beside the old one ('P', 'Q').
 */
#include "capture/source/trigger.h"

#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "dialect/tokens.h"

/* Statements that make the unique indexes that are partial, over expressions or by another collation; of those that came
 * with the table, what they would have been made by. */
static bool read_specials(pythia_logger *w, pythia_result *indexes, pythia_error *error)
{
	const pythia_table *table = &w->table->table;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer schema = PYTHIA_BUFFER_INIT;
	bool ok;

	w->dialect->literal(&schema, table->schema, strlen(table->schema));
	pythia_buffer_printf(&sql,
						 "SELECT COALESCE(m.sql, (SELECT 'ON (' || group_concat('\"' || replace(x.name, '\"', '\"\"')"
						 " || '\" COLLATE \"' || replace(x.coll, '\"', '\"\"') || '\"', ', ') || ')'"
						 " FROM pragma_index_xinfo(l.name, %s) AS x WHERE x.key)) FROM pragma_index_list(",
						 schema.data);
	w->dialect->literal(&sql, table->name, strlen(table->name));
	pythia_buffer_printf(&sql, ", %s) AS l LEFT JOIN ", schema.data);
	w->dialect->identifier(&sql, table->schema);
	pythia_buffer_printf(
		&sql,
		".sqlite_master AS m ON m.type = 'index' AND m.name = l.name"
		" WHERE l.\"unique\" AND (l.partial OR EXISTS (SELECT 1 FROM pragma_index_xinfo(l.name, %s) AS x"
		" WHERE x.key AND (x.cid = -2 OR x.coll <> 'BINARY' COLLATE NOCASE))) ORDER BY l.name",
		schema.data);
	ok = pythia_db_query(w->table->db, sql.data, "t", indexes, error);
	pythia_buffer_free(&schema);
	pythia_buffer_free(&sql);
	return ok;
}

/* --- by columns ------------------------------------------------------------------------ */

static void put_match(pythia_logger *w, const int *positions, int count)
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

/* Rows that a new one of these values would take the place of. */
static void put_in_the_way(pythia_logger *w)
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

/* An update that leaves all columns as they are that unique indexes are about is in nobody's way. */
static void put_changes(pythia_logger *w, const pythia_result *indexes)
{
	const pythia_table *table = &w->table->table;
	bool *wanted = pythia_calloc((size_t) table->ncolumns + 1, sizeof(bool));
	const char *before = " WHEN NEW.";

	for (int i = 0; i < table->nkey; i++)
		wanted[table->key[i]] = true;
	for (int i = 0; i < table->nindexes; i++)
		for (int k = 0; table->indexes[i].unique && k < table->indexes[i].ncolumns; k++)
			if (table->indexes[i].columns[k] >= 0)
				wanted[table->indexes[i].columns[k]] = true;
	for (int64_t x = 0; x < indexes->nrows; x++)
		for (int i = 0; i < table->ncolumns; i++)
			wanted[i] = wanted[i] || pythia_logger_may_name(pythia_result_text(indexes, x, 0), table->columns[i].name);
	for (int i = 0; i < table->ncolumns; i++)
		if (wanted[i])
		{
			pythia_buffer_puts(&w->sql, before);
			w->dialect->identifier(&w->sql, table->columns[i].name);
			pythia_buffer_puts(&w->sql, " IS NOT OLD.");
			w->dialect->identifier(&w->sql, table->columns[i].name);
			before = " OR NEW.";
		}
	pythia_free(wanted);
}

/* --- by expressions ---------------------------------------------------------------------- */

/* Of an index's statement. */
typedef struct part
{
	const char *text;
	size_t length;
} part;

static bool is_word(const pythia_token *token, const char *word)
{
	return token->kind == PYTHIA_TOKEN_NAME && token->length == strlen(word) &&
		   strncasecmp(token->text, word, token->length) == 0;
}

/* Goes on to the end of what the index is over, or of its condition (NULL at the end); *closed: that was the last. */
static const char *read_part(const char *at, part *found, bool *closed)
{
	pythia_token token;
	int depth = 0;

	found->text = at;
	found->length = 0;
	for (;; at += token.length)
	{
		pythia_token_read(PYTHIA_SQLITE, at, &token);
		if (token.kind == PYTHIA_TOKEN_END || token.kind == PYTHIA_TOKEN_REFUSED)
			return NULL;
		if (token.kind == PYTHIA_TOKEN_BLANK)
			continue;
		if (token.kind == PYTHIA_TOKEN_OTHER && depth == 0 && (*token.text == ',' || *token.text == ')'))
		{
			*closed = *token.text == ')';
			return at + token.length;
		}
		if (token.kind == PYTHIA_TOKEN_OTHER)
			depth += *token.text == '(' ? 1 : *token.text == ')' ? -1 : 0;
		/* the order counts for nothing */
		if (depth > 0 || !(is_word(&token, "ASC") || is_word(&token, "DESC")))
			found->length = (size_t) (at + token.length - found->text);
	}
}

static const char *find(const char *at, const char *word)
{
	pythia_token token;

	for (;; at += token.length)
	{
		pythia_token_read(PYTHIA_SQLITE, at, &token);
		if (token.kind == PYTHIA_TOKEN_END || token.kind == PYTHIA_TOKEN_REFUSED)
			return NULL;
		if (is_word(&token, word) || (token.kind == PYTHIA_TOKEN_OTHER && token.length == 1 && *token.text == *word))
			return at + token.length;
	}
}

/* Between parentheses; a comment may go to the end of the line.  Who may write to the file may have put anything behind the
 * statement, or a comment that has no end: false where it is no whole expression. */
static bool put_part(pythia_logger *w, const part *p)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_error fault = PYTHIA_ERROR_INIT;
	bool ok;

	pythia_buffer_append(&text, p->text, p->length);
	ok = pythia_condition_check(PYTHIA_SQLITE, "unique index", pythia_buffer_text(&text), &fault);
	pythia_buffer_printf(&w->sql, "(%s\n)", pythia_buffer_text(&text));
	pythia_error_reset(&fault);
	pythia_buffer_free(&text);
	return ok;
}

/* Of the new row: its columns under the table's own names. */
static void put_of_new(pythia_logger *w, const char *index, const char *select, const part *p)
{
	pythia_buffer_printf(&w->sql, "(SELECT %s", select);
	if (p)
		(void) put_part(w, p);
	pythia_buffer_puts(&w->sql, " FROM ");
	pythia_logger_put_row(w, "NEW", index);
}

/* What is behind the columns of an index: nothing, or its condition. */
static bool put_index_condition(pythia_logger *w, const char *index, const char *at)
{
	pythia_token token;
	part p;

	for (pythia_token_read(PYTHIA_SQLITE, at, &token); token.kind == PYTHIA_TOKEN_BLANK;
		 pythia_token_read(PYTHIA_SQLITE, token.text + token.length, &token))
		;
	if (!is_word(&token, "WHERE"))
		return token.kind == PYTHIA_TOKEN_END;
	p.text = token.text + token.length;
	p.length = strlen(p.text);
	pythia_buffer_puts(&w->sql, " AND ");
	if (!put_part(w, &p))
		return false;
	pythia_buffer_puts(&w->sql, " AND EXISTS ");
	put_of_new(w, index, "1", NULL);
	pythia_buffer_puts(&w->sql, " WHERE ");
	(void) put_part(w, &p);
	pythia_buffer_putc(&w->sql, ')');
	return true;
}

/* Rows that this index does not let be beside the new one; false where its statement cannot be read. */
static bool put_excluded(pythia_logger *w, const char *index)
{
	const char *at = find(index, "ON");
	part p;
	bool closed = false;

	at = at ? find(at, "(") : NULL;
	pythia_buffer_putc(&w->sql, '(');
	for (const char *and = ""; at && !closed; and = " AND ")
	{
		at = read_part(at, &p, &closed);
		if (!at)
			return false;
		pythia_buffer_puts(&w->sql, and);
		if (!put_part(w, &p))
			return false;
		pythia_buffer_puts(&w->sql, " = ");
		put_of_new(w, index, "", &p);
		pythia_buffer_putc(&w->sql, ')');
	}
	if (!at || !put_index_condition(w, index, at))
		return false;
	pythia_buffer_putc(&w->sql, ')');
	return true;
}

/* --- both ---------------------------------------------------------------------------------- */

/* `operation` as above; `index`: one whose statement this is, else those over columns. */
static bool put_note(pythia_logger *w, char operation, const char *index, bool update)
{
	const pythia_capture_table *table = w->table;
	bool ok = true;

	pythia_buffer_puts(&w->sql, "INSERT INTO ");
	pythia_logger_put_name(w, "", false);
	pythia_buffer_puts(&w->sql, " (pythia_op, pythia_at");
	pythia_logger_put_places(w, 'o');
	if (index)
		pythia_logger_put_places(w, 'n');
	pythia_buffer_printf(&w->sql, ") SELECT '%c', ", operation);
	pythia_logger_put_now(w);
	pythia_logger_put_values(w, "");
	if (index)
		pythia_logger_put_values(w, "NEW.");
	pythia_buffer_puts(&w->sql, " FROM ");
	w->dialect->identifier(&w->sql, table->table.name);
	/* a table of that name would be found in the place of the trigger's own row */
	if (strcasecmp(table->table.name, "new") == 0 || strcasecmp(table->table.name, "old") == 0)
		pythia_buffer_puts(&w->sql, " AS pythia_row");
	pythia_buffer_puts(&w->sql, " WHERE ");
	if (index)
		ok = put_excluded(w, index);
	else
		put_in_the_way(w);
	if (update)
	{
		pythia_buffer_puts(&w->sql, " AND NOT (");
		for (int i = 0; i < table->nkey; i++)
		{
			pythia_buffer_puts(&w->sql, i > 0 ? " AND " : "");
			w->dialect->identifier(&w->sql, pythia_logger_column_name(w, table->key[i]));
			pythia_buffer_puts(&w->sql, " IS OLD.");
			w->dialect->identifier(&w->sql, pythia_logger_column_name(w, table->key[i]));
		}
		pythia_buffer_putc(&w->sql, ')');
	}
	if (table->config.where)
	{
		pythia_buffer_puts(&w->sql, " AND ");
		pythia_condition_put(&w->sql, table->config.where);
	}
	pythia_buffer_puts(&w->sql, "; ");
	return ok;
}

/* `kept`: as SQLite keeps the statement, without the schema. */
static bool put_before(pythia_logger *w, const pythia_result *indexes, bool update, bool kept, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "CREATE TRIGGER ");
	pythia_logger_put_name(w, update ? "_c" : "_b", !kept);
	pythia_buffer_puts(&w->sql, update ? " BEFORE UPDATE ON " : " BEFORE INSERT ON ");
	w->dialect->identifier(&w->sql, w->table->table.name);
	if (update)
		put_changes(w, indexes);
	pythia_buffer_puts(&w->sql, " BEGIN ");
	(void) put_note(w, update ? 'R' : 'B', NULL, update);
	/* of what both say the last counts */
	for (int64_t i = 0; i < indexes->nrows; i++)
		if (!put_note(w, update ? 'Q' : 'P', pythia_result_text(indexes, i, 0), update))
		{
			pythia_fail(error, PYTHIA_E_USAGE, "0A000", "a unique index of table \"%s\" cannot be read",
						w->table->table.name);
			return pythia_error_hint(error, "Use \"capture\": \"poll\" for this table.");
		}
	pythia_buffer_puts(&w->sql, "END");
	return true;
}

bool pythia_logger_put_befores(pythia_logger *w, pythia_error *error)
{
	pythia_result indexes = {0};
	bool ok = read_specials(w, &indexes, error);

	for (int update = 0; ok && update < 2; update++)
	{
		pythia_buffer_puts(&w->sql, "DROP TRIGGER IF EXISTS ");
		pythia_logger_put_name(w, update ? "_c" : "_b", true);
		ok = pythia_logger_flush(w, error) && put_before(w, &indexes, update, false, error) &&
			 pythia_logger_flush(w, error);
	}
	pythia_result_free(&indexes);
	return ok;
}

bool pythia_logger_befores_fit(pythia_logger *w, bool *fit, pythia_error *error)
{
	pythia_result indexes = {0};
	bool ok = read_specials(w, &indexes, error) && put_before(w, &indexes, false, true, error);
	pythia_buffer wanted = w->sql;

	w->sql = (pythia_buffer) PYTHIA_BUFFER_INIT;
	*fit = true;
	if (ok)
	{
		pythia_buffer_puts(&w->sql, "SELECT 1 FROM ");
		w->dialect->identifier(&w->sql, w->table->table.schema);
		pythia_buffer_puts(&w->sql, ".sqlite_master WHERE type = 'trigger' AND sql = ");
		w->dialect->literal(&w->sql, wanted.data, wanted.length);
		ok = pythia_db_any(w->table->db, w->sql.data, fit, error);
		pythia_buffer_clear(&w->sql);
	}
	pythia_buffer_free(&wanted);
	pythia_result_free(&indexes);
	return ok;
}
