/*
 * What a host gives the engine: how to wait, how to notice that it should
 * stop, where to say things.  A PostgreSQL backend waits on its latch, the
 * shell command in poll(2), SQLite likewise.
 */
#ifndef PYTHIA_HOST_H
#define PYTHIA_HOST_H

#include <stdbool.h>
#include <stdint.h>

typedef enum pythia_wait_result
{
	PYTHIA_WAIT_READY,
	PYTHIA_WAIT_TIMEOUT,
	PYTHIA_WAIT_CANCELLED
} pythia_wait_result;

enum
{
	PYTHIA_WAIT_READ = 1,
	PYTHIA_WAIT_WRITE = 2
};

typedef enum pythia_log_level
{
	PYTHIA_LOG_DEBUG,
	PYTHIA_LOG_NOTICE,
	PYTHIA_LOG_WARNING
} pythia_log_level;

typedef struct pythia_host
{
	void *context;
	/* Waits until `fd` is ready for any of `events` (or only for the time where
	 * fd is -1), at most timeout_ms milliseconds (-1: for ever).  Returns
	 * PYTHIA_WAIT_CANCELLED as soon as the host wants to stop. */
	pythia_wait_result (*wait)(void *context, int fd, int events, long timeout_ms);
	/* True where the work should stop; cheap enough to be called for every chunk. */
	bool (*cancelled)(void *context);
	/* May be NULL. */
	void (*log)(void *context, pythia_log_level level, const char *message);
	/* Microseconds since 1970 in UTC. */
	int64_t (*now)(void *context);
} pythia_host;

/* A host for plain programs: poll(2), a cancel flag that signal handlers set. */
extern volatile int pythia_cancel_requested;
const pythia_host *pythia_default_host(void);

/* A host for what has to be cleaned up although the real one wants to stop: it waits all the same, but for no longer than
 * its time in all.  `grace` has to outlive its use. */
typedef struct pythia_grace
{
	pythia_host host;
	int64_t deadline;
} pythia_grace;

void pythia_grace_begin(pythia_grace *grace, long milliseconds);

/* NULL-safe shorthands. */
pythia_wait_result pythia_host_wait(const pythia_host *host, int fd, int events, long timeout_ms);
bool pythia_host_cancelled(const pythia_host *host);
void pythia_host_log(const pythia_host *host, pythia_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int64_t pythia_host_now(const pythia_host *host);
/* Milliseconds of a clock that nobody sets, for time limits. */
int64_t pythia_monotonic_ms(void);

#endif
