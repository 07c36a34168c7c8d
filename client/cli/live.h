/* `pythia sync --mode live`: its options, and the loop of windows. */
#ifndef PYTHIA_CLI_LIVE_H
#define PYTHIA_CLI_LIVE_H

#include "cli/pair.h"
#include "core/retry.h"
#include "live/live.h"

extern const cli_option cli_live_options[];

typedef struct cli_live
{
	const cli_args *args;
	cli_pair *pair; /* borrowed; its connections are another's */
	pythia_db *source;
	pythia_db *target;
	pythia_live *live;
	bool refresh; /* not done yet */
	pythia_retry retry;
	int64_t told_at; /* monotonic milliseconds */
} cli_live;

/* Whether the command is to run live.  From then on its arguments say full, as each table is copied. Class USAGE for options
 * that have no place beside it, or only beside it. */
bool cli_live_check(cli_args *args, bool *live, pythia_error *error);
/* What the copies of a live sync have to do, whatever is said elsewhere. */
void cli_live_configure(cli_pair *pair);

void cli_live_init(cli_live *live, const cli_args *args, cli_pair *pair);
/* Opens databases and worker, anew where they are open. */
bool cli_live_open(cli_live *live, pythia_error *error);
/* Windows until the command is to end (true), or something fails. */
bool cli_live_follow(cli_live *live, pythia_error *error);
/* Names the tables that are put aside; true where there are any. */
bool cli_live_tell_aside(const cli_live *live);
/* After a failure: waits and is true where it is worth another try, the error told; else it is left. */
bool cli_live_again(cli_live *live, pythia_error *error);
void cli_live_close(cli_live *live);
/* --drop: takes the worker away; the exit code. */
int cli_live_drop(const cli_args *args, cli_pair *pair);

#endif
