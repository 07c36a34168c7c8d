/* Options "type_map" and "default_map": what the user says of columns that are made. */
#ifndef PYTHIA_MAPS_H
#define PYTHIA_MAPS_H

#include "sync/sync.h"

/* The type that the user gives the column in the target, as its engine spells it; *type is borrowed, NULL where he says
 * nothing.  What is said of the column goes before what is said of its type.  42704 where the target knows no such type. */
bool pythia_map_type(const pythia_sync_job *job, const pythia_column *column, const char **type, pythia_error *error);
/* *mapped: the user gives the column a default (`value`, to be freed), or takes its own away. 42601 where it is none that the target's
 * engine can be told. */
bool pythia_map_default(const pythia_sync_job *job, const pythia_column *column, const pythia_type *type, bool *mapped,
						pythia_default *value, pythia_error *error);

#endif
