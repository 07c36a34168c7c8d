/* Passwords that lie in a file of their own: ?password_file=/path, as secret stores write them. */
#ifndef PYTHIA_PASSWORD_FILE_H
#define PYTHIA_PASSWORD_FILE_H

#include "core/error.h"
#include "core/url.h"

#define PYTHIA_PASSWORD_FILE "password_file"

/* Copies a URL that has the parameter: in *to the password is what the file's first line says, and the parameter
 * is gone.  To be freed, also after a failure. */
bool pythia_password_from_file(const pythia_url *url, pythia_url *to, pythia_error *error);

#endif
