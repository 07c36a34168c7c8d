/*
 * Tables of another database: read through the engine's source half, known row by
 * row in pythia.remote_row, or captured by triggers over there.
 */
#ifndef PYTHIA_POSTGRES_REMOTE_POLL_H
#define PYTHIA_POSTGRES_REMOTE_POLL_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "postgres/capture/catalog.h"

/* Definitions (pythia_cdc_definition) of the worker's patterns over there; ereports what is wrong. */
extern List *pythia_remote_resolve(const pythia_cdc_worker *worker);
/* A table's first state: the next poll starts it, `start_as` ("now", "beginning") or, NULL, as its options say. */
extern void pythia_remote_prepare(pythia_cdc_table *table, const char *start_as);
/* Forgets what is known of a table; its triggers go when this transaction commits. */
extern void pythia_remote_forget(const pythia_cdc_worker *worker, const pythia_cdc_table *table);
/* Polls every active table in the current transaction; returns the number of changes captured.
 * With `isolate` a table that fails is stopped while the others go on. */
extern int64 pythia_remote_poll(pythia_cdc_worker *worker, bool isolate);
/* The same in a background worker, outside of transactions: those it makes are short.
 * *again: there is more to be had at once. False where a session polls just now. */
extern bool pythia_remote_turn(int32 worker_id, bool *again, TimestampTz *next_look);

/* Triggers that go with this transaction, if it is rolled back or when it commits. */
extern void pythia_remote_triggers_come(const pythia_cdc_worker *worker, const pythia_cdc_table *table);
extern void pythia_remote_triggers_go(const pythia_cdc_worker *worker, const pythia_cdc_table *table);
/* Those of all workers, before the extension is dropped; never fails. */
extern void pythia_remote_all_triggers_go(void);

#endif
