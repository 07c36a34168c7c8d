/*
 * Cancelling a query.  libpq's PQcancel blocks: while it connects, and until the
 * server hangs up, which a server that is stopped or cut off never does.  It is
 * made for signal handlers, and so is harmless in a thread of its own that has
 * every signal blocked; that thread is left to itself where it takes too long.
 */
#include "drivers/postgres/internal.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "core/memory.h"

/* Waited at most for the request to be delivered. */
#define CANCEL_MS 500

typedef struct cancel_call
{
	PGcancel *cancel;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool done;      /* by the thread; the caller frees */
	bool abandoned; /* by the caller; the thread frees */
} cancel_call;

static void free_call(cancel_call *call)
{
	PQfreeCancel(call->cancel);
	pthread_cond_destroy(&call->changed);
	pthread_mutex_destroy(&call->mutex);
	pythia_free(call);
}

static void *deliver(void *argument)
{
	cancel_call *call = argument;
	char text[256];
	bool abandoned;

	PQcancel(call->cancel, text, sizeof(text)); /* if it fails, closing the connection must do */
	pthread_mutex_lock(&call->mutex);
	call->done = true;
	abandoned = call->abandoned;
	pthread_cond_signal(&call->changed);
	pthread_mutex_unlock(&call->mutex);
	if (abandoned)
		free_call(call);
	return NULL;
}

static void wait_for_it(cancel_call *call)
{
	struct timespec deadline;
	bool done;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_nsec += CANCEL_MS * 1000000L;
	deadline.tv_sec += deadline.tv_nsec / 1000000000L;
	deadline.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&call->mutex);
	while (!call->done && pthread_cond_timedwait(&call->changed, &call->mutex, &deadline) == 0)
		;
	done = call->done;
	call->abandoned = !done;
	pthread_mutex_unlock(&call->mutex);
	if (done)
		free_call(call);
}

void pythia_postgres_stop_server(postgres_db *db)
{
	cancel_call *call;
	pthread_t thread;
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t before;
	bool started;

	if (PQstatus(db->conn) != CONNECTION_OK || PQtransactionStatus(db->conn) != PQTRANS_ACTIVE)
		return;
	call = pythia_calloc(1, sizeof(*call));
	call->cancel = PQgetCancel(db->conn);
	if (!call->cancel)
	{
		pythia_free(call);
		return;
	}
	pthread_mutex_init(&call->mutex, NULL);
	pthread_cond_init(&call->changed, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	/* a thread begins with its maker's mask: none of the host's handlers may run in it */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	started = pthread_create(&thread, &attributes, deliver, call) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (started)
		wait_for_it(call);
	else
		free_call(call);
}

void pythia_postgres_abort(postgres_db *db)
{
	pythia_postgres_stop_server(db);
	db->base.broken = true;
	/* a COPY that waits for rows hears of no request, and would hold its locks until the connection is closed */
	if (PQsocket(db->conn) >= 0)
		shutdown(PQsocket(db->conn), SHUT_RDWR);
}
