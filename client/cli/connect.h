/* Opening the databases that a command names. */
#ifndef PYTHIA_CLI_CONNECT_H
#define PYTHIA_CLI_CONNECT_H

#include "cli/args.h"
#include "drivers/driver.h"

/* A database a command works with; zero it before use. */
typedef struct cli_endpoint
{
	pythia_url url;
	pythia_open_options options;
	pythia_db *db;
	char *name; /* the URL without secrets, with an absolute path for SQLite: names it in the state file */
} cli_endpoint;

/* The URL of --OPTION, or else of the environment variable (which may be NULL), or NULL with a USAGE error. */
const char *cli_url_text(const cli_args *args, const char *option, const char *variable, pythia_error *error);

bool cli_endpoint_parse(cli_endpoint *endpoint, const char *url, pythia_error *error);
bool cli_endpoint_open(cli_endpoint *endpoint, pythia_error *error); /* nothing to do where it is open and whole */
/* For who makes nothing: a SQLite file that is missing is an empty database in memory.  Before it is opened. */
void cli_endpoint_imagine(cli_endpoint *endpoint);
void cli_endpoint_close(cli_endpoint *endpoint); /* also frees url and name; safe on a zeroed one */
/* A further connection to the same database; the caller closes it. */
bool cli_endpoint_another(const cli_endpoint *endpoint, const pythia_host *host, pythia_db **db, pythia_error *error);

#endif
