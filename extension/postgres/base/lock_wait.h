/* How long we wait for a lock that another session has. */
#ifndef PYTHIA_POSTGRES_BASE_LOCK_WAIT_H
#define PYTHIA_POSTGRES_BASE_LOCK_WAIT_H

/* More than deadlock_timeout, after which autovacuum gives way. */
#define PYTHIA_LOCK_WAIT_MS 2000

/* From here on a lock is waited for so long, or less where lock_timeout says so; returns what AtEOXact_GUC takes. */
extern int pythia_lock_wait_limit(void);

/* For pythia_isolated: forgives that a lock was waited for in vain. */
extern bool pythia_is_locked_out(void *unused, const ErrorData *error);

#endif
