/* A file of SQLite's: by its pragmas, and by the texts of its CREATE statements, which alone tell expressions. */
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "dialect/create_text.h"
#include "migrate/catalog.h"

/* --- reading a definition ------------------------------------------------------------------ */

typedef struct reader
{
	pythia_create_text text;
	pythia_texts *texts;
} reader;

static void next(reader *r)
{
	pythia_create_text_next(&r->text);
}

static bool ended(const reader *r)
{
	return pythia_create_text_ended(&r->text);
}

static bool at(const reader *r, const char *word)
{
	return pythia_create_text_at(&r->text, word);
}

static bool take(reader *r, const char *word)
{
	return pythia_create_text_take(&r->text, word);
}

static char *take_name(reader *r)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	pythia_create_text_take_name(&r->text, &name);
	return pythia_texts_take(r->texts, &name);
}

/* What stands up to a place, without the blanks at its end. */
static char *text_up_to(reader *r, const char *from, const char *end)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	while (end > from && strchr(" \t\r\n", end[-1]) != NULL)
		end--;
	pythia_buffer_append(&text, from, (size_t) (end - from));
	return pythia_texts_take(r->texts, &text);
}

/* ( … ), whose inside is the result; NULL where there is none. */
static char *take_parentheses(reader *r)
{
	const char *from = r->text.token.text + 1;
	int depth = r->text.depth;

	if (!at(r, "("))
		return NULL;
	do
		next(r);
	while (!ended(r) && !(r->text.depth == depth + 1 && at(r, ")")));
	if (!at(r, ")"))
		return NULL;
	{
		char *text = text_up_to(r, from, r->text.token.text);

		next(r);
		return text;
	}
}

/* What the next REFERENCES, in the order of the text, says beyond the pragma. */
static void take_references(reader *r, pythia_catalog_table *table, const char *constraint, int *foreign)
{
	/* the pragma tells them last one first */
	int index = table->nforeigns - 1 - *foreign;
	pythia_catalog_foreign *f = index >= 0 ? &table->foreigns[index] : NULL;
	bool not = false;

	(*foreign)++;
	if (f != NULL)
		f->name = pythia_texts_keep(r->texts, constraint);
	take_name(r);
	if (at(r, "("))
		take_parentheses(r);
	for (;;)
	{
		if (take(r, "ON"))
		{
			next(r);
			if (take(r, "SET"))
				next(r);
			else if (take(r, "NO"))
				next(r);
			else
				next(r);
		}
		else if (take(r, "MATCH"))
			next(r);
		else if (take(r, "NOT"))
		{
			not = true;
			/* NOT NULL of the column, it may be */
			if (!at(r, "DEFERRABLE"))
				break;
		}
		else if (take(r, "DEFERRABLE"))
		{
			if (f != NULL)
				f->deferrable = !not ;
			not = false;
			if (take(r, "INITIALLY"))
			{
				if (f != NULL)
					f->deferred = f->deferrable && at(r, "DEFERRED");
				next(r);
			}
		}
		else
			break;
	}
}

/* A column, or a constraint of the table, up to the comma or parenthesis behind it. */
static void read_item(reader *r, pythia_catalog_table *table, int *foreign)
{
	pythia_catalog_column *column = NULL;
	char *constraint = NULL;

	if (pythia_create_text_at_column(&r->text))
	{
		int position = pythia_table_column(&table->table, take_name(r));

		column = position >= 0 ? &table->columns[position] : NULL;
	}
	while (!pythia_create_text_at_comma(&r->text))
	{
		if (r->text.depth > 1)
			next(r);
		else if (take(r, "CONSTRAINT"))
			constraint = take_name(r);
		else if (take(r, "CHECK"))
		{
			char *expression = take_parentheses(r);
			pythia_catalog_check *check = expression != NULL ? pythia_catalog_add_check(table) : NULL;

			if (check != NULL)
			{
				check->name = constraint;
				check->expression = expression;
			}
			constraint = NULL;
		}
		else if (take(r, "REFERENCES"))
		{
			take_references(r, table, constraint, foreign);
			constraint = NULL;
		}
		else if (take(r, "AUTOINCREMENT"))
			table->autoincrement = true;
		else if (take(r, "COLLATE"))
		{
			char *collation = take_name(r);

			if (column != NULL && strcasecmp(collation, "BINARY") != 0)
				column->collation = collation;
		}
		else if (column != NULL && take(r, "AS"))
		{
			column->generated = take_parentheses(r);
			column->stored = at(r, "STORED");
		}
		else
			next(r);
	}
}

