#include "sync/expressions.h"

#include <string.h>

#include "core/memory.h"
#include "dialect/masks.h"
#include "dialect/tokens.h"

static bool no_column(const pythia_table *source, const char *name, const char *option, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "42703", "column \"%s\" of table \"%s\" does not exist", name, source->name);
	pythia_error_detail(error, "Option \"%s\" names it.", option);
	return pythia_error_hint(error,
							 strcmp(option, "masks") == 0
								 ? "Name a column of the source's table."
								 : "Name a column of the source's table, or give the new one a type: {\"expression\":"
								   " …, \"type\": \"varchar(100)\"}.");
}

/* The type's own words, as far as a value can be cast to them; NULL: it stays what it is. */
static const char *cast_to(const pythia_db *db, const pythia_type *type)
{
	/* a length would cut the value without a word, and the target's own is to refuse it */
	if (db->engine == PYTHIA_POSTGRESQL)
		return type->kind == PYTHIA_KIND_TEXT || type->kind == PYTHIA_KIND_CHAR ? "pg_catalog.text" : type->native;
	if (db->engine == PYTHIA_SQLITE)
		return NULL;
	switch (type->kind)
	{
		case PYTHIA_KIND_TEXT:
		case PYTHIA_KIND_CHAR:
			return "CHAR";
		case PYTHIA_KIND_INT:
			return "SIGNED";
		case PYTHIA_KIND_UINT:
			return "UNSIGNED";
		default:
			return NULL;
	}
}

static void put_cast(const pythia_db *db, const pythia_type *type, const char *expression, pythia_buffer *out)
{
	const char *cast = cast_to(db, type);

	pythia_buffer_puts(out, cast != NULL ? "CAST(" : "");
	pythia_condition_put(out, expression);
	if (cast != NULL)
		pythia_buffer_printf(out, " AS %s)", cast);
}

static bool add_column(const pythia_sync_job *job, pythia_table *source, const char *name, const char *type,
					   pythia_error *error)
{
	pythia_column *column;

	source->columns = pythia_realloc(source->columns, sizeof(pythia_column) * (size_t) (source->ncolumns + 1));
	column = &source->columns[source->ncolumns++];
	memset(column, 0, sizeof(*column));
	column->name = pythia_strdup(name);
	column->nullable = true;
	pythia_dialect_of(job->source)->parse_type(type, &column->type);
	if (column->type.kind != PYTHIA_KIND_OTHER)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42704", "\"%.100s\" is no type that is known here", type);
	return pythia_error_hint(error, "Give column \"%s\" a type of the source's engine; for example varchar(100).",
							 name);
}

static bool apply_expression(const pythia_sync_job *job, pythia_table *source, const pythia_node *node, bool add,
							 pythia_error *error)
{
	bool object = node->type == PYTHIA_NODE_OBJECT;
	const char *text = object ? pythia_node_get(node, "expression")->text : node->text;
	const pythia_node *type = object ? pythia_node_get(node, "type") : NULL;
	int position = pythia_table_column(source, node->name);
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_column *column;

	if (!pythia_expression_check(job->source->engine, "expressions", text, error))
		return pythia_error_context(error, "column \"%s\"", node->name);
	if (position < 0 && type == NULL)
		return no_column(source, node->name, "expressions", error);
	if (position >= 0 && type != NULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "column \"%s\" has a type already", node->name);
		return pythia_error_hint(error, "Leave \"type\" out; type_map gives it another one in the target.");
	}
	if (position < 0 && !add)
		return true;
	if (position < 0 && !add_column(job, source, node->name, type->text, error))
		return false;
	column = &source->columns[position >= 0 ? position : source->ncolumns - 1];
	put_cast(job->source, &column->type, text, &out);
	column->expression = pythia_buffer_take(&out);
	column->nullable = true;
	/* an expression of ours is carried, whatever it stands for */
	column->generated = column->identity = false;
	pythia_default_free(&column->value);
	return true;
}

static pythia_mask mask_of(const pythia_sync_job *job, const pythia_node *node)
{
	pythia_mask mask = {.key = job->source->mask_key != NULL ? job->source->mask_key : job->target->mask_key};

	if (node->type == PYTHIA_NODE_OBJECT)
	{
		mask.kind = PYTHIA_MASK_CONSTANT;
		mask.constant = pythia_node_get(node, "constant")->text;
	}
	else
		mask.kind = strcmp(node->text, "hash") == 0      ? PYTHIA_MASK_HASH
					: strcmp(node->text, "partial") == 0 ? PYTHIA_MASK_PARTIAL
														 : PYTHIA_MASK_NULL;
	return mask;
}

static bool apply_mask(const pythia_sync_job *job, pythia_table *source, const pythia_node *node, pythia_error *error)
{
	int position = pythia_table_column(source, node->name);
	pythia_mask mask = mask_of(job, node);
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_column *column;

	if (position < 0)
		return no_column(source, node->name, "masks", error);
	column = &source->columns[position];
	if (node->type == PYTHIA_NODE_STRING && strcmp(node->text, "none") == 0)
		return true;
	if (column->expression != NULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "column \"%s\" has a mask and an expression", node->name);
		return pythia_error_hint(error, "Give it one of the two.");
	}
	if (!pythia_mask_put(job->source, &mask, column, &out, error))
	{
		pythia_buffer_free(&out);
		return pythia_error_context(error, "masks of table \"%s\"", source->name);
	}
	if (mask.kind == PYTHIA_MASK_NULL && job->source->engine == PYTHIA_POSTGRESQL && column->type.native != NULL)
	{
		pythia_buffer_clear(&out);
		put_cast(job->source, &column->type, "NULL", &out);
	}
	column->expression = pythia_buffer_take(&out);
	column->nullable = column->nullable || mask.kind == PYTHIA_MASK_NULL;
	column->generated = column->identity = false;
	/* a default might be the very value */
	pythia_default_free(&column->value);
	return true;
}

/* Names of columns mean the same in any case, as find a column's. */
static bool is_said_later(const pythia_node *const *levels, int level, const pythia_table *source, const char *name)
{
	int column = pythia_table_column(source, name);

	for (int later = level + 1; later < PYTHIA_CONFIG_LEVELS; later++)
		for (const pythia_node *node = pythia_node_members(levels[later]); node != NULL; node = node->next)
			if (strcmp(node->name, name) == 0 || (column >= 0 && pythia_table_column(source, node->name) == column))
				return true;
	return false;
}

bool pythia_expressions_apply(const pythia_sync_job *job, pythia_table *source, bool add, pythia_error *error)
{
	const pythia_sync_config *config = job->config;

	for (int level = 0; level < PYTHIA_CONFIG_LEVELS; level++)
		for (const pythia_node *node = pythia_node_members(config->expressions[level]); node != NULL; node = node->next)
			if (!is_said_later(config->expressions, level, source, node->name) &&
				!apply_expression(job, source, node, add, error))
				return false;
	for (int level = 0; level < PYTHIA_CONFIG_LEVELS; level++)
		for (const pythia_node *node = pythia_node_members(config->masks[level]); node != NULL; node = node->next)
			if (!is_said_later(config->masks, level, source, node->name) && !apply_mask(job, source, node, error))
				return false;
	return true;
}

bool pythia_expressions_allow(const pythia_column *column, const char *role, pythia_error *error)
{
	if (column->expression == NULL)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "0A000", "column \"%s\" is the %s, and cannot be computed or masked",
				column->name, role);
	return pythia_error_hint(error, "Leave it out of \"expressions\" and \"masks\".");
}
