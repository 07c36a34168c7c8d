/*
 * A handler in several processes (option handlers).
 *
 * Where more waits than one turn hands over, the next changes of the handler's reading become a segment, which is
 * divided by key: every change of a key belongs to one share, so that its order holds.  A share is a row of
 * pythia.handler_share with a position of its own; whichever process is free takes one, goes on where it stands, and
 * commits changes and position together.  When all have come to the segment's end, the consumer moves there.  What
 * concerns a whole table (TRUNCATE) is a segment by itself: everything before it is done, and nothing after it has
 * begun.  Another number of processes holds from the next segment on.
 */
#ifndef PYTHIA_POSTGRES_JOBS_SHARE_H
#define PYTHIA_POSTGRES_JOBS_SHARE_H

#include "postgres.h"
#include "postgres/capture/catalog.h"
#include "postgres/jobs/handler.h"
#include "postgres/journal/consume.h"

/* Ends the segment whose shares are all done and divides what comes next; false where there is none. Ereports; in a
 * transaction, of the worker's process alone. */
extern bool pythia_segment_advance(const pythia_cdc_worker *worker);
/* Shares that are not done, in a transaction: indexes of at most `room`; returns how many. */
extern int pythia_shares_left(int32 worker_id, int *indexes, int room);

/* Takes a share for this process, unless another has it; until it is given back, or the process ends. */
extern bool pythia_share_take(int32 worker_id, int index);
extern void pythia_share_give_back(int32 worker_id, int index);

/* Loads a share that was taken, and holds it and the consumer until the transaction ends; false where it is done, or
 * void since the consumer was moved. */
extern bool pythia_share_load(int32 worker_id, pythia_share *share, pythia_consumer *consumer);
extern void pythia_share_save(int32 worker_id, const pythia_share *share);

#endif
