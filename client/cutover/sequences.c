#include <string.h>

#include "cutover/internal.h"
#include "migrate/plan.h"

static bool is_of(const pythia_cutover_job *job, const pythia_migrate_step *step)
{
	if (strcmp(step->what, "sequence") != 0)
		return false;
	if (step->table == NULL)
		return strncmp(step->sql, "SELECT pg_catalog.setval(", 25) == 0;
	for (int i = 0; i < job->ntables; i++)
		if (pythia_same_table_name(step->table, job->tables[i]))
			return true;
	return false;
}

bool pythia_cutover_sequences(const pythia_cutover_job *job, pythia_db *source, pythia_db *target, int *count,
							  pythia_error *error)
{
	pythia_migrate_options options = {.config = job->config};
	pythia_migrate_plan plan = {0};
	bool ok = pythia_migrate_make_plan(source, target, &options, &plan, error);

	for (int i = 0; ok && i < plan.nsteps; i++)
	{
		if (!is_of(job, &plan.steps[i]))
			continue;
		ok = pythia_db_exec(target, plan.steps[i].sql, NULL, error);
		*count += ok;
		/* one that the target does not have: its tables do not count by it */
		if (ok || strncmp(error->sqlstate, "42", 2) != 0 || strcmp(error->sqlstate, "42501") == 0)
			continue;
		pythia_host_log(target->host, PYTHIA_LOG_WARNING, "the target does not count on \"%s\": %s", plan.steps[i].name,
						error->message);
		pythia_error_reset(error);
		ok = true;
	}
	pythia_migrate_plan_free(&plan);
	return ok;
}
