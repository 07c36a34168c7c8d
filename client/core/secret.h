/*
 * Secrets in text that others may read: the command line that ps shows, the
 * server's log, the activity of a session.  Which names carry a secret, and where
 * the secrets of a text are, is decided here alone.
 */
#ifndef PYTHIA_SECRET_H
#define PYTHIA_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* True for the name of a parameter, an option or a variable whose value is a secret. */
bool pythia_secret_name(const char *name, size_t length);

/*
 * Overwrites by asterisks, byte for byte, every secret of a text: passwords in URLs, values of secret
 * names in URLs, in JSON, in SQL (name 'value', name => 'value') and in name=value, also in a quoted URL whose
 * "://" is misspelt.  Where a text can be read in two ways, more is hidden rather than less.  `whole`: the text is
 * one word, such as an argument, so that a URL in it ends with it and not at a blank, and user:password@host is one.
 * True where there was something to hide.
 */
bool pythia_secret_mask(char *text, bool whole);

/* Makes three of every longer run of asterisks: not even the length of a secret shows. */
void pythia_secret_squeeze(char *text);

/*
 * A copy of a word that was not understood, as a message may repeat it: it may be a URL in a wrong place, or a
 * misspelt one.  The caller frees it.
 */
char *pythia_secret_shown(const char *word);

#endif
