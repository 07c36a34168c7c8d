#include "postgres/base/jsonb_node.h"

#include "postgres/base/bridge.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static void free_node(void *node)
{
	pythia_node_free(node);
}

static pythia_node *scalar_node(const char *name, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return pythia_node_new(PYTHIA_NODE_NULL, name, NULL);
		case jbvBool:
			return pythia_node_new(PYTHIA_NODE_BOOL, name, value->val.boolean ? "true" : "false");
		case jbvNumeric:
			return pythia_node_new(
				PYTHIA_NODE_NUMBER, name,
				DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
		default:
			return pythia_node_new(PYTHIA_NODE_STRING, name,
								   pythia_to_utf8(pnstrdup(value->val.string.val, value->val.string.len)));
	}
}

/* Adds everything up to the end of the container that was just opened. */
static void fill(pythia_node *parent, JsonbIterator **iterator)
{
	JsonbValue value;
	JsonbIteratorToken token;
	char *name = NULL;

	while ((token = JsonbIteratorNext(iterator, &value, false)) != WJB_DONE)
	{
		pythia_node *child;

		switch (token)
		{
			case WJB_KEY:
				name = pythia_to_utf8(pnstrdup(value.val.string.val, value.val.string.len));
				break;
			case WJB_VALUE:
			case WJB_ELEM:
				pythia_node_add(parent, scalar_node(name, &value));
				name = NULL;
				break;
			case WJB_BEGIN_OBJECT:
			case WJB_BEGIN_ARRAY:
				child = pythia_node_new(token == WJB_BEGIN_OBJECT ? PYTHIA_NODE_OBJECT : PYTHIA_NODE_ARRAY, name, NULL);
				pythia_node_add(parent, child);
				name = NULL;
				fill(child, iterator);
				break;
			default:
				return;
		}
	}
}

static pythia_node *root_of(const Jsonb *json)
{
	return pythia_node_new(JB_ROOT_IS_OBJECT(json) ? PYTHIA_NODE_OBJECT : PYTHIA_NODE_ARRAY, NULL, NULL);
}

/* May raise: a text need not have characters that UTF-8 has. */
static void fill_root(pythia_node *root, Jsonb *json)
{
	JsonbIterator *iterator = JsonbIteratorInit(&json->root);
	JsonbValue value;

	(void) JsonbIteratorNext(&iterator, &value, false);
	fill(root, &iterator);
}

pythia_node *pythia_node_copy_jsonb(Jsonb *json)
{
	pythia_node *root = root_of(json);

	PG_TRY();
	{
		fill_root(root, json);
	}
	PG_CATCH();
	{
		pythia_node_free(root);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return root;
}

pythia_node *pythia_node_from_jsonb(Jsonb *json)
{
	pythia_node *root = root_of(json);

	pythia_free_with_context(free_node, root);
	fill_root(root, json);
	return root;
}

Jsonb *pythia_jsonb_from_text(const char *text)
{
	if (!text)
		return NULL;
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(pythia_from_utf8(text))));
}
