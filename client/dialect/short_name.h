/* Names of tables for people. */
#ifndef PYTHIA_SHORT_NAME_H
#define PYTHIA_SHORT_NAME_H

#include "drivers/driver.h"

/* Makes of each name, in place, the shortest text that pythia_name_parse reads as the same table: without the
 * schema where it is the database's default one, without quotes where the words are plain.  Drops our own tables
 * (pythia_* in SQLite). */
void pythia_short_names(const pythia_db *db, char **names, int *count);

#define PYTHIA_NAME_ROOM 300
/* For a message that puts quotes around a table's name itself: S.la b of "S"."la b".  In room, or name where nothing is to
 * be done; what is too long is cut. */
const char *pythia_name_shown(const char *name, char room[PYTHIA_NAME_ROOM]);

#endif
