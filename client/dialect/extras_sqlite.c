/* What else a table of SQLite has: what its pragmas tell, and what only the text of its CREATE TABLE does. */
#include <string.h>
#include <strings.h>

#include "dialect/create_text.h"
#include "dialect/dialect_internal.h"

static void literal(pythia_buffer *out, const char *text)
{
	pythia_put_quoted(out, text, strlen(text), '\'');
}

/* FROM pragma_NAME('table', 'schema') */
static void from_pragma(pythia_buffer *out, const char *pragma, const pythia_table *table)
{
	pythia_buffer_printf(out, " FROM pragma_%s(", pragma);
	literal(out, table->name);
	pythia_buffer_puts(out, ", ");
	literal(out, table->schema);
	pythia_buffer_puts(out, ")");
}

/* FROM the schema's list of its parts, those of the table */
static void from_master(pythia_buffer *out, const char *type, const pythia_table *table)
{
	pythia_buffer_puts(out, " FROM ");
	pythia_put_quoted(out, table->schema, strlen(table->schema), '"');
	pythia_buffer_printf(out, ".sqlite_master WHERE type = '%s' AND tbl_name = ", type);
	literal(out, table->name);
	pythia_buffer_puts(out, " COLLATE NOCASE");
}

/* Those that keys_query leaves out, and what it leaves out of the others: a row for each column that says so. */
static void indexes(pythia_buffer *out, const pythia_table *table)
{
	pythia_buffer_printf(out,
						 "SELECT DISTINCT CASE WHEN partial THEN %d WHEN expression THEN %d ELSE %d END AS kind,"
						 " l.name AS name, CASE WHEN partial OR expression THEN CASE WHEN \"unique\" THEN 'unique' END"
						 " WHEN coll <> 'BINARY' COLLATE NOCASE THEN coll ELSE 'order' END,"
						 " CASE WHEN NOT partial AND NOT expression AND coll <> 'BINARY' COLLATE NOCASE THEN x.name END"
						 " FROM (SELECT k.*, EXISTS (SELECT 1 FROM pragma_index_xinfo(k.name, ",
						 PYTHIA_EXTRA_PARTIAL_INDEX, PYTHIA_EXTRA_EXPRESSION_INDEX, PYTHIA_EXTRA_INDEX_OPTION);
	literal(out, table->schema);
	pythia_buffer_puts(out, ") AS y WHERE y.cid = -2) AS expression");
	from_pragma(out, "index_list", table);
	pythia_buffer_puts(out, " AS k) AS l JOIN pragma_index_xinfo(l.name, ");
	literal(out, table->schema);
	pythia_buffer_puts(out, ") AS x WHERE x.key AND (partial OR expression OR x.\"desc\""
							" OR coll <> 'BINARY' COLLATE NOCASE)");
}

void pythia_sqlite_extras_query(const pythia_dialect *own, const pythia_db *db, pythia_buffer *out,
								const pythia_table *table)
{
	(void) own;
	(void) db;
	pythia_buffer_puts(out, "SELECT * FROM (");
	indexes(out, table);
	pythia_buffer_printf(out, " UNION ALL SELECT %d, group_concat(\"from\", ', '), \"table\", NULL FROM (SELECT *",
						 PYTHIA_EXTRA_FOREIGN_KEY);
	from_pragma(out, "foreign_key_list", table);
	pythia_buffer_printf(out, " ORDER BY id, seq) GROUP BY id UNION ALL SELECT %d, name, NULL, NULL",
						 PYTHIA_EXTRA_TRIGGER);
	from_master(out, "trigger", table);
	pythia_buffer_printf(out, " UNION ALL SELECT %d, NULL, NULL, NULL FROM pragma_table_list(", PYTHIA_EXTRA_STRICT);
	literal(out, table->name);
	pythia_buffer_puts(out, ") WHERE strict AND schema = ");
	literal(out, table->schema);
	pythia_buffer_printf(out, " COLLATE NOCASE UNION ALL SELECT %d, sql, NULL, NULL", PYTHIA_EXTRA_DEFINITION);
	from_master(out, "table", table);
	pythia_buffer_puts(out, ") ORDER BY kind, name");
}

