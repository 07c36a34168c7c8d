/* A change as one line of JSON. */
#ifndef PYTHIA_CLI_LINE_H
#define PYTHIA_CLI_LINE_H

#include "capture/capture.h"

/* What one line has in common with the next: where it comes from and what happened there.  Zero it before
 * first use. */
typedef struct cli_line
{
	pythia_buffer schema;
	pythia_buffer table;
	pythia_buffer change_type;
	pythia_buffer captured_at;
	pythia_buffer head; /* the JSON of the first three */
	pythia_buffer tail; /* of the last, and the end */
} cli_line;

/* Appends a change and a newline. */
void cli_line_put(cli_line *line, pythia_buffer *out, const pythia_capture_change *change);
void cli_line_free(cli_line *line);

#endif
