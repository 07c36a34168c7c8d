/* Sync, validation, repair and capture, for a program's use. */
#include <string.h>

#include "api/internal.h"
#include "capture/home.h"
#include "core/memory.h"
#include "sync/sync.h"
#include "validate/validate.h"

/* What the functions over two databases share. */
typedef struct work
{
	pythia_client *client;
	pythia_database *source;
	pythia_database *target;
	pythia_node *config_tree;
	pythia_node *options_tree;
	pythia_sync_config config;
	pythia_sync_callbacks callbacks;
	pythia_sync_job job;
} work;

static bool connect_another(void *context, bool target, const pythia_host *host, pythia_db **db, pythia_error *error)
{
	work *w = context;
	pythia_database *database = target ? w->target : w->source;

	return pythia_db_open(&database->url, host != NULL ? host : &w->client->host, &database->options, db, error);
}

static void on_progress(void *context, const char *phase, int64_t rows, int64_t total, int64_t bytes)
{
	work *w = context;

	if (w->client->progress)
		w->client->progress(w->client->progress_context, phase, rows, total, bytes);
}

static bool begin(work *w, pythia_database *source, pythia_database *target, const char *table, const char *config,
				  const char *options)
{
	char *tables[] = {(char *) table};

	memset(w, 0, sizeof(*w));
	w->client = source->client;
	w->source = source;
	w->target = target;
	if (!pythia_client_pair(source, target) || !pythia_client_json(w->client, "config", config, &w->config_tree) ||
		!pythia_client_json(w->client, "options", options, &w->options_tree) ||
		!pythia_sync_config_read(w->config_tree, NULL, table, &w->config, &w->client->error) ||
		!pythia_validate_config_check(&w->config, &w->client->error) ||
		!pythia_sync_config_names(w->config_tree, tables, 1, source->db, &w->client->error))
		return false;
	w->callbacks.context = w;
	w->callbacks.progress = on_progress;
	w->job.connect = connect_another;
	w->job.connect_context = w;
	w->job.source = source->db;
	w->job.target = target->db;
	w->job.table = table;
	w->job.config = &w->config;
	w->job.callbacks = &w->callbacks;
	return true;
}

static void end(work *w)
{
	pythia_node_free(w->config_tree);
	pythia_node_free(w->options_tree);
}

static void fill_report(pythia_client *client, pythia_sync_result *result, pythia_sync_report *report)
{
	report->rows_read = result->source_count;
	report->rows_inserted = result->rows_inserted;
	report->rows_updated = result->rows_updated;
	report->rows_deleted = result->rows_deleted;
	report->rows_skipped = result->rows_skipped;
	report->bytes = result->bytes;
	report->seconds = result->duration_seconds;
	pythia_free(client->watermark);
	client->watermark = pythia_strdup(result->watermark ? result->watermark : "");
	report->watermark = client->watermark;
}

pythia_status pythia_client_sync(pythia_database *source, pythia_database *target, const char *table,
								 const char *config, const char *watermark, pythia_sync_report *report)
{
	work w;
	pythia_sync_result result = {0};
	/* the caller may hand in the text of its last report, which the new one replaces */
	char *last = watermark && *watermark ? pythia_strdup(watermark) : NULL;
	bool good = begin(&w, source, target, table, config, NULL);

	memset(report, 0, sizeof(*report));
	report->watermark = "";
	w.job.watermark = last;
	good = good && pythia_sync_table(&w.job, &result, &w.client->error);
	if (good)
		fill_report(w.client, &result, report);
	pythia_sync_result_free(&result);
	pythia_free(last);
	end(&w);
	return good ? PYTHIA_OK : pythia_client_failed(w.client);
}

/* --- validation -------------------------------------------------------------------- */

typedef struct teller
{
	pythia_difference_found found;
	void *context;
} teller;

static bool tell_difference(void *context, const pythia_difference *difference, pythia_error *error)
{
	teller *t = context;
	const char **columns;
	int answer;

	columns = pythia_calloc((size_t) difference->ncolumns + 1, sizeof(*columns));
	for (int i = 0; i < difference->ncolumns; i++)
		columns[i] = difference->columns[i];
	answer = t->found(t->context, pythia_difference_name(difference->kind), difference->primary_key,
					  difference->source_row, difference->target_row, columns);
	pythia_free(columns);
	if (answer == 0)
		return true;
	return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "stopped by the callback");
}

pythia_status pythia_client_validate(pythia_database *source, pythia_database *target, const char *table,
									 const char *config, const char *options, pythia_difference_found found,
									 void *context, pythia_validation *out)
{
	work w;
	teller t = {found, context};
	pythia_validate_options settings;
	pythia_validate_result result = {0};
	bool good = begin(&w, source, target, table, config, options) &&
				pythia_validate_options_read(w.options_tree, &settings, &w.client->error) &&
				pythia_validate_table(&w.job, &settings, found ? tell_difference : NULL, &t, &result, &w.client->error);

	memset(out, 0, sizeof(*out));
	if (good)
	{
		out->is_valid = result.is_valid;
		out->source_rows = result.source_count;
		out->target_rows = result.target_count;
		out->missing = result.missing;
		out->extra = result.extra;
		out->differing = result.differing;
		out->seconds = result.duration_seconds;
		pythia_validate_result_free(&result);
	}
	end(&w);
	return good ? PYTHIA_OK : pythia_client_failed(w.client);
}

