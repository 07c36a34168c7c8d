/* What the readers of the servers' catalogs share. */
#include <string.h>

#include "migrate/catalog.h"

bool pythia_catalog_ask(pythia_catalog_query *query, const char *select, const char *mark, const char *meaning,
						const char *shape)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_result_free(&query->result);
	query->last = NULL;
	while (*select != '\0')
	{
		if (strncmp(select, mark, strlen(mark)) == 0)
		{
			pythia_buffer_puts(&sql, meaning);
			select += strlen(mark);
		}
		else
			pythia_buffer_putc(&sql, *select++);
	}
	ok = pythia_db_query(query->db, sql.data, shape, &query->result, query->error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_catalog_goes_on(const pythia_catalog_query *query, int64_t row, int columns)
{
	bool same = row > 0;

	for (int i = 0; same && i < columns; i++)
		same = strcmp(pythia_result_text(&query->result, row - 1, i), pythia_result_text(&query->result, row, i)) == 0;
	return same;
}

char *pythia_catalog_text(pythia_catalog_query *query, int64_t row, int column)
{
	const char *found = pythia_result_optional(&query->result, row, column);

	return found != NULL && found[0] != '\0' ? pythia_texts_keep(&query->catalog->texts, found) : NULL;
}

pythia_catalog_table *pythia_catalog_whose(pythia_catalog_query *query, const char *schema, const char *name)
{
	if (query->last == NULL || strcmp(query->last->table.name, name) != 0 ||
		strcmp(query->last->table.schema, schema) != 0)
		query->last = pythia_catalog_find(query->catalog, schema, name);
	return query->last;
}
