#include <string.h>

#include "core/memory.h"
#include "cutover/internal.h"
#include "sync/target.h"

/* What is carried one way alone cannot come back. */
bool pythia_cutover_check_reverse(const pythia_cutover_job *job, pythia_error *error)
{
	static const char *const one_way[] = {"table_map", "column_map",   "columns", "exclude_columns",
										  "where",     "target_where", "tables",  "key",
										  "masks",     "expressions",  NULL};

	for (int i = 0; one_way[i] != NULL; i++)
	{
		const pythia_node *node = pythia_node_get(job->config, one_way[i]);

		if (node == NULL)
			continue;
		pythia_fail(error, PYTHIA_E_USAGE, "0A000", "there is no way back from a live sync with \"%s\"", one_way[i]);
		return pythia_error_hint(error, "Cut over without --reverse, or follow tables as they are.");
	}
	return true;
}

/* The target's names of the tables, as pythia_name_parse reads them. */
static bool name_tables(const pythia_cutover_job *job, pythia_db *source, pythia_db *target, char **names,
						pythia_error *error)
{
	for (int i = 0; i < job->ntables; i++)
	{
		pythia_sync_config config;
		pythia_table from = {0};
		pythia_table to = {0};
		char *schema = NULL;
		char *name = NULL;
		bool missing = false;
		pythia_sync_job one = {.source = source, .target = target, .table = job->tables[i], .config = &config};
		bool ok = pythia_sync_config_read(job->config, NULL, job->tables[i], &config, error) &&
				  pythia_describe(source, job->tables[i], &from, error) &&
				  pythia_target_find(&one, &from, &to, &missing, &schema, &name, error);

		if (ok && !missing)
		{
			pythia_buffer text = PYTHIA_BUFFER_INIT;
			bool usual = to.schema == NULL || strcmp(to.schema, target->default_schema) == 0;

			pythia_dialect_table(pythia_dialect_of(target), &text, usual ? NULL : to.schema, to.name);
			names[i] = pythia_buffer_take(&text);
		}
		pythia_table_free(&from);
		pythia_table_free(&to);
		pythia_free(schema);
		pythia_free(name);
		if (!ok || missing)
			return ok &&
				   pythia_fail(error, PYTHIA_E_USAGE, "42P01", "table \"%s\" is not in the target", job->tables[i]);
	}
	return true;
}

bool pythia_cutover_reverse(const pythia_cutover_job *job, pythia_db *source, pythia_db *target, pythia_error *error)
{
	char **names = pythia_calloc((size_t) job->ntables + 1, sizeof(char *));
	pythia_live_job back = {.source = target,
							.target = source,
							.tables = names,
							.ntables = job->ntables,
							.config = job->config,
							.on_change = PYTHIA_LIVE_FOLLOW,
							.refresh = true,
							.moves_back = true};
	pythia_live *live = NULL;
	bool ok = name_tables(job, source, target, names, error) && pythia_live_open(&back, &live, error);

	for (int i = 0; ok && i < job->ntables; i++)
		ok = pythia_live_copied(live, i, error);
	pythia_live_close(live);
	for (int i = 0; i < job->ntables; i++)
		pythia_free(names[i]);
	pythia_free(names);
	return ok;
}

bool pythia_cutover_drop_reverse(pythia_db *source, pythia_db *target, pythia_error *error)
{
	char *name = pythia_live_name(target, source);
	bool ok = pythia_live_drop(target, source, name, error);

	pythia_free(name);
	return ok;
}
