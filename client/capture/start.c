/* The start of a worker: its tables' names, triggers and first positions. */
#include "capture/internal.h"

#include <string.h>

#include "core/memory.h"

/* After a failure; in the host's own database the rollback does it. */
static void remove_triggers(pythia_capture *capture)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;

	for (int i = 0; i < capture->nmembers; i++)
	{
		pythia_member *member = &capture->members[i];

		if (member->log.name && member->open && !capture->source->broken && !capture->source->local)
			pythia_log_remove(capture->source, member->table.table.schema, member->table.table.name, member->log.name,
							  &ignored);
		pythia_error_reset(&ignored);
	}
}

static bool same_table(const pythia_member *a, const pythia_member *b)
{
	return strcmp(a->table.table.schema, b->table.table.schema) == 0 &&
		   strcmp(a->table.table.name, b->table.table.name) == 0;
}

/* Describes every table and stores its own names; one that was named twice is taken once. */
static bool name_tables(pythia_capture *capture, pythia_error *error)
{
	if (!pythia_members_describe(capture, error))
		return false;
	for (int i = 0; i < capture->nmembers; i++)
	{
		pythia_member *member = &capture->members[i];
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		int twin = 0;

		if (!pythia_member_open(capture, member, error))
			return false;
		while (twin < i && !same_table(&capture->members[twin], member))
			twin++;
		if (twin < i)
			pythia_buffer_puts(&sql, "DELETE FROM main.pythia_cdc_table");
		else
		{
			pythia_buffer_puts(&sql, "UPDATE main.pythia_cdc_table SET \"schema\" = ");
			pythia_store_text(&sql, member->table.table.schema);
			pythia_buffer_puts(&sql, ", \"table\" = ");
			pythia_store_text(&sql, member->table.table.name);
		}
		pythia_buffer_printf(&sql, " WHERE table_id = %lld", (long long) member->table_id);
		if (!pythia_store_run(capture->store, &sql, error))
			return false;
		if (twin < i)
		{
			pythia_member_free(member);
			capture->nmembers--;
			memmove(member, member + 1, sizeof(*member) * (size_t) (capture->nmembers - i));
			i--;
		}
	}
	pythia_members_described(capture);
	return true;
}

/* Told from the beginning: nothing need be read for that. */
static bool from_beginning(const pythia_member *member)
{
	return member->config.capture == PYTHIA_CAPTURE_POLL && member->config.start == PYTHIA_START_BEGINNING;
}

static bool take_positions(pythia_capture *capture, pythia_error *error)
{
	pythia_capture_window nothing = {0};
	bool all = true;

	for (int i = 0; i < capture->nmembers; i++)
		all = all && from_beginning(&capture->members[i]);
	if (!all)
		return pythia_capture_turn(capture, true, error);
	for (int i = 0; i < capture->nmembers; i++)
		if (!pythia_member_start(capture, &capture->members[i], &nothing, error))
			return false;
	return true;
}

bool pythia_capture_start(pythia_db *store, pythia_db *source, const char *name, const pythia_node *options,
						  pythia_capture **out, pythia_error *error)
{
	pythia_capture *capture;
	bool ok;

	*out = NULL;
	if (!pythia_capture_open_held(store, source, name, options, true, &capture, error))
		return false;
	capture->now = capture->described_at = pythia_host_now(store->host);
	ok = name_tables(capture, error);
	for (int i = 0; ok && i < capture->nmembers; i++)
		if (capture->members[i].config.capture == PYTHIA_CAPTURE_TRIGGER)
			ok = pythia_member_install(capture, &capture->members[i], error);
	ok = ok && take_positions(capture, error);
	if (ok)
	{
		capture->held = false;
		capture->data_version = 0; /* not everything has been told yet */
		*out = capture;
		return true;
	}
	remove_triggers(capture);
	pythia_capture_close(capture);
	return false;
}
