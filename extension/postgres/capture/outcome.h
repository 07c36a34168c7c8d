/* What comes of a poll: who learns of it, and whose error it was. */
#ifndef PYTHIA_POSTGRES_CAPTURE_OUTCOME_H
#define PYTHIA_POSTGRES_CAPTURE_OUTCOME_H

#include "postgres.h"

#include "postgres/capture/catalog.h"

/* At commit: the process and the sessions that wait for the worker's changes, and by NOTIFY who listens. */
extern void pythia_cdc_tell(int32 worker_id);
/* Mistakes that only the user can mend: the table stops, the worker goes on. */
extern bool pythia_cdc_table_is_to_blame(void *unused, const ErrorData *error);

/* Whether it is something else than the table, its rows or its owner that may be over soon: a lock, a want of memory. */
extern bool pythia_cdc_table_is_busy(int sqlerrcode);
/* A background worker waits for the lock of no table so long that the others stand still; returns what AtEOXact_GUC takes. */
extern int pythia_cdc_wait_briefly(void);
/* Why the last poll of a table that goes on failed, or NULL: what stat_cdc shows. */
extern void pythia_cdc_note_reason(const pythia_cdc_table *table, const char *reason);

#endif
