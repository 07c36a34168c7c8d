/* Tables that come under a pattern later. */
#include "capture/internal.h"

#include <string.h>

#include "capture/discover.h"
#include "core/memory.h"

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

/* A poll finds all of it after no position at all; triggers' first drain delivers what is there. */
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

static bool add_pattern(pythia_capture *capture, const char *pattern, bool *grown, pythia_error *error)
{
	char **names;
	int count;
	bool ok = pythia_discover(capture->source, pattern, true, &names, &count, error);

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

bool pythia_capture_add_discovered(pythia_capture *capture, pythia_error *error)
{
	const char *at = capture->patterns;
	bool grown = false;
	bool ok = true;
	char *pattern;

	while (ok && (pattern = pythia_discover_next(&at)) != NULL)
	{
		ok = add_pattern(capture, pattern, &grown, error);
		pythia_free(pattern);
	}
	return ok && (!grown || pythia_capture_tables(capture, error));
}
