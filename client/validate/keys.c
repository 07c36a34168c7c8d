/* Finding given keys on one side, and showing rows. */
#include "validate/internal.h"

#include <string.h>

#include "core/classed.h"
#include "core/json.h"
#include "core/json_scan.h"
#include "core/memory.h"
#include "dialect/forms.h"

/* A key column's value in this side's words; false where this side cannot hold it. */
static bool key_value(const pythia_validation_state *v, int side, const pythia_candidate *key, int i,
					  pythia_buffer *scratch, const char **value, size_t *length)
{
	const pythia_transform *transform =
		key->side == PYTHIA_SOURCE ? &v->plan.pairs[v->plan.key[i]].transform : &v->backward[i];
	pythia_bad_value bad;

	*value = key->values[i];
	*length = key->values[i] != NULL ? strlen(key->values[i]) : 0;
	if (key->side == side || *value == NULL || !pythia_transform_needed(transform))
		return true;
	switch (pythia_transform_value(transform, *value, *length, scratch, &bad))
	{
		case PYTHIA_VALUE_CHANGED:
			*value = pythia_buffer_text(scratch);
			*length = scratch->length;
			return true;
		case PYTHIA_VALUE_NULL:
			*value = NULL;
			return true;
		case PYTHIA_VALUE_BAD:
			return false;
		default:
			return true;
	}
}

/* Do the columns' values find the key's row?  A NULL in a key does not (SQLite's may hold one), and where SQLite holds
 * what is not of the column's type, the text does not tell what it was: a number, a text or bytes. */
static bool tells_its_row(const pythia_validation_state *v, int side, const pythia_candidate *key)
{
	for (int i = 0; i < v->plan.nkey; i++)
	{
		const char *value = key->values[i];

		if (value == NULL)
			return false;
		if (v->sides[side].db->engine == PYTHIA_SQLITE && key->side == side &&
			!pythia_value_has_form(PYTHIA_SQLITE, &v->sides[side].items[i].column->type, value, strlen(value)))
			return false;
	}
	return true;
}

/* Does the literal of the column's value, as it is read, find the row?  SQLite's columns hold anything, and what is no
 * value of the column's kind may read like one. */
static void put_found(const pythia_side *s, const pythia_column *column, const pythia_side *other,
					  const pythia_type *others, pythia_buffer *out)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer read = PYTHIA_BUFFER_INIT;

	s->dialect->identifier(&name, column->name);
	s->dialect->read_expression(s->db, &read, NULL, column);
	pythia_buffer_printf(out, "typeof(%s) ", name.data);
	switch (column->type.kind)
	{
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
		case PYTHIA_KIND_TIME:
			pythia_buffer_puts(out, "= 'integer'");
			break;
		case PYTHIA_KIND_DECIMAL:
			pythia_buffer_printf(out, "IN ('integer', 'text', CASE WHEN CAST(%s AS REAL) = %s THEN 'real' END)",
								 read.data, name.data);
			break;
		case PYTHIA_KIND_BYTES:
			pythia_buffer_puts(out, "= 'blob'");
			break;
		case PYTHIA_KIND_CHAR:
			/* the blanks at the end are no part of it, but of the text here: there must be those that the other side gives */
			pythia_buffer_puts(out, "= 'text' AND ");
			if (other->db->engine == PYTHIA_POSTGRESQL && others->kind == PYTHIA_KIND_CHAR)
				pythia_buffer_printf(out, "length(%s) = %lld", name.data, (long long) others->length);
			else
				pythia_buffer_printf(out, "rtrim(%s, ' ') = %s COLLATE BINARY", name.data, name.data);
			break;
		case PYTHIA_KIND_STORED:
			pythia_buffer_puts(out, "<> 'null'");
			break;
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			pythia_buffer_printf(out, "= 'text' AND %s%s = %s", read.data,
								 column->type.kind == PYTHIA_KIND_TIMESTAMPTZ ? " || 'Z'" : "", name.data);
			break;
		default:
			pythia_buffer_puts(out, "= 'text'");
			break;
	}
	pythia_buffer_free(&name);
	pythia_buffer_free(&read);
}

bool pythia_try_literals(pythia_validation_state *v, pythia_error *error)
{
	bool ok = true;

	for (int side = 0; ok && v->by_literal && !v->literals_tried && side < 2; side++)
	{
		const pythia_side *s = &v->sides[side];
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		char *found = NULL;

		/* a rowid is always an integer */
		if (s->db->engine != PYTHIA_SQLITE || (v->plan.nkey == 1 && s->items[0].column->identity))
			continue;
		pythia_buffer_printf(&sql, "SELECT 1 FROM %s WHERE NOT (", s->name.data);
		for (int i = 0; i < v->plan.nkey; i++)
		{
			pythia_buffer_puts(&sql, i > 0 ? " AND " : "");
			put_found(s, s->items[i].column, &v->sides[1 - side], &v->sides[1 - side].items[i].column->type, &sql);
		}
		pythia_buffer_puts(&sql, ") LIMIT 1");
		ok = pythia_db_text(s->db, sql.data, &found, error);
		v->by_literal = found == NULL;
		pythia_free(found);
		pythia_buffer_free(&sql);
	}
	v->literals_tried = ok;
	return ok;
}

