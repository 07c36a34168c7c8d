/* Code of users (handlers, conditions, triggers, conflict functions) in a process of ours: what it sets is undone. */
#ifndef PYTHIA_POSTGRES_BASE_USER_CODE_H
#define PYTHIA_POSTGRES_BASE_USER_CODE_H

#include "postgres.h"
/*
 * Around a transaction of a worker's process.  Before it commits, its deferred triggers run, so that none runs later,
 * and every setting goes back to what it was, role and search_path among them.  An error undoes them by itself.
 */
extern void pythia_transaction_begun(void);
extern void pythia_transaction_ends(void);
/* Those of the current transaction, as the current role. */
extern void pythia_run_deferred_triggers(void);

/* Around one call of a user's function, with the same for what it sets. */
typedef struct pythia_user_call
{
	Oid role;
	int context;
	int settings;
} pythia_user_call;
extern void pythia_user_call_begin(pythia_user_call *call);
extern void pythia_user_call_end(const pythia_user_call *call);

#endif
