/*
 * What triggers capture, on its way to the journal.
 *
 * Entries are numbered when the trigger fires and gathered in memory; they are
 * written before the transaction commits or is prepared, or when there are
 * many.  An entry belongs to the subtransaction it was made in: what that one
 * has gathered goes with it when it is rolled back, and is only ever written
 * within it.  Numbers, not places, make the order.
 */
#ifndef PYTHIA_POSTGRES_CAPTURE_GATHER_H
#define PYTHIA_POSTGRES_CAPTURE_GATHER_H

#include "postgres.h"

#include "postgres/journal/journal.h"

/* What one subtransaction has gathered; goes with it. */
typedef struct pythia_gathered pythia_gathered;

/* Before anything else here, in each session; again is no harm. */
extern void pythia_gather_set_up(void);
/* Of the current subtransaction. */
extern pythia_gathered *pythia_gather_here(void);
/* Where an entry's values are to be made. */
extern MemoryContext pythia_gather_memory(const pythia_gathered *part);
/* A new entry, all zero, to be filled in. */
extern pythia_journal_entry *pythia_gather_add(pythia_gathered *part);
/* Writes what the current subtransaction has gathered where that is much; between two rows. */
extern void pythia_gather_bound(void);
/* Writes what this transaction has gathered so far, so that it can read it itself. */
extern void pythia_gather_flush(void);

#endif
