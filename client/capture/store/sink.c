/* Changes on their way to the journal, or to the callback. */
#include "capture/internal.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"

bool pythia_sink_write(pythia_sink *sink, pythia_error *error)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT,  PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT,
										PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT};
	char sql[300];

	snprintf(sql, sizeof(sql),
			 "INSERT INTO main.pythia_journal_%lld (table_id, change_type, primary_key, old_data, new_data,"
			 " \"timestamp\", transaction_id, captured_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			 (long long) sink->capture->worker_id);
	if (!pythia_store_load(sink->capture->store, sql, 8, kinds, &sink->journal, error))
		return false;
	pythia_rows_clear(&sink->journal);
	return true;
}

bool pythia_sink_put(pythia_sink *sink, const char *change_type, const char *key, const char *old_data,
					 const char *new_data, const char *timestamp, const char *transaction_id, pythia_error *error)
{
	pythia_capture *capture = sink->capture;
	pythia_captured *captured = sink->captured;

	captured->changes++;
	if (capture->emit)
	{
		pythia_capture_change change = {.schema = captured->table.table.schema,
										.table = captured->table.table.name,
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
	pythia_rows_integer(&sink->journal, captured->table_id);
	pythia_rows_text_or_null(&sink->journal, change_type);
	pythia_rows_text_or_null(&sink->journal, key);
	pythia_rows_text_or_null(&sink->journal, old_data);
	pythia_rows_text_or_null(&sink->journal, new_data);
	pythia_rows_text_or_null(&sink->journal, timestamp);
	pythia_rows_text_or_null(&sink->journal, transaction_id);
	pythia_rows_text_or_null(&sink->journal, capture->captured_at);
	pythia_rows_end(&sink->journal);
	return sink->journal.buffer.length < 2 * PYTHIA_BATCH_BYTES || capture->store_busy ||
		   pythia_sink_write(sink, error);
}

void pythia_sink_free(pythia_sink *sink)
{
	pythia_rows_free(&sink->journal);
}
