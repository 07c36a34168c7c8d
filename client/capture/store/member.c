/* A worker's tables: opened, given their triggers, saved; and the transactions of the store around that. */
#include "capture/internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

bool pythia_capture_begin(pythia_capture *capture, pythia_error *error)
{
	if (capture->held)
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
	if (capture->held)
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

void pythia_member_close(pythia_member *member)
{
	if (member->open)
		pythia_capture_table_close(&member->table);
	member->open = false;
}

static bool store_log(pythia_capture *capture, const pythia_member *member, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql, "UPDATE main.pythia_cdc_table SET log_columns = ");
	pythia_store_text(&sql, member->log.columns);
	pythia_buffer_printf(&sql, " WHERE table_id = %lld", (long long) member->table_id);
	return pythia_store_run(capture->store, &sql, error);
}

bool pythia_member_save(pythia_capture *capture, pythia_member *member, const pythia_capture_position *position,
						pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_capture_position old = member->position;

	pythia_buffer_puts(&sql, "UPDATE main.pythia_cdc_table SET state = 'running', error = NULL, lost = 0, low = ");
	pythia_store_text(&sql, position->low);
	pythia_buffer_puts(&sql, ", mark = ");
	pythia_store_text(&sql, position->mark);
	pythia_buffer_puts(&sql, ", key_form = ");
	pythia_store_text(&sql, member->key_form);
	pythia_buffer_printf(&sql,
						 ", started = %d, mark_time = %lld, saved_at = %lld, last_sweep = %lld, null_stamps = %lld,"
						 " captured = captured + %lld WHERE table_id = %lld",
						 member->started, (long long) position->mark_time, (long long) capture->now,
						 (long long) member->last_sweep, (long long) member->null_stamps,
						 (long long) (member->captured - member->counted), (long long) member->table_id);
	if (!pythia_store_run(capture->store, &sql, error))
		return false;
	member->counted = member->captured;
	member->position.low = pythia_strdup(position->low);
	member->position.mark = pythia_strdup(position->mark);
	member->position.mark_time = position->mark_time;
	pythia_capture_position_free(&old);
	member->saved_at = capture->now;
	member->failed = member->retrying = member->lost = member->touched = false;
	return true;
}

void pythia_members_free(pythia_capture *capture)
{
	for (int i = 0; i < capture->nmembers; i++)
		pythia_member_free(&capture->members[i]);
	pythia_free(capture->members);
	capture->members = NULL;
	capture->nmembers = 0;
}

bool pythia_capture_members(pythia_capture *capture, pythia_error *error)
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
	pythia_members_free(capture);
	capture->members = pythia_calloc((size_t) result.nrows + 1, sizeof(pythia_member));
	for (int64_t i = 0; ok && i < result.nrows; i++)
	{
		pythia_member *member = &capture->members[capture->nmembers++];

		member->table_id = pythia_result_number(&result, i, 0);
		member->name = pythia_strdup(pythia_result_text(&result, i, 1));
		member->started = pythia_result_true(&result, i, 2);
		member->position.low = pythia_strdup(pythia_result_optional(&result, i, 3));
		member->position.mark = pythia_strdup(pythia_result_optional(&result, i, 4));
		member->position.mark_time = pythia_result_number(&result, i, 5);
		member->saved_at = pythia_result_number(&result, i, 6);
		member->last_sweep = pythia_result_number(&result, i, 7);
		member->null_stamps = pythia_result_number(&result, i, 8);
		member->failed = pythia_result_true(&result, i, 9);
		member->log.name = pythia_strdup(pythia_result_optional(&result, i, 10));
		member->log.columns = pythia_strdup(pythia_result_optional(&result, i, 11));
		member->key_form = pythia_strdup(pythia_result_optional(&result, i, 12));
		member->schema = pythia_strdup(pythia_result_optional(&result, i, 13));
		member->retrying = pythia_result_true(&result, i, 14);
		member->lost = pythia_result_true(&result, i, 15);
		/* columns are those of a log */
		ok = ((!member->log.name && !member->log.columns) ||
			  pythia_log_check_name(member->log.name ? member->log.name : "", error)) &&
			 pythia_capture_config_read(capture->options, member->name, &member->config, error);
	}
	pythia_result_free(&result);
	return ok;
}

void pythia_member_free(pythia_member *member)
{
	pythia_member_close(member);
	pythia_capture_position_free(&member->position);
	pythia_free(member->name);
	pythia_free(member->schema);
	pythia_free(member->key_form);
	pythia_free(member->not_logged);
	pythia_log_free(&member->log);
}

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

bool pythia_members_describe(pythia_capture *capture, pythia_error *error)
{
	const char **names = pythia_malloc(sizeof(char *) * ((size_t) capture->nmembers + 1));
	int count = 0;
	bool ok;

	for (int i = 0; i < capture->nmembers; i++)
		if (!capture->members[i].open)
			names[count++] = capture->members[i].name;
	pythia_descriptions_free(capture->described);
	ok = pythia_describe_many(capture->source, names, count, &capture->described, error);
	pythia_free(names);
	return ok;
}

void pythia_members_described(pythia_capture *capture)
{
	pythia_descriptions_free(capture->described);
	capture->described = NULL;
}

bool pythia_member_open(pythia_capture *capture, pythia_member *member, pythia_error *error)
{
	pythia_error why = PYTHIA_ERROR_INIT;
	bool changed;

	pythia_member_close(member);
	if (!pythia_log_table_open(capture->source, capture->described, member->name, member->schema,
							   member->log.columns ? member->log.name : NULL, capture->timestamp_column,
							   &member->config, &member->table, error))
		return false;
	member->open = true;
	member->unfit = false;
	if (!pythia_capture_key_fits(&member->table, member->key_form, error))
	{
		pythia_member_close(member);
		return false;
	}
	if (!member->key_form)
		member->key_form = pythia_capture_key_form(&member->table);
	if (!member->log.name)
		return true;
	/* named, but not made yet */
	if (!member->log.columns)
		return pythia_member_install(capture, member, error);
	/* what has failed once was told; now it is begun again */
	if (pythia_log_fit(&member->table, &member->log, member->failed, &changed, &why))
		return !changed || store_log(capture, member, error);
	if (why.error_class != PYTHIA_E_TRANSIENT || capture->source->broken)
		return pythia_error_move(error, &why);
	pythia_host_log(capture->source->host, PYTHIA_LOG_NOTICE, "capture of table %s waits for a lock: %s", member->name,
					why.message);
	pythia_error_reset(&why);
	member->unfit = true;
	return true;
}
