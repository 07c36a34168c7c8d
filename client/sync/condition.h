/* A condition in the source's words, said of the target's table. */
#ifndef PYTHIA_CONDITION_H
#define PYTHIA_CONDITION_H

#include "core/buffer.h"
#include "sync/plan.h"

/*
 * Appends `condition` (SQL of the source's engine over its table) with the target's names: columns that are paired
 * under other names, the table's own name before a column, and quotes as the target's engine writes them.
 * Strings keep their text, and comments go; what functions and operators mean to another engine is the user's care.
 * False where it is no condition, or none in the target's SQL.
 */
bool pythia_condition_translate(const pythia_plan *plan, pythia_engine from, pythia_engine to, const char *condition,
								pythia_buffer *out, pythia_error *error);

#endif
