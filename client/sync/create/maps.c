#include "sync/create/maps.h"

#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "sync/create/create.h"

/* Words and numbers of a type, without blanks: INT (11) is int(11). */
static bool same_type(const char *a, const char *b, size_t length)
{
	const char *end = b + length;

	for (;; a++, b++)
	{
		a += strspn(a, " ");
		while (b < end && *b == ' ')
			b++;
		if (b >= end || *a == '\0')
			return b >= end && *a == '\0';
		if (strncasecmp(a, b, 1) != 0)
			return false;
	}
}

/* The whole type, else its words without what stands in parentheses. */
static const char *by_type(const pythia_node *map, const char *native)
{
	size_t words = strcspn(native, "(");

	for (int whole = 1; whole >= 0; whole--)
		for (const pythia_node *node = pythia_node_members(map); node != NULL; node = node->next)
			if (same_type(node->name, native, whole ? strlen(native) : words))
				return node->text;
	return NULL;
}

bool pythia_map_type(const pythia_sync_job *job, const pythia_column *column, const char **type, pythia_error *error)
{
	const pythia_node *map = job->config->type_map;
	const pythia_node *own = pythia_node_get(map, column->name);
	pythia_type read = {0};
	bool known;

	*type = own != NULL ? own->text : column->type.native != NULL ? by_type(map, column->type.native) : NULL;
	if (*type == NULL)
		return true;
	pythia_dialect_of(job->target)->parse_type(*type, &read);
	known = read.native != NULL && read.kind != PYTHIA_KIND_OTHER;
	pythia_type_free(&read);
	if (known)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42704",
				"option \"type_map\" gives column \"%s\" a type that is not known: %.100s", column->name, *type);
	return pythia_error_hint(error, "Give it a type of the target's engine (%s); for example numeric(12,2).",
							 pythia_dialect_of(job->target)->name);
}

bool pythia_map_default(const pythia_sync_job *job, const pythia_column *column, const pythia_type *type, bool *mapped,
						pythia_default *value, pythia_error *error)
{
	const pythia_node *node = pythia_node_get(job->config->default_map, column->name);
	pythia_buffer ddl = PYTHIA_BUFFER_INIT;
	bool ok;

	memset(value, 0, sizeof(*value));
	*mapped = node != NULL;
	if (node == NULL || node->type == PYTHIA_NODE_NULL)
		return true;
	if (node->type == PYTHIA_NODE_STRING && strcasecmp(node->text, "now") == 0)
		value->kind = PYTHIA_DEFAULT_NOW;
	else
	{
		value->kind = node->type == PYTHIA_NODE_STRING   ? PYTHIA_DEFAULT_TEXT
					  : node->type == PYTHIA_NODE_NUMBER ? PYTHIA_DEFAULT_NUMBER
														 : PYTHIA_DEFAULT_BOOL;
		value->text = pythia_strdup(node->type != PYTHIA_NODE_BOOL    ? node->text
									: strcmp(node->text, "true") == 0 ? "1"
																	  : "0");
	}
	value->engine = job->target->engine;
	ok = pythia_default_ddl(value, job->target, type, &ddl);
	pythia_buffer_free(&ddl);
	if (ok)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42601",
				"option \"default_map\" gives column \"%s\" a default that it cannot have: %.100s", column->name,
				node->text);
	return pythia_error_hint(error, "Give a value of its type (%s), \"now\", or null for none.",
							 pythia_type_shown(type));
}
