/* How long we wait for a lock that another session has. */
#ifndef PYTHIA_POSTGRES_BASE_LOCK_WAIT_H
#define PYTHIA_POSTGRES_BASE_LOCK_WAIT_H

/* More than deadlock_timeout, after which autovacuum gives way. */
#define PYTHIA_LOCK_WAIT_MS 2000

/* From here on a lock is waited for so long, or less where lock_timeout says so; returns what AtEOXact_GUC takes. */
extern int pythia_lock_wait_limit(void);

/*
 * Runs act(argument) in a subtransaction with that limit.  False, with all undone, where a lock was waited for in vain;
 * any other error goes on its way.
 */
extern bool pythia_unless_locked_out(void (*act)(void *argument), void *argument);

#endif
