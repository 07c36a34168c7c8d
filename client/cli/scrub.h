/* Keeps passwords given on the command line out of ps. */
#ifndef PYTHIA_CLI_SCRUB_H
#define PYTHIA_CLI_SCRUB_H

/* Copies argv, then overwrites passwords inside URLs in the original, which is what
 * ps and /proc show.  The copy is freed with cli_scrub_free. */
char **cli_scrub(int argc, char **argv);
void cli_scrub_free(int argc, char **copy); /* wipes it too */

#endif
