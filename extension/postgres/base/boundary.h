/* The moment before which no open transaction of this database can still commit a stamp. */
#ifndef PYTHIA_POSTGRES_BASE_BOUNDARY_H
#define PYTHIA_POSTGRES_BASE_BOUNDARY_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct pythia_boundary
{
	TimestampTz clock;   /* read first */
	TimestampTz base;    /* when the machine started, by that clock: it goes back only where the clock was set back */
	TimestampTz instant; /* the least xact_start of the open transactions, or the clock where none is older */
	bool hold;           /* something of unknown age is open: low must stay where it stands */
	int pid;             /* of the backend that holds it back, or 0 */
	const char *reason;  /* why it stands before the clock; NULL where nothing holds it back */
} pythia_boundary;

/* To be read BEFORE the snapshot that reads the rows. */
/* `own`: the transaction that calls counts, too. */
extern void pythia_boundary_read(pythia_boundary *boundary, bool own);

#endif
