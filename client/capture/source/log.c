/*
 * Reading a trigger's log (log.h).  All that a snapshot shows is told: a row
 * that a transaction commits late is simply there the next time, whatever its
 * number.  Of one key the numbers are in the order of its changes, because a
 * row's writers wait for each other.
 */
#include "capture/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

void pythia_log_numbers_add(pythia_log_numbers *numbers, int64_t number)
{
	if (numbers->count == numbers->capacity)
	{
		numbers->capacity = numbers->capacity > 0 ? numbers->capacity * 2 : 1024;
		numbers->numbers = pythia_realloc(numbers->numbers, sizeof(int64_t) * (size_t) numbers->capacity);
	}
	numbers->numbers[numbers->count++] = number;
}

void pythia_log_numbers_free(pythia_log_numbers *numbers)
{
	pythia_free(numbers->numbers);
	memset(numbers, 0, sizeof(*numbers));
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *) a;
	int64_t y = *(const int64_t *) b;

	return x < y ? -1 : x > y;
}

void pythia_log_numbers_sort(pythia_log_numbers *numbers)
{
	if (numbers->count > 0)
		qsort(numbers->numbers, (size_t) numbers->count, sizeof(int64_t), by_number);
}

/* A row that was in the way of an INSERT or UPDATE; gone where that was done. */
typedef struct bystander
{
	char *key;
	char *image;
	char **values; /* of each column; NULL for SQL NULL */
	bool update;   /* in the way of an UPDATE */
} bystander;

typedef struct reader
{
	const pythia_capture_table *table;
	const pythia_log *log;
	int limit;      /* 0: none */
	size_t most;    /* bytes, 0: any */
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
	bystander *bystanders;
	int nbystanders;
} reader;

static void put_log(const pythia_capture_table *table, const char *log, pythia_buffer *sql)
{
	pythia_dialect_table(pythia_dialect_of(table->db), sql, table->table.schema, log);
}

/* --- the query --------------------------------------------------------------------------- */

/* o0 or n0 as a scan reads the column itself. */
static void put_logged(const reader *r, pythia_buffer *sql, int i, char letter)
{
	const pythia_capture_table *table = r->table;
	pythia_column column = table->table.columns[table->columns[i].position];
	char name[16];

	snprintf(name, sizeof(name), "%c%d", letter, r->place[i]);
	column.name = name;
	if (table->db->engine == PYTHIA_SQLITE)
		pythia_buffer_puts(sql, name);
	else
		pythia_dialect_of(table->db)->read_expression(table->db, sql, NULL, &column);
}

static void put_storage(const reader *r, pythia_buffer *sql, char letter)
{
	for (int i = 0; i < r->table->ncolumns; i++)
	{
		int place = r->place[i];

		pythia_buffer_puts(sql, i > 0 ? " || " : ", ");
		if (r->table->columns[i].whole)
			pythia_buffer_printf(sql, "CASE WHEN json_valid(%c%d) THEN 'j' ELSE substr(typeof(%c%d), 1, 1) END", letter,
								 place, letter, place);
		else
			pythia_buffer_printf(sql, "substr(typeof(%c%d), 1, 1)", letter, place);
	}
}

/* PostgreSQL makes the JSON itself: the key's part of an image, and the image without what is left out. */
static void put_jsonb(const pythia_capture_table *table, pythia_buffer *sql, char letter)
{
	const pythia_dialect *dialect = pythia_dialect_of(table->db);

	pythia_buffer_printf(sql, ", CASE WHEN %c IS NOT NULL THEN pg_catalog.jsonb_build_object(", letter);
	for (int i = 0; i < table->nkey; i++)
	{
		const char *name = table->table.columns[table->columns[table->key[i]].position].name;

		pythia_buffer_puts(sql, i > 0 ? ", " : "");
		dialect->literal(sql, name, strlen(name));
		pythia_buffer_printf(sql, ", %c -> ", letter);
		dialect->literal(sql, name, strlen(name));
	}
	pythia_buffer_printf(sql, ") END, %c", letter);
	for (int i = 0; i < table->table.ncolumns; i++)
	{
		bool in_image = false;

		for (int j = 0; j < table->ncolumns; j++)
			in_image = in_image || (table->columns[j].position == i && table->columns[j].in_image);
		if (!in_image)
		{
			pythia_buffer_puts(sql, " - ");
			dialect->literal(sql, table->table.columns[i].name, strlen(table->table.columns[i].name));
			pythia_buffer_puts(sql, "::text");
		}
	}
}

/* Columns before those of the two sides. */
#define META 4

