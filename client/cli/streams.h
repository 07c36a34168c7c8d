/* Several threads over one table: who offers its parts, and who joins in. */
#ifndef PYTHIA_CLI_STREAMS_H
#define PYTHIA_CLI_STREAMS_H

#include <pthread.h>

#include "cli/pair.h"
#include "cli/state.h"

typedef struct cli_table_streams cli_table_streams;

/* Shared by the threads of one command; zero it but for the lock. */
typedef struct cli_streams
{
	pthread_mutex_t *lock; /* the state file's, too */
	cli_state *state;
	int most;                /* streams at once */
	cli_table_streams *open; /* tables that are at work in parts */
} cli_streams;

/* What a table's run offers to other threads (pythia_sync_job.streams); borrows `table`. */
cli_table_streams *cli_streams_begin(cli_streams *all, const char *table, pythia_sync_streams *streams);
/* Lets nobody in any more, and waits until those who joined have left. */
void cli_streams_end(cli_table_streams *own);

/* Takes part in a table that is at work, if there is one with parts left: over the connections of `pair`, with
 * `callbacks` for quarantine and progress.  *table gets its name while it lasts.  False where there was nothing. */
bool cli_streams_help(cli_streams *all, cli_pair *pair, pythia_sync_callbacks *callbacks, const char **table);

#endif
