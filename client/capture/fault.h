/*
 * Whose fault an error is, by its SQLSTATE: it decides what stops, and what is tried again.
 * There is one table of rules, for every host.
 */
#ifndef PYTHIA_CAPTURE_FAULT_H
#define PYTHIA_CAPTURE_FAULT_H

#include <stdbool.h>

#include "core/error.h"

typedef enum pythia_fault
{
	PYTHIA_FAULT_OURS,   /* of the store, of the machine here, of the program: the worker fails as a whole */
	PYTHIA_FAULT_SOURCE, /* of the source, and for now: nothing stops, all is tried again later */
	PYTHIA_FAULT_TABLE,  /* of the table: it stops with the reason, the others go on */
	PYTHIA_FAULT_CANCEL  /* somebody's wish */
} pythia_fault;

/* Of an error that reading a table brought; by its SQLSTATE alone. */
extern pythia_fault pythia_fault_of_state(const char *sqlstate);
/* Of an error of the engine, whose class says more than some SQLSTATEs do. */
extern pythia_fault pythia_fault_of(const pythia_error *error);
/*
 * Of an error that one of several tables brought, by a connection that is `broken` or not.  TABLE: it stops; SOURCE: it is
 * passed over, for what ails the source now may ail this table alone, a lock say; the others are read in both cases.
 * OURS or CANCEL: nothing more can be read.
 */
extern pythia_fault pythia_fault_among_tables(const pythia_error *error, bool broken);

#endif
