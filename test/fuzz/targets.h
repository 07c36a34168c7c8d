/*
 * What is fuzzed: each takes any bytes and aborts where a promise is broken.
 * fuzz.c drives one of them with libFuzzer, test/unit/test_fuzz.c all of them with
 * a seeded sequence.
 */
#ifndef PYTHIA_FUZZ_TARGETS_H
#define PYTHIA_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

void fuzz_url(const uint8_t *data, size_t size);        /* parsing and showing a URL */
void fuzz_options(const uint8_t *data, size_t size);    /* JSON text, the tree, every reader of options */
void fuzz_rows(const uint8_t *data, size_t size);       /* decoding rows, and writing them again */
void fuzz_json(const uint8_t *data, size_t size);       /* writing JSON */
void fuzz_image(const uint8_t *data, size_t size);      /* a row's values as a change tells them */
void fuzz_literals(const uint8_t *data, size_t size);   /* a value of any kind, and a name, in any engine's SQL */
void fuzz_conditions(const uint8_t *data, size_t size); /* whether conditions stay in their parentheses */
void fuzz_types(const uint8_t *data, size_t size);      /* types as a catalogue tells them, written anew */
void fuzz_defaults(const uint8_t *data, size_t size);   /* the same of defaults */
/* targets_drivers.c */
void fuzz_postgres_binary(const uint8_t *data, size_t size); /* rows into binary COPY */
void fuzz_mysql_results(const uint8_t *data, size_t size);   /* what a catalog, a clock and a log answer */

typedef struct fuzz_target
{
	const char *name;
	void (*run)(const uint8_t *data, size_t size);
	const char *alphabet; /* bytes and words that lead deeper, NUL between words and two at the end */
} fuzz_target;

extern const fuzz_target fuzz_targets[]; /* ends with a NULL name */

#endif
