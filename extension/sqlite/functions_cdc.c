/* The capture verbs: a worker polls when it is asked to, in the caller's transaction. */
#include "pythia_sqlite.h"

SQLITE_EXTENSION_INIT3

#include <stdio.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/fault.h"
#include "capture/home.h"
#include "core/json.h"
#include "core/list.h"
#include "core/memory.h"
#include "dialect/dialect.h"
#include "core/json_read.h"
#include "endpoints.h"

/* A worker of this database with its source open; zero it first, end with worker_close. */
typedef struct worker
{
	pythia_capture_settings settings;
	pythia_node *options;
	pythia_db *source;
	bool owned;
	bool held; /* this database is a copy of the one that it was made in */
} worker;

static void worker_close(worker *w)
{
	if (w->owned)
		pythia_db_close(w->source);
	pythia_node_free(w->options);
	pythia_capture_settings_free(&w->settings);
}

/* Triggers are made over there, and their log is emptied; polling only reads. */
static bool open_source(pythia_call *call, const char *connection, const pythia_node *options, pythia_db **source,
						bool *owned, pythia_error *error)
{
	pythia_capture_config config;

	if (!pythia_capture_config_read(options, NULL, &config, error) ||
		!pythia_endpoint_open(call->self, connection,
							  config.capture == PYTHIA_CAPTURE_TRIGGER ? PYTHIA_ENDPOINT_WRITE : PYTHIA_ENDPOINT_READ,
							  NULL, source, owned, error))
		return false;
	/* store and source are two, also where both are this database */
	if (!*owned)
		*source = call->self->second;
	return true;
}

/* What a worker of this database's own tables does stays in this database. */
static bool at_home(pythia_call *call, const char *name, worker *w, pythia_error *error)
{
	if (!w->settings.connection || pythia_store_home_require(call->self->local, PYTHIA_HOME_CDC, name, error))
		return true;
	w->held = strcmp(error->sqlstate, "55000") == 0;
	return pythia_held_hint(name, error);
}

static bool worker_open(pythia_call *call, const char *name, worker *w, pythia_error *error)
{
	if (!pythia_capture_install(call->self->local, error) ||
		!pythia_capture_settings_read(call->self->local, name, &w->settings, error))
		return false;
	return (pythia_endpoint_storable(w->settings.connection, "connection", error) && at_home(call, name, w, error) &&
			pythia_json_read("options", w->settings.options, &w->options, error) &&
			open_source(call, w->settings.connection, w->options, &w->source, &w->owned, error)) ||
		   pythia_error_context(error, "CDC worker \"%s\"", name);
}

bool pythia_verb_create_cdc_worker(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	const char *name;
	const char *list;
	const char *connection = pythia_arg(call, 2);
	const char *timestamp_column = pythia_arg(call, 4);
	double poll_interval = 5;
	pythia_node *options = NULL;
	pythia_db *source = NULL;
	bool owned = false;
	char **tables = NULL;
	int ntables = 0;
	bool ok;

	(void) out;
	if (pythia_endpoint_is_local(connection))
		connection = NULL;
	ok = pythia_arg_needed(call, 0, "name", &name, error) && pythia_arg_needed(call, 1, "tables", &list, error) &&
		 pythia_arg_names(call, 1, "tables", &tables, &ntables, error);
	if (ok && ntables == 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "tables is empty");
		ok = pythia_error_hint(error, "Give a JSON array of names, such as '[\"users\", \"orders\"]'.");
	}
	ok = ok && pythia_endpoint_storable(connection, "connection", error) &&
		 pythia_arg_seconds(call, 3, "poll_interval", &poll_interval, error) &&
		 pythia_arg_options(call, 5, "options", &options, error) &&
		 open_source(call, connection, options, &source, &owned, error) &&
		 pythia_capture_install(call->self->local, error) &&
		 pythia_capture_create(call->self->local, source, name, (const char *const *) tables, connection, poll_interval,
							   timestamp_column != NULL ? timestamp_column : "updated_at", options,
							   options != NULL ? pythia_arg(call, 5) : "{}", error);
	if (ok)
		pythia_capture_config_idle(options, false, pythia_warn_idle, call->self);
	if (owned)
		pythia_db_close(source);
	pythia_node_free(options);
	pythia_list_free(tables, ntables);
	return ok;
}

