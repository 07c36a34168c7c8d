/* Transactions of a run, and databases that were lost. */
#include <stdlib.h>
#include <string.h>

#include "core/list.h"
#include "core/memory.h"
#include "dialect/short_name.h"
#include "sync/run.h"
#include "sync/search_path.h"

bool pythia_run_exec(pythia_run *run, const char *sql, int64_t *count, pythia_error *error)
{
	int64_t affected = 0;

	if (!pythia_db_exec(run->target, sql, &affected, error))
		return false;
	if (count != NULL)
		*count += affected;
	return true;
}

const pythia_sync_job *pythia_job_apart(const pythia_sync_job *job, pythia_sync_job *own, pythia_db **twin)
{
	const char *place = job->target->place;

	*twin = NULL;
	/* a database in memory has a place without a name */
	if (job->source->engine != PYTHIA_SQLITE || job->target->engine != PYTHIA_SQLITE || job->source->local ||
		job->target->local || place == NULL || job->source->place == NULL || place[strlen(place) - 1] == ' ' ||
		strcmp(place, job->source->place) != 0)
		return job;
	pythia_sqlite_twin(job->target, twin);
	*own = *job;
	own->source = *twin;
	own->connect = NULL;
	return own;
}

void pythia_run_progress(const pythia_run *run, const char *phase)
{
	const pythia_sync_callbacks *callbacks = run->job->callbacks;

	if (callbacks != NULL && callbacks->progress != NULL)
		callbacks->progress(callbacks->context, phase, run->result->source_count, run->plan.source.estimated_rows,
							run->result->bytes);
}

/* Foreign keys of the transaction are looked at when it ends, where the engine can. */
static bool defer_constraints(pythia_run *run, pythia_error *error)
{
	switch (run->target->engine)
	{
		case PYTHIA_SQLITE:
			return pythia_db_exec(run->target, "PRAGMA defer_foreign_keys = ON", NULL, error);
		case PYTHIA_POSTGRESQL:
			/* a transaction of the caller's keeps its own ways */
			return run->target->nested || pythia_db_exec(run->target, "SET CONSTRAINTS ALL DEFERRED", NULL, error);
		case PYTHIA_MYSQL:
			break;
	}
	return true;
}

/* A few rows are looked up by their keys: a disk's price for a page makes PostgreSQL read the whole table instead. */
static bool prefer_index(pythia_run *run, pythia_error *error)
{
	return run->target->engine != PYTHIA_POSTGRESQL || !run->way.staged ||
		   run->job->config->mode != PYTHIA_SYNC_INCREMENTAL || run->mark.low == NULL ||
		   pythia_db_exec(run->target, "SET LOCAL random_page_cost = 1.1", NULL, error);
}

bool pythia_run_begin_write(pythia_run *run, pythia_error *error)
{
	if (run->state.writing)
		return true;
	if (!run->target->driver->begin(run->target, PYTHIA_BEGIN_IMMEDIATE, error))
		return false;
	run->state.writing = true;
	return defer_constraints(run, error) && prefer_index(run, error) && pythia_search_path_set(run, error);
}

static void remember_commit(pythia_run *run)
{
	if (run->seen != NULL)
	{
		if (run->after == NULL)
			run->after = pythia_calloc((size_t) run->plan.nkey, sizeof(char *));
		for (int i = 0; i < run->plan.nkey; i++)
		{
			pythia_free(run->after[i]);
			run->after[i] = pythia_strdup(run->seen[i]);
		}
	}
	run->committed = *run->result;
	run->committed.watermark = NULL; /* the result's alone */
}

bool pythia_run_commit(pythia_run *run, pythia_error *error)
{
	bool ok = true;

	if (run->state.writing)
	{
		run->state.writing = false;
		ok = run->job->config->dry_run ? run->target->driver->rollback(run->target, error)
									   : run->target->driver->commit(run->target, error);
		/* SQLite keeps a transaction open whose commit broke a deferred constraint */
		run->state.writing = !ok;
		run->state.unsure = run->state.unsure || (!ok && run->target->engine != PYTHIA_SQLITE);
	}
	if (ok)
		remember_commit(run);
	return ok;
}

bool pythia_run_begin_read(pythia_run *run, pythia_error *error)
{
	if (run->state.reading)
		return true;
	if (!run->source->driver->begin(run->source, PYTHIA_BEGIN_SNAPSHOT, error))
		return false;
	run->state.reading = true;
	return true;
}

