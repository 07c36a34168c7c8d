/* Housekeeping of the journal: its three parts take turns. */
#ifndef PYTHIA_POSTGRES_CAPTURE_ROTATE_H
#define PYTHIA_POSTGRES_CAPTURE_ROTATE_H

#include "postgres.h"
/* Unread changes are kept this many times as long as read ones, a day at least, pythia_db.max_retention at most. */
#define PYTHIA_RETENTION_CAP 10
/* One round of housekeeping: when the current child has served its time, go on to the
 * next one if every consumer has read it (or is beyond the cap: marked lost). Own transaction. */
extern void pythia_journal_rotate(void);

/* Results of handlers are kept as long as the changes they are of: forgets some that are older. True where there may be
 * more, for another transaction. */
extern bool pythia_results_forget(void);

#endif
