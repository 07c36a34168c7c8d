/* The start of a worker: its tables' names, triggers and first positions. */
#include "capture/internal.h"

#include <string.h>

#include "core/memory.h"

/* After a failure; in the host's own database the rollback does it. */
static void remove_triggers(pythia_capture *capture)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;

	for (int i = 0; i < capture->ntables; i++)
	{
		pythia_captured *captured = &capture->tables[i];

		if (captured->log.name && captured->open && !capture->source->broken && !capture->source->local)
			pythia_log_remove(capture->source, captured->table.table.schema, captured->table.table.name,
							  captured->log.name, &ignored);
		pythia_error_reset(&ignored);
	}
}

static bool same_table(const pythia_captured *a, const pythia_captured *b)
{
	return strcmp(a->table.table.schema, b->table.table.schema) == 0 &&
		   strcmp(a->table.table.name, b->table.table.name) == 0;
}

/* Describes every table and stores its own names; one that was named twice is taken once. */
static bool name_tables(pythia_capture *capture, pythia_error *error)
{
	if (!pythia_captured_describe(capture, error))
		return false;
	for (int i = 0; i < capture->ntables; i++)
	{
		pythia_captured *captured = &capture->tables[i];
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		int twin = 0;

		if (!pythia_captured_open(capture, captured, error))
			return false;
		while (twin < i && !same_table(&capture->tables[twin], captured))
			twin++;
		if (twin < i)
			pythia_buffer_puts(&sql, "DELETE FROM main.pythia_cdc_table");
		else
		{
			pythia_buffer_puts(&sql, "UPDATE main.pythia_cdc_table SET \"schema\" = ");
			pythia_store_text(&sql, captured->table.table.schema);
			pythia_buffer_puts(&sql, ", \"table\" = ");
			pythia_store_text(&sql, captured->table.table.name);
		}
		pythia_buffer_printf(&sql, " WHERE table_id = %lld", (long long) captured->table_id);
		if (!pythia_store_run(capture->store, &sql, error))
			return false;
		if (twin < i)
		{
			pythia_captured_free(captured);
			capture->ntables--;
			memmove(captured, captured + 1, sizeof(*captured) * (size_t) (capture->ntables - i));
			i--;
		}
	}
	pythia_captured_forget_described(capture);
	return true;
}

/* Delivered from the beginning: nothing need be read for that. */
static bool from_beginning(const pythia_captured *captured)
{
	return captured->config.capture == PYTHIA_CAPTURE_POLL && captured->config.start == PYTHIA_START_BEGINNING;
}

static bool take_positions(pythia_capture *capture, pythia_error *error)
{
	pythia_capture_window nothing = {0};
	bool all = true;

	for (int i = 0; i < capture->ntables; i++)
		all = all && from_beginning(&capture->tables[i]);
	if (!all)
		return pythia_capture_turn(capture, true, error);
	for (int i = 0; i < capture->ntables; i++)
		if (!pythia_captured_start(capture, &capture->tables[i], &nothing, error))
			return false;
	return true;
}

bool pythia_capture_start(pythia_db *store, pythia_db *source, const char *name, const pythia_node *options,
						  pythia_capture **out, pythia_error *error)
{
	pythia_capture *capture;
	bool ok;

	*out = NULL;
	if (!pythia_capture_open_in_caller(store, source, name, options, true, &capture, error))
		return false;
	capture->now = capture->described_at = pythia_host_now(store->host);
	ok = name_tables(capture, error);
	for (int i = 0; ok && i < capture->ntables; i++)
		if (capture->tables[i].config.capture == PYTHIA_CAPTURE_TRIGGER)
			ok = pythia_captured_install(capture, &capture->tables[i], error);
	ok = ok && take_positions(capture, error);
	if (ok)
	{
		capture->in_caller = false;
		capture->data_version = 0; /* not everything has been delivered yet */
		*out = capture;
		return true;
	}
	remove_triggers(capture);
	pythia_capture_close(capture);
	return false;
}
