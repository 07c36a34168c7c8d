/* Keeps passwords that statements hold out of what others read of them. */
#ifndef PYTHIA_POSTGRES_BASE_SECRET_HOOKS_H
#define PYTHIA_POSTGRES_BASE_SECRET_HOOKS_H

/* From now on, in this process: the server's log, and what other modules (pg_stat_statements) see of utility
 * statements. */
extern void pythia_secret_hooks_install(void);

/* pg_stat_activity shows the statement in hand without its secrets from now on. */
extern void pythia_hide_activity(void);

/* The statement in hand has given us a password, whatever it looks like: its errors are logged without it. */
extern void pythia_hide_statement(void);

#endif
