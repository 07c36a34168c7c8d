#define _GNU_SOURCE /* pipe2 */
#include "cli/handler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/files.h"
#include "cli/say.h"
#include "core/host.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/retry.h"
#include "validate/result_json.h"

enum
{
	WINDOW = 256,      /* changes sent and not answered */
	MAX_ANSWER = 65536 /* bytes */
};

void cli_handler_init(cli_handler *handler, const cli_handler_settings *settings)
{
	memset(handler, 0, sizeof(*handler));
	handler->settings = settings;
	handler->in = handler->out = -1;
}

static void run_child(int in, int out, char *const *command)
{
	sigset_t none;

	/* what it starts is ended with it */
	setpgid(0, 0);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	/* what the command ignores would be ignored by the handler too */
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Ctrl-C is for us: the handler ends when its stdin does, with its work done */
	signal(SIGINT, SIG_IGN);
	execvp(command[0], command);
	cli_put_line(stderr, "pythia: cannot run the handler \"%s\": %s", command[0], strerror(errno));
	_exit(127);
}

static bool start(cli_handler *h, pythia_error *error)
{
	int in[2];
	int out[2];

	if (pipe2(in, O_CLOEXEC) != 0)
		return pythia_fail(error, PYTHIA_E_INTERNAL, "58000", "cannot make a pipe: %s", strerror(errno));
	if (pipe2(out, O_CLOEXEC) != 0)
	{
		close(in[0]);
		close(in[1]);
		return pythia_fail(error, PYTHIA_E_INTERNAL, "58000", "cannot make a pipe: %s", strerror(errno));
	}
	fflush(NULL);
	h->pid = fork();
	if (h->pid == 0)
		run_child(in[0], out[1], h->settings->command);
	if (h->pid > 0)
		setpgid(h->pid, h->pid);
	close(in[0]);
	close(out[1]);
	h->in = in[1];
	h->out = out[0];
	if (h->pid < 0)
	{
		close(h->in);
		close(h->out);
		h->in = h->out = -1;
		return pythia_fail(error, PYTHIA_E_INTERNAL, "58000", "cannot start the handler: %s", strerror(errno));
	}
	fcntl(h->in, F_SETFL, O_NONBLOCK);
	pythia_buffer_clear(&h->answer);
	return true;
}

/* Waits five seconds for its end; *status as waitpid gives it. */
static void stop(cli_handler *h, int *status)
{
	int64_t deadline = pythia_monotonic_ms() + 5000;
	pid_t got = 0;

	*status = 0;
	if (h->in >= 0)
		close(h->in);
	if (h->out >= 0)
		close(h->out);
	h->in = h->out = -1;
	if (h->pid <= 0)
		return;
	while ((got = waitpid(h->pid, status, WNOHANG)) == 0 && pythia_monotonic_ms() < deadline)
		poll(NULL, 0, 10);
	if (got == 0)
	{
		kill(-h->pid, SIGKILL);
		waitpid(h->pid, status, 0);
	}
	h->pid = 0;
}

static void free_pending(cli_pending *pending)
{
	pythia_free(pending->line);
	pythia_free(pending->reason);
}

static cli_pending *oldest(const cli_pending_list *list)
{
	return &list->items[list->first];
}

static cli_pending *newest(const cli_pending_list *list)
{
	return &list->items[list->first + list->count - 1];
}

static void append(cli_pending_list *list, cli_pending item)
{
	if (list->first + list->count == list->capacity && list->first > list->capacity / 2)
	{
		memmove(list->items, oldest(list), sizeof(cli_pending) * (size_t) list->count);
		list->first = 0;
	}
	else if (list->first + list->count == list->capacity)
	{
		list->capacity = list->capacity > 0 ? 2 * list->capacity : 64;
		list->items = pythia_realloc(list->items, sizeof(cli_pending) * (size_t) list->capacity);
	}
	list->count++;
	*newest(list) = item;
}

static cli_pending take_first(cli_pending_list *list)
{
	cli_pending first = *oldest(list);

	list->first++;
	list->count--;
	return first;
}

static void free_list(cli_pending_list *list)
{
	for (; list->count > 0; list->first++, list->count--)
		free_pending(oldest(list));
	pythia_free(list->items);
}

