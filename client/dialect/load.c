/* The statements of a bulk load. */
#include "core/memory.h"
#include "dialect/dialect.h"

void pythia_load_statements(const pythia_db *db, pythia_load *load)
{
	const pythia_dialect *dialect = pythia_dialect_of(db);
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	dialect->load_statement(db, &text, load->schema, load->table, load->ncolumns, load->columns, load->types);
	load->sql = pythia_buffer_take(&text);
	if (dialect->binary_statement != NULL)
		dialect->binary_statement(db, &text, load->schema, load->table, load->ncolumns, load->columns, load->types);
	load->binary_sql = text.length > 0 ? pythia_buffer_take(&text) : NULL;
	if (dialect->insert_statement != NULL)
		dialect->insert_statement(db, &text, load->schema, load->table, load->ncolumns, load->columns);
	load->insert_sql = text.length > 0 ? pythia_buffer_take(&text) : NULL;
	load->insert_value = dialect->insert_value;
	pythia_buffer_free(&text);
}

void pythia_load_statements_free(pythia_load *load)
{
	pythia_free((char *) load->sql);
	pythia_free((char *) load->binary_sql);
	pythia_free((char *) load->insert_sql);
	load->sql = load->binary_sql = load->insert_sql = NULL;
}
