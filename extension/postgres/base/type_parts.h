/* What types are made of. */
#ifndef PYTHIA_POSTGRES_BASE_TYPE_PARTS_H
#define PYTHIA_POSTGRES_BASE_TYPE_PARTS_H

#include "postgres.h"

/*
 * Whether is(type, context) holds for the type, or for one that it is made of, however deep: the base of a domain, the
 * elements of an array, the bounds of a range, the ranges of a multirange, the columns of a row.  Each is asked about once,
 * in however many ways it is part of the whole.
 */
extern bool pythia_type_any(Oid type, bool (*is)(Oid type, void *context), void *context);

#endif
