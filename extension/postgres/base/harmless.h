/* Functions that do nothing but compute: whoever calls them, with whatever arguments. */
#ifndef PYTHIA_POSTGRES_BASE_HARMLESS_H
#define PYTHIA_POSTGRES_BASE_HARMLESS_H

#include "postgres.h"

/*
 * True of a function that comes with PostgreSQL and depends on its arguments alone, or besides on nothing but the time and
 * how dates, numbers and texts are written.  Others run SQL that is given as text (query_to_xml), read settings, files and
 * tables, or build values of types whose makers' code runs then (jsonb_populate_record).
 */
extern bool pythia_function_is_harmless(Oid function);

#endif
