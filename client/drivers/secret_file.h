/*
 * Secrets of a URL, which may lie in a file of their own, as secret stores write them: ?password_file=/path is the password,
 * ?mask_key_file=/path or ?mask_key=… what masks are made with (dialect/masks.h), which no server is told as a parameter.
 */
#ifndef PYTHIA_SECRET_FILE_H
#define PYTHIA_SECRET_FILE_H

#include "core/error.h"
#include "core/url.h"

#define PYTHIA_PASSWORD_FILE "password_file"
#define PYTHIA_MASK_KEY      "mask_key"
#define PYTHIA_MASK_KEY_FILE "mask_key_file"

/* Without them it is what a driver knows. */
void pythia_url_drop_secrets(pythia_url *url);
bool pythia_url_has_secrets(const pythia_url *url);
/* Copies a URL: in *to the password is what its file's first line says, and the parameters are gone; *mask_key is NULL where
 * none was given.  Both are to be freed, also after a failure. */
bool pythia_url_take_secrets(const pythia_url *url, pythia_url *to, char **mask_key, pythia_error *error);

#endif
