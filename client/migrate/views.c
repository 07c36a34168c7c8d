/* Plain views: a SELECT of columns and expressions over tables, and over other views that are carried, joined, grouped
 * and in an order.  Each part is read by a grammar and written anew; anything else is told, and not carried. */
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "dialect/formula.h"
#include "migrate/planner.h"

#define MOST_DEPTH  40
#define MOST_PIECES 400

/* A view that is made, for those that read it. */
typedef struct made_view
{
	const pythia_catalog_view *view;
	char *schema;
	char *name;
	char **columns;
	pythia_class *classes;
	int ncolumns;
} made_view;

/* A piece of FROM: a table or view, a condition, or a word of ours. */
typedef struct piece
{
	const char *word;
	const planned_table *table;
	const made_view *view;
	char *alias; /* of a table or view: by what columns name it */
	pythia_formula *on;
} piece;

typedef struct item
{
	pythia_formula *formula;
	char *name;
	bool descending; /* of an ORDER BY */
	bool all;        /* *, or alias.*: alias in `name` */
} item;

typedef struct select
{
	planner *p;
	made_view *views;
	int nviews;
	pythia_tokens cursor;
	const char *why;
	bool distinct;
	item *items;
	int nitems;
	piece *pieces;
	int npieces;
	pythia_formula *where;
	pythia_formula *having;
	item *groups;
	int ngroups;
	item *orders;
	int norders;
	char *limit;
} select;

static bool refuse(select *s, const char *why)
{
	if (s->why == NULL)
		s->why = why;
	return false;
}

static bool take(select *s, const char *word)
{
	return pythia_tokens_take(&s->cursor, word);
}

static bool at(const select *s, const char *word)
{
	return pythia_tokens_at(&s->cursor, word);
}

static bool at_name(const select *s)
{
	return s->cursor.token.kind == PYTHIA_TOKEN_NAME || s->cursor.token.kind == PYTHIA_TOKEN_QUOTED;
}

/* Words that go on with the statement, and are no alias. */
static bool at_clause(const select *s)
{
	static const char *const words[] = {"FROM",  "WHERE",  "GROUP",     "HAVING", "ORDER",   "LIMIT", "JOIN",   "LEFT",
										"RIGHT", "INNER",  "OUTER",     "CROSS",  "NATURAL", "FULL",  "ON",     "USING",
										"UNION", "EXCEPT", "INTERSECT", "AS",     "WINDOW",  "FOR",   "OFFSET", NULL};

	for (int i = 0; words[i] != NULL; i++)
		if (at(s, words[i]))
			return true;
	return false;
}

static char *take_name(select *s)
{
	char *name = s->cursor.token.kind == PYTHIA_TOKEN_QUOTED
					 ? pythia_strdup(pythia_buffer_text(&s->cursor.value))
					 : pythia_strndup(s->cursor.token.text, s->cursor.token.length);

	pythia_tokens_next(&s->cursor);
	return name;
}

static pythia_formula *take_formula(select *s)
{
	const char *why = NULL;
	pythia_formula *formula = pythia_formula_read(&s->cursor, &why);

	if (formula == NULL)
		refuse(s, why);
	return formula;
}

/* --- reading ------------------------------------------------------------------------------------- */

static item *add_item(item **list, int *count)
{
	*list = pythia_realloc(*list, sizeof(item) * (size_t) (*count + 1));
	memset(&(*list)[*count], 0, sizeof(item));
	return &(*list)[(*count)++];
}

/* expression [AS name], *: the name of a column is its own. */
static bool read_item(select *s)
{
	item *made = add_item(&s->items, &s->nitems);

	if (take(s, "*"))
	{
		made->all = true;
		return true;
	}
	made->formula = take_formula(s);
	if (made->formula == NULL)
		return false;
	if (take(s, "AS") || (at_name(s) && !at_clause(s)))
	{
		if (!at_name(s) && s->cursor.token.kind != PYTHIA_TOKEN_STRING)
			return refuse(s, "a column of it has no name");
		made->name =
			s->cursor.token.kind == PYTHIA_TOKEN_STRING ? pythia_strdup(pythia_buffer_text(&s->cursor.value)) : NULL;
		if (made->name != NULL)
			pythia_tokens_next(&s->cursor);
		else
			made->name = take_name(s);
		return true;
	}
	if (made->formula->kind != PYTHIA_FORMULA_COLUMN)
		return refuse(s, "a column of it has no name");
	made->name = pythia_strdup(made->formula->text);
	return true;
}

