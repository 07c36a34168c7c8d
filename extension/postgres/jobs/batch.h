/* What a turn hands to a handler, within its transaction. */
#ifndef PYTHIA_POSTGRES_JOBS_BATCH_H
#define PYTHIA_POSTGRES_JOBS_BATCH_H

#include "postgres.h"

#include "fmgr.h"
#include "postgres/capture/catalog.h"
#include "postgres/capture/change.h"
#include "postgres/jobs/handler.h"
#include "utils/hsearch.h"

typedef struct pythia_batch_item
{
	int64 change_id;
	int32 table_id;
	bool whole; /* it concerns the table and every key in it */
	uint64 key; /* of the key and its table */
	Datum change;
	bool retried; /* it comes from pythia.failed_change */
	int attempts;
} pythia_batch_item;

typedef struct pythia_batch
{
	pythia_cdc_worker *worker;
	pythia_change_maker *maker;
	MemoryContext memory;
	FmgrInfo handler;
	pythia_batch_item *items;
	int count;
	int capacity;
	Size bytes;
	int64 max;
	int64 piece;   /* items that are gathered at once */
	HTAB *waiting; /* keys with an earlier change that is not done; also their tables, and tables as a whole */
	bool any_waiting;
	int64 budget; /* calls that may yet be made */
	TimestampTz began;
	pythia_handling *handling;
	int failed_at; /* where the last run stopped, or -1 */
} pythia_batch;

/* ---- batch.c: order within a key, time ---- */

/* Fills in whole and key; key is the entry's primary_key (jsonb), or 0 of what concerns the whole table. */
extern void pythia_batch_set_key(pythia_batch_item *item, Datum key);
/* Whether it belongs to the share that is handed over; anything does where there are no shares. */
extern bool pythia_batch_has(const pythia_batch *b, const pythia_batch_item *item);
/* Later changes of its key wait from now on. */
extern void pythia_batch_add_waiting(pythia_batch *b, const pythia_batch_item *item);
extern bool pythia_batch_must_wait(const pythia_batch *b, const pythia_batch_item *item);

/* What was handed over is committed after so long, though more waits: a stop loses little, and progress shows. */
#define PYTHIA_TURN_MS 1000
extern bool pythia_batch_is_late(const pythia_batch *b);

/* ---- failed_change.c: the rows of pythia.failed_change ---- */

/* Writes one down as failed (error given) or as waiting for an earlier one. */
extern void pythia_failed_write(pythia_batch *b, pythia_batch_item *item, const ErrorData *error);
extern void pythia_failed_forget(const pythia_batch *b, const pythia_batch_item *item);
/* Hands over those that are due, in order, each by `run`; of the others the keys wait. False where there was no time
 * for all. */
extern bool pythia_failed_run(pythia_batch *b, void (*run)(pythia_batch *b, const pythia_batch_item *item));
/* Whether one is due, or waits for one that is. */
extern bool pythia_failed_due(const pythia_cdc_worker *worker);

#endif
