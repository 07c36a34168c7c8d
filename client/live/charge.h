/*
 * Who is in charge of the tables of a live sync: the source, or, after a cutover, the target.  It stands in a table of ours
 * at the source, pythia_cutover, while a cutover is under way and from then on: so whoever comes later knows it, and a live sync
 * never brings old rows to a target that has moved on.
 */
#ifndef PYTHIA_LIVE_CHARGE_H
#define PYTHIA_LIVE_CHARGE_H

#include "live/live.h"

/* In this order. */
typedef enum pythia_charge_state
{
	PYTHIA_CHARGE_SOURCE, /* no cutover: nothing is kept */
	PYTHIA_CHARGE_FENCED, /* writers at the source are rejected, or are about to be; the source is in charge still */
	PYTHIA_CHARGE_MOVED   /* the target is in charge */
} pythia_charge_state;

typedef struct pythia_charge
{
	pythia_charge_state state;
	char *moved_to; /* the target as it is shown */
	char *since;    /* when it became so, UTC */
	bool reverse;   /* a live sync back was set up, or was about to be */
} pythia_charge;

bool pythia_charge_read(pythia_db *source, const char *worker, pythia_charge *charge, pythia_error *error);
void pythia_charge_free(pythia_charge *charge);
/* One row for the worker; SOURCE takes it away, and asks for no target.  In the caller's transaction, where there is one. */
bool pythia_charge_write(pythia_db *source, const char *worker, pythia_charge_state state, const pythia_db *target,
						 bool reverse, pythia_error *error);
bool pythia_charge_install(pythia_db *source, pythia_error *error);
/* Workers whose tables moved from `db` to that database; names joined by newlines, the caller's. */
bool pythia_charge_moved(pythia_db *db, const pythia_db *to, char **workers, pythia_error *error);

/*
 * A window of a live sync passes the fence of its target: so one back from there can follow.  At the begin of its transaction,
 * and at its end.  In SQLite, where sessions have no settings that a trigger sees, the transaction, which has the file's lock,
 * writes it into pythia_cutover and takes it back.
 */
bool pythia_charge_pass(pythia_db *target, bool open, pythia_error *error);

/* How many tables the live sync of that name follows, and has copied; -1: there is none. */
bool pythia_live_known(pythia_db *source, const char *worker, int64_t *tables, int64_t *copied, pythia_error *error);
/* The chain of windows is this process's from now on: another one that applies them is held (55006) at its next. */
bool pythia_live_take(pythia_live *live, pythia_error *error);

#endif
