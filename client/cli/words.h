/* The engine speaks of options as JSON and SQL name them; who reads it here has given flags. */
#ifndef PYTHIA_CLI_WORDS_H
#define PYTHIA_CLI_WORDS_H

#include <stdbool.h>

#include "cli/args.h"

/* The command line of this run, which stays the caller's; NULL: none. Options from files keep their names. */
void cli_words_of(const cli_args *args);
/*
 * A message or hint of the engine's with flags in the place of options, to be freed: in a message `option "key"` and
 * max_changes where the flag was given, in a hint, which says what to give, every name of an option that has a flag.
 */
char *cli_in_flags(const char *text, bool hint);
/* The flag by which the option was given, without dashes; NULL: by none. */
const char *cli_flag_given(const char *option);

#endif
