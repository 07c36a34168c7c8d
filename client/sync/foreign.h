/* Foreign keys of the target: MySQL checks them row by row, PostgreSQL statement by statement. */
#ifndef PYTHIA_FOREIGN_H
#define PYTHIA_FOREIGN_H

#include "sync/run.h"

/* MySQL: a table that refers to itself is loaded with the checks off, one that refers to any on a single connection.
 * PostgreSQL: finds out whether it refers to itself. */
bool pythia_foreign_begin(pythia_run *run, pythia_error *error);
/* Looks for rows whose parents are missing, of this table and of those that refer to it (class DATA, 23503), and turns the checks on again. */
bool pythia_foreign_end(pythia_run *run, pythia_error *error);
/* After a failure: turns the checks on again. */
void pythia_foreign_restore(pythia_run *run);

#endif
