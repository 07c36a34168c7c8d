/*
 * Reading a trigger's log (log.h).  All that a snapshot shows is delivered: a row
 * that a transaction commits late is simply there the next time, whatever its
 * number.  Of one key the numbers are in the order of its changes, because a
 * row's writers wait for each other; in a SQLite log they are brought into it (log_order.h).
 */
#include "capture/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/source/log_order.h"
#include "capture/source/log_query.h"
#include "capture/source/log_replaced.h"
#include "core/json_scan.h"
#include "core/memory.h"
#include "core/utf8.h"

/* Rows of a SQLite log that are sorted at once, and about how many bytes of them. */
#define WINDOW_ROWS  4096
#define WINDOW_BYTES (8 * 1024 * 1024)

/* SQLite: rows of the log that are read at once, and where they may be parted from those that follow. */
typedef struct window
{
	int64_t from; /* the log's rows from this number on; 0: all */
	int rows;     /* how many have been read */
	char at[32];  /* of the last one */
	char last;    /* its operation */
	int64_t first;
	int64_t statement; /* the first of the last statement, as well as can be told */
	int64_t key;       /* the first of those at the end that are of one key */
	pythia_buffer last_key;
} window;

typedef struct reader
{
	const pythia_capture_table *table;
	const pythia_log *log;
	int limit;      /* 0: none */
	size_t most;    /* bytes, 0: any */
	size_t bytes;   /* read so far */
	int *place;     /* of each column in the log, or -1 */
	int64_t *first; /* number from which it is there */
	const pythia_log_numbers *done;
	pythia_log_numbers *read;
	pythia_capture_emit emit;
	void *context;
	pythia_buffer key;
	pythia_buffer old_key;
	pythia_buffer old_image;
	pythia_buffer new_image;
	int64_t seen;  /* rows of the log */
	int64_t begun; /* MySQL: the number of a row that is the old side of the one that follows; or 0 */
	/* SQLite */
	pythia_replaced_rows replaced_rows;
	pythia_log_order order;
	window window;
} reader;

/* --- how much is read ----------------------------------------------------------------------- */

/* Rows of the log that have one number. */
static int rows_of_one(const pythia_db *db)
{
	return db->engine == PYTHIA_MYSQL ? 2 : 1;
}

/* How many rows a query may read; 0: any number. */
static int64_t most_rows(const reader *r)
{
	int64_t left = (int64_t) r->limit * rows_of_one(r->table->db) - r->seen;

	if (r->table->db->engine == PYTHIA_SQLITE && (r->limit == 0 || left > WINDOW_ROWS))
		return WINDOW_ROWS;
	return r->limit > 0 ? left : 0;
}

/* --- the two sides of a row --------------------------------------------------------------- */

static void put_image(const reader *r, pythia_buffer *out, bool key, int64_t id, const char *storage,
					  const pythia_field *fields)
{
	const pythia_capture_table *table = r->table;
	int count = key ? table->nkey : table->ncolumns;
	const char *before = "{";

	pythia_buffer_clear(out);
	for (int k = 0; k < count; k++)
	{
		int i = key ? table->key[k] : k;
		const pythia_capture_column *column = &table->columns[i];

		/* what the log did not have at that time is not there, rather than NULL */
		if (!key && (!column->in_image || r->first[i] > id))
			continue;
		pythia_buffer_puts(out, before);
		before = ", ";
		pythia_buffer_append(out, column->label, column->label_length);
		pythia_capture_json_field(out, column, &table->table.columns[column->position].type, storage ? storage[i] : 0,
								  &fields[i]);
	}
	pythia_buffer_puts(out, *before == '{' ? "{}" : "}");
}

/* Fields of one side. */
static int side_width(const reader *r)
{
	return r->table->db->engine == PYTHIA_POSTGRESQL ? 2 : r->table->ncolumns + (r->table->db->engine == PYTHIA_SQLITE);
}

