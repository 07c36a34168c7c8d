/*
 * Rows that give way to others.  REPLACE deletes without a trigger of DELETE, so what is in the way of an INSERT or UPDATE
 * is logged before it ('B', of an update 'R').  Whether it was done so is told by what is logged of that one: an OR
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
	bool update;   /* in the way of an UPDATE */
} pythia_bystander;

/* Those of one statement. */
typedef struct pythia_bystanders
{
	const pythia_capture_table *table;
	const char *collations; /* by which values exclude each other */
	int *places;            /* of the table's columns among those that are captured, or -1 */
	pythia_bystander *all;
	int count;
} pythia_bystanders;

/* `collations` is borrowed; freed by pythia_bystanders_free. */
void pythia_bystanders_begin(pythia_bystanders *b, const pythia_capture_table *table, const char *collations);
void pythia_bystanders_add(pythia_bystanders *b, const char *key, const char *image, const pythia_field *values,
						   bool update);
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
