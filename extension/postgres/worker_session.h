/*
 * What code of users (handlers, conditions, triggers, conflict functions) leaves behind in a process of ours is undone:
 * settings and identity with each transaction, everything else of the session with each turn.
 */
#ifndef PYTHIA_WORKER_SESSION_H
#define PYTHIA_WORKER_SESSION_H

#include "postgres.h"

#include "worker.h"

/*
 * Around a transaction of a worker's process.  Before it commits, its deferred triggers run, so that none runs later,
 * and every setting goes back to what it was, role and search_path among them.  An error undoes them by itself.
 */
extern void pythia_transaction_begun(void);
extern void pythia_transaction_ends(void);

/* Around one call of a user's function, with the same for what it sets. */
typedef struct pythia_user_call
{
	Oid role;
	int context;
	int settings;
} pythia_user_call;

extern void pythia_user_call_begin(pythia_user_call *call);
extern void pythia_user_call_end(const pythia_user_call *call);

/* Between two turns: temporary tables, advisory locks, prepared statements, held cursors. */
extern void pythia_session_tidy(const pythia_job *job);

#endif
