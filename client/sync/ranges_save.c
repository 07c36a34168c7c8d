/* Telling the host how far a part has come. */
#include "sync/run.h"

#include "core/memory.h"

static void add_counters(pythia_sync_result *sum, const pythia_sync_result *counted, int sign)
{
	sum->rows_synced += sign * counted->rows_synced;
	sum->rows_inserted += sign * counted->rows_inserted;
	sum->rows_updated += sign * counted->rows_updated;
	sum->rows_deleted += sign * counted->rows_deleted;
	sum->rows_skipped += sign * counted->rows_skipped;
	sum->rows_quarantined += sign * counted->rows_quarantined;
	sum->source_count += sign * counted->source_count;
	sum->bytes += sign * counted->bytes;
}

void pythia_sync_result_add(pythia_sync_result *sum, const pythia_sync_result *counted)
{
	add_counters(sum, counted, 1);
}

bool pythia_ranges_save(pythia_run *run, bool done, pythia_error *error)
{
	const pythia_sync_streams *streams = run->job->streams;
	pythia_sync_result counted = run->committed;
	char *text = run->after != NULL ? pythia_checkpoint_write_key(run) : NULL;
	bool ok;

	/* since it was told last */
	add_counters(&counted, &run->counted, -1);
	ok = streams->save(streams->context, run->part, text, done, &counted, error);
	pythia_free(text);
	if (ok)
		run->counted = run->committed;
	return ok;
}