/* One key's values in parentheses where there are several; nothing, and false, where it cannot be there. */
static bool put_key(const pythia_validation_state *v, int side, const pythia_candidate *key, const char *before,
					pythia_buffer *out)
{
	const pythia_side *s = &v->sides[side];
	size_t mark = out->length;
	bool held = true;

	pythia_buffer_puts(out, before);
	if (v->plan.nkey > 1)
		pythia_buffer_putc(out, '(');
	for (int i = 0; held && i < v->plan.nkey; i++)
	{
		pythia_buffer scratch = PYTHIA_BUFFER_INIT;
		const char *value;
		size_t length;

		held = key_value(v, side, key, i, &scratch, &value, &length) && value != NULL;
		if (held)
		{
			pythia_buffer_puts(out, i > 0 ? ", " : "");
			held = s->dialect->value_literal(s->db, out, &s->items[i].column->type, value, length);
		}
		pythia_buffer_free(&scratch);
	}
	if (v->plan.nkey > 1)
		pythia_buffer_putc(out, ')');
	if (!held)
	{
		out->length = mark;
		out->data[mark] = '\0';
	}
	return held;
}

static void by_identity(const pythia_validation_state *v, int side, const pythia_candidate *keys, int count,
						pythia_buffer *out)
{
	const pythia_side *s = &v->sides[side];

	pythia_buffer_printf(out, "%s IN (", s->identity.data);
	for (int i = 0; i < count; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		s->dialect->literal(out, keys[i].identity, strlen(keys[i].identity));
	}
	pythia_buffer_putc(out, ')');
}

/* Whether each key's literal finds its row. */
static bool have_literals(const pythia_validation_state *v, int side, const pythia_candidate *keys, int count)
{
	bool literal = v->by_literal;

	for (int i = 0; literal && i < count; i++)
		literal = tells_its_row(v, side, &keys[i]);
	return literal;
}

static void by_literals(const pythia_validation_state *v, int side, const pythia_candidate *keys, int count,
						pythia_buffer *out)
{
	const pythia_side *s = &v->sides[side];
	bool first = true;

	if (v->plan.nkey > 1)
		pythia_buffer_putc(out, '(');
	for (int i = 0; i < v->plan.nkey; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		s->dialect->identifier(out, s->items[i].column->name);
	}
	pythia_buffer_puts(out, v->plan.nkey > 1 ? ") IN (" : " IN (");
	if (v->plan.nkey > 1 && s->db->engine == PYTHIA_SQLITE)
		pythia_buffer_puts(out, "VALUES ");
	for (int i = 0; i < count; i++)
	{
		if (put_key(v, side, &keys[i], first ? "" : ", ", out))
			first = false;
	}
	if (first)
	{
		/* none of them can be there */
		for (int i = 0; i < v->plan.nkey; i++)
			pythia_buffer_puts(out, i > 0 ? ", NULL" : v->plan.nkey > 1 ? "(NULL" : "NULL");
		if (v->plan.nkey > 1)
			pythia_buffer_putc(out, ')');
	}
	pythia_buffer_putc(out, ')');
}

void pythia_key_condition(const pythia_validation_state *v, int side, const pythia_candidate *keys, int count,
						  pythia_buffer *out)
{
	if (have_literals(v, side, keys, count))
		by_literals(v, side, keys, count, out);
	else
		by_identity(v, side, keys, count, out);
}

void pythia_key_condition_exact(const pythia_validation_state *v, int side, const pythia_candidate *keys, int count,
								pythia_buffer *out)
{
	if (have_literals(v, side, keys, count))
	{
		by_literals(v, side, keys, count, out);
		pythia_buffer_puts(out, " AND ");
	}
	by_identity(v, side, keys, count, out);
}

/* --- rows as JSON --------------------------------------------------------------- */

void pythia_json_column(pythia_buffer *out, const pythia_column *column, const pythia_field *field, bool first)
{
	if (!first)
		pythia_buffer_puts(out, ", ");
	pythia_json_string(out, column->name, strlen(column->name));
	pythia_buffer_puts(out, ": ");
	if (field->value == NULL)
	{
		pythia_buffer_puts(out, "null");
		return;
	}
	switch (column->type.kind)
	{
		case PYTHIA_KIND_STORED:
			pythia_classed_json(out, field->value, field->length);
			return;
		case PYTHIA_KIND_BOOL:
			if (strcmp(field->value, "1") == 0 || strcmp(field->value, "0") == 0)
			{
				pythia_buffer_puts(out, field->value[0] == '1' ? "true" : "false");
				return;
			}
			/* fall through */
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			if (pythia_json_is_number(field->value, field->length))
			{
				pythia_buffer_append(out, field->value, field->length);
				return;
			}
			break;
		case PYTHIA_KIND_JSON:
			pythia_json_foreign(out, field->value, field->length);
			return;
		default:
			break;
	}
	pythia_json_string(out, field->value, field->length);
}
