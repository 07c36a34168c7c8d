/*
 * Temporary tables of the target: the stage, beside the real table, which is loaded in bulk and
 * then compared and merged by statements over whole sets (merge.c).
 */
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"

void pythia_stage_name(pythia_run *run, unsigned serial)
{
	snprintf(run->stage, sizeof(run->stage), serial > 0 ? "pythia_stage_%u" : "pythia_stage", serial);
	snprintf(run->keys, sizeof(run->keys), serial > 0 ? "pythia_keys_%u" : "pythia_keys", serial);
}

bool pythia_stage_create(pythia_run *run, pythia_error *error)
{
	int *all = pythia_calloc((size_t) run->plan.npairs, sizeof(int));
	bool ok;

	for (int i = 0; i < run->plan.npairs; i++)
		all[i] = i;
	ok = pythia_stage_make(run, run->stage, all, run->plan.npairs, error) && pythia_keys_begin(run, error);
	run->state.stage_empty = ok;
	pythia_free(all);
	return ok;
}

bool pythia_stage_clear(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (run->state.stage_empty)
	{
		run->state.stage_empty = false; /* the caller fills it now */
		return true;
	}
	/* MySQL's TRUNCATE commits: only outside a chunk's transaction */
	if (run->target->engine == PYTHIA_SQLITE || (run->target->engine == PYTHIA_MYSQL && run->state.writing))
		pythia_buffer_puts(&sql, "DELETE FROM ");
	else
		pythia_buffer_puts(&sql, "TRUNCATE TABLE ");
	pythia_merge_table(run, true, &sql);
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_stage_drop(pythia_run *run, pythia_error *error)
{
	return pythia_stage_drop_named(run, run->stage, error);
}
