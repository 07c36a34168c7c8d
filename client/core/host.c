#include "core/host.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/buffer.h"
#include "core/memory.h"
#include "core/visible.h"

/* Bytes of a line for the log; it may hold what a server says. */
#define LONGEST (16 * 1024)

volatile int pythia_cancel_requested = 0;

static bool default_cancelled(void *context)
{
	(void) context;
	return pythia_cancel_requested != 0;
}

int64_t pythia_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A signal between the test of the flag and poll would go unnoticed for the
 * whole wait, so that no single poll lasts longer than this. */
#define POLL_SLICE_MS 100

static pythia_wait_result default_wait(void *context, int fd, int events, long timeout_ms)
{
	int64_t deadline = timeout_ms >= 0 ? pythia_monotonic_ms() + timeout_ms : 0;
	struct pollfd poller = {fd, 0, 0};

	(void) context;
	if (events & PYTHIA_WAIT_READ)
		poller.events |= POLLIN;
	if (events & PYTHIA_WAIT_WRITE)
		poller.events |= POLLOUT;
	for (;;)
	{
		int64_t left = POLL_SLICE_MS;
		int ready;

		if (pythia_cancel_requested)
			return PYTHIA_WAIT_CANCELLED;
		if (timeout_ms >= 0)
		{
			left = deadline - pythia_monotonic_ms();
			if (left < 0)
				left = 0;
			if (left > POLL_SLICE_MS)
				left = POLL_SLICE_MS;
		}
		ready = poll(&poller, fd >= 0 ? 1 : 0, (int) left);
		if (pythia_cancel_requested)
			return PYTHIA_WAIT_CANCELLED;
		if (ready > 0)
			return PYTHIA_WAIT_READY; /* also for errors: the library's own call will tell */
		if (ready < 0 && errno != EINTR)
			return PYTHIA_WAIT_READY;
		if (timeout_ms >= 0 && pythia_monotonic_ms() >= deadline)
			return PYTHIA_WAIT_TIMEOUT;
	}
}

static void default_log(void *context, pythia_log_level level, const char *message)
{
	pythia_buffer shown = PYTHIA_BUFFER_INIT;

	(void) context;
	if (level == PYTHIA_LOG_DEBUG)
		return;
	pythia_visible(&shown, message, strlen(message));
	fprintf(stderr, "pythia: %s%s\n", level == PYTHIA_LOG_WARNING ? "warning: " : "", pythia_buffer_text(&shown));
	pythia_buffer_free(&shown);
}

static int64_t default_now(void *context)
{
	struct timespec now;

	(void) context;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

const pythia_host *pythia_default_host(void)
{
	static const pythia_host host = {NULL, default_wait, default_cancelled, default_log, default_now};

	return &host;
}

pythia_wait_result pythia_host_wait(const pythia_host *host, int fd, int events, long timeout_ms)
{
	if (!host || !host->wait)
		return default_wait(NULL, fd, events, timeout_ms);
	return host->wait(host->context, fd, events, timeout_ms);
}

bool pythia_host_cancelled(const pythia_host *host)
{
	if (!host || !host->cancelled)
		return default_cancelled(NULL);
	return host->cancelled(host->context);
}

void pythia_host_log(const pythia_host *host, pythia_log_level level, const char *format, ...)
{
	char *text;
	va_list args;

	if (host && !host->log)
		return;
	va_start(args, format);
	text = pythia_visible_format(LONGEST, format, args);
	va_end(args);
	if (host)
		host->log(host->context, level, text);
	else
		default_log(NULL, level, text);
	pythia_free(text);
}

int64_t pythia_host_now(const pythia_host *host)
{
	if (!host || !host->now)
		return default_now(NULL);
	return host->now(host->context);
}

static pythia_wait_result grace_wait(void *context, int fd, int events, long timeout_ms)
{
	const pythia_grace *grace = context;
	int64_t left = (grace->deadline - pythia_host_now(NULL)) / 1000;
	struct pollfd poller = {fd, 0, 0};

	if (events & PYTHIA_WAIT_READ)
		poller.events |= POLLIN;
	if (events & PYTHIA_WAIT_WRITE)
		poller.events |= POLLOUT;
	if (left <= 0)
		return PYTHIA_WAIT_CANCELLED;
	if (timeout_ms >= 0 && timeout_ms < left)
		left = timeout_ms;
	return poll(&poller, 1, (int) left) > 0 ? PYTHIA_WAIT_READY : PYTHIA_WAIT_TIMEOUT;
}

static bool grace_cancelled(void *context)
{
	const pythia_grace *grace = context;

	return grace->deadline <= pythia_host_now(NULL);
}

void pythia_grace_begin(pythia_grace *grace, long milliseconds)
{
	grace->deadline = pythia_host_now(NULL) + milliseconds * 1000;
	grace->host = (pythia_host){grace, grace_wait, grace_cancelled, NULL, NULL};
}
