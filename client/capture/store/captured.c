/* A worker's tables: opened, given their triggers, saved; and the transactions of the store around that. */
#include "capture/internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

bool pythia_capture_begin(pythia_capture *capture, pythia_error *error)
{
	if (capture->in_caller)
		return true;
	if (!capture->store->driver->begin(capture->store, PYTHIA_BEGIN_IMMEDIATE, error))
		return false;
	capture->in_store = true;
	return true;
}

bool pythia_capture_commit(pythia_capture *capture, pythia_error *error)
{
	if (capture->emit && capture->flush && !capture->flush(capture->context, error))
	{
		capture->refused = true;
		return false;
	}
	if (capture->in_caller)
		return true;
	if (!capture->store->driver->commit(capture->store, error))
		return false;
	capture->in_store = false;
	return true;
}

void pythia_capture_undo(pythia_capture *capture)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (capture->in_store)
		capture->store->driver->rollback(capture->store, &ignored);
	capture->in_store = false;
	pythia_error_reset(&ignored);
}

void pythia_captured_close(pythia_captured *captured)
{
	if (captured->open)
		pythia_capture_table_close(&captured->table);
	captured->open = false;
}

static bool store_log(pythia_capture *capture, const pythia_captured *captured, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql, "UPDATE main.pythia_cdc_table SET log_columns = ");
	pythia_store_text(&sql, captured->log.columns);
	pythia_buffer_printf(&sql, " WHERE table_id = %lld", (long long) captured->table_id);
	return pythia_store_run(capture->store, &sql, error);
}

bool pythia_captured_save(pythia_capture *capture, pythia_captured *captured, const pythia_capture_position *position,
						  pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_capture_position old = captured->position;

	pythia_buffer_puts(&sql, "UPDATE main.pythia_cdc_table SET state = 'running', error = NULL, lost = 0, low = ");
	pythia_store_text(&sql, position->low);
	pythia_buffer_puts(&sql, ", mark = ");
	pythia_store_text(&sql, position->mark);
	pythia_buffer_puts(&sql, ", key_form = ");
	pythia_store_text(&sql, captured->key_form);
	pythia_buffer_printf(&sql,
						 ", started = %d, mark_time = %lld, saved_at = %lld, last_sweep = %lld, null_stamps = %lld,"
						 " captured = captured + %lld WHERE table_id = %lld",
						 captured->started, (long long) position->mark_time, (long long) capture->now,
						 (long long) captured->last_sweep, (long long) captured->null_stamps,
						 (long long) (captured->changes - captured->counted), (long long) captured->table_id);
	if (!pythia_store_run(capture->store, &sql, error))
		return false;
	captured->counted = captured->changes;
	captured->position.low = pythia_strdup(position->low);
	captured->position.mark = pythia_strdup(position->mark);
	captured->position.mark_time = position->mark_time;
	pythia_capture_position_free(&old);
	captured->saved_at = capture->now;
	captured->failed = captured->retrying = captured->lost = captured->touched = false;
	return true;
}

void pythia_captured_free_all(pythia_capture *capture)
{
	for (int i = 0; i < capture->ntables; i++)
		pythia_captured_free(&capture->tables[i]);
	pythia_free(capture->tables);
	capture->tables = NULL;
	capture->ntables = 0;
}

