#include "core/schema.h"

#include <string.h>
#include <strings.h>

#include "core/memory.h"

void pythia_type_forget_labels(pythia_type *type)
{
	while (type->nlabels > 0)
		pythia_free(type->labels[--type->nlabels]);
	pythia_free(type->labels);
	type->labels = NULL;
}

void pythia_type_free(pythia_type *type)
{
	pythia_free(type->native);
	pythia_free(type->unread);
	pythia_type_forget_labels(type);
	memset(type, 0, sizeof(*type));
}

void pythia_type_copy(pythia_type *to, const pythia_type *from)
{
	*to = *from;
	to->native = pythia_strdup(from->native);
	to->unread = pythia_strdup(from->unread);
	to->labels = NULL;
	to->nlabels = 0;
	for (int i = 0; i < from->nlabels; i++)
		pythia_type_add_label(to, from->labels[i]);
}

void pythia_type_add_label(pythia_type *type, const char *label)
{
	/* doubled at each power of two */
	if ((type->nlabels & (type->nlabels - 1)) == 0)
		type->labels =
			pythia_realloc(type->labels, sizeof(char *) * (size_t) (type->nlabels > 0 ? type->nlabels * 2 : 1));
	type->labels[type->nlabels++] = pythia_strdup(label);
}

bool pythia_kind_is_number(pythia_kind kind)
{
	switch (kind)
	{
		case PYTHIA_KIND_BOOL:
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			return true;
		default:
			return false;
	}
}

const char *pythia_type_shown(const pythia_type *type)
{
	return type->native != NULL && type->native[0] != '\0' ? type->native
		   : type->unread != NULL                          ? type->unread
														   : "none";
}

void pythia_default_copy(pythia_default *to, const pythia_default *from)
{
	to->kind = from->kind;
	to->text = pythia_strdup(from->text);
	to->engine = from->engine;
}

void pythia_default_free(pythia_default *value)
{
	pythia_free(value->text);
	memset(value, 0, sizeof(*value));
}

void pythia_table_free(pythia_table *table)
{
	pythia_free(table->schema);
	pythia_free(table->name);
	for (int i = 0; i < table->ncolumns; i++)
	{
		pythia_column *column = &table->columns[i];

		pythia_free(column->name);
		pythia_type_free(&column->type);
		pythia_default_free(&column->value);
		pythia_free(column->collation);
		pythia_free(column->comment);
		pythia_free(column->expression);
	}
	pythia_free(table->columns);
	pythia_free(table->key);
	pythia_free(table->key_descending);
	for (int i = 0; i < table->nindexes; i++)
	{
		pythia_free(table->indexes[i].name);
		pythia_free(table->indexes[i].columns);
		pythia_free(table->indexes[i].descending);
	}
	pythia_free(table->indexes);
	pythia_free(table->comment);
	memset(table, 0, sizeof(*table));
}

int pythia_table_column(const pythia_table *table, const char *name)
{
	int found = -1;

	for (int i = 0; i < table->ncolumns; i++)
		if (strcmp(table->columns[i].name, name) == 0)
			return i;
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcasecmp(table->columns[i].name, name) != 0)
			continue;
		if (found >= 0)
			return -1; /* ambiguous */
		found = i;
	}
	return found;
}

const char *pythia_kind_name(pythia_kind kind)
{
	switch (kind)
	{
		case PYTHIA_KIND_BOOL:
			return "bool";
		case PYTHIA_KIND_INT:
			return "int";
		case PYTHIA_KIND_UINT:
			return "uint";
		case PYTHIA_KIND_DECIMAL:
			return "decimal";
		case PYTHIA_KIND_FLOAT:
			return "float";
		case PYTHIA_KIND_DOUBLE:
			return "double";
		case PYTHIA_KIND_TEXT:
			return "text";
		case PYTHIA_KIND_CHAR:
			return "char";
		case PYTHIA_KIND_BYTES:
			return "bytes";
		case PYTHIA_KIND_DATE:
			return "date";
		case PYTHIA_KIND_TIME:
			return "time";
		case PYTHIA_KIND_TIMESTAMP:
			return "timestamp";
		case PYTHIA_KIND_TIMESTAMPTZ:
			return "timestamptz";
		case PYTHIA_KIND_INTERVAL:
			return "interval";
		case PYTHIA_KIND_UUID:
			return "uuid";
		case PYTHIA_KIND_BIT:
			return "bit";
		case PYTHIA_KIND_ENUM:
			return "enum";
		case PYTHIA_KIND_SET:
			return "set";
		case PYTHIA_KIND_JSON:
			return "json";
		case PYTHIA_KIND_ARRAY:
			return "array";
		case PYTHIA_KIND_YEAR:
			return "year";
		case PYTHIA_KIND_GEOMETRY:
			return "geometry";
		case PYTHIA_KIND_STORED:
			return "stored";
		case PYTHIA_KIND_OTHER:
			break;
	}
	return "other";
}
