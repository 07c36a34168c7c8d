/*
 * The queries that read a source's table.  Each is one statement; rows become
 * JSON here, so that a server only sends what it has.
 */
#include "capture/internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "dialect/tokens.h"

static bool wants_storage(const pythia_capture_table *table)
{
	return table->db->engine == PYTHIA_SQLITE;
}

static void put_column(const pythia_capture_table *table, pythia_buffer *sql, const pythia_capture_column *chosen)
{
	const pythia_dialect *dialect = pythia_dialect_of(table->db);
	const pythia_column *column = &table->table.columns[chosen->position];

	if (wants_storage(table))
	{
		if (chosen->whole)
		{
			pythia_buffer_puts(sql, "CASE WHEN json_valid(");
			dialect->identifier(sql, column->name);
			pythia_buffer_puts(sql, ") THEN json(");
			dialect->identifier(sql, column->name);
			pythia_buffer_puts(sql, ") ELSE ");
			dialect->identifier(sql, column->name);
			pythia_buffer_puts(sql, " END");
		}
		else
			dialect->identifier(sql, column->name);
	}
	else if (chosen->whole && table->db->engine == PYTHIA_POSTGRESQL && column->type.kind != PYTHIA_KIND_JSON)
	{
		pythia_buffer name = PYTHIA_BUFFER_INIT;

		dialect->identifier(&name, column->name);
		pythia_postgres_json(sql, &column->type, pythia_buffer_text(&name));
		pythia_buffer_free(&name);
	}
	else
		dialect->read_expression(table->db, sql, NULL, column);
}

/* A letter a column: the class of each value. */
static void put_storage(const pythia_capture_table *table, pythia_buffer *sql, const int *chosen, int nchosen)
{
	const pythia_dialect *dialect = pythia_dialect_of(table->db);

	for (int i = 0; i < nchosen; i++)
	{
		const pythia_capture_column *column = &table->columns[chosen[i]];
		const char *name = table->table.columns[column->position].name;

		pythia_capture_put_link(sql, i);
		if (column->whole)
		{
			pythia_buffer_puts(sql, "CASE WHEN json_valid(");
			dialect->identifier(sql, name);
			pythia_buffer_puts(sql, ") THEN 'j' ELSE ");
		}
		pythia_buffer_puts(sql, "substr(typeof(");
		dialect->identifier(sql, name);
		pythia_buffer_puts(sql, "), 1, 1)");
		if (column->whole)
			pythia_buffer_puts(sql, " END");
	}
	pythia_buffer_putc(sql, ')');
}

/*
 * " AND id IS NOT NULL" for all of the key, or the opposite.  SQLite lets a key be NULL, and so does a unique one that is
 * chosen: polls do not tell such rows apart, triggers see each.
 */
static bool put_keyed(const pythia_capture_table *table, bool keyed, pythia_buffer *sql)
{
	bool any = false;

	for (int i = 0; i < table->nkey; i++)
	{
		const pythia_column *column = &table->table.columns[table->columns[table->key[i]].position];

		if (!column->nullable || column->identity || table->config.capture == PYTHIA_CAPTURE_TRIGGER)
			continue;
		any = true;
		pythia_buffer_puts(sql, keyed ? " AND " : " OR ");
		pythia_dialect_of(table->db)->identifier(sql, column->name);
		pythia_buffer_puts(sql, keyed ? " IS NOT NULL" : " IS NULL");
	}
	return any;
}

/* SELECT … FROM … WHERE, and the user's condition where there is one. */
static void put_select(const pythia_capture_table *table, pythia_buffer *sql, bool version, const int *chosen,
					   int nchosen)
{
	const char *separator = "";

	pythia_buffer_puts(sql, "SELECT ");
	if (version && table->has_xmin)
	{
		pythia_buffer_puts(sql, "xmin");
		separator = ", ";
	}
	if (wants_storage(table))
	{
		put_storage(table, sql, chosen, nchosen);
		separator = ", ";
	}
	for (int i = 0; i < nchosen; i++)
	{
		pythia_buffer_puts(sql, separator);
		put_column(table, sql, &table->columns[chosen[i]]);
		separator = ", ";
	}
	pythia_buffer_puts(sql, " FROM ");
	pythia_capture_put_table(table, sql);
	pythia_buffer_puts(sql, " WHERE ");
	if (table->config.where)
	{
		pythia_condition_put(sql, table->config.where);
		pythia_buffer_puts(sql, " AND ");
	}
}

/* --- rows -------------------------------------------------------------------- */

typedef struct reader
{
	pythia_capture_table *table;
	const int *chosen; /* places in table->columns, in the order of the select list */
	int nchosen;
	bool version; /* the select list begins with xmin */
	bool images;  /* make new_data */
	bool hash;    /* make the version from the row's bytes */
	const pythia_capture_window *window;
	int *field_of_key; /* places in the select list */
	pythia_buffer key;
	pythia_buffer image;
	pythia_buffer stamp; /* in the spelling of positions */
	char digest[33];
	pythia_capture_row_callback callback;
	void *context;
} reader;

