/* The start of a worker: its tables' names, triggers and first positions. */
#include "capture/internal.h"

#include <string.h>

#include "core/memory.h"

/* Gives a table its log and triggers, and remembers them. */
bool pythia_member_install(pythia_capture *capture, pythia_member *member, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	if (member->config.start == PYTHIA_START_AT)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "triggers cannot start from \"%s\"", member->config.start_at);
		return pythia_error_hint(error, "Start from \"now\" or \"beginning\".");
	}
	if (!member->log.name)
		member->log.name = pythia_log_name();
	else if (!pythia_log_remove(capture->source, member->table.table.schema, member->table.table.name, member->log.name,
								error))
		return false;
	if (!pythia_log_install(&member->table, &member->log, error))
	{
		pythia_free(member->log.columns);
		member->log.columns = NULL;
		return false;
	}
	pythia_buffer_puts(&sql, "UPDATE main.pythia_cdc_table SET log = ");
	pythia_store_text(&sql, member->log.name);
	pythia_buffer_puts(&sql, ", log_columns = ");
	pythia_store_text(&sql, member->log.columns);
	pythia_buffer_printf(&sql, " WHERE table_id = %lld", (long long) member->table_id);
	return pythia_store_run(capture->store, &sql, error);
}

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

/* --- tables that come under a pattern later ------------------------------------------ */

static bool is_member(const pythia_capture *capture, const char *schema, const char *table, bool *found,
					  pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_printf(&sql, "SELECT 1 FROM main.pythia_cdc_table WHERE worker_id = %lld AND \"schema\" = ",
						 (long long) capture->worker_id);
	pythia_store_text(&sql, schema);
	pythia_buffer_puts(&sql, " AND \"table\" = ");
	pythia_store_text(&sql, table);
	ok = pythia_db_any(capture->store, sql.data, found, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* A poll finds all of it after no position at all; triggers' first drain tells what is there. */
static bool take_in(pythia_capture *capture, const char *name, const char *schema, const char *table,
					pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_capture_config config;

	if (!pythia_capture_config_read(capture->options, name, &config, error) ||
		!pythia_store_table(capture->store, capture->worker_id, name, error))
		return false;
	pythia_buffer_puts(&sql, "UPDATE main.pythia_cdc_table SET \"schema\" = ");
	pythia_store_text(&sql, schema);
	pythia_buffer_puts(&sql, ", \"table\" = ");
	pythia_store_text(&sql, table);
	pythia_buffer_printf(&sql, ", started = %d, log = ", config.capture == PYTHIA_CAPTURE_POLL);
	if (config.capture == PYTHIA_CAPTURE_TRIGGER)
	{
		/* known by name before it is made: what a crash leaves half done is removed and made anew */
		char *log = pythia_log_name();

		pythia_store_text(&sql, log);
		pythia_free(log);
	}
	else
		pythia_store_text(&sql, NULL);
	pythia_buffer_printf(&sql, " WHERE worker_id = %lld AND name = ", (long long) capture->worker_id);
	pythia_store_text(&sql, name);
	return pythia_store_run(capture->store, &sql, error);
}

static bool adopt_pattern(pythia_capture *capture, const char *pattern, bool *grown, pythia_error *error)
{
	char **names;
	int count;
	bool ok = pythia_capture_names(capture->source, pattern, &names, &count, error);

	/* all its tables are gone: each tells that itself */
	if (!ok && error->error_class == PYTHIA_E_USAGE)
	{
		pythia_error_reset(error);
		return true;
	}
	for (int i = 0; i < count; i++)
	{
		char *schema = NULL;
		char *table = NULL;
		bool known = true;

		ok = ok && pythia_name_parse(names[i], &schema, &table, error) &&
			 is_member(capture, schema, table, &known, error) &&
			 (known || take_in(capture, names[i], schema, table, error));
		*grown = *grown || !known;
		pythia_free(schema);
		pythia_free(table);
		pythia_free(names[i]);
	}
	pythia_free(names);
	return ok;
}

bool pythia_capture_adopt(pythia_capture *capture, pythia_error *error)
{
	char *patterns = pythia_strdup(capture->patterns);
	bool grown = false;
	bool ok = true;

	for (char *at = patterns; ok && at && *at;)
	{
		char *end = strchr(at, '\n');

		*end = '\0';
		ok = adopt_pattern(capture, at, &grown, error);
		at = end + 1;
	}
	pythia_free(patterns);
	return ok && (!grown || pythia_capture_members(capture, error));
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