bool pythia_capture_tables(pythia_capture *capture, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	pythia_buffer_printf(&sql,
						 "SELECT table_id, name, started, low, mark, mark_time, saved_at, last_sweep, null_stamps,"
						 " state = 'failed', log, log_columns, key_form, \"schema\", state = 'retrying', lost FROM "
						 "main.pythia_cdc_table WHERE worker_id = "
						 "%lld ORDER BY table_id",
						 (long long) capture->worker_id);
	ok = pythia_db_query(capture->store, sql.data, "ntbTTNNNNbTTTTbb", &result, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	pythia_captured_free_all(capture);
	capture->tables = pythia_calloc((size_t) result.nrows + 1, sizeof(pythia_captured));
	for (int64_t i = 0; ok && i < result.nrows; i++)
	{
		pythia_captured *captured = &capture->tables[capture->ntables++];

		captured->table_id = pythia_result_number(&result, i, 0);
		captured->name = pythia_strdup(pythia_result_text(&result, i, 1));
		captured->started = pythia_result_true(&result, i, 2);
		captured->position.low = pythia_strdup(pythia_result_optional(&result, i, 3));
		captured->position.mark = pythia_strdup(pythia_result_optional(&result, i, 4));
		captured->position.mark_time = pythia_result_number(&result, i, 5);
		captured->saved_at = pythia_result_number(&result, i, 6);
		captured->last_sweep = pythia_result_number(&result, i, 7);
		captured->null_stamps = pythia_result_number(&result, i, 8);
		captured->failed = pythia_result_true(&result, i, 9);
		captured->log.name = pythia_strdup(pythia_result_optional(&result, i, 10));
		captured->log.columns = pythia_strdup(pythia_result_optional(&result, i, 11));
		captured->key_form = pythia_strdup(pythia_result_optional(&result, i, 12));
		captured->schema = pythia_strdup(pythia_result_optional(&result, i, 13));
		captured->retrying = pythia_result_true(&result, i, 14);
		captured->lost = pythia_result_true(&result, i, 15);
		/* columns are those of a log */
		ok = ((!captured->log.name && !captured->log.columns) ||
			  pythia_log_check_name(captured->log.name ? captured->log.name : "", error)) &&
			 pythia_capture_config_read(capture->options, captured->name, &captured->config, error);
	}
	pythia_result_free(&result);
	return ok;
}

void pythia_captured_free(pythia_captured *captured)
{
	pythia_captured_close(captured);
	pythia_capture_position_free(&captured->position);
	pythia_free(captured->name);
	pythia_free(captured->schema);
	pythia_free(captured->key_form);
	pythia_free(captured->not_logged);
	pythia_log_free(&captured->log);
}

/* Gives a table its log and triggers, and remembers them. */
bool pythia_captured_install(pythia_capture *capture, pythia_captured *captured, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	if (captured->config.start == PYTHIA_START_AT)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "triggers cannot start from \"%s\"", captured->config.start_at);
		return pythia_error_hint(error, "Start from \"now\" or \"beginning\".");
	}
	if (!captured->log.name)
		captured->log.name = pythia_log_name();
	else if (!pythia_log_remove(capture->source, captured->table.table.schema, captured->table.table.name,
								captured->log.name, error))
		return false;
	if (!pythia_log_install(&captured->table, &captured->log, error))
	{
		pythia_free(captured->log.columns);
		captured->log.columns = NULL;
		return false;
	}
	pythia_buffer_puts(&sql, "UPDATE main.pythia_cdc_table SET log = ");
	pythia_store_text(&sql, captured->log.name);
	pythia_buffer_puts(&sql, ", log_columns = ");
	pythia_store_text(&sql, captured->log.columns);
	pythia_buffer_printf(&sql, " WHERE table_id = %lld", (long long) captured->table_id);
	return pythia_store_run(capture->store, &sql, error);
}

bool pythia_captured_describe(pythia_capture *capture, pythia_error *error)
{
	const char **names = pythia_malloc(sizeof(char *) * ((size_t) capture->ntables + 1));
	int count = 0;
	bool ok;

	for (int i = 0; i < capture->ntables; i++)
		if (!capture->tables[i].open)
			names[count++] = capture->tables[i].name;
	pythia_descriptions_free(capture->described);
	ok = pythia_describe_many(capture->source, names, count, &capture->described, error);
	pythia_free(names);
	return ok;
}

void pythia_captured_forget_described(pythia_capture *capture)
{
	pythia_descriptions_free(capture->described);
	capture->described = NULL;
}

bool pythia_captured_open(pythia_capture *capture, pythia_captured *captured, pythia_error *error)
{
	pythia_error why = PYTHIA_ERROR_INIT;
	bool changed;

	pythia_captured_close(captured);
	if (!pythia_log_table_open(capture->source, capture->described, captured->name, captured->schema,
							   captured->log.columns ? captured->log.name : NULL, capture->timestamp_column,
							   &captured->config, &captured->table, error))
		return false;
	captured->open = true;
	captured->unfit = false;
	if (!pythia_capture_key_fits(&captured->table, captured->key_form, error))
	{
		pythia_captured_close(captured);
		return false;
	}
	if (!captured->key_form)
		captured->key_form = pythia_capture_key_form(&captured->table);
	if (!captured->log.name)
		return true;
	/* named, but not made yet */
	if (!captured->log.columns)
		return pythia_captured_install(capture, captured, error);
	/* what has failed once was reported; now it is begun again */
	if (pythia_log_fit(&captured->table, &captured->log, captured->failed, &changed, &why))
		return !changed || store_log(capture, captured, error);
	if (why.error_class != PYTHIA_E_TRANSIENT || capture->source->broken)
		return pythia_error_move(error, &why);
	pythia_host_log(capture->source->host, PYTHIA_LOG_NOTICE, "capture of table %s waits for a lock: %s",
					captured->name, why.message);
	pythia_error_reset(&why);
	captured->unfit = true;
	return true;
}
