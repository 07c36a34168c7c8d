/*
 * A small result of a query, held in memory.
 *
 * What a server or a file answers is data, and may be anything: NULL where a catalog has none, a word where a
 * number belongs, two columns instead of nine.  So a query names the shape of the answer, the whole of it is looked
 * at when it comes, and what does not fit is an error (08P01).  What is read from a result afterwards is there, and
 * is what it is read as.
 *
 * A shape has a letter for each column, the capital one where NULL may come:
 *
 *   t  a text: UTF-8, no NUL byte       n  a whole number that an int64_t holds
 *   b  a truth value: 0, 1, f or t      d  digits: a whole number, not negative, of any size
 *   c  a count: whole, not negative, and small enough to be added up (at most 10^14)
 *   v  a value: any bytes               *  any number of columns like the one before, also none
 *
 * A 1 before the letters wants exactly one row.
 */
#ifndef PYTHIA_RESULT_H
#define PYTHIA_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/rows.h"

/* Bytes of a result in memory. */
#define PYTHIA_LARGEST_RESULT (256 << 20)

typedef struct pythia_db pythia_db;

typedef struct pythia_result
{
	int ncolumns;
	int64_t nrows;
	size_t bytes; /* that it takes, about */
	char *shape;  /* a letter for each column; NULL: nobody has looked at it yet */
	/* cells[row * ncolumns + column], NULL for SQL NULL, with a NUL after the last byte.  For drivers, who fill
	 * them; all others read by the functions below. */
	char **cells;
	size_t *lengths;
} pythia_result;

void pythia_result_free(pythia_result *result); /* and clears it */

bool pythia_db_query(pythia_db *db, const char *sql, const char *shape, pythia_result *result, pythia_error *error);
/* What follows a driver's send; `sql` is what was sent, for the message. */
bool pythia_db_receive(pythia_db *db, const char *sql, const char *shape, pythia_result *result, pythia_error *error);

/* Of a t, d or v: never NULL. */
const char *pythia_result_text(const pythia_result *result, int64_t row, int column);
/* Of any; NULL for SQL NULL. */
const char *pythia_result_optional(const pythia_result *result, int64_t row, int column);
/* Bytes of a value; 0 for NULL. */
size_t pythia_result_length(const pythia_result *result, int64_t row, int column);
/* Of an n or c. */
int64_t pythia_result_number(const pythia_result *result, int64_t row, int column);
/* Of an N or C. */
int64_t pythia_result_number_or(const pythia_result *result, int64_t row, int column, int64_t fallback);
/* Of a b or B; NULL is false. */
bool pythia_result_true(const pythia_result *result, int64_t row, int column);

/* Shorthands for one value.  *text is the caller's, NULL for no row or NULL. */
bool pythia_db_text(pythia_db *db, const char *sql, char **text, pythia_error *error);
/* A whole number that must come. */
bool pythia_db_number(pythia_db *db, const char *sql, int64_t *number, pythia_error *error);
/* A count that must come. */
bool pythia_db_count(pythia_db *db, const char *sql, int64_t *count, pythia_error *error);
/* A number that need not: `fallback` for no row or NULL. */
bool pythia_db_number_or(pythia_db *db, const char *sql, int64_t fallback, int64_t *number, pythia_error *error);
/* True in *there where the query gives a row. */
bool pythia_db_any(pythia_db *db, const char *sql, bool *there, pythia_error *error);

/* The same for a row of a stream. */
bool pythia_db_fields(const pythia_db *db, const pythia_rows_reader *row, const char *shape, pythia_error *error);
int64_t pythia_field_number(const pythia_field *field); /* of an n */

/* For drivers: appends one row to a result; its values are copied (NULL for SQL NULL).  False (08P01) where there are more than
 * memory should hold: results are small, and what is large is streamed. */
bool pythia_result_add(const pythia_db *db, pythia_result *result, int64_t *capacity, const char *const *values,
					   const size_t *lengths, pythia_error *error);

/* An answer that is none: 08P01. Returns false. */
bool pythia_db_bad_answer(const pythia_db *db, pythia_error *error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
