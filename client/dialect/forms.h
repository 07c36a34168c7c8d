/*
 * The forms of the interchange format (core/schema.h), to the letter.
 *
 * What a file, a server or a user calls a value is written into SQL only where it has the form of its kind.
 * A server reads more than that: PostgreSQL takes 'now' for a date, MySQL '9 OR 1' for the number 9.
 */
#ifndef PYTHIA_FORMS_H
#define PYTHIA_FORMS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/schema.h"
#include "core/url.h"

/* Digits with an optional sign, one point at most and an exponent: safe to write bare into SQL. */
bool pythia_numeric_text(const char *value, size_t length);
/* Digits with an optional sign. */
bool pythia_integer_text(const char *value, size_t length);
/* \x and pairs of hexadecimal digits. */
bool pythia_hex_text(const char *value, size_t length);
/* 0s and 1s, at least one. */
bool pythia_bits_text(const char *value, size_t length);
/* YYYY-MM-DD[ HH:MM[:SS[.f…]]], with a T or a space between; years of up to six digits. */
bool pythia_stamp_text(const char *value, size_t length);
/* [-]HH:MM[:SS[.f…]]; hours of up to nine digits. */
bool pythia_time_of_day_text(const char *value, size_t length);

/* True where the text has the form in which a column of that type, in that engine, gives its values.  SQLite's columns
 * hold anything, so there it only tells what can be written as a number, bytes or a time of its own. */
bool pythia_value_has_form(pythia_engine engine, const pythia_type *type, const char *value, size_t length);

#endif