/* --- CREATE TABLE ---------------------------------------------------------- */

/* CHECK (…): told by its constraint's name, else by its text. */
static void read_check(pythia_create_text *r, const pythia_buffer *constraint, pythia_extras *extras)
{
	const char *from = r->token.text;
	size_t length = 0;
	int depth = r->depth;
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	do
	{
		length = (size_t) (r->token.text + r->token.length - from);
		pythia_create_text_next(r);
	} while (!pythia_create_text_ended(r) && r->depth > depth);
	pythia_buffer_append(&text, from, length);
	/* it may name other columns than the one that it stands behind */
	pythia_extras_add(extras, PYTHIA_EXTRA_CHECK, constraint->length > 0 ? constraint->data : text.data, NULL, NULL);
	pythia_buffer_free(&text);
}

/* A column, or a constraint of the table, up to the comma or parenthesis behind it. */
static void read_item(pythia_create_text *r, pythia_extras *extras)
{
	pythia_buffer column = PYTHIA_BUFFER_INIT;
	pythia_buffer constraint = PYTHIA_BUFFER_INIT;
	pythia_buffer word = PYTHIA_BUFFER_INIT;
	const char *name = NULL;

	if (pythia_create_text_at_column(r))
	{
		pythia_create_text_take_name(r, &column);
		name = pythia_buffer_text(&column);
	}
	while (!pythia_create_text_at_comma(r))
	{
		if (r->depth > 1)
			pythia_create_text_next(r);
		else if (pythia_create_text_take(r, "CONSTRAINT"))
			pythia_create_text_take_name(r, &constraint);
		else if (pythia_create_text_take(r, "CHECK"))
		{
			read_check(r, &constraint, extras);
			pythia_buffer_clear(&constraint);
		}
		else if (pythia_create_text_take(r, "COLLATE"))
		{
			pythia_create_text_take_name(r, &word);
			if (name != NULL && word.length > 0 && strcasecmp(word.data, "BINARY") != 0)
				pythia_extras_add(extras, PYTHIA_EXTRA_COLLATION, name, word.data, name);
		}
		else if (pythia_create_text_take(r, "AUTOINCREMENT"))
			pythia_extras_add(extras, PYTHIA_EXTRA_AUTOINCREMENT, name, NULL, name);
		else if (pythia_create_text_take(r, "ON") &&
				 pythia_create_text_take(r, "CONFLICT")) /* CONFLICT alone may be a type */
		{
			pythia_create_text_take_name(r, &word);
			if (strcasecmp(pythia_buffer_text(&word), "ABORT") != 0)
				pythia_extras_add(extras, PYTHIA_EXTRA_CONFLICT, pythia_buffer_text(&word), name, name);
		}
		else
			pythia_create_text_next(r);
	}
	pythia_buffer_free(&column);
	pythia_buffer_free(&constraint);
	pythia_buffer_free(&word);
}

/* An index has the collation of its column by itself. */
static bool is_own(const void *context, const pythia_extra *extra)
{
	const pythia_extras *all = context;

	if (extra->kind != PYTHIA_EXTRA_INDEX_OPTION || extra->column == NULL || extra->detail == NULL)
		return true;
	for (int i = 0; i < all->count; i++)
	{
		const pythia_extra *other = &all->items[i];

		if (other->kind == PYTHIA_EXTRA_COLLATION && other->column != NULL && other->detail != NULL &&
			strcasecmp(other->column, extra->column) == 0 && strcasecmp(other->detail, extra->detail) == 0)
			return false;
	}
	return true;
}

void pythia_sqlite_read_definition(const char *sql, pythia_extras *extras)
{
	pythia_create_text r;

	if (!pythia_create_text_table(&r, sql))
		return;
	while (!pythia_create_text_ended(&r) && r.depth == 1)
	{
		read_item(&r, extras);
		if (!pythia_create_text_take(&r, ","))
			break;
	}
	if (r.token.kind == PYTHIA_TOKEN_REFUSED)
		pythia_extras_add(extras, PYTHIA_EXTRA_UNREAD, NULL, r.token.reason, NULL);
	pythia_extras_filter(extras, is_own, extras);
}
