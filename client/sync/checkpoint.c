/*
 * How far a run has come, as a JSON array of texts.  In one piece: ["5", scope, boundary, integer, made,
 * place…].  In parts: ["6", scope, boundary, integer, made, staged, snapshot, bound…], and of each part the place
 * up to which it is done.  In mode full the first text is "5 full" or "6 full".  The boundary is that of the first attempt, because rows before the key may have
 * changed since they were read.  With another scope (a condition, columns) the rows before the key are not
 * those that are wanted now.
 */
#include <string.h>

#include "core/json.h"
#include "core/list.h"
#include "core/memory.h"
#include "sync/run.h"

#define FIXED         5
#define FIXED_PARTS   7
#define VERSION       '5'
#define VERSION_PARTS '6'

/* What an incremental run has left out before its key is not what a full one wants. */
static const char *version_of(const pythia_run *run, bool parts)
{
	if (run->job->config->mode == PYTHIA_SYNC_FULL)
		return parts ? "6 full" : "5 full";
	return parts ? "6" : "5";
}

static char *write_texts(const char *const *fixed, int nfixed, char *const *more, int nmore)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	pythia_buffer_putc(&out, '[');
	for (int i = 0; i < nfixed + nmore; i++)
	{
		const char *const *texts = i < nfixed ? fixed : (const char *const *) more;
		const char *text = texts != NULL ? texts[i < nfixed ? i : i - nfixed] : NULL;

		pythia_buffer_puts(&out, i > 0 ? ", " : "");
		if (text == NULL)
			pythia_buffer_puts(&out, "null");
		else
			pythia_json_string(&out, text, strlen(text));
	}
	pythia_buffer_putc(&out, ']');
	return pythia_buffer_take(&out);
}

char *pythia_checkpoint_write(const pythia_run *run)
{
	const char *fixed[FIXED] = {version_of(run, false), run->mark.scope, run->mark.boundary, run->mark.integer,
								run->state.made ? "made" : NULL};

	return write_texts(fixed, FIXED, run->after, run->plan.nkey);
}

char *pythia_checkpoint_write_key(const pythia_run *run)
{
	return write_texts(NULL, 0, run->after, run->plan.nkey);
}

char *pythia_ticket_write(const pythia_run *run)
{
	const char *fixed[FIXED_PARTS] = {version_of(run, true),
									  run->mark.scope,
									  run->mark.boundary,
									  run->mark.integer,
									  run->state.made ? "made" : NULL,
									  run->way.staged ? "staged" : NULL,
									  run->snapshot};

	return write_texts(fixed, FIXED_PARTS, run->bounds, run->nparts - 1);
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

/* The texts of an array, or NULL where it is none; the caller frees them with pythia_list_free. */
static char **read_texts(const char *json, int *count)
{
	size_t most = strlen(json) / 3 + 1; /* "" and a comma */
	char **texts = pythia_calloc(most, sizeof(char *));
	const char *cursor = json;

	*count = 0;
	while ((size_t) *count < most && next_text(&cursor, &texts[*count]))
		++*count;
	if (cursor[strspn(cursor, " \t\r\n")] == ']')
		return texts;
	pythia_list_free(texts, *count);
	*count = 0;
	return NULL;
}

/* Takes over the texts from `first` on. */
static char **take_texts(char **texts, int first, int count)
{
	char **taken = pythia_calloc((size_t) (count - first) + 1, sizeof(char *));

	for (int i = first; i < count; i++)
	{
		taken[i - first] = texts[i];
		texts[i] = NULL;
	}
	return taken;
}

/* Is each from `first` on a value of its key column, or all of the first one?  Whoever can write to where checkpoints are
 * kept has no word in the query. */
static bool are_keys(const pythia_run *run, char *const *texts, int first, int count, bool bounds)
{
	pythia_buffer literal = PYTHIA_BUFFER_INIT;
	pythia_error none = PYTHIA_ERROR_INIT;
	bool good = true;

	for (int i = first; good && i < count; i++)
		good = texts[i] != NULL && pythia_place_literal(run, bounds ? 0 : i - first, texts[i], &literal, &none);
	pythia_error_reset(&none);
	pythia_buffer_free(&literal);
	return good;
}

static void say_anew(const pythia_run *run)
{
	pythia_host_log(run->source->host, PYTHIA_LOG_NOTICE,
					"table \"%s\": what is carried is not what it was when the last run was interrupted: it begins"
					" anew",
					run->plan.source.name);
}

static bool is_version(char *const *texts, int count, char version)
{
	return count > 0 && texts[0] != NULL && texts[0][0] == version;
}

void pythia_checkpoint_read(pythia_run *run, const char *text, bool empty)
{
	char scope[9];
	int count;
	char **texts = read_texts(text, &count);
	bool parts = is_version(texts, count, VERSION_PARTS) && count >= FIXED_PARTS;
	bool known = parts || (is_version(texts, count, VERSION) && count >= FIXED);
	int fixed = parts ? FIXED_PARTS : FIXED;

	pythia_watermark_scope(&run->plan, scope);
	/* indexes are owed to a table that was made, wherever the run goes on */
	run->state.made = known && texts[4] != NULL;
	if (!known || strcmp(texts[0], version_of(run, parts)) != 0 || texts[1] == NULL || strcmp(texts[1], scope) != 0 ||
		!(parts ? run->job->streams != NULL : count == FIXED + run->plan.nkey) ||
		!are_keys(run, texts, fixed, count, parts))
		say_anew(run);
	/* of an empty table the rows that it tells of are gone */
	else if (!empty)
	{
		run->state.resumed = true;
		run->mark.boundary = texts[2];
		run->mark.integer = texts[3];
		texts[2] = texts[3] = NULL;
		if (parts)
		{
			run->nparts = count - fixed + 1;
			run->bounds = take_texts(texts, fixed, count);
		}
		else
			run->after = take_texts(texts, fixed, count);
	}
	pythia_list_free(texts, count);
}

bool pythia_ticket_read(pythia_run *run, const char *text, pythia_error *error)
{
	int count;
	char **texts = read_texts(text, &count);

	pythia_watermark_scope(&run->plan, run->mark.scope);
	if (!is_version(texts, count, VERSION_PARTS) || count < FIXED_PARTS || texts[1] == NULL ||
		strcmp(texts[1], run->mark.scope) != 0 || !are_keys(run, texts, FIXED_PARTS, count, true))
	{
		pythia_list_free(texts, count);
		return pythia_fail(error, PYTHIA_E_USAGE, "55000", "table \"%s\" is not what it was when its copy began",
						   run->plan.source.name);
	}
	run->way.staged = texts[5] != NULL;
	run->snapshot = texts[6];
	texts[6] = NULL;
	run->nparts = count - FIXED_PARTS + 1;
	run->bounds = take_texts(texts, FIXED_PARTS, count);
	pythia_list_free(texts, count);
	return true;
}

bool pythia_checkpoint_read_key(pythia_run *run, const char *text)
{
	int count;
	char **texts = read_texts(text, &count);
	bool ok = texts != NULL && count == run->plan.nkey && are_keys(run, texts, 0, count, false);

	if (ok)
		run->after = take_texts(texts, 0, count);
	pythia_list_free(texts, count);
	return ok;
}
