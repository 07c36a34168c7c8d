/* What a server may answer, and rows on their way to one. */
#include "targets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/internal.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/rows.h"
#include "dialect/dialect.h"
#include "drivers/common.h"
#include "drivers/driver.h"
#include "drivers/postgres/internal.h"

/* --- binary COPY -------------------------------------------------------------------------- */

static uint32_t take_number(const char **at, const char *end, int bytes)
{
	uint32_t value = 0;

	CHECK(end - *at >= bytes);
	for (int i = 0; i < bytes; i++)
		value = value << 8 | (unsigned char) *(*at)++;
	return value;
}

/* A value that was written, against the text that it was made of. */
static void check_value(const pythia_type *type, const pythia_field *field, const char *at, uint32_t length)
{
	const char *end = at + length;
	int64_t whole;
	int64_t written = 0;
	int groups;

	switch (type->kind)
	{
		case PYTHIA_KIND_BOOL:
			CHECK(length == 1 && field->length == 1 && strchr("01tf", field->value[0]) && field->value[0] != '\0');
			CHECK(*at == (field->value[0] == '1' || field->value[0] == 't'));
			break;
		case PYTHIA_KIND_INT:
			CHECK(length == (uint32_t) type->size && pythia_int64_read(field->value, field->length, &whole));
			for (uint32_t i = 0; i < length; i++)
				written = (int64_t) ((uint64_t) written << 8) | (unsigned char) at[i];
			CHECK(length == 8 ? written == whole : (length == 4 ? (int32_t) written : (int16_t) written) == whole);
			break;
		case PYTHIA_KIND_DECIMAL:
			groups = (int) take_number(&at, end, 2);
			CHECK(length == 8 + 2 * (uint32_t) groups);
			take_number(&at, end, 2);
			CHECK((take_number(&at, end, 2) & ~0x4000u) == 0);
			take_number(&at, end, 2);
			for (int i = 0; i < groups; i++)
				CHECK(take_number(&at, end, 2) < 10000);
			break;
		case PYTHIA_KIND_DOUBLE:
		case PYTHIA_KIND_TIME:
		case PYTHIA_KIND_TIMESTAMP:
			CHECK(length == 8);
			break;
		case PYTHIA_KIND_DATE:
			CHECK(length == 4);
			break;
		case PYTHIA_KIND_UUID:
			CHECK(length == 16);
			break;
		case PYTHIA_KIND_BYTES:
			CHECK(field->length == 2 * (size_t) length + 2);
			break;
		default:
			CHECK(length == field->length + (type->native && strcmp(type->native, "jsonb") == 0));
			break;
	}
}

/* The first two bytes choose the types of two columns; the rest are rows. */
void fuzz_postgres_binary(const uint8_t *data, size_t size)
{
	static const pythia_kind kinds[] = {PYTHIA_KIND_BOOL,   PYTHIA_KIND_INT,  PYTHIA_KIND_DECIMAL,
										PYTHIA_KIND_DOUBLE, PYTHIA_KIND_TEXT, PYTHIA_KIND_BYTES,
										PYTHIA_KIND_DATE,   PYTHIA_KIND_TIME, PYTHIA_KIND_TIMESTAMP,
										PYTHIA_KIND_UUID,   PYTHIA_KIND_JSON};
	static const char *const names[] = {"a", "b"};
	pythia_type types[2] = {{.size = 4}, {.size = 8}};
	const pythia_type *pointers[2] = {&types[0], &types[1]};
	pythia_load load = {.table = "t", .ncolumns = 2, .columns = names, .types = pointers};
	pythia_postgres_binary *binary;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_rows_reader reader = {0};
	pythia_rows rows, rest;
	const char *at;
	const char *end;
	char *copy;
	uint64_t count;

	if (size < 2)
		return;
	for (int i = 0; i < 2; i++)
	{
		types[i].kind = kinds[data[i] % 11];
		types[i].size = types[i].kind == PYTHIA_KIND_INT ? 2 << data[i] / 11 % 3 : 0;
		types[i].native = data[i] & 128 && types[i].kind == PYTHIA_KIND_JSON ? "jsonb" : NULL;
	}
	/* of its own, so that a byte too many is seen */
	copy = pythia_malloc(size - 2);
	memcpy(copy, data + 2, size - 2);
	rows = (pythia_rows){copy, size - 2, 0};
	for (size_t i = 0; i < rows.length; i++)
		rows.count += copy[i] == '\n' || i + 1 == rows.length;
	binary = pythia_postgres_binary_make(&load);
	CHECK(binary);
	count = pythia_postgres_binary_rows(binary, &rows, &out, &rest);
	CHECK(rest.data >= rows.data && rest.data + rest.length == rows.data + rows.length);
	at = pythia_buffer_text(&out);
	end = at + out.length;
	pythia_rows_open(&reader, &rows);
	for (uint64_t row = 0; row < count; row++)
	{
		CHECK(pythia_rows_next(&reader) && reader.nfields == 2);
		CHECK(take_number(&at, end, 2) == 2);
		for (int i = 0; i < 2; i++)
		{
			uint32_t length = take_number(&at, end, 4);

			CHECK((length == UINT32_MAX) == (reader.fields[i].value == NULL));
			if (length == UINT32_MAX)
				continue;
			CHECK((size_t) (end - at) >= length);
			check_value(&types[i], &reader.fields[i], at, length);
			at += length;
		}
	}
	CHECK(at == end);
	pythia_rows_close(&reader);
	pythia_postgres_binary_free(binary);
	pythia_buffer_free(&out);
	pythia_free(copy);
}

