/*
 * Where a copy goes on: the order in which a source hands out its rows, and the place of a row in it.  The key's text
 * does not always tell the place: in SQLite a number, a text and bytes may read alike, and MySQL orders an ENUM and a
 * SET by their numbers.  Then the query has the key once more, as last columns, in a form that does.
 */
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"

static const pythia_column *key_column(const pythia_plan *plan, int i)
{
	return pythia_pair_source(plan, plan->key[i]);
}

/* Does the text of a key's column leave its place open? */
static bool tells_no_place(const pythia_column *column, pythia_engine source)
{
	pythia_kind kind = column->type.kind;

	switch (source)
	{
		case PYTHIA_SQLITE:
			/* a rowid is an integer */
			return !column->identity && kind != PYTHIA_KIND_STORED;
		case PYTHIA_MYSQL:
			return kind == PYTHIA_KIND_ENUM || kind == PYTHIA_KIND_SET;
		default:
			return false;
	}
}

bool pythia_place_is_extra(const pythia_plan *plan, pythia_engine source)
{
	for (int i = 0; i < plan->nkey; i++)
	{
		if (tells_no_place(key_column(plan, i), source))
			return true;
	}
	return false;
}

const pythia_type *pythia_place_type(const pythia_run *run, int i)
{
	static const pythia_type stored = {.kind = PYTHIA_KIND_STORED, .precision = -1, .length = -1};
	static const pythia_type number = {.kind = PYTHIA_KIND_UINT, .size = 8, .is_unsigned = true};
	const pythia_column *column = key_column(&run->plan, i);

	if (!tells_no_place(column, run->source->engine))
		return &column->type;
	return run->source->engine == PYTHIA_SQLITE ? &stored : &number;
}

void pythia_place_read(const pythia_run *run, int i, const char *alias, const char *name, pythia_buffer *out)
{
	pythia_column column = *key_column(&run->plan, i);
	bool number = tells_no_place(&column, run->source->engine) && run->source->engine == PYTHIA_MYSQL;

	column.type = *pythia_place_type(run, i);
	if (name != NULL)
		column.name = (char *) name;
	pythia_buffer_puts(out, number ? "CAST(" : "");
	pythia_dialect_of(run->source)->read_expression(run->source, out, alias, &column);
	pythia_buffer_puts(out, number ? " AS UNSIGNED)" : "");
}

/* --- the order ------------------------------------------------------------------ */

/* Is it a text whose equality may take others for the same? */
static bool has_collation(const pythia_type *type)
{
	return type->kind == PYTHIA_KIND_TEXT || (type->kind == PYTHIA_KIND_CHAR && strcmp(type->native, "\"char\"") != 0);
}

static bool is_citext(const pythia_type *type)
{
	return type->native != NULL && strstr(type->native, "citext") != NULL;
}

/* Of a key that somebody named and no index holds, rows that are one to the collation are different ones: bytes tell them
 * apart. */
static void put_by_bytes(const pythia_run *run, const pythia_type *type, const char *subject, pythia_buffer *out)
{
	switch (run->source->engine)
	{
		case PYTHIA_POSTGRESQL:
			if (has_collation(type))
				pythia_buffer_printf(out, "%s COLLATE pg_catalog.\"C\"", subject);
			else if (is_citext(type))
				pythia_buffer_printf(out, "%s::pg_catalog.text COLLATE pg_catalog.\"C\"", subject);
			else
				pythia_buffer_puts(out, subject);
			break;
		case PYTHIA_MYSQL:
			if (has_collation(type))
				pythia_buffer_printf(out, "CAST(CONVERT(%s USING utf8mb4) AS BINARY)", subject);
			else
				pythia_buffer_puts(out, subject);
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_puts(out, subject);
			break;
	}
}

void pythia_place_order(const pythia_run *run, int i, pythia_buffer *out)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->source);
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	dialect->identifier(&name, key_column(&run->plan, i)->name);
	if (run->way.by_bytes)
		put_by_bytes(run, &key_column(&run->plan, i)->type, name.data, out);
	else
		pythia_buffer_puts(out, name.data);
	if (run->collations != NULL)
	{
		pythia_buffer_puts(out, " COLLATE ");
		dialect->identifier(out, run->collations[i]);
	}
	pythia_buffer_free(&name);
}

bool pythia_place_literal(const pythia_run *run, int i, const char *value, pythia_buffer *out, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->source);
	pythia_buffer literal = PYTHIA_BUFFER_INIT;
	bool ok = dialect->value_literal(run->source, &literal, pythia_place_type(run, i), value, strlen(value));

	if (ok && run->way.by_bytes)
		put_by_bytes(run, &key_column(&run->plan, i)->type, literal.data, out);
	else if (ok)
		pythia_buffer_puts(out, literal.data);
	pythia_buffer_free(&literal);
	if (ok)
		return true;
	pythia_fail(error, PYTHIA_E_DATA, "22P02", "\"%.100s\" is no value of key column \"%s\" of table \"%s\"", value,
				key_column(&run->plan, i)->name, run->plan.source.name);
	return pythia_error_hint(
		error, "Begin anew, with another state or with \"mode\" set to \"full\", where a checkpoint is damaged.");
}

