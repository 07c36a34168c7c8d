/* Secondary indexes, and unique constraints: made when the rows are there. */
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/visible.h"
#include "dialect/token_cursor.h"
#include "migrate/planner.h"

/* An index on its way. */
typedef struct making
{
	planner *p;
	const planned_table *table;
	const pythia_catalog_index *index;
	pythia_buffer parts;
	pythia_buffer included;
	pythia_buffer where;
	pythia_buffer changes; /* what is not as it was, in words */
	const char *method;
	const char *why; /* it cannot be made */
} making;

static void changed(making *m, const char *words)
{
	/* of one part after another */
	if (strstr(pythia_buffer_text(&m->changes), words) == NULL)
		pythia_buffer_printf(&m->changes, "%s%s", m->changes.length > 0 ? "; " : "", words);
}

static const pythia_column *source_column(const making *m, const char *name)
{
	int column = pythia_table_column(&m->table->from->table, name);

	return column >= 0 ? &m->table->from->table.columns[column] : NULL;
}

static bool keeps_descending(const pythia_db *target)
{
	return target->engine != PYTHIA_MYSQL || target->version >= (target->is_mariadb ? 100800 : 80001);
}

/* A part of a text: left(column, n). */
static bool put_part_of(making *m, const pythia_catalog_part *part, const char *column)
{
	const pythia_column *from = source_column(m, part->column);
	bool bytes = from != NULL && from->type.kind == PYTHIA_KIND_BYTES;

	if (planner_to(m->p, PYTHIA_MYSQL))
	{
		planner_put_name(m->p, column, &m->parts);
		pythia_buffer_printf(&m->parts, "(%lld)", (long long) part->prefix);
		return true;
	}
	pythia_buffer_puts(&m->parts, planner_to(m->p, PYTHIA_SQLITE) ? "substr("
								  : bytes                         ? "pg_catalog.substr("
																  : "pg_catalog.\"left\"(");
	planner_put_name(m->p, column, &m->parts);
	if (planner_to(m->p, PYTHIA_POSTGRESQL) && !bytes)
		pythia_buffer_puts(&m->parts, "::pg_catalog.text");
	pythia_buffer_printf(&m->parts, planner_to(m->p, PYTHIA_SQLITE) || bytes ? ", 1, %lld)" : ", %lld)",
						 (long long) part->prefix);
	changed(m, "a part of a column is an expression there");
	return true;
}

/* MySQL takes a long text by its beginning alone. */
static int64_t prefix_there(making *m, const char *column)
{
	int position = pythia_table_column(&m->table->design, column);
	int columns[1] = {position};
	pythia_index whole = {.columns = columns, .ncolumns = m->index->nparts > 16 ? 16 : m->index->nparts};
	int all[16];

	if (!planner_to(m->p, PYTHIA_MYSQL) || position < 0 || m->index->unique || strcmp(m->method, "btree") != 0)
		return 0;
	/* its share of the room, were all the others as long */
	for (int i = 0; i < whole.ncolumns; i++)
		all[i] = position;
	for (int i = 0; i < whole.ncolumns; i++)
	{
		const char *other =
			m->index->parts[i].column != NULL ? planner_column(m->table, m->index->parts[i].column) : NULL;
		int at = other != NULL ? pythia_table_column(&m->table->design, other) : -1;

		all[i] = at >= 0 ? at : position;
	}
	whole.columns = all;
	return pythia_index_prefix(&m->table->design, &whole, &m->table->design.columns[position].type);
}

static bool put_column(making *m, const pythia_catalog_part *part)
{
	const char *column = planner_column(m->table, part->column);
	int64_t prefix;

	if (column == NULL)
	{
		m->why = "one of its columns is not carried";
		return false;
	}
	if (part->prefix > 0)
		return put_part_of(m, part, column);
	prefix = prefix_there(m, column);
	planner_put_name(m->p, column, &m->parts);
	if (prefix > 0)
	{
		pythia_buffer_printf(&m->parts, "(%lld)", (long long) prefix);
		changed(m, "it takes the beginning of long texts");
	}
	return true;
}