/* The server's JSON; what a database of the encoding SQL_ASCII holds may be no UTF-8. */
static void put_json(pythia_buffer *out, const pythia_field *field)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	if (pythia_utf8_valid(field->value, field->length))
		pythia_json_foreign(out, field->value, field->length);
	else
	{
		pythia_utf8_rewrite(field->value, field->length, false, false, &text);
		pythia_json_foreign(out, pythia_buffer_text(&text), text.length);
	}
	pythia_buffer_free(&text);
}

/* Old or new side of a log row into key and image. */
static bool read_side(const reader *r, const pythia_field *fields, int64_t id, bool there, pythia_buffer *key,
					  pythia_buffer *image, pythia_error *error)
{
	const char *storage = NULL;

	pythia_buffer_clear(key);
	pythia_buffer_clear(image);
	if (!there)
		return true;
	if (r->table->db->engine == PYTHIA_POSTGRESQL)
	{
		if (!fields[0].value || !fields[1].value)
			return pythia_db_bad_answer(r->table->db, error, "a logged row without its image");
		put_json(key, &fields[0]);
		put_json(image, &fields[1]);
		return true;
	}
	if (r->table->db->engine == PYTHIA_SQLITE)
	{
		storage = fields->value;
		if (!storage || fields->length != (size_t) r->table->ncolumns)
			return pythia_db_bad_answer(r->table->db, error, "a logged row without its types");
		fields++;
	}
	put_image(r, key, true, id, storage, fields);
	put_image(r, image, false, id, storage, fields);
	return true;
}

/* --- delivering ------------------------------------------------------------------------------ */

static bool deliver(reader *r, const char *type, const char *key, const char *old_data, const char *new_data,
					const pythia_field *meta, pythia_error *error)
{
	bool sorted = r->table->db->engine == PYTHIA_SQLITE;
	pythia_capture_change change = {.schema = r->table->table.schema,
									.table = r->table->table.name,
									.change_type = type,
									.primary_key = key,
									.old_data = old_data,
									.new_data = new_data,
									.timestamp = meta[2].value,
									.transaction_id = meta[3].value};

	if (!sorted)
		return r->emit(r->context, &change, error);
	if (old_data)
		pythia_replaced_rows_changed(&r->replaced_rows, key, old_data);
	pythia_log_order_put(&r->order, pythia_field_number(&meta[0]), &change);
	return true;
}

/*
 * A REPLACE by an INSERT: the row of the same key was updated (`updates`: else deleted), others that the
 * new one excludes were deleted.
 */
static bool deliver_inserted(reader *r, const pythia_field *meta, const pythia_field *new, bool updates,
							 pythia_error *error)
{
	pythia_replaced_row gone;
	char *old_image = NULL;
	bool ok = true;

	while (ok && pythia_replaced_rows_take(&r->replaced_rows, NULL, r->key.data, new, &gone))
	{
		if (updates && !old_image && strcmp(gone.key, r->key.data) == 0)
			old_image = pythia_strdup(gone.image);
		else
			ok = deliver(r, "DELETE", gone.key, gone.image, NULL, meta, error);
		pythia_replaced_row_free(r->table, &gone);
	}
	ok = ok && (!updates ||
				deliver(r, old_image ? "UPDATE" : "INSERT", r->key.data, old_image, r->new_image.data, meta, error));
	pythia_free(old_image);
	return ok;
}

/* Rows that gave way to an UPDATE OR REPLACE. */
static bool deliver_replaced(reader *r, const pythia_field *meta, const pythia_field *new, pythia_error *error)
{
	pythia_replaced_row gone;
	bool ok = true;

	while (ok && pythia_replaced_rows_take(&r->replaced_rows, r->old_key.data, r->key.data, new, &gone))
	{
		ok = deliver(r, "DELETE", gone.key, gone.image, NULL, meta, error);
		pythia_replaced_row_free(r->table, &gone);
	}
	return ok;
}

