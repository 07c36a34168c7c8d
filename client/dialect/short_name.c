#include "dialect/short_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "dialect/dialect.h"

/* PostgreSQL folds what is not quoted to lower case, so only lower case is plain. */
static bool plain(const char *word)
{
	if (!islower((unsigned char) *word) && *word != '_')
		return false;
	for (; *word != '\0'; word++)
		if (!islower((unsigned char) *word) && !isdigit((unsigned char) *word) && *word != '_')
			return false;
	return true;
}

/* Quoted as pythia_name_parse reads it whatever the engine. */
static void put(pythia_buffer *out, const char *word)
{
	if (plain(word))
		pythia_buffer_puts(out, word);
	else
		pythia_dialect_for(PYTHIA_SQLITE)->identifier(out, word);
}

static char *short_name(const pythia_db *db, const char *name)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	char *schema;
	char *table;

	if (!pythia_name_parse(name, &schema, &table, &error))
	{
		pythia_error_reset(&error);
		return pythia_strdup(name);
	}
	if (schema != NULL && (db->default_schema == NULL || strcmp(schema, db->default_schema) != 0))
	{
		put(&out, schema);
		pythia_buffer_putc(&out, '.');
	}
	put(&out, table);
	pythia_free(schema);
	pythia_free(table);
	return pythia_buffer_take(&out);
}

void pythia_short_names(const pythia_db *db, char **names, int *count)
{
	int kept = 0;

	for (int i = 0; i < *count; i++)
	{
		char *name = short_name(db, names[i]);

		pythia_free(names[i]);
		if (db->engine == PYTHIA_SQLITE && strncmp(name, "pythia_", 7) == 0)
			pythia_free(name);
		else
			names[kept++] = name;
	}
	*count = kept;
}

bool pythia_name_is_pattern(const char *name)
{
	size_t length = strlen(name);

	return length >= 3 && strcmp(name + length - 2, ".*") == 0;
}

bool pythia_same_table_name(const char *a, const char *b)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;
	char *schema[2] = {NULL, NULL};
	char *table[2] = {NULL, NULL};
	bool same = pythia_name_parse(a, &schema[0], &table[0], &ignored) &&
				pythia_name_parse(b, &schema[1], &table[1], &ignored) && strcasecmp(table[0], table[1]) == 0 &&
				(schema[0] == NULL || schema[1] == NULL || strcasecmp(schema[0], schema[1]) == 0);

	for (int i = 0; i < 2; i++)
	{
		pythia_free(schema[i]);
		pythia_free(table[i]);
	}
	pythia_error_reset(&ignored);
	return same;
}

const char *pythia_name_shown(const char *name, char room[PYTHIA_NAME_ROOM])
{
	char *schema;
	char *table;

	if (strpbrk(name, "\"`[") == NULL || !pythia_name_parse(name, &schema, &table, NULL))
		return name;
	snprintf(room, PYTHIA_NAME_ROOM, "%s%s%s", schema != NULL ? schema : "", schema != NULL ? "." : "", table);
	pythia_free(schema);
	pythia_free(table);
	return room;
}