void pythia_catalog_sqlite_table(pythia_catalog *catalog, pythia_catalog_table *table, const char *sql)
{
	reader r = {.texts = &catalog->texts};
	int foreign = 0;

	if (!pythia_create_text_table(&r.text, sql))
		return;
	while (!ended(&r) && r.text.depth == 1)
	{
		read_item(&r, table, &foreign);
		if (!take(&r, ","))
			break;
	}
}

/* One of an index's columns up to the comma: the expression, without COLLATE, ASC and DESC at its end. */
static char *read_part(reader *r)
{
	const char *from = r->text.token.text;
	const char *end = from;
	bool collate = false;

	while (!pythia_create_text_at_comma(&r->text))
	{
		bool mark = r->text.depth == 1 && (at(r, "COLLATE") || at(r, "ASC") || at(r, "DESC"));

		collate = collate || mark;
		if (!collate)
			end = r->text.token.text + r->text.token.length;
		next(r);
	}
	return text_up_to(r, from, end);
}

void pythia_catalog_sqlite_index(pythia_catalog *catalog, pythia_catalog_index *index, const char *sql)
{
	reader r = {.texts = &catalog->texts};

	pythia_create_text_open(&r.text, sql);
	/* CREATE [UNIQUE] INDEX [IF NOT EXISTS] [schema.]name ON table ( … ) */
	while (!ended(&r) && !at(&r, "("))
		next(&r);
	next(&r);
	for (int i = 0; !ended(&r) && r.text.depth == 1; i++)
	{
		char *text = read_part(&r);

		if (i < index->nparts && index->parts[i].column == NULL)
			index->parts[i].expression = text;
		if (!take(&r, ","))
			break;
	}
	if (!take(&r, ")") || !at(&r, "WHERE"))
		return;
	{
		const char *from = r.text.token.text + r.text.token.length;

		while (!ended(&r))
			next(&r);
		index->where = text_up_to(&r, from + strspn(from, " \t\r\n"), r.text.token.text);
	}
}

/* --- the pragmas ------------------------------------------------------------------------------ */

static void literal(pythia_buffer *out, const char *text)
{
	pythia_dialect_for(PYTHIA_SQLITE)->literal(out, text, strlen(text));
}

static void from_pragma(pythia_buffer *out, const char *pragma, const pythia_table *table)
{
	pythia_buffer_printf(out, " FROM pragma_%s(", pragma);
	literal(out, table->name);
	pythia_buffer_puts(out, ", ");
	literal(out, table->schema);
	pythia_buffer_puts(out, ")");
}

static void master(pythia_buffer *out, const char *schema)
{
	pythia_dialect_for(PYTHIA_SQLITE)->identifier(out, schema);
	pythia_buffer_puts(out, ".sqlite_master");
}

