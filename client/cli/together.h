/* Several pieces of work at once, in threads, some of which wait for others. */
#ifndef PYTHIA_CLI_TOGETHER_H
#define PYTHIA_CLI_TOGETHER_H

#include <stdbool.h>

#include "core/references.h"

/*
 * Calls work(context, runner, i) once for each i below `count`, from `runners` threads (numbered from 0), the
 * lower i first; i waits until those are done that `waits` has for it.  work returns
 * false where nothing more is to be begun.  A runner that has nothing to do while others are at work calls
 * help(context, runner), now and again: false where there was nothing to help with.  Returns when all that was
 * begun is done.
 */
void cli_together(int count, const pythia_references *waits, int runners,
				  bool (*work)(void *context, int runner, int i), bool (*help)(void *context, int runner),
				  void *context);

#endif
