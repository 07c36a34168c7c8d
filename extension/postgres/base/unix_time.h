/* Between PostgreSQL's instants, microseconds since 2000, and the engine's, microseconds since 1970. */
#ifndef PYTHIA_POSTGRES_BASE_UNIX_TIME_H
#define PYTHIA_POSTGRES_BASE_UNIX_TIME_H

#include "postgres.h"

#include "datatype/timestamp.h"

#define PYTHIA_UNIX_OFFSET ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

static inline TimestampTz pythia_from_unix(int64 microseconds)
{
	return microseconds - PYTHIA_UNIX_OFFSET;
}

static inline int64 pythia_to_unix(TimestampTz time)
{
	return time + PYTHIA_UNIX_OFFSET;
}

#endif
