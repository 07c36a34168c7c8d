/*
 * The interchange format: rows as text in the encoding of PostgreSQL's COPY
 * (tab between fields, newline after a row, \N for NULL, backslash escapes
 * \b \f \n \r \t \v \\).  PostgreSQL reads and writes it natively and MySQL's
 * LOAD DATA reads it almost natively, so a row is encoded once.
 * https://www.postgresql.org/docs/current/sql-copy.html, "Text Format"
 */
#ifndef PYTHIA_ROWS_H
#define PYTHIA_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"

/* A run of whole rows; the bytes belong to whoever made it. */
typedef struct pythia_rows
{
	const char *data;
	size_t length;
	uint64_t count; /* rows */
} pythia_rows;

/* Encoding: fields one after another, then the end of the row. */
typedef struct pythia_rows_writer
{
	pythia_buffer buffer;
	uint64_t count;
	bool in_row;
} pythia_rows_writer;

void pythia_rows_text(pythia_rows_writer *writer, const char *value, size_t length);
void pythia_rows_marked(pythia_rows_writer *writer, char mark, const char *value, size_t length); /* mark before it */
void pythia_rows_bytes(pythia_rows_writer *writer, const void *value, size_t length);             /* as \x… hex */
void pythia_rows_null(pythia_rows_writer *writer);
void pythia_rows_end(pythia_rows_writer *writer);
void pythia_rows_undo(pythia_rows_writer *writer); /* the fields since the last row's end */
void pythia_rows_clear(pythia_rows_writer *writer);
void pythia_rows_free(pythia_rows_writer *writer);
pythia_rows pythia_rows_view(const pythia_rows_writer *writer); /* valid until the writer changes */

/* Decoding. A field's text is decoded, NUL-terminated unless it was left in place, and valid until the next
 * call on the same reader. */
typedef struct pythia_field
{
	const char *value; /* NULL for SQL NULL */
	size_t length;
	bool in_place; /* a large value of bytes within the rows' own text, without a NUL */
} pythia_field;

typedef struct pythia_rows_reader
{
	const char *cursor;
	const char *end;
	pythia_buffer scratch;
	pythia_field *fields;
	int nfields; /* of the row just read */
	int capacity;
	bool in_place; /* the caller goes by lengths: large values of bytes may be left in place */
} pythia_rows_reader;

void pythia_rows_open(pythia_rows_reader *reader, const pythia_rows *rows); /* zero the reader before first use */
bool pythia_rows_next(pythia_rows_reader *reader);                          /* false at the end */
void pythia_rows_close(pythia_rows_reader *reader);
/* The bytes of a \x… field; false where it is not one. */
bool pythia_rows_unhex(const pythia_field *field, pythia_buffer *out);
/* A text, or where it is NULL the SQL NULL; a whole number. */
void pythia_rows_text_or_null(pythia_rows_writer *writer, const char *text);
void pythia_rows_integer(pythia_rows_writer *writer, int64_t value);

#endif
