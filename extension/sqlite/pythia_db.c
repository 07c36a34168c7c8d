/*
 * pythia_db for SQLite: the entry point and the table of everything it registers.
 *   .load pythia_db
 */
#include "pythia_sqlite.h"

SQLITE_EXTENSION_INIT1

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

#define SYNC_COLUMNS                                                                                                   \
	"table t, sync_mode t, rows_synced i, rows_inserted i, rows_updated i, rows_deleted i, rows_skipped i, "           \
	"rows_quarantined i, source_count i, bytes i, duration_seconds r, start_time t, end_time t, watermark t, error t"
#define DIFFERENCE_COLUMNS "primary_key j, difference t, columns j, source_row j, target_row j"
#define CHANGE_COLUMNS                                                                                                 \
	"change_id i, schema t, table t, change_type t, primary_key j, old_data j, new_data j, timestamp t, "              \
	"transaction_id t, captured_at t"

static bool version_verb(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	(void) call;
	(void) error;
	pythia_buffer_puts(out, PYTHIA_VERSION);
	return true;
}

static const pythia_registration registrations[] = {
	{"pythia_version", "", 0, 0, true, PYTHIA_STATE_NONE, PYTHIA_RESULT_TEXT, version_verb, NULL, NULL},

	{"pythia_create_cdc_worker", "name, tables[, connection[, poll_interval[, timestamp_column[, options]]]]", 2, 6,
	 false, PYTHIA_STATE_CAPTURE, PYTHIA_RESULT_NULL, pythia_verb_create_cdc_worker, NULL, NULL},
	{"pythia_alter_cdc_worker", "name[, tables[, poll_interval[, timestamp_column[, options]]]]", 1, 5, false,
	 PYTHIA_STATE_CAPTURE, PYTHIA_RESULT_NULL, pythia_verb_alter_cdc_worker, NULL, NULL},
	{"pythia_drop_cdc_worker", "name", 1, 1, false, PYTHIA_STATE_CAPTURE, PYTHIA_RESULT_NULL,
	 pythia_verb_drop_cdc_worker, NULL, NULL},
	{"pythia_release_worker", "name", 1, 1, false, PYTHIA_STATE_CAPTURE, PYTHIA_RESULT_NULL, pythia_verb_release_worker,
	 NULL, NULL},
	{"pythia_poll", "name", 1, 1, false, PYTHIA_STATE_CAPTURE, PYTHIA_RESULT_INT, pythia_verb_poll, NULL, NULL},
	{"pythia_consume_changes", "name[, consumer[, max_changes]]", 1, 3, false, PYTHIA_STATE_CAPTURE, PYTHIA_RESULT_JSON,
	 NULL, pythia_verb_consume_changes, CHANGE_COLUMNS},
	{"pythia_ack", "name, consumer, change_id", 3, 3, false, PYTHIA_STATE_CAPTURE, PYTHIA_RESULT_NULL, pythia_verb_ack,
	 NULL, NULL},
	{"pythia_create_consumer", "name, consumer[, start_from]", 2, 3, false, PYTHIA_STATE_CAPTURE, PYTHIA_RESULT_NULL,
	 pythia_verb_create_consumer, NULL, NULL},
	{"pythia_drop_consumer", "name, consumer", 2, 2, false, PYTHIA_STATE_CAPTURE, PYTHIA_RESULT_NULL,
	 pythia_verb_drop_consumer, NULL, NULL},
	{"pythia_seek", "name, consumer, position", 3, 3, false, PYTHIA_STATE_CAPTURE, PYTHIA_RESULT_NULL, pythia_verb_seek,
	 NULL, NULL},

	{"pythia_test_connection", "url", 1, 1, false, PYTHIA_STATE_NONE, PYTHIA_RESULT_JSON, pythia_verb_test_connection,
	 NULL, NULL},
	{"pythia_create_sync_worker", "name, source, target[, sync_config[, tables[, schedule]]]", 3, 6, false,
	 PYTHIA_STATE_SYNC, PYTHIA_RESULT_NULL, pythia_verb_create_sync_worker, NULL, NULL},
	{"pythia_drop_sync_worker", "name", 1, 1, false, PYTHIA_STATE_SYNC, PYTHIA_RESULT_NULL,
	 pythia_verb_drop_sync_worker, NULL, NULL},
	{"pythia_sync_table", "worker, table[, overrides]", 2, 3, false, PYTHIA_STATE_SYNC, PYTHIA_RESULT_JSON,
	 pythia_verb_sync_table, NULL, NULL},
	{"pythia_sync_between", "source, target, table[, sync_config]", 3, 4, false, PYTHIA_STATE_SYNC, PYTHIA_RESULT_JSON,
	 pythia_verb_sync_between, NULL, NULL},
	{"pythia_sync_tables", "worker, tables", 2, 2, false, PYTHIA_STATE_SYNC, PYTHIA_RESULT_JSON, NULL,
	 pythia_verb_sync_tables, SYNC_COLUMNS},
	{"pythia_sync_all_tables", "worker", 1, 1, false, PYTHIA_STATE_SYNC, PYTHIA_RESULT_JSON, NULL,
	 pythia_verb_sync_all_tables, SYNC_COLUMNS},

	{"pythia_validate_sync", "worker, table[, options]", 2, 3, false, PYTHIA_STATE_NONE, PYTHIA_RESULT_JSON,
	 pythia_verb_validate_sync, NULL, NULL},
	{"pythia_validate_between", "source, target, table[, options]", 3, 4, false, PYTHIA_STATE_NONE, PYTHIA_RESULT_JSON,
	 pythia_verb_validate_between, NULL, NULL},
	{"pythia_repair_sync", "worker, table[, options]", 2, 3, false, PYTHIA_STATE_SYNC, PYTHIA_RESULT_JSON,
	 pythia_verb_repair_sync, NULL, NULL},
	{"pythia_repair_between", "source, target, table[, options]", 3, 4, false, PYTHIA_STATE_SYNC, PYTHIA_RESULT_JSON,
	 pythia_verb_repair_between, NULL, NULL},
	{"pythia_sync_differences", "worker, table[, options]", 2, 3, false, PYTHIA_STATE_NONE, PYTHIA_RESULT_JSON, NULL,
	 pythia_verb_sync_differences, DIFFERENCE_COLUMNS},
	{"pythia_differences_between", "source, target, table[, options]", 3, 4, false, PYTHIA_STATE_NONE,
	 PYTHIA_RESULT_JSON, NULL, pythia_verb_differences_between, DIFFERENCE_COLUMNS},
};

