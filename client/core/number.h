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
/* The same of digits alone, up to `most`: no sign, no blank. */
bool pythia_whole_number(const char *text, int64_t most, int64_t *value);
/* The sum, the difference and the product, at the end of the range where they would go beyond: for numbers that a
 * server, a file or a user gave. */
static inline int64_t pythia_add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? (b < 0 ? INT64_MIN : INT64_MAX) : sum;
}

static inline int64_t pythia_subtract(int64_t a, int64_t b)
{
	int64_t difference;

	return __builtin_sub_overflow(a, b, &difference) ? (b < 0 ? INT64_MAX : INT64_MIN) : difference;
}

static inline int64_t pythia_multiply(int64_t a, int64_t b)
{
	int64_t product;

	return __builtin_mul_overflow(a, b, &product) ? ((a < 0) != (b < 0) ? INT64_MIN : INT64_MAX) : product;
}

/* Reads all of a number as PostgreSQL or MySQL writes doubles, with the names above; digits beyond the greatest double
 * read as an infinity. */
bool pythia_double_read(const char *text, size_t length, double *value);
/* True where the number is written in digits and beyond the greatest double. */
bool pythia_double_beyond(const char *text, size_t length);

#endif
