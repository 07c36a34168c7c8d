/*
 * The tables of a schema, those that others refer to first.
 *
 * tables_query:     schema, name
 * references_query: name of a table, name of the one that it refers to
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/references.h"
#include "dialect/dialect_internal.h"

typedef struct named_row
{
	const char *name;
	int64_t row;
} named_row;

static int by_name(const void *a, const void *b)
{
	return strcasecmp(((const named_row *) a)->name, ((const named_row *) b)->name);
}

static int64_t row_of(const named_row *sorted, int64_t count, const char *name)
{
	named_row wanted = {.name = name};
	const named_row *found = bsearch(&wanted, sorted, (size_t) count, sizeof(named_row), by_name);

	return found != NULL ? found->row : -1;
}

/* Parents first; tables that refer to each other in a ring keep their order of names. */
static void order_tables(const pythia_result *tables, const pythia_result *references, int *order)
{
	named_row *sorted = pythia_calloc((size_t) tables->nrows + 1, sizeof(named_row));
	pythia_reference *found = pythia_calloc((size_t) references->nrows + 1, sizeof(pythia_reference));
	int64_t count = 0;

	for (int64_t i = 0; i < tables->nrows; i++)
		sorted[i] = (named_row){pythia_result_text(tables, i, 1), i};
	qsort(sorted, (size_t) tables->nrows, sizeof(named_row), by_name);
	for (int64_t i = 0; i < references->nrows; i++)
	{
		int64_t child = row_of(sorted, tables->nrows, pythia_result_text(references, i, 0));
		int64_t parent = row_of(sorted, tables->nrows, pythia_result_text(references, i, 1));

		/* others are elsewhere */
		if (child >= 0 && parent >= 0)
			found[count++] = (pythia_reference){.from = (int) child, .to = (int) parent};
	}
	pythia_parents_first((int) tables->nrows, found, count, order);
	pythia_free(found);
	pythia_free(sorted);
}

bool pythia_own_table(const char *name)
{
	return strncasecmp(name, "pythia_", 7) == 0;
}

static bool list_tables(pythia_db *db, const char *schema, bool ordered, char ***names, int *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result tables;
	pythia_result references;
	int *order;
	bool ok;

	*names = NULL;
	*count = 0;
	memset(&tables, 0, sizeof(tables));
	memset(&references, 0, sizeof(references));
	pythia_dialect_of(db)->tables_query(db, &sql, schema);
	ok = pythia_db_query(db, sql.data, "tt", &tables, error);
	pythia_buffer_clear(&sql);
	pythia_dialect_of(db)->references_query(db, &sql, schema);
	ok = ok && (!ordered || pythia_db_query(db, sql.data, "tt", &references, error));
	pythia_buffer_free(&sql);
	if (ok)
	{
		order = pythia_calloc((size_t) tables.nrows + 1, sizeof(int));
		order_tables(&tables, &references, order);
		*names = pythia_calloc((size_t) tables.nrows + 1, sizeof(char *));
		for (int64_t i = 0; i < tables.nrows; i++)
		{
			pythia_buffer text = PYTHIA_BUFFER_INIT;

			if (pythia_own_table(pythia_result_text(&tables, order[i], 1)))
				continue;
			/* Double quotes: what pythia_name_parse reads, whatever the engine. */
			pythia_dialect_table(&pythia_dialect_sqlite, &text, pythia_result_text(&tables, order[i], 0),
								 pythia_result_text(&tables, order[i], 1));
			(*names)[(*count)++] = pythia_buffer_take(&text);
		}
		pythia_free(order);
	}
	pythia_result_free(&tables);
	pythia_result_free(&references);
	return ok;
}

bool pythia_list_tables(pythia_db *db, const char *schema, char ***names, int *count, pythia_error *error)
{
	return list_tables(db, schema, true, names, count, error);
}

bool pythia_list_table_names(pythia_db *db, const char *schema, char ***names, int *count, pythia_error *error)
{
	return list_tables(db, schema, false, names, count, error);
}
