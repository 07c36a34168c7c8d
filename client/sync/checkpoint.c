/*
 * How far a run has come: ["3", scope, boundary, integer, made, key…].  The boundary is that of the
 * first attempt, because rows before the key may have changed since they were read.  With another scope
 * (a condition, columns) the rows before the key are not those that are wanted now.
 */
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "sync/run.h"

#define FIXED   5
#define VERSION "3"

char *pythia_checkpoint_write(const pythia_run *run)
{
	const char *fixed[FIXED] = {VERSION, run->mark.scope, run->mark.boundary, run->mark.integer,
								run->made ? "made" : NULL};
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	pythia_buffer_putc(&out, '[');
	for (int i = 0; i < FIXED + run->plan.nkey; i++)
	{
		const char *text = i < FIXED ? fixed[i] : run->after != NULL ? run->after[i - FIXED] : NULL;

		pythia_buffer_puts(&out, i > 0 ? ", " : "");
		if (text == NULL)
			pythia_buffer_puts(&out, "null");
		else
			pythia_json_string(&out, text, strlen(text));
	}
	pythia_buffer_putc(&out, ']');
	return pythia_buffer_take(&out);
}

/* Reads null or a string of our own making; a host may have spaced it otherwise. */
static bool next_text(const char **cursor, char **text)
{
	const char *at = *cursor + strspn(*cursor, " \t\r\n,[");
	const char *end = at + strlen(at);
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	*text = NULL;
	if (strncmp(at, "null", 4) == 0)
	{
		*cursor = at + 4;
		return true;
	}
	if (*at++ != '"' || !pythia_json_unquote(&at, end, &out))
	{
		pythia_buffer_free(&out);
		return false;
	}
	*cursor = at;
	*text = pythia_buffer_take(&out);
	return true;
}

void pythia_checkpoint_read(pythia_run *run, const char *text)
{
	int count = FIXED + run->plan.nkey;
	char **texts = pythia_calloc((size_t) count, sizeof(char *));
	const char *cursor = text;
	char scope[9];
	bool ok = true;

	pythia_watermark_scope(&run->plan, scope);
	for (int i = 0; ok && i < count; i++)
		ok = next_text(&cursor, &texts[i]);
	ok = ok && cursor[strspn(cursor, " \t\r\n")] == ']' && texts[0] != NULL && strcmp(texts[0], VERSION) == 0;
	/* indexes are owed to a table that was made, wherever the run goes on */
	run->made = texts[0] != NULL && strcmp(texts[0], VERSION) == 0 && texts[4] != NULL;
	ok = ok && texts[1] != NULL && strcmp(texts[1], scope) == 0;
	for (int i = FIXED; ok && i < count; i++)
		ok = texts[i] != NULL;
	if (ok)
	{
		run->resumed = true;
		run->mark.boundary = texts[2];
		run->mark.integer = texts[3];
		texts[2] = texts[3] = NULL;
		run->after = pythia_calloc((size_t) run->plan.nkey, sizeof(char *));
		for (int i = 0; i < run->plan.nkey; i++)
		{
			run->after[i] = texts[FIXED + i];
			texts[FIXED + i] = NULL;
		}
	}
	else
		pythia_host_log(run->source->host, PYTHIA_LOG_NOTICE,
						"table \"%s\": what is carried is not what it was when the last run was interrupted: it begins"
						" anew",
						run->plan.source.name);
	for (int i = 0; i < count; i++)
		pythia_free(texts[i]);
	pythia_free(texts);
}