static void put_object(reader *r, pythia_buffer *out, bool key, const char *storage, const pythia_field *fields)
{
	const pythia_capture_table *table = r->table;
	int count = key ? table->nkey : r->nchosen;
	char open = '{';

	pythia_buffer_clear(out);
	for (int i = 0; i < count; i++)
	{
		int at = key ? r->field_of_key[i] : i;
		const pythia_capture_column *column = &table->columns[r->chosen[at]];

		if (!key && !column->in_image)
			continue;
		if (open == '{')
			pythia_buffer_putc(out, open);
		else
			pythia_buffer_append(out, ", ", 2);
		open = ',';
		pythia_buffer_append(out, column->label, column->label_length);
		pythia_capture_json_field(out, column, &table->table.columns[column->position].type, storage ? storage[at] : 0,
								  &fields[at]);
	}
	if (open == '{')
		pythia_buffer_putc(out, '{');
	pythia_buffer_putc(out, '}');
}

static bool hand_over(reader *r, const char *line, size_t length, const pythia_field *fields, pythia_error *error)
{
	const pythia_capture_table *table = r->table;
	pythia_capture_row row = {0};
	const char *storage = NULL;

	if (r->version)
	{
		if (!fields->value)
			return pythia_db_bad_answer(table->db, error, "a row without its version");
		row.version = row.transaction_id = fields->value;
		fields++;
	}
	else if (r->hash)
	{
		pythia_md5(line, length, r->digest);
		row.version = r->digest;
	}
	if (wants_storage(table))
	{
		storage = fields->value;
		if (!storage || fields->length != (size_t) r->nchosen)
			return pythia_db_bad_answer(table->db, error, "a row without its types");
		fields++;
	}
	put_object(r, &r->key, true, storage, fields);
	row.key = r->key.data;
	row.key_length = r->key.length;
	if (r->images)
	{
		put_object(r, &r->image, false, storage, fields);
		row.image = r->image.data;
		row.image_length = r->image.length;
	}
	if (r->window)
	{
		row.stamp = fields[table->timestamp].value;
		if (row.stamp && pythia_sqlite_stamp_is_text(table))
		{
			row.unsorted = !pythia_sqlite_stamp(table, &r->stamp, row.stamp, fields[table->timestamp].length);
			row.stamp = r->stamp.data;
			/* the ranges that were read hold some that were delivered long ago */
			if (r->window->from && !pythia_capture_stamp_kept(table, row.stamp, r->window->from))
				return true;
		}
		if (table->created >= 0 && fields[table->created].value && row.stamp)
		{
			row.fresh = strcmp(row.stamp, fields[table->created].value) == 0;
			row.aged = !row.fresh;
		}
		row.known = r->window->known_before && row.stamp && strcmp(row.stamp, r->window->known_after) > 0 &&
					strcmp(row.stamp, r->window->known_before) < 0;
	}
	return r->callback(r->context, &row, error);
}

static bool read_rows(reader *r, const char *sql, pythia_error *error)
{
	pythia_db *db = r->table->db;
	int ncolumns = r->nchosen + r->version + wants_storage(r->table);
	pythia_kind *kinds = NULL;
	pythia_stream *stream;
	pythia_rows chunk;
	pythia_rows_reader rows = {0};
	bool ok;

	if (!wants_storage(r->table))
	{
		kinds = pythia_calloc((size_t) ncolumns, sizeof(*kinds));
		kinds[0] = PYTHIA_KIND_TEXT;
		for (int i = 0; i < r->nchosen; i++)
		{
			const pythia_capture_column *column = &r->table->columns[r->chosen[i]];

			kinds[i + r->version] =
				column->whole ? PYTHIA_KIND_TEXT : r->table->table.columns[column->position].type.kind;
		}
	}
	r->field_of_key = pythia_calloc((size_t) r->table->nkey, sizeof(int));
	for (int k = 0; k < r->table->nkey; k++)
		for (int i = 0; i < r->nchosen; i++)
			if (r->chosen[i] == r->table->key[k])
				r->field_of_key[k] = i;
	ok = db->driver->stream_open(db, sql, ncolumns, kinds, &stream, error);
	while (ok)
	{
		ok = db->driver->stream_next(stream, &chunk, error);
		if (!ok || chunk.count == 0)
			break;
		pythia_rows_open(&rows, &chunk);
		for (;;)
		{
			const char *line = rows.cursor;

			if (!pythia_rows_next(&rows))
				break;
			if (rows.nfields != ncolumns)
				ok = pythia_fail(error, PYTHIA_E_INTERNAL, "22P04", "a row of %d values where %d were asked for",
								 rows.nfields, ncolumns);
			if (!ok || !hand_over(r, line, (size_t) (rows.cursor - line), rows.fields, error))
			{
				ok = false;
				break;
			}
		}
	}
	if (stream)
		db->driver->stream_close(stream);
	pythia_rows_close(&rows);
	pythia_free(kinds);
	pythia_free(r->field_of_key);
	pythia_buffer_free(&r->key);
	pythia_buffer_free(&r->image);
	pythia_buffer_free(&r->stamp);
	return ok;
}

