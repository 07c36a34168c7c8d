/* Interchange text into the server's own values: what is frequent by hand, the rest by the types' input functions. */
#ifndef PYTHIA_POSTGRES_LOCAL_VALUES_H
#define PYTHIA_POSTGRES_LOCAL_VALUES_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_attribute.h"
#include "core/rows.h"
#include "fmgr.h"

typedef struct local_value_reader
{
	Oid type;
	int32 typmod;
	FmgrInfo input;
	Oid parameter; /* of the input function */
} local_value_reader;

/* Prepares reading values of a column; what it keeps lives in `memory`. */
extern void local_value_reader_init(local_value_reader *reader, Form_pg_attribute attribute, MemoryContext memory);

/*
 * The value of a field of valid UTF-8, in a database whose encoding that is (of NULL
 * any); what it needs is allocated in the current memory context.  Raises what the
 * input function raises of a text that is no such value, or does not fit the column.
 */
extern Datum local_value_read(local_value_reader *reader, const pythia_field *field);

/* Whether rows of both have the same columns, of the same types: what was made for the one fits the other. */
extern bool local_same_types(TupleDesc a, TupleDesc b);

#endif
