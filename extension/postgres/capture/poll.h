/* Between the parts of polling: the scan of one table and what it found. */
#ifndef PYTHIA_POSTGRES_CAPTURE_POLL_H
#define PYTHIA_POSTGRES_CAPTURE_POLL_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "postgres/capture/catalog.h"
#include "utils/relcache.h"

typedef struct pythia_scan
{
	pythia_cdc_worker *worker;
	pythia_cdc_table *table;
	MemoryContext memory;
	bool discard;              /* only look: at the start of a table */
	pythia_snapshot *snapshot; /* the rows are read with it */
	FullTransactionId *seen;   /* of pythia.seen, ascending */
	int nseen;

	/* results */
	int64 candidates; /* rows at or after low, without those of this very transaction */
	int64 captured;
	int64 greatest;           /* stamp, where the column holds numbers */
	int64 least;              /* stamp of the rows at or after low, while nothing was captured */
	FullTransactionId *young; /* transactions found that the snapshot alone will not tell */
	int nyoung;
} pythia_scan;

/* ---- scan.c ---- */

/* Reads the table at or after low with the active snapshot, as the current role, and appends what is new. */
extern void pythia_scan_run(pythia_scan *scan);

/* ---- probe.c ---- */

typedef enum pythia_probe
{
	PYTHIA_PROBE_UNSURE,  /* no index, a partitioned table, rights to some columns alone: ask the statement */
	PYTHIA_PROBE_NOTHING, /* no row at or after low is visible */
	PYTHIA_PROBE_ROWS
} pythia_probe;

/* Looks for a row at or after low with the active snapshot, as the current role; `least`: its stamp, where there is one. */
extern pythia_probe pythia_probe_table(const pythia_cdc_table *table, int64 *least);
/* ---- poll.c ---- */

/* The part of pythia_cdc_poll (postgres/jobs/dispatch.h) for tables of this database. */
extern int64 pythia_local_poll(pythia_cdc_worker *worker, bool isolate);

#endif