static bool put_expression(making *m, const pythia_catalog_part *part)
{
	if (planner_to(m->p, PYTHIA_MYSQL) && (m->p->target->is_mariadb || m->p->target->version < 80013))
	{
		m->why = "the target has no indexes over expressions";
		return false;
	}
	pythia_buffer_putc(&m->parts, '(');
	if (part->expression == NULL ||
		!planner_expression(m->p, m->table, part->expression, false, &m->parts, NULL, &m->why))
	{
		m->why = m->why != NULL ? m->why : "its expression is not shown";
		return false;
	}
	pythia_buffer_putc(&m->parts, ')');
	return true;
}

static bool put_collation(making *m, const pythia_catalog_part *part)
{
	static const char *const known[] = {"NOCASE", "RTRIM", "BINARY", "C", "POSIX", "ucs_basic"};
	bool same = planner_same_engine(m->p) && !planner_to(m->p, PYTHIA_MYSQL);

	if (part->collation == NULL)
		return true;
	for (size_t i = 0; same && i < sizeof(known) / sizeof(known[0]); i++)
	{
		if (strcasecmp(part->collation, known[i]) != 0 || (i < 3) != planner_to(m->p, PYTHIA_SQLITE))
			continue;
		pythia_buffer_puts(&m->parts, planner_to(m->p, PYTHIA_POSTGRESQL) ? " COLLATE pg_catalog." : " COLLATE ");
		planner_put_name(m->p, known[i], &m->parts);
		return true;
	}
	if (m->index->unique)
	{
		m->why = "its collation says which texts are the same, and the target's does not say so";
		return false;
	}
	changed(m, "it has the column's own collation");
	return true;
}

static bool put_part(making *m, const pythia_catalog_part *part)
{
	const planner *p = m->p;
	bool postgres = planner_same_engine(p) && planner_to(p, PYTHIA_POSTGRESQL);
	bool ordinary = strcmp(m->method, "btree") == 0;

	if (m->parts.length > 0)
		pythia_buffer_puts(&m->parts, ", ");
	if (!(part->column != NULL ? put_column(m, part) : put_expression(m, part)) || !put_collation(m, part))
		return false;
	if (part->opclass != NULL && postgres)
	{
		pythia_buffer_puts(&m->parts, " pg_catalog.");
		planner_put_name(p, part->opclass, &m->parts);
	}
	else if (part->opclass != NULL)
		changed(m, "it has no operator class there");
	if (part->descending && ordinary)
	{
		if (keeps_descending(p->target))
			pythia_buffer_puts(&m->parts, " DESC");
		else
			changed(m, "it does not descend there");
	}
	if (part->excluded != NULL)
		pythia_buffer_printf(&m->parts, " WITH OPERATOR(pg_catalog.%s)", part->excluded);
	/* each engine has its own place for NULL */
	else if (postgres && ordinary && part->nulls_first != part->descending)
		pythia_buffer_puts(&m->parts, part->nulls_first ? " NULLS FIRST" : " NULLS LAST");
	else if (!planner_same_engine(p) && p->source->engine == PYTHIA_POSTGRESQL && part->nulls_first != part->descending)
		changed(m, "NULL has its usual place there");
	return true;
}

/* to_tsvector('…', column): the column, or NULL. */
static const char *searched_column(const making *m, const pythia_catalog_part *part)
{
	pythia_tokens cursor;
	const char *found = NULL;

	if (part->expression == NULL)
		return NULL;
	pythia_tokens_open(&cursor, PYTHIA_POSTGRESQL, part->expression);
	if (pythia_tokens_take(&cursor, "to_tsvector") && pythia_tokens_take(&cursor, "("))
	{
		/* the configuration */
		if (cursor.token.kind == PYTHIA_TOKEN_STRING)
			while (cursor.token.kind != PYTHIA_TOKEN_END && cursor.token.kind != PYTHIA_TOKEN_REFUSED &&
				   !pythia_tokens_take(&cursor, ","))
				pythia_tokens_next(&cursor);
		while (pythia_tokens_take(&cursor, "("))
			;
		if (cursor.token.kind == PYTHIA_TOKEN_NAME || cursor.token.kind == PYTHIA_TOKEN_QUOTED)
		{
			pythia_buffer name = PYTHIA_BUFFER_INIT;

			if (cursor.token.kind == PYTHIA_TOKEN_QUOTED)
				pythia_buffer_puts(&name, pythia_buffer_text(&cursor.value));
			else
				pythia_buffer_append(&name, cursor.token.text, cursor.token.length);
			pythia_tokens_next(&cursor);
			/* nothing but casts and parentheses may follow */
			while (pythia_tokens_take(&cursor, ")") ||
				   (pythia_tokens_take(&cursor, "::") && pythia_tokens_take(&cursor, "text")))
				;
			if (cursor.token.kind == PYTHIA_TOKEN_END)
				found = planner_column(m->table, pythia_buffer_text(&name));
			pythia_buffer_free(&name);
		}
	}
	pythia_tokens_close(&cursor);
	return found;
}

