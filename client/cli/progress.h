/*
 * Progress on stderr: a bar with rate and time left on a terminal, a line every
 * ten seconds elsewhere.  Each thread has its own table; the bar shows all together.
 */
#ifndef PYTHIA_CLI_PROGRESS_H
#define PYTHIA_CLI_PROGRESS_H

#include <stdint.h>

/* Begins a bar for `label` (a table's name, copied). */
void cli_progress_begin(const char *label);
/* total: rows expected, or -1 where nobody knows. */
void cli_progress_update(const char *phase, int64_t rows, int64_t total, int64_t bytes);
void cli_progress_end(void); /* takes the bar away */
/* A thread that helps with another's table: what it tells is added to that bar, until it leaves; */
void cli_progress_join(const char *label);
void cli_progress_leave(void);
/* or until that table's own thread counts it itself. */
void cli_progress_alone(void);

char *cli_human_count(int64_t count, char *text); /* 1,234,567 */
char *cli_human_seconds(double seconds, char *text);

#endif
