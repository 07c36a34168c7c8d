/*
 * Several tables of one sync worker at once.  The worker's own process and its
 * helpers do the same: they go through the tables that are due and take those
 * that no other has.  A lock of the process says who has a table, so whoever dies
 * leaves it to the next turn.
 */
#ifndef PYTHIA_POSTGRES_SYNC_PARALLEL_H
#define PYTHIA_POSTGRES_SYNC_PARALLEL_H

#include "core/references.h"
#include "postgres/sync/run.h"
#include "postgres/worker/worker.h"

/* The tables of a turn, and which has to wait for which (order.h); palloc'ed. */
typedef struct pythia_table_order
{
	List *names;
	int count;
	pythia_references waits;
} pythia_table_order;

/* Asks both sides for their foreign keys; ereports. */
extern pythia_table_order *pythia_table_order_make(const pythia_sides *sides, List *names);

/* None waits for any. */
extern pythia_table_order *pythia_table_order_plain(List *names);

/* Takes a table, unless another process has it; ends when given back, or with the process. */
extern bool pythia_table_take(int32 worker_id, const char *name);
extern void pythia_table_give_back(int32 worker_id, const char *name);
/* Which process has it, or 0; in a transaction. */
extern int pythia_table_taker(int32 worker_id, const char *name);
/* Returns when no process has a table that this one (by its position) has to wait for. */
extern void pythia_table_wait(int32 worker_id, const pythia_table_order *order, int position);

#endif