/* Returns the number of columns that the select list has. */
static int put_query(const reader *r, pythia_buffer *sql)
{
	const pythia_capture_table *table = r->table;
	bool postgres = table->db->engine == PYTHIA_POSTGRESQL;
	bool sqlite = table->db->engine == PYTHIA_SQLITE;
	int count = META;

	pythia_buffer_printf(sql, "SELECT pythia_id, pythia_op, %s, %s", postgres ? "pythia_at::timestamp" : "pythia_at",
						 postgres ? "pythia_xid" : "NULL");
	for (const char *letter = "on"; *letter; letter++)
	{
		if (postgres)
		{
			put_jsonb(table, sql, *letter);
			count += 2;
			continue;
		}
		if (sqlite)
			put_storage(r, sql, *letter);
		for (int i = 0; i < table->ncolumns; i++)
		{
			pythia_buffer_puts(sql, ", ");
			put_logged(r, sql, i, *letter);
		}
		count += table->ncolumns + sqlite;
	}
	pythia_buffer_puts(sql, " FROM ");
	put_log(table, r->log->name, sql);
	pythia_buffer_puts(sql, " ORDER BY pythia_id");
	if (r->limit > 0)
		pythia_buffer_printf(sql, " LIMIT %d", r->limit);
	return count;
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
		pythia_buffer_puts(key, fields[0].value);
		pythia_buffer_puts(image, fields[1].value);
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

/* --- telling ------------------------------------------------------------------------------ */

static void forget_bystanders(reader *r)
{
	for (int i = 0; i < r->nbystanders; i++)
	{
		for (int j = 0; j < r->table->ncolumns; j++)
			pythia_free(r->bystanders[i].values[j]);
		pythia_free(r->bystanders[i].values);
		pythia_free(r->bystanders[i].key);
		pythia_free(r->bystanders[i].image);
	}
	r->nbystanders = 0;
}

static bool tell(reader *r, const char *type, const char *key, const char *old_data, const char *new_data,
				 const pythia_field *meta, pythia_error *error)
{
	pythia_capture_change change = {.schema = r->table->table.schema,
									.table = r->table->table.name,
									.change_type = type,
									.primary_key = key,
									.old_data = old_data,
									.new_data = new_data,
									.timestamp = meta[2].value,
									.transaction_id = meta[3].value};

	return r->emit(r->context, &change, error);
}

static void add_bystander(reader *r, const pythia_field *old, bool update)
{
	bystander *added;

	r->bystanders = pythia_realloc(r->bystanders, sizeof(bystander) * (size_t) (r->nbystanders + 1));
	added = &r->bystanders[r->nbystanders++];
	added->update = update;
	added->key = pythia_strdup(r->old_key.data);
	added->image = pythia_strdup(r->old_image.data);
	added->values = pythia_calloc((size_t) r->table->ncolumns, sizeof(char *));
	for (int i = 0; i < r->table->ncolumns; i++)
		added->values[i] = pythia_strdup(old[i].value);
}

/* True where two rows cannot both be in the table, by one of its unique indexes. */
static bool exclude_each_other(const pythia_capture_table *table, char **values, const pythia_field *new)
{
	for (int x = 0; x < table->table.nindexes; x++)
	{
		const pythia_index *index = &table->table.indexes[x];
		bool same = index->unique;

		for (int i = 0; same && i < index->ncolumns; i++)
		{
			int place = 0;

			while (place < table->ncolumns && table->columns[place].position != index->columns[i])
				place++;
			same = place < table->ncolumns && values[place] &&
				   new[place].value &&strcmp(values[place], new[place].value) == 0;
		}
		if (same)
			return true;
	}
	return false;
}

/*
 * A REPLACE by an INSERT: the row of the same key was updated (`updates`: else deleted), others that the
 * new one excludes were deleted.  Rows in the way of an INSERT OR IGNORE or of an upsert are neither.
 */
static bool tell_replaced(reader *r, const pythia_field *meta, const pythia_field *new, bool updates,
						  const char **old_image, pythia_error *error)
{
	bool ok = true;

	*old_image = NULL;
	for (int i = 0; ok && i < r->nbystanders; i++)
	{
		const bystander *b = &r->bystanders[i];
		bool same_key = strcmp(b->key, r->key.data) == 0;

		if (b->update)
			continue;
		if (same_key && updates)
			*old_image = b->image;
		else if (same_key || exclude_each_other(r->table, b->values, new))
			ok = tell(r, "DELETE", b->key, b->image, NULL, meta, error);
	}
	return ok;
}

/* Rows that gave way to an UPDATE OR REPLACE; not the updated row itself, which an UPDATE OR IGNORE before it may have
 * found in its way. */
static bool tell_displaced(reader *r, const pythia_field *meta, const pythia_field *new, pythia_error *error)
{
	bool ok = true;

	for (int i = 0; ok && i < r->nbystanders; i++)
	{
		const bystander *b = &r->bystanders[i];

		if (b->update && strcmp(b->key, r->old_key.data) != 0 &&
			(strcmp(b->key, r->key.data) == 0 || exclude_each_other(r->table, b->values, new)))
			ok = tell(r, "DELETE", b->key, b->image, NULL, meta, error);
	}
	return ok;
}

/* `old` and `new`: the values of each side. */
static bool tell_row(reader *r, const pythia_field *meta, const pythia_field *old, const pythia_field *new,
					 pythia_error *error)
{
	const char *old_image = NULL;
	bool ok = true;

	switch (meta[1].value[0])
	{
		case 'B': /* what is in the way of an INSERT */
		case 'R': /* of an UPDATE */
			add_bystander(r, old, meta[1].value[0] == 'R');
			return true;
		case 'I':
			ok = tell_replaced(r, meta, new, true, &old_image, error) &&
				 tell(r, old_image ? "UPDATE" : "INSERT", r->key.data, old_image, r->new_image.data, meta, error);
			break;
		case 'X': /* a row that is none of ours took their place */
			ok = tell_replaced(r, meta, new, false, &old_image, error);
			break;
		case 'Y': /* the same of an UPDATE; its own row is told by what follows */
			return tell_displaced(r, meta, new, error);
		case 'U':
			if (!tell_displaced(r, meta, new, error))
				return false;
			if (strcmp(r->key.data, r->old_key.data) != 0)
				ok = tell(r, "DELETE", r->old_key.data, r->old_image.data, NULL, meta, error) &&
					 tell(r, "INSERT", r->key.data, NULL, r->new_image.data, meta, error);
			else if (strcmp(r->old_image.data, r->new_image.data) != 0)
				ok = tell(r, "UPDATE", r->key.data, r->old_image.data, r->new_image.data, meta, error);
			break;
		case 'C': /* columns that came meanwhile (complete_rows in trigger.c) */
			ok = tell(r, "UPDATE", r->key.data, r->old_image.data, r->new_image.data, meta, error);
			break;
		case 'D':
			ok = tell(r, "DELETE", r->old_key.data, r->old_image.data, NULL, meta, error);
			break;
		default:
			ok = tell(r, "TRUNCATE", NULL, NULL, NULL, meta, error);
			break;
	}
	forget_bystanders(r);
	return ok;
}

static bool on_row(reader *r, const pythia_rows_reader *row, pythia_error *error)
{
	const pythia_field *fields = row->fields;
	const pythia_field *old = fields + META;
	const pythia_field *new = old + side_width(r);
	const pythia_field *end = new + side_width(r);
	int width = r->table->db->engine == PYTHIA_POSTGRESQL ? 2 : r->table->ncolumns;
	const char *operation;
	int64_t id;

	if (!pythia_db_fields(r->table->db, row, "ntTTV*", error))
		return false;
	if (row->nfields != end - fields)
		return pythia_db_bad_answer(r->table->db, error, "a row of %d values where %d were asked for", row->nfields,
									(int) (end - fields));
	id = pythia_field_number(&fields[0]);
	operation = fields[1].value;
	if (strlen(operation) != 1)
		return pythia_db_bad_answer(r->table->db, error, "a logged row of no known operation");
	pythia_log_numbers_add(r->read, id);
	if (r->done->count > 0 && bsearch(&id, r->done->numbers, (size_t) r->done->count, sizeof(id), by_number))
		return true;
	return read_side(r, old, id, strchr("UDBRCY", *operation) != NULL, &r->old_key, &r->old_image, error) &&
		   read_side(r, new, id, strchr("IUXCY", *operation) != NULL, &r->key, &r->new_image, error) &&
		   tell_row(r, fields, new - width, end - width, error);
}

static bool read_rows(reader *r, const char *sql, int ncolumns, bool *cut, pythia_error *error)
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
			int column = i < META ? -1 : r->table->columns[(i - META) % r->table->ncolumns].position;

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
			ok = on_row(r, &rows, error);
		bytes += chunk.length;
		*cut = r->most > 0 && bytes >= r->most;
	}
	if (stream)
		db->driver->stream_close(stream);
	pythia_rows_close(&rows);
	pythia_free(kinds);
	/* a stream that was cut may have cost the connection */
	if (ok && db->broken)
		ok = pythia_fail(error, PYTHIA_E_LOST, "08006", "the connection to %s broke", db->display);
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
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool cut = false;
	int ncolumns;
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
	ncolumns = put_query(&r, &sql);
	ok = ok && read_rows(&r, sql.data, ncolumns, &cut, error);
	*more = cut || (limit > 0 && read->count == limit);
	forget_bystanders(&r);
	pythia_free(r.bystanders);
	pythia_free(r.place);
	pythia_free(r.first);
	pythia_buffer_free(&sql);
	pythia_buffer_free(&r.key);
	pythia_buffer_free(&r.old_key);
	pythia_buffer_free(&r.old_image);
	pythia_buffer_free(&r.new_image);
	return ok;
}

