/* Reading what else a table has, through the query of its dialect, whose columns are kind, name, detail, column. */
#include <string.h>

#include "dialect/dialect_internal.h"

/* A trigger of capture's, which in PostgreSQL has a sign and a blank before its name. */
static bool is_ours(const char *name)
{
	return pythia_own_table(name[0] == '\001' && name[1] == ' ' ? name + 2 : name);
}

bool pythia_extras_read(pythia_db *db, const pythia_table *table, pythia_extras *extras, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(db);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	if (table->relation != PYTHIA_RELATION_TABLE && table->relation != PYTHIA_RELATION_PARTITIONED)
		return true;
	memset(&result, 0, sizeof(result));
	dialect->extras_query(dialect, db, &sql, table);
	ok = pythia_db_query(db, sql.data, "nVVV", &result, error);
	for (int64_t i = 0; ok && i < result.nrows; i++)
	{
		int64_t kind = pythia_result_number(&result, i, 0);
		const char *name = pythia_result_optional(&result, i, 1);

		if (kind == PYTHIA_EXTRA_DEFINITION && db->engine == PYTHIA_SQLITE)
			pythia_sqlite_read_definition(name != NULL ? name : "", extras);
		else if (kind < 0 || kind >= PYTHIA_EXTRA_KINDS || kind == PYTHIA_EXTRA_DEFINITION)
			ok = pythia_db_bad_answer(db, error, "a part of a table that is none");
		/* those of our own capture */
		else if (kind != PYTHIA_EXTRA_TRIGGER || name == NULL || !is_ours(name))
			pythia_extras_add(extras, (pythia_extra_kind) kind, name, pythia_result_optional(&result, i, 2),
							  pythia_result_optional(&result, i, 3));
	}
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	return ok;
}
