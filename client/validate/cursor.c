/* One side's rows of a validation, in an order that both sides share. */
#include "validate/merge.h"

#include <ctype.h>
#include <string.h>

#include "core/memory.h"

static void select_list(pythia_validation_state *v, pythia_cursor *c, bool digest)
{
	pythia_side *s = c->side;
	int n = 0;
	int ncolumns = digest ? v->plan.nkey : v->plan.npairs;

	c->kinds = pythia_calloc((size_t) ncolumns + 2, sizeof(pythia_kind));
	pythia_buffer_puts(&c->sql, "SELECT ");
	/* the order of bytes, whatever the database's collation */
	pythia_buffer_printf(&c->sql, s->db->engine == PYTHIA_POSTGRESQL && c->by_identity ? "(%s) COLLATE \"C\"" : "%s",
						 s->identity.data);
	/* names of their own, so that ORDER BY means the table's columns */
	pythia_buffer_printf(&c->sql, " AS pythia_%d", n);
	c->kinds[n++] = PYTHIA_KIND_TEXT;
	for (int i = 0; i < ncolumns; i++)
	{
		const pythia_column *column = s->items[i].column;

		pythia_buffer_puts(&c->sql, ", ");
		s->dialect->read_expression(s->db, &c->sql, NULL, column);
		pythia_buffer_printf(&c->sql, " AS pythia_%d", n);
		c->kinds[n++] = column->type.kind;
	}
	if (digest)
	{
		pythia_buffer_puts(&c->sql, ", ");
		pythia_canonical_digest(s->db, &c->sql, s->items, v->plan.npairs, v->digest);
		pythia_buffer_printf(&c->sql, " AS pythia_%d", n);
		c->kinds[n++] = PYTHIA_KIND_TEXT;
	}
	c->nfields = n;
}

bool pythia_cursor_open(pythia_validation_state *v, pythia_cursor *c, int side, bool digest, const char *where,
						pythia_error *error)
{
	c->side = &v->sides[side];
	c->by_range = v->by_range;
	c->by_identity = !v->by_range || v->plan.nkey > 1;
	select_list(v, c, digest);
	pythia_buffer_printf(&c->sql, " FROM %s%s ORDER BY ", c->side->name.data, where);
	if (v->by_range)
		pythia_buffer_puts(&c->sql, c->side->first.data);
	if (c->by_identity)
		pythia_buffer_puts(&c->sql, v->by_range ? ", 1" : "1");
	return c->side->db->driver->stream_open(c->side->db, c->sql.data, c->nfields, c->kinds, &c->stream, error);
}

/* A digest, or an integer's text: it is written into statements of the other side. */
static bool is_identity(const pythia_field *field)
{
	for (size_t i = 0; i < field->length; i++)
		if (!isalnum((unsigned char) field->value[i]) && field->value[i] != '-')
			return false;
	return field->length > 0;
}

static bool is_integer(const pythia_field *field)
{
	size_t sign = field->length > 0 && field->value[0] == '-';
	for (size_t i = sign; i < field->length; i++)
		if (field->value[i] < '0' || field->value[i] > '9')
			return false;
	return field->length > sign && field->length <= 40;
}

/* Integers by value, then by bytes. */
static int compare_integers(const pythia_field *a, const pythia_field *b)
{
	bool a_minus = a->length > 0 && a->value[0] == '-';
	bool b_minus = b->length > 0 && b->value[0] == '-';
	int size;

	if (a_minus != b_minus)
		return a_minus ? -1 : 1;
	if (a->length != b->length)
		size = a->length < b->length ? -1 : 1;
	else
		size = memcmp(a->value, b->value, a->length);
	return a_minus ? -size : size;
}

/* The fields of two rows, in the order in which cursors like this one are asked for them. */
static int compare_rows(const pythia_cursor *c, const pythia_field *a, const pythia_field *b)
{
	int order = c->by_range ? compare_integers(&a[1], &b[1]) : 0;

	return order != 0 || !c->by_identity ? order : strcmp(a[0].value, b[0].value);
}

/* Whether the row that was read comes before the last one; those of one key may follow each other. */
static bool goes_back(const pythia_cursor *c)
{
	const pythia_field last[] = {
		{.value = pythia_buffer_text(&c->identity), .length = c->identity.length},
		{.value = pythia_buffer_text(&c->integer), .length = c->integer.length},
	};

	return compare_rows(c, c->reader.fields, last) < 0;
}

/* What is kept of the rows that differ is bounded by their keys, as long as these come in order. */
static bool check_row(pythia_cursor *c, pythia_error *error)
{
	const pythia_field *fields = c->reader.fields;

	if (c->reader.nfields != c->nfields)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "a row has %d fields instead of %d", c->reader.nfields,
						   c->nfields);
	if (fields[0].value == NULL)
		return pythia_fail(error, PYTHIA_E_DATABASE, "54000", "the key of a row of table %s is too large to be hashed",
						   c->side->name.data);
	if (!is_identity(&fields[0]) || (c->by_range && (fields[1].value == NULL || !is_integer(&fields[1]))))
		return pythia_db_bad_answer(c->side->db, error, "the key of a row of table %s is none", c->side->name.data);
	if (c->identity.length > 0 && goes_back(c))
		return pythia_db_bad_answer(c->side->db, error, "rows of table %s that are not in the order asked for",
									c->side->name.data);
	pythia_buffer_clear(&c->identity);
	pythia_buffer_append(&c->identity, fields[0].value, fields[0].length);
	if (c->by_range)
	{
		pythia_buffer_clear(&c->integer);
		pythia_buffer_append(&c->integer, fields[1].value, fields[1].length);
	}
	return true;
}

bool pythia_cursor_next(pythia_cursor *c, pythia_error *error)
{
	for (;;)
	{
		if (pythia_rows_next(&c->reader))
		{
			if (!check_row(c, error))
				return false;
			c->row = true;
			return true;
		}
		if (!c->side->db->driver->stream_next(c->stream, &c->chunk, error))
			return false;
		if (c->chunk.count == 0)
		{
			c->row = false;
			return true;
		}
		pythia_rows_open(&c->reader, &c->chunk);
	}
}

void pythia_cursor_close(pythia_cursor *c)
{
	if (c->stream != NULL)
		c->side->db->driver->stream_close(c->stream);
	pythia_rows_close(&c->reader);
	pythia_free(c->kinds);
	pythia_buffer_free(&c->sql);
	pythia_buffer_free(&c->identity);
	pythia_buffer_free(&c->integer);
	memset(c, 0, sizeof(*c));
}

int pythia_cursor_order(const pythia_cursor cursors[2])
{
	return compare_rows(&cursors[0], cursors[0].reader.fields, cursors[1].reader.fields);
}

uint64_t pythia_cursor_hash(const pythia_cursor *c)
{
	uint64_t hash = 14695981039346656037u;

	for (int i = 1; i < c->nfields; i++)
	{
		const pythia_field *field = &c->reader.fields[i];

		/* a NULL is none of the empty text */
		hash = (hash ^ (field->value != NULL ? field->length + 1 : 0)) * 1099511628211u;
		for (size_t at = 0; field->value != NULL && at < field->length; at++)
			hash = (hash ^ (unsigned char) field->value[at]) * 1099511628211u;
	}
	return hash != 0 ? hash : 1;
}