/* The words of texts: FULLTEXT, or GIN over to_tsvector. */
static bool put_fulltext(making *m)
{
	const pythia_catalog_index *index = m->index;
	bool mysql = planner_to(m->p, PYTHIA_MYSQL);

	if (planner_to(m->p, PYTHIA_SQLITE))
	{
		m->why = "SQLite searches texts in tables of their own (FTS5)";
		return false;
	}
	if (!mysql)
		pythia_buffer_puts(&m->parts, "pg_catalog.to_tsvector('pg_catalog.simple'::pg_catalog.regconfig, ");
	for (int i = 0; i < index->nparts; i++)
	{
		const char *column = index->parts[i].column != NULL ? planner_column(m->table, index->parts[i].column)
															: searched_column(m, &index->parts[i]);

		if (column == NULL)
		{
			m->why = "one of its columns is not carried";
			return false;
		}
		pythia_buffer_puts(&m->parts, i == 0 ? "" : mysql ? ", " : " || ' ' || ");
		if (!mysql)
			pythia_buffer_puts(&m->parts, "COALESCE(");
		planner_put_name(m->p, column, &m->parts);
		if (!mysql)
			pythia_buffer_puts(&m->parts, "::pg_catalog.text, '')");
	}
	if (!mysql)
		pythia_buffer_putc(&m->parts, ')');
	m->method = mysql ? "fulltext" : "gin";
	if (!planner_same_engine(m->p))
		changed(m, mysql ? "it is a FULLTEXT index, and queries have to say MATCH … AGAINST"
						 : "it is a GIN index over to_tsvector('simple', …), and queries have to say @@");
	return true;
}

/* Is it an index of PostgreSQL's over the words of a text? */
static bool searches(const making *m)
{
	if (strcmp(m->index->method, "gin") != 0 || m->index->where != NULL)
		return false;
	for (int i = 0; i < m->index->nparts; i++)
		if (searched_column(m, &m->index->parts[i]) == NULL)
			return false;
	return true;
}

/* What of the kind of index the target has; *done: its parts are written. */
static bool choose_method(making *m, bool *done)
{
	const char *method = m->index->method;
	bool same = planner_same_engine(m->p);

	*done = false;
	m->method = "btree";
	if (m->index->odd != NULL && m->index->nparts > 0)
	{
		m->why = m->index->odd;
		return false;
	}
	if (m->index->exclusion && !(same && m->p->source->engine == PYTHIA_POSTGRESQL))
	{
		m->why = "the target has none";
		return false;
	}
	if (strcmp(method, "btree") == 0)
		return true;
	if (same)
		m->method = method;
	if (strcmp(method, "fulltext") == 0 || (!same && planner_to(m->p, PYTHIA_MYSQL) && searches(m)))
	{
		*done = true;
		return put_fulltext(m);
	}
	if (same && m->p->source->engine == PYTHIA_POSTGRESQL)
	{
		static const char *const own[] = {"hash", "gin", "gist", "spgist", "brin"};

		for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			if (strcmp(method, own[i]) == 0)
				return true;
		m->why = "its method is an extension's";
		return false;
	}
	if (same)
		return true;
	if (strcmp(method, "hash") == 0)
	{
		changed(m, "it is an ordinary one there");
		return true;
	}
	m->why = "the target has no index of its kind";
	return false;
}

