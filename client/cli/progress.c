#include "cli/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/say.h"
#include "core/host.h"

/* One for each table at work, of which there may be several. */
typedef struct bar
{
	char label[64];
	char phase[32];
	int64_t rows;
	int64_t total;
	int64_t bytes;
	int64_t started;
	int64_t shown;       /* when its last line was written */
	int64_t joined_rows; /* of those who help */
	int64_t joined_bytes;
	struct bar *next;
} bar;

static bar *bars;
static _Thread_local bar own;
static _Thread_local bool helping; /* with the table of own.label, so far as own.rows and own.bytes say */
static int64_t drawn;              /* when the line on the terminal was */
static bool terminal;
static bool on_screen;

char *cli_human_count(int64_t count, char *text)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%lld", (long long) count);
	char *out = text;

	for (int i = 0; i < n; i++)
	{
		*out++ = digits[i];
		if (i < n - 1 && digits[i] != '-' && (n - 1 - i) % 3 == 0)
			*out++ = ',';
	}
	*out = '\0';
	return text;
}

/* "1.2 MB", into a buffer of at least 32 bytes, which is returned. */
static char *human_bytes(double bytes, char *text)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	int unit = 0;

	while (bytes >= 1000 && unit < 4)
	{
		bytes /= 1000;
		unit++;
	}
	snprintf(text, 32, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
	return text;
}

char *cli_human_seconds(double seconds, char *text)
{
	if (seconds < 0.9995)
		snprintf(text, 32, "%.0f ms", seconds * 1000);
	else if (seconds < 60)
		snprintf(text, 32, "%.1f s", seconds);
	else if (seconds < 3600)
		snprintf(text, 32, "%d min %02d s", (int) seconds / 60, (int) seconds % 60);
	else
		snprintf(text, 32, "%d h %02d min", (int) (seconds / 3600), (int) (seconds / 60) % 60);
	return text;
}

static void take_off(void)
{
	if (on_screen)
	{
		fputs("\r\033[K", stderr);
		on_screen = false;
	}
}

static int64_t now(void)
{
	return pythia_host_now(pythia_default_host());
}

static void forget(bar *gone)
{
	for (bar **link = &bars; *link != NULL; link = &(*link)->next)
	{
		if (*link == gone)
		{
			*link = gone->next;
			return;
		}
	}
}

void cli_progress_begin(const char *label)
{
	if (cli_quiet)
		return;
	cli_output_lock();
	forget(&own);
	memset(&own, 0, sizeof(own));
	snprintf(own.label, sizeof(own.label), "%s", label);
	own.started = own.shown = now();
	own.next = bars;
	bars = &own;
	drawn = own.started;
	terminal = isatty(STDERR_FILENO) == 1;
	cli_before_line = take_off;
	cli_output_unlock();
}

static int columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

static void draw(const bar *shown)
{
	int64_t rows = shown->rows + shown->joined_rows;
	int64_t bytes = shown->bytes + shown->joined_bytes;
	int64_t total = shown->total;
	double elapsed = (double) (now() - shown->started) / 1e6;
	char count[32];
	char rate[32];
	char left[32];
	char volume[32];
	char line[512];
	double speed = elapsed > 0 ? (double) rows / elapsed : 0;
	int width = columns() - 1;
	int n = snprintf(line, sizeof(line), "%s  %s  %s rows  %s/s  %s", shown->label, shown->phase,
					 cli_human_count(rows, count), cli_human_count((int64_t) speed, rate),
					 human_bytes((double) bytes, volume));

	if (total > 0 && rows <= total && speed > 0 && n < (int) sizeof(line) - 64)
		n += snprintf(line + n, sizeof(line) - (size_t) n, "  %s left",
					  cli_human_seconds((double) (total - rows) / speed, left));
	if (n > width)
		n = width;
	if (terminal)
	{
		int room = width - n - 9;

		fputs("\r", stderr);
		if (total > 0 && room >= 10)
		{
			double share = rows >= total ? 1 : (double) rows / (double) total;
			int length = room > 30 ? 30 : room;
			int done = (int) (share * length);

			char marks[31];

			memset(marks, '-', sizeof(marks));
			memset(marks, '#', (size_t) done);
			cli_put_coloured(stderr, CLI_GREEN, "[%.*s]", length, marks);
			cli_put(stderr, " %3d %% ", (int) (share * 100));
		}
		cli_put(stderr, "%.*s", n, line);
		fputs("\033[K", stderr);
		on_screen = true;
	}
	else
		cli_put_line(stderr, "%.*s", n, line);
	fflush(stderr);
}

/* Seconds between lines where nobody watches; the tests shorten it. */
static double log_interval(void)
{
	const char *text = getenv("PYTHIA_PROGRESS_INTERVAL");

	return text != NULL && atof(text) > 0 ? atof(text) : 10;
}

/* What all tables at work make together. */
static bar sum_of_bars(void)
{
	bar sum = own;
	int count = 0;

	sum.rows = sum.total = sum.bytes = sum.joined_rows = sum.joined_bytes = 0;
	for (const bar *one = bars; one != NULL; one = one->next)
	{
		count++;
		sum.rows += one->rows + one->joined_rows;
		sum.bytes += one->bytes + one->joined_bytes;
		/* one that nobody knows leaves the whole unknown */
		sum.total = one->total < 0 || sum.total < 0 ? -1 : sum.total + one->total;
		if (one->started < sum.started)
			sum.started = one->started;
	}
	if (count > 1)
		snprintf(sum.label, sizeof(sum.label), "%d tables", count);
	return sum;
}

/* Draws where it is time to, with the lock held. */
static void show(bar *shown)
{
	int64_t at = now();

	if (terminal && at - drawn >= 100000)
	{
		bar sum = sum_of_bars();

		drawn = at;
		draw(&sum);
	}
	else if (!terminal && (double) (at - shown->shown) / 1e6 >= log_interval())
	{
		shown->shown = at;
		draw(shown);
	}
}

/* With the lock held. */
static void add_to_joined(int64_t rows, int64_t bytes)
{
	for (bar *one = bars; one != NULL; one = one->next)
	{
		if (strcmp(one->label, own.label) == 0)
		{
			one->joined_rows += rows - own.rows;
			one->joined_bytes += bytes - own.bytes;
			/* the table's own thread may be done with its share and wait for ours */
			show(one);
		}
	}
	own.rows = rows;
	own.bytes = bytes;
}

void cli_progress_join(const char *label)
{
	if (cli_quiet)
		return;
	memset(&own, 0, sizeof(own));
	snprintf(own.label, sizeof(own.label), "%s", label);
	helping = true;
}

void cli_progress_leave(void)
{
	own.label[0] = '\0';
	helping = false;
}

void cli_progress_alone(void)
{
	cli_output_lock();
	own.joined_rows = own.joined_bytes = 0;
	cli_output_unlock();
}

void cli_progress_update(const char *phase, int64_t rows, int64_t total, int64_t bytes)
{
	if (own.label[0] == '\0')
		return;
	cli_output_lock();
	if (helping)
	{
		add_to_joined(rows, bytes);
		cli_output_unlock();
		return;
	}
	snprintf(own.phase, sizeof(own.phase), "%s", phase != NULL ? phase : "");
	own.rows = rows;
	own.total = total;
	own.bytes = bytes;
	show(&own);
	cli_output_unlock();
}

void cli_progress_end(void)
{
	cli_output_lock();
	take_off();
	forget(&own);
	own.label[0] = '\0';
	cli_output_unlock();
	fflush(stderr);
}
