/* Keeps passwords given on the command line, or in the environment, out of ps and /proc. */
#ifndef PYTHIA_CLI_SCRUB_H
#define PYTHIA_CLI_SCRUB_H

/* Copies argv, then overwrites the secrets (core/secret.h) in the original, which is what ps and /proc show.
 * The copy is freed with cli_scrub_free. */
char **cli_scrub(int argc, char **argv);
void cli_scrub_free(int argc, char **copy); /* wipes it too */

/* The same for the environment: getenv goes on to give what was there.  Before threads begin. */
void cli_scrub_environment(void);

#endif
