/*
 * Following the changes of tables, for `pythia cdc` and `pythia run`: a worker in
 * a SQLite state file, one for each consumer, polled without a journal.  Its
 * position is kept only after the changes have been delivered.
 */
#ifndef PYTHIA_CLI_FOLLOW_H
#define PYTHIA_CLI_FOLLOW_H

#include "capture/capture.h"
#include "cli/connect.h"
#include "core/retry.h"

typedef struct cli_follow_request
{
	const char *url;
	char *const *tables; /* ntables of them */
	int ntables;
	const char *timestamp_column;
	const pythia_node *options; /* of the worker (start_from included), or NULL */
	const char *state;          /* file; NULL: one of its own in XDG_STATE_HOME */
	const char *consumer;
	bool restart; /* forget the consumer's position */
	bool release; /* in a copy of the state file the consumer goes on, and no longer with the original */
} cli_follow_request;

typedef struct cli_follow
{
	const cli_follow_request *request;
	cli_endpoint source;
	pythia_db *store;
	pythia_capture *capture;
	char *state; /* path of the file, as it was given */
	char *file;  /* by which it is opened */
	int lock;    /* of the state file, held while it is followed */
	pythia_retry retry;
} cli_follow;

/* Opens source and state; a consumer that is new gets its starting position.  A consumer whose
 * tables or options are others than before is class USAGE.  On failure follow is still to be closed. */
bool cli_follow_open(cli_follow *follow, const cli_follow_request *request, pythia_error *error);
/* One poll.  A connection that is lost is left to cli_follow_again. */
bool cli_follow_poll(cli_follow *follow, pythia_capture_emit emit, bool (*flush)(void *context, pythia_error *error),
					 void *context, int64_t *count, pythia_error *error);
/* After a failed poll: waits a little longer each time and opens the source again.  False where the
 * error is not one that goes by; it is left in *error then, else it is told on stderr. */
bool cli_follow_again(cli_follow *follow, pythia_error *error);
void cli_follow_close(cli_follow *follow);

#endif
