/* A poll of a worker, of this database or of another one. */
#include "postgres/jobs/dispatch.h"

#include "postgres/capture/outcome.h"
#include "postgres/capture/poll.h"
#include "postgres/capture/trigger.h"
#include "postgres/remote/poll.h"
#include "postgres/worker/transaction.h"

int64 pythia_cdc_poll(pythia_cdc_worker *worker, bool isolate)
{
	int64 captured = 0;

	if (worker->connection)
		captured = pythia_remote_poll(worker, isolate);
	else if (worker->config.capture == PYTHIA_CAPTURE_POLL)
		captured = pythia_local_poll(worker, isolate);
	/* a background worker looks from time to time, in its own transactions */
	else if (!pythia_in_job())
		pythia_trigger_look_after(worker);
	if (captured > 0)
		pythia_cdc_tell(worker->worker_id);
	return captured;
}
