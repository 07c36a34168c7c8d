/*
 * A copy of a SQLite database that holds workers does nothing by itself: it would empty the logs of the original's
 * sources and write to its targets.  For each worker the file is noted in which it was made; in another one it is held,
 * until it is released there.
 */
#ifndef PYTHIA_CAPTURE_HOME_H
#define PYTHIA_CAPTURE_HOME_H

#include "core/error.h"
#include "drivers/driver.h"

/* Made with a host's other tables. */
#define PYTHIA_HOME_TABLE                                                                                              \
	"CREATE TABLE IF NOT EXISTS main.pythia_home (kind TEXT NOT NULL, name TEXT NOT NULL, file TEXT NOT NULL,"         \
	" PRIMARY KEY (kind, name)) WITHOUT ROWID"

#define PYTHIA_HOME_CDC  "cdc"
#define PYTHIA_HOME_SYNC "sync"

/* The store's file is the worker's home from now on: when it is made, and when it is released; without `anew` only where
 * it has none.  A database in memory is none. */
bool pythia_store_home_note(pythia_db *store, const char *kind, const char *name, bool anew, pythia_error *error);
/* Changes nothing. */
bool pythia_store_home_held(pythia_db *store, const char *kind, const char *name, bool *held, pythia_error *error);
/* A worker that is held is class USAGE, SQLSTATE 55000; the host's own hint says how it is released. */
bool pythia_store_home_require(pythia_db *store, const char *kind, const char *name, pythia_error *error);
bool pythia_store_home_forget(pythia_db *store, const char *kind, const char *name, pythia_error *error);

#endif
