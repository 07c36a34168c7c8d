/* DROP DATABASE must not wait for workers that nobody has asked to go. */
#ifndef PYTHIA_POSTGRES_JOBS_DROP_HOOK_H
#define PYTHIA_POSTGRES_JOBS_DROP_HOOK_H

extern void pythia_drop_hook_install(void); /* from _PG_init, preloaded only */

#endif
