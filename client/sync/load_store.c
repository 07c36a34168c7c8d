/* Rows stored in one go, and counted. */
#include "sync/run.h"

#include "core/memory.h"

/* Checks the number of rows stored, and applies them where they are staged. */
bool pythia_loader_stored(pythia_loader *loader, uint64_t stored, uint64_t sent, pythia_error *error)
{
	pythia_run *run = loader->run;

	if (stored != sent)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "%llu rows were sent but %llu were stored",
						   (unsigned long long) sent, (unsigned long long) stored);
	run->staged += stored;
	if (run->way.window)
		return true;
	if (run->way.staged)
		return pythia_stage_apply(run, stored, error);
	run->result->rows_inserted += (int64_t) stored;
	run->result->rows_synced += (int64_t) stored;
	return true;
}

bool pythia_loader_store(pythia_loader *loader, const pythia_rows *rows, pythia_error *error)
{
	pythia_db *target = loader->run->target;
	uint64_t stored = 0;

	if (!target->driver->load_begin(target, &loader->load, error))
		return false;
	if (!target->driver->load_put(target, rows, error))
	{
		target->driver->load_abandon(target);
		return false;
	}
	return target->driver->load_end(target, &stored, error) && pythia_loader_stored(loader, stored, rows->count, error);
}