static piece *add_piece(select *s, const char *word)
{
	s->pieces = pythia_realloc(s->pieces, sizeof(piece) * (size_t) (s->npieces + 1));
	memset(&s->pieces[s->npieces], 0, sizeof(piece));
	s->pieces[s->npieces].word = word;
	return &s->pieces[s->npieces++];
}

static const made_view *find_view(const select *s, const char *schema, const char *name)
{
	for (int i = 0; i < s->nviews; i++)
	{
		bool same = s->p->source->engine == PYTHIA_SQLITE ? strcasecmp(s->views[i].view->name, name) == 0
														  : strcmp(s->views[i].view->name, name) == 0;

		if (same && strcmp(s->views[i].view->schema, schema) == 0)
			return &s->views[i];
	}
	return NULL;
}

/* [schema.]table [[AS] alias] */
static bool read_source(select *s, const char *schema)
{
	char *its_schema = NULL;
	char *name;
	piece *made;

	if (!at_name(s) || at(s, "SELECT") || at(s, "LATERAL"))
		return refuse(s, "it reads from something that is no table");
	name = take_name(s);
	if (take(s, "."))
	{
		its_schema = name;
		name = at_name(s) ? take_name(s) : pythia_strdup("");
	}
	made = add_piece(s, NULL);
	made->table = planner_find(s->p, its_schema != NULL ? its_schema : schema, name);
	if (made->table == NULL)
		made->view = find_view(s, its_schema != NULL ? its_schema : schema, name);
	if (take(s, "AS") || (at_name(s) && !at_clause(s)))
	{
		made->alias = at_name(s) ? take_name(s) : NULL;
		pythia_free(name);
	}
	else
		made->alias = name;
	pythia_free(its_schema);
	if (made->alias == NULL || (made->table == NULL && made->view == NULL))
		return refuse(s, "it reads from what is not carried");
	return true;
}

static bool read_from(select *s, const char *schema, int depth);

static bool read_table(select *s, const char *schema, int depth)
{
	if (depth > MOST_DEPTH || s->npieces > MOST_PIECES)
		return refuse(s, "it is too long");
	if (!take(s, "("))
		return read_source(s, schema);
	add_piece(s, "(");
	if (!read_from(s, schema, depth + 1) || !take(s, ")"))
		return refuse(s, "it reads from something that is no table");
	add_piece(s, ")");
	return true;
}

/* The join that follows, or NULL; it is taken. */
static const char *take_join(select *s)
{
	if (take(s, ","))
		return " CROSS JOIN ";
	if (take(s, "CROSS"))
		return take(s, "JOIN") ? " CROSS JOIN " : "";
	if (take(s, "LEFT"))
	{
		take(s, "OUTER");
		return take(s, "JOIN") ? " LEFT JOIN " : "";
	}
	if (take(s, "INNER"))
		return take(s, "JOIN") ? " JOIN " : "";
	return take(s, "JOIN") ? " JOIN " : NULL;
}

static bool read_from(select *s, const char *schema, int depth)
{
	const char *join;
	bool ok = read_table(s, schema, depth);

	while (ok && (join = take_join(s)) != NULL)
	{
		int at_join = s->npieces;

		if (join[0] == '\0')
			return refuse(s, "it joins in a way that is not known here");
		add_piece(s, join);
		ok = read_table(s, schema, depth);
		if (ok && take(s, "ON"))
		{
			piece *condition = add_piece(s, " ON ");

			condition->on = take_formula(s);
			ok = condition->on != NULL;
		}
		else if (ok && strcmp(join, " JOIN ") == 0)
			/* in MySQL and SQLite one without a condition is every row with every row */
			s->pieces[at_join].word = " CROSS JOIN ";
		else if (ok && strcmp(join, " LEFT JOIN ") == 0)
			ok = refuse(s, "it joins in a way that is not known here");
	}
	return ok;
}

static bool read_items(select *s, item **list, int *count, bool ordered)
{
	do
	{
		item *made = add_item(list, count);

		made->formula = take_formula(s);
		if (made->formula == NULL)
			return false;
		if (ordered && !take(s, "ASC"))
			made->descending = take(s, "DESC");
	} while (take(s, ","));
	return true;
}

