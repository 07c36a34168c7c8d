/* Characters as ASCII has them, whatever the process's locale is, and texts that may be none. */
#ifndef PYTHIA_TEXT_H
#define PYTHIA_TEXT_H

#include <stdbool.h>
#include <string.h>

static inline bool pythia_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool pythia_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What every engine's SQL takes for a blank. */
static inline bool pythia_is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool pythia_is_control(char c)
{
	return (c >= '\0' && c < ' ') || c == 0x7f;
}

static inline char pythia_lower_char(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

/* The value of a hexadecimal digit; -1 for any other character. */
static inline int pythia_hex_value(char c)
{
	if (pythia_is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Either may be NULL, which equals NULL alone. */
static inline bool pythia_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

#endif