static int *all_columns(const pythia_capture_table *table)
{
	int *chosen = pythia_calloc((size_t) table->ncolumns, sizeof(int));

	for (int i = 0; i < table->ncolumns; i++)
		chosen[i] = i;
	return chosen;
}

static bool put_since(const pythia_capture_table *table, pythia_buffer *sql, const char *low, pythia_error *error)
{
	if (pythia_sqlite_stamp_is_text(table))
	{
		if (!pythia_capture_put_stamp(table, NULL, low, error))
			return false;
		pythia_sqlite_since(sql, pythia_capture_stamp_column(table), low, table->config.time_zone != NULL);
		return true;
	}
	pythia_buffer_putc(sql, '(');
	pythia_dialect_of(table->db)->identifier(sql, pythia_capture_stamp_column(table)->name);
	pythia_buffer_puts(sql, " >= ");
	if (!pythia_capture_put_stamp(table, sql, low, error))
		return false;
	pythia_buffer_putc(sql, ')');
	return true;
}

bool pythia_capture_scan(pythia_capture_table *table, const pythia_capture_window *window,
						 pythia_capture_row_callback callback, void *context, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(table->db);
	const char *stamp = pythia_capture_stamp_column(table)->name;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int *chosen = all_columns(table);
	reader r = {.table = table,
				.chosen = chosen,
				.nchosen = table->ncolumns,
				.version = table->has_xmin,
				.hash = !table->has_xmin,
				.images = true,
				.window = window,
				.callback = callback,
				.context = context};
	bool ok = true;

	put_select(table, &sql, true, chosen, table->ncolumns);
	if (window->from)
		ok = put_since(table, &sql, window->from, error);
	else
	{
		dialect->identifier(&sql, stamp);
		pythia_buffer_puts(&sql, " IS NOT NULL");
	}
	(void) put_keyed(table, true, &sql);
	pythia_buffer_puts(&sql, " ORDER BY ");
	dialect->identifier(&sql, stamp);
	for (int i = 0; i < table->nkey; i++)
	{
		pythia_buffer_puts(&sql, ", ");
		dialect->identifier(&sql, table->table.columns[table->columns[table->key[i]].position].name);
	}
	ok = ok && read_rows(&r, sql.data, error);
	pythia_buffer_free(&sql);
	pythia_free(chosen);
	return ok;
}

bool pythia_capture_keys(pythia_capture_table *table, bool images, const char *before,
						 pythia_capture_row_callback callback, void *context, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(table->db);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int *all = images ? all_columns(table) : NULL;
	reader r = {.table = table,
				.chosen = images ? all : table->key,
				.nchosen = images ? table->ncolumns : table->nkey,
				.version = images && table->has_xmin,
				.hash = images && !table->has_xmin,
				.images = images,
				.callback = callback,
				.context = context};
	bool ok = true;

	put_select(table, &sql, r.version, r.chosen, r.nchosen);
	if (before)
	{
		const char *stamp = pythia_capture_stamp_column(table)->name;

		pythia_buffer_puts(&sql, "(NOT ");
		ok = put_since(table, &sql, before, error);
		pythia_buffer_puts(&sql, " OR ");
		dialect->identifier(&sql, stamp);
		pythia_buffer_puts(&sql, " IS NULL)");
	}
	else
		pythia_buffer_puts(&sql, "1 = 1");
	(void) put_keyed(table, true, &sql);
	ok = ok && read_rows(&r, sql.data, error);
	pythia_buffer_free(&sql);
	pythia_free(all);
	return ok;
}

bool pythia_capture_nulls(pythia_capture_table *table, int64_t *count, pythia_error *error)
{
	const pythia_column *column = pythia_capture_stamp_column(table);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool any;
	bool ok;

	*count = 0;
	pythia_buffer_puts(&sql, "SELECT count(*) FROM ");
	pythia_capture_put_table(table, &sql);
	pythia_buffer_puts(&sql, " WHERE ");
	if (table->config.where)
	{
		pythia_condition_put(&sql, table->config.where);
		pythia_buffer_puts(&sql, " AND ");
	}
	pythia_buffer_putc(&sql, '(');
	pythia_dialect_of(table->db)->identifier(&sql, column->name);
	pythia_buffer_puts(&sql, " IS NULL");
	any = put_keyed(table, false, &sql) || column->nullable;
	pythia_buffer_putc(&sql, ')');
	ok = !any || pythia_db_count(table->db, sql.data, count, error);
	pythia_buffer_free(&sql);
	return ok;
}