/* Whether a column may have another collation than BINARY: that of a view's is nobody's to see. */
static bool may_have_collations(const pythia_run *run, bool *may, pythia_error *error)
{
	const pythia_table *table = &run->plan.source;
	const pythia_dialect *dialect = pythia_dialect_of(run->source);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	*may = table->relation == PYTHIA_RELATION_VIEW;
	if (*may)
		return true;
	pythia_buffer_puts(&sql, "SELECT 1 FROM ");
	dialect->identifier(&sql, table->schema);
	pythia_buffer_puts(&sql, ".sqlite_master WHERE type = 'table' AND sql LIKE '%collate%' AND name = ");
	dialect->literal(&sql, table->name, strlen(table->name));
	pythia_buffer_puts(&sql, " COLLATE NOCASE LIMIT 1");
	ok = pythia_db_any(run->source, sql.data, may, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* The collations of a unique index over nothing but key columns, the widest: column and collation. */
static void index_collations_query(const pythia_run *run, pythia_buffer *out)
{
	const pythia_table *table = &run->plan.source;
	const pythia_dialect *dialect = pythia_dialect_of(run->source);

	pythia_buffer_puts(out, "SELECT x.name, x.coll FROM (SELECT l.name FROM pragma_index_list(");
	dialect->literal(out, table->name, strlen(table->name));
	pythia_buffer_puts(out, ", ");
	dialect->literal(out, table->schema, strlen(table->schema));
	pythia_buffer_puts(out, ") AS l JOIN pragma_index_xinfo(l.name, ");
	dialect->literal(out, table->schema, strlen(table->schema));
	pythia_buffer_puts(
		out, ") AS k WHERE l.\"unique\" AND NOT l.partial AND k.key GROUP BY l.name HAVING min(ifnull(k.name IN (");
	for (int i = 0; i < run->plan.nkey; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		dialect->literal(out, key_column(&run->plan, i)->name, strlen(key_column(&run->plan, i)->name));
	}
	pythia_buffer_puts(out, "), 0)) ORDER BY count(*) DESC, l.origin <> 'pk', l.name LIMIT 1) AS i"
							" JOIN pragma_index_xinfo(i.name, ");
	dialect->literal(out, table->schema, strlen(table->schema));
	pythia_buffer_puts(out, ") AS x WHERE x.key");
}

static bool look_at_collations(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	memset(&result, 0, sizeof(result));
	index_collations_query(run, &sql);
	ok = pythia_db_query(run->source, sql.data, "tt", &result, error);
	if (ok)
		run->collations = pythia_calloc((size_t) run->plan.nkey, sizeof(char *));
	for (int i = 0; ok && i < run->plan.nkey; i++)
	{
		const char *collation = "BINARY";

		for (int64_t row = 0; row < result.nrows; row++)
		{
			if (strcmp(pythia_result_text(&result, row, 0), key_column(&run->plan, i)->name) == 0)
				collation = pythia_result_text(&result, row, 1);
		}
		run->collations[i] = pythia_strdup(collation);
	}
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_place_begin(pythia_run *run, pythia_error *error)
{
	bool may = false;

	if (run->plan.nkey == 0)
		return true;
	run->way.by_bytes = !pythia_plan_key_constrained(&run->plan, true);
	if (run->source->engine != PYTHIA_SQLITE || (run->plan.nkey == 1 && key_column(&run->plan, 0)->identity))
		return true;
	return may_have_collations(run, &may, error) && (!may || look_at_collations(run, error));
}

/* --- the place -------------------------------------------------------------------- */

/* The part of a row that tells its place: what comes before, or behind, may be large. */
static pythia_rows place_of(const pythia_run *run, const char *row, size_t length)
{
	pythia_rows place = {.data = row, .length = length, .count = 1};
	const char *end = row;
	int last = 0;

	if (run->plan.extra_place)
	{
		/* a tab within a value is escaped */
		const char *at = row + length;

		for (int tabs = 0; at > row && tabs < run->plan.nkey; at -= tabs < run->plan.nkey)
			tabs += at[-1] == '\t';
		place.data = at;
		place.length = (size_t) (row + length - at);
		return place;
	}
	for (int i = 0; i < run->plan.nkey; i++)
		last = run->plan.key[i] > last ? run->plan.key[i] : last;
	for (int i = 0; i <= last && end != NULL; i++)
		end = memchr(i > 0 ? end + 1 : end, '\t', length - (size_t) (end + (i > 0) - row));
	if (end != NULL)
		place.length = (size_t) (end - row);
	return place;
}

void pythia_place_remember(pythia_run *run, const pythia_rows *chunk)
{
	const char *start = chunk->data + chunk->length - 1; /* the last row's newline */
	pythia_rows_reader reader;
	pythia_rows place;

	/* a newline within a value is escaped, so the one before is the end of the row before */
	while (start > chunk->data && start[-1] != '\n')
		start--;
	place = place_of(run, start, (size_t) (chunk->data + chunk->length - start));
	memset(&reader, 0, sizeof(reader));
	pythia_rows_open(&reader, &place);
	run->state.placeless = !pythia_rows_next(&reader);
	for (int i = 0; i < run->plan.nkey; i++)
		run->state.placeless =
			run->state.placeless || reader.fields[run->plan.extra_place ? i : run->plan.key[i]].value == NULL;
	if (run->seen == NULL && !run->state.placeless)
		run->seen = pythia_calloc((size_t) run->plan.nkey, sizeof(char *));
	for (int i = 0; !run->state.placeless && i < run->plan.nkey; i++)
	{
		pythia_free(run->seen[i]);
		run->seen[i] = pythia_strdup(reader.fields[run->plan.extra_place ? i : run->plan.key[i]].value);
	}
	pythia_rows_close(&reader);
}
