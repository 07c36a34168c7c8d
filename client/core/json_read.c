#include "core/json_read.h"

#include <string.h>

#include "core/json_scan.h"

enum
{
	DEPTH_LIMIT = 64,
	DIGITS_LIMIT = 400 /* of a number in plain digits: what a double holds */
};

typedef struct reader
{
	pythia_json_scan scan;
	const char *what;
	pythia_error *error;
	int depth;
} reader;

static bool value(reader *r, const char *name, pythia_node **node);

static bool not_json(const reader *r)
{
	pythia_fail(r->error, PYTHIA_E_USAGE, "22023", "%s is not valid JSON", r->what);
	return pythia_error_hint(r->error,
							 "Write {\"name\": value, ...} or [\"name\", ...]: texts in double quotes, no comma "
							 "after the last.");
}

static bool text(reader *r, pythia_buffer *out)
{
	if (!pythia_json_text(&r->scan, out))
		return not_json(r);
	if (memchr(pythia_buffer_text(out), '\0', out->length) == NULL)
		return true;
	pythia_fail(r->error, PYTHIA_E_USAGE, "22021", "%s holds a NUL character", r->what);
	return pythia_error_hint(r->error, "No name and no condition of a database can hold one: leave out \\u0000.");
}

static bool string(reader *r, const char *name, pythia_node **node)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	bool ok = text(r, &out);

	if (ok)
		*node = pythia_node_new(PYTHIA_NODE_STRING, name, pythia_buffer_text(&out));
	pythia_buffer_free(&out);
	return ok;
}

static bool number(reader *r, const char *name, pythia_node **node)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_json_number parts;
	bool ok = pythia_json_read_number(&r->scan, &parts);

	if (!ok)
		return not_json(r);
	ok = pythia_json_numeric(&parts, &out) && out.length <= DIGITS_LIMIT;
	if (ok)
		*node = pythia_node_new(PYTHIA_NODE_NUMBER, name, pythia_buffer_text(&out));
	else
	{
		pythia_fail(r->error, PYTHIA_E_USAGE, "22003", "%s holds a number that is too large or too long", r->what);
		pythia_error_hint(r->error, "Give one of at most %d digits.", DIGITS_LIMIT);
	}
	pythia_buffer_free(&out);
	return ok;
}

static bool word(reader *r, const char *spelling, pythia_node_type type, const char *name, pythia_node **node)
{
	if (!pythia_json_word(&r->scan, spelling))
		return not_json(r);
	*node = pythia_node_new(type, name, type == PYTHIA_NODE_BOOL ? spelling : NULL);
	return true;
}

/* One "name": value */
static bool member(reader *r, pythia_node **child)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	bool ok = pythia_json_take(&r->scan, '"') || not_json(r);

	ok = ok && text(r, &name) && (pythia_json_take(&r->scan, ':') || not_json(r)) &&
		 value(r, pythia_buffer_text(&name), child);
	pythia_buffer_free(&name);
	return ok;
}

/* Who reads the first of two and who reads the last would obey different ones. */
static bool has_names_once(const reader *r, const pythia_node *node)
{
	const char *name = pythia_node_name_twice(node);

	if (!name)
		return true;
	pythia_fail(r->error, PYTHIA_E_USAGE, "22023", "%s holds \"%s\" twice", r->what, name);
	return pythia_error_hint(r->error, "Give each name once.");
}

static bool nested(reader *r, const char *name, pythia_node **node)
{
	bool object = *r->scan.at++ == '{';
	char close = object ? '}' : ']';
	pythia_node *child;
	bool ok;

	if (++r->depth > DEPTH_LIMIT)
		return pythia_fail(r->error, PYTHIA_E_USAGE, "22023", "%s is nested more than %d deep", r->what, DEPTH_LIMIT);
	*node = pythia_node_new(object ? PYTHIA_NODE_OBJECT : PYTHIA_NODE_ARRAY, name, NULL);
	ok = pythia_json_take(&r->scan, close);
	if (!ok)
	{
		do
		{
			ok = object ? member(r, &child) : value(r, NULL, &child);
			if (ok)
				pythia_node_add(*node, child);
		} while (ok && pythia_json_take(&r->scan, ','));
		ok = ok && (pythia_json_take(&r->scan, close) || not_json(r));
	}
	r->depth--;
	ok = ok && has_names_once(r, *node);
	if (ok)
		return true;
	pythia_node_free(*node);
	*node = NULL;
	return false;
}

static bool value(reader *r, const char *name, pythia_node **node)
{
	switch (pythia_json_next(&r->scan))
	{
		case '{':
		case '[':
			return nested(r, name, node);
		case '"':
			r->scan.at++;
			return string(r, name, node);
		case 't':
			return word(r, "true", PYTHIA_NODE_BOOL, name, node);
		case 'f':
			return word(r, "false", PYTHIA_NODE_BOOL, name, node);
		case 'n':
			return word(r, "null", PYTHIA_NODE_NULL, name, node);
		default:
			return number(r, name, node);
	}
}

bool pythia_json_read(const char *what, const char *json, pythia_node **node, pythia_error *error)
{
	reader r = {.scan = {json, json + strlen(json)}, .what = what, .error = error};

	*node = NULL;
	if (!value(&r, NULL, node))
		return false;
	pythia_json_next(&r.scan);
	if (r.scan.at == r.scan.end)
		return true;
	pythia_node_free(*node);
	*node = NULL;
	return not_json(&r);
}