/* `old` and `new`: the values of each side. */
static bool deliver_row(reader *r, const pythia_field *meta, const pythia_field *old, const pythia_field *new,
						pythia_error *error)
{
	bool ok = true;

	switch (meta[1].value[0])
	{
		case 'B': /* what is in the way of an INSERT */
		case 'R': /* of an UPDATE */
			pythia_replaced_rows_add(&r->replaced_rows, r->old_key.data, r->old_image.data, old, NULL,
									 meta[1].value[0] == 'R');
			break;
		case 'P': /* the same by an index that SQLite alone can read; with what it is in the way of */
		case 'Q':
			pythia_replaced_rows_add(&r->replaced_rows, r->old_key.data, r->old_image.data, old, new,
									 meta[1].value[0] == 'Q');
			break;
		case 'I':
			ok = deliver_inserted(r, meta, new, true, error);
			break;
		case 'X': /* a row that is none of ours took their place */
			ok = deliver_inserted(r, meta, new, false, error);
			break;
		case 'Y': /* the same of an UPDATE; its own row is delivered by what follows */
			ok = deliver_replaced(r, meta, new, error);
			break;
		case 'U':
			ok = deliver_replaced(r, meta, new, error);
			if (ok && strcmp(r->key.data, r->old_key.data) != 0)
				ok = deliver(r, "DELETE", r->old_key.data, r->old_image.data, NULL, meta, error) &&
					 deliver(r, "INSERT", r->key.data, NULL, r->new_image.data, meta, error);
			else if (ok && strcmp(r->old_image.data, r->new_image.data) != 0)
				ok = deliver(r, "UPDATE", r->key.data, r->old_image.data, r->new_image.data, meta, error);
			break;
		case 'C': /* columns that came meanwhile (complete_rows in trigger.c) */
			ok = deliver(r, "UPDATE", r->key.data, r->old_image.data, r->new_image.data, meta, error);
			break;
		case 'D':
			ok = deliver(r, "DELETE", r->old_key.data, r->old_image.data, NULL, meta, error);
			break;
		case 'E':
			ok =
				deliver(r, PYTHIA_NOT_LOGGED, NULL, NULL, meta[4].value ? meta[4].value : "unknown error", meta, error);
			break;
		default:
			ok = deliver(r, "TRUNCATE", NULL, NULL, NULL, meta, error);
			break;
	}
	return ok;
}

/* A row of the window: of another statement than the one before it, of another key? */
static void enter_window(reader *r, const pythia_field *fields, int64_t id)
{
	window *w = &r->window;
	char operation = fields[1].value[0];
	const pythia_buffer *key = strchr("IXCY", operation) ? &r->key : &r->old_key;
	const char *at = fields[2].value ? fields[2].value : "";
	bool same_key = key->length == w->last_key.length && memcmp(key->data, w->last_key.data, key->length) == 0;

	if (w->rows == 0)
		w->first = w->statement = w->key = id;
	else if (strncmp(at, w->at, sizeof(w->at)) != 0)
	{
		w->statement = w->key = id;
		pythia_replaced_rows_forget(&r->replaced_rows);
	}
	else if (!same_key && !strchr("BRPQ", w->last))
		w->key = id;
	w->rows++;
	w->last = operation;
	snprintf(w->at, sizeof(w->at), "%s", at);
	pythia_buffer_clear(&w->last_key);
	pythia_buffer_append(&w->last_key, key->data, key->length);
}

/* MySQL has one side a row. */
static bool read_sides_mysql(reader *r, const pythia_field *fields, int64_t id, char operation, pythia_error *error)
{
	if (operation == 'O' || operation == 'D')
		return read_side(r, fields, id, true, &r->old_key, &r->old_image, error);
	return read_side(r, fields, id, operation != 'E', &r->key, &r->new_image, error);
}

static bool read_sides(reader *r, const pythia_field *fields, int64_t id, char operation, pythia_error *error)
{
	return read_side(r, fields, id, strchr("UDBRCYPQ", operation) != NULL, &r->old_key, &r->old_image, error) &&
		   read_side(r, fields + side_width(r), id, strchr("IUXCYPQ", operation) != NULL, &r->key, &r->new_image,
					 error);
}

/* An update of which the old side alone was logged, for the new one was refused. */
static void give_up_begun(reader *r)
{
	if (r->begun != 0)
		pythia_log_numbers_add(r->read, r->begun);
	r->begun = 0;
}

