/* The query that reads a trigger's log (log.h). */
#ifndef PYTHIA_CAPTURE_SOURCE_LOG_QUERY_H
#define PYTHIA_CAPTURE_SOURCE_LOG_QUERY_H

#include "capture/internal.h"

/* Columns before those of the two sides: number, operation, time, transaction, and what could not be logged. */
#define PYTHIA_LOG_META 5

/* Appends it: the log's rows from number `from` on (0: all), at most `most` of them (0: any number).  `place`: of each of
 * the table's columns in the log.  Returns the number of columns that its select list has. */
int pythia_log_query(const pythia_capture_table *table, const pythia_log *log, const int *place, int64_t from,
					 int64_t most, pythia_buffer *sql);

#endif
