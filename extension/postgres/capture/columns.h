/* Columns of a captured table, found by their names. */
#ifndef PYTHIA_POSTGRES_CAPTURE_COLUMNS_H
#define PYTHIA_POSTGRES_CAPTURE_COLUMNS_H

#include "postgres.h"
#include "capture/config.h"
#include "utils/relcache.h"
/* Position of a column (zero-based); ereports a missing one (42703, with a hint). */
extern int pythia_column_position(Relation relation, const char *name);
/* Refuses a key of columns that triggers do not see, where they capture, and warns of others that images will not hold. */
extern void pythia_check_unseen_columns(Relation relation, const pythia_capture_config *config, int nkey, char **key);
/* Gives the columns of the relation, in order, that an image holds: none that is virtual where triggers capture.  Positions
 * are zero-based. */
extern int pythia_image_columns(Relation relation, const pythia_capture_config *config, int **positions);

#endif
