#include "postgres/base/host.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postgres/base/bridge.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/unix_time.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

static bool latch_was_set = false;
static uint32 wait_event_io = 0;

/* True where somebody asked this process to cancel its statement or to end. */
static bool stop_wanted(void)
{
	return QueryCancelPending || ProcDiePending;
}

bool pythia_latch_was_set(void)
{
	bool result = latch_was_set;

	latch_was_set = false;
	return result;
}

/*
 * Interrupts that are no request to stop (barriers, memory reports, config of
 * others) are served here; one that raises is kept and told as a cancel.
 */
static bool serve_interrupts(void)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile bool stop = false;

	if (!InterruptPending)
		return false;
	if (stop_wanted())
		return true;
	PG_TRY();
	{
		CHECK_FOR_INTERRUPTS();
	}
	PG_CATCH();
	{
		pythia_error ignored = PYTHIA_ERROR_INIT;

		pythia_error_catch(&ignored, cxt);
		pythia_error_reset(&ignored);
		stop = true;
	}
	PG_END_TRY();
	return stop;
}

static int wait_once(int fd, int events, long timeout_ms)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile int wanted = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	volatile int result = -1;

	if (fd >= 0 && (events & PYTHIA_WAIT_READ))
		wanted |= WL_SOCKET_READABLE;
	if (fd >= 0 && (events & PYTHIA_WAIT_WRITE))
		wanted |= WL_SOCKET_WRITEABLE;
	if (timeout_ms >= 0)
		wanted |= WL_TIMEOUT;
	PG_TRY();
	{
		result = WaitLatchOrSocket(MyLatch, wanted, fd >= 0 ? fd : PGINVALID_SOCKET, timeout_ms, wait_event_io);
	}
	PG_CATCH();
	{
		pythia_error ignored = PYTHIA_ERROR_INIT;

		pythia_error_catch(&ignored, cxt);
		pythia_error_reset(&ignored);
	}
	PG_END_TRY();
	return result;
}

static bool is_over(const TimestampTz *deadline)
{
	return deadline && GetCurrentTimestamp() >= *deadline;
}

/* Milliseconds until the first of the two; -1 is never. */
static long sooner(long left, TimestampTz deadline)
{
	long until = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline) + 1;

	return left < 0 ? until : Min(left, until);
}

/* The context is NULL, or a deadline. */
static pythia_wait_result host_wait(void *context, int fd, int events, long timeout_ms)
{
	const TimestampTz *deadline = context;
	TimestampTz start = timeout_ms > 0 ? GetCurrentTimestamp() : 0;
	long left = timeout_ms;

	for (;;)
	{
		int happened;

		if (serve_interrupts() || is_over(deadline))
			return PYTHIA_WAIT_CANCELLED;
		happened = wait_once(fd, events, deadline ? sooner(left, *deadline) : left);
		if (happened < 0)
			return PYTHIA_WAIT_CANCELLED;
		if (happened & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			latch_was_set = true;
			if (serve_interrupts())
				return PYTHIA_WAIT_CANCELLED;
		}
		if (happened & (WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE))
			return PYTHIA_WAIT_READY;
		if (is_over(deadline))
			return PYTHIA_WAIT_CANCELLED;
		if (happened & WL_TIMEOUT)
			return PYTHIA_WAIT_TIMEOUT;
		if (timeout_ms > 0)
		{
			left = timeout_ms - TimestampDifferenceMilliseconds(start, GetCurrentTimestamp());
			if (left <= 0)
				return PYTHIA_WAIT_TIMEOUT;
		}
	}
}

static bool host_cancelled(void *context)
{
	return (InterruptPending && serve_interrupts()) || is_over(context);
}

/*
 * What the caller has set client_min_messages to, while a session has pinned it for
 * what the server itself says; -1: it is not pinned.  The pinned setting goes with
 * the session's subtransaction, however that ends.
 */
static int callers_level = -1;
static int callers_nesting;

static void unpin_messages(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	if ((event == SUBXACT_EVENT_COMMIT_SUB || event == SUBXACT_EVENT_ABORT_SUB) &&
		GetCurrentTransactionNestLevel() == callers_nesting + 1)
		callers_level = -1;
}

void pythia_host_pins_messages(void)
{
	static bool registered = false;

	if (!registered)
		RegisterSubXactCallback(unpin_messages, NULL);
	registered = true;
	if (callers_level >= 0)
		return; /* a session within another one */
	callers_level = client_min_messages;
	callers_nesting = GetCurrentTransactionNestLevel();
}

static int elevel_of(pythia_log_level level)
{
	return level == PYTHIA_LOG_WARNING ? WARNING : level == PYTHIA_LOG_NOTICE ? NOTICE : DEBUG1;
}

static void host_log(void *context, pythia_log_level level, const char *message)
{
	int pinned = client_min_messages;

	/* ereport looks for interrupts at its end, and must not jump from here */
	HOLD_INTERRUPTS();
	PG_TRY();
	{
		if (callers_level >= 0)
			client_min_messages = callers_level;
		ereport(elevel_of(level), (errmsg_internal("%s", message)));
	}
	PG_FINALLY();
	{
		client_min_messages = pinned;
	}
	PG_END_TRY();
	RESUME_INTERRUPTS();
}

static int64_t host_now(void *context)
{
	return pythia_to_unix(GetCurrentTimestamp());
}

static const pythia_host backend_host = {
	.wait = host_wait,
	.cancelled = host_cancelled,
	.log = host_log,
	.now = host_now,
};

const pythia_host *pythia_backend_host(void)
{
	pythia_messages_prepare();
	if (wait_event_io == 0)
		wait_event_io = pythia_wait_event("PythiaRemote");
	return &backend_host;
}

const pythia_host *pythia_backend_host_until(TimestampTz deadline)
{
	static TimestampTz until;
	static pythia_host bounded;

	until = deadline;
	bounded = *pythia_backend_host();
	bounded.context = &until;
	return &bounded;
}
