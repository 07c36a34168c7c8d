/*
 * One large table by several processes: its parts are rows of pythia.sync_part, and a lock of the process says
 * who has one, as with tables (parallel.h).
 */
#ifndef PYTHIA_POSTGRES_SYNC_RANGES_H
#define PYTHIA_POSTGRES_SYNC_RANGES_H

#include "postgres/local/driver.h"
#include "postgres/worker/worker.h"
#include "sync/sync.h"

/* What the runs of one turn may do; zeroed, as outside of turns: each table in one piece. */
typedef struct pythia_ranges_limits
{
	const pythia_job *job; /* whose helpers are started */
	int most;              /* streams over all tables */
	int more;              /* of them those that a table in parts may bring in by starting helpers */
} pythia_ranges_limits;

/* What the engine gets (pythia_sync_job.streams): lives as long as the session.  `ticket` is NULL for a table's
 * own run, else that of the one that is joined. */
extern pythia_sync_streams *pythia_ranges_offer(pythia_session *session, const pythia_ranges_limits *limits,
												int32 worker_id, const char *table, const char *ticket);

/* Gives back the part in hand, where a run failed; returns whether the table was in parts. */
extern bool pythia_ranges_leave(pythia_sync_streams *streams);

/* In a transaction: what is kept of parts goes. */
extern void pythia_ranges_forget(int32 worker_id, const char *table);

#endif