static bool put_where(making *m)
{
	if (m->index->where == NULL)
		return true;
	if (planner_to(m->p, PYTHIA_MYSQL))
	{
		if (m->index->unique)
		{
			m->why = "the target has no partial indexes, and over all rows it would refuse some";
			return false;
		}
		changed(m, "it is over all rows, as the target has no partial indexes");
		return true;
	}
	return planner_expression(m->p, m->table, m->index->where, true, &m->where, NULL, &m->why);
}

static bool put_all_parts(making *m)
{
	const pythia_catalog_index *index = m->index;

	for (int i = 0; i < index->nparts; i++)
	{
		const char *column;

		if (!index->parts[i].included)
		{
			if (!put_part(m, &index->parts[i]))
				return false;
			continue;
		}
		column = index->parts[i].column != NULL ? planner_column(m->table, index->parts[i].column) : NULL;
		if (!planner_to(m->p, PYTHIA_POSTGRESQL) || column == NULL)
		{
			changed(m, "it has no INCLUDE there");
			continue;
		}
		pythia_buffer_puts(&m->included, m->included.length > 0 ? ", " : "");
		planner_put_name(m->p, column, &m->included);
	}
	return true;
}

static void put_constraint(making *m, const char *name, pythia_buffer *sql)
{
	pythia_buffer_puts(sql, "ALTER TABLE ");
	planner_put_table(m->p, m->table, sql);
	pythia_buffer_puts(sql, " ADD CONSTRAINT ");
	planner_put_name(m->p, name, sql);
	if (m->index->exclusion)
		pythia_buffer_printf(sql, " EXCLUDE USING %s (%s)", m->method, pythia_buffer_text(&m->parts));
	else
		pythia_buffer_printf(sql, " UNIQUE%s (%s)", m->index->nulls_not_distinct ? " NULLS NOT DISTINCT" : "",
							 pythia_buffer_text(&m->parts));
	if (m->included.length > 0)
		pythia_buffer_printf(sql, " INCLUDE (%s)", m->included.data);
	if (m->index->exclusion && m->where.length > 0)
		pythia_buffer_printf(sql, " WHERE (%s)", m->where.data);
	if (m->index->deferrable)
		pythia_buffer_puts(sql, m->index->deferred ? " DEFERRABLE INITIALLY DEFERRED" : " DEFERRABLE");
}

static void put_index(making *m, const char *name, pythia_buffer *sql)
{
	bool postgres = planner_to(m->p, PYTHIA_POSTGRESQL);

	pythia_buffer_printf(sql, "CREATE %sINDEX ",
						 m->index->unique                     ? "UNIQUE "
						 : strcmp(m->method, "fulltext") == 0 ? "FULLTEXT "
						 : strcmp(m->method, "spatial") == 0  ? "SPATIAL "
															  : "");
	planner_put_name(m->p, name, sql);
	pythia_buffer_puts(sql, " ON ");
	planner_put_table(m->p, m->table, sql);
	if (postgres && strcmp(m->method, "btree") != 0)
		pythia_buffer_printf(sql, " USING %s", m->method);
	pythia_buffer_printf(sql, " (%s)", pythia_buffer_text(&m->parts));
	if (m->included.length > 0)
		pythia_buffer_printf(sql, " INCLUDE (%s)", m->included.data);
	if (m->index->nulls_not_distinct && postgres && m->p->target->version >= 150000)
		pythia_buffer_puts(sql, " NULLS NOT DISTINCT");
	if (m->where.length > 0)
		pythia_buffer_printf(sql, " WHERE %s", m->where.data);
	if (m->index->comment != NULL && planner_to(m->p, PYTHIA_MYSQL))
	{
		pythia_buffer_puts(sql, " COMMENT ");
		pythia_dialect_of(m->p->target)->plain_string(sql, m->index->comment);
	}
}

static void comment_on(making *m, const char *name)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	if (m->index->comment == NULL || !planner_to(m->p, PYTHIA_POSTGRESQL))
		return;
	pythia_buffer_puts(&sql, "COMMENT ON INDEX ");
	pythia_dialect_table(pythia_dialect_of(m->p->target), &sql, m->table->schema, name);
	pythia_buffer_puts(&sql, " IS ");
	pythia_dialect_of(m->p->target)->plain_string(&sql, m->index->comment);
	planner_step(m->p, true, "comment", m->index->name, &sql);
}

