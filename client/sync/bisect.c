/*
 * Rows that the target refuses: a chunk that fails is stored in halves, down to the single row,
 * which goes to quarantine with the target's own reason.
 */
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"

static bool savepoint(pythia_run *run, const char *verb, pythia_error *error)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "%s pythia_chunk", verb);
	return pythia_db_exec(run->target, sql, NULL, error);
}

/* What lies in the row and not in the connection, the server's state or our words. */
static bool refuses_a_row(const pythia_run *run, const pythia_error *error)
{
	if (run->target->broken && !run->target->local)
		return false;
	return error->error_class == PYTHIA_E_DATA || strncmp(error->sqlstate, "22", 2) == 0 ||
		   strncmp(error->sqlstate, "23", 2) == 0;
}

static bool give_to_quarantine(pythia_loader *loader, const pythia_rows *row, pythia_error *refusal,
							   pythia_error *error)
{
	pythia_run *run = loader->run;
	const pythia_sync_callbacks *callbacks = run->job->callbacks;
	pythia_rows_reader reader;
	pythia_buffer json = PYTHIA_BUFFER_INIT;
	bool ok = true;

	memset(&reader, 0, sizeof(reader));
	pythia_rows_open(&reader, row);
	if (callbacks != NULL && callbacks->quarantine != NULL && pythia_rows_next(&reader))
	{
		/* by the source's names: there it is looked for again */
		pythia_row_json(&run->plan, reader.fields, false, true, &json);
		ok = callbacks->quarantine(callbacks->context, run->job->table, json.data, NULL, refusal->message, error);
	}
	run->result->rows_quarantined++;
	pythia_rows_close(&reader);
	pythia_buffer_free(&json);
	return ok;
}

/* Splits after half of the rows. */
static void halve(const pythia_rows *rows, pythia_rows *first, pythia_rows *second)
{
	uint64_t half = rows->count / 2;
	const char *at = rows->data;

	for (uint64_t i = 0; i < half; i++)
		at = (const char *) memchr(at, '\n', (size_t) (rows->data + rows->length - at)) + 1;
	first->data = rows->data;
	first->length = (size_t) (at - rows->data);
	first->count = half;
	second->data = at;
	second->length = rows->length - first->length;
	second->count = rows->count - half;
}

bool pythia_bisect_store(pythia_loader *loader, const pythia_rows *rows, pythia_error *error)
{
	pythia_run *run = loader->run;
	pythia_sync_result before = *run->result;
	pythia_error refusal = PYTHIA_ERROR_INIT;
	pythia_rows first;
	pythia_rows second;
	bool ok;

	if (!savepoint(run, "SAVEPOINT", error) || (run->way.staged && !pythia_stage_clear(run, error)))
		return false;
	if (pythia_loader_store(loader, rows, &refusal))
		return savepoint(run, "RELEASE SAVEPOINT", error);
	if (!refuses_a_row(run, &refusal))
		return pythia_error_move(error, &refusal);
	*run->result = before;
	if (!savepoint(run, "ROLLBACK TO SAVEPOINT", error) || !savepoint(run, "RELEASE SAVEPOINT", error))
	{
		pythia_error_reset(&refusal);
		return false;
	}
	if (rows->count == 1)
		ok = give_to_quarantine(loader, rows, &refusal, error);
	else
	{
		halve(rows, &first, &second);
		ok = pythia_bisect_store(loader, &first, error) && pythia_bisect_store(loader, &second, error);
	}
	pythia_error_reset(&refusal);
	return ok;
}
