#include "drivers/result.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/number.h"
#include "core/text.h"
#include "core/utf8.h"
#include "drivers/common.h"

/* More rows than that no table has; 65,536 such counts, one a bucket, can be added up. */
#define GREATEST_COUNT INT64_C(100000000000000)
/* Bytes of a cell without its value. */
#define CELL_BYTES (2 * sizeof(void *))

void pythia_result_free(pythia_result *result)
{
	int64_t count = result->cells ? result->nrows * result->ncolumns : 0;

	for (int64_t i = 0; i < count; i++)
		pythia_free(result->cells[i]);
	pythia_free(result->cells);
	pythia_free(result->lengths);
	pythia_free(result->shape);
	memset(result, 0, sizeof(*result));
}

/* --- looking at what came --------------------------------------------------------------- */

bool pythia_db_bad_answer(const pythia_db *db, pythia_error *error, const char *format, ...)
{
	char what[300];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	pythia_fail(error, PYTHIA_E_DATABASE, "08P01", "unexpected answer from %s: %s",
				db->display ? db->display : "this database", what);
	if (db->engine == PYTHIA_SQLITE)
		return pythia_error_hint(error, "Check the file with PRAGMA integrity_check: its schema may be damaged.");
	return pythia_error_hint(
		error, "Check that the URL leads to a %s server, and that nothing on the way changes what it answers.",
		db->engine == PYTHIA_POSTGRESQL ? "PostgreSQL" : "MySQL or MariaDB");
}

/* What a letter stands for, in words. */
static const char *expected(char letter)
{
	switch (tolower((unsigned char) letter))
	{
		case 't':
			return "a text";
		case 'n':
			return "a whole number";
		case 'c':
			return "a count";
		case 'b':
			return "a truth value";
		case 'd':
			return "digits";
		default:
			return "a value";
	}
}

static bool is_digits(const char *value, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!pythia_is_digit(value[i]))
			return false;
	return length > 0;
}

static bool fits(char letter, const char *value, size_t length)
{
	int64_t number;

	switch (tolower((unsigned char) letter))
	{
		case 't':
			return !memchr(value, '\0', length) && pythia_utf8_valid(value, length);
		case 'n':
			return pythia_int64_read(value, length, &number);
		case 'c':
			return pythia_int64_read(value, length, &number) && number >= 0 && number <= GREATEST_COUNT;
		case 'b':
			return length == 1 && memchr("01ft", value[0], 4) != NULL;
		case 'd':
			return is_digits(value, length);
		default:
			return true;
	}
}

/* The letter of a column, where a star stands for all that follow. */
static char letter_of(const char *shape, int column)
{
	size_t length = strlen(shape);

	if (length > 0 && shape[length - 1] == '*' && (size_t) column + 1 >= length)
		return length > 1 ? shape[length - 2] : 'V';
	return shape[column];
}

static bool right_count(const char *shape, int count)
{
	size_t length = strlen(shape);

	/* the letter before the star may be there not at all */
	if (length > 0 && shape[length - 1] == '*')
		return (size_t) count + 2 >= length;
	return (size_t) count == length;
}

static bool look_at(const pythia_db *db, char letter, const char *value, size_t length, int column, pythia_error *error)
{
	if (!value)
		return isupper((unsigned char) letter) ||
			   pythia_db_bad_answer(db, error, "column %d is NULL where %s was expected", column + 1, expected(letter));
	return fits(letter, value, length) ||
		   pythia_db_bad_answer(db, error, "column %d is not %s", column + 1, expected(letter));
}

static bool look_at_all(const pythia_db *db, const char *shape, pythia_result *result, pythia_error *error)
{
	bool one = shape[0] == '1';

	shape += one;
	if (!right_count(shape, result->ncolumns))
		return pythia_db_bad_answer(db, error, "%d columns where %zu were expected", result->ncolumns, strlen(shape));
	if (one && result->nrows != 1)
		return pythia_db_bad_answer(db, error, "%lld rows where one was expected", (long long) result->nrows);
	result->shape = pythia_calloc((size_t) result->ncolumns + 1, 1);
	for (int i = 0; i < result->ncolumns; i++)
		result->shape[i] = letter_of(shape, i);
	for (int64_t row = 0; row < result->nrows; row++)
		for (int i = 0; i < result->ncolumns; i++)
		{
			int64_t at = row * result->ncolumns + i;

			if (!look_at(db, result->shape[i], result->cells[at], result->lengths[at], i, error))
				return false;
		}
	return true;
}

bool pythia_result_add(const pythia_db *db, pythia_result *result, int64_t *capacity, const char *const *values,
					   const size_t *lengths, pythia_error *error)
{
	int64_t base = result->nrows * result->ncolumns;

	if (result->nrows == *capacity)
	{
		size_t cells;

		*capacity = *capacity ? *capacity * 2 : 8;
		cells = (size_t) *capacity * (size_t) result->ncolumns;
		result->cells = pythia_realloc(result->cells, cells * sizeof(*result->cells));
		result->lengths = pythia_realloc(result->lengths, cells * sizeof(*result->lengths));
	}
	for (int i = 0; i < result->ncolumns; i++)
	{
		result->cells[base + i] = values[i] ? pythia_strndup(values[i], lengths[i]) : NULL;
		result->lengths[base + i] = values[i] ? lengths[i] : 0;
		result->bytes += CELL_BYTES + result->lengths[base + i];
	}
	result->nrows++;
	result->bytes += CELL_BYTES;
	return result->bytes <= PYTHIA_LARGEST_RESULT ||
		   pythia_db_bad_answer(db, error, "more than %d MB where a small result was expected",
								PYTHIA_LARGEST_RESULT >> 20);
}

