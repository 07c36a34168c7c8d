/* The statement that reads a table at or after low. */
#ifndef PYTHIA_POSTGRES_CAPTURE_SCAN_PLAN_H
#define PYTHIA_POSTGRES_CAPTURE_SCAN_PLAN_H

#include "postgres.h"

#include "executor/spi.h"
#include "postgres/capture/catalog.h"

/* Result columns that every scan begins with. */
enum
{
	SCAN_XMIN,
	SCAN_TABLEOID,
	SCAN_CTID,
	SCAN_PLAIN, /* the row's own columns, where nothing is tracked */
	SCAN_KNOWN = SCAN_PLAIN,
	SCAN_KNOWN_HASH,
	SCAN_KNOWN_IMAGE,
	SCAN_TRACKED /* the row's own columns, where keys or rows are */
};

/* Positions of the columns to read (zero-based): images, key and stamp, each once; returns their number. */
extern int pythia_scan_columns(Relation relation, const pythia_cdc_table *table, int **needed);
/* A plan of the statement; `bounded`: with the parameter low, of type `stamp_type`. The caller frees it. */
extern SPIPlanPtr pythia_scan_prepare(Relation relation, const pythia_cdc_table *table, bool bounded, Oid stamp_type);
/* The bounded one, kept for the session while the table and its settings stay as they are. */
extern SPIPlanPtr pythia_scan_plan(Relation relation, const pythia_cdc_worker *worker, const pythia_cdc_table *table,
								   Oid stamp_type);

#endif
