#include "worker_control.h"

#include "worker.h"

/* The launcher lands next; until then a worker is only marked. */
void pythia_control_start(int32 worker_id, Oid owner)
{
}

void pythia_control_stop(int32 worker_id)
{
}
