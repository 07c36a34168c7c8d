/* Numbers as text, exactly. */
#ifndef PYTHIA_NUMBER_H
#define PYTHIA_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYTHIA_DOUBLE_TEXT 32 /* bytes that pythia_double_text needs at most, with the NUL */

/* Writes the shortest text that reads back to the same double ("NaN", "Infinity",
 * "-Infinity" for what has no digits); returns its length. */
int pythia_double_text(char *out, double value);
/* Writes a decimal integer (at most 20 characters and a NUL); returns its length. */
int pythia_int64_text(char *out, int64_t value);
/* Reads all of a decimal integer; false where it is none or does not fit. */
bool pythia_int64_read(const char *text, size_t length, int64_t *value);
/* Reads all of a number as PostgreSQL or MySQL writes doubles, with the names above. */
bool pythia_double_read(const char *text, size_t length, double *value);

/* The value of a hexadecimal digit; -1 for any other character. */
static inline int pythia_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
