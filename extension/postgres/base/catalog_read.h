/*
 * Reading the extension's own tables straight by an index.  For what is read at
 * every poll: there a statement would cost ten times as much, and would count in
 * pg_stat_statements.
 */
#ifndef PYTHIA_POSTGRES_BASE_CATALOG_READ_H
#define PYTHIA_POSTGRES_BASE_CATALOG_READ_H

#include "postgres.h"

#include "access/genam.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"

typedef struct pythia_reading
{
	Relation relation;
	Relation index;
	Snapshot snapshot;
	IndexScanDesc scan;
	TupleTableSlot *slot;
} pythia_reading;

/*
 * The rows of pythia.`table` whose leading columns of pythia.`index` equal the
 * values (integers or texts), in the index's order, as this transaction sees them.
 */
extern void pythia_reading_begin(pythia_reading *reading, const char *table, const char *index, int count,
								 const Datum *values);
/* The same as committed by now, whatever the transaction's isolation hides. */
extern void pythia_reading_begin_now(pythia_reading *reading, const char *table, const char *index, int count,
									 const Datum *values);
/* False where there is none left. */
extern bool pythia_reading_next(pythia_reading *reading);
/* Of the row: valid until the next one. */
extern Datum pythia_reading_value(pythia_reading *reading, const char *column, bool *isnull);
extern void pythia_reading_end(pythia_reading *reading);

#endif
