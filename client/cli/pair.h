/* What `sync`, `validate` and `repair` share: two places, a list of tables, the
 * engine's options. */
#ifndef PYTHIA_CLI_PAIR_H
#define PYTHIA_CLI_PAIR_H

#include "cli/connect.h"
#include "core/node.h"
#include "sync/sync.h"

extern const cli_option cli_pair_options[];   /* --source, --target, --tables, --all, --schema, --config */
extern const cli_option cli_column_options[]; /* mapping, conditions and policies: sync_config's own names */

typedef struct cli_pair
{
	cli_endpoint source;
	cli_endpoint target;
	char **tables;
	int ntables;
	bool all;            /* --all, and none by its name */
	pythia_node *config; /* sync_config */
} cli_pair;

/* Reads the options, opens both places, finds the tables.  On failure pair has no tables and is still
 * to be closed.  `sets` are further option tables that go into the sync_config. */
bool cli_pair_open(const cli_args *args, const cli_option *const *sets, bool create_target, cli_pair *pair,
				   pythia_error *error);
/* Fills a job for one table, with config read for it. */
bool cli_pair_job(cli_pair *pair, const char *table, pythia_sync_config *config, pythia_sync_job *job,
				  pythia_error *error);
void cli_pair_close(cli_pair *pair);

/* JSON given as itself, or as @FILE. */
bool cli_read_json_option(const cli_args *args, const char *option, bool list, pythia_node **node, pythia_error *error);
/* A whole file of at most 16 MB in memory; the caller frees.  NULL after an error.  `pipes`: whoever named it may have meant
 * a pipe, which is waited for. */
char *cli_read_file(const char *path, bool pipes, pythia_error *error);

/* The worst of two exit codes: interrupted, then no connection, then wrong usage, then a difference. */
int cli_worse(int a, int b);

#endif
