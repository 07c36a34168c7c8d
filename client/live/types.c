/* Columns that are given another type at the source: the target's follow. */
#include <string.h>

#include "core/json.h"
#include "core/json_read.h"
#include "core/memory.h"
#include "core/text.h"
#include "live/internal.h"
#include "sync/create/create.h"

static void spell_types(const pythia_table *source, pythia_buffer *json)
{
	bool any = false;

	pythia_buffer_putc(json, '{');
	for (int i = 0; i < source->ncolumns; i++)
	{
		const pythia_column *column = &source->columns[i];

		if (column->type.native == NULL)
			continue;
		pythia_buffer_puts(json, any ? "," : "");
		pythia_json_string(json, column->name, strlen(column->name));
		pythia_buffer_putc(json, ':');
		pythia_json_string(json, column->type.native, strlen(column->type.native));
		any = true;
	}
	pythia_buffer_putc(json, '}');
}

bool pythia_live_types_follow(pythia_live *live, pythia_live_table *table, bool *changed, pythia_error *error)
{
	pythia_buffer now = PYTHIA_BUFFER_INIT;
	pythia_node *was = NULL;
	bool ok = true;

	table->job = (pythia_sync_job){
		.source = live->job.source, .target = live->job.target, .table = table->name, .config = &table->config};
	spell_types(&table->source.table, &now);
	*changed = !pythia_same_text(table->types, now.data);
	if (*changed && table->types != NULL && live->job.on_change == PYTHIA_LIVE_FOLLOW)
		ok =
			pythia_json_read("source_types", table->types, &was, error) && pythia_target_widen(&table->job, was, error);
	if (ok && *changed)
	{
		pythia_free(table->types);
		table->types = pythia_strdup(now.data);
	}
	pythia_node_free(was);
	pythia_buffer_free(&now);
	return ok;
}
