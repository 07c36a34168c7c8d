/* What postgresql.conf says (pythia_db.*). */
#ifndef PYTHIA_POSTGRES_BASE_SETTINGS_H
#define PYTHIA_POSTGRES_BASE_SETTINGS_H

#include "postgres.h"

extern char *pythia_guc_databases;          /* comma list, or * for all */
extern int pythia_guc_max_workers;          /* background workers at once, in the whole server */
extern int pythia_guc_max_workers_per_role; /* of them one role's that is no superuser; -1: half; 0: all */
extern int pythia_guc_restart_delay;        /* seconds before a failed job is tried again, at first */
extern int pythia_guc_retention;            /* minutes that consumed changes are kept */
extern int pythia_guc_max_journal_size;     /* kilobytes; 0: any */
extern int pythia_guc_max_retention;        /* minutes that any change is kept, whatever a worker wants */
extern bool pythia_guc_log_changes;
typedef enum pythia_promotion
{
	PYTHIA_PROMOTION_RUN,
	PYTHIA_PROMOTION_HOLD
} pythia_promotion;
extern int pythia_guc_after_promotion; /* what workers do on a server that has become another timeline's */
extern char *pythia_guc_allowed_hosts; /* that connections of others than superusers reach, as core/reach.h reads it */
extern bool pythia_guc_keep_connections; /* idle, for the session's next run */

/* From _PG_init. */
extern void pythia_settings_define(void);

#endif
