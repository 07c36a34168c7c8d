/* URLs cut into what may be read by others and what may not. */
#ifndef PYTHIA_POSTGRES_CONNECTION_URL_H
#define PYTHIA_POSTGRES_CONNECTION_URL_H

#include "postgres.h"

#include "core/parameters.h"
#include "core/url.h"
#include "nodes/pg_list.h"

/* The parameters that a role may use, of this class and below. */
extern pythia_parameter_class pythia_parameters_of_role(Oid role);
/* Ereports where a parameter lends files or the identity of the server, and the role may not have them. */
extern void pythia_url_check_parameters(const pythia_url *url, Oid role);
/* The URL without user and secrets; palloc'ed. */
extern char *pythia_url_public(const pythia_url *url);
/* DefElems for a user mapping: user, password, secret parameters. */
extern List *pythia_url_secrets(const pythia_url *url);
/* Puts the options of a user mapping back into the URL. */
extern void pythia_url_apply(pythia_url *url, List *options);
/* Parses, ereports; the URL lives as long as the current memory context. */
extern pythia_url *pythia_url_read(const char *text);

#endif