static bool read_select(select *s, const char *schema)
{
	if (!take(s, "SELECT"))
		return refuse(s, "it is no plain SELECT");
	s->distinct = take(s, "DISTINCT");
	do
		if (!read_item(s))
			return false;
	while (take(s, ","));
	if (!take(s, "FROM"))
		return refuse(s, "it selects in a way that is not known here");
	if (!read_from(s, schema, 0))
		return false;
	if (take(s, "WHERE") && (s->where = take_formula(s)) == NULL)
		return false;
	if (take(s, "GROUP") && (!take(s, "BY") || !read_items(s, &s->groups, &s->ngroups, false)))
		return refuse(s, "it groups in a way that is not known here");
	if (take(s, "HAVING") && (s->having = take_formula(s)) == NULL)
		return false;
	if (take(s, "ORDER") && (!take(s, "BY") || !read_items(s, &s->orders, &s->norders, true)))
		return refuse(s, "it orders in a way that is not known here");
	if (take(s, "LIMIT"))
	{
		if (s->cursor.token.kind != PYTHIA_TOKEN_NUMBER || s->cursor.token.length > 18)
			return refuse(s, "its LIMIT is no number");
		s->limit = pythia_strndup(s->cursor.token.text, s->cursor.token.length);
		if (strspn(s->limit, "0123456789") != strlen(s->limit))
			return refuse(s, "its LIMIT is no number");
		pythia_tokens_next(&s->cursor);
	}
	take(s, ";");
	return s->cursor.token.kind == PYTHIA_TOKEN_END || refuse(s, "it goes on with something that is not known here");
}

/* --- writing ---------------------------------------------------------------------------------------- */

/* The column of a piece, if it has one of that name: its name there, and its class. */
static const char *column_of(const piece *from, const char *name, pythia_class *found)
{
	if (from->table != NULL)
	{
		int column = pythia_table_column(&from->table->from->table, name);

		if (column < 0 || from->table->position[column] < 0)
			return NULL;
		*found = from->table->from->table.columns[column].type.kind == PYTHIA_KIND_ENUM
					 ? PYTHIA_CLASS_ENUM
					 : pythia_class_of(&from->table->design.columns[from->table->position[column]].type);
		return from->table->names[column];
	}
	for (int i = 0; from->view != NULL && i < from->view->ncolumns; i++)
	{
		if (strcasecmp(from->view->columns[i], name) != 0)
			continue;
		*found = from->view->classes[i];
		return from->view->columns[i];
	}
	return NULL;
}

static bool put_column(void *context, const char *qualifier, const char *name, pythia_buffer *out, pythia_class *found)
{
	const select *s = context;
	const piece *of = NULL;
	const char *there = NULL;

	for (int i = 0; i < s->npieces; i++)
	{
		const piece *from = &s->pieces[i];
		const char *column;
		pythia_class class = PYTHIA_CLASS_UNKNOWN;

		if (from->alias == NULL || (qualifier != NULL && strcasecmp(from->alias, qualifier) != 0))
			continue;
		column = column_of(from, name, &class);
		if (column == NULL)
			continue;
		/* of two tables */
		if (there != NULL)
			return false;
		of = from;
		there = column;
		*found = class;
	}
	if (there == NULL)
		return false;
	planner_put_name(s->p, of->alias, out);
	pythia_buffer_putc(out, '.');
	planner_put_name(s->p, there, out);
	return true;
}

static bool put_formula(select *s, const pythia_formula *formula, bool condition, pythia_buffer *out,
						pythia_class *found)
{
	pythia_formula_target target = {
		.from = s->p->source, .to = s->p->target, .column = put_column, .context = s, .aggregates = true};

	return pythia_formula_write(formula, &target, condition, out, found) || refuse(s, target.why);
}

/* A name that the select has given itself. */
static bool is_alias(const select *s, const pythia_formula *formula)
{
	for (int i = 0; i < s->nitems; i++)
		if (formula->kind == PYTHIA_FORMULA_COLUMN && formula->qualifier == NULL && s->items[i].name != NULL &&
			strcasecmp(s->items[i].name, formula->text) == 0)
			return true;
	return false;
}

