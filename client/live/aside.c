/*
 * One table that fails does not hold the others: it is set aside, with those that foreign keys bind to it, for a state of the
 * target without its parents or children would be none of the source's.  Its log goes on.  It is tried again, later and later, and
 * compared as a whole.
 */
#include <string.h>

#include "capture/fault.h"
#include "core/memory.h"
#include "core/visible.h"
#include "live/internal.h"
#include "sync/order.h"

#define RETRY_BASE_MS 1000

bool pythia_live_groups(pythia_live *live, pythia_error *error)
{
	char **names = pythia_calloc((size_t) live->ntables + 1, sizeof(char *));
	pythia_reference *list;
	int64_t n;
	bool ok;

	for (int i = 0; i < live->ntables; i++)
	{
		names[i] = (char *) live->tables[i].name;
		live->tables[i].group = i;
		live->tables[i].retry = pythia_retry_growing(RETRY_BASE_MS, (uint64_t) pythia_monotonic_ms() + (uint64_t) i);
	}
	ok = live->ntables < 2 || pythia_tables_refer(live->job.source, live->job.target, live->job.config, names,
												  live->ntables, &list, &n, error);
	for (int64_t k = 0; ok && live->ntables > 1 && k < n; k++)
	{
		int from = live->tables[list[k].from].group;
		int to = live->tables[list[k].to].group;

		for (int i = 0; from != to && i < live->ntables; i++)
			if (live->tables[i].group == from)
				live->tables[i].group = to;
	}
	if (ok && live->ntables > 1)
		pythia_free(list);
	pythia_free(names);
	return ok;
}

static void set_aside(pythia_live_table *table, const pythia_live_table *failed, const char *why, int64_t again_at)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	if (table == failed)
		pythia_buffer_puts(&text, why);
	else
		pythia_buffer_printf(&text, "foreign keys bind it to table \"%s\", which failed", failed->name);
	pythia_free(table->failure);
	table->failure = pythia_buffer_take(&text);
	table->aside = true;
	table->copied = false;
	table->again_at = again_at;
	pythia_sync_window_close(table->window);
	table->window = NULL;
}

bool pythia_live_set_aside(pythia_live *live, pythia_error *error)
{
	pythia_live_table *failed = live->at_work;
	bool broken = live->job.source->broken || live->job.target->broken;
	pythia_error ignored = PYTHIA_ERROR_INIT;
	bool known;
	int64_t delay;
	bool ok = true;

	live->at_work = NULL;
	if (failed == NULL || pythia_fault_among_tables(error, broken) != PYTHIA_FAULT_TABLE)
		return false;
	known = failed->failure != NULL;
	delay = pythia_retry_next(&failed->retry);
	for (int i = 0; i < live->ntables; i++)
		if (live->tables[i].group == failed->group)
			set_aside(&live->tables[i], failed, error->message, pythia_monotonic_ms() + delay);
	/* once, not at every attempt */
	if (!known)
		pythia_host_log(live->job.source->host, PYTHIA_LOG_WARNING,
						"table \"%s\" is set aside, and tried again: %s%s%s", failed->name, error->message,
						error->hint != NULL ? ".  " : "", error->hint != NULL ? error->hint : "");
	for (int i = 0; ok && i < live->ntables; i++)
		if (live->tables[i].group == failed->group)
		{
			if (!known && &live->tables[i] != failed)
				pythia_host_log(live->job.source->host, PYTHIA_LOG_WARNING, "table \"%s\" is set aside with it",
								live->tables[i].name);
			ok = pythia_live_table_save(live, &live->tables[i], &ignored);
		}
	pythia_error_reset(error);
	if (!ok)
		pythia_error_move(error, &ignored);
	return ok;
}

void pythia_live_try_again(pythia_live *live)
{
	int64_t now = pythia_monotonic_ms();

	for (int i = 0; i < live->ntables; i++)
		if (live->tables[i].aside && now >= live->tables[i].again_at)
		{
			live->tables[i].aside = false;
			live->tables[i].whole = true;
			live->looked_at = 0;
		}
}

bool pythia_live_welcome(pythia_live *live, pythia_live_table *table, pythia_error *error)
{
	if (table->failure == NULL)
		return true;
	pythia_host_log(live->job.source->host, PYTHIA_LOG_NOTICE, "table \"%s\" is followed again", table->name);
	pythia_free(table->failure);
	table->failure = NULL;
	pythia_retry_reset(&table->retry);
	return pythia_live_table_save(live, table, error);
}