static bool on_row(reader *r, const pythia_rows_reader *row, pythia_error *error)
{
	const pythia_field *fields = row->fields;
	bool mysql = r->table->db->engine == PYTHIA_MYSQL;
	int nfields = PYTHIA_LOG_META + side_width(r) * (mysql ? 1 : 2);
	int width = r->table->db->engine == PYTHIA_POSTGRESQL ? 2 : r->table->ncolumns;
	/* what the triggers of each engine log */
	static const char *const operations[] = {
		[PYTHIA_POSTGRESQL] = "IUDTE", [PYTHIA_MYSQL] = "OIUCDE", [PYTHIA_SQLITE] = "BRPQIXYUCD"};
	char operation;
	int64_t id;

	if (!pythia_db_fields(r->table->db, row, "ntTTTV*", error))
		return false;
	if (row->nfields != nfields)
		return pythia_db_bad_answer(r->table->db, error, "a row of %d values where %d were asked for", row->nfields,
									nfields);
	id = pythia_field_number(&fields[0]);
	if (id <= 0)
		return pythia_db_bad_answer(r->table->db, error, "a logged row of the number %lld", (long long) id);
	operation = fields[1].value[0];
	if (strlen(fields[1].value) != 1 || strchr(operations[r->table->db->engine], operation) == NULL)
		return pythia_db_bad_answer(r->table->db, error, "a logged row of no known operation");
	r->seen++;
	if (mysql && strchr("UC", operation) && r->begun != id)
		return pythia_db_bad_answer(r->table->db, error, "a logged update without its old row");
	if (r->begun != id)
		give_up_begun(r);
	r->begun = mysql && operation == 'O' ? id : 0;
	/* what follows it is read with it, or not at all */
	if (r->begun == 0)
		pythia_log_numbers_add(r->read, id);
	if (pythia_log_numbers_have(r->done, id))
		return true;
	if (mysql)
		return read_sides_mysql(r, fields + PYTHIA_LOG_META, id, operation, error) &&
			   (operation == 'O' || deliver_row(r, fields, NULL, fields + PYTHIA_LOG_META, error));
	if (!read_sides(r, fields + PYTHIA_LOG_META, id, operation, error))
		return false;
	if (r->table->db->engine == PYTHIA_SQLITE)
		enter_window(r, fields, id);
	return deliver_row(r, fields, fields + PYTHIA_LOG_META + side_width(r) - width, fields + nfields - width, error);
}

/* *cut: `most` bytes (0: any number) were enough. */
static bool read_rows(reader *r, const char *sql, int ncolumns, size_t most, bool *cut, pythia_error *error)
{
	pythia_db *db = r->table->db;
	pythia_kind *kinds = NULL;
	pythia_stream *stream;
	pythia_rows_reader rows = {0};
	pythia_rows chunk;
	size_t bytes = 0;
	bool ok;

	if (db->engine == PYTHIA_MYSQL)
	{
		kinds = pythia_calloc((size_t) ncolumns, sizeof(*kinds));
		for (int i = 0; i < ncolumns; i++)
		{
			int column =
				i < PYTHIA_LOG_META ? -1 : r->table->columns[(i - PYTHIA_LOG_META) % r->table->ncolumns].position;

			kinds[i] = column < 0 ? PYTHIA_KIND_TEXT : r->table->table.columns[column].type.kind;
		}
	}
	ok = db->driver->stream_open(db, sql, ncolumns, kinds, &stream, error);
	while (ok && !*cut)
	{
		ok = db->driver->stream_next(stream, &chunk, error);
		if (!ok || chunk.count == 0)
			break;
		pythia_rows_open(&rows, &chunk);
		while (ok && pythia_rows_next(&rows))
		{
			/* a row may have to be compared with many others */
			if (pythia_host_cancelled(db->host))
				ok = pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "reading the log was cancelled");
			ok = ok && on_row(r, &rows, error);
		}
		bytes += chunk.length;
		*cut = most > 0 && bytes >= most;
	}
	r->bytes += bytes;
	if (stream)
		db->driver->stream_close(stream);
	pythia_rows_close(&rows);
	pythia_free(kinds);
	/* a stream that was cut may have cost the connection */
	if (ok && db->broken)
		ok = pythia_fail(error, PYTHIA_E_LOST, "08006", "the connection to %s broke", db->display);
	return ok;
}

