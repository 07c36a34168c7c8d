/* Plans of the local driver's queries. */
#ifndef PYTHIA_POSTGRES_LOCAL_PLANS_H
#define PYTHIA_POSTGRES_LOCAL_PLANS_H

/*
 * Runs a query within SPI, as SPI_execute(sql, read_only, 0) does and with its result.  What a
 * worker's turns ask again and again, word for word, is planned once: the catalogue queries that
 * describe a table take longer to plan than to run.
 */
extern int pythia_local_query(const char *sql, bool read_only);

/* SPI_execute(sql, read_only, 0) of one statement; a text of several is an error. */
extern int pythia_local_execute(const char *sql, bool read_only);

#endif
