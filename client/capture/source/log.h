/*
 * Trigger capture on a source that is not the store: the engine's own triggers
 * copy each change into a log table beside the table, in the writer's
 * transaction.  A log table belongs to one table of one worker.
 *
 * Whoever drains a log reads a batch, commits what it delivered and the batch's
 * numbers in its own store, deletes them from the log, and only then forgets
 * the numbers: what was delivered and is still in the log is not delivered again.
 */
#ifndef PYTHIA_CAPTURE_SOURCE_LOG_H
#define PYTHIA_CAPTURE_SOURCE_LOG_H

#include "capture/capture.h"

/*
 * In SQLite the log has two columns (o0, n0, …) for each of the table's, so that values stay what they are; in MySQL one
 * (c0, …) of the same type, and two rows an update, for no row may be larger than the table's own.  `columns`
 * tells what they hold: for each a line with the first number from which it
 * does, some letters for the type, and the column's name; an empty line where that is gone.  In
 * PostgreSQL there are two jsonb columns, so that the table may be altered
 * under the trigger, and `columns` is "".
 *
 * A trigger that fails does not make the writer fail: it logs the error ('E') in the change's place, which is delivered as
 * PYTHIA_NOT_LOGGED.  SQLite has no way to do that: what could fail there is refused when the trigger is made.
 */
typedef struct pythia_log
{
	char *name;    /* pythia_log_ and hexadecimal digits */
	char *columns; /* both are pythia_malloc'ed */
} pythia_log;

void pythia_log_free(pythia_log *log); /* and clears it */
/* A name that nobody else has. */
char *pythia_log_name(void);
/* Fails for any other name: what is stored may come from somebody who means another table, and logs are dropped. */
bool pythia_log_check_name(const char *name, pythia_error *error);

/* ---- trigger.c ---- */

/* Makes the log table and the triggers; log->name is given, log->columns filled.  What a failure leaves
 * behind pythia_log_remove takes away.  Outside of transactions, but for a wrapped SQLite handle. */
bool pythia_log_install(pythia_capture_table *table, pythia_log *log, pythia_error *error);
/* Also what is left of an installation that failed halfway. */
bool pythia_log_remove(pythia_db *source, const char *schema, const char *table, const char *log, pythia_error *error);
/* The statements that do the same by hand, for who cannot be reached; freed with pythia_free. */
char *pythia_log_removal(pythia_engine engine, const char *schema, const char *table, const char *log);
/*
 * Brings log and triggers in line with the table as it was just described: columns that came are logged
 * from now on, those that went are left out.  *changed: log->columns is new and to be stored.  Fails
 * (55000) where the triggers are gone, unless `mend`: then they are made anew; and where they do not see all changes any
 * more.  Outside of transactions, as install.
 */
bool pythia_log_fit(pythia_capture_table *table, pythia_log *log, bool mend, bool *changed, pythia_error *error);

/* As pythia_capture_table_open; a table that is not there any more under its name is looked for by its triggers, which
 * go with it.  `schema` is where its log is. */
bool pythia_log_table_open(pythia_db *db, pythia_descriptions *described, const char *name, const char *schema,
						   const char *log, const char *timestamp_column, const pythia_capture_config *config,
						   pythia_capture_table *table, pythia_error *error);

/* Which table has the log's triggers, whatever it is called by now: *name, as pythia_name_parse reads it, is the caller's;
 * NULL where none has. */
bool pythia_log_find_table(pythia_db *db, const char *schema, const char *log, char **name, pythia_error *error);

/* ---- log_numbers.c ---- */

/* Numbers of log rows, ascending. */
typedef struct pythia_log_numbers
{
	int64_t *numbers;
	int64_t count;
	int64_t capacity;
} pythia_log_numbers;

void pythia_log_numbers_add(pythia_log_numbers *numbers, int64_t number);
void pythia_log_numbers_sort(pythia_log_numbers *numbers);
void pythia_log_numbers_free(pythia_log_numbers *numbers);                       /* and clears it */
bool pythia_log_numbers_have(const pythia_log_numbers *numbers, int64_t number); /* sorted ones */

/* Rows in one batch of who keeps them in memory, and in one statement that deletes them. */
#define PYTHIA_TRIGGER_LOG_ROWS 10000
/* There it ends after so many bytes, too. */
#define PYTHIA_TRIGGER_LOG_BYTES (64 * 1024 * 1024)

/* The numbers of everything in the log. */
bool pythia_log_all(pythia_capture_table *table, const pythia_log *log, pythia_log_numbers *all, pythia_error *error);
/* Where a log is. */
typedef struct pythia_log_place
{
	const char *schema;
	const char *name;
} pythia_log_place;

/* Which of many logs hold nothing just now, by few statements: empty[i] is false where that is not known, too.  Fails
 * where the connection does, or is canceled. */
bool pythia_logs_empty(pythia_db *source, const pythia_log_place *logs, int count, bool *empty, pythia_error *error);
/*
 * Deletes exactly these rows: one between them may belong to a transaction that is still open.
 * *deleted is false where a lock is in the way: then another time.
 */
bool pythia_log_delete(pythia_db *source, const char *schema, const char *log, const pythia_log_numbers *numbers,
					   bool *deleted, pythia_error *error);

/* ---- log.c ---- */

/*
 * Delivers the changes of the next batch (`limit` rows and about `most` bytes, 0: any) but those numbered in
 * `done`; `read` gets the numbers of all rows read, *more is true where there may be others.  In a snapshot.
 */
bool pythia_log_read(pythia_capture_table *table, const pythia_log *log, int limit, size_t most,
					 const pythia_log_numbers *done, pythia_log_numbers *read, bool *more, pythia_capture_emit emit,
					 void *context, pythia_error *error);
/* The error of a table of which a change could not be logged, for `reason`: always false. */
bool pythia_log_not_logged(const char *table, const char *reason, pythia_error *error);

#endif
