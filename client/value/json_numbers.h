/* Numbers within JSON, on their way to where they become doubles: MySQL, though not MariaDB, which keeps the text. */
#ifndef PYTHIA_VALUE_JSON_NUMBERS_H
#define PYTHIA_VALUE_JSON_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>

/* False where one of them would be another: a fraction of too many digits, a whole number beyond 64 bits. */
bool pythia_json_numbers_kept(const char *text, size_t length);

#endif
