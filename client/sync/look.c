/* A worker's tables looked at when it is defined, so that a name that is wrong is told to whoever writes it. */
#include "dialect/dialect.h"
#include "sync/sync.h"

bool pythia_sync_look(pythia_db *source, const pythia_node *config, char *const *tables, int count, pythia_error *error)
{
	for (int i = 0; i < count; i++)
	{
		pythia_table table;

		if (pythia_name_is_pattern(tables[i]))
			continue;
		if (!pythia_describe(source, tables[i], &table, error))
			return pythia_error_context(error, "source %s", source->display);
		pythia_table_free(&table);
	}
	return pythia_sync_config_names(config, tables, count, source, error);
}

bool pythia_sync_no_function(const char *name, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "0A000", "conflicts cannot be resolved by function \"%s\" here", name);
	return pythia_error_hint(error, "Functions are called where PostgreSQL is the host; elsewhere set "
									"conflict_resolution to source_wins, target_wins, newest_wins, oldest_wins, "
									"error or skip.");
}

bool pythia_sync_functions(const pythia_node *config, pythia_sync_find_function find, void *context,
						   pythia_error *error)
{
	const pythia_node *tables = pythia_node_get(config, "tables");
	pythia_sync_config read;

	if (!pythia_sync_config_read(config, NULL, NULL, &read, error) ||
		(read.conflict_function != NULL && !find(context, read.conflict_function, error)))
		return false;
	/* their other options have just been checked */
	for (const pythia_node *table = pythia_node_members(tables); table != NULL; table = table->next)
	{
		read.conflict_function = NULL;
		if (!pythia_sync_read_conflict(table, &read, error) ||
			(read.conflict_function != NULL && !find(context, read.conflict_function, error)))
			return false;
	}
	return true;
}

bool pythia_sync_later(const pythia_error *error)
{
	return error->error_class == PYTHIA_E_CONNECT || error->error_class == PYTHIA_E_LOST ||
		   error->error_class == PYTHIA_E_TRANSIENT;
}
