/* Secondary indexes of a target that was made for a sync, put on when its rows are there. */
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "sync/create/create.h"

/* Bytes of a name in PostgreSQL; MySQL takes one more. */
#define LONGEST_NAME 63

static bool same_columns(const pythia_table *a, const pythia_index *x, const pythia_table *b, const pythia_index *y)
{
	if (x->ncolumns != y->ncolumns || (x->unique && !y->unique))
		return false;
	for (int i = 0; i < x->ncolumns; i++)
	{
		if (strcmp(a->columns[x->columns[i]].name, b->columns[y->columns[i]].name) != 0)
			return false;
	}
	return true;
}

static bool is_there(const pythia_table *design, const pythia_index *index, const pythia_table *there)
{
	for (int i = 0; i < there->nindexes; i++)
	{
		if (same_columns(design, index, there, &there->indexes[i]))
			return true;
	}
	return false;
}

/* The name is the schema's in PostgreSQL and SQLite, where the source's own may lie beside it, so it says whose
 * index it is; one too long ends in a digest, so that two of them stay apart. */
static void put_name(const pythia_dialect *dialect, const char *source, const char *table, const char *name,
					 pythia_buffer *out)
{
	size_t length = strlen(source);
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	if (strncmp(name, "sqlite_autoindex_", 17) == 0)
		name += 17;
	if (strncmp(name, source, length) == 0 && name[length] == '_')
		name += length + 1;
	if (dialect->engine != PYTHIA_MYSQL)
		pythia_buffer_printf(&text, "%s_", table);
	pythia_buffer_puts(&text, name);
	if (text.length > LONGEST_NAME)
	{
		char hex[33];
		size_t cut = LONGEST_NAME - 9;

		pythia_md5(text.data, text.length, hex);
		while (cut > 0 && ((unsigned char) text.data[cut] & 0xC0) == 0x80)
			cut--;
		text.length = cut;
		pythia_buffer_printf(&text, "_%.8s", hex);
	}
	dialect->identifier(out, text.data);
	pythia_buffer_free(&text);
}

static void put_columns(const pythia_dialect *dialect, const pythia_table *design, const pythia_index *index,
						pythia_buffer *out)
{
	pythia_buffer_puts(out, " (");
	for (int i = 0; i < index->ncolumns; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		dialect->identifier(out, design->columns[index->columns[i]].name);
	}
	pythia_buffer_putc(out, ')');
}

static void put_statement(const pythia_dialect *dialect, const char *source, const pythia_table *design,
						  const pythia_index *index, pythia_buffer *out)
{
	pythia_buffer_printf(out, "CREATE %sINDEX ", index->unique ? "UNIQUE " : "");
	/* SQLite wants the schema before the index, the others before the table */
	if (dialect->engine == PYTHIA_SQLITE)
	{
		dialect->identifier(out, design->schema);
		pythia_buffer_putc(out, '.');
	}
	put_name(dialect, source, design->name, index->name, out);
	pythia_buffer_puts(out, " ON ");
	pythia_dialect_table(dialect, out, dialect->engine == PYTHIA_SQLITE ? NULL : design->schema, design->name);
	put_columns(dialect, design, index, out);
}

/* MySQL makes several in one pass over the table. */
static void put_addition(const pythia_dialect *dialect, const char *source, const pythia_table *design,
						 const pythia_index *index, pythia_buffer *out)
{
	if (out->length == 0)
	{
		pythia_buffer_puts(out, "ALTER TABLE ");
		pythia_dialect_table(dialect, out, design->schema, design->name);
		pythia_buffer_putc(out, ' ');
	}
	else
		pythia_buffer_puts(out, ", ");
	pythia_buffer_printf(out, "ADD %sINDEX ", index->unique ? "UNIQUE " : "");
	put_name(dialect, source, design->name, index->name, out);
	put_columns(dialect, design, index, out);
}

bool pythia_target_create_indexes(pythia_db *target, const char *source, const pythia_table *design,
								  const pythia_table *there, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(target);
	bool mysql = target->engine == PYTHIA_MYSQL;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok = true;

	for (int i = 0; ok && i < design->nindexes; i++)
	{
		const pythia_index *index = &design->indexes[i];

		if (is_there(design, index, there))
			continue;
		if (mysql)
		{
			put_addition(dialect, source, design, index, &sql);
			continue;
		}
		pythia_buffer_clear(&sql);
		put_statement(dialect, source, design, index, &sql);
		ok = pythia_db_exec(target, sql.data, NULL, error);
	}
	if (mysql && sql.length > 0)
		ok = pythia_db_exec(target, sql.data, NULL, error);
	if (!ok)
		pythia_error_context(error, "creating indexes of table \"%s\"", design->name);
	pythia_buffer_free(&sql);
	return ok;
}