static bool put_items(select *s, const item *list, int count, const char *words, pythia_buffer *out)
{
	for (int i = 0; i < count; i++)
	{
		pythia_buffer text = PYTHIA_BUFFER_INIT;
		pythia_class class;
		bool ok = put_formula(s, list[i].formula, false, &text, &class);

		if (!ok && is_alias(s, list[i].formula))
		{
			pythia_buffer_clear(&text);
			planner_put_name(s->p, list[i].formula->text, &text);
			s->why = NULL;
			ok = true;
		}
		pythia_buffer_printf(out, "%s%s%s", i == 0 ? words : ", ", pythia_buffer_text(&text),
							 list[i].descending ? " DESC" : "");
		pythia_buffer_free(&text);
		if (!ok)
			return false;
	}
	return true;
}

static bool put_from(select *s, pythia_buffer *out)
{
	for (int i = 0; i < s->npieces; i++)
	{
		const piece *from = &s->pieces[i];

		if (from->word != NULL)
			pythia_buffer_puts(out, from->word);
		if (from->on != NULL && !put_formula(s, from->on, true, out, NULL))
			return false;
		if (from->alias == NULL)
			continue;
		if (from->table != NULL)
			planner_put_table(s->p, from->table, out);
		else
			pythia_dialect_table(pythia_dialect_of(s->p->target), out, from->view->schema, from->view->name);
		/* by its own name it is known without another word */
		if (strcmp(from->alias, from->table != NULL ? from->table->name : from->view->name) == 0)
			continue;
		pythia_buffer_puts(out, " AS ");
		planner_put_name(s->p, from->alias, out);
	}
	return true;
}

static void add_column(made_view *made, const char *name, pythia_class class)
{
	made->columns = pythia_realloc(made->columns, sizeof(char *) * (size_t) (made->ncolumns + 1));
	made->classes = pythia_realloc(made->classes, sizeof(pythia_class) * (size_t) (made->ncolumns + 1));
	made->columns[made->ncolumns] = pythia_strdup(name);
	made->classes[made->ncolumns++] = class;
}

/* expression AS name, …; * is all columns there are now, as every engine takes it. */
static bool put_selected(select *s, made_view *made, pythia_buffer *out)
{
	for (int i = 0; i < s->nitems; i++)
	{
		const item *selected = &s->items[i];
		pythia_class class = PYTHIA_CLASS_UNKNOWN;

		if (selected->all)
			return refuse(s, "it selects * and not columns by their names");
		pythia_buffer_puts(out, made->ncolumns > 0 ? ", " : "");
		if (!put_formula(s, selected->formula, false, out, &class))
			return false;
		pythia_buffer_puts(out, " AS ");
		planner_put_name(s->p, selected->name, out);
		add_column(made, selected->name, class);
	}
	return true;
}

static bool put_select(select *s, made_view *made, pythia_buffer *out)
{
	pythia_buffer_puts(out, s->distinct ? "SELECT DISTINCT " : "SELECT ");
	if (!put_selected(s, made, out))
		return false;
	pythia_buffer_puts(out, " FROM ");
	if (!put_from(s, out))
		return false;
	if (s->where != NULL)
	{
		pythia_buffer_puts(out, " WHERE ");
		if (!put_formula(s, s->where, true, out, NULL))
			return false;
	}
	if (!put_items(s, s->groups, s->ngroups, " GROUP BY ", out))
		return false;
	if (s->having != NULL)
	{
		pythia_buffer_puts(out, " HAVING ");
		if (!put_formula(s, s->having, true, out, NULL))
			return false;
	}
	if (!put_items(s, s->orders, s->norders, " ORDER BY ", out))
		return false;
	if (s->limit != NULL)
		pythia_buffer_printf(out, " LIMIT %s", s->limit);
	return true;
}

static void free_items(item *items, int count)
{
	for (int i = 0; i < count; i++)
	{
		pythia_formula_free(items[i].formula);
		pythia_free(items[i].name);
	}
	pythia_free(items);
}

static void free_select(select *s)
{
	free_items(s->items, s->nitems);
	free_items(s->groups, s->ngroups);
	free_items(s->orders, s->norders);
	for (int i = 0; i < s->npieces; i++)
	{
		pythia_free(s->pieces[i].alias);
		pythia_formula_free(s->pieces[i].on);
	}
	pythia_free(s->pieces);
	pythia_formula_free(s->where);
	pythia_formula_free(s->having);
	pythia_free(s->limit);
	pythia_tokens_close(&s->cursor);
}