typedef struct scalar_context
{
	pythia_sqlite *self;
	const pythia_registration *registration;
} scalar_context;

static void fail_result(sqlite3_context *context, pythia_error *error)
{
	char *text = pythia_error_text(error);

	/* in this order: the text first, whose code is SQLITE_ERROR, then the code, which keeps the text */
	sqlite3_result_error(context, text, -1);
	sqlite3_result_error_code(context, pythia_error_code(error));
	pythia_free(text);
	pythia_error_reset(error);
}

typedef struct scalar_body
{
	const pythia_registration *registration;
	pythia_call call;
	pythia_buffer out;
} scalar_body;

static bool run_scalar(void *argument, pythia_error *error)
{
	scalar_body *body = argument;

	return body->registration->scalar(&body->call, &body->out, error);
}

static void call_scalar(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	scalar_context *scalar = sqlite3_user_data(context);
	const pythia_registration *r = scalar->registration;
	scalar_body body = {.registration = r, .call = {scalar->self, argc, argv}, .out = PYTHIA_BUFFER_INIT};
	pythia_error error = PYTHIA_ERROR_INIT;

	if (argc < r->min_args || argc > r->max_args)
	{
		pythia_fail(&error, PYTHIA_E_USAGE, "42883", "wrong number of arguments to %s", r->name);
		pythia_error_hint(&error, "Write %s(%s).", r->name, r->signature);
		fail_result(context, &error);
		return;
	}
	if (!pythia_sqlite_run_verb(scalar->self, r, run_scalar, &body, &error))
		fail_result(context, &error);
	else
		switch (r->result)
		{
			case PYTHIA_RESULT_INT:
				sqlite3_result_int64(context, strtoll(pythia_buffer_text(&body.out), NULL, 10));
				break;
			case PYTHIA_RESULT_NULL:
				sqlite3_result_null(context);
				break;
			case PYTHIA_RESULT_JSON:
			case PYTHIA_RESULT_TEXT:
				sqlite3_result_text(context, pythia_buffer_text(&body.out), (int) body.out.length, SQLITE_TRANSIENT);
				if (r->result == PYTHIA_RESULT_JSON)
					sqlite3_result_subtype(context, 'J'); /* so that json_object() nests it */
				break;
		}
	pythia_buffer_free(&body.out);
}

static void free_scalar(void *pointer)
{
	scalar_context *scalar = pointer;

	pythia_sqlite_release(scalar->self);
	pythia_free(scalar);
}

static int register_scalar(pythia_sqlite *self, const pythia_registration *r)
{
	scalar_context *scalar = pythia_malloc(sizeof(*scalar));
	int flags = SQLITE_UTF8;

	flags |= r->pure ? SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC : SQLITE_DIRECTONLY;
#ifdef SQLITE_RESULT_SUBTYPE
	flags |= SQLITE_RESULT_SUBTYPE;
#endif
	scalar->self = self;
	scalar->registration = r;
	self->references++;
	/* on failure SQLite calls free_scalar too */
	return sqlite3_create_function_v2(self->handle, r->name, -1, flags, scalar, call_scalar, NULL, NULL, free_scalar);
}

__attribute__((visibility("default"))) int sqlite3_pythiadb_init(sqlite3 *db, char **message,
																 const sqlite3_api_routines *api);

int sqlite3_pythiadb_init(sqlite3 *db, char **message, const sqlite3_api_routines *api)
{
	pythia_sqlite *self;
	int code;

	SQLITE_EXTENSION_INIT2(api);
	if (sqlite3_libversion_number() < 3038000)
	{
		*message = sqlite3_mprintf("pythia_db needs SQLite 3.38 or later; this is %s", sqlite3_libversion());
		return SQLITE_ERROR;
	}
	self = pythia_sqlite_new(db, message);
	if (self == NULL)
		return SQLITE_ERROR;
	code = pythia_register_body(self);
	for (size_t i = 0; i < sizeof(registrations) / sizeof(registrations[0]) && code == SQLITE_OK; i++)
	{
		if (registrations[i].scalar != NULL)
			code = register_scalar(self, &registrations[i]);
		else
			code = pythia_register_tables(self, &registrations[i]);
	}
	if (code != SQLITE_OK)
		*message = sqlite3_mprintf("pythia_db could not register its functions: %s", sqlite3_errmsg(db));
	pythia_sqlite_release(self); /* what this function held */
	return code;
}
