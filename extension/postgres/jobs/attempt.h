/*
 * Calls of a handler that end their process.
 *
 * Such a call cannot be recorded afterwards, so it is noted before, in a transaction of its own: by the number of its
 * change, or as 0 for a batch.  The transaction of the call takes the note back.  A note that a new process finds is of
 * a call that did not come back; where it was a batch, its changes are then handled one by one, and the one that ends
 * the process again has failed.
 */
#ifndef PYTHIA_POSTGRES_JOBS_ATTEMPT_H
#define PYTHIA_POSTGRES_JOBS_ATTEMPT_H

#include "postgres.h"

#include "postgres/jobs/handler.h"

/* Of a share, or (NULL) of what one process hands over alone.  What the process before left: true where a call did not
 * come back; *change_id is its change, or 0. */
extern bool pythia_attempt_left(int32 worker_id, const pythia_share *share, int64 *change_id);
extern void pythia_attempt_note(int32 worker_id, const pythia_share *share, int64 change_id);
extern void pythia_attempt_forget(int32 worker_id, const pythia_share *share);
/* No process of the worker's is left that calls.  False where another session has locked what tells so: nothing waits for it. */
extern bool pythia_attempt_forget_all(int32 worker_id);

/* The failure of such a call. */
extern ErrorData *pythia_attempt_error(void);
#define PYTHIA_ATTEMPT_SQLSTATE "57P02"

/* Whether a change is due that failed so before: it is better called alone. */
extern bool pythia_attempt_suspects(int32 worker_id);

#endif
