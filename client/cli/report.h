/* Results on stdout: a table for people, one JSON object a line for machines. */
#ifndef PYTHIA_CLI_REPORT_H
#define PYTHIA_CLI_REPORT_H

#include "sync/sync.h"
#include "validate/validate.h"

/* error: of a table that failed, else NULL. */
void cli_report_sync(const char *table, const pythia_sync_result *result, const pythia_error *error);
void cli_report_repair(const char *table, const pythia_sync_result *result, const pythia_error *error);
void cli_report_validate(const char *table, const pythia_validate_result *result, const pythia_error *error);
void cli_report_difference(const char *table, const pythia_difference *difference);
void cli_report_end(void); /* after the last table */

/* The exit code for a table that failed: a wrong table is a failed table, not wrong usage. */
int cli_table_exit_code(const pythia_error *error);

#endif