bool pythia_run_join_snapshot(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (run->snapshot == NULL)
		return pythia_run_begin_read(run, error);
	pythia_buffer_puts(&sql, "SET TRANSACTION SNAPSHOT ");
	pythia_dialect_of(run->source)->literal(&sql, run->snapshot, strlen(run->snapshot));
	run->state.reading = pythia_db_exec(run->source, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL, error) &&
						 pythia_db_exec(run->source, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	if (run->state.reading || error->error_class == PYTHIA_E_CANCELLED || run->source->broken)
		return run->state.reading;
	/* gone with a connection that was lost: as after any such loss, a new one will do */
	pythia_host_log(run->source->host, PYTHIA_LOG_NOTICE, "table \"%s\": %s; a part of it is read as it is now",
					run->plan.source.name, error->message);
	pythia_error_reset(error);
	run->source->driver->rollback(run->source, &ignored);
	pythia_error_reset(&ignored);
	return pythia_run_begin_read(run, error);
}

bool pythia_run_end_read(pythia_run *run, pythia_error *error)
{
	if (!run->state.reading)
		return true;
	run->state.reading = false;
	return run->source->driver->rollback(run->source, error);
}

void pythia_run_give_up(pythia_run *run, bool keep_writing)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (run->state.reading && !run->source->broken)
		run->source->driver->rollback(run->source, &ignored);
	run->state.reading = false;
	if (!keep_writing)
	{
		if (run->state.writing && !run->target->broken)
			run->target->driver->rollback(run->target, &ignored);
		run->state.writing = false;
	}
	pythia_error_reset(&ignored);
}

static bool reopen(pythia_run *run, bool target, pythia_error *error)
{
	pythia_db **db = target ? &run->target : &run->source;
	bool *ours = target ? &run->target_ours : &run->source_ours;
	pythia_db *fresh = NULL;

	if (!(*db)->broken)
		return true;
	if (!run->job->connect(run->job->connect_context, target, NULL, &fresh, error))
		return false;
	if (*ours)
		pythia_db_close(*db);
	*db = fresh;
	*ours = true;
	return true;
}

static bool worth_another_try(const pythia_run *run, const pythia_error *error)
{
	const pythia_db *failed = run->state.source_failed ? run->source : run->target;

	if (error->error_class != PYTHIA_E_LOST && error->error_class != PYTHIA_E_TRANSIENT &&
		error->error_class != PYTHIA_E_CONNECT)
		return false;
	/* nobody grants a right meanwhile */
	if (strcmp(error->sqlstate, "42501") == 0)
		return false;
	/* SQLite has waited already, for as long as its URL says; so has the host's own database */
	if (strcmp(error->sqlstate, "55P03") == 0 && (failed->engine == PYTHIA_SQLITE || failed->local))
		return false;
	if ((run->source->broken || run->target->broken) && run->job->connect == NULL)
		return false;
	/* the caller's transaction is the caller's to try again, unless only the reading failed */
	if (run->target->nested && (!run->state.source_failed || !run->way.ordered))
		return false;
	return !(run->source->broken && run->source->local) && !(run->target->broken && run->target->local);
}

bool pythia_run_recover(pythia_run *run, pythia_error *error)
{
	bool keep = run->state.source_failed && run->way.ordered && !run->target->broken;
	pythia_error again = PYTHIA_ERROR_INIT;

	pythia_run_give_up(run, keep);
	if (!keep)
	{
		*run->result = run->committed;
		run->state.keys_kept = false; /* made again */
	}
	while (worth_another_try(run, error))
	{
		int64_t delay = pythia_retry_next(&run->retry);

		if (delay < 0)
			break;
		pythia_host_log(run->job->source->host, PYTHIA_LOG_NOTICE, "table \"%s\": %s; trying again",
						pythia_name_shown(run->job->table, (char[PYTHIA_NAME_ROOM]){0}), error->message);
		if (pythia_host_wait(run->job->source->host, -1, 0, (long) delay) == PYTHIA_WAIT_CANCELLED)
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "cancelled while waiting to try again");
		if (reopen(run, false, &again) && reopen(run, true, &again))
		{
			pythia_error_reset(error);
			run->state.source_failed = false;
			return true;
		}
		pythia_error_move(error, &again);
	}
	pythia_error_reset(&again);
	return false;
}

void pythia_run_forget_place(pythia_run *run)
{
	pythia_list_free(run->after, run->after != NULL ? run->plan.nkey : 0);
	pythia_list_free(run->seen, run->seen != NULL ? run->plan.nkey : 0);
	run->after = run->seen = NULL;
}

void pythia_run_close(pythia_run *run)
{
	if (run->source_ours)
		pythia_db_close(run->source);
	if (run->target_ours)
		pythia_db_close(run->target);
	pythia_run_forget_place(run);
	pythia_list_free(run->collations, run->collations != NULL ? run->plan.nkey : 0);
	pythia_list_free(run->bounds, run->nparts > 0 ? run->nparts - 1 : 0);
	pythia_free(run->path);
	pythia_free(run->snapshot);
	pythia_free(run->swap);
	pythia_free(run->names);
	pythia_free(run->types);
	pythia_watermark_free(&run->mark);
	pythia_plan_free(&run->plan);
	pythia_table_free(&run->design);
}
