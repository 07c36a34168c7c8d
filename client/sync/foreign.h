/* Foreign keys of a target that is MySQL, where they are checked row by row. */
#ifndef PYTHIA_FOREIGN_H
#define PYTHIA_FOREIGN_H

#include "sync/run.h"

/* A table that refers to itself is loaded with the checks off; one that refers to any on a single lane. */
bool pythia_foreign_begin(pythia_run *run, pythia_error *error);
/* Looks for rows whose parents are missing (class DATA, 23503), and turns the checks on again. */
bool pythia_foreign_end(pythia_run *run, pythia_error *error);

#endif
