/* What the handles of pythia.h are. */
#ifndef PYTHIA_API_INTERNAL_H
#define PYTHIA_API_INTERNAL_H

#include <stdbool.h>

/* the public header's words for what the engine calls otherwise */
#include "capture/capture.h"
#include "core/error.h"
#include "core/host.h"
#include "core/node.h"
#include "drivers/driver.h"
#include "pythia.h"

struct pythia_client
{
	pythia_host host;
	volatile int cancelled;
	pythia_error error;
	char *watermark; /* of the last report */
	pythia_progress progress;
	void *progress_context;
	pythia_notice notice;
	void *notice_context;
	pythia_watch *watches; /* all that are open */
};

struct pythia_watch
{
	pythia_client *client;
	pythia_watch *next;
	pythia_database *source; /* NULL: closed meanwhile, as is the next */
	pythia_database *state;
	char *name;
	pythia_node *options;
	pythia_capture *capture;   /* NULL: to be opened again, the databases being others by now */
	pythia_on_change callback; /* of the poll under way */
	void *context;
};

struct pythia_database
{
	pythia_client *client;
	pythia_db *db;
	pythia_url url; /* to open it again, or once more */
	pythia_open_options options;
};

/* The status for the client's error. */
pythia_status pythia_client_failed(pythia_client *client);
/* Opens it again where it is broken. */
bool pythia_client_ready(pythia_database *database);
/* Checks that both are of one client, and opens again what is broken. */
bool pythia_client_pair(pythia_database *a, pythia_database *b);
/* Reads JSON text; NULL gives an empty object. The caller frees *node. */
bool pythia_client_json(pythia_client *client, const char *what, const char *text, pythia_node **node);

#endif