static void free_view(made_view *made)
{
	for (int i = 0; i < made->ncolumns; i++)
		pythia_free(made->columns[i]);
	pythia_free(made->columns);
	pythia_free(made->classes);
}

/* --- the views ------------------------------------------------------------------------------------------ */

/* The view's SELECT for the target; false, with *why, where there is none. */
static bool say_view(planner *p, const pythia_catalog_view *view, made_view *views, int nviews, made_view *made,
					 pythia_buffer *out, const char **why)
{
	select s = {.p = p, .views = views, .nviews = nviews};
	bool ok;

	*why = view->odd != NULL ? view->odd : view->definition == NULL ? "its definition is not shown" : NULL;
	if (*why != NULL)
		return false;
	pythia_tokens_open(&s.cursor, p->source->engine, view->definition);
	ok = read_select(&s, view->schema) && put_select(&s, made, out);
	*why = s.why != NULL ? s.why : "it cannot be read";
	free_select(&s);
	return ok;
}

static char *view_name(planner *p, const pythia_catalog_view *view, const char *schema)
{
	pythia_buffer wanted = PYTHIA_BUFFER_INIT;
	char *name;

	if (schema == NULL && p->source->engine == PYTHIA_POSTGRESQL && !planner_usual_schema(p, view->schema))
		pythia_buffer_printf(&wanted, "%s_", view->schema);
	pythia_buffer_puts(&wanted, view->name);
	name = planner_take_name(p, &p->relations, schema, "view", wanted.data);
	pythia_buffer_free(&wanted);
	return name;
}

static void make_view(planner *p, const pythia_catalog_view *view, made_view *made, const pythia_buffer *text)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	made->view = view;
	made->schema = (char *) planner_schema(p, view->schema);
	made->name = view_name(p, view, made->schema);
	pythia_buffer_puts(&sql, view->invoker && planner_to(p, PYTHIA_MYSQL) ? "CREATE SQL SECURITY INVOKER VIEW "
																		  : "CREATE VIEW ");
	pythia_dialect_table(pythia_dialect_of(p->target), &sql, made->schema, made->name);
	pythia_buffer_printf(&sql, " AS %s", text->data);
	planner_step(p, true, "view", view->name, &sql);
	if (view->comment != NULL && planner_to(p, PYTHIA_POSTGRESQL))
	{
		pythia_buffer_puts(&sql, "COMMENT ON VIEW ");
		pythia_dialect_table(pythia_dialect_of(p->target), &sql, made->schema, made->name);
		pythia_buffer_puts(&sql, " IS ");
		pythia_dialect_of(p->target)->plain_string(&sql, view->comment);
		planner_step(p, true, "comment", view->name, &sql);
	}
	if (strcmp(made->name, view->name) == 0)
		planner_note(p, PYTHIA_MIGRATE_CARRIED, "view", NULL, view->name, NULL);
	else
		planner_note(p, PYTHIA_MIGRATE_CHANGED, "view", NULL, view->name, "it is named %s", made->name);
}

bool planner_views(planner *p)
{
	int n = p->catalog->nviews;
	made_view *views = pythia_calloc((size_t) n + 1, sizeof(made_view));
	bool *done = pythia_calloc((size_t) n + 1, sizeof(bool));
	const char **why = pythia_calloc((size_t) n + 1, sizeof(char *));
	int made = 0;
	int before = -1;

	/* a view after those that it reads, whatever the catalogue's order is */
	while (made > before)
	{
		before = made;
		for (int i = 0; i < n; i++)
		{
			pythia_buffer text = PYTHIA_BUFFER_INIT;
			made_view view = {0};

			if (!done[i] && say_view(p, &p->catalog->views[i], views, made, &view, &text, &why[i]))
			{
				make_view(p, &p->catalog->views[i], &view, &text);
				views[made++] = view;
				done[i] = true;
			}
			else
				free_view(&view);
			pythia_buffer_free(&text);
		}
	}
	for (int i = 0; i < n; i++)
		if (!done[i])
			planner_note(p, PYTHIA_MIGRATE_LEFT, "view", NULL, p->catalog->views[i].name, "%s", why[i]);
	for (int i = 0; i < made; i++)
		free_view(&views[i]);
	pythia_free(views);
	pythia_free(done);
	pythia_free(why);
	return true;
}
