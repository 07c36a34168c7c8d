#include "migrate/catalog.h"

#include <string.h>
#include <strings.h>

#include "core/memory.h"

/* --- texts ------------------------------------------------------------------------------- */

static char *own(pythia_texts *texts, char *text)
{
	if (texts->count == texts->room)
	{
		texts->room = texts->room > 0 ? texts->room * 2 : 64;
		texts->items = pythia_realloc(texts->items, sizeof(char *) * (size_t) texts->room);
	}
	return texts->items[texts->count++] = text;
}

char *pythia_texts_keep(pythia_texts *texts, const char *text)
{
	return text != NULL ? own(texts, pythia_strdup(text)) : NULL;
}

char *pythia_texts_take(pythia_texts *texts, pythia_buffer *buffer)
{
	return own(texts, pythia_buffer_take(buffer));
}

void pythia_texts_free(pythia_texts *texts)
{
	for (int i = 0; i < texts->count; i++)
		pythia_free(texts->items[i]);
	pythia_free(texts->items);
	memset(texts, 0, sizeof(*texts));
}

/* --- lists that grow by one ---------------------------------------------------------------- */

static void *grown(void *list, int *count, size_t size)
{
	/* by doubling, at the powers of two */
	if ((*count & (*count - 1)) == 0)
		list = pythia_realloc(list, size * (size_t) (*count > 0 ? *count * 2 : 1));
	memset((char *) list + size * (size_t) *count, 0, size);
	(*count)++;
	return list;
}

pythia_catalog_table *pythia_catalog_add_table(pythia_catalog *catalog)
{
	catalog->tables = grown(catalog->tables, &catalog->ntables, sizeof(*catalog->tables));
	return &catalog->tables[catalog->ntables - 1];
}

void pythia_catalog_add_schema(pythia_catalog *catalog, const char *name)
{
	catalog->schemas = grown(catalog->schemas, &catalog->nschemas, sizeof(char *));
	catalog->schemas[catalog->nschemas - 1] = pythia_texts_keep(&catalog->texts, name);
}

pythia_catalog_index *pythia_catalog_add_index(pythia_catalog_table *table)
{
	table->indexes = grown(table->indexes, &table->nindexes, sizeof(*table->indexes));
	return &table->indexes[table->nindexes - 1];
}

pythia_catalog_part *pythia_catalog_add_part(pythia_catalog_index *index)
{
	index->parts = grown(index->parts, &index->nparts, sizeof(*index->parts));
	return &index->parts[index->nparts - 1];
}

pythia_catalog_foreign *pythia_catalog_add_foreign(pythia_catalog_table *table)
{
	table->foreigns = grown(table->foreigns, &table->nforeigns, sizeof(*table->foreigns));
	return &table->foreigns[table->nforeigns - 1];
}

void pythia_catalog_add_pair(pythia_catalog_foreign *foreign, char *column, char *to_column)
{
	int n = foreign->ncolumns;

	foreign->columns = grown(foreign->columns, &n, sizeof(char *));
	n = foreign->ncolumns;
	foreign->to_columns = grown(foreign->to_columns, &n, sizeof(char *));
	foreign->columns[foreign->ncolumns] = column;
	foreign->to_columns[foreign->ncolumns++] = to_column;
}

pythia_catalog_check *pythia_catalog_add_check(pythia_catalog_table *table)
{
	table->checks = grown(table->checks, &table->nchecks, sizeof(*table->checks));
	return &table->checks[table->nchecks - 1];
}

pythia_catalog_sequence *pythia_catalog_add_sequence(pythia_catalog *catalog)
{
	catalog->sequences = grown(catalog->sequences, &catalog->nsequences, sizeof(*catalog->sequences));
	return &catalog->sequences[catalog->nsequences - 1];
}

pythia_catalog_enum *pythia_catalog_add_enum(pythia_catalog *catalog)
{
	catalog->enums = grown(catalog->enums, &catalog->nenums, sizeof(*catalog->enums));
	return &catalog->enums[catalog->nenums - 1];
}

pythia_catalog_domain *pythia_catalog_add_domain(pythia_catalog *catalog)
{
	catalog->domains = grown(catalog->domains, &catalog->ndomains, sizeof(*catalog->domains));
	return &catalog->domains[catalog->ndomains - 1];
}

pythia_catalog_check *pythia_catalog_add_domain_check(pythia_catalog_domain *domain)
{
	domain->checks = grown(domain->checks, &domain->nchecks, sizeof(*domain->checks));
	return &domain->checks[domain->nchecks - 1];
}

pythia_catalog_view *pythia_catalog_add_view(pythia_catalog *catalog)
{
	catalog->views = grown(catalog->views, &catalog->nviews, sizeof(*catalog->views));
	return &catalog->views[catalog->nviews - 1];
}

pythia_catalog_other *pythia_catalog_add_other(pythia_catalog *catalog)
{
	catalog->others = grown(catalog->others, &catalog->nothers, sizeof(*catalog->others));
	return &catalog->others[catalog->nothers - 1];
}

const char *pythia_catalog_action(const char *text)
{
	static const char *const actions[] = {"CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT"};

	for (size_t i = 0; text != NULL && i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcasecmp(text, actions[i]) == 0)
			return actions[i];
	return "NO ACTION";
}

/* --- finding and freeing --- */

pythia_catalog_table *pythia_catalog_find(const pythia_catalog *catalog, const char *schema, const char *name)
{
	for (int i = 0; i < catalog->ntables; i++)
		if (strcmp(catalog->tables[i].table.name, name) == 0 && strcmp(catalog->tables[i].table.schema, schema) == 0)
			return &catalog->tables[i];
	return NULL;
}

pythia_catalog_column *pythia_catalog_column_of(const pythia_catalog_table *table, const char *name)
{
	for (int i = 0; i < table->table.ncolumns; i++)
		if (strcmp(table->table.columns[i].name, name) == 0)
			return &table->columns[i];
	return NULL;
}

static void free_table(pythia_catalog_table *table)
{
	for (int i = 0; i < table->nindexes; i++)
		pythia_free(table->indexes[i].parts);
	for (int i = 0; i < table->nforeigns; i++)
	{
		pythia_free(table->foreigns[i].columns);
		pythia_free(table->foreigns[i].to_columns);
	}
	pythia_free(table->indexes);
	pythia_free(table->foreigns);
	pythia_free(table->checks);
	pythia_free(table->columns);
	pythia_extras_free(&table->extras);
	pythia_table_free(&table->table);
}

void pythia_catalog_free(pythia_catalog *catalog)
{
	for (int i = 0; i < catalog->ntables; i++)
		free_table(&catalog->tables[i]);
	for (int i = 0; i < catalog->nenums; i++)
		pythia_type_free(&catalog->enums[i].labels);
	pythia_free(catalog->tables);
	pythia_free(catalog->sequences);
	for (int i = 0; i < catalog->ndomains; i++)
		pythia_free(catalog->domains[i].checks);
	pythia_free(catalog->enums);
	pythia_free(catalog->domains);
	pythia_free(catalog->views);
	pythia_free(catalog->others);
	pythia_free(catalog->schemas);
	pythia_texts_free(&catalog->texts);
	memset(catalog, 0, sizeof(*catalog));
}
