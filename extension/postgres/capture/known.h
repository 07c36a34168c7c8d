/*
 * How the keys of a table are kept in pythia_tracked.tracked_<table_id>, which belongs to
 * the extension's owner: nothing but types and collations that come with
 * PostgreSQL, so that nobody's function is called when rows are compared or a
 * column changes its type.
 */
#ifndef PYTHIA_POSTGRES_CAPTURE_KNOWN_H
#define PYTHIA_POSTGRES_CAPTURE_KNOWN_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "postgres/capture/catalog.h"
#include "utils/relcache.h"

typedef struct pythia_known_column
{
	Oid type; /* of a domain what it is made of; text for a user's type */
	int32 typmod;
	Oid collation;
	bool as_text; /* by the output function of the table's own type */
} pythia_known_column;

extern pythia_known_column pythia_known_column_of(const FormData_pg_attribute *attribute);
/* The column's type and collation, for CREATE and ALTER TABLE. */
extern char *pythia_known_column_type(const pythia_known_column *column);
/* Appends the key column of row `t` as it is kept. */
extern void pythia_append_known_value(StringInfo out, const FormData_pg_attribute *attribute);
/* Appends the condition that known row `k` and row `t` have the same key. */
extern void pythia_append_known_condition(StringInfo out, Relation relation, const pythia_cdc_table *table);
/*
 * Appends, for each key column that may be NULL, `before` and that row `t` has a value there (`keyed`) or none, joined
 * by AND or OR as that says; polls do not tell rows without a key apart.
 */
extern void pythia_append_keyed(StringInfo out, Relation relation, const pythia_cdc_table *table, const char *before,
								bool keyed);
/* What brings values of key columns into the form in which they are kept; made once for many rows. */
typedef struct pythia_keeper
{
	const pythia_cdc_table *table;
	const char *column;
	bool as_text;
	bool by_value;
	int16 length;
	FmgrInfo output;
} pythia_keeper;

/* For the attributes (zero-based positions) of rows of type `desc` that are the table's key. */
extern pythia_keeper *pythia_keepers_make(const pythia_cdc_table *table, TupleDesc desc, const int *attributes);
/* A copy in the current memory context; ereports NULL, which identifies no row. */
extern Datum pythia_keep(pythia_keeper *keeper, Datum value, bool isnull);

#endif
