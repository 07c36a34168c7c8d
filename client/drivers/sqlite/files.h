/* Which files a connection of ours may touch: its database, and what SQLite keeps beside it. */
#ifndef PYTHIA_DRIVERS_SQLITE_FILES_H
#define PYTHIA_DRIVERS_SQLITE_FILES_H

#include <stdbool.h>

/* The layer between one connection and the system's files. */
typedef struct pythia_sqlite_files pythia_sqlite_files;

/* NULL where SQLite knows no files, or there is no memory. Freed by pythia_sqlite_files_free, once the connection is
 * closed. */
pythia_sqlite_files *pythia_sqlite_files_new(void);
void pythia_sqlite_files_free(pythia_sqlite_files *files);
/* The name by which sqlite3_open_v2 finds it. */
const char *pythia_sqlite_files_name(const pythia_sqlite_files *files);
/* The file beside the database that was refused last, by its whole path, or NULL; borrowed. */
const char *pythia_sqlite_files_refused(const pythia_sqlite_files *files);

/* Makes an empty database file, its owner's alone. False where something has that name already, or it cannot be made:
 * errno says why. */
bool pythia_sqlite_files_make(const char *path);
/* Takes the open database away, where it still is what was opened; for who has made it and locked it, and it is empty. */
void pythia_sqlite_files_unmake(const pythia_sqlite_files *files);

#endif
