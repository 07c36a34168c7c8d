/*
 * The state file of `pythia sync`: a SQLite database that remembers, for each
 * source, target and table, the watermark of the last run and the checkpoint of
 * an interrupted one.
 */
#ifndef PYTHIA_CLI_STATE_H
#define PYTHIA_CLI_STATE_H

#include "core/buffer.h"
#include "drivers/driver.h"

typedef struct cli_state
{
	pythia_db *db; /* NULL: nothing is remembered (a dry run) */
	char *path;
	const char *source; /* borrowed: cli_place.name */
	const char *target;
} cli_state;

/* $XDG_STATE_HOME/pythia/NAME, or ~/.local/state/pythia/NAME; the folder is made
 * (mode 0700).  NULL after an error; the caller frees. */
char *cli_state_path(const char *name, pythia_error *error);

/* Opens or makes the file at `path` (NULL: the default, sync.db). */
bool cli_state_open(cli_state *state, const char *path, const char *source, const char *target, pythia_error *error);
/* What is remembered of a table; NULL where nothing is.  The caller frees. */
bool cli_state_load(cli_state *state, const char *table, char **watermark, char **checkpoint, pythia_error *error);
bool cli_state_store(cli_state *state, const char *table, const char *watermark, const char *checkpoint,
					 pythia_error *error);
bool cli_state_checkpoint(cli_state *state, const char *table, const char *checkpoint, pythia_error *error);
void cli_state_close(cli_state *state);

/* A literal for SQLite; NULL becomes NULL. */
void cli_sqlite_literal(pythia_buffer *sql, const char *text);

#endif