static bool query(reader *r, size_t most, bool *cut, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int ncolumns = pythia_log_query(r->table, r->log, r->place, r->window.from, most_rows(r), &sql);
	bool ok = read_rows(r, sql.data, ncolumns, most, cut, error);

	pythia_buffer_free(&sql);
	return ok;
}

/* Gives back what may belong to rows that follow; the next window begins with that. */
static void part_window(reader *r)
{
	window *w = &r->window;
	pythia_log_numbers *read = r->read;
	int64_t part = w->statement > w->first ? w->statement : w->key;

	w->from = read->count > 0 ? read->numbers[read->count - 1] + 1 : w->from;
	if (w->rows == 0 || part == w->first)
		return;
	while (read->count > 0 && read->numbers[read->count - 1] >= part)
	{
		read->count--;
		r->seen--;
	}
	pythia_log_order_cut(&r->order, part);
	w->from = part;
}

static bool read_windows(reader *r, bool *more, pythia_error *error)
{
	bool ended = false;
	bool full = false;

	while (!ended && !full)
	{
		int64_t expected = r->seen + most_rows(r);
		bool cut = false;

		r->window.rows = 0;
		if (!query(r, r->most > 0 && r->most < WINDOW_BYTES ? r->most : WINDOW_BYTES, &cut, error))
			return false;
		ended = !cut && r->seen < expected;
		full = (r->limit > 0 && r->seen >= r->limit) || (r->most > 0 && r->bytes >= r->most);
		if (!ended)
			part_window(r);
		if (!pythia_log_order_deliver(&r->order, r->table, r->log, r->place, r->emit, r->context, error))
			return false;
	}
	*more = !ended;
	return true;
}

static bool read_at_once(reader *r, bool *more, pythia_error *error)
{
	bool cut = false;
	bool ok = query(r, r->most, &cut, error);

	*more = cut || (r->limit > 0 && r->seen == (int64_t) r->limit * rows_of_one(r->table->db));
	if (!*more)
		give_up_begun(r);
	return ok;
}

bool pythia_log_read(pythia_capture_table *table, const pythia_log *log, int limit, size_t most,
					 const pythia_log_numbers *done, pythia_log_numbers *read, bool *more, pythia_capture_emit emit,
					 void *context, pythia_error *error)
{
	reader r = {.table = table,
				.log = log,
				.limit = limit,
				.most = most,
				.done = done,
				.read = read,
				.emit = emit,
				.context = context};
	bool ok = true;

	r.place = pythia_calloc((size_t) table->ncolumns + 1, sizeof(int));
	r.first = pythia_calloc((size_t) table->ncolumns + 1, sizeof(int64_t));
	read->count = 0;
	if (table->db->engine != PYTHIA_POSTGRESQL)
		pythia_log_places(table, log, r.place, r.first);
	for (int i = 0; ok && i < table->ncolumns; i++)
		if (r.place[i] < 0)
			ok = pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "the log of table \"%s\" does not fit it",
							 table->table.name);
	pythia_replaced_rows_begin(&r.replaced_rows, table);
	*more = false;
	ok = ok && (table->db->engine == PYTHIA_SQLITE ? read_windows(&r, more, error) : read_at_once(&r, more, error));
	pythia_replaced_rows_free(&r.replaced_rows);
	pythia_log_order_free(&r.order);
	pythia_buffer_free(&r.window.last_key);
	pythia_free(r.place);
	pythia_free(r.first);
	pythia_buffer_free(&r.key);
	pythia_buffer_free(&r.old_key);
	pythia_buffer_free(&r.old_image);
	pythia_buffer_free(&r.new_image);
	return ok;
}

bool pythia_log_not_logged(const char *table, const char *reason, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_DATA, "22000", "a change of table \"%s\" could not be logged: %s", table, reason);
	return pythia_error_hint(error,
							 "Look for what differs, and mend the cause; what came after it is delivered as ever.");
}