/* On disk before the position moves: it is nowhere else. */
static bool bury(cli_handler *h, cli_pending *pending, pythia_error *error)
{
	int fd = cli_private_open(h->settings->dead_letter, O_WRONLY | O_APPEND, "dead-letter", error);
	pythia_buffer line = PYTHIA_BUFFER_INIT;
	char now[PYTHIA_INSTANT_SIZE];
	bool ok;

	pythia_buffer_puts(&line, "{\"error\":");
	pythia_json_string(&line, pending->reason, strlen(pending->reason));
	pythia_buffer_printf(&line, ",\"attempts\":%lld,\"failed_at\":\"%s\",\"change\":", (long long) pending->attempts,
						 pythia_time_json(pythia_host_now(NULL), now));
	pythia_buffer_append(&line, pending->line, strlen(pending->line) - 1);
	pythia_buffer_puts(&line, "}\n");
	ok = fd >= 0 && write(fd, line.data, line.length) == (ssize_t) line.length && fsync(fd) == 0;
	if (!ok)
	{
		if (fd >= 0)
			pythia_fail(error, PYTHIA_E_DATABASE, "58030", "cannot write \"%s\": %s", h->settings->dead_letter,
						strerror(errno));
		pythia_error_hint(error, "The change is kept and comes again when the worker is started.");
	}
	else
	{
		h->dead++;
		cli_warn("a change went to %s after %lld attempts: %s", h->settings->dead_letter, (long long) pending->attempts,
				 pending->reason);
	}
	if (fd >= 0)
		close(fd);
	pythia_buffer_free(&line);
	return ok;
}

static bool fail_change(cli_handler *h, cli_pending pending, const char *reason, pythia_error *error)
{
	bool ok = true;

	pythia_free(pending.reason);
	pending.reason = pythia_strdup(reason);
	pending.attempts++;
	if (pending.attempts >= h->settings->max_attempts)
	{
		ok = bury(h, &pending, error);
		free_pending(&pending);
	}
	else
		append(&h->failed, pending);
	return ok;
}

/* One line of answer, which is the oldest change's. */
static bool take_answer(cli_handler *h, const char *text, pythia_error *error)
{
	cli_pending pending;

	if (h->queue.count == 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "the handler answered \"%.80s\" to nothing", text);
		return pythia_error_hint(error,
								 "It must write one line for each change and nothing else; what is not an answer "
								 "belongs on stderr.");
	}
	pending = take_first(&h->queue);
	h->since = pythia_monotonic_ms();
	if (strcmp(text, "ok") != 0)
		return fail_change(h, pending, *text != '\0' ? text : "the handler gave no reason", error);
	h->handled++;
	free_pending(&pending);
	return true;
}

/* The change it was at has failed, the others are tried again as they are. */
static bool fail_task(cli_handler *h, const char *reason, pythia_error *error)
{
	cli_pending first;

	if (h->queue.count == 0)
		return true;
	first = take_first(&h->queue);
	while (h->queue.count > 0)
		append(&h->failed, take_first(&h->queue));
	h->written = 0;
	return fail_change(h, first, reason, error);
}

static bool ended(cli_handler *h, pythia_error *error)
{
	char reason[64];
	int status;

	stop(h, &status);
	if (WIFSIGNALED(status))
		snprintf(reason, sizeof(reason), "the handler was ended by signal %d", WTERMSIG(status));
	else
		snprintf(reason, sizeof(reason), "the handler ended with code %d", WEXITSTATUS(status));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "58P01", "cannot run the handler \"%s\"", h->settings->command[0]);
		return pythia_error_hint(error, "Check \"handler\" in pythia.json: the file must be there and executable.");
	}
	return fail_task(h, reason, error);
}

/* Silent for too long: what it was at may be what it cannot do. */
static bool hangs(cli_handler *h, pythia_error *error)
{
	char reason[80];
	int status;

	snprintf(reason, sizeof(reason), "the handler gave no answer within %g s", h->settings->timeout);
	cli_warn("%s and is started again", reason);
	kill(-h->pid, SIGTERM);
	stop(h, &status);
	return fail_task(h, reason, error);
}

