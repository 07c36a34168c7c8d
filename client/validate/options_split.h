/* One object of options for verbs that take those of a validation and of a sync. */
#ifndef PYTHIA_VALIDATE_OPTIONS_SPLIT_H
#define PYTHIA_VALIDATE_OPTIONS_SPLIT_H

#include "core/node.h"

/* Divides `tree` (taken over; may be NULL) into a validation's own options and the rest, for
 * pythia_sync_config_read, which refuses unknown names.  `where` and `dry_run` go to the validation, and so does
 * what is nearly one of its names: refused there, it gets that name as a hint.  Both results are objects, the
 * caller's to free. */
void pythia_validate_split(pythia_node *tree, pythia_node **validate, pythia_node **config);

#endif
