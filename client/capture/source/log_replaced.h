/*
 * Rows that give way to others.  REPLACE deletes without a trigger of DELETE, so what is in the way of an INSERT or UPDATE
 * is logged before it ('B', of an update 'R').  By some indexes only SQLite can tell which row is
 * in the way of which: those are logged with the other one ('P', 'Q').  Whether it was done so is told by what is logged of that one: an OR
 * IGNORE or an upsert leaves them where they are.
 */
#ifndef PYTHIA_CAPTURE_SOURCE_LOG_REPLACED_H
#define PYTHIA_CAPTURE_SOURCE_LOG_REPLACED_H

#include "capture/capture.h"

typedef struct pythia_bystander
{
	char *key;
	char *image;
	char **values; /* of each column; NULL for SQL NULL */
	char **rival;  /* what it is in the way of; NULL: of whatever it excludes */
	bool update;   /* in the way of an UPDATE */
} pythia_bystander;

/* Those of one statement. */
typedef struct pythia_bystanders
{
	const pythia_capture_table *table;
	int *places; /* of the table's columns among those that are captured, or -1 */
	pythia_bystander *all;
	int count;
} pythia_bystanders;

/* Freed by pythia_bystanders_free. */
void pythia_bystanders_begin(pythia_bystanders *b, const pythia_capture_table *table);
void pythia_bystanders_add(pythia_bystanders *b, const char *key, const char *image, const pythia_field *values,
						   const pythia_field *rival, bool update);
/* A row was changed that looked so before: as one of them it is in nobody's way any more. */
void pythia_bystanders_changed(pythia_bystanders *b, const char *key, const char *image);
/*
 * One that has given way to a row of this key and these values, in an UPDATE of `old_key` or (NULL) an INSERT; it is
 * taken out and the caller's, to be freed.  False when there is none any more.
 */
bool pythia_bystanders_take(pythia_bystanders *b, const char *old_key, const char *key, const pythia_field *values,
							pythia_bystander *taken);
void pythia_bystander_free(const pythia_capture_table *table, pythia_bystander *bystander);
void pythia_bystanders_forget(pythia_bystanders *b);
void pythia_bystanders_free(pythia_bystanders *b);

#endif
