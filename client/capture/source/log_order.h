/*
 * The changes of a SQLite log in the order in which they were made.
 *
 * SQLite fires the newest trigger first, and the actions of foreign keys before any.  Where one of them changes the row
 * again, the inner change is logged before the outer one: an UPDATE before the INSERT of its row.  What was logged of one
 * statement has one time (SQLite's 'now' stands still while it runs), and of one key each change begins where the one
 * before it ended: by that they are sorted.
 */
#ifndef PYTHIA_CAPTURE_SOURCE_LOG_ORDER_H
#define PYTHIA_CAPTURE_SOURCE_LOG_ORDER_H

#include "capture/capture.h"
#include "capture/source/log.h"

/* A change that waits; `number` is its row in the log, the texts are pythia_malloc'ed. */
typedef struct pythia_logged
{
	int64_t number;
	const char *change_type;
	char *key;
	char *old_data; /* NULL: the row was not there */
	char *new_data; /* NULL: it is gone */
	char *at;
} pythia_logged;

/* In the order of the log; {0} is empty. */
typedef struct pythia_log_order
{
	pythia_logged *changes;
	int count;
	int capacity;
} pythia_log_order;

/* Takes copies. */
void pythia_log_order_put(pythia_log_order *order, int64_t number, const pythia_capture_change *change);
/* Takes out what has this number or a later one: it will come again. */
void pythia_log_order_cut(pythia_log_order *order, int64_t number);
/*
 * Delivers all and empties it.  `place` has where the log holds each of the table's columns.  Reads the table's rows where
 * the changes of a key end where they began, so that any of them may have been the last: in the snapshot of the log,
 * while nothing else is being read.
 */
bool pythia_log_order_deliver(pythia_log_order *order, const pythia_capture_table *table, const pythia_log *log,
							  const int *place, pythia_capture_emit emit, void *context, pythia_error *error);
void pythia_log_order_free(pythia_log_order *order);

#endif