static bool read_indexes(pythia_db *db, pythia_catalog *catalog, pythia_catalog_table *table, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	pythia_catalog_index *index = NULL;
	bool ok;

	memset(&result, 0, sizeof(result));
	pythia_buffer_puts(&sql, "SELECT l.name, l.\"unique\", l.origin, l.partial, x.cid, x.name, x.\"desc\", x.coll,"
							 " (SELECT m.sql FROM ");
	master(&sql, table->table.schema);
	pythia_buffer_puts(&sql, " AS m WHERE m.type = 'index' AND m.name = l.name)");
	from_pragma(&sql, "index_list", &table->table);
	pythia_buffer_puts(&sql, " AS l JOIN pragma_index_xinfo(l.name, ");
	literal(&sql, table->table.schema);
	pythia_buffer_puts(&sql, ") AS x WHERE x.key ORDER BY l.seq DESC, x.seqno");
	ok = pythia_db_query(db, sql.data, "tbtbnTbTT", &result, error);
	for (int64_t i = 0; ok && i < result.nrows; i++)
	{
		const char *name = pythia_result_text(&result, i, 0);
		const char *origin = pythia_result_text(&result, i, 2);
		const char *collation = pythia_result_optional(&result, i, 7);
		pythia_catalog_part *part;

		if (i == 0 || strcmp(pythia_result_text(&result, i - 1, 0), name) != 0)
		{
			index = pythia_catalog_add_index(table);
			index->name = pythia_texts_keep(&catalog->texts, name);
			index->unique = pythia_result_true(&result, i, 1);
			index->primary = strcmp(origin, "pk") == 0;
			index->constraint = strcmp(origin, "c") != 0;
			index->method = pythia_texts_keep(&catalog->texts, "btree");
		}
		part = pythia_catalog_add_part(index);
		if (pythia_result_number(&result, i, 4) >= 0)
			part->column = pythia_texts_keep(&catalog->texts, pythia_result_optional(&result, i, 5));
		part->descending = pythia_result_true(&result, i, 6);
		if (collation != NULL)
		{
			pythia_catalog_column *column = part->column != NULL ? pythia_catalog_column_of(table, part->column) : NULL;
			const char *usual = column != NULL && column->collation != NULL ? column->collation : "BINARY";

			if (strcasecmp(collation, usual) != 0)
				part->collation = pythia_texts_keep(&catalog->texts, collation);
		}
	}
	for (int k = 0; ok && k < table->nindexes; k++)
	{
		for (int64_t i = 0; i < result.nrows; i++)
		{
			const char *text = pythia_result_optional(&result, i, 8);

			if (text == NULL || strcmp(pythia_result_text(&result, i, 0), table->indexes[k].name) != 0)
				continue;
			pythia_catalog_sqlite_index(catalog, &table->indexes[k], text);
			/* a condition that was not found is no condition that may be left out */
			if (pythia_result_true(&result, i, 3) && table->indexes[k].where == NULL)
				table->indexes[k].odd = pythia_texts_keep(&catalog->texts, "a condition that cannot be read");
			break;
		}
	}
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	return ok;
}

static bool read_foreigns(pythia_db *db, pythia_catalog *catalog, pythia_catalog_table *table, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	pythia_catalog_foreign *foreign = NULL;
	bool ok;

	memset(&result, 0, sizeof(result));
	pythia_buffer_puts(&sql, "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete");
	from_pragma(&sql, "foreign_key_list", &table->table);
	pythia_buffer_puts(&sql, " ORDER BY id, seq");
	ok = pythia_db_query(db, sql.data, "nttTtt", &result, error);
	for (int64_t i = 0; ok && i < result.nrows; i++)
	{
		if (i == 0 || pythia_result_number(&result, i, 0) != pythia_result_number(&result, i - 1, 0))
		{
			foreign = pythia_catalog_add_foreign(table);
			foreign->to_schema = table->table.schema;
			foreign->to_table = pythia_texts_keep(&catalog->texts, pythia_result_text(&result, i, 1));
			foreign->on_update = pythia_texts_keep(&catalog->texts, pythia_result_text(&result, i, 4));
			foreign->on_delete = pythia_texts_keep(&catalog->texts, pythia_result_text(&result, i, 5));
		}
		pythia_catalog_add_pair(foreign, pythia_texts_keep(&catalog->texts, pythia_result_text(&result, i, 2)),
								pythia_texts_keep(&catalog->texts, pythia_result_optional(&result, i, 3)));
	}
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	return ok;
}