/* --- numbers ------------------------------------------------------------------------------- */

static bool add_numbers(pythia_stream *stream, const pythia_db *db, pythia_log_numbers *all, pythia_error *error)
{
	pythia_rows_reader rows = {0};
	pythia_rows chunk;
	bool ok = true;

	while (ok && (ok = db->driver->stream_next(stream, &chunk, error)) && chunk.count > 0)
	{
		pythia_rows_open(&rows, &chunk);
		while (ok && pythia_rows_next(&rows))
		{
			ok = pythia_db_fields(db, &rows, "n", error);
			if (ok)
				pythia_log_numbers_add(all, pythia_field_number(&rows.fields[0]));
		}
	}
	pythia_rows_close(&rows);
	return ok;
}

bool pythia_log_all(pythia_capture_table *table, const pythia_log *log, pythia_log_numbers *all, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_stream *stream;
	bool ok;

	all->count = 0;
	pythia_buffer_puts(&sql, "SELECT pythia_id FROM ");
	put_log(table, log->name, &sql);
	pythia_buffer_puts(&sql, " ORDER BY pythia_id");
	ok = table->db->driver->stream_open(table->db, sql.data, 1, NULL, &stream, error) &&
		 add_numbers(stream, table->db, all, error);
	if (stream)
		table->db->driver->stream_close(stream);
	pythia_buffer_free(&sql);
	return ok;
}

