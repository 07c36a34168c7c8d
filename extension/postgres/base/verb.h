/*
 * Verbs: the SQL functions that run the engine, or change what it works from.
 *
 * One is at work at a time in a session.  While a table is read, written or compared, functions of users run: those of a
 * view, of triggers, of indexes and conditions.  Would they poll, sync, or alter a worker in the midst of that, what the
 * verb at work has read before (columns, plans, connections) would not hold any more after they return.  So a verb within
 * a verb is refused (55006).  A handler is called between two steps, and may call them.
 */
#ifndef PYTHIA_POSTGRES_BASE_VERB_H
#define PYTHIA_POSTGRES_BASE_VERB_H

#include "postgres.h"

#include "fmgr.h"
#include "postgres/base/pg_compat.h"

/* Declares and begins an SQL function of that name. */
#define PYTHIA_VERB(name)                                                                                              \
	static Datum name##_at_work(PG_FUNCTION_ARGS);                                                                     \
	PYTHIA_FUNCTION(name);                                                                                             \
	Datum name(PG_FUNCTION_ARGS)                                                                                       \
	{                                                                                                                  \
		return pythia_verb_call(name##_at_work, fcinfo);                                                               \
	}                                                                                                                  \
	static Datum name##_at_work(PG_FUNCTION_ARGS)

/* Calls it, and ereports where a verb is at work already. */
extern Datum pythia_verb_call(PGFunction verb, FunctionCallInfo fcinfo);

/* One is, or this is a worker's process that calls no handler just now. */
extern bool pythia_verb_is_at_work(void);

/* From here on verbs are refused, as in a worker's process, or taken, as in a handler's call.  Returns what was before. */
extern bool pythia_verbs_refuse(bool refuse);

#endif
