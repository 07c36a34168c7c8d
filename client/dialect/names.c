/* Names in SQL. */
#include "dialect/dialect_internal.h"

#include <string.h>

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

void pythia_column_reference(const pythia_dialect *dialect, pythia_buffer *out, const char *alias, const char *column)
{
	if (alias != NULL)
	{
		pythia_buffer_puts(out, alias);
		pythia_buffer_putc(out, '.');
	}
	dialect->identifier(out, column);
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
