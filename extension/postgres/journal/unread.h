/* What a part of the journal holds, and who has not read it. */
#ifndef PYTHIA_POSTGRES_JOURNAL_UNREAD_H
#define PYTHIA_POSTGRES_JOURNAL_UNREAD_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/hsearch.h"

/* A worker that has entries there. */
typedef struct pythia_part_worker
{
	int32 worker_id;    /* key */
	TimestampTz newest; /* captured_at of its newest entry there */
	List *readers;      /* of pythia_consumer *: consumers that have read all of them */
	List *behind;       /* likewise: that have not */
} pythia_part_worker;

/*
 * Reads a part (0 to 2) once: of pythia_part_worker by worker_id, in the current memory context, as committed when its
 * entries and consumers are read. Consumers that are lost are in neither list.
 */
extern HTAB *pythia_part_look(int slot);

#endif
