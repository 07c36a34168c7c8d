/* What the command says on stderr, and colour where a person reads it. */
#ifndef PYTHIA_CLI_SAY_H
#define PYTHIA_CLI_SAY_H

#include <stdbool.h>
#include <stdio.h>

#include "core/buffer.h"
#include "core/error.h"

typedef enum cli_colour
{
	CLI_PLAIN,
	CLI_BOLD,
	CLI_RED,
	CLI_GREEN,
	CLI_YELLOW,
	CLI_DIM
} cli_colour;

extern bool cli_quiet; /* --quiet */
extern bool cli_json;  /* --json */

void cli_no_colour(void); /* --no-color */

/*
 * All that is written for people goes through these: what came with it from a server, a file or a name is shown
 * as core/visible.h shows it, so that nothing but ourselves moves the cursor, colours a word or ends a line.
 */
void cli_put(FILE *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_put_line(FILE *stream, const char *format, ...) __attribute__((format(printf, 2, 3))); /* and ends the line */
/* In colour, where the stream is a terminal and colour is not unwanted. */
void cli_put_coloured(FILE *stream, cli_colour colour, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A line of JSON for machines; the buffer is emptied. */
void cli_json_line(pythia_buffer *json);

/* "pythia: error: …" */
void cli_complain(const char *what, cli_colour colour, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A line on stderr, kept clear of a progress bar. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "pythia: error: …" with detail and hint below; `about` (a table, or NULL) comes first. */
void cli_say_error(const char *about, const pythia_error *error);
/* Says it and returns the exit code that fits. */
int cli_fail(pythia_error *error);

/* What one thread writes stays together; may be nested. */
void cli_output_lock(void);
void cli_output_unlock(void);

/* Called before each line; the progress bar takes itself off the screen. */
extern void (*cli_before_line)(void);

#endif
