/*
 * The handler of `pythia run`: a command that runs for long, gets a change a line
 * on stdin and answers each with a line on stdout, in the same order: "ok", or
 * anything else, which is the reason why it could not.
 */
#ifndef PYTHIA_CLI_HANDLER_H
#define PYTHIA_CLI_HANDLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/buffer.h"
#include "core/error.h"

typedef struct cli_handler_settings
{
	char *const *command;    /* NULL-terminated */
	int64_t max_attempts;    /* then the change goes to the dead-letter file */
	double retry_delay;      /* seconds before the second attempt; doubled each time, at most a minute */
	double timeout;          /* seconds it may be silent while it owes an answer, then it is ended; 0: no limit */
	const char *dead_letter; /* file that gets {"error", "attempts", "failed_at", "change"}, a line each */
	bool ordered;            /* nothing is sent while a change is being tried again */
} cli_handler_settings;

typedef struct cli_pending
{
	char *line; /* with its newline */
	int64_t attempts;
	char *reason; /* of the last failure, or NULL */
} cli_pending;

/* Taken from the front: `first` of the items are gone. */
typedef struct cli_pending_list
{
	cli_pending *items;
	int first, count, capacity;
} cli_pending_list;

typedef struct cli_handler
{
	const cli_handler_settings *settings;
	pid_t pid;
	int in;                  /* our end of its stdin; -1 while it is not running */
	int out;                 /* of its stdout */
	pythia_buffer answer;    /* what has come of the next answer */
	cli_pending_list queue;  /* sent and not answered, oldest first */
	size_t written;          /* bytes of the queue's last line that it took */
	int64_t since;           /* pythia_monotonic_ms() when the oldest of the queue became its task */
	cli_pending_list failed; /* to be tried again */
	int64_t handled;
	int64_t dead;
} cli_handler;

void cli_handler_init(cli_handler *handler, const cli_handler_settings *settings);
/* Sends a line; waits while too many are unanswered. */
bool cli_handler_send(cli_handler *handler, const char *line, pythia_error *error);
/* Waits for all answers, tries again what failed; afterwards every change is handled or dead. */
bool cli_handler_drain(cli_handler *handler, pythia_error *error);
/* Closes its stdin, waits for its end (at most five seconds, then it is stopped); frees everything. */
void cli_handler_close(cli_handler *handler);

#endif
