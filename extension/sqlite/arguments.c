/* Reading arguments, and putting an error into SQLite's one text. */
#include "pythia_sqlite.h"

SQLITE_EXTENSION_INIT3

#include <string.h>

#include "core/list.h"
#include "core/memory.h"
#include "core/visible.h"
#include "core/json_read.h"
#include "dialect/dialect.h"

const char *pythia_arg(const pythia_call *call, int index)
{
	if (index >= call->argc || sqlite3_value_type(call->argv[index]) == SQLITE_NULL)
		return NULL;
	return (const char *) sqlite3_value_text(call->argv[index]);
}

bool pythia_arg_needed(const pythia_call *call, int index, const char *name, const char **text, pythia_error *error)
{
	*text = pythia_arg(call, index);
	if (*text != NULL && **text != '\0')
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, *text == NULL ? "22004" : "22023", "%s must not be %s", name,
				*text == NULL ? "NULL" : "empty");
	return pythia_error_hint(error, "Give a text.");
}

bool pythia_arg_options(const pythia_call *call, int index, const char *name, pythia_node **node, pythia_error *error)
{
	const char *text = pythia_arg(call, index);

	*node = NULL;
	if (text == NULL)
		return true;
	if (!pythia_json_read(name, text, node, error))
		return false;
	if ((*node)->type == PYTHIA_NODE_OBJECT)
		return true;
	pythia_node_free(*node);
	*node = NULL;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "%s is not a JSON object", name);
	return pythia_error_hint(error, "Give an object such as '{\"batch_size\": 1000}'.");
}

static bool names_of_array(const pythia_node *array, const char *name, char ***names, int *count, pythia_error *error)
{
	for (const pythia_node *child = pythia_node_items(array); child != NULL; child = child->next)
	{
		if (child->type != PYTHIA_NODE_STRING || child->text[0] == '\0')
		{
			pythia_list_free(*names, *count);
			*names = NULL;
			*count = 0;
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "%s holds something that is not a name", name);
			return pythia_error_hint(error, "Give a JSON array of names, such as '[\"users\", \"orders\"]'.");
		}
		*names = pythia_realloc(*names, sizeof(char *) * (size_t) (*count + 2));
		(*names)[(*count)++] = pythia_strdup(child->text);
		(*names)[*count] = NULL;
	}
	return true;
}

bool pythia_arg_names(const pythia_call *call, int index, const char *name, char ***names, int *count,
					  pythia_error *error)
{
	const char *text = pythia_arg(call, index);
	pythia_node *node;
	bool ok;

	*names = NULL;
	*count = 0;
	if (text == NULL)
		return true;
	/* [odd name] is a name as SQLite quotes it, ["odd name"] an array */
	if (text[0] == '[')
	{
		pythia_error not_json = PYTHIA_ERROR_INIT;

		ok = pythia_json_read(name, text, &node, &not_json);
		if (ok)
		{
			ok = names_of_array(node, name, names, count, error);
			pythia_node_free(node);
			return ok;
		}
		if (text[1] == '"')
			return pythia_error_move(error, &not_json);
		pythia_error_reset(&not_json);
	}
	*names = pythia_list_split(text, count);
	*names = pythia_realloc(*names, sizeof(char *) * (size_t) (*count + 1));
	(*names)[*count] = NULL;
	return true;
}

bool pythia_arg_int(const pythia_call *call, int index, const char *name, int64_t minimum, int64_t *value,
					pythia_error *error)
{
	if (pythia_arg(call, index) == NULL)
		return true;
	if (sqlite3_value_numeric_type(call->argv[index]) == SQLITE_INTEGER)
	{
		*value = sqlite3_value_int64(call->argv[index]);
		if (*value >= minimum)
			return true;
	}
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid %s: %s", name, pythia_arg(call, index));
	return pythia_error_hint(error, "Give a whole number of %lld or more.", (long long) minimum);
}

bool pythia_arg_seconds(const pythia_call *call, int index, const char *name, double *seconds, pythia_error *error)
{
	pythia_node *holder;
	bool ok;

	if (pythia_arg(call, index) == NULL)
		return true;
	holder = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);
	pythia_node_add(holder, pythia_node_new(PYTHIA_NODE_STRING, name, pythia_arg(call, index)));
	ok = pythia_node_seconds(holder, name, seconds, error);
	pythia_node_free(holder);
	return ok;
}

/* A line of its own, which no name or message of others can end. */
static void put_line(pythia_buffer *out, const char *label, const char *text, size_t length)
{
	if (text == NULL)
		return;
	pythia_buffer_puts(out, label);
	pythia_visible(out, text, length);
}

char *pythia_error_text(const pythia_error *error)
{
	const char *message = error->message != NULL ? error->message : "unknown error";
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	put_line(&out, "", message, strlen(message));
	put_line(&out, "\ndetail: ", error->detail, error->detail != NULL ? strlen(error->detail) : 0);
	for (const char *line = error->context; line != NULL && *line != '\0'; line += strspn(line, "\n"))
	{
		put_line(&out, "\ncontext: ", line, strcspn(line, "\n"));
		line += strcspn(line, "\n");
	}
	put_line(&out, "\nhint: ", error->hint, error->hint != NULL ? strlen(error->hint) : 0);
	return pythia_buffer_take(&out);
}

bool pythia_held_hint(const char *worker, pythia_error *error)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	if (strcmp(error->sqlstate, "55000") != 0)
		return false;
	pythia_dialect_for(PYTHIA_SQLITE)->literal(&name, worker, strlen(worker));
	pythia_error_hint(error, "Where it shall run here, and no longer in the original, call pythia_release_worker(%s).",
					  pythia_buffer_text(&name));
	pythia_buffer_free(&name);
	return false;
}

int pythia_error_code(const pythia_error *error)
{
	switch (error->error_class)
	{
		case PYTHIA_E_CANCELLED:
			return SQLITE_INTERRUPT;
		case PYTHIA_E_TRANSIENT:
			return SQLITE_BUSY;
		case PYTHIA_E_CONNECT:
			return SQLITE_CANTOPEN;
		case PYTHIA_E_INTERNAL:
			return SQLITE_INTERNAL;
		default:
			return SQLITE_ERROR;
	}
}

void pythia_warn_idle(void *self, const char *option, const char *why)
{
	pythia_host_log(&((pythia_sqlite *) self)->host, PYTHIA_LOG_WARNING, "option \"%s\" has no effect: %s", option,
					why);
}
