/*
 * Rows that give way to others.  REPLACE deletes without a trigger of DELETE, so what is in the way of an INSERT or UPDATE
 * is logged before it ('B', of an update 'R').  By some indexes only SQLite can tell which row is
 * in the way of which: those are logged with the other one ('P', 'Q').  Whether it was done so shows in what is logged of that one: an OR
 * IGNORE or an upsert leaves them where they are.
 */
#ifndef PYTHIA_CAPTURE_SOURCE_LOG_REPLACED_H
#define PYTHIA_CAPTURE_SOURCE_LOG_REPLACED_H

#include "capture/capture.h"

typedef struct pythia_replaced_row
{
	char *key;
	char *image;
	char **values; /* of each column; NULL for SQL NULL */
	char **rival;  /* what it is in the way of; NULL: of whatever it excludes */
	bool update;   /* in the way of an UPDATE */
} pythia_replaced_row;

/* Those of one statement. */
typedef struct pythia_replaced_rows
{
	const pythia_capture_table *table;
	int *places; /* of the table's columns among those that are captured, or -1 */
	pythia_replaced_row *all;
	int count;
} pythia_replaced_rows;

/* Freed by pythia_replaced_rows_free. */
void pythia_replaced_rows_begin(pythia_replaced_rows *b, const pythia_capture_table *table);
void pythia_replaced_rows_add(pythia_replaced_rows *b, const char *key, const char *image, const pythia_field *values,
							  const pythia_field *rival, bool update);
/* A row was changed that looked so before: as one of them it is in nobody's way any more. */
void pythia_replaced_rows_changed(pythia_replaced_rows *b, const char *key, const char *image);
/*
 * One that has given way to a row of this key and these values, in an UPDATE of `old_key` or (NULL) an INSERT; it is
 * taken out and the caller's, to be freed.  False when there is none any more.
 */
bool pythia_replaced_rows_take(pythia_replaced_rows *b, const char *old_key, const char *key,
							   const pythia_field *values, pythia_replaced_row *taken);
void pythia_replaced_row_free(const pythia_capture_table *table, pythia_replaced_row *replaced_row);
void pythia_replaced_rows_forget(pythia_replaced_rows *b);
void pythia_replaced_rows_free(pythia_replaced_rows *b);

#endif
