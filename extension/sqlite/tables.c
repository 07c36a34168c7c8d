/* Table-valued verbs: the verb runs when the table is filtered, its rows are then read. */
#include "pythia_sqlite.h"

SQLITE_EXTENSION_INIT3

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum
{
	ROWSET_BYTES = 256 * 1024 * 1024,
	MAX_COLUMNS = 32
};

typedef struct module_context
{
	pythia_sqlite *self;
	const pythia_registration *registration;
	sqlite3_module module;
} module_context;

typedef struct table
{
	sqlite3_vtab base;
	module_context *context;
	int ncolumns; /* without the hidden arguments */
	char kinds[MAX_COLUMNS];
} table;

typedef struct cursor
{
	sqlite3_vtab_cursor base;
	pythia_rowset rows;
	int64_t row;
} cursor;

bool pythia_rowset_add(pythia_rowset *rows, const char *const *cells, pythia_error *error)
{
	size_t width = (size_t) rows->ncolumns;

	if (rows->nrows == rows->capacity)
	{
		rows->capacity = rows->capacity > 0 ? rows->capacity * 2 : 64;
		rows->cells = pythia_realloc(rows->cells, (size_t) rows->capacity * width * sizeof(char *));
	}
	for (size_t i = 0; i < width; i++)
	{
		rows->cells[(size_t) rows->nrows * width + i] = pythia_strdup(cells[i]);
		rows->bytes += cells[i] != NULL ? strlen(cells[i]) : 0;
	}
	rows->nrows++;
	/* one row alone passes, however large: nobody can ask for less */
	if (rows->bytes <= ROWSET_BYTES || rows->nrows == 1)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "54000", "the result has more than %d MiB", ROWSET_BYTES / 1024 / 1024);
	return pythia_error_hint(error, "Ask for fewer rows at once: max_changes, or max_differences in the options.");
}

static void rowset_free(pythia_rowset *rows)
{
	for (int64_t i = 0; i < rows->nrows * rows->ncolumns; i++)
		pythia_free(rows->cells[i]);
	pythia_free(rows->cells);
	memset(rows, 0, sizeof(*rows));
}

/* "name kind, …" as columns of CREATE TABLE, then the hidden arguments. */
static int declare(sqlite3 *db, const pythia_registration *r, table *t)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	const char *p = r->columns;
	int code;

	pythia_buffer_puts(&sql, "CREATE TABLE x(");
	while (*p != '\0')
	{
		size_t name = strcspn(p, " ");
		char kind = p[name + 1];

		pythia_buffer_printf(&sql, "\"%.*s\" %s, ", (int) name, p,
							 kind == 'i'   ? "INTEGER"
							 : kind == 'r' ? "REAL"
										   : "TEXT");
		t->kinds[t->ncolumns++] = kind;
		p += name + 2;
		while (*p == ',' || *p == ' ')
			p++;
	}
	for (int i = 0; i < r->max_args; i++)
		pythia_buffer_printf(&sql, "%s\"argument %d\" HIDDEN", i > 0 ? ", " : "", i + 1);
	pythia_buffer_putc(&sql, ')');
	code = sqlite3_declare_vtab(db, pythia_buffer_text(&sql));
	pythia_buffer_free(&sql);
	return code;
}

static int table_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
						 char **message)
{
	module_context *module = context;
	table *t = pythia_calloc(1, sizeof(*t));
	int code;

	(void) argc;
	(void) argv;
	(void) message;
	t->context = module;
	code = declare(db, module->registration, t);
	if (code == SQLITE_OK)
		code = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
	if (code != SQLITE_OK)
	{
		pythia_free(t);
		return code;
	}
	*out = &t->base;
	return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *base)
{
	pythia_free(base);
	return SQLITE_OK;
}

/* Arguments are constraints "hidden column = value"; idxNum has a bit for each given one. */
static int table_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
	table *t = (table *) base;
	const pythia_registration *r = t->context->registration;
	int place[16];
	int given = 0;

	for (int i = 0; i < 16; i++)
		place[i] = -1;
	for (int i = 0; i < info->nConstraint; i++)
	{
		int argument = info->aConstraint[i].iColumn - t->ncolumns;

		if (argument < 0 || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
			continue;
		/* an argument that depends on a table read later: another order of the join */
		if (!info->aConstraint[i].usable)
			return SQLITE_CONSTRAINT;
		place[argument] = i;
	}
	for (int argument = 0; argument < r->max_args; argument++)
		if (place[argument] >= 0)
		{
			info->aConstraintUsage[place[argument]].argvIndex = ++given;
			info->aConstraintUsage[place[argument]].omit = 1;
			info->idxNum |= 1 << argument;
		}
	info->estimatedCost = 1000;
	info->estimatedRows = 1000;
	return SQLITE_OK;
}