/* --- answers -------------------------------------------------------------------------------- */

/* A database that answers what the input says: one piece after another, as rows of COPY text. */
typedef struct told_db
{
	pythia_db base;
	const char *at;
	const char *end;
	pythia_rows_writer writer;
	bool streamed;
} told_db;

static pythia_rows next_answer(told_db *db)
{
	const char *start = db->at;
	const char *stop = start < db->end ? memchr(start, '\x1e', (size_t) (db->end - start)) : NULL;

	if (!stop)
		stop = db->end;
	db->at = stop < db->end ? stop + 1 : stop;
	return (pythia_rows){start, (size_t) (stop - start), 0};
}

static bool told_exec(pythia_db *db, const char *sql, int64_t *affected, pythia_error *error)
{
	(void) db;
	(void) error;
	CHECK(sql && *sql);
	if (affected)
		*affected = 0;
	return true;
}

static bool told_send(pythia_db *db, const char *sql, pythia_error *error)
{
	return told_exec(db, sql, NULL, error);
}

/* As the drivers give it: a rectangle, of as many columns as its first row has. */
static bool told_receive(pythia_db *base, pythia_result *result, pythia_error *error)
{
	pythia_rows rows = next_answer((told_db *) base);
	pythia_rows_reader reader = {0};
	int64_t capacity = 0;
	bool ok = true;

	pythia_rows_open(&reader, &rows);
	while (ok && pythia_rows_next(&reader))
	{
		const char *values[64] = {NULL};
		size_t lengths[64] = {0};

		if (result->nrows == 0)
			result->ncolumns = reader.nfields < 64 ? reader.nfields : 64;
		for (int i = 0; i < reader.nfields && i < result->ncolumns; i++)
		{
			values[i] = reader.fields[i].value;
			lengths[i] = reader.fields[i].length;
		}
		ok = pythia_result_add(base, result, &capacity, values, lengths, error);
	}
	pythia_rows_close(&reader);
	return ok;
}

static bool told_stream_open(pythia_db *db, const char *sql, int ncolumns, const pythia_kind *kinds,
							 pythia_stream **out, pythia_error *error)
{
	(void) ncolumns;
	(void) kinds;
	((told_db *) db)->streamed = false;
	*out = (pythia_stream *) db;
	return told_exec(db, sql, NULL, error);
}

static bool told_stream_next(pythia_stream *stream, pythia_rows *chunk, pythia_error *error)
{
	told_db *db = (told_db *) stream;
	pythia_rows rows = next_answer(db);
	pythia_rows_reader reader = {0};

	(void) error;
	*chunk = (pythia_rows){0};
	if (db->streamed)
		return true;
	db->streamed = true;
	pythia_rows_clear(&db->writer);
	pythia_rows_open(&reader, &rows);
	while (pythia_rows_next(&reader))
	{
		for (int i = 0; i < reader.nfields; i++)
			if (reader.fields[i].value)
				pythia_rows_text(&db->writer, reader.fields[i].value, reader.fields[i].length);
			else
				pythia_rows_null(&db->writer);
		pythia_rows_end(&db->writer);
	}
	pythia_rows_close(&reader);
	*chunk = pythia_rows_view(&db->writer);
	return true;
}

static void told_stream_close(pythia_stream *stream)
{
	(void) stream;
}

static bool told_begin(pythia_db *db, pythia_begin_mode mode, pythia_error *error)
{
	(void) mode;
	return told_exec(db, "BEGIN", NULL, error);
}

static bool told_end(pythia_db *db, pythia_error *error)
{
	return told_exec(db, "COMMIT", NULL, error);
}

static bool take_change(void *context, const pythia_capture_change *change, pythia_error *error)
{
	(void) context;
	(void) error;
	CHECK(change->change_type);
	return true;
}

static void check_table(const pythia_table *table)
{
	CHECK(table->schema && table->name && table->estimated_rows >= -1);
	for (int i = 0; i < table->ncolumns; i++)
		CHECK(table->columns[i].name);
	for (int i = 0; i < table->nkey; i++)
		CHECK(table->key[i] >= 0 && table->key[i] < table->ncolumns);
	for (int i = 0; i < table->nindexes; i++)
		for (int k = 0; k < table->indexes[i].ncolumns; k++)
			CHECK(table->indexes[i].columns[k] >= 0 && table->indexes[i].columns[k] < table->ncolumns);
}

