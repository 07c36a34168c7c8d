/* Rows of ours into a table of ours: many at a time, indexes kept, no privileges asked. */
#ifndef PYTHIA_POSTGRES_BASE_TABLE_WRITER_H
#define PYTHIA_POSTGRES_BASE_TABLE_WRITER_H

#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/relcache.h"

typedef struct pythia_table_writer pythia_table_writer;

/*
 * Opens the table for writing. Lives in the current memory context and (sub)transaction.  Ereports (XX001) where it has
 * more columns than `most`, the number of values that rows will have.
 */
extern pythia_table_writer *pythia_table_writer_open(Oid relation, int most);
/* Rows written from now on will not be read soon: they leave the buffers to others. */
extern void pythia_table_writer_load(pythia_table_writer *writer);
/* By-reference values are made in here and live until the rows are written. */
extern MemoryContext pythia_table_writer_memory(pythia_table_writer *writer);
/* values and nulls for every column; copied. */
extern void pythia_table_writer_insert(pythia_table_writer *writer, const Datum *values, const bool *nulls);
extern void pythia_table_writer_update(pythia_table_writer *writer, ItemPointer row, const Datum *values,
									   const bool *nulls);
extern void pythia_table_writer_delete(pythia_table_writer *writer, ItemPointer row);
extern Relation pythia_table_writer_relation(pythia_table_writer *writer);
/* Writes what is left and lets go; locks stay until the transaction ends. */
extern void pythia_table_writer_close(pythia_table_writer *writer);

#endif
