/* The two databases of a verb, each this one ('local') or another by its URL. */
#ifndef PYTHIA_SQLITE_ENDPOINTS_H
#define PYTHIA_SQLITE_ENDPOINTS_H

#include "pythia_sqlite.h"

/* What for; only MAKE makes the file of SQLite where there is none. */
typedef enum pythia_endpoint_use
{
	PYTHIA_ENDPOINT_READ,
	PYTHIA_ENDPOINT_WRITE,
	PYTHIA_ENDPOINT_MAKE
} pythia_endpoint_use;

typedef struct pythia_endpoints
{
	pythia_sqlite *self;
	pythia_url source_url; /* scheme NULL: local */
	pythia_url target_url;
	pythia_db *source;
	pythia_db *target;
	bool source_owned;
	bool target_owned;
} pythia_endpoints;

/* NULL and 'local' mean this database. */
bool pythia_endpoint_is_local(const char *name);
/* Refuses a URL that holds a password: what is stored is readable by everybody who reads the file; and one that sends a
 * file's content, or acts as somebody, of who opens the file.  To be asked when a URL is stored, and when it is read: the
 * file may be anybody's.  `what` ("source") begins the message. */
bool pythia_endpoint_storable(const char *name, const char *what, pythia_error *error);
/* Opens one; *owned tells whether it is to be closed by the caller. url may be NULL. */
bool pythia_endpoint_open(pythia_sqlite *self, const char *name, pythia_endpoint_use use, pythia_url *url,
						  pythia_db **db, bool *owned, pythia_error *error);
bool pythia_endpoints_open(pythia_sqlite *self, const char *source, const char *target, pythia_endpoint_use target_use,
						   pythia_endpoints *endpoints, pythia_error *error);
void pythia_endpoints_close(pythia_endpoints *endpoints);
/* For pythia_sync_job.connect: only a database that is not this one can be opened again. */
bool pythia_endpoints_another(void *endpoints, bool target, const pythia_host *host, pythia_db **db,
							  pythia_error *error);

#endif
