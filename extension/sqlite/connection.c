/* The state of one SQLite connection, and its host: waits end at sqlite3_interrupt. */
#include "pythia_sqlite.h"

SQLITE_EXTENSION_INIT3

#include <string.h>

#include "core/memory.h"
#include "core/visible.h"

enum
{
	WAIT_SLICE_MS = 100
};

static bool interrupted(void *context)
{
	pythia_sqlite *self = context;

	return pythia_sqlite_interrupted(self->handle);
}

static pythia_wait_result wait_for(void *context, int fd, int events, long timeout_ms)
{
	const pythia_host *plain = pythia_default_host();

	for (;;)
	{
		long slice = timeout_ms < 0 || timeout_ms > WAIT_SLICE_MS ? WAIT_SLICE_MS : timeout_ms;
		pythia_wait_result result = plain->wait(plain->context, fd, events, slice);

		if (result != PYTHIA_WAIT_TIMEOUT)
			return result;
		if (interrupted(context))
			return PYTHIA_WAIT_CANCELLED;
		if (timeout_ms >= 0 && (timeout_ms -= slice) <= 0)
			return PYTHIA_WAIT_TIMEOUT;
	}
}

static void log_message(void *context, pythia_log_level level, const char *message)
{
	pythia_buffer shown = PYTHIA_BUFFER_INIT;

	(void) context;
	if (level < PYTHIA_LOG_NOTICE)
		return;
	/* a name of others begins no line of the log */
	pythia_visible(&shown, message, strlen(message));
	sqlite3_log(level >= PYTHIA_LOG_WARNING ? SQLITE_WARNING : SQLITE_NOTICE, "pythia_db: %s",
				pythia_buffer_text(&shown));
	pythia_buffer_free(&shown);
}

pythia_sqlite *pythia_sqlite_new(sqlite3 *handle, char **message)
{
	pythia_sqlite *self = pythia_calloc(1, sizeof(*self));
	pythia_error error = PYTHIA_ERROR_INIT;

	self->handle = handle;
	self->references = 1;
	self->host = *pythia_default_host();
	self->host.context = self;
	self->host.wait = wait_for;
	self->host.cancelled = interrupted;
	self->host.log = log_message;
	/* both now: later, statements of the caller may be running, and the functions that
	 * wrapping registers could not be registered again */
	if (pythia_sqlite_wrap(handle, &self->host, &self->local, &error) &&
		pythia_sqlite_wrap(handle, &self->host, &self->second, &error))
		return self;
	*message = sqlite3_mprintf("%s", error.message);
	pythia_error_reset(&error);
	pythia_sqlite_release(self);
	return NULL;
}

void pythia_sqlite_release(void *pointer)
{
	pythia_sqlite *self = pointer;

	if (--self->references > 0)
		return;
	pythia_db_close(self->local);
	pythia_db_close(self->second);
	pythia_free(self);
}
