/* Changes on their way to the journal, or to the callback. */
#include "capture/internal.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"

bool pythia_outlet_write(pythia_outlet *outlet, pythia_error *error)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT,  PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT,
										PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT};
	char sql[300];

	snprintf(sql, sizeof(sql),
			 "INSERT INTO main.pythia_journal_%lld (table_id, change_type, primary_key, old_data, new_data,"
			 " \"timestamp\", transaction_id, captured_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			 (long long) outlet->capture->worker_id);
	if (!pythia_store_load(outlet->capture->store, sql, 8, kinds, &outlet->journal, error))
		return false;
	pythia_rows_clear(&outlet->journal);
	return true;
}

bool pythia_outlet_put(pythia_outlet *outlet, const char *change_type, const char *key, const char *old_data,
					   const char *new_data, const char *timestamp, const char *transaction_id, pythia_error *error)
{
	pythia_capture *capture = outlet->capture;
	pythia_member *member = outlet->member;

	member->captured++;
	if (capture->emit)
	{
		pythia_capture_change change = {.schema = member->table.table.schema,
										.table = member->table.table.name,
										.change_type = change_type,
										.primary_key = key,
										.old_data = old_data,
										.new_data = new_data,
										.timestamp = timestamp,
										.transaction_id = transaction_id,
										.captured_at = capture->captured_at};

		if (capture->emit(capture->context, &change, error))
			return true;
		capture->refused = true;
		return false;
	}
	pythia_rows_integer(&outlet->journal, member->table_id);
	pythia_rows_text_or_null(&outlet->journal, change_type);
	pythia_rows_text_or_null(&outlet->journal, key);
	pythia_rows_text_or_null(&outlet->journal, old_data);
	pythia_rows_text_or_null(&outlet->journal, new_data);
	pythia_rows_text_or_null(&outlet->journal, timestamp);
	pythia_rows_text_or_null(&outlet->journal, transaction_id);
	pythia_rows_text_or_null(&outlet->journal, capture->captured_at);
	pythia_rows_end(&outlet->journal);
	return outlet->journal.buffer.length < 2 * PYTHIA_BATCH_BYTES || capture->store_busy ||
		   pythia_outlet_write(outlet, error);
}

void pythia_outlet_free(pythia_outlet *outlet)
{
	pythia_rows_free(&outlet->journal);
}