pythia_status pythia_client_repair(pythia_database *source, pythia_database *target, const char *table,
								   const char *config, const char *options, pythia_sync_report *report)
{
	work w;
	pythia_validate_options settings;
	pythia_sync_result result = {0};
	bool good = begin(&w, source, target, table, config, options) &&
				pythia_validate_options_read(w.options_tree, &settings, &w.client->error) &&
				pythia_repair_table(&w.job, &settings, NULL, NULL, &result, &w.client->error);

	memset(report, 0, sizeof(*report));
	report->watermark = "";
	if (good)
		fill_report(w.client, &result, report);
	pythia_sync_result_free(&result);
	end(&w);
	return good ? PYTHIA_OK : pythia_client_failed(w.client);
}

/* --- changes -------------------------------------------------------------------------- */

/* Makes the watch where the state does not know it yet. */
static bool watch_known(pythia_watch *watch, pythia_database *source, pythia_database *state, const char *name,
						const char *const *tables, const char *timestamp_column, const char *options)
{
	pythia_error *error = &watch->client->error;
	pythia_capture_settings settings = {0};

	if (!pythia_capture_install(state->db, error))
		return false;
	if (pythia_capture_settings_read(state->db, name, &settings, error))
	{
		pythia_capture_settings_free(&settings);
		if (pythia_store_home_require(state->db, PYTHIA_HOME_CDC, name, error))
			return true;
		if (strcmp(error->sqlstate, "55000") == 0)
			pythia_error_hint(error, "Where it shall go on here, and no longer with the original, call "
									 "pythia_client_release first.");
		return false;
	}
	if (strcmp(error->sqlstate, "42704") != 0)
		return false;
	pythia_error_reset(error);
	return pythia_capture_create(state->db, source->db, name, tables, source->db->display, 5,
								 timestamp_column ? timestamp_column : "updated_at", watch->options,
								 options ? options : "{}", error);
}

static bool open_capture(pythia_watch *watch)
{
	return pythia_capture_open(watch->state->db, watch->source->db, watch->name, watch->options, &watch->capture,
							   &watch->client->error);
}

pythia_status pythia_client_watch(pythia_database *source, pythia_database *state, const char *name,
								  const char *const *tables, const char *timestamp_column, const char *options,
								  pythia_watch **out)
{
	pythia_watch *watch = pythia_calloc(1, sizeof(*watch));
	pythia_client *client = source->client;

	*out = NULL;
	watch->client = client;
	watch->source = source;
	watch->state = state;
	watch->name = pythia_strdup(name);
	watch->next = client->watches;
	client->watches = watch;
	if (pythia_client_pair(source, state) && pythia_client_json(client, "options", options, &watch->options) &&
		watch_known(watch, source, state, name, tables, timestamp_column, options) && open_capture(watch))
	{
		*out = watch;
		return PYTHIA_OK;
	}
	pythia_client_unwatch(watch);
	return pythia_client_failed(client);
}

pythia_status pythia_client_release(pythia_database *state, const char *name)
{
	pythia_client *client = state->client;
	pythia_capture_settings settings = {0};

	if (!pythia_client_ready(state) || !pythia_capture_settings_read(state->db, name, &settings, &client->error))
		return pythia_client_failed(client);
	pythia_capture_settings_free(&settings);
	return pythia_store_home_note(state->db, PYTHIA_HOME_CDC, name, true, &client->error)
			   ? PYTHIA_OK
			   : pythia_client_failed(client);
}

static bool tell_change(void *context, const pythia_capture_change *given, pythia_error *error)
{
	pythia_watch *watch = context;
	pythia_change change = {.schema = given->schema,
							.table = given->table,
							.type = given->change_type,
							.primary_key = given->primary_key,
							.old_data = given->old_data,
							.new_data = given->new_data,
							.timestamp = given->timestamp,
							.transaction_id = given->transaction_id};

	if (watch->callback(watch->context, &change) == 0)
		return true;
	return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "stopped by the callback");
}

pythia_status pythia_client_poll(pythia_watch *watch, pythia_on_change callback, void *context, int64_t *count)
{
	watch->callback = callback;
	watch->context = context;
	if (count)
		*count = 0;
	if (!watch->source)
	{
		pythia_fail(&watch->client->error, PYTHIA_E_USAGE, "55000", "a database of watch \"%s\" is closed",
					watch->name);
		pythia_error_hint(&watch->client->error, "Close the watch first, and then its databases.");
		return pythia_client_failed(watch->client);
	}
	if (pythia_client_pair(watch->source, watch->state) && (watch->capture || open_capture(watch)) &&
		pythia_capture_run(watch->capture, tell_change, NULL, watch, count, &watch->client->error))
		return PYTHIA_OK;
	return pythia_client_failed(watch->client);
}

void pythia_client_unwatch(pythia_watch *watch)
{
	pythia_watch **at;

	if (!watch)
		return;
	for (at = &watch->client->watches; *at != watch; at = &(*at)->next)
		;
	*at = watch->next;
	pythia_capture_close(watch->capture);
	pythia_free(watch->name);
	pythia_node_free(watch->options);
	pythia_free(watch);
}
