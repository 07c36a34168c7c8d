#include "drivers/json_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/memory.h"

enum
{
	DEPTH_LIMIT = 64
};

static void append_literal(pythia_buffer *sql, const char *text)
{
	pythia_buffer_putc(sql, '\'');
	for (; *text != '\0'; text++)
	{
		if (*text == '\'')
			pythia_buffer_putc(sql, '\'');
		pythia_buffer_putc(sql, *text);
	}
	pythia_buffer_putc(sql, '\'');
}

static pythia_node_type node_type(const char *type)
{
	static const struct
	{
		const char *name;
		pythia_node_type type;
	} types[] = {{"object", PYTHIA_NODE_OBJECT},  {"array", PYTHIA_NODE_ARRAY}, {"text", PYTHIA_NODE_STRING},
				 {"integer", PYTHIA_NODE_NUMBER}, {"real", PYTHIA_NODE_NUMBER}, {"true", PYTHIA_NODE_BOOL},
				 {"false", PYTHIA_NODE_BOOL}};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, type) == 0)
			return types[i].type;
	return PYTHIA_NODE_NULL;
}

/* Rows of json_tree (id, parent, type, key, atom, depth of nesting), parents first. */
static bool build(const pythia_result *rows, const char *what, pythia_node **root, pythia_error *error)
{
	struct
	{
		int64_t id;
		pythia_node *node;
	} open[DEPTH_LIMIT];
	int depth = 0;

	*root = NULL;
	for (int64_t r = 0; r < rows->nrows; r++)
	{
		int64_t parent = pythia_result_number_or(rows, r, 1, -1);
		const char *type = pythia_result_text(rows, r, 2);
		const char *key = pythia_result_optional(rows, r, 3);
		const char *atom = pythia_result_optional(rows, r, 4);
		pythia_node_type kind = node_type(type);
		pythia_node *node;

		if (parent >= 0)
			while (depth > 0 && open[depth - 1].id != parent)
				depth--;
		if (depth == DEPTH_LIMIT)
		{
			pythia_node_free(*root);
			*root = NULL;
			return pythia_fail(error, PYTHIA_E_USAGE, "22023", "%s is nested more than %d deep", what, DEPTH_LIMIT);
		}
		/* SQLite reads a number beyond its doubles as infinite, and that is no JSON */
		if (kind == PYTHIA_NODE_NUMBER && (!atom || strstr(atom, "Inf")))
		{
			pythia_node_free(*root);
			*root = NULL;
			pythia_fail(error, PYTHIA_E_USAGE, "22003", "%s holds a number that is too large", what);
			return pythia_error_hint(error, "The greatest one is about 1.8e308.");
		}
		/* no option tells the two zeros apart, and read again it is an integer, which has one */
		if (kind == PYTHIA_NODE_NUMBER && strcmp(atom, "-0") == 0)
			atom = "0";
		if (kind == PYTHIA_NODE_BOOL)
			atom = type;
		node = pythia_node_new(kind, depth > 0 && open[depth - 1].node->type == PYTHIA_NODE_OBJECT ? key : NULL, atom);
		if (depth == 0)
			*root = node;
		else
			pythia_node_add(open[depth - 1].node, node);
		if (kind == PYTHIA_NODE_OBJECT || kind == PYTHIA_NODE_ARRAY)
		{
			open[depth].id = pythia_result_number(rows, r, 0);
			open[depth].node = node;
			depth++;
		}
	}
	return true;
}

/* SQLite ends a text there, and so a condition or a name. */
static bool holds_nul(const char *json)
{
	for (; *json != '\0'; json++)
	{
		if (*json != '\\')
			continue;
		if (strncmp(json + 1, "u0000", 5) == 0)
			return true;
		if (json[1] != '\0')
			json++;
	}
	return false;
}

bool pythia_json_read(pythia_db *sqlite, const char *what, const char *text, pythia_node **node, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	*node = NULL;
	memset(&result, 0, sizeof(result));
	/* json_valid first: json_tree's own error would not name the option. */
	pythia_buffer_puts(&sql, "SELECT json_valid(");
	append_literal(&sql, text);
	pythia_buffer_puts(&sql, ")");
	ok = pythia_db_query(sqlite, pythia_buffer_text(&sql), "1b", &result, error);
	if (ok && !pythia_result_true(&result, 0, 0))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "%s is not valid JSON", what);
		ok = pythia_error_hint(error,
							   "Write {\"name\": value, ...} or [\"name\", ...]: texts in double quotes, no comma "
							   "after the last.");
	}
	pythia_result_free(&result);
	if (ok && holds_nul(text))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22021", "%s holds a NUL character", what);
		ok = pythia_error_hint(error, "No name and no condition of a database can hold one: leave out \\u0000.");
	}
	if (ok)
	{
		pythia_buffer_clear(&sql);
		pythia_buffer_puts(&sql, "SELECT id, parent, type, key, atom FROM json_tree(");
		append_literal(&sql, text);
		pythia_buffer_puts(&sql, ") ORDER BY id");
		ok = pythia_db_query(sqlite, pythia_buffer_text(&sql), "nNtVV", &result, error) &&
			 build(&result, what, node, error);
		pythia_result_free(&result);
	}
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_json_read_text(const char *what, const char *text, pythia_node **node, pythia_error *error)
{
	pythia_url url;
	pythia_db *db;
	bool ok;

	*node = NULL;
	if (!pythia_url_parse("sqlite://", &url, error))
		return false;
	ok = pythia_db_open(&url, pythia_default_host(), NULL, &db, error);
	if (ok)
	{
		ok = pythia_json_read(db, what, text, node, error);
		pythia_db_close(db);
	}
	pythia_url_free(&url);
	return ok;
}
