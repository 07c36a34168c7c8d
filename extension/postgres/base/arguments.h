/* Arguments of SQL functions. None of them is STRICT: NULL where a value is needed is a mistake that is told. */
#ifndef PYTHIA_POSTGRES_BASE_ARGUMENTS_H
#define PYTHIA_POSTGRES_BASE_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

/* Ereports (22004) where the argument of that place is NULL, by its name in SQL. */
extern void pythia_argument_needed(FunctionCallInfo fcinfo, int place);
/* The argument as palloc'ed text; ereports where it is NULL. */
extern char *pythia_argument_text(FunctionCallInfo fcinfo, int place);
/* The argument as it is, for PG_GETARG's conversions; ereports where it is NULL. */
extern Datum pythia_argument(FunctionCallInfo fcinfo, int place);
/* Ereports where `name` is no name for `what` ("worker"): empty, or longer than names are (others' processes keep it). */
extern void pythia_argument_name(const char *name, const char *what);
/* Ereports (54000) where the object is larger than options may be: they are read whole, and often. */
extern void pythia_argument_bound(const struct varlena *options, const char *what);

#endif
