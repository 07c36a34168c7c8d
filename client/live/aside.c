/*
 * A table that cannot be followed is put aside, and those with it that foreign keys bind to it: their rows do not go without
 * its.  The others go on.  It is tried again, later and later, and compared as a whole: what its log holds, or held, does
 * not matter any more.
 */
#include <string.h>

#include "core/memory.h"
#include "core/stamp.h"
#include "core/text.h"
#include "live/internal.h"
#include "sync/order.h"

#define RETRY_BASE_MS 1000

static bool put_one(pythia_live *live, pythia_live_table *table, int cause, const char *why, pythia_error *error)
{
	if (table->failure != why)
	{
		pythia_free(table->failure);
		table->failure = pythia_strdup(why);
	}
	table->cause = cause;
	table->failed_at = pythia_host_now(live->job.source->host);
	table->aside = true;
	table->was_copied = table->was_copied || table->copied;
	table->copied = table->whole = table->staged = false;
	table->numbers.count = 0;
	pythia_live_table_unopen(table);
	return pythia_live_table_save(live, table, error);
}

static bool find_bound(pythia_live *live, int cause, bool *bound, pythia_error *error)
{
	char **names = pythia_calloc((size_t) live->ntables + 1, sizeof(char *));
	bool ok;

	for (int i = 0; i < live->ntables; i++)
		names[i] = (char *) live->tables[i].name;
	ok = pythia_tables_bound(live->job.source, live->job.target, live->job.config, names, live->ntables, cause, bound,
							 error);
	pythia_free(names);
	return ok;
}

/* What a database adds to its message may show what is in a row. */
static void spell(const pythia_error *failure, pythia_buffer *why)
{
	bool ours = failure->error_class == PYTHIA_E_USAGE;

	pythia_buffer_puts(why, failure->message != NULL ? failure->message : failure->sqlstate);
	if (ours && failure->detail != NULL)
		pythia_buffer_printf(why, ".  %s", failure->detail);
	if (ours && failure->hint != NULL)
		pythia_buffer_printf(why, "%s  %s", failure->detail != NULL ? "" : ".", failure->hint);
}

bool pythia_live_put_aside(pythia_live *live, pythia_live_table *table, pythia_error *failure, pythia_error *error)
{
	int cause = (int) (table - live->tables);
	bool *bound = pythia_calloc((size_t) live->ntables + 1, sizeof(bool));
	pythia_buffer why = PYTHIA_BUFFER_INIT;
	pythia_buffer others = PYTHIA_BUFFER_INIT;
	pythia_buffer waits = PYTHIA_BUFFER_INIT;
	bool told;
	bool ok;

	spell(failure, &why);
	pythia_error_reset(failure);
	pythia_buffer_printf(&waits, "it waits for table \"%s\", to which foreign keys bind it", table->name);
	told = pythia_same_text(table->failure, why.data);
	if (table->retry.base_ms == 0)
		table->retry = pythia_retry_growing(RETRY_BASE_MS, (uint64_t) (pythia_monotonic_ms() + cause) | 1);
	ok = find_bound(live, cause, bound, error);
	for (int i = 0; ok && i < live->ntables; i++)
	{
		if (!bound[i])
			continue;
		if (i != cause)
			pythia_buffer_printf(&others, "%s\"%s\"", others.length > 0 ? ", " : "", live->tables[i].name);
		ok = put_one(live, &live->tables[i], cause, i == cause ? why.data : waits.data, error);
	}
	table->retry_at = pythia_monotonic_ms() + pythia_retry_next(&table->retry);
	if (ok && !told)
		pythia_host_log(live->job.source->host, PYTHIA_LOG_WARNING,
						"table \"%s\" is put aside, and tried again from time to time%s%s: %s", table->name,
						others.length > 0 ? ", as are those that foreign keys bind to it, " : "",
						pythia_buffer_text(&others), why.data);
	pythia_buffer_free(&why);
	pythia_buffer_free(&others);
	pythia_buffer_free(&waits);
	pythia_free(bound);
	return ok;
}

void pythia_live_try_again(pythia_live *live)
{
	for (int i = 0; i < live->ntables; i++)
	{
		if (!live->tables[i].aside || live->tables[i].cause != i || pythia_monotonic_ms() < live->tables[i].retry_at)
			continue;
		for (int k = 0; k < live->ntables; k++)
		{
			pythia_live_table *table = &live->tables[k];

			if (!table->aside || table->cause != i)
				continue;
			table->aside = false;
			table->whole = true;
		}
		/* what has changed meanwhile is followed, or refused once more */
		live->looked_at = 0;
	}
}

void pythia_live_rejoin(pythia_live *live, pythia_live_table *table)
{
	if (table->failure == NULL)
		return;
	pythia_host_log(live->job.source->host, PYTHIA_LOG_NOTICE, "table \"%s\" is live again", table->name);
	pythia_free(table->failure);
	table->failure = NULL;
	table->failed_at = 0;
	table->was_copied = false;
	pythia_retry_reset(&table->retry);
}
