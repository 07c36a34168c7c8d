/* Whose an object is; InvalidOid where it is gone. */
#ifndef PYTHIA_POSTGRES_BASE_OBJECT_OWNER_H
#define PYTHIA_POSTGRES_BASE_OBJECT_OWNER_H

#include "postgres.h"

extern Oid pythia_relation_owner(Oid relation);
extern Oid pythia_function_owner(Oid function);
extern Oid pythia_operator_owner(Oid called);

#endif
