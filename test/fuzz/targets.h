/*
 * What is fuzzed: each takes any bytes and aborts where its promise is broken (targets.c says which).  fuzz.c drives one
 * of them with libFuzzer, test/unit/test_fuzz.c all of them with their corpus and a seeded sequence.
 */
#ifndef PYTHIA_FUZZ_TARGETS_H
#define PYTHIA_FUZZ_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/node.h"
#include "drivers/driver.h"

/* Not assert(): it must hold in every build. */
#define CHECK(condition)                                                                                               \
	do                                                                                                                 \
	{                                                                                                                  \
		if (!(condition))                                                                                              \
		{                                                                                                              \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                                    \
			abort();                                                                                                   \
		}                                                                                                              \
	} while (0)

typedef struct fuzz_target
{
	const char *name;
	void (*run)(const uint8_t *data, size_t size);
	const char *promise;  /* what holds for any bytes */
	const char *alphabet; /* bytes and words that lead deeper, NUL between words and two at the end */
} fuzz_target;

extern const fuzz_target fuzz_targets[]; /* ends with a NULL name */

/* targets_core.c */
void fuzz_url(const uint8_t *data, size_t size);
void fuzz_options(const uint8_t *data, size_t size);
void fuzz_rows(const uint8_t *data, size_t size);
void fuzz_json(const uint8_t *data, size_t size);
void fuzz_image(const uint8_t *data, size_t size);
/* targets_sql.c */
void fuzz_literals(const uint8_t *data, size_t size);
void fuzz_conditions(const uint8_t *data, size_t size);
/* targets_definitions.c */
void fuzz_types(const uint8_t *data, size_t size);
void fuzz_defaults(const uint8_t *data, size_t size);
void fuzz_formulas(const uint8_t *data, size_t size);
void fuzz_tables(const uint8_t *data, size_t size);
/* targets_drivers.c */
void fuzz_postgres_binary(const uint8_t *data, size_t size);
void fuzz_mysql_results(const uint8_t *data, size_t size);

/* --- for the targets ---------------------------------------------------------- */

/* The input as a text that ends; to be freed. */
char *fuzz_text_of(const uint8_t *data, size_t size);
/* A database in memory, the same each time. */
pythia_db *fuzz_memory_db(void);
/* The error says something, and nothing internal; it is reset. */
void fuzz_check_error(pythia_error *error);

#endif
