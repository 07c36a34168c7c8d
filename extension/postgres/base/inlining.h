/*
 * SQL functions of users while our statements are planned.
 *
 * PostgreSQL puts the body of an SQL function in the place of its call, again and again, where nothing can interrupt it: a
 * function that calls another one twice, and that one another, keeps whoever plans a statement on the table or view that
 * calls it busy for good.  In a verb and in a worker's process such functions are called, not put in place.
 */
#ifndef PYTHIA_POSTGRES_BASE_INLINING_H
#define PYTHIA_POSTGRES_BASE_INLINING_H

#include "postgres.h"

/* From _PG_init, once. */
extern void pythia_inlining_hook_install(void);

#endif