/* InnoDB locks what a range scan passes, rows of open transactions too, so each row is looked up by its number. */
static bool has_json_table(const pythia_db *db)
{
	return db->engine == PYTHIA_MYSQL && db->version >= (db->is_mariadb ? 100600 : 80004);
}

static void put_delete(pythia_db *source, const char *schema, const char *log, const int64_t *numbers, int64_t count,
					   pythia_buffer *sql)
{
	pythia_capture_table table = {.db = source, .table = {.schema = (char *) schema}};
	bool lookup = has_json_table(source);

	pythia_buffer_puts(sql, lookup ? "DELETE l FROM JSON_TABLE('[" : "DELETE FROM ");
	if (!lookup)
	{
		put_log(&table, log, sql);
		pythia_buffer_puts(sql, " WHERE pythia_id IN (");
	}
	for (int64_t i = 0; i < count; i++)
		pythia_buffer_printf(sql, "%s%lld", i > 0 ? "," : "", (long long) numbers[i]);
	if (lookup)
	{
		pythia_buffer_puts(sql, "]', '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$')) AS x STRAIGHT_JOIN ");
		put_log(&table, log, sql);
		pythia_buffer_puts(sql, " AS l ON l.pythia_id = x.id");
	}
	else
		pythia_buffer_putc(sql, ')');
}

bool pythia_log_delete(pythia_db *source, const char *schema, const char *log, const pythia_log_numbers *numbers,
					   bool *deleted, pythia_error *error)
{
	bool begin = source->engine == PYTHIA_SQLITE && !source->local;
	pythia_error why = PYTHIA_ERROR_INIT;
	bool ok = !begin || source->driver->begin(source, PYTHIA_BEGIN_TRY, &why);
	bool begun = ok && begin;

	for (int64_t from = 0; ok && from < numbers->count; from += PYTHIA_LOG_ROWS)
	{
		int64_t count = numbers->count - from < PYTHIA_LOG_ROWS ? numbers->count - from : PYTHIA_LOG_ROWS;
		pythia_buffer sql = PYTHIA_BUFFER_INIT;

		put_delete(source, schema, log, numbers->numbers + from, count, &sql);
		ok = pythia_db_exec(source, sql.data, NULL, &why);
		pythia_buffer_free(&sql);
	}
	if (begun && (!ok || !source->driver->commit(source, &why)))
	{
		source->driver->rollback(source, NULL);
		ok = false;
	}
	*deleted = ok;
	if (ok)
		return true;
	if (why.error_class != PYTHIA_E_TRANSIENT || source->broken || source->local)
		return pythia_error_move(error, &why);
	pythia_error_reset(&why);
	return true;
}
