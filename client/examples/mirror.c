/*
 * mirror SOURCE TARGET STATE TABLE...: copies tables, checks that they are equal,
 * and tells what changes on the source until nothing has changed for a poll.
 *
 * cc mirror.c $(pkg-config --cflags --libs libpythia)
 */
#include <signal.h>
#include <stdio.h>
#include <pythia.h>

static pythia_client *client;

static void on_interrupt(int signal)
{
	(void) signal;
	pythia_client_cancel(client);
}

static int complain(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, pythia_client_message(client));
	if (*pythia_client_hint(client))
		fprintf(stderr, "%s\n", pythia_client_hint(client));
	return 1;
}

static int print_difference(void *context, const char *kind, const char *primary_key, const char *source_row,
							const char *target_row, const char *const *columns)
{
	printf("%s: %s %s", (const char *) context, kind, primary_key);
	for (; *columns; columns++)
		printf(" %s", *columns);
	printf("\n");
	(void) source_row;
	(void) target_row;
	return 0;
}

static int print_change(void *context, const pythia_change *change)
{
	(void) context;
	printf("%s %s %s\n", change->type, change->table, change->primary_key ? change->primary_key : "");
	return 0;
}

static int copy_and_check(pythia_database *from, pythia_database *to, const char *table)
{
	pythia_sync_report report;
	pythia_validation validation;

	if (pythia_client_sync(from, to, table, "{\"mode\": \"full\"}", NULL, &report) != PYTHIA_OK)
		return complain(table);
	printf("%s: %lld rows read, %lld inserted, %lld updated\n", table, (long long) report.rows_read,
		   (long long) report.rows_inserted, (long long) report.rows_updated);
	if (pythia_client_validate(from, to, table, NULL, NULL, print_difference, (void *) table, &validation) != PYTHIA_OK)
		return complain(table);
	printf("%s: %s\n", table, validation.is_valid ? "equal" : "not equal");
	return !validation.is_valid;
}

static int watch_changes(pythia_database *from, pythia_database *state, const char *const *tables)
{
	pythia_watch *watch;
	int64_t count = 1;

	if (pythia_client_watch(from, state, "mirror", tables, NULL, "{\"start_from\": \"beginning\"}", &watch) !=
		PYTHIA_OK)
		return complain("watch");
	while (count > 0)
		if (pythia_client_poll(watch, print_change, NULL, &count) != PYTHIA_OK)
			break;
	pythia_client_unwatch(watch);
	return count > 0 ? complain("poll") : 0;
}

int main(int argc, char **argv)
{
	pythia_database *from = NULL;
	pythia_database *to = NULL;
	pythia_database *state = NULL;
	int status = 0;

	if (argc < 5)
	{
		fprintf(stderr, "usage: mirror SOURCE TARGET STATE TABLE...\n");
		return 2;
	}
	client = pythia_client_new();
	signal(SIGINT, on_interrupt);
	if (pythia_client_open(client, argv[1], 0, &from) != PYTHIA_OK)
		status = complain("source");
	else if (pythia_client_open(client, argv[2], PYTHIA_CREATE, &to) != PYTHIA_OK)
		status = complain("target");
	else if (pythia_client_open(client, argv[3], PYTHIA_CREATE, &state) != PYTHIA_OK)
		status = complain("state");
	else
	{
		printf("%s to %s\n", pythia_client_server(from), pythia_client_server(to));
		for (int i = 4; i < argc && status == 0; i++)
			status = copy_and_check(from, to, argv[i]);
		if (status == 0)
			status = watch_changes(from, state, (const char *const *) argv + 4);
	}
	pythia_client_close(state);
	pythia_client_close(to);
	pythia_client_close(from);
	pythia_client_free(client);
	return status;
}