bool pythia_db_fields(const pythia_db *db, const pythia_rows_reader *row, const char *shape, pythia_error *error)
{
	if (!right_count(shape, row->nfields))
		return pythia_db_bad_answer(db, error, "a row of %d values where %zu were expected", row->nfields,
									strlen(shape));
	for (int i = 0; i < row->nfields; i++)
		if (!look_at(db, letter_of(shape, i), row->fields[i].value, row->fields[i].length, i, error))
			return false;
	return true;
}

/* --- asking ----------------------------------------------------------------------------- */

bool pythia_db_receive(pythia_db *db, const char *sql, const char *shape, pythia_result *result, pythia_error *error)
{
	memset(result, 0, sizeof(*result));
	if (!db->driver->receive(db, result, error))
		return false;
	if (look_at_all(db, shape, result, error))
		return true;
	pythia_error_statement(error, sql);
	pythia_result_free(result);
	return false;
}

bool pythia_db_query(pythia_db *db, const char *sql, const char *shape, pythia_result *result, pythia_error *error)
{
	memset(result, 0, sizeof(*result));
	return db->driver->send(db, sql, error) && pythia_db_receive(db, sql, shape, result, error);
}

bool pythia_db_text(pythia_db *db, const char *sql, char **text, pythia_error *error)
{
	pythia_result result;

	*text = NULL;
	if (!pythia_db_query(db, sql, "V", &result, error))
		return false;
	if (result.nrows > 0)
		*text = pythia_strdup(pythia_result_optional(&result, 0, 0));
	pythia_result_free(&result);
	return true;
}

static bool one_number(pythia_db *db, const char *sql, const char *shape, int64_t *number, pythia_error *error)
{
	pythia_result result;

	*number = 0;
	if (!pythia_db_query(db, sql, shape, &result, error))
		return false;
	*number = pythia_result_number(&result, 0, 0);
	pythia_result_free(&result);
	return true;
}

bool pythia_db_number(pythia_db *db, const char *sql, int64_t *number, pythia_error *error)
{
	return one_number(db, sql, "1n", number, error);
}

bool pythia_db_count(pythia_db *db, const char *sql, int64_t *count, pythia_error *error)
{
	return one_number(db, sql, "1c", count, error);
}

bool pythia_db_number_or(pythia_db *db, const char *sql, int64_t fallback, int64_t *number, pythia_error *error)
{
	pythia_result result;

	*number = fallback;
	if (!pythia_db_query(db, sql, "N", &result, error))
		return false;
	if (result.nrows > 0)
		*number = pythia_result_number_or(&result, 0, 0, fallback);
	pythia_result_free(&result);
	return true;
}

bool pythia_db_any(pythia_db *db, const char *sql, bool *there, pythia_error *error)
{
	pythia_result result;

	*there = false;
	if (!pythia_db_query(db, sql, "V*", &result, error))
		return false;
	*there = result.nrows > 0;
	pythia_result_free(&result);
	return true;
}

/* --- reading ---------------------------------------------------------------------------- */

/* A cell that the shape allows to be read by one of `letters`; another is a fault of ours, and found by its test. */
static const char *cell(const pythia_result *result, int64_t row, int column, const char *letters, size_t *length)
{
	*length = 0;
	if (!result->shape || row < 0 || row >= result->nrows || column < 0 || column >= result->ncolumns ||
		!strchr(letters, result->shape[column]))
	{
#ifdef __SANITIZE_ADDRESS__
		abort();
#endif
		return NULL;
	}
	*length = result->lengths[row * result->ncolumns + column];
	return result->cells[row * result->ncolumns + column];
}

const char *pythia_result_text(const pythia_result *result, int64_t row, int column)
{
	size_t length;
	const char *value = cell(result, row, column, "tdv", &length);

	return value ? value : "";
}

const char *pythia_result_optional(const pythia_result *result, int64_t row, int column)
{
	size_t length;

	return cell(result, row, column, "tTnNbBdDvV", &length);
}

size_t pythia_result_length(const pythia_result *result, int64_t row, int column)
{
	size_t length;

	cell(result, row, column, "tTnNbBdDvV", &length);
	return length;
}

int64_t pythia_result_number_or(const pythia_result *result, int64_t row, int column, int64_t fallback)
{
	size_t length;
	const char *value = cell(result, row, column, "nNcC", &length);
	int64_t number;

	return value && pythia_int64_read(value, length, &number) ? number : fallback;
}

int64_t pythia_result_number(const pythia_result *result, int64_t row, int column)
{
	return pythia_result_number_or(result, row, column, 0);
}

bool pythia_result_true(const pythia_result *result, int64_t row, int column)
{
	size_t length;
	const char *value = cell(result, row, column, "bB", &length);

	return value && (value[0] == '1' || value[0] == 't');
}

int64_t pythia_field_number(const pythia_field *field)
{
	int64_t number;

	return field->value && pythia_int64_read(field->value, field->length, &number) ? number : 0;
}
