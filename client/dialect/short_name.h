/* Names of tables for people. */
#ifndef PYTHIA_SHORT_NAME_H
#define PYTHIA_SHORT_NAME_H

#include "drivers/driver.h"

/* The shortest text that pythia_name_parse reads as the same table: without the schema where it is
 * the database's default one, without quotes where the words are plain.  The caller frees. */
char *pythia_short_name(const pythia_db *db, const char *name);
/* The same for each name of a list, in place; drops our own tables (pythia_* in SQLite). */
void pythia_short_names(const pythia_db *db, char **names, int *count);

#endif