static const char *what_of(const pythia_catalog_index *index)
{
	return index->exclusion ? "exclusion constraint" : index->unique ? "unique index" : "index";
}

static void add_index(making *m)
{
	bool postgres = planner_same_engine(m->p) && planner_to(m->p, PYTHIA_POSTGRESQL);
	bool constraint = m->index->constraint && postgres;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *name;

	if (m->index->nulls_not_distinct && !(planner_to(m->p, PYTHIA_POSTGRESQL) && m->p->target->version >= 150000))
	{
		m->why = "NULL is not the same as NULL in the target's";
		return;
	}
	if (m->index->deferrable && !postgres)
		changed(m, "it is not deferrable");
	/* MySQL's indexes have names of their table's own */
	name = planner_to(m->p, PYTHIA_MYSQL)
			   ? pythia_texts_keep(&m->p->plan->texts, strncmp(m->index->name, "sqlite_autoindex_", 17) == 0
														   ? m->index->name + 17
														   : m->index->name)
			   : planner_take_name(m->p, &m->p->relations, m->table->schema, m->table->name, m->index->name);
	if (!pythia_target_name_fits(m->p->target, name, "table_map", m->p->error))
	{
		pythia_error_reset(m->p->error);
		m->why = "its name is too long there";
		return;
	}
	if (constraint)
		put_constraint(m, name, &sql);
	else
		put_index(m, name, &sql);
	planner_step(m->p, true, what_of(m->index), name, &sql);
	comment_on(m, name);
	if (strcmp(name, m->index->name) != 0 && strncmp(m->index->name, "sqlite_autoindex_", 17) != 0)
	{
		pythia_buffer words = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(&words, "it is named %s", name);
		changed(m, words.data);
		pythia_buffer_free(&words);
	}
}

static bool is_inline(const planner *p, const pythia_catalog_index *index)
{
	return planner_same_engine(p) && planner_to(p, PYTHIA_SQLITE) && index->constraint;
}

static void plan_index(planner *p, const planned_table *table, const pythia_catalog_index *index)
{
	making m = {.p = p, .table = table, .index = index};
	bool done = false;

	if (choose_method(&m, &done) && (done || put_all_parts(&m)) && put_where(&m))
		add_index(&m);
	if (m.why != NULL)
		planner_note(p, PYTHIA_MIGRATE_LEFT, what_of(index), table->shown, index->name, "%s", m.why);
	else
		planner_note(p, m.changes.length > 0 ? PYTHIA_MIGRATE_CHANGED : PYTHIA_MIGRATE_CARRIED, what_of(index),
					 table->shown, index->name, m.changes.length > 0 ? "%s" : NULL, pythia_buffer_text(&m.changes));
	pythia_buffer_free(&m.parts);
	pythia_buffer_free(&m.included);
	pythia_buffer_free(&m.where);
	pythia_buffer_free(&m.changes);
}

bool planner_indexes(planner *p)
{
	for (int i = 0; i < p->catalog->ntables; i++)
	{
		const planned_table *table = &p->tables[i];

		for (int k = 0; table->made && k < table->from->nindexes; k++)
			if (!table->from->indexes[k].primary && !is_inline(p, &table->from->indexes[k]))
				plan_index(p, table, &table->from->indexes[k]);
	}
	return true;
}

void planner_put_uniques(planner *p, const planned_table *table, pythia_buffer *out)
{
	for (int i = 0; i < table->from->nindexes; i++)
	{
		making m = {.p = p, .table = table, .index = &table->from->indexes[i], .method = "btree"};

		if (!is_inline(p, m.index) || m.index->primary)
			continue;
		if (put_all_parts(&m))
		{
			pythia_buffer_printf(out, ",\n\tUNIQUE (%s)", pythia_buffer_text(&m.parts));
			planner_note(p, PYTHIA_MIGRATE_CARRIED, "unique index", table->shown, m.index->name, NULL);
		}
		else
			planner_note(p, PYTHIA_MIGRATE_LEFT, "unique index", table->shown, m.index->name, "%s", m.why);
		pythia_buffer_free(&m.parts);
		pythia_buffer_free(&m.included);
	}
}
