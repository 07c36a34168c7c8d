/* Entries of the journal as rows of pythia.database_change. */
#ifndef PYTHIA_POSTGRES_CAPTURE_CHANGE_H
#define PYTHIA_POSTGRES_CAPTURE_CHANGE_H

#include "postgres.h"
#include "access/tupdesc.h"
#include "postgres/capture/catalog.h"
#include "postgres/journal/consume.h"
typedef struct pythia_change_maker pythia_change_maker;
/* Tables that the worker was loaded without are looked up when a change is of one. */
extern pythia_change_maker *pythia_change_maker_make(const pythia_cdc_worker *worker);
extern TupleDesc pythia_change_desc(pythia_change_maker *maker);
/* Fills ten values; texts are palloc'ed in the current context. */
extern void pythia_change_values(pythia_change_maker *maker, const pythia_entry *entry, Datum *values, bool *nulls);

#endif
