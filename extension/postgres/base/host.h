/* The engine's host inside a PostgreSQL process: it waits on the latch. */
#ifndef PYTHIA_POSTGRES_BASE_HOST_H
#define PYTHIA_POSTGRES_BASE_HOST_H

#include "postgres.h"

#include "core/host.h"
#include "datatype/timestamp.h"

/* Waits never jump: a cancel, a shutdown or a timeout comes back as
 * PYTHIA_WAIT_CANCELLED and is raised by pythia_raise when the engine has unwound. */
extern const pythia_host *pythia_backend_host(void);

/* The same, which is cancelled, too, when that time has come: where nobody else would end a wait. */
extern const pythia_host *pythia_backend_host_until(TimestampTz deadline);

/* Called before a subtransaction is started in which client_min_messages is pinned for what the server itself says: the
 * engine's own notices and warnings are told by what the caller has set. */
extern void pythia_host_pins_messages(void);

/* A wait of the engine consumes whatever set the latch; a worker's main loop
 * asks here (and clears it) before it sleeps. */
extern bool pythia_latch_was_set(void);

#endif
