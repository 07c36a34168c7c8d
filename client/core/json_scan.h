/* The pieces of JSON text by RFC 8259, for those who read it. */
#ifndef PYTHIA_JSON_SCAN_H
#define PYTHIA_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"

/* What is left of the text. */
typedef struct pythia_json_scan
{
	const char *at;
	const char *end;
} pythia_json_scan;

/* An exponent from here on is only known to be at least that large. */
#define PYTHIA_JSON_EXPONENTS 10000000000000000L

/* A number in its parts: digits before and after the point, within the text, and the exponent. */
typedef struct pythia_json_number
{
	const char *whole;
	const char *fraction;
	int nwhole;
	int nfraction;
	long exponent;
	bool negative;
} pythia_json_number;

/* The next byte after white space, which is skipped; NUL at the end, where there may be a NUL as well. */
char pythia_json_next(pythia_json_scan *scan);
/* Takes the byte if it is the next after white space. */
bool pythia_json_take(pythia_json_scan *scan, char c);
/* Takes the word (true, false, null) if it stands there. */
bool pythia_json_word(pythia_json_scan *scan, const char *word);
/* The rest of a string whose opening quote was taken: `text` (cleared first) gets it without its escapes.  False where
 * it is none, or no UTF-8. */
bool pythia_json_text(pythia_json_scan *scan, pythia_buffer *text);
/* Is the text, which may hold NUL, one JSON value?  However deep it is.  Whether it is UTF-8 is not asked. */
bool pythia_json_valid(const char *text, size_t length);
bool pythia_json_read_number(pythia_json_scan *scan, pythia_json_number *number);
/* Is the text a number as JSON writes it?  It knows neither 007 nor NaN nor .5 nor 5. nor +5. */
bool pythia_json_is_number(const char *text, size_t length);
/* Appends JSON that somebody else has made, as one line; what is none as a string. */
void pythia_json_foreign(pythia_buffer *out, const char *text, size_t length);

/* The digit of that place, of those before and after the point. */
char pythia_json_digit(const pythia_json_number *number, int place);
/* Appends the number as PostgreSQL's numeric and jsonb write it: plain digits, with the scale that was given.  False,
 * with nothing appended, beyond what that type holds. */
bool pythia_json_numeric(const pythia_json_number *number, pythia_buffer *out);

#endif
