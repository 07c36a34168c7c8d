/* pg_snapshot values: what was visible at a moment, in 64-bit transaction ids. */
#ifndef PYTHIA_POSTGRES_JOURNAL_SNAPSHOT_H
#define PYTHIA_POSTGRES_JOURNAL_SNAPSHOT_H

#include "postgres.h"

#include "access/transam.h"
#include "utils/xid8.h"

/* The layout of pg_snapshot (PostgreSQL's utils/adt/xid8funcs.c), which is a stored type and so does not change. */
typedef struct pythia_snapshot
{
	int32 varlena_header;
	uint32 running_count;
	FullTransactionId xmin;                           /* everything below had ended */
	FullTransactionId xmax;                           /* nothing from here on had begun */
	FullTransactionId running[FLEXIBLE_ARRAY_MEMBER]; /* top-level transactions between, ascending */
} pythia_snapshot;

/* Of the active snapshot. With `hide_own` the current transaction counts as running
 * whenever it has an id.  palloc'ed. */
extern pythia_snapshot *pythia_snapshot_take(bool hide_own);
/* True where a top-level transaction had committed or aborted. */
extern bool pythia_snapshot_has(const pythia_snapshot *snapshot, FullTransactionId xid);
/* One in which nothing is visible, and one of a moment before every transaction still open. */
extern pythia_snapshot *pythia_snapshot_empty(void);

/* The 64-bit id of a row's xmin, which must not lie in the future. */
extern FullTransactionId pythia_full_xid(TransactionId xid, FullTransactionId next);

/* Raises an error where the snapshot is of another cluster: it names transactions yet to come. */
extern void pythia_snapshot_check(const pythia_snapshot *snapshot, const char *what, const char *hint);

#endif
