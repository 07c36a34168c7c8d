/*
 * Some rows of a table, chosen by their keys, brought to what the source has: for who knows which keys have changed
 * (live/).  The caller owns both transactions: the snapshot of the source in which rows are staged, and the
 * transaction of the target that holds everything.  Several windows may be open on one pair of connections.
 *
 * Of many tables: stage each, end the snapshot if that is dear, make room with children first where one is unique, then
 * upsert with parents first, then remove with children first.  After an error both transactions are to be rolled back, and the window to be closed.
 */
#ifndef PYTHIA_SYNC_WINDOW_H
#define PYTHIA_SYNC_WINDOW_H

#include "sync/sync.h"

typedef struct pythia_sync_window pythia_sync_window;

/* Looks at both tables and makes the stage, outside of transactions; the job is borrowed.  The job's config says
 * PYTHIA_SYNC_FULL, deletes hard, source_wins. Class USAGE where two rows of the source could become one of the target. */
bool pythia_sync_window_open(const pythia_sync_job *job, pythia_sync_window **window, pythia_error *error);
void pythia_sync_window_close(pythia_sync_window *window); /* NULL-safe; leaves the stage to the session's end */

/*
 * Reads the rows for which `changed` holds, a condition over the source's table (NULL: all rows of it), and the keys that
 * the query `gone` gives in the key's order (NULL: none): those of them that are among no rows read are to go.  With all
 * rows read, whatever the target holds beyond them goes, and `gone` is not asked.
 */
bool pythia_sync_window_stage(pythia_sync_window *window, const char *changed, const char *gone, pythia_error *error);
/* Whether the target has another unique key than the one that rows are told by. */
bool pythia_sync_window_is_unique(const pythia_sync_window *window);
/* Deletes of what is to go that which no row of the target refers to; of tables that have been staged, children first. */
bool pythia_sync_window_make_room(pythia_sync_window *window, pythia_error *error);
/* Stores the rows that were staged. */
bool pythia_sync_window_upsert(pythia_sync_window *window, pythia_error *error);
/* Deletes what is to go, and is still there. */
bool pythia_sync_window_remove(pythia_sync_window *window, pythia_error *error);
/* The target's transaction was rolled back: what an earlier one has left in the stage is there again.  NULL-safe. */
void pythia_sync_window_undone(pythia_sync_window *window);

/* PostgreSQL's constraints of the table that are DEFERRABLE are checked now, not at the commit. */
bool pythia_sync_window_check(pythia_sync_window *window, pythia_error *error);

/* The key's columns, in its order: positions in the source's table; borrowed. */
const pythia_table *pythia_sync_window_source(const pythia_sync_window *window, const int **key, int *nkey);
const pythia_table *pythia_sync_window_target(const pythia_sync_window *window);
/* What all its applications have done so far. */
const pythia_sync_result *pythia_sync_window_result(const pythia_sync_window *window);

#endif
