/* SQLite: by which collation the columns of unique indexes are compared. */
#include <string.h>
#include <strings.h>

#include "capture/internal.h"
#include "core/memory.h"

bool pythia_unique_collations(const pythia_capture_table *table, char *collations, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(table->db);
	pythia_buffer schema = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	memset(collations, 0, (size_t) table->ncolumns);
	if (table->db->engine != PYTHIA_SQLITE)
		return true;
	dialect->literal(&schema, table->table.schema, strlen(table->table.schema));
	pythia_buffer_puts(&sql, "SELECT x.name, substr(upper(x.coll), 1, 1) FROM pragma_index_list(");
	dialect->literal(&sql, table->table.name, strlen(table->table.name));
	pythia_buffer_printf(&sql,
						 ", %s) AS l JOIN pragma_index_xinfo(l.name, %s) AS x WHERE l.\"unique\" AND x.key = 1"
						 " AND x.name IS NOT NULL AND upper(x.coll) IN ('NOCASE', 'RTRIM')",
						 schema.data, schema.data);
	ok = pythia_db_query(table->db, sql.data, "tt", &result, error);
	for (int64_t i = 0; ok && i < result.nrows; i++)
	{
		int position = pythia_table_column(&table->table, pythia_result_text(&result, i, 0));

		for (int j = 0; j < table->ncolumns; j++)
			if (table->columns[j].position == position)
				collations[j] = pythia_result_text(&result, i, 1)[0];
	}
	pythia_result_free(&result);
	pythia_buffer_free(&schema);
	pythia_buffer_free(&sql);
	return ok;
}

static size_t trimmed(const char *text)
{
	size_t length = strlen(text);

	while (length > 0 && text[length - 1] == ' ')
		length--;
	return length;
}

bool pythia_unique_same(char collation, const char *a, const char *b)
{
	if (collation == 'N')
		return strcasecmp(a, b) == 0;
	if (collation == 'R')
		return trimmed(a) == trimmed(b) && strncmp(a, b, trimmed(a)) == 0;
	return strcmp(a, b) == 0;
}
