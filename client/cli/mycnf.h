/* The user's own MySQL credentials, as the mysql client reads them. */
#ifndef PYTHIA_CLI_MYCNF_H
#define PYTHIA_CLI_MYCNF_H

#include "core/url.h"

/* Fills what a MySQL URL leaves out: the password from MYSQL_PWD, else user and
 * password from the [client] group of ~/.my.cnf.  A file others can write is not read. */
void cli_mysql_defaults(pythia_url *url);

#endif
