/* What comes of a poll: who is told, and whose error it was. */
#ifndef PYTHIA_POSTGRES_CAPTURE_OUTCOME_H
#define PYTHIA_POSTGRES_CAPTURE_OUTCOME_H

#include "postgres.h"
/* At commit: the process and the sessions that wait for the worker's changes, and by NOTIFY who listens. */
extern void pythia_cdc_tell(int32 worker_id);
/* Mistakes that only the user can mend: the table stops, the worker goes on. */
extern bool pythia_cdc_table_is_to_blame(void *unused, const ErrorData *error);

#endif