static bool read_answers(cli_handler *h, pythia_error *error)
{
	char chunk[4096];
	ssize_t n = read(h->out, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? true : ended(h, error);
	if (n == 0)
		return ended(h, error);
	for (ssize_t i = 0; i < n; i++)
	{
		if (chunk[i] != '\n')
		{
			if (h->answer.length < MAX_ANSWER && chunk[i] != '\0')
				pythia_buffer_putc(&h->answer, chunk[i]);
			continue;
		}
		if (h->answer.length > 0 && h->answer.data[h->answer.length - 1] == '\r')
			h->answer.data[--h->answer.length] = '\0';
		if (!take_answer(h, pythia_buffer_text(&h->answer), error))
			return false;
		pythia_buffer_clear(&h->answer);
	}
	return true;
}

static bool is_silent(const cli_handler *h)
{
	return h->queue.count > 0 && h->settings->timeout > 0 &&
		   pythia_monotonic_ms() - h->since > (int64_t) (h->settings->timeout * 1000);
}

/* Waits until it reads or writes, and does what can be done then. */
static bool turn(cli_handler *h, bool writing, pythia_error *error)
{
	struct pollfd fds[2] = {{.fd = h->out, .events = POLLIN}, {.fd = writing ? h->in : -1, .events = POLLOUT}};
	int ready = poll(fds, 2, 100);

	if (pythia_host_cancelled(NULL))
		return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "interrupted");
	if (ready <= 0)
		return !is_silent(h) || hangs(h, error);
	if (fds[0].revents != 0)
		return read_answers(h, error);
	if (fds[1].revents != 0)
	{
		const char *line = newest(&h->queue)->line;
		ssize_t n = write(h->in, line + h->written, strlen(line + h->written));

		if (n > 0)
			h->written += (size_t) n;
		else if (n < 0 && errno == EPIPE)
			return ended(h, error);
	}
	return true;
}

/* Puts a change in the queue and writes it out. */
static bool send_pending(cli_handler *h, cli_pending pending, pythia_error *error)
{
	if (h->in < 0 && !start(h, error))
	{
		free_pending(&pending);
		return false;
	}
	if (h->queue.count == 0)
		h->since = pythia_monotonic_ms();
	append(&h->queue, pending);
	h->written = 0;
	/* where the handler ends meanwhile, the queue is empty again and the change in the failed list */
	while (h->queue.count > 0 && h->in >= 0 && newest(&h->queue)->line[h->written] != '\0')
		if (!turn(h, true, error))
			return false;
	return true;
}

static bool wait_answers(cli_handler *h, int at_most, pythia_error *error)
{
	while (h->queue.count > at_most)
		if (!turn(h, false, error))
			return false;
	return true;
}

bool cli_handler_send(cli_handler *h, const char *line, pythia_error *error)
{
	cli_pending pending = {.line = pythia_strdup(line)};

	if (!wait_answers(h, h->settings->ordered ? 0 : WINDOW - 1, error) ||
		(h->settings->ordered && h->failed.count > 0 && !cli_handler_drain(h, error)))
	{
		free_pending(&pending);
		return false;
	}
	return send_pending(h, pending, error) && (!h->settings->ordered || cli_handler_drain(h, error));
}

bool cli_handler_drain(cli_handler *h, pythia_error *error)
{
	if (!wait_answers(h, 0, error))
		return false;
	while (h->failed.count > 0)
	{
		int round = h->failed.count;
		pythia_retry retry = pythia_retry_growing((int64_t) (h->settings->retry_delay * 1000), (uint64_t) getpid());

		retry.attempt = (int) oldest(&h->failed)->attempts - 1;
		if (oldest(&h->failed)->attempts > 0 &&
			pythia_host_wait(NULL, -1, 0, (long) pythia_retry_next(&retry)) == PYTHIA_WAIT_CANCELLED)
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "interrupted");
		while (round-- > 0)
			if (!send_pending(h, take_first(&h->failed), error) || !wait_answers(h, WINDOW - 1, error))
				return false;
		if (!wait_answers(h, 0, error))
			return false;
	}
	return true;
}

void cli_handler_close(cli_handler *h)
{
	int status;

	stop(h, &status);
	free_list(&h->queue);
	free_list(&h->failed);
	pythia_buffer_free(&h->answer);
	memset(h, 0, sizeof(*h));
	h->in = h->out = -1;
}
