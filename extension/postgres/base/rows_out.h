/* Returning composite values and sets of them. */
#ifndef PYTHIA_POSTGRES_BASE_ROWS_OUT_H
#define PYTHIA_POSTGRES_BASE_ROWS_OUT_H

#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/tuplestore.h"

typedef struct pythia_rows_out
{
	Tuplestorestate *store;
	TupleDesc desc;
} pythia_rows_out;

/* Materialises the set; put rows with tuplestore_putvalues, then return (Datum) 0. */
extern void pythia_rows_out_begin(FunctionCallInfo fcinfo, pythia_rows_out *out);
/* The composite value of a function that returns one row. */
extern Datum pythia_row_out(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

#endif
