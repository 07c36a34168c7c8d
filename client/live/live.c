/* A worker: opened, given its turns, closed. */
#include "live/live.h"

#include <stdio.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "live/charge.h"
#include "live/internal.h"

/* Letters of a name that follows from the pair, behind "live_". */
#define NAME_DIGITS 12
#define NAME_MOST   63

char *pythia_live_name(const pythia_db *source, const pythia_db *target)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	char digest[65];

	pythia_buffer_printf(&text, "%s\n%s", source->place != NULL ? source->place : "",
						 target->place != NULL ? target->place : "");
	pythia_sha256(text.data, text.length, digest);
	pythia_buffer_clear(&text);
	pythia_buffer_printf(&text, "live_%.*s", NAME_DIGITS, digest);
	return pythia_buffer_take(&text);
}

static bool check_pair(const pythia_live_job *job, pythia_error *error)
{
	if (job->name != NULL && (job->name[0] == '\0' || strlen(job->name) > NAME_MOST))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42602", "\"%.100s\" is no name for a live sync", job->name);
		return pythia_error_hint(error, "Give it 1 to %d letters.", NAME_MOST);
	}
	if (job->source->engine == PYTHIA_SQLITE && job->source->place != NULL && job->target->place != NULL &&
		strcmp(job->source->place, job->target->place) == 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "0A000", "source and target are one SQLite file");
		return pythia_error_hint(error, "A trigger of your own keeps two tables of one file alike; live sync is for two"
										" databases.");
	}
	return true;
}

/* Tables that were followed, and cannot even be looked at. */
static bool put_aside(pythia_live *live, pythia_error *error)
{
	for (int i = 0; i < live->ntables; i++)
		if (live->tables[i].problem.error_class != PYTHIA_E_NONE &&
			!pythia_live_put_aside(live, &live->tables[i], &live->tables[i].problem, error))
			return false;
	return true;
}

/* What has moved is not brought there once more. */
static bool check_charge(const pythia_live *live, pythia_error *error)
{
	pythia_charge charge;
	bool ok = pythia_charge_read(live->job.source, live->name, &charge, error);

	if (ok && charge.state == PYTHIA_CHARGE_MOVED && !live->job.moves_back)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "55000", "the tables of live sync \"%s\" have moved to %s", live->name,
					charge.moved_to);
		pythia_error_hint(error,
						  "The target is in charge since %s UTC: pythia cutover --status tells of it, and a live"
						  " sync from there to here goes on.",
						  charge.since);
		ok = false;
	}
	pythia_charge_free(&charge);
	return ok;
}

/* In this order: once the positions are written the two go together, whatever becomes of this process. */
static bool begin(pythia_live *live, pythia_error *error)
{
	bool anew;

	if (!pythia_live_position_begin(live, &anew, error))
		return false;
	for (int i = 0; anew && i < live->ntables; i++)
	{
		live->tables[i].copied = live->tables[i].was_copied = live->tables[i].whole = false;
		/* columns that have changed are no reason to stop any more */
		pythia_free(live->tables[i].columns);
		pythia_free(live->tables[i].rest);
		live->tables[i].columns = live->tables[i].rest = NULL;
		if (!pythia_live_table_save(live, &live->tables[i], error))
			return false;
	}
	return !anew || pythia_live_position_anew(live, error);
}

bool pythia_live_open(const pythia_live_job *job, pythia_live **live, pythia_error *error)
{
	pythia_live *w;
	bool ok;

	*live = NULL;
	if (!check_pair(job, error))
		return false;
	w = pythia_calloc(1, sizeof(*w));
	w->job = *job;
	w->name = job->name != NULL ? pythia_strdup(job->name) : pythia_live_name(job->source, job->target);
	w->ntables = job->ntables;
	w->tables = pythia_calloc((size_t) job->ntables + 1, sizeof(pythia_live_table));
	w->places = pythia_calloc((size_t) job->ntables + 1, sizeof(pythia_log_place));
	w->empty = pythia_calloc((size_t) job->ntables + 1, sizeof(bool));
	ok = check_charge(w, error) && pythia_live_tables_install(job->source, error) &&
		 pythia_live_position_install(w, error) && pythia_live_tables_begin(w, error) && put_aside(w, error) &&
		 begin(w, error) && pythia_live_catalog_keep(w, NULL, error);
	for (int i = 0; ok && i < w->ntables; i++)
		w->places[i] = (pythia_log_place){.schema = w->tables[i].schema, .name = w->tables[i].log.name};
	if (!ok)
	{
		pythia_live_close(w);
		return false;
	}
	w->status.number = w->target.number;
	*live = w;
	return true;
}

void pythia_live_close(pythia_live *live)
{
	if (live == NULL)
		return;
	for (int i = 0; i < live->ntables; i++)
		pythia_live_table_close(&live->tables[i]);
	pythia_free(live->tables);
	pythia_free(live->places);
	pythia_free(live->empty);
	pythia_free(live->name);
	pythia_free(live);
}

/* The job's table i. */
static pythia_live_table *table_of(const pythia_live *live, int i)
{
	for (int t = 0; t < live->ntables; t++)
		if (strcmp(live->tables[t].name, live->job.tables[i]) == 0)
			return &live->tables[t];
	return NULL;
}

bool pythia_live_wants_copy(const pythia_live *live, int i)
{
	const pythia_live_table *table = table_of(live, i);

	return !table->copied && !table->aside && !table->was_copied;
}

bool pythia_live_copied(pythia_live *live, int i, pythia_error *error)
{
	pythia_live_table *table = table_of(live, i);

	table->copied = true;
	table->whole = false;
	pythia_live_rejoin(live, table);
	return pythia_live_table_save(live, table, error);
}

void pythia_live_compare(pythia_live *live, int i)
{
	table_of(live, i)->whole = true;
}

bool pythia_live_fail(pythia_live *live, int i, pythia_error *failure, pythia_error *error)
{
	pythia_live_table *table = table_of(live, i);

	if (!pythia_live_is_tables(live, failure))
		return pythia_error_move(error, failure);
	if (!table->aside)
		return pythia_live_put_aside(live, table, failure, error);
	pythia_error_reset(failure);
	return true;
}

void pythia_live_look(const pythia_live *live, pythia_live_status *status)
{
	*status = live->status;
	status->aside = 0;
	for (int i = 0; i < live->ntables; i++)
		status->aside += live->tables[i].aside;
}

bool pythia_live_is_aside(const pythia_live *live, int i, const char **why, int64_t *since)
{
	const pythia_live_table *table = table_of(live, i);

	*why = table->failure;
	*since = table->failed_at;
	return table->aside;
}

bool pythia_live_drop(pythia_db *source, pythia_db *target, const char *name, pythia_error *error)
{
	return (source == NULL ||
			(pythia_live_tables_install(source, error) && pythia_live_tables_drop(source, name, error) &&
			 pythia_live_position_forget(source, true, name, error))) &&
		   (target == NULL || pythia_live_position_forget(target, false, name, error));
}
