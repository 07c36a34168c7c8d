#include "cli/line.h"

#include <string.h>

#include "core/json.h"

static void put_text(pythia_buffer *out, const char *value)
{
	if (value != NULL)
		pythia_json_string(out, value, strlen(value));
	else
		pythia_buffer_append(out, "null", 4);
}

/* JSON already. */
static void put_json(pythia_buffer *out, const char *value)
{
	if (value != NULL)
		pythia_buffer_puts(out, value);
	else
		pythia_buffer_append(out, "null", 4);
}

/* True where the text is another than the one remembered, which it replaces. */
static bool differs(pythia_buffer *remembered, const char *text)
{
	if (remembered->data != NULL && strcmp(remembered->data, text) == 0)
		return false;
	pythia_buffer_clear(remembered);
	pythia_buffer_puts(remembered, text);
	return true;
}

/* change_type before any data: a handler that reads the first one finds the right one. */
static void make_head(cli_line *line, const pythia_capture_change *change)
{
	pythia_buffer_clear(&line->head);
	pythia_buffer_puts(&line->head, "{\"schema\":");
	put_text(&line->head, change->schema);
	pythia_buffer_puts(&line->head, ",\"table\":");
	put_text(&line->head, change->table);
	pythia_buffer_puts(&line->head, ",\"change_type\":");
	put_text(&line->head, change->change_type);
	pythia_buffer_puts(&line->head, ",\"primary_key\":");
}

void cli_line_put(cli_line *line, pythia_buffer *out, const pythia_capture_change *change)
{
	bool other = differs(&line->change_type, change->change_type);

	other = differs(&line->table, change->table) || other;
	if (differs(&line->schema, change->schema) || other)
		make_head(line, change);
	if (differs(&line->captured_at, change->captured_at))
	{
		pythia_buffer_clear(&line->tail);
		pythia_buffer_puts(&line->tail, ",\"captured_at\":");
		put_text(&line->tail, change->captured_at);
		pythia_buffer_puts(&line->tail, "}\n");
	}
	pythia_buffer_append(out, line->head.data, line->head.length);
	put_json(out, change->primary_key);
	pythia_buffer_puts(out, ",\"old_data\":");
	put_json(out, change->old_data);
	pythia_buffer_puts(out, ",\"new_data\":");
	put_json(out, change->new_data);
	pythia_buffer_puts(out, ",\"timestamp\":");
	put_text(out, change->timestamp);
	pythia_buffer_puts(out, ",\"transaction_id\":");
	put_text(out, change->transaction_id);
	pythia_buffer_append(out, line->tail.data, line->tail.length);
}

void cli_line_free(cli_line *line)
{
	pythia_buffer_free(&line->schema);
	pythia_buffer_free(&line->table);
	pythia_buffer_free(&line->change_type);
	pythia_buffer_free(&line->captured_at);
	pythia_buffer_free(&line->head);
	pythia_buffer_free(&line->tail);
}
