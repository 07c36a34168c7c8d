#include "validate/result_json.h"

#include <stdio.h>
#include <string.h>

#include "core/json.h"

static void text_member(pythia_buffer *out, const char *name, const char *value)
{
	pythia_buffer_printf(out, ",\"%s\":", name);
	if (value != NULL)
		pythia_json_string(out, value, strlen(value));
	else
		pythia_buffer_puts(out, "null");
}

static void int_member(pythia_buffer *out, const char *name, int64_t value)
{
	pythia_buffer_printf(out, ",\"%s\":%lld", name, (long long) value);
}

char *pythia_time_json(int64_t microseconds, char text[PYTHIA_INSTANT_SIZE])
{
	char *space = strchr(pythia_instant_write(text, microseconds), ' ');

	*space = 'T';
	return strcat(text, "Z");
}

static void time_member(pythia_buffer *out, const char *name, int64_t microseconds)
{
	char text[PYTHIA_INSTANT_SIZE];

	text_member(out, name, microseconds != 0 ? pythia_time_json(microseconds, text) : NULL);
}

static void error_members(pythia_buffer *out, const pythia_error *error)
{
	text_member(out, "error", error != NULL ? error->message : NULL);
	if (error != NULL)
	{
		text_member(out, "sqlstate", error->sqlstate);
		text_member(out, "hint", error->hint);
	}
	pythia_buffer_putc(out, '}');
}

static void begin(pythia_buffer *out, const char *table)
{
	pythia_buffer_puts(out, "{\"table\":");
	pythia_json_string(out, table, strlen(table));
}

void pythia_sync_result_json(pythia_buffer *out, const char *table, const pythia_sync_result *result,
							 const pythia_error *error)
{
	begin(out, table);
	text_member(out, "sync_mode", result->sync_mode);
	int_member(out, "rows_synced", result->rows_synced);
	int_member(out, "rows_inserted", result->rows_inserted);
	int_member(out, "rows_updated", result->rows_updated);
	int_member(out, "rows_deleted", result->rows_deleted);
	int_member(out, "rows_skipped", result->rows_skipped);
	int_member(out, "rows_quarantined", result->rows_quarantined);
	int_member(out, "source_count", result->source_count);
	int_member(out, "bytes", result->bytes);
	pythia_buffer_printf(out, ",\"duration_seconds\":%.6f", result->duration_seconds);
	time_member(out, "start_time", result->start_time);
	time_member(out, "end_time", result->end_time);
	text_member(out, "watermark", result->watermark);
	error_members(out, error);
}

void pythia_validate_result_json(pythia_buffer *out, const char *table, const pythia_validate_result *result,
								 const pythia_error *error)
{
	begin(out, table);
	/* a comparison that failed says nothing about equality */
	if (error != NULL)
		pythia_buffer_puts(out, ",\"is_valid\":null");
	else
	{
		pythia_buffer_printf(out, ",\"is_valid\":%s", result->is_valid ? "true" : "false");
		int_member(out, "source_count", result->source_count);
		int_member(out, "target_count", result->target_count);
		int_member(out, "difference", result->difference);
		int_member(out, "missing", result->missing);
		int_member(out, "extra", result->extra);
		int_member(out, "differing", result->differing);
		text_member(out, "method", result->method);
		pythia_buffer_printf(out, ",\"duration_seconds\":%.6f", result->duration_seconds);
		if (result->sample > 0 && result->sample < 1)
			pythia_buffer_printf(out, ",\"sample\":%g,\"confidence\":%g,\"max_difference\":%g", result->sample,
								 result->confidence, result->max_difference);
		if (result->checks != NULL)
		{
			int_member(out, "failed_checks", result->failed_checks);
			pythia_buffer_printf(out, ",\"checks\":%s", result->checks);
		}
	}
	error_members(out, error);
}

void pythia_difference_json(pythia_buffer *out, const char *table, const pythia_difference *difference)
{
	pythia_buffer_putc(out, '{');
	if (table != NULL)
	{
		pythia_buffer_puts(out, "\"table\":");
		pythia_json_string(out, table, strlen(table));
		pythia_buffer_putc(out, ',');
	}
	pythia_buffer_printf(out, "\"primary_key\":%s,\"difference\":\"%s\",\"columns\":[", difference->primary_key,
						 pythia_difference_name(difference->kind));
	for (int i = 0; i < difference->ncolumns; i++)
	{
		if (i > 0)
			pythia_buffer_putc(out, ',');
		pythia_json_string(out, difference->columns[i], strlen(difference->columns[i]));
	}
	pythia_buffer_printf(out, "],\"source_row\":%s,\"target_row\":%s}",
						 difference->source_row != NULL ? difference->source_row : "null",
						 difference->target_row != NULL ? difference->target_row : "null");
}
