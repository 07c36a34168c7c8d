/* What a sync_config says of live sync. */
#ifndef PYTHIA_LIVE_OPTIONS_H
#define PYTHIA_LIVE_OPTIONS_H

#include "live/live.h"

/* Seconds between two looks for changes, unless the user says so. */
#define PYTHIA_LIVE_INTERVAL 0.01

typedef struct pythia_live_options
{
	pythia_live_change on_change;
	double interval; /* seconds between two looks for changes */
} pythia_live_options;

/* Whether it asks for live sync: mode "live". */
bool pythia_live_wanted(const pythia_node *config);
/* Reads what it says of that; class USAGE for values that are wrong, and for options, also of single tables, that have no
 * place beside mode "live". */
bool pythia_live_options_read(const pythia_node *config, pythia_live_options *options, pythia_error *error);
/* Words of sync_config that go with the other modes alone; the list ends in NULL. */
extern const char *const pythia_live_others[];
/* Words of on_schema_change, in the order of pythia_live_change; the list ends in NULL. */
extern const char *const pythia_live_changes[];
/* Which of them it is; FOLLOW for any other. */
pythia_live_change pythia_live_change_of(const char *word);
/* Turns it into the sync_config of the copies that a live sync begins with; what is said of live sync is gone from it. */
void pythia_live_configure(pythia_node *config);

#endif
