/*
 * Draining a trigger's log (trigger.c).  All that a snapshot shows is told and
 * recorded, then deleted: a log row that a transaction commits late is simply
 * there the next time, whatever its number.  What was told but could not be
 * deleted yet (the source broke) is remembered by number in pythia_seen.
 */
#include "capture/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/number.h"

/* Log rows in one round: told, committed, deleted. */
#define DRAIN_ROWS 10000

/* A row that was in the way of an INSERT; gone where the INSERT was done. */
typedef struct bystander
{
	char *key;
	char *image;
	char **values; /* of each column; NULL for SQL NULL */
} bystander;

typedef struct drain
{
	pythia_outlet outlet;
	pythia_capture *capture;
	pythia_member *member;
	pythia_buffer key;
	pythia_buffer old_key;
	pythia_buffer old_image;
	pythia_buffer new_image;
	bystander *bystanders;
	int nbystanders;
	int64_t *ids; /* told in this round */
	int nids;
	char **done; /* numbers told before and not yet deleted, sorted as text */
	int64_t ndone;
} drain;

static void put_log(const pythia_member *member, pythia_buffer *sql)
{
	pythia_dialect_table(pythia_dialect_of(member->table.db), sql, member->table.table.schema, member->log);
}

/* --- reading --------------------------------------------------------------------------- */

/* o0 or n0 as a scan reads the column itself. */
static void put_logged(const pythia_capture_table *table, pythia_buffer *sql, int i, char letter)
{
	pythia_column column = table->table.columns[table->columns[i].position];
	char name[16];

	snprintf(name, sizeof(name), "%c%d", letter, i);
	column.name = name;
	if (table->db->engine == PYTHIA_SQLITE)
		pythia_buffer_puts(sql, name);
	else
		pythia_dialect_of(table->db)->read_expression(table->db, sql, NULL, &column);
}

static void put_storage(const pythia_capture_table *table, pythia_buffer *sql, char letter)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		pythia_buffer_puts(sql, i > 0 ? " || " : ", ");
		if (table->columns[i].whole)
			pythia_buffer_printf(sql, "CASE WHEN json_valid(%c%d) THEN 'j' ELSE substr(typeof(%c%d), 1, 1) END", letter,
								 i, letter, i);
		else
			pythia_buffer_printf(sql, "substr(typeof(%c%d), 1, 1)", letter, i);
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

/* Returns the number of columns that the select list has. */
static int put_query(const drain *d, pythia_buffer *sql)
{
	const pythia_capture_table *table = &d->member->table;
	bool postgres = table->db->engine == PYTHIA_POSTGRESQL;
	bool sqlite = table->db->engine == PYTHIA_SQLITE;
	int count = 4;

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
			put_storage(table, sql, *letter);
		for (int i = 0; i < table->ncolumns; i++)
		{
			pythia_buffer_puts(sql, ", ");
			put_logged(table, sql, i, *letter);
		}
		count += table->ncolumns + sqlite;
	}
	pythia_buffer_puts(sql, " FROM ");
	put_log(d->member, sql);
	pythia_buffer_printf(sql, " ORDER BY pythia_id LIMIT %d", DRAIN_ROWS);
	return count;
}

static void put_image(const pythia_capture_table *table, pythia_buffer *out, bool key, const char *storage,
					  const pythia_field *fields)
{
	int count = key ? table->nkey : table->ncolumns;
	const char *before = "{";

	pythia_buffer_clear(out);
	for (int k = 0; k < count; k++)
	{
		int i = key ? table->key[k] : k;
		const pythia_capture_column *column = &table->columns[i];

		if (!key && !column->in_image)
			continue;
		pythia_buffer_puts(out, before);
		before = ", ";
		pythia_buffer_append(out, column->label, column->label_length);
		pythia_capture_json_field(out, column, &table->table.columns[column->position].type, storage ? storage[i] : 0,
								  &fields[i]);
	}
	pythia_buffer_puts(out, *before == '{' ? "{}" : "}");
}

/* Old or new side of a log row into key and image. */
static const pythia_field *read_side(const drain *d, const pythia_field *fields, bool there, pythia_buffer *key,
									 pythia_buffer *image)
{
	const pythia_capture_table *table = &d->member->table;
	const char *storage = NULL;

	pythia_buffer_clear(key);
	pythia_buffer_clear(image);
	if (table->db->engine == PYTHIA_POSTGRESQL)
	{
		if (there)
		{
			pythia_buffer_puts(key, fields[0].value);
			pythia_buffer_puts(image, fields[1].value);
		}
		return fields + 2;
	}
	if (table->db->engine == PYTHIA_SQLITE)
		storage = (fields++)->value;
	if (there)
	{
		put_image(table, key, true, storage, fields);
		put_image(table, image, false, storage, fields);
	}
	return fields + table->ncolumns;
}