/* The worker's options with those of the call laid over them, as text and as a tree: the caller's. */
static bool merge_options(pythia_call *call, const worker *w, const pythia_node *given, char **text,
						  pythia_node **merged, pythia_error *error)
{
	pythia_db *db = call->self->local;
	const pythia_dialect *dialect = pythia_dialect_of(db);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_capture_config config;
	bool ok = pythia_capture_config_read(given, NULL, &config, error);

	pythia_buffer_puts(&sql, "SELECT json_set(");
	dialect->literal(&sql, w->settings.options, strlen(w->settings.options));
	/* their names are known ones, and plain */
	for (const pythia_node *option = ok ? pythia_node_members(given) : NULL; option; option = option->next)
	{
		pythia_buffer value = PYTHIA_BUFFER_INIT;

		pythia_json_node(&value, option);
		pythia_buffer_printf(&sql, ", '$.%s', json(", option->name);
		dialect->literal(&sql, value.data, value.length);
		pythia_buffer_putc(&sql, ')');
		pythia_buffer_free(&value);
	}
	pythia_buffer_putc(&sql, ')');
	ok = ok && pythia_db_text(db, sql.data, text, error) && pythia_json_read("options", *text, merged, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_verb_alter_cdc_worker(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	pythia_capture_changes changes = {0};
	const char *name;
	pythia_node *given = NULL;
	pythia_node *merged = NULL;
	pythia_error why = PYTHIA_ERROR_INIT;
	worker w = {0};
	char *text = NULL;
	char **tables = NULL;
	int ntables = 0;
	bool ok = pythia_arg_needed(call, 0, "name", &name, error) && worker_open(call, name, &w, error);

	(void) out;
	ok = ok && (!pythia_arg(call, 1) || pythia_arg_names(call, 1, "tables", &tables, &ntables, error)) &&
		 pythia_arg_seconds(call, 2, "poll_interval", &changes.poll_interval, error) &&
		 pythia_arg_options(call, 4, "options", &given, error) && merge_options(call, &w, given, &text, &merged, error);
	if (ok && pythia_arg(call, 1) && ntables == 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "tables is empty");
		ok = pythia_error_hint(error, "Give a JSON array of names, such as '[\"users\", \"orders\"]'.");
	}
	/* what was there until now is delivered as it was; a table that is wrong may be what is altered */
	if (ok && !pythia_capture_poll(call->self->local, w.source, name, w.options, NULL, NULL, NULL, NULL, &why))
		ok = pythia_fault_of(&why) == PYTHIA_FAULT_TABLE || pythia_error_move(error, &why);
	pythia_error_reset(&why);
	changes.tables = pythia_arg(call, 1) ? (const char *const *) tables : NULL;
	changes.timestamp_column = pythia_arg(call, 3);
	changes.options = merged;
	changes.options_json = text;
	changes.options_before = w.options;
	ok = ok && pythia_capture_alter(call->self->local, w.source, name, &changes, error) &&
		 pythia_capture_poll(call->self->local, w.source, name, merged, NULL, NULL, NULL, NULL, error);
	if (ok && given)
		pythia_capture_config_idle(merged, false, pythia_warn_idle, call->self);
	worker_close(&w);
	pythia_free(text);
	pythia_node_free(given);
	pythia_node_free(merged);
	pythia_list_free(tables, ntables);
	return ok;
}

bool pythia_verb_drop_cdc_worker(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	const char *name;
	worker w = {0};
	pythia_error why = PYTHIA_ERROR_INIT;
	bool ok;

	(void) out;
	if (!pythia_arg_needed(call, 0, "name", &name, error))
		return false;
	/* neither a source that cannot be reached nor what is wrong with the worker keeps anybody from dropping it */
	if (!worker_open(call, name, &w, &why))
		w.source = NULL;
	ok = w.settings.worker_id != 0 || pythia_error_move(error, &why);
	pythia_error_reset(&why);
	ok = ok && pythia_capture_drop(call->self->local, w.source, name, error);
	worker_close(&w);
	return ok;
}

bool pythia_verb_poll(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	const char *name;
	worker w = {0};
	int64_t captured = 0;
	bool ok;

	ok = pythia_arg_needed(call, 0, "name", &name, error) && worker_open(call, name, &w, error) &&
		 pythia_capture_poll(call->self->local, w.source, name, w.options, NULL, NULL, NULL, &captured, error);
	worker_close(&w);
	pythia_buffer_printf(out, "%lld", (long long) captured);
	return ok;
}

static bool release(pythia_db *db, const char *kind, const char *name, bool *any, pythia_error *error)
{
	bool held;

	if (!pythia_store_home_held(db, kind, name, &held, error))
		return false;
	*any = *any || held;
	return !held || pythia_store_home_note(db, kind, name, true, error);
}

bool pythia_verb_release_worker(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	pythia_db *db = call->self->local;
	const char *name;
	bool any = false;

	(void) out;
	if (!pythia_arg_needed(call, 0, "name", &name, error) || !pythia_capture_install(db, error) ||
		!db->driver->begin(db, PYTHIA_BEGIN_WRITE, error))
		return false;
	if (!release(db, PYTHIA_HOME_CDC, name, &any, error) || !release(db, PYTHIA_HOME_SYNC, name, &any, error))
	{
		db->driver->rollback(db, NULL);
		return false;
	}
	if (!db->driver->commit(db, error))
		return false;
	if (any)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "55000", "no worker \"%s\" is held that could be released", name);
	return pythia_error_hint(error, "Only workers of a database that was copied are.");
}

