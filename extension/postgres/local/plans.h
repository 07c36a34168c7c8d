/* Plans of the local driver's queries. */
#ifndef PYTHIA_POSTGRES_LOCAL_PLANS_H
#define PYTHIA_POSTGRES_LOCAL_PLANS_H

#include "postgres.h"

/*
 * Runs one statement within SPI, as SPI_execute(sql, read_only, 0) does and with its result, as whom the tables
 * that it concerns call for (stand_in.h).  *writer: who has written, where that is not the current role.
 */
extern int pythia_local_execute(const char *sql, bool read_only, Oid *writer);

/*
 * Likewise a query.  What a worker's turns ask again and again of the catalogue, word for word, is planned once:
 * the queries that describe a table take longer to plan than to run.
 */
extern int pythia_local_query(const char *sql, bool read_only, Oid *writer);

#endif
