/* Numbers of log rows (log.h): kept, read, deleted. */
#include <stdlib.h>
#include <string.h>

#include "capture/internal.h"
#include "core/memory.h"

/* Logs that one statement looks into. */
#define LOGS_AT_ONCE 100

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

bool pythia_log_numbers_have(const pythia_log_numbers *numbers, int64_t number)
{
	return numbers->count > 0 &&
		   bsearch(&number, numbers->numbers, (size_t) numbers->count, sizeof(number), by_number) != NULL;
}

static void put_log(const pythia_capture_table *table, const char *log, pythia_buffer *sql)
{
	pythia_dialect_table(pythia_dialect_of(table->db), sql, table->table.schema, log);
}

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
	pythia_buffer_puts(&sql, table->db->engine == PYTHIA_MYSQL ? " WHERE pythia_side = 0" : "");
	pythia_buffer_puts(&sql, " ORDER BY pythia_id");
	ok = table->db->driver->stream_open(table->db, sql.data, 1, NULL, &stream, error) &&
		 add_numbers(stream, table->db, all, error);
	if (stream)
		table->db->driver->stream_close(stream);
	pythia_buffer_free(&sql);
	return ok;
}

/* True where they could be asked. */
static bool look_into(pythia_db *source, const pythia_log_place *logs, int count, bool *empty, pythia_error *error)
{
	char shape[LOGS_AT_ONCE + 1] = {0};
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	for (int i = 0; i < count; i++)
	{
		pythia_buffer_puts(&sql, i == 0 ? "SELECT EXISTS (SELECT 1 FROM " : "), EXISTS (SELECT 1 FROM ");
		pythia_dialect_table(pythia_dialect_of(source), &sql, logs[i].schema, logs[i].name);
		shape[i] = 'b';
	}
	pythia_buffer_putc(&sql, ')');
	ok = pythia_db_query(source, sql.data, shape, &result, error);
	for (int i = 0; ok && result.nrows == 1 && i < count; i++)
		empty[i] = !pythia_result_true(&result, 0, i);
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_logs_empty(pythia_db *source, const pythia_log_place *logs, int count, bool *empty, pythia_error *error)
{
	memset(empty, 0, sizeof(*empty) * (size_t) count);
	for (int i = 0; i < count; i += LOGS_AT_ONCE)
	{
		int some = count - i < LOGS_AT_ONCE ? count - i : LOGS_AT_ONCE;

		if (look_into(source, logs + i, some, empty + i, error))
			continue;
		/* one that is gone or locked hides the others: whoever reads each of them tells which */
		if (source->broken || error->error_class == PYTHIA_E_CANCELLED)
			return false;
		pythia_error_reset(error);
	}
	return true;
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

	for (int64_t from = 0; ok && from < numbers->count; from += PYTHIA_TRIGGER_LOG_ROWS)
	{
		int64_t count =
			numbers->count - from < PYTHIA_TRIGGER_LOG_ROWS ? numbers->count - from : PYTHIA_TRIGGER_LOG_ROWS;
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
