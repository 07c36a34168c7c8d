/*
 * JSON in one spelling, so that equal documents are equal texts: white space and the order of names
 * do not count, and of a repeated name the last does, as in jsonb.
 */
#ifndef PYTHIA_JSON_CANONICAL_H
#define PYTHIA_JSON_CANONICAL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"
#include "core/host.h"

typedef enum pythia_json_style
{
	PYTHIA_JSON_STYLE_VALUE,     /* neither the spelling of strings nor that of numbers counts */
	PYTHIA_JSON_STYLE_JSONB,     /* PostgreSQL's text of jsonb: numbers keep their trailing zeros */
	PYTHIA_JSON_STYLE_NORMALIZED /* MariaDB's JSON_NORMALIZE: strings keep their escapes */
} pythia_json_style;

/* Appends `text` in that spelling; false, with nothing appended, where it is no JSON, none that the style has, or one whose
 * numbers jsonb would write with more than 16 MB of digits that are not in the text. */
bool pythia_json_canonical(pythia_buffer *out, const char *text, size_t length, pythia_json_style style);
/* The same; the host is asked now and then whether to stop: then false, and *cancelled. */
bool pythia_json_canonical_until(pythia_buffer *out, const char *text, size_t length, pythia_json_style style,
								 const pythia_host *host, bool *cancelled);
/* Whether a text is JSON that PYTHIA_JSON_STYLE_VALUE has a spelling of. */
bool pythia_json_has_spelling(const char *text, size_t length);
/* Whether two texts are one JSON value; false also where one of them is no JSON, or the host (NULL: none) wants to stop. */
bool pythia_json_equal(const char *a, size_t a_length, const char *b, size_t b_length, const pythia_host *host);

#endif
