/*
 * The state file of `pythia sync`: a SQLite database that remembers, for each
 * source, target and table, the watermark of the last run and the checkpoint of
 * an interrupted one, or those of its parts.
 */
#ifndef PYTHIA_CLI_STATE_H
#define PYTHIA_CLI_STATE_H

#include "core/buffer.h"
#include "drivers/driver.h"

/* What `pythia sync` is called beside other workers in a file. */
#define CLI_SYNC_WORKER "pythia sync"

typedef struct cli_state
{
	pythia_db *db;      /* NULL: nothing is remembered (a dry run) */
	char *path;         /* as it was given */
	char *file;         /* by which it is opened */
	int lock;           /* of PATH.lock, in which each table at work has a byte locked */
	const char *source; /* borrowed: cli_endpoint.name */
	const char *target;
} cli_state;

/* $XDG_STATE_HOME/pythia/NAME, or ~/.local/state/pythia/NAME; the folder is made
 * (mode 0700).  NULL after an error; the caller frees. */
char *cli_state_path(const char *name, pythia_error *error);

/* Makes the file where it is missing, for its owner alone.  Returns the path to open it by, the caller's to free; NULL, with
 * an error, where what is there is none. */
char *cli_state_make(const char *path, pythia_error *error);
/* Opens the file beside it that locks are taken on; -1 after an error. */
int cli_state_lock_file(const char *state, pythia_error *error);
/* Opens or makes the file at `path` (NULL: the default, sync.db). */
bool cli_state_open(cli_state *state, const char *path, const char *source, const char *target, bool release,
					pythia_error *error);
/* What is remembered in a copy of a state file is not acted on: class USAGE, SQLSTATE 55000; `release`: from now on it is. */
bool cli_state_at_home(pythia_db *db, const char *kind, const char *name, bool release, pythia_error *error);
/* Keeps other processes from the table while it is at work: two runs of one table would undo each other's
 * position.  Class USAGE, SQLSTATE 55006, where another has it. */
bool cli_state_lock(cli_state *state, const char *table, pythia_error *error);
void cli_state_unlock(cli_state *state, const char *table);
/* Whether any process is at work on the table with the state file at `path`; false also where that cannot be told. */
bool cli_state_is_locked(const char *path, const char *source, const char *target, const char *table);
/* What is remembered of a table; NULL where nothing is.  The caller frees. */
bool cli_state_load(cli_state *state, const char *table, char **watermark, char **checkpoint, pythia_error *error);
bool cli_state_store(cli_state *state, const char *table, const char *watermark, const char *checkpoint,
					 pythia_error *error);
bool cli_state_checkpoint(cli_state *state, const char *table, const char *checkpoint, pythia_error *error);
/* Of a table that is copied in parts: the ticket becomes its checkpoint; `again`: its parts stay as they are. */
bool cli_state_open_parts(cli_state *state, const char *table, const char *ticket, int nparts, bool again,
						  pythia_error *error);
/* What is remembered of one part: *checkpoint (the caller's) NULL where nothing is. */
bool cli_state_load_part(cli_state *state, const char *table, int part, char **checkpoint, bool *done,
						 pythia_error *error);
bool cli_state_store_part(cli_state *state, const char *table, int part, const char *checkpoint, bool done,
						  pythia_error *error);
void cli_state_close(cli_state *state);

/* FNV-1a of a text, carried on from `state`; begin with CLI_HASH_START. */
#define CLI_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t cli_hash(uint64_t state, const char *text);

/* A literal for SQLite; NULL becomes NULL. */
void cli_sqlite_literal(pythia_buffer *sql, const char *text);

#endif
