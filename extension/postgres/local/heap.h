/*
 * Rows straight into a heap of this database: values made by us, many at a time,
 * and where the table was empty its indexes built once the rows are there.  For
 * plain tables only; COPY does the others.
 */
#ifndef PYTHIA_POSTGRES_LOCAL_HEAP_H
#define PYTHIA_POSTGRES_LOCAL_HEAP_H

#include "postgres.h"

#include "core/rows.h"
#include "utils/relcache.h"

typedef struct local_heap local_heap;

/*
 * Begins to load the columns named by their numbers into a relation opened by the
 * caller, or returns NULL where it takes COPY: triggers, foreign keys, check
 * constraints, partitions, columns left out that have defaults, indexes that are not
 * ordinary ones.  Indexes get their entries in the end where the table is empty and the
 * caller's: it is locked against other writers then.  Elsewhere they get them with the rows.
 */
extern local_heap *local_heap_begin(Relation relation, const AttrNumber *columns, int ncolumns, MemoryContext parent);
/* Stores rows; their number is returned.  Raises what the rows or the table give reason to. */
extern uint64 local_heap_put(local_heap *heap, const pythia_rows *rows);
/*
 * Builds what indexes wait for the rows.  Other sessions cannot read the table from then
 * to the end of the transaction; where one is at it now, entries are made row by row,
 * which keeps nobody out.  Until it has run, the table must not be queried.
 */
extern void local_heap_end(local_heap *heap);
/* True where indexes lack entries: then the transaction must not go on without local_heap_end. */
extern bool local_heap_unfinished(const local_heap *heap);
extern void local_heap_free(local_heap *heap);

#endif
