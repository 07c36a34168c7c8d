/*
 * What a run that failed leaves of a table that it made: nothing, unless rows are committed there from which the next run
 * goes on; and of one that it was replacing: what was there.
 */
#include "sync/run.h"

/* For what was made to be dropped again, though the host wants to stop; its transaction may have to end first. */
#define UNDO_MS 5000

typedef struct undoing
{
	pythia_grace grace;
	const pythia_host *host; /* the target's own */
	pythia_db *lost;         /* the target's own connection, which nothing can be done by any more */
	bool swap;
} undoing;

/* A connection that can drop tables: who is cancelled within a statement has lost its own. */
static bool reach_target(pythia_run *run, undoing *undo, pythia_error *error)
{
	undo->host = run->target->host;
	undo->lost = NULL;
	/* other streams may have the table still: they are not waited for without end */
	if (pythia_host_cancelled(undo->host) || run->target->broken || run->nparts > 0)
		pythia_grace_begin(&undo->grace, UNDO_MS);
	else
		undo->grace.host = *undo->host;
	if (run->target->broken)
	{
		pythia_db *fresh = NULL;

		if (run->job->connect == NULL)
			return pythia_fail(error, PYTHIA_E_LOST, "08006", "the connection is lost");
		if (!run->job->connect(run->job->connect_context, true, &undo->grace.host, &fresh, error))
			return false;
		undo->lost = run->target;
		run->target = fresh;
	}
	else
		run->target->host = &undo->grace.host;
	return true;
}

static void leave_target(pythia_run *run, undoing *undo)
{
	if (undo->lost != NULL)
	{
		pythia_db_close(run->target);
		run->target = undo->lost;
	}
	else
		run->target->host = undo->host;
}

/* The next run goes on after rows that are committed, where something remembers how far they came. */
static bool resumable(const pythia_run *run)
{
	const pythia_sync_callbacks *callbacks = run->job->callbacks;

	return (run->after != NULL || run->nparts > 0) && callbacks != NULL && callbacks->checkpoint != NULL;
}

static bool drop_made(pythia_run *run, bool *kept, pythia_error *error)
{
	const pythia_table *made = run->design.name != NULL ? &run->design : &run->plan.target;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok = true;

	pythia_dialect_table(pythia_dialect_of(run->target), &name, made->schema, made->name);
	/* rows that are not all this attempt's are not its to drop */
	if (!run->state.created || resumable(run))
	{
		pythia_buffer_printf(&sql, "SELECT 1 FROM %s LIMIT 1", name.data);
		ok = pythia_db_any(run->target, sql.data, kept, error);
		pythia_buffer_clear(&sql);
	}
	pythia_buffer_printf(&sql, "DROP TABLE %s", name.data);
	ok = ok && (*kept || pythia_db_exec(run->target, sql.data, NULL, error));
	pythia_buffer_free(&sql);
	pythia_buffer_free(&name);
	return ok;
}

static void tell(pythia_error *error, const char *what, const char *why)
{
	if (error->detail == NULL)
		pythia_error_detail(error, "%s%s", what, why);
	else
		pythia_error_context(error, "%s%s", what, why);
}

void pythia_run_undo(pythia_run *run, pythia_error *error)
{
	undoing undo;
	pythia_error trouble = PYTHIA_ERROR_INIT;
	bool swapped = run->swap != NULL;
	bool made = run->state.ours && (run->design.name != NULL || run->plan.target.name != NULL);
	bool kept = false;
	bool ok;

	/* within the caller's transaction all is undone with it */
	if (run->target->nested || (!swapped && !made))
		return;
	ok = reach_target(run, &undo, &trouble);
	if (ok)
	{
		ok = (!swapped || pythia_swap_undo(run, &trouble)) && (!made || drop_made(run, &kept, &trouble));
		leave_target(run, &undo);
	}
	run->state.undone = ok && !kept;
	if (!ok)
		tell(error, "What this run has made in the target is left there: ", trouble.message);
	else if (swapped)
		tell(error, "The target's table is as it was.", "");
	else
		tell(error,
			 kept ? "Rows that were committed are kept; the next run goes on after them."
				  : "The table, which this run had made, was dropped again.",
			 "");
	pythia_error_reset(&trouble);
}