static bool read_table(pythia_db *db, pythia_catalog *catalog, pythia_catalog_table *table, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *definition = NULL;
	bool there = false;
	bool ok;

	ok = read_foreigns(db, catalog, table, error);
	pythia_buffer_puts(&sql, "SELECT sql FROM ");
	master(&sql, table->table.schema);
	pythia_buffer_puts(&sql, " WHERE type = 'table' AND name = ");
	literal(&sql, table->table.name);
	ok = ok && pythia_db_text(db, sql.data, &definition, error);
	if (ok && definition != NULL)
		pythia_catalog_sqlite_table(catalog, table, definition);
	ok = ok && read_indexes(db, catalog, table, error);
	for (int i = 0; ok && i < 2; i++)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_puts(&sql, "SELECT 1 FROM pragma_table_list(");
		literal(&sql, table->table.name);
		pythia_buffer_puts(&sql, ") WHERE schema = ");
		literal(&sql, table->table.schema);
		pythia_buffer_printf(&sql, " COLLATE NOCASE AND %s", i == 0 ? "strict" : "wr");
		ok = pythia_db_any(db, sql.data, &there, error);
		if (i == 0)
			table->strict = there;
		else
			table->without_rowid = there;
	}
	if (ok && table->autoincrement)
	{
		pythia_catalog_sequence *sequence = pythia_catalog_add_sequence(catalog);
		char *last = NULL;

		pythia_buffer_clear(&sql);
		pythia_buffer_puts(&sql, "SELECT CAST(seq AS INTEGER) FROM ");
		pythia_dialect_for(PYTHIA_SQLITE)->identifier(&sql, table->table.schema);
		pythia_buffer_puts(&sql, ".sqlite_sequence WHERE name = ");
		literal(&sql, table->table.name);
		ok = pythia_db_text(db, sql.data, &last, error);
		sequence->table_schema = table->table.schema;
		sequence->table = table->table.name;
		if (table->table.nkey > 0)
			sequence->column = table->table.columns[table->table.key[0]].name;
		sequence->last = pythia_texts_keep(&catalog->texts, last);
		sequence->called = last != NULL;
		pythia_free(last);
	}
	pythia_free(definition);
	pythia_buffer_free(&sql);
	return ok;
}

/* CREATE VIEW name [(columns)] AS select: the select; NULL where its columns have other names. */
static char *select_of(pythia_catalog *catalog, const char *sql)
{
	reader r = {.texts = &catalog->texts};

	pythia_create_text_open(&r.text, sql);
	if (!take(&r, "CREATE"))
		return NULL;
	while (!ended(&r) && !at(&r, "AS"))
	{
		if (at(&r, "("))
			return NULL;
		next(&r);
	}
	return at(&r, "AS") ? pythia_texts_keep(&catalog->texts, r.text.token.text + r.text.token.length) : NULL;
}

static bool read_views(pythia_db *db, pythia_catalog *catalog, const char *schema, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	memset(&result, 0, sizeof(result));
	pythia_buffer_puts(&sql, "SELECT type, name, sql FROM ");
	master(&sql, schema);
	pythia_buffer_puts(&sql, " WHERE (type = 'view' OR (type = 'table' AND sql LIKE 'CREATE VIRTUAL%'))"
							 " AND name NOT LIKE 'pythia\\_%' ESCAPE '\\' ORDER BY rowid");
	ok = pythia_db_query(db, sql.data, "ttT", &result, error);
	for (int64_t i = 0; ok && i < result.nrows; i++)
	{
		if (strcmp(pythia_result_text(&result, i, 0), "view") != 0)
		{
			pythia_catalog_other *other = pythia_catalog_add_other(catalog);

			other->what = pythia_texts_keep(&catalog->texts, "virtual table");
			other->name = pythia_texts_keep(&catalog->texts, pythia_result_text(&result, i, 1));
		}
		else
		{
			pythia_catalog_view *view = pythia_catalog_add_view(catalog);

			view->schema = pythia_texts_keep(&catalog->texts, schema);
			view->name = pythia_texts_keep(&catalog->texts, pythia_result_text(&result, i, 1));
			view->definition = select_of(
				catalog, pythia_result_optional(&result, i, 2) != NULL ? pythia_result_optional(&result, i, 2) : "");
		}
	}
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_catalog_sqlite(pythia_db *db, pythia_catalog *catalog, pythia_error *error)
{
	bool ok = true;

	for (int i = 0; ok && i < catalog->ntables; i++)
		ok = read_table(db, catalog, &catalog->tables[i], error);
	for (int i = 0; ok && i < catalog->nschemas; i++)
		ok = read_views(db, catalog, catalog->schemas[i], error);
	return ok;
}