/* --- telling ------------------------------------------------------------------------------ */

static void forget_bystanders(drain *d)
{
	for (int i = 0; i < d->nbystanders; i++)
	{
		for (int j = 0; j < d->member->table.ncolumns; j++)
			pythia_free(d->bystanders[i].values[j]);
		pythia_free(d->bystanders[i].values);
		pythia_free(d->bystanders[i].key);
		pythia_free(d->bystanders[i].image);
	}
	d->nbystanders = 0;
}

static bool tell(drain *d, const char *type, const char *key, const char *old_data, const char *new_data,
				 const pythia_field *meta, pythia_error *error)
{
	return pythia_outlet_put(&d->outlet, type, key, old_data, new_data, meta[2].value, meta[3].value, error);
}

static void add_bystander(drain *d, const pythia_field *old)
{
	bystander *added;

	d->bystanders = pythia_realloc(d->bystanders, sizeof(bystander) * (size_t) (d->nbystanders + 1));
	added = &d->bystanders[d->nbystanders++];
	added->key = pythia_strdup(d->old_key.data);
	added->image = pythia_strdup(d->old_image.data);
	added->values = pythia_calloc((size_t) d->member->table.ncolumns, sizeof(char *));
	for (int i = 0; i < d->member->table.ncolumns; i++)
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
 * A REPLACE: the row of the same key was updated, others that the new one excludes were deleted.
 * Rows in the way of an INSERT OR IGNORE or of an upsert are neither.
 */
static bool tell_replaced(drain *d, const pythia_field *meta, const pythia_field *new, const char **old_image,
						  pythia_error *error)
{
	bool ok = true;

	*old_image = NULL;
	for (int i = 0; ok && i < d->nbystanders; i++)
	{
		if (strcmp(d->bystanders[i].key, d->key.data) == 0)
			*old_image = d->bystanders[i].image;
		else if (exclude_each_other(&d->member->table, d->bystanders[i].values, new))
			ok = tell(d, "DELETE", d->bystanders[i].key, d->bystanders[i].image, NULL, meta, error);
	}
	return ok;
}

/* `old` and `new`: the values of each side. */
static bool tell_row(drain *d, const pythia_field *meta, const pythia_field *old, const pythia_field *new,
					 pythia_error *error)
{
	const char *old_image = NULL;
	bool ok = true;

	switch (meta[1].value[0])
	{
		case 'B':
			add_bystander(d, old);
			return true;
		case 'I':
			ok = tell_replaced(d, meta, new, &old_image, error) &&
				 tell(d, old_image ? "UPDATE" : "INSERT", d->key.data, old_image, d->new_image.data, meta, error);
			break;
		case 'U':
			if (strcmp(d->key.data, d->old_key.data) != 0)
				ok = tell(d, "DELETE", d->old_key.data, d->old_image.data, NULL, meta, error) &&
					 tell(d, "INSERT", d->key.data, NULL, d->new_image.data, meta, error);
			else if (strcmp(d->old_image.data, d->new_image.data) != 0)
				ok = tell(d, "UPDATE", d->key.data, d->old_image.data, d->new_image.data, meta, error);
			break;
		case 'D':
			ok = tell(d, "DELETE", d->old_key.data, d->old_image.data, NULL, meta, error);
			break;
		default:
			ok = tell(d, "TRUNCATE", NULL, NULL, NULL, meta, error);
			break;
	}
	forget_bystanders(d);
	return ok;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool on_row(drain *d, const pythia_field *fields, pythia_error *error)
{
	const char *id = fields[0].value;
	char operation = fields[1].value[0];
	const pythia_field *old = fields + 4;
	const pythia_field *new;
	const pythia_field *end;
	int width = d->member->table.db->engine == PYTHIA_POSTGRESQL ? 2 : d->member->table.ncolumns;

	if (d->ndone > 0 && bsearch(&id, d->done, (size_t) d->ndone, sizeof(char *), by_text))
	{
		d->ids[d->nids++] = strtoll(id, NULL, 10);
		return true;
	}
	new = read_side(d, old, operation != 'I' && operation != 'T', &d->old_key, &d->old_image);
	end = read_side(d, new, operation == 'I' || operation == 'U', &d->key, &d->new_image);
	d->ids[d->nids++] = strtoll(id, NULL, 10);
	return tell_row(d, fields, new - width, end - width, error);
}

static bool read_log(drain *d, pythia_error *error)
{
	pythia_db *db = d->capture->source;
	const pythia_capture_table *table = &d->member->table;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_kind *kinds = NULL;
	pythia_stream *stream;
	pythia_rows_reader rows = {0};
	pythia_rows chunk;
	int ncolumns = put_query(d, &sql);
	bool ok;

	if (db->engine == PYTHIA_MYSQL)
	{
		kinds = pythia_calloc((size_t) ncolumns, sizeof(*kinds));
		for (int i = 0; i < ncolumns; i++)
			kinds[i] = i < 4 ? PYTHIA_KIND_TEXT
							 : table->table.columns[table->columns[(i - 4) % table->ncolumns].position].type.kind;
	}
	ok = db->driver->stream_open(db, sql.data, ncolumns, kinds, &stream, error);
	while (ok)
	{
		ok = db->driver->stream_next(stream, &chunk, error);
		if (!ok || chunk.count == 0)
			break;
		pythia_rows_open(&rows, &chunk);
		while (ok && pythia_rows_next(&rows))
			ok = on_row(d, rows.fields, error);
	}
	if (stream)
		db->driver->stream_close(stream);
	pythia_rows_close(&rows);
	pythia_buffer_free(&sql);
	pythia_free(kinds);
	return ok;
}

/* --- recording and deleting ------------------------------------------------------------------ */

static bool read_done(drain *d, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	pythia_buffer_printf(&sql, "SELECT key FROM main.pythia_seen WHERE table_id = %lld ORDER BY key",
						 (long long) d->member->table_id);
	ok = pythia_db_query(d->capture->store, sql.data, &result, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	d->done = pythia_calloc((size_t) result.nrows + 1, sizeof(char *));
	d->ndone = result.nrows;
	for (int64_t i = 0; i < result.nrows; i++)
		d->done[i] = pythia_strdup(pythia_result_get(&result, i, 0));
	pythia_result_free(&result);
	return true;
}

static void free_done(drain *d)
{
	for (int64_t i = 0; i < d->ndone; i++)
		pythia_free(d->done[i]);
	pythia_free(d->done);
	d->done = NULL;
	d->ndone = 0;
}

static bool record(drain *d, pythia_error *error)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT};
	pythia_rows_writer rows = {0};
	bool ok = true;

	for (int i = 0; i < d->nids; i++)
	{
		char text[24];

		pythia_rows_text(&rows, text, (size_t) snprintf(text, sizeof(text), "%lld", (long long) d->member->table_id));
		pythia_rows_text(&rows, text, (size_t) snprintf(text, sizeof(text), "%lld", (long long) d->ids[i]));
		pythia_rows_text(&rows, "", 0);
		pythia_rows_null(&rows);
		pythia_rows_end(&rows);
	}
	ok = pythia_store_load(d->capture->store, "INSERT OR REPLACE INTO main.pythia_seen VALUES (?1, ?2, ?3, ?4)", 4,
						   kinds, &rows, error);
	pythia_rows_free(&rows);
	return ok;
}

/* InnoDB locks what a range scan passes, rows of open transactions too, so each row is looked up by its number. */
static bool has_json_table(const pythia_db *db)
{
	return db->engine == PYTHIA_MYSQL && db->version >= (db->is_mariadb ? 100600 : 80004);
}

static void put_delete(const drain *d, pythia_buffer *sql)
{
	bool lookup = has_json_table(d->capture->source);

	pythia_buffer_puts(sql, lookup ? "DELETE l FROM JSON_TABLE('[" : "DELETE FROM ");
	if (!lookup)
	{
		put_log(d->member, sql);
		pythia_buffer_puts(sql, " WHERE pythia_id IN (");
	}
	for (int i = 0; i < d->nids; i++)
		pythia_buffer_printf(sql, "%s%lld", i > 0 ? "," : "", (long long) d->ids[i]);
	if (lookup)
	{
		pythia_buffer_puts(sql, "]', '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$')) AS x STRAIGHT_JOIN ");
		put_log(d->member, sql);
		pythia_buffer_puts(sql, " AS l ON l.pythia_id = x.id");
	}
	else
		pythia_buffer_putc(sql, ')');
}

/*
 * Exactly the rows that were read: one between them may belong to a transaction that is still open.
 * *deleted is false where a lock is in the way: they are marked as told, and deleted another time.
 */
static bool delete_told(drain *d, bool *deleted, pythia_error *error)
{
	pythia_db *source = d->capture->source;
	bool begin = source->engine == PYTHIA_SQLITE && !source->local;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error why = PYTHIA_ERROR_INIT;
	bool ok;

	put_delete(d, &sql);
	ok = !begin || source->driver->begin(source, PYTHIA_BEGIN_TRY, &why);
	if (ok)
	{
		ok = pythia_db_exec(source, sql.data, NULL, &why) && (!begin || source->driver->commit(source, &why));
		if (!ok && begin)
			source->driver->rollback(source, NULL);
	}
	pythia_buffer_free(&sql);
	*deleted = ok;
	if (ok)
		return true;
	if (why.error_class != PYTHIA_E_TRANSIENT || source->broken || source->local)
		return pythia_error_move(error, &why);
	pythia_error_reset(&why);
	return true;
}

/* One round; *more where the log may hold more. */
static bool drain_round(drain *d, bool *more, pythia_error *error)
{
	pythia_capture *capture = d->capture;
	pythia_db *source = capture->source;
	bool deleted;
	bool ok;

	d->nids = 0;
	*more = false;
	if (!read_done(d, error))
		return false;
	ok = read_log(d, error) && pythia_outlet_write(&d->outlet, error);
	free_done(d);
	if (!ok || d->nids == 0)
		return ok;
	*more = d->nids == DRAIN_ROWS;
	d->member->touched = true;
	if (source->local)
		return delete_told(d, &deleted, error);
	if (!record(d, error) || !pythia_member_save(capture, d->member, &d->member->position, error) ||
		!pythia_capture_commit(capture, error))
		return false;
	/* PostgreSQL and MySQL read in a snapshot that is read only */
	if (!source->driver->commit(source, error) || !delete_told(d, &deleted, error) ||
		!source->driver->begin(source, PYTHIA_BEGIN_SNAPSHOT, error) || !pythia_capture_begin(capture, error))
		return false;
	if (!deleted)
	{
		*more = false;
		return true;
	}
	return pythia_store_exec(capture->store, error,
							 "DELETE FROM main.pythia_seen WHERE table_id = %lld AND CAST(key AS INTEGER) <= %lld",
							 (long long) d->member->table_id, (long long) d->ids[d->nids - 1]);
}

static bool drain_all(drain *d, pythia_error *error)
{
	bool more = true;
	bool ok = true;

	d->ids = pythia_calloc(DRAIN_ROWS, sizeof(int64_t));
	while (ok && more)
		ok = drain_round(d, &more, error);
	forget_bystanders(d);
	pythia_free(d->bystanders);
	pythia_free(d->ids);
	pythia_buffer_free(&d->key);
	pythia_buffer_free(&d->old_key);
	pythia_buffer_free(&d->old_image);
	pythia_buffer_free(&d->new_image);
	pythia_outlet_free(&d->outlet);
	return ok;
}

/* Every row that is there, as an INSERT; what the log shows in the same snapshot is in it already. */
static bool on_first(void *context, const pythia_capture_row *row, pythia_error *error)
{
	drain *d = context;

	return pythia_outlet_put(&d->outlet, "INSERT", row->key, NULL, row->image, d->capture->captured_at, NULL, error);
}

static bool tell_all(drain *d, pythia_error *error)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_INT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT, PYTHIA_KIND_TEXT};
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_rows_writer rows = {0};
	pythia_result ids;
	bool ok;

	pythia_buffer_printf(&sql, "SELECT %lld, pythia_id FROM ", (long long) d->member->table_id);
	put_log(d->member, &sql);
	ok = pythia_db_query(d->capture->source, sql.data, &ids, error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	for (int64_t i = 0; i < ids.nrows; i++)
	{
		for (int j = 0; j < 2; j++)
			pythia_rows_text(&rows, pythia_result_get(&ids, i, j), strlen(pythia_result_get(&ids, i, j)));
		pythia_rows_text(&rows, "", 0);
		pythia_rows_null(&rows);
		pythia_rows_end(&rows);
	}
	pythia_result_free(&ids);
	d->member->started = true;
	ok = pythia_store_load(d->capture->store, "INSERT OR REPLACE INTO main.pythia_seen VALUES (?1, ?2, ?3, ?4)", 4,
						   kinds, &rows, error) &&
		 pythia_capture_keys(&d->member->table, true, NULL, on_first, d, error) &&
		 pythia_outlet_write(&d->outlet, error) &&
		 pythia_member_save(d->capture, d->member, &d->member->position, error);
	pythia_rows_free(&rows);
	pythia_outlet_free(&d->outlet);
	return ok;
}

bool pythia_member_drain(pythia_capture *capture, pythia_member *member, pythia_error *error)
{
	drain d = {.outlet = {.capture = capture, .member = member}, .capture = capture, .member = member};

	if ((!member->started && !tell_all(&d, error)) || !drain_all(&d, error))
		return false;
	return !member->touched || pythia_member_save(capture, member, &member->position, error);
}
