/* The folders that `pythia create` makes: embedded files with {{names}} to fill in. */
#ifndef PYTHIA_CLI_TEMPLATE_H
#define PYTHIA_CLI_TEMPLATE_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/error.h"

typedef struct cli_template_file
{
	const char *set;  /* folder under templates/ */
	const char *path; /* name in the folder made; @NAME@ is the worker's */
	const char *text;
} cli_template_file;

extern const cli_template_file cli_template_files[]; /* ends with a NULL set; made by embed.sh */

typedef struct cli_variable
{
	const char *name;
	char *value; /* owned */
} cli_variable;

/* Names and values; an inner set looks further in its parent. */
typedef struct cli_variables
{
	const struct cli_variables *parent;
	cli_variable items[64];
	int count;
	struct cli_variables *tables; /* what {{#tables}} goes through */
	int ntables;
} cli_variables;

void cli_variable_set(cli_variables *variables, const char *name, char *value); /* takes value over */
/* False (22023) where a value holds a line break or another control character: no kind of file takes all of them. */
bool cli_variables_check(const cli_variables *variables, pythia_error *error);
void cli_variables_free(cli_variables *variables);

/* Fills text: {{name}}; {{#name}} … {{/name}} where name is not empty (for "tables":
 * once a table); {{^name}} … {{/name}} where it is.  A line with a mark alone leaves
 * no empty line.  A name that nobody set is a mistake of ours: false. */
bool cli_template_render(const char *text, const cli_variables *variables, pythia_buffer *out);

#endif
