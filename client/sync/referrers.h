/* Tables of the target that refer to the one that is written, by foreign keys. */
#ifndef PYTHIA_REFERRERS_H
#define PYTHIA_REFERRERS_H

#include "sync/run.h"

/* *any: another table refers to the target's.  *blocked (may be NULL): appended " AND NOT EXISTS (…)" for each foreign key
 * that would refuse to have a row t of the target deleted: true for the rows that nothing refers to. */
bool pythia_referrers(pythia_run *run, bool *any, pythia_buffer *blocked, pythia_error *error);

#endif
