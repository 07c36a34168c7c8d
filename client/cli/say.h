/* What the command says on stderr, and colour where a person reads it. */
#ifndef PYTHIA_CLI_SAY_H
#define PYTHIA_CLI_SAY_H

#include <stdbool.h>
#include <stdio.h>

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
/* The escape sequence, or "" where the stream is no terminal or colour is unwanted. */
const char *cli_colour_on(FILE *stream, cli_colour colour);
const char *cli_colour_off(FILE *stream);

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
