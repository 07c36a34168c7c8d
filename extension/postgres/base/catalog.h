/*
 * Access to the extension's own tables (schema pythia), which no other role may
 * touch: for the length of a statement the process acts as the extension's owner.
 */
#ifndef PYTHIA_POSTGRES_BASE_CATALOG_H
#define PYTHIA_POSTGRES_BASE_CATALOG_H

#include "postgres.h"

#include "executor/spi.h"

typedef struct pythia_identity
{
	Oid role;
	int context;
	int settings; /* nest level, or 0 */
} pythia_identity;

/* Between the two only text of ours runs; search_path is pg_catalog there, so tables
 * are named with their schema.  An error puts all back by itself, with the (sub)transaction. */
extern void pythia_catalog_enter(pythia_identity *before);
extern void pythia_catalog_leave(const pythia_identity *before);

/*
 * Runs one statement on the catalogue as the extension's owner; SPI must be
 * connected.  `values` and `nulls` ('n' or ' ') as in SPI_execute_with_args.
 * The plan is kept for the session under the address of `sql`, so that must be
 * a constant. The result is in SPI_tuptable and SPI_processed.
 */
extern void pythia_catalog_execute(const char *sql, int nargs, const Oid *types, const Datum *values,
								   const char *nulls);
/* The same where SPI is not connected and the result does not matter; returns how many rows there were. */
extern uint64 pythia_catalog_run(const char *sql, int nargs, const Oid *types, const Datum *values, const char *nulls);
/* The object `name` of schema pythia. */
extern Oid pythia_relation(const char *name);
/* The function of capture triggers. */
extern Oid pythia_capture_function(void);
/* A text as one of the values, and its place among the nulls; NULL is NULL. */
extern Datum pythia_text_or_null(const char *text, char *null);
/* Capture changes nothing on a standby: says so. */
extern void pythia_cdc_refuse_standby(void);

#endif
