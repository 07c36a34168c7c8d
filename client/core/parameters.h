/*
 * Whose rights a URL's parameters ask for.  In a server that others use too, a
 * parameter may lend them its files or its identity; what is not listed here as
 * harmless is its administrator's alone.
 */
#ifndef PYTHIA_PARAMETERS_H
#define PYTHIA_PARAMETERS_H

#include "core/url.h"

typedef enum pythia_parameter_class
{
	PYTHIA_PARAMETER_ANYBODY, /* concerns the connection alone */
	PYTHIA_PARAMETER_FILE,    /* names a file that the server's operating system user reads */
	PYTHIA_PARAMETER_ADMIN    /* its identity, its sockets, other services; and whatever is not known */
} pythia_parameter_class;

pythia_parameter_class pythia_parameter_class_of(pythia_engine engine, const char *name, const char *value);
/* Whether a URL may have it that stands in a file of somebody else than who opens that: it neither sends what a file of his
 * holds nor lends his identity.  What the server is checked against stays with him. */
bool pythia_parameter_storable(pythia_engine engine, const char *name, const char *value);

#endif