static bool read_log(pythia_db *db, pythia_error *error)
{
	static const pythia_log log = {"pythia_log_000000000000", "0 aaaaaa id\n0 bbbbbb updated_at\n"};
	pythia_capture_config config = {.lookback = -1};
	pythia_capture_table table;
	pythia_log_numbers none = {0};
	pythia_log_numbers read = {0};
	bool more;
	bool ok;

	if (!pythia_capture_table_open(db, NULL, "t", "updated_at", &config, &table, error))
		return false;
	check_table(&table.table);
	ok = pythia_log_read(&table, &log, 0, 0, &none, &read, &more, take_change, NULL, error);
	pythia_log_numbers_free(&read);
	pythia_capture_table_close(&table);
	return ok;
}

static bool describe_many(pythia_db *db, pythia_error *error)
{
	static const char *const names[] = {"t", "U", "t", "no.t"};
	pythia_descriptions *many = NULL;
	pythia_table table;
	bool ok = pythia_describe_many(db, names, 4, &many, error);

	for (int i = 0; ok && i < 4; i++)
	{
		ok = pythia_describe_next(db, many, names[i], &table, error);
		if (ok)
		{
			check_table(&table);
			pythia_table_free(&table);
		}
	}
	pythia_descriptions_free(many);
	return ok;
}

static bool list(pythia_db *db, bool ordered, pythia_error *error)
{
	char **names = NULL;
	int count = 0;
	bool ok = (ordered ? pythia_list_tables : pythia_list_table_names)(db, "shop", &names, &count, error);

	for (int i = 0; ok && i < count; i++)
	{
		CHECK(names[i]);
		pythia_free(names[i]);
	}
	pythia_free(names);
	return ok;
}

/* The first byte chooses the engine, the second who asks; the rest is what is answered. */
void fuzz_mysql_results(const uint8_t *data, size_t size)
{
	static const pythia_driver driver = {.name = "told",
										 .exec = told_exec,
										 .send = told_send,
										 .receive = told_receive,
										 .stream_open = told_stream_open,
										 .stream_next = told_stream_next,
										 .stream_close = told_stream_close,
										 .begin = told_begin,
										 .commit = told_end,
										 .rollback = told_end};
	told_db db = {.base = {.driver = &driver, .version = 101100, .display = "told", .default_schema = "shop"}};
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_clock clock = {0};
	pythia_holder holder = {0};
	pythia_table table;
	pythia_result result = {0};
	int64_t number;
	char *text = NULL;
	bool ok;

	if (size < 2)
		return;
	db.base.host = pythia_default_host();
	db.base.engine = data[0] % 4 == 0 ? PYTHIA_POSTGRESQL : data[0] % 4 == 1 ? PYTHIA_SQLITE : PYTHIA_MYSQL;
	db.base.is_mariadb = data[0] % 4 == 2;
	db.at = (const char *) data + 2;
	db.end = (const char *) data + size;
	switch (data[1] % 8)
	{
		case 0:
			ok = describe_many(&db.base, &error);
			break;
		case 1:
			ok = pythia_describe(&db.base, "t", &table, &error);
			if (ok)
			{
				check_table(&table);
				pythia_table_free(&table);
			}
			break;
		case 2:
		case 3:
			ok = list(&db.base, data[1] % 8 == 2, &error);
			break;
		case 4:
			/* MySQL's waits between two looks */
			ok = db.base.engine == PYTHIA_MYSQL || pythia_clock_read(&db.base, false, &clock, &error);
			break;
		case 5:
			clock.boundary = data[0] & 4 ? PYTHIA_OPEN_HELD : 1;
			ok = pythia_holder_read(&db.base, &clock, &holder, &error);
			break;
		case 6:
			ok = read_log(&db.base, &error);
			break;
		default:
			ok = pythia_db_query(&db.base, "SELECT", "tTnNbBdDcCvV*", &result, &error);
			for (int64_t row = 0; ok && row < result.nrows; row++)
			{
				CHECK(strlen(pythia_result_text(&result, row, 0)) == pythia_result_length(&result, row, 0));
				CHECK(pythia_result_number(&result, row, 8) >= 0);
				CHECK(pythia_result_number_or(&result, row, 9, 0) >= 0);
				CHECK(pythia_result_text(&result, row, 6)[0] >= '0');
				pythia_result_true(&result, row, 5);
			}
			pythia_result_free(&result);
			ok = pythia_db_number_or(&db.base, "SELECT", 0, &number, ok ? &error : NULL) && ok;
			ok = pythia_db_text(&db.base, "SELECT", &text, ok ? &error : NULL) && ok;
			pythia_free(text);
			break;
	}
	if (!ok)
	{
		/* a log that does not fit its table is a fault of ours, and here of the input */
		CHECK(error.error_class != PYTHIA_E_NONE && (error.error_class != PYTHIA_E_INTERNAL || data[1] % 8 == 6));
		CHECK(strlen(error.sqlstate) == 5 && error.message);
	}
	pythia_error_reset(&error);
	pythia_rows_free(&db.writer);
}
