/* Reads a catalogue: the tables as every sync describes them, then what the engine's own reader adds. */
#include <string.h>

#include "core/list.h"
#include "core/memory.h"
#include "migrate/catalog.h"

static bool add_table(pythia_db *db, pythia_catalog *catalog, pythia_descriptions *many, const char *name,
					  pythia_error *error)
{
	pythia_catalog_table *table;

	table = pythia_catalog_add_table(catalog);
	table->quoted = pythia_texts_keep(&catalog->texts, name);
	if (!pythia_describe_next(db, many, name, &table->table, error) ||
		!pythia_check_columns_seen(db, &table->table, error) ||
		!pythia_extras_read(db, &table->table, &table->extras, error))
		return false;
	table->columns = pythia_calloc((size_t) table->table.ncolumns + 1, sizeof(pythia_catalog_column));
	for (int i = 0; i < table->table.ncolumns; i++)
		table->columns[i].name = table->table.columns[i].name;
	return true;
}

static bool read_schema(pythia_db *db, pythia_catalog *catalog, const char *schema, pythia_error *error)
{
	pythia_descriptions *many = NULL;
	char **names = NULL;
	int count = 0;
	bool ok = pythia_list_tables(db, schema, &names, &count, error) &&
			  pythia_describe_many(db, (const char *const *) names, count, &many, error);

	for (int i = 0; ok && i < count; i++)
	{
		if (pythia_host_cancelled(db->host))
			ok = pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "reading the tables was cancelled");
		else
			ok = add_table(db, catalog, many, names[i], error);
	}
	pythia_descriptions_free(many);
	pythia_list_free(names, count);
	return ok;
}

static bool read_schemas(pythia_db *db, char *const *schemas, int nschemas, pythia_catalog *catalog,
						 pythia_error *error)
{
	int none = 0;

	if (nschemas == 0 && db->engine == PYTHIA_POSTGRESQL)
		return pythia_catalog_schemas_postgres(db, catalog, error);
	for (int i = 0; i < nschemas || (nschemas == 0 && none == 0); i++, none++)
	{
		const char *schema = nschemas > 0 ? schemas[i] : db->default_schema;

		pythia_catalog_add_schema(catalog, schema != NULL ? schema : "main");
	}
	return true;
}

bool pythia_catalog_read(pythia_db *db, char *const *schemas, int nschemas, pythia_catalog *catalog,
						 pythia_error *error)
{
	bool ok;

	memset(catalog, 0, sizeof(*catalog));
	ok = read_schemas(db, schemas, nschemas, catalog, error);
	for (int i = 0; ok && i < catalog->nschemas; i++)
		ok = read_schema(db, catalog, catalog->schemas[i], error);
	if (!ok)
		return false;
	switch (db->engine)
	{
		case PYTHIA_POSTGRESQL:
			return pythia_catalog_postgres(db, catalog, error);
		case PYTHIA_MYSQL:
			return pythia_catalog_mysql(db, catalog, error);
		default:
			return pythia_catalog_sqlite(db, catalog, error);
	}
}
