/* Where `low` may stand: every row stamped before it has been seen (see boundary.h). */
#ifndef PYTHIA_POSTGRES_CAPTURE_LOW_WATER_H
#define PYTHIA_POSTGRES_CAPTURE_LOW_WATER_H

#include "postgres.h"

#include "postgres/base/boundary.h"
#include "postgres/capture/catalog.h"

/*
 * The new low in the stamp's unit, or the old one where it has to stay.  For a
 * column of numbers `greatest` is the greatest one that the poll saw (or
 * PYTHIA_LOW_WATER_MINIMUM) and `seen_at` a clock read after its snapshot was taken;
 * table->history_* are brought up to date.
 */
extern int64 pythia_low_water_next(pythia_cdc_table *table, const pythia_boundary *boundary, TimestampTz seen_at,
								   int64 greatest);

/*
 * Where the clock was set back since low was written, low goes back as far: stamps are taken anew that
 * were passed already (what was captured is known by its transaction).  Returns whether it did.
 */
extern bool pythia_low_water_follow(pythia_cdc_table *table, const pythia_boundary *boundary);

/* The instant of a stamp; false where it has none (numbers, NULL kinds). */
extern bool pythia_stamp_instant(const pythia_cdc_table *table, Datum value, TimestampTz *instant);

/* The time, or the least or greatest one that PostgreSQL has. */
extern Timestamp pythia_time_within(int64 time);

/* Between a column's value and the number that low is kept as. `type` is the column's base type. */
extern int64 pythia_stamp_number(pythia_stamp_kind kind, Oid type, Datum value);
extern Datum pythia_stamp_datum(pythia_stamp_kind kind, Oid type, int64 number);

/* The kind of a column of this base type; PYTHIA_STAMP_NONE where it cannot serve. */
extern pythia_stamp_kind pythia_stamp_kind_of(Oid type);

/* Raises an error for a zone that does not exist ("any" does). */
extern void pythia_check_time_zone(const char *zone);

#endif
