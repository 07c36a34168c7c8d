/*
 * Dates and times of the interchange format in their usual spelling, into numbers: for
 * drivers that hand values over in binary.  What is spelled otherwise (infinity, years
 * beyond 9999, a zero date) is refused and wants another way.
 */
#ifndef PYTHIA_MOMENT_H
#define PYTHIA_MOMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pythia_moment
{
	int year; /* 1 to 9999 */
	int month;
	int day;
	int hour; /* 0 to 23 */
	int minute;
	int second;
	int microsecond;
	int digits; /* of the fraction, as written */
} pythia_moment;

/* YYYY-MM-DD of a day that the calendar has; the clock's fields are 0. */
bool pythia_moment_date(const char *text, size_t length, pythia_moment *moment);
/* HH:MM:SS[.ffffff] of less than a day; leaves the date's fields alone. */
bool pythia_moment_clock(const char *text, size_t length, pythia_moment *moment);
/* Both, with a space between. */
bool pythia_moment_stamp(const char *text, size_t length, pythia_moment *moment);
/* Days from 2000-01-01, where PostgreSQL's calendar begins, to the date. */
int32_t pythia_moment_days(const pythia_moment *moment);
/* Microseconds from midnight. */
int64_t pythia_moment_micros(const pythia_moment *moment);

#endif
