/* Names of tables and columns: as users write them, and in SQL. */
#include "dialect/dialect_internal.h"

#include <ctype.h>
#include <string.h>

#include "core/memory.h"

static bool bad_name(const char *text, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "42602", "invalid table name \"%s\"", text);
	return pythia_error_hint(error, "Write table or schema.table; quote parts with odd characters as \"…\".");
}

/* Reads one part at *cursor, leaving the cursor after it. */
static bool read_part(const char **cursor, pythia_name_part *part)
{
	const char *at = *cursor;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	char close = 0;

	while (isspace((unsigned char) *at))
		at++;
	if (*at == '"' || *at == '`')
		close = *at;
	else if (*at == '[')
		close = ']';
	part->quoted = close != 0;
	if (close != 0)
	{
		for (at++; *at != '\0'; at++)
		{
			if (*at == close)
			{
				if (at[1] != close || close == ']')
					break;
				at++;
			}
			pythia_buffer_putc(&text, *at);
		}
		if (*at != close)
		{
			pythia_buffer_free(&text);
			return false;
		}
		at++;
	}
	else
	{
		while (*at != '\0' && *at != '.')
			pythia_buffer_putc(&text, *at++);
		while (text.length > 0 && isspace((unsigned char) text.data[text.length - 1]))
			text.data[--text.length] = '\0';
	}
	while (isspace((unsigned char) *at))
		at++;
	*cursor = at;
	if (text.length == 0)
	{
		pythia_buffer_free(&text);
		return false;
	}
	part->text = pythia_buffer_take(&text);
	return true;
}

bool pythia_name_split(const char *text, pythia_name_part *schema, pythia_name_part *table, pythia_error *error)
{
	const char *cursor = text;

	memset(schema, 0, sizeof(*schema));
	memset(table, 0, sizeof(*table));
	if (!read_part(&cursor, table))
		return bad_name(text, error);
	if (*cursor == '.')
	{
		cursor++;
		*schema = *table;
		table->text = NULL;
		if (!read_part(&cursor, table))
		{
			pythia_free(schema->text);
			return bad_name(text, error);
		}
	}
	if (*cursor != '\0')
	{
		pythia_free(schema->text);
		pythia_free(table->text);
		return bad_name(text, error);
	}
	return true;
}

bool pythia_name_parse(const char *text, char **schema, char **table, pythia_error *error)
{
	pythia_name_part s;
	pythia_name_part t;

	*schema = NULL;
	*table = NULL;
	if (!pythia_name_split(text, &s, &t, error))
		return false;
	*schema = s.text;
	*table = t.text;
	return true;
}

void pythia_dialect_table(const pythia_dialect *dialect, pythia_buffer *out, const char *schema, const char *table)
{
	if (schema != NULL)
	{
		dialect->identifier(out, schema);
		pythia_buffer_putc(out, '.');
	}
	dialect->identifier(out, table);
}

void pythia_dialect_named(const pythia_dialect *dialect, pythia_buffer *out, const char *schema_column,
						  const char *table_column, const pythia_table *table)
{
	pythia_buffer_printf(out, "%s = ", schema_column);
	dialect->literal(out, table->schema, strlen(table->schema));
	pythia_buffer_printf(out, " AND %s = ", table_column);
	dialect->literal(out, table->name, strlen(table->name));
}

void pythia_column_reference(const pythia_dialect *dialect, pythia_buffer *out, const char *alias,
							 const pythia_column *column)
{
	if (column->expression != NULL)
	{
		pythia_buffer_puts(out, column->expression);
		return;
	}
	if (alias != NULL)
	{
		pythia_buffer_puts(out, alias);
		pythia_buffer_putc(out, '.');
	}
	dialect->identifier(out, column->name);
}

void pythia_column_list(const pythia_dialect *dialect, pythia_buffer *out, int ncolumns, const char *const *columns)
{
	pythia_buffer_putc(out, '(');
	for (int i = 0; i < ncolumns; i++)
	{
		if (i > 0)
			pythia_buffer_puts(out, ", ");
		dialect->identifier(out, columns[i]);
	}
	pythia_buffer_putc(out, ')');
}