static bool add_change(void *context, const pythia_capture_change *change, pythia_error *error)
{
	char id[24];
	const char *cells[10] = {id,
							 change->schema,
							 change->table,
							 change->change_type,
							 change->primary_key,
							 change->old_data,
							 change->new_data,
							 change->timestamp,
							 change->transaction_id,
							 change->captured_at};

	snprintf(id, sizeof(id), "%lld", (long long) change->change_id);
	return pythia_rowset_add(context, cells, error);
}

bool pythia_verb_consume_changes(pythia_call *call, pythia_rowset *rows, pythia_error *error)
{
	const char *name;
	const char *consumer = pythia_arg(call, 1);
	int64_t max_changes = 1000;
	pythia_error why = PYTHIA_ERROR_INIT;
	worker w = {0};
	bool polled;
	bool ok;

	if (!pythia_arg_needed(call, 0, "name", &name, error) ||
		!pythia_arg_int(call, 2, "max_changes", 1, &max_changes, error))
		return false;
	/* it polls first: there is no background worker here */
	polled = worker_open(call, name, &w, &why) &&
			 pythia_capture_poll(call->self->local, w.source, name, w.options, NULL, NULL, NULL, NULL, &why);
	worker_close(&w);
	if (!polled &&
		(w.held || pythia_fault_of(&why) == PYTHIA_FAULT_CANCEL || pythia_fault_of(&why) == PYTHIA_FAULT_OURS))
		return pythia_error_move(error, &why);
	/* what is in the journal is told, whatever ails the source */
	ok = pythia_capture_consume(call->self->local, name, consumer != NULL ? consumer : "default", max_changes,
								add_change, rows, error);
	if (ok && !polled && rows->nrows == 0)
		return pythia_error_move(error, &why);
	pythia_error_reset(&why);
	return ok;
}

bool pythia_verb_ack(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	const char *name;
	const char *consumer;
	int64_t change_id = -1;

	(void) out;
	if (!pythia_arg_needed(call, 0, "name", &name, error) ||
		!pythia_arg_needed(call, 1, "consumer", &consumer, error) ||
		!pythia_arg_int(call, 2, "change_id", 0, &change_id, error))
		return false;
	if (change_id < 0)
		return true; /* nothing was consumed: max(change_id) of no rows is NULL */
	return pythia_capture_install(call->self->local, error) &&
		   pythia_capture_ack(call->self->local, name, consumer, change_id, error);
}

bool pythia_verb_create_consumer(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	const char *name;
	const char *consumer;
	const char *start = pythia_arg(call, 2);

	(void) out;
	return pythia_arg_needed(call, 0, "name", &name, error) &&
		   pythia_arg_needed(call, 1, "consumer", &consumer, error) &&
		   pythia_capture_install(call->self->local, error) &&
		   pythia_capture_consumer_create(call->self->local, name, consumer, start != NULL ? start : "now", error);
}

bool pythia_verb_drop_consumer(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	const char *name;
	const char *consumer;

	(void) out;
	return pythia_arg_needed(call, 0, "name", &name, error) &&
		   pythia_arg_needed(call, 1, "consumer", &consumer, error) &&
		   pythia_capture_install(call->self->local, error) &&
		   pythia_capture_consumer_drop(call->self->local, name, consumer, error);
}

bool pythia_verb_seek(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	const char *name;
	const char *consumer;
	const char *position;

	(void) out;
	return pythia_arg_needed(call, 0, "name", &name, error) &&
		   pythia_arg_needed(call, 1, "consumer", &consumer, error) &&
		   pythia_arg_needed(call, 2, "position", &position, error) &&
		   pythia_capture_install(call->self->local, error) &&
		   pythia_capture_seek(call->self->local, name, consumer, position, error);
}