static int cursor_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
	cursor *c = pythia_calloc(1, sizeof(*c));

	(void) base;
	*out = &c->base;
	return SQLITE_OK;
}

static int cursor_close(sqlite3_vtab_cursor *base)
{
	cursor *c = (cursor *) base;

	rowset_free(&c->rows);
	pythia_free(c);
	return SQLITE_OK;
}

static int vtab_fail(sqlite3_vtab *vtab, pythia_error *error)
{
	char *text = pythia_error_text(error);
	int code = pythia_error_code(error);

	sqlite3_free(vtab->zErrMsg);
	vtab->zErrMsg = sqlite3_mprintf("%s", text);
	pythia_free(text);
	pythia_error_reset(error);
	return code;
}

typedef struct table_body
{
	const pythia_registration *registration;
	pythia_call call;
	pythia_rowset *rows;
} table_body;

static bool run_table(void *argument, pythia_error *error)
{
	table_body *body = argument;

	return body->registration->table(&body->call, body->rows, error);
}

static int cursor_filter(sqlite3_vtab_cursor *base, int given, const char *unused, int argc, sqlite3_value **argv)
{
	cursor *c = (cursor *) base;
	table *t = (table *) base->pVtab;
	const pythia_registration *r = t->context->registration;
	pythia_error error = PYTHIA_ERROR_INIT;
	table_body body = {.registration = r, .call = {t->context->self, argc, argv}, .rows = &c->rows};

	(void) unused;
	rowset_free(&c->rows);
	c->row = 0;
	c->rows.ncolumns = t->ncolumns;
	c->rows.kinds = t->kinds;
	/* arguments are given from the first one on, without holes */
	if (argc < r->min_args || given != (1 << argc) - 1)
	{
		pythia_fail(&error, PYTHIA_E_USAGE, "42883", "too few arguments to %s", r->name);
		pythia_error_hint(&error, "Write %s(%s).", r->name, r->signature);
		return vtab_fail(base->pVtab, &error);
	}
	if (pythia_sqlite_run_verb(t->context->self, r, run_table, &body, &error))
		return SQLITE_OK;
	rowset_free(&c->rows);
	return vtab_fail(base->pVtab, &error);
}

static int cursor_next(sqlite3_vtab_cursor *base)
{
	((cursor *) base)->row++;
	return SQLITE_OK;
}

static int cursor_eof(sqlite3_vtab_cursor *base)
{
	cursor *c = (cursor *) base;

	return c->row >= c->rows.nrows;
}

static int cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	cursor *c = (cursor *) base;
	const char *cell;

	if (column >= c->rows.ncolumns)
		return SQLITE_OK; /* an argument: nobody reads it */
	cell = c->rows.cells[c->row * c->rows.ncolumns + column];
	if (cell == NULL)
		return SQLITE_OK;
	switch (c->rows.kinds[column])
	{
		case 'i':
			sqlite3_result_int64(context, strtoll(cell, NULL, 10));
			break;
		case 'r':
			sqlite3_result_double(context, strtod(cell, NULL));
			break;
		default:
			sqlite3_result_text(context, cell, -1, SQLITE_TRANSIENT);
			if (c->rows.kinds[column] == 'j')
				sqlite3_result_subtype(context, 'J');
	}
	return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
	*rowid = ((cursor *) base)->row + 1;
	return SQLITE_OK;
}

static void free_module(void *pointer)
{
	module_context *module = pointer;

	pythia_sqlite_release(module->self);
	pythia_free(module);
}

int pythia_register_tables(pythia_sqlite *self, const pythia_registration *registration)
{
	module_context *module = pythia_calloc(1, sizeof(*module));
	sqlite3_module *methods = &module->module;

	module->self = self;
	module->registration = registration;
	self->references++;
	/* no xCreate: it is there without CREATE VIRTUAL TABLE, and only so */
	methods->xConnect = table_connect;
	methods->xBestIndex = table_best_index;
	methods->xDisconnect = table_disconnect;
	methods->xOpen = cursor_open;
	methods->xClose = cursor_close;
	methods->xFilter = cursor_filter;
	methods->xNext = cursor_next;
	methods->xEof = cursor_eof;
	methods->xColumn = cursor_column;
	methods->xRowid = cursor_rowid;
	return sqlite3_create_module_v2(self->handle, registration->name, methods, module, free_module);
}
